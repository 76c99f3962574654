/* SPDX-License-Identifier: MIT */
/* One walk over the numbers for each downloader that comes or goes: 10 us for 2,048 pieces. All
 * nodes must agree on the hash and on how pieces go together: both follow from the count of pieces.
 * Loop thread. */
#include "swarm/rank.h"

#include <assert.h>
#include <string.h>

enum {
    RANK_SINGLE_MAX = 8192, /* more pieces than this go by eight: shares are still even */
    RANK_SHIFT = 3
};

static uint32_t groups(const struct rank *rank)
{
    return (rank->pieces + (1u << rank->shift) - 1) >> rank->shift;
}

size_t rank_memory(uint32_t pieces)
{
    return pieces <= RANK_SINGLE_MAX ? pieces : (pieces >> RANK_SHIFT) + 1;
}

void rank_init(struct rank *rank, uint32_t pieces, void *memory)
{
    *rank = (struct rank){
        .pieces = pieces, .shift = pieces <= RANK_SINGLE_MAX ? 0 : RANK_SHIFT, .before = memory};
    memset(memory, 0, groups(rank));
}

uint64_t rank_key(const uint8_t id[static P2P_ID_SIZE])
{
    uint64_t key = 0;
    for (size_t i = 0; i < sizeof key; i++)
        key = key << 8 | id[i];
    return key;
}

/* The finaliser of splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t key, uint32_t group)
{
    uint64_t x = key + (group + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

void rank_self(struct rank *rank, uint64_t key)
{
    assert(rank->count == 0);
    rank->self = key;
}

static void change(struct rank *rank, uint64_t key, int by)
{
    for (uint32_t i = 0, end = groups(rank); i < end; i++)
        if (mix(key, i) > mix(rank->self, i))
            rank->before[i] = (uint8_t)(rank->before[i] + by);
}

void rank_add(struct rank *rank, uint64_t key)
{
    assert(rank->count < UINT8_MAX);
    rank->count++;
    change(rank, key, 1);
}

void rank_remove(struct rank *rank, uint64_t key)
{
    assert(rank->count > 0);
    rank->count--;
    change(rank, key, -1);
}

unsigned rank_of(const struct rank *rank, uint32_t piece)
{
    return rank->before[piece >> rank->shift];
}

uint64_t rank_weight(const struct rank *rank, uint32_t piece)
{
    return mix(rank->self, piece >> rank->shift);
}
