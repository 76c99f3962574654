/* SPDX-License-Identifier: MIT */
/* Linear hashing. An addition splits at most one bucket; buckets are never joined again, since a
 * directory that was large once will be again. Loop thread. */
#include "catalog/linear.h"

#include <assert.h>

enum {
    LINEAR_FIRST = 8,
    LINEAR_SPLITS = 16, /* at once, so that their entries are fetched together */
    LINEAR_DEPTH = 3,   /* of a bucket's entries: few have more */
};

static struct linear_entry *linear_at(const struct linear *linear, uint32_t slot)
{
    return &linear->entries[slot - 1];
}

/* All bits of the largest bucket number, filled up. */
static uint32_t linear_mask(const struct linear *linear)
{
    return UINT32_MAX >> __builtin_clz(linear->buckets - 1);
}

static uint32_t linear_bucket(const struct linear *linear, uint32_t hash)
{
    uint32_t mask = linear_mask(linear);
    uint32_t bucket = hash & mask;
    return bucket < linear->buckets ? bucket : bucket & mask >> 1;
}

static uint32_t linear_buckets(uint32_t count)
{
    return count > LINEAR_FIRST ? count : LINEAR_FIRST;
}

size_t linear_size(uint32_t count)
{
    return sizeof(uint32_t) * linear_buckets(count) + sizeof(struct linear_entry) * count;
}

int linear_init(struct linear *linear, struct arena *arena, uint32_t count)
{
    size_t buckets = linear_buckets(count);
    *linear = (struct linear){.buckets = LINEAR_FIRST, .buckets_max = (uint32_t)buckets};
    linear->heads = arena_carve(arena, sizeof(uint32_t) * buckets, sizeof(uint32_t));
    linear->entries = arena_carve(arena, sizeof(struct linear_entry) * count, sizeof(uint32_t));
    return linear->heads && linear->entries ? 0 : -P2P_EFULL;
}

void linear_reserve(struct linear *linear, uint32_t count)
{
    uint32_t wanted = count < linear->buckets_max ? count : linear->buckets_max;
    if (linear->count == 0 && wanted > linear->buckets)
        linear->buckets = wanted;
}

static uint32_t linear_same(const struct linear *linear, uint32_t slot, uint32_t hash)
{
    while (slot && linear_at(linear, slot)->hash != hash)
        slot = linear_at(linear, slot)->next;
    return slot;
}

uint32_t linear_first(const struct linear *linear, uint32_t hash)
{
    return linear_same(linear, linear->heads[linear_bucket(linear, hash)], hash);
}

uint32_t linear_next(const struct linear *linear, uint32_t slot)
{
    const struct linear_entry *entry = linear_at(linear, slot);
    return linear_same(linear, entry->next, entry->hash);
}

/* Moves what belongs to the new last bucket out of the bucket that held it so far. */
static void linear_split(struct linear *linear)
{
    uint32_t fresh = linear->buckets++;
    uint32_t mask = linear_mask(linear), half = mask >> 1;
    uint32_t *link = &linear->heads[fresh & half], *end = &linear->heads[fresh];
    while (*link != 0) {
        uint32_t slot = *link;
        struct linear_entry *entry = linear_at(linear, slot);
        if ((entry->hash & mask) != fresh) {
            link = &entry->next;
            continue;
        }
        *link = entry->next;
        entry->next = 0;
        *end = slot;
        end = &entry->next;
    }
}

/* Splits go through the table in order, so what the next ones need is known: entries of each depth
 * are fetched for all of them, then those behind them. */
static void linear_grow(struct linear *linear)
{
    uint32_t left = linear->buckets_max - linear->buckets;
    uint32_t count = left < LINEAR_SPLITS ? left : LINEAR_SPLITS;
    uint32_t half = UINT32_MAX >> __builtin_clz(linear->buckets) >> 1, at[LINEAR_SPLITS];
    for (uint32_t i = 0; i < count; i++)
        at[i] = linear->heads[(linear->buckets + i) & half];
    for (int depth = 0; depth < LINEAR_DEPTH; depth++) {
        for (uint32_t i = 0; i < count; i++)
            __builtin_prefetch(at[i] ? linear_at(linear, at[i]) : linear->entries);
        for (uint32_t i = 0; i < count && depth + 1 < LINEAR_DEPTH; i++)
            at[i] = at[i] ? linear_at(linear, at[i])->next : 0;
    }
    while (count-- > 0)
        linear_split(linear);
}

void linear_expect(const struct linear *linear, uint32_t hash)
{
    __builtin_prefetch(&linear->heads[linear_bucket(linear, hash)]);
}

void linear_expect_first(const struct linear *linear, uint32_t hash)
{
    uint32_t slot = linear->heads[linear_bucket(linear, hash)];
    if (slot)
        __builtin_prefetch(linear_at(linear, slot));
}

void linear_add(struct linear *linear, uint32_t slot, uint32_t hash)
{
    if (++linear->count > linear->buckets && linear->buckets < linear->buckets_max)
        linear_grow(linear);
    uint32_t *head = &linear->heads[linear_bucket(linear, hash)];
    *linear_at(linear, slot) = (struct linear_entry){hash, *head};
    *head = slot;
}

void linear_remove(struct linear *linear, uint32_t slot)
{
    struct linear_entry *entry = linear_at(linear, slot);
    uint32_t *link = &linear->heads[linear_bucket(linear, entry->hash)];
    while (*link != slot) {
        assert(*link != 0);
        link = &linear_at(linear, *link)->next;
    }
    *link = entry->next;
    linear->count--;
}
