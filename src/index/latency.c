/* SPDX-License-Identifier: MIT */
/* Bucket numbers: the times below 4 each have one; above, four for each power of two. Pure. */
#include "index/latency.h"

static uint32_t latency_bucket(uint64_t us)
{
    uint32_t power = 2;
    if (us < 4)
        return (uint32_t)us;
    while (us >> power >= 2)
        power++;
    uint32_t bucket = 4 * (power - 1) + (uint32_t)(us >> (power - 2) & 3);
    return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

/* The largest time that falls into it. */
static uint64_t latency_top(uint32_t bucket)
{
    if (bucket < 4)
        return bucket;
    uint32_t power = bucket / 4 + 1;
    return ((uint64_t)(4 + bucket % 4 + 1) << (power - 2)) - 1;
}

void latency_add(struct latency *latency, int64_t took_us)
{
    latency->count++;
    latency->bucket[latency_bucket(took_us > 0 ? (uint64_t)took_us : 0)]++;
}

uint64_t latency_quantile(const struct latency *latency, uint32_t per_mille)
{
    uint64_t seen = 0, wanted = (latency->count * per_mille + 999) / 1000;
    for (uint32_t bucket = 0; latency->count > 0 && bucket < LATENCY_BUCKETS; bucket++) {
        seen += latency->bucket[bucket];
        if (seen >= wanted)
            return latency_top(bucket);
    }
    return 0;
}
