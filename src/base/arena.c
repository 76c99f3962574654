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

int pool_init(struct pool *pool, struct arena *arena, uint32_t item_size, uint32_t count)
{
    assert(item_size >= sizeof(uint32_t));
    *pool = (struct pool){.item_size = item_size, .count = count};
    if (count > SIZE_MAX / item_size)
        return -P2P_EFULL;
    pool->items = arena_carve(arena, (size_t)item_size * count, POOL_ALIGN);
    return pool->items ? 0 : -P2P_EFULL;
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
