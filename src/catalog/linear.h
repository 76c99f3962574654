/* SPDX-License-Identifier: MIT */
/* A hash table whose links lie inside the objects of a pool, and that grows by one bucket at a time
 * (linear hashing, Litwin 1980): no stall, and heads of buckets that were never needed are never
 * touched. Loop thread. */
#ifndef LINEAR_H
#define LINEAR_H

#include "base/arena.h"

struct linear {
    /* Set before linear_init: the objects, where their link stands, and the hash of one that is in
     * the table. */
    const struct pool *pool;
    uint32_t link_at;
    uint32_t (*hash)(const void *ctx, uint32_t slot);
    const void *ctx;
    /* its own */
    uint32_t *heads;
    uint32_t buckets, buckets_max, count;
};

/* One bucket for each object of the pool at most. 0 or -P2P_EFULL. */
int linear_init(struct linear *linear, struct arena *arena);
/* Buckets for so many objects from the start, when it is empty: nothing is split on the way there.
 */
void linear_reserve(struct linear *linear, uint32_t count);
/* Bytes of heads for a pool of count. */
size_t linear_size(uint32_t count);
/* The objects that may have this hash, newest first; 0 ends. The caller compares. */
uint32_t linear_first(const struct linear *linear, uint32_t hash);
uint32_t linear_next(const struct linear *linear, uint32_t slot);
/* Both only say that the table will be asked for this hash soon: first the head of the bucket,
 * later, when it has arrived, the first object. */
void linear_expect(const struct linear *linear, uint32_t hash);
void linear_expect_first(const struct linear *linear, uint32_t hash);
/* The object must not be, must be in the table (asserted). */
void linear_add(struct linear *linear, uint32_t slot, uint32_t hash);
void linear_remove(struct linear *linear, uint32_t slot, uint32_t hash);

#endif
