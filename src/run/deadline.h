/* SPDX-License-Identifier: MIT */
/* Deadlines of many objects on one timer. Moving a deadline to a later time, which every request
 * does, is one store; the timer finds out when it fires. Firing looks at all deadlines of the set,
 * at most once each grain_ms: late by up to that, never early. The loop's thread. */
#ifndef DEADLINE_H
#define DEADLINE_H

#include "run/loop.h"

struct deadline {
    int64_t at_ms;
    struct deadline *next, *prev; /* NULL: not set */
};

struct deadlines {
    struct loop *loop;
    struct loop_timer timer;
    struct deadline list; /* the ring's own link */
    int grain_ms;
    void (*on_late)(void *ctx, struct deadline *deadline);
    void *ctx;
};

/* The set takes one timer of the loop while it is not empty. on_late is called for each deadline
 * that passed, after it was taken out; it may set and stop any deadline. */
void deadlines_init(struct deadlines *set, struct loop *loop, int grain_ms);
/* Sets or moves. A deadline is in one set at a time. */
void deadline_set(struct deadlines *set, struct deadline *deadline, int64_t at_ms);
void deadline_stop(struct deadline *deadline);
void deadlines_close(struct deadlines *set);

#endif
