/* SPDX-License-Identifier: MIT */
/* Keyed hash for tables whose keys strangers choose: SipHash-1-3 (Aumasson, Bernstein 2012), key
 * drawn at start. */
#ifndef HASH_H
#define HASH_H

#include "p2p.h"

/* Draws the process's key; before that the key is zero (tests). */
int hash_seed(void);
uint64_t hash_bytes(const void *bytes, size_t size);
/* Mixes one number (splitmix64 finaliser with the key). */
uint64_t hash_u64(uint64_t value);

/* A small generator for choices that need not be secret (xoshiro256**); one per owner. */
struct hash_random {
    uint64_t state[4];
};
void hash_random_seed(struct hash_random *random, uint64_t seed);
uint64_t hash_random_next(struct hash_random *random);
/* Uniform in 0..bound-1; bound > 0. */
uint32_t hash_random_below(struct hash_random *random, uint32_t bound);

#endif
