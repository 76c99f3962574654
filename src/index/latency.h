/* SPDX-License-Identifier: MIT */
/* How long something took, as a histogram: quarters of each power of two, so that a quantile is
 * right within a quarter. Pure. */
#ifndef LATENCY_H
#define LATENCY_H

#include "p2p.h"

enum { LATENCY_BUCKETS = 128 };

struct latency {
    uint64_t count;
    uint32_t bucket[LATENCY_BUCKETS];
};

/* Below 0 counts as 0. */
void latency_add(struct latency *latency, int64_t took_us);
/* The time that so many per mille took at most; 0 when there were none. */
uint64_t latency_quantile(const struct latency *latency, uint32_t per_mille);

#endif
