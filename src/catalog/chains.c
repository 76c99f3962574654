/* SPDX-License-Identifier: MIT */
/* Linear hashing over objects of a pool. An addition splits at most one bucket; buckets are never
 * joined again, since a directory that was large once will be again. Loop thread. */
#include "catalog/chains.h"

#include <assert.h>

enum {
    CHAINS_FIRST = 8,
    CHAINS_AHEAD =
        8, /* splits ahead that objects are fetched: a miss takes longer than an addition */
};

static uint32_t *chains_link(const struct chains *chains, uint32_t slot)
{
    uint8_t *item = chains->pool->items + (size_t)(slot - 1) * chains->pool->item_size;
    return (uint32_t *)(void *)(item + chains->link_at);
}

/* All bits of the largest bucket number, filled up. */
static uint32_t chains_mask(const struct chains *chains)
{
    uint32_t mask = chains->buckets - 1;
    mask |= mask >> 1;
    mask |= mask >> 2;
    mask |= mask >> 4;
    mask |= mask >> 8;
    return mask | mask >> 16;
}

static uint32_t chains_bucket(const struct chains *chains, uint32_t hash)
{
    uint32_t mask = chains_mask(chains);
    uint32_t bucket = hash & mask;
    return bucket < chains->buckets ? bucket : bucket & mask >> 1;
}

size_t chains_size(uint32_t count)
{
    return sizeof(uint32_t) * (count > CHAINS_FIRST ? count : CHAINS_FIRST);
}

int chains_init(struct chains *chains, struct arena *arena)
{
    uint32_t count = chains->pool->count;
    chains->buckets_max = count > CHAINS_FIRST ? count : CHAINS_FIRST;
    chains->buckets = CHAINS_FIRST;
    chains->count = 0;
    chains->heads = arena_carve(arena, chains_size(count), sizeof(uint32_t));
    return chains->heads ? 0 : -P2P_EFULL;
}

uint32_t chains_first(const struct chains *chains, uint32_t hash)
{
    return chains->heads[chains_bucket(chains, hash)];
}

uint32_t chains_next(const struct chains *chains, uint32_t slot)
{
    return *chains_link(chains, slot);
}

/* Splits go through the table in order, so what the next ones will need is known: the first object
 * of a bucket, and nearer the second. */
static void chains_fetch_ahead(const struct chains *chains, uint32_t fresh, uint32_t half)
{
    uint32_t far = chains->heads[(fresh + 2 * CHAINS_AHEAD) & half];
    uint32_t near = chains->heads[(fresh + CHAINS_AHEAD) & half];
    if (far)
        __builtin_prefetch(chains_link(chains, far));
    if (near && *chains_link(chains, near))
        __builtin_prefetch(chains_link(chains, *chains_link(chains, near)));
}

/* Moves what belongs to the new last bucket out of the bucket that held it so far. */
static void chains_split(struct chains *chains)
{
    uint32_t fresh = chains->buckets++;
    uint32_t half = chains_mask(chains) >> 1;
    uint32_t *link = &chains->heads[fresh & half];
    chains_fetch_ahead(chains, fresh, half);
    while (*link != 0) {
        uint32_t slot = *link;
        uint32_t *next = chains_link(chains, slot);
        if (chains_bucket(chains, chains->hash(chains->ctx, slot)) != fresh) {
            link = next;
            continue;
        }
        *link = *next;
        *next = chains->heads[fresh];
        chains->heads[fresh] = slot;
    }
}

void chains_expect(const struct chains *chains, uint32_t hash)
{
    __builtin_prefetch(&chains->heads[chains_bucket(chains, hash)]);
}

void chains_expect_first(const struct chains *chains, uint32_t hash)
{
    uint32_t slot = chains_first(chains, hash);
    if (slot)
        __builtin_prefetch(chains->pool->items + (size_t)(slot - 1) * chains->pool->item_size);
}

void chains_add(struct chains *chains, uint32_t slot, uint32_t hash)
{
    if (++chains->count > chains->buckets && chains->buckets < chains->buckets_max)
        chains_split(chains);
    uint32_t *head = &chains->heads[chains_bucket(chains, hash)];
    *chains_link(chains, slot) = *head;
    *head = slot;
}

void chains_remove(struct chains *chains, uint32_t slot, uint32_t hash)
{
    uint32_t *link = &chains->heads[chains_bucket(chains, hash)];
    while (*link != slot) {
        assert(*link != 0);
        link = chains_link(chains, *link);
    }
    *link = *chains_link(chains, slot);
    chains->count--;
}
