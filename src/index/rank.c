/* SPDX-License-Identifier: MIT */
/* The order of holders: classes by what a holder is, and inside a class the power of two choices
 * (Mitzenmacher 2001) by what it said of its load, which is up to a third of a lease old. Loop
 * thread. */
#include "index/rank.h"

enum { RANK_CLASSES = 16 };

/* 0 is the best. */
static uint8_t rank_class(const struct rank_holder *holder)
{
    return (uint8_t)((!holder->reachable || holder->suspect) * 8 + (holder->slots == 0) * 4 +
                     !holder->near * 2 + (holder->have < 100));
}

int rank_compare(const struct rank_holder *a, const struct rank_holder *b)
{
    if (a->slots != b->slots)
        return a->slots > b->slots ? -1 : 1;
    if (a->rate == 0 || b->rate == 0)
        return 0;
    if (a->rate > b->rate + b->rate / 4)
        return -1;
    return b->rate > a->rate + a->rate / 4 ? 1 : 0;
}

static void rank_swap(struct rank_holder *a, struct rank_holder *b)
{
    struct rank_holder kept = *a;
    *a = *b;
    *b = kept;
}

static uint32_t rank_drop_leaving(struct rank_holder *holders, uint32_t count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (holders[i].leaving)
            continue;
        holders[kept] = holders[i];
        holders[kept].class = rank_class(&holders[i]);
        kept++;
    }
    return kept;
}

/* In place, each holder moves to where its class stands (American flag sort). */
static void rank_by_class(struct rank_holder *holders, uint32_t count, uint32_t end[RANK_CLASSES])
{
    uint32_t next[RANK_CLASSES], at = 0;
    for (int class = 0; class < RANK_CLASSES; class ++)
        end[class] = 0;
    for (uint32_t i = 0; i < count; i++)
        end[holders[i].class]++;
    for (int class = 0; class < RANK_CLASSES; class ++) {
        next[class] = at;
        at += end[class];
        end[class] = at;
    }
    for (int class = 0; class < RANK_CLASSES; class ++) {
        while (next[class] < end[class]) {
            struct rank_holder *holder = &holders[next[class]];
            if (holder->class == class)
                next[class]++;
            else
                rank_swap(holder, &holders[next[holder->class]++]);
        }
    }
}

/* Each place gets the better of two that are still to be placed. */
static void rank_by_choice(struct rank_holder *holders, uint32_t count, struct hash_random *random)
{
    for (uint32_t i = 0; i + 1 < count; i++) {
        uint32_t a = i + hash_random_below(random, count - i);
        uint32_t b = i + hash_random_below(random, count - i);
        uint32_t best = rank_compare(&holders[a], &holders[b]) <= 0 ? a : b;
        if (best != i)
            rank_swap(&holders[i], &holders[best]);
    }
}

uint32_t rank_order(struct rank_holder *holders, uint32_t count, struct hash_random *random)
{
    uint32_t end[RANK_CLASSES], begin = 0;
    count = rank_drop_leaving(holders, count);
    if (count < 2)
        return count;
    rank_by_class(holders, count, end);
    for (int class = 0; class < RANK_CLASSES; class ++) {
        rank_by_choice(holders + begin, end[class] - begin, random);
        begin = end[class];
    }
    return count;
}
