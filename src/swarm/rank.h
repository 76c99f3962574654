/* SPDX-License-Identifier: MIT */
/* Whose piece is it? Downloaders of one content divide its pieces without a word: each piece is
 * the affair of whoever has the highest hash of (id, piece) (rendezvous hashing: Thaler and
 * Ravishankar, 1998), the second highest takes over, and so on. Kept as one number a piece: how
 * many of the known others come before ourselves, so that one more or one less costs one walk.
 * Pure. */
#ifndef RANK_H
#define RANK_H

#include "p2p.h"

struct rank {
    uint64_t self; /* key */
    uint32_t pieces, count;
    unsigned shift;  /* pieces of one number: 1 << shift */
    uint8_t *before; /* the numbers; lent */
};

/* Bytes of memory: one a piece, or one for eight where pieces are many. */
size_t rank_memory(uint32_t pieces);
/* Nobody else is known: all is ours. memory: rank_memory() bytes, lent for good. */
void rank_init(struct rank *rank, uint32_t pieces, void *memory);
/* A node's key. Ids are uniform already. */
uint64_t rank_key(const uint8_t id[static P2P_ID_SIZE]);
/* Sets who we are; before the first add. */
void rank_self(struct rank *rank, uint64_t key);
/* Another downloader comes or goes; at most 255 at the same time, each remove after its add. */
void rank_add(struct rank *rank, uint64_t key);
void rank_remove(struct rank *rank, uint64_t key);
/* How many others come before us for this piece; 0: it is ours. */
unsigned rank_of(const struct rank *rank, uint32_t piece);
/* Our own hash for it: the higher, the surer it is that nobody unknown to us comes before us. */
uint64_t rank_weight(const struct rank *rank, uint32_t piece);

#endif
