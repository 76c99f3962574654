/* SPDX-License-Identifier: MIT */
/* Deadlines of many objects on one timer: a ring of links, walked when the timer fires. The cost of
 * a walk is O(deadlines); the grain bounds how often it is paid. The loop's thread. */
#include "run/deadline.h"

#include <assert.h>

static void timer_arm(struct deadlines *set, int64_t at_ms)
{
    if (set->timer.place != 0 && set->timer.at_ms <= at_ms)
        return;
    /* A loop without room for one timer a set is our own fault, told at its first use. */
    int result = loop_set_timer(set->loop, &set->timer, at_ms);
    assert(result == 0);
    (void)result;
}

static void link_out(struct deadline *deadline)
{
    deadline->prev->next = deadline->next;
    deadline->next->prev = deadline->prev;
    deadline->next = deadline->prev = NULL;
}

static void link_last(struct deadline *ring, struct deadline *deadline)
{
    deadline->prev = ring->prev;
    deadline->next = ring;
    ring->prev->next = deadline;
    ring->prev = deadline;
}

/* Those that are late are moved to a ring of their own first: on_late may then take any of them out
 * of either ring. */
static void deadlines_fire(void *ctx)
{
    struct deadlines *set = ctx;
    int64_t now_ms = loop_now_ms(set->loop), next_ms = INT64_MAX;
    struct deadline late = {0, &late, &late};
    for (struct deadline *d = set->list.next, *next; d != &set->list; d = next) {
        next = d->next;
        if (d->at_ms <= now_ms) {
            link_out(d);
            link_last(&late, d);
        } else if (d->at_ms < next_ms) {
            next_ms = d->at_ms;
        }
    }
    if (next_ms != INT64_MAX)
        timer_arm(set, next_ms < now_ms + set->grain_ms ? now_ms + set->grain_ms : next_ms);
    while (late.next != &late) {
        struct deadline *d = late.next;
        link_out(d);
        if (d->at_ms > now_ms)
            deadline_set(set, d, d->at_ms); /* moved by the one before */
        else
            set->on_late(set->ctx, d);
    }
}

void deadlines_init(struct deadlines *set, struct loop *loop, int grain_ms)
{
    set->loop = loop;
    set->grain_ms = grain_ms;
    set->timer = (struct loop_timer){.on_time = deadlines_fire, .ctx = set};
    set->list.next = set->list.prev = &set->list;
}

void deadline_set(struct deadlines *set, struct deadline *deadline, int64_t at_ms)
{
    deadline->at_ms = at_ms;
    if (!deadline->next)
        link_last(&set->list, deadline);
    timer_arm(set, at_ms);
}

void deadline_stop(struct deadline *deadline)
{
    if (deadline->next)
        link_out(deadline);
}

void deadlines_close(struct deadlines *set)
{
    loop_stop_timer(set->loop, &set->timer);
}
