/* SPDX-License-Identifier: MIT */
/* The program's memory: one mapping, carved once, and pools of equal slots in it. Carving and
 * unused slots touch nothing, so only what is used becomes resident. Pools belong to one thread. */
#ifndef ARENA_H
#define ARENA_H

#include "p2p.h"

struct arena {
    uint8_t *base;
    size_t size, used;
};

/* Maps size bytes. 0 or -P2P_EFULL. */
int arena_init(struct arena *arena, size_t size);
void arena_free(struct arena *arena);
/* size bytes of zeroes, aligned to align (a power of two), for as long as the arena lives. NULL
 * when full. */
void *arena_carve(struct arena *arena, size_t size, size_t align);
size_t arena_left(const struct arena *arena);

/* A table that is filled from its start on: memory is asked for in steps a little ahead of what is
 * used, small steps first, so that a table with little in it takes no more than it needs. */
struct arena_front {
    uint8_t *base;
    size_t size, ready; /* ready: bytes that need no asking */
};
enum { ARENA_STEP = 1 << 16 };
struct arena_front arena_front(void *base, size_t size);
/* So many bytes are used, or will be at once. */
void arena_advance(struct arena_front *front, size_t used);
static inline void arena_reach(struct arena_front *front, size_t used)
{
    if (used > front->ready)
        arena_advance(front, used);
}

/* Slot numbers are 1..count; 0 is "none", so that zeroed links are empty. */
struct pool {
    uint8_t *items;
    uint32_t item_size, count;
    uint32_t fresh;     /* slots 1..fresh were handed out at least once */
    uint32_t free_head; /* a freed slot keeps the next free one in its first 4 bytes */
    uint32_t used, peak;
    struct arena_front front;
};

enum { POOL_ALIGN = 64 }; /* of the first slot: a cache line */

/* count slots of item_size (>= 4) bytes each. A struct is aligned in every slot, since its size is
 * a multiple of its alignment. 0 or -P2P_EFULL. */
int pool_init(struct pool *pool, struct arena *arena, uint32_t item_size, uint32_t count);
/* Very many slots may be taken: memory for them is asked for ahead. */
void pool_ahead(struct pool *pool);
/* A slot number, 0 when all are taken. Its bytes are zero. */
uint32_t pool_take(struct pool *pool);
void pool_give(struct pool *pool, uint32_t slot);
/* The slot's bytes; slot must be 1..count and taken. */
void *pool_at(const struct pool *pool, uint32_t slot);
/* The number of a slot from its bytes. */
uint32_t pool_slot(const struct pool *pool, const void *item);

#endif
