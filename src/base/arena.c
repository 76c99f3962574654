/* SPDX-License-Identifier: MIT */
/* The arena and its pools. The only file that asks the system for memory, once. Slots that were
 * never taken are the mapping's own zero pages, so pool_take clears only slots that come back. Loop
 * thread while carving; a pool then belongs to whichever thread uses it. */
#include "base/arena.h"

#include "platform/plat.h"

#include <assert.h>
#include <string.h>

int arena_init(struct arena *arena, size_t size)
{
    arena->base = plat_map(size);
    arena->size = arena->base ? size : 0;
    arena->used = 0;
    return arena->base ? 0 : -P2P_EFULL;
}

void arena_free(struct arena *arena)
{
    if (arena->base)
        plat_unmap(arena->base, arena->size);
    *arena = (struct arena){0};
}

void *arena_carve(struct arena *arena, size_t size, size_t align)
{
    assert(align > 0 && (align & (align - 1)) == 0);
    size_t start = (arena->used + align - 1) & ~(align - 1);
    if (start < arena->used || start > arena->size || size > arena->size - start)
        return NULL;
    arena->used = start + size;
    return arena->base + start;
}

size_t arena_left(const struct arena *arena)
{
    return arena->size - arena->used;
}

struct arena_front arena_front(void *base, size_t size)
{
    uint8_t *end_of_first = (uint8_t *)base + ARENA_STEP;
    size_t over = (uintptr_t)end_of_first % ARENA_STEP;
    size_t ready = over ? 2 * (size_t)ARENA_STEP - over : ARENA_STEP;
    return (struct arena_front){.base = base, .size = size, .ready = ready < size ? ready : size};
}

/* Where a large page begins that lies in the table: with four times as many bytes before it, what
 * of it is never used adds a quarter at most. */
static bool arena_is_large(const struct arena_front *front)
{
    return (uintptr_t)(front->base + front->ready) % PLAT_LARGE_PAGE == 0 &&
           front->ready >= 4 * (size_t)PLAT_LARGE_PAGE &&
           front->size - front->ready >= PLAT_LARGE_PAGE;
}

void arena_advance(struct arena_front *front, size_t used)
{
    assert(used <= front->size);
    while (front->ready < used) {
        size_t left = front->size - front->ready;
        size_t step = left < ARENA_STEP ? left : ARENA_STEP;
        if (arena_is_large(front))
            plat_map_large(front->base + front->ready);
        plat_map_expect(front->base + front->ready, step);
        front->ready += step;
    }
}

int pool_init(struct pool *pool, struct arena *arena, uint32_t item_size, uint32_t count)
{
    assert(item_size >= sizeof(uint32_t));
    *pool = (struct pool){.item_size = item_size, .count = count, .front.ready = SIZE_MAX};
    if (count > SIZE_MAX / item_size)
        return -P2P_EFULL;
    pool->items = arena_carve(arena, (size_t)item_size * count, POOL_ALIGN);
    return pool->items ? 0 : -P2P_EFULL;
}

void pool_ahead(struct pool *pool)
{
    pool->front = arena_front(pool->items, (size_t)pool->item_size * pool->count);
}

uint32_t pool_take(struct pool *pool)
{
    uint32_t slot = pool->free_head;
    if (slot != 0) {
        void *item = pool_at(pool, slot);
        memcpy(&pool->free_head, item, sizeof(pool->free_head));
        memset(item, 0, pool->item_size);
    } else if (pool->fresh < pool->count) {
        slot = ++pool->fresh;
        arena_reach(&pool->front, (size_t)slot * pool->item_size);
    } else {
        return 0;
    }
    if (++pool->used > pool->peak)
        pool->peak = pool->used;
    return slot;
}

void pool_give(struct pool *pool, uint32_t slot)
{
    assert(pool->used > 0);
    memcpy(pool_at(pool, slot), &pool->free_head, sizeof(pool->free_head));
    pool->free_head = slot;
    pool->used--;
}

void *pool_at(const struct pool *pool, uint32_t slot)
{
    assert(slot >= 1 && slot <= pool->fresh);
    return pool->items + (size_t)(slot - 1) * pool->item_size;
}

uint32_t pool_slot(const struct pool *pool, const void *item)
{
    size_t offset = (size_t)((const uint8_t *)item - pool->items);
    assert(offset % pool->item_size == 0 && offset / pool->item_size < pool->fresh);
    return (uint32_t)(offset / pool->item_size) + 1;
}
