/* SPDX-License-Identifier: MIT */
/* A hash table of slot numbers that grows by few buckets at a time (linear hashing, Litwin 1980):
 * no stall, and heads of buckets that were never needed are never touched. Hashes and links lie
 * side by side, apart from the objects: a look-up reads an object only when its hash is right. Loop
 * thread. */
#ifndef LINEAR_H
#define LINEAR_H

#include "base/arena.h"

struct linear_entry {
    uint32_t hash, next;
};

enum { LINEAR_SLOTS_MAX = (1 << 24) - 1 }; /* the rest of a head tells misses from hits */

struct linear {
    struct linear_entry *entries; /* by slot - 1 */
    uint32_t *heads;              /* the first slot; above it two bits for each hash there */
    uint32_t buckets, buckets_max, count;
    struct arena_front entries_front, heads_front;
};

/* For objects with slots 1..count, LINEAR_SLOTS_MAX at most. 0 or -P2P_EFULL. */
int linear_init(struct linear *linear, struct arena *arena, uint32_t count);
/* Buckets for so many objects from the start, when it is empty: nothing is split on the way there.
 */
void linear_reserve(struct linear *linear, uint32_t count);
/* Bytes of a table for slots 1..count. */
size_t linear_size(uint32_t count);
/* The objects that have this hash; 0 ends. The caller compares. */
uint32_t linear_first(const struct linear *linear, uint32_t hash);
uint32_t linear_next(const struct linear *linear, uint32_t slot);
/* Both only say that the table will be asked for this hash soon: first the head of the bucket,
 * later, when it has arrived, the first entry. */
void linear_expect(const struct linear *linear, uint32_t hash);
void linear_expect_first(const struct linear *linear, uint32_t hash);
/* The object must not be, must be in the table (asserted). */
void linear_add(struct linear *linear, uint32_t slot, uint32_t hash);
void linear_remove(struct linear *linear, uint32_t slot);

#endif
