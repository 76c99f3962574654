/* SPDX-License-Identifier: MIT */
/* The best so many of any number of offers by rank. Pure. */
#ifndef RANKING_H
#define RANKING_H

#include "p2p.h"

/* Begins zeroed, with its limit set (at most P2P_RESULTS_MAX). */
struct ranking {
    uint32_t limit, count;
    struct {
        uint64_t rank; /* the larger the better; of equals the lower number goes first */
        uint32_t offer;
    } entry[P2P_RESULTS_MAX]; /* a heap, the worst first; sorted after ranking_sort */
};

void ranking_add(struct ranking *ranking, uint64_t rank, uint32_t offer);
/* Puts the best first. Nothing may be added after. */
void ranking_sort(struct ranking *ranking);

#endif
