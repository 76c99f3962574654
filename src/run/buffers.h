/* SPDX-License-Identifier: MIT */
/* I/O buffers of P2P_BUFFER_SIZE, handed out last in, first out, so that few are ever touched and
 * these are warm. Unlike slots of a pool they come back dirty: clearing 16 KiB for each request
 * would cost more than parsing it. One thread. */
#ifndef BUFFERS_H
#define BUFFERS_H

#include "base/arena.h"

struct buffers {
    struct pool pool;
    uint32_t head; /* of the free ones */
    uint32_t free;
};

/* 0 or -P2P_EFULL. */
int buffers_init(struct buffers *buffers, struct arena *arena, uint32_t count);
/* A slot that leaves at least spare others free, or 0. Its bytes are anything. */
uint32_t buffers_take(struct buffers *buffers, uint32_t spare);
void buffers_give(struct buffers *buffers, uint32_t slot);
uint8_t *buffers_at(const struct buffers *buffers, uint32_t slot);

#endif
