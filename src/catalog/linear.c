/* SPDX-License-Identifier: MIT */
/* Linear hashing over objects of a pool. An addition splits at most one bucket; buckets are never
 * joined again, since a directory that was large once will be again. Loop thread. */
#include "catalog/linear.h"

#include <assert.h>

enum {
    LINEAR_FIRST = 8,
    LINEAR_AHEAD =
        8, /* splits ahead that objects are fetched: a miss takes longer than an addition */
};

static uint32_t *linear_link(const struct linear *linear, uint32_t slot)
{
    uint8_t *item = linear->pool->items + (size_t)(slot - 1) * linear->pool->item_size;
    return (uint32_t *)(void *)(item + linear->link_at);
}

/* All bits of the largest bucket number, filled up. */
static uint32_t linear_mask(const struct linear *linear)
{
    uint32_t mask = linear->buckets - 1;
    mask |= mask >> 1;
    mask |= mask >> 2;
    mask |= mask >> 4;
    mask |= mask >> 8;
    return mask | mask >> 16;
}

static uint32_t linear_bucket(const struct linear *linear, uint32_t hash)
{
    uint32_t mask = linear_mask(linear);
    uint32_t bucket = hash & mask;
    return bucket < linear->buckets ? bucket : bucket & mask >> 1;
}

size_t linear_size(uint32_t count)
{
    return sizeof(uint32_t) * (count > LINEAR_FIRST ? count : LINEAR_FIRST);
}

int linear_init(struct linear *linear, struct arena *arena)
{
    uint32_t count = linear->pool->count;
    linear->buckets_max = count > LINEAR_FIRST ? count : LINEAR_FIRST;
    linear->buckets = LINEAR_FIRST;
    linear->count = 0;
    linear->heads = arena_carve(arena, linear_size(count), sizeof(uint32_t));
    return linear->heads ? 0 : -P2P_EFULL;
}

void linear_reserve(struct linear *linear, uint32_t count)
{
    uint32_t wanted = count < linear->buckets_max ? count : linear->buckets_max;
    if (linear->count == 0 && wanted > linear->buckets)
        linear->buckets = wanted;
}

uint32_t linear_first(const struct linear *linear, uint32_t hash)
{
    return linear->heads[linear_bucket(linear, hash)];
}

uint32_t linear_next(const struct linear *linear, uint32_t slot)
{
    return *linear_link(linear, slot);
}

/* Splits go through the table in order, so what the next ones will need is known: the first object
 * of a bucket, and nearer the second. */
static void linear_fetch_ahead(const struct linear *linear, uint32_t fresh, uint32_t half)
{
    uint32_t far = linear->heads[(fresh + 2 * LINEAR_AHEAD) & half];
    uint32_t near = linear->heads[(fresh + LINEAR_AHEAD) & half];
    if (far)
        __builtin_prefetch(linear_link(linear, far));
    if (near && *linear_link(linear, near))
        __builtin_prefetch(linear_link(linear, *linear_link(linear, near)));
}

/* Moves what belongs to the new last bucket out of the bucket that held it so far. */
static void linear_split(struct linear *linear)
{
    uint32_t fresh = linear->buckets++;
    uint32_t half = linear_mask(linear) >> 1;
    uint32_t *link = &linear->heads[fresh & half];
    linear_fetch_ahead(linear, fresh, half);
    while (*link != 0) {
        uint32_t slot = *link;
        uint32_t *next = linear_link(linear, slot);
        if (linear_bucket(linear, linear->hash(linear->ctx, slot)) != fresh) {
            link = next;
            continue;
        }
        *link = *next;
        *next = linear->heads[fresh];
        linear->heads[fresh] = slot;
    }
}

void linear_expect(const struct linear *linear, uint32_t hash)
{
    __builtin_prefetch(&linear->heads[linear_bucket(linear, hash)]);
}

void linear_expect_first(const struct linear *linear, uint32_t hash)
{
    uint32_t slot = linear_first(linear, hash);
    if (slot)
        __builtin_prefetch(linear->pool->items + (size_t)(slot - 1) * linear->pool->item_size);
}

void linear_add(struct linear *linear, uint32_t slot, uint32_t hash)
{
    if (++linear->count > linear->buckets && linear->buckets < linear->buckets_max)
        linear_split(linear);
    uint32_t *head = &linear->heads[linear_bucket(linear, hash)];
    *linear_link(linear, slot) = *head;
    *head = slot;
}

void linear_remove(struct linear *linear, uint32_t slot, uint32_t hash)
{
    uint32_t *link = &linear->heads[linear_bucket(linear, hash)];
    while (*link != slot) {
        assert(*link != 0);
        link = linear_link(linear, *link);
    }
    *link = *linear_link(linear, slot);
    linear->count--;
}
