/* SPDX-License-Identifier: MIT */
/* A bounded heap with the worst on top: a newcomer is compared with it alone. Pure; any thread. */
#include "catalog/ranking.h"

static bool ranking_less(uint64_t a_rank, uint32_t a_offer, uint64_t b_rank, uint32_t b_offer)
{
    return a_rank != b_rank ? a_rank < b_rank : a_offer > b_offer;
}

static void ranking_set(struct ranking *ranking, uint32_t i, uint64_t rank, uint32_t offer)
{
    ranking->entry[i].rank = rank;
    ranking->entry[i].offer = offer;
}

/* True: the entry at i is worse than that rank and offer. */
static bool ranking_is_worse(const struct ranking *ranking, uint32_t i, uint64_t rank,
                             uint32_t offer)
{
    return ranking_less(ranking->entry[i].rank, ranking->entry[i].offer, rank, offer);
}

/* Puts an entry in the place of the first of count, then lower, until what is below is better. */
static void ranking_sift(struct ranking *ranking, uint32_t count, uint64_t rank, uint32_t offer)
{
    uint32_t i = 0, child;
    while ((child = 2 * i + 1) < count) {
        if (child + 1 < count && ranking_is_worse(ranking, child + 1, ranking->entry[child].rank,
                                                  ranking->entry[child].offer))
            child++;
        if (!ranking_is_worse(ranking, child, rank, offer))
            break;
        ranking->entry[i] = ranking->entry[child];
        i = child;
    }
    ranking_set(ranking, i, rank, offer);
}

void ranking_add(struct ranking *ranking, uint64_t rank, uint32_t offer)
{
    if (ranking->limit == 0)
        return;
    if (ranking->count == ranking->limit) {
        if (ranking_is_worse(ranking, 0, rank, offer))
            ranking_sift(ranking, ranking->count, rank, offer);
        return;
    }
    uint32_t i = ranking->count++;
    for (; i > 0 && !ranking_is_worse(ranking, (i - 1) / 2, rank, offer); i = (i - 1) / 2)
        ranking->entry[i] = ranking->entry[(i - 1) / 2];
    ranking_set(ranking, i, rank, offer);
}

void ranking_sort(struct ranking *ranking)
{
    for (uint32_t count = ranking->count; count > 1; count--) {
        uint64_t rank = ranking->entry[count - 1].rank;
        uint32_t offer = ranking->entry[count - 1].offer;
        ranking->entry[count - 1] = ranking->entry[0];
        ranking_sift(ranking, count - 1, rank, offer);
    }
}
