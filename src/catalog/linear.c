/* SPDX-License-Identifier: MIT */
/* Linear hashing. An addition splits a few buckets at most; buckets are never joined again, since a
 * directory that was large once will be again. Loop thread. */
#include "catalog/linear.h"

#include <assert.h>

enum {
    LINEAR_FIRST = 8,
    LINEAR_AHEAD = 8,   /* buckets an entry while they last: a split moves an eighth as many then */
    LINEAR_SPLITS = 16, /* at once, so that their entries are fetched together */
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

/* In a head: that an entry with such a hash stands in the bucket, or did before it was removed. Two
 * bits of eight: with one, half as many entries again were read in vain while a table fills. */
static uint32_t linear_sign(uint32_t hash)
{
    return UINT32_C(1) << (24 + (hash >> 29)) | UINT32_C(1) << (24 + (hash >> 26 & 7));
}

static bool linear_may_hold(uint32_t head, uint32_t hash)
{
    return (~head & linear_sign(hash)) == 0;
}

static uint32_t linear_slot(uint32_t head)
{
    return head & LINEAR_SLOTS_MAX;
}

/* Puts an entry at the front of a bucket. */
static void linear_push(struct linear *linear, uint32_t bucket, uint32_t slot)
{
    struct linear_entry *entry = linear_at(linear, slot);
    uint32_t *head = &linear->heads[bucket];
    entry->next = linear_slot(*head);
    *head = (*head & ~(uint32_t)LINEAR_SLOTS_MAX) | linear_sign(entry->hash) | slot;
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
    assert(count <= LINEAR_SLOTS_MAX);
    *linear = (struct linear){.buckets = LINEAR_FIRST, .buckets_max = (uint32_t)buckets};
    linear->heads = arena_carve(arena, sizeof(uint32_t) * buckets, sizeof(uint32_t));
    linear->entries = arena_carve(arena, sizeof(struct linear_entry) * count, sizeof(uint32_t));
    linear->heads_front = arena_front(linear->heads, sizeof(uint32_t) * buckets);
    linear->entries_front = arena_front(linear->entries, sizeof(struct linear_entry) * count);
    return linear->heads && linear->entries ? 0 : -P2P_EFULL;
}

/* Heads are read before they are written: memory that comes at the first read comes again then. */
static void linear_ready(struct linear *linear, uint32_t buckets)
{
    arena_reach(&linear->heads_front, sizeof(uint32_t) * (size_t)buckets);
}

void linear_reserve(struct linear *linear, uint32_t count)
{
    uint32_t wanted = count < linear->buckets_max ? count : linear->buckets_max;
    if (linear->count == 0 && wanted > linear->buckets)
        linear->buckets = wanted;
    linear_ready(linear, linear->buckets);
}

static uint32_t linear_same(const struct linear *linear, uint32_t slot, uint32_t hash)
{
    while (slot && linear_at(linear, slot)->hash != hash)
        slot = linear_at(linear, slot)->next;
    return slot;
}

uint32_t linear_first(const struct linear *linear, uint32_t hash)
{
    uint32_t head = linear->heads[linear_bucket(linear, hash)];
    return linear_may_hold(head, hash) ? linear_same(linear, linear_slot(head), hash) : 0;
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
    uint32_t mask = linear_mask(linear), old = fresh & mask >> 1;
    uint32_t slot = linear_slot(linear->heads[old]);
    if (slot == 0)
        return; /* most: and what stays empty is not touched */
    linear->heads[old] = 0;
    while (slot != 0) {
        struct linear_entry entry = *linear_at(linear, slot);
        linear_push(linear, (entry.hash & mask) == fresh ? fresh : old, slot);
        slot = entry.next;
    }
}

/* Splits go through the table in order, so what the next ones need is known. */
static void linear_grow(struct linear *linear)
{
    uint32_t left = linear->buckets_max - linear->buckets;
    uint32_t count = left < LINEAR_SPLITS ? left : LINEAR_SPLITS;
    uint32_t half = UINT32_MAX >> __builtin_clz(linear->buckets) >> 1;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = linear_slot(linear->heads[(linear->buckets + i) & half]);
        if (slot != 0)
            __builtin_prefetch(linear_at(linear, slot));
    }
    linear_ready(linear, linear->buckets + count);
    while (count-- > 0)
        linear_split(linear);
}

void linear_expect(const struct linear *linear, uint32_t hash)
{
    __builtin_prefetch(&linear->heads[linear_bucket(linear, hash)]);
}

void linear_expect_first(const struct linear *linear, uint32_t hash)
{
    uint32_t head = linear->heads[linear_bucket(linear, hash)];
    if (linear_may_hold(head, hash))
        __builtin_prefetch(linear_at(linear, linear_slot(head)));
}

void linear_add(struct linear *linear, uint32_t slot, uint32_t hash)
{
    if (++linear->count > linear->buckets / LINEAR_AHEAD && linear->buckets < linear->buckets_max)
        linear_grow(linear);
    arena_reach(&linear->entries_front, sizeof(struct linear_entry) * (size_t)slot);
    linear_at(linear, slot)->hash = hash;
    linear_push(linear, linear_bucket(linear, hash), slot);
}

void linear_remove(struct linear *linear, uint32_t slot)
{
    const struct linear_entry *entry = linear_at(linear, slot);
    uint32_t *head = &linear->heads[linear_bucket(linear, entry->hash)];
    uint32_t before = 0, at = linear_slot(*head);
    for (; at != slot; at = linear_at(linear, at)->next) {
        assert(at != 0);
        before = at;
    }
    if (before)
        linear_at(linear, before)->next = entry->next;
    else if (entry->next)
        *head = (*head & ~(uint32_t)LINEAR_SLOTS_MAX) | entry->next;
    else
        *head = 0;
    linear->count--;
}
