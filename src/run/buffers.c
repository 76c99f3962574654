/* SPDX-License-Identifier: MIT */
/* I/O buffers: a stack of used ones over a pool that is never given back to. One thread. */
#include "run/buffers.h"

#include <string.h>

int buffers_init(struct buffers *buffers, struct arena *arena, uint32_t count)
{
    *buffers = (struct buffers){.free = count};
    return pool_init(&buffers->pool, arena, P2P_BUFFER_SIZE, count);
}

uint32_t buffers_take(struct buffers *buffers, uint32_t spare)
{
    if (buffers->free <= spare)
        return 0;
    buffers->free--;
    uint32_t slot = buffers->head;
    if (slot == 0)
        return pool_take(&buffers->pool);
    memcpy(&buffers->head, pool_at(&buffers->pool, slot), sizeof buffers->head);
    return slot;
}

void buffers_give(struct buffers *buffers, uint32_t slot)
{
    memcpy(pool_at(&buffers->pool, slot), &buffers->head, sizeof buffers->head);
    buffers->head = slot;
    buffers->free++;
}

uint8_t *buffers_at(const struct buffers *buffers, uint32_t slot)
{
    return pool_at(&buffers->pool, slot);
}
