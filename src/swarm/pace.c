/* SPDX-License-Identifier: MIT */
/* Means over some seconds, and what follows from them. A source that is silent is taken to stay
 * silent as long again, so that what crawls is taken over by others soon, and again when the others
 * crawl too. Loop thread. */
#include "swarm/pace.h"

enum {
    STEP_MS = 250, /* bytes are counted this long before they change the rate */
    SENDERS = 2    /* of one piece at the same time, but for those that crawl */
};

void pace_count(struct plan_source *source, uint32_t bytes, int64_t now_ms)
{
    source->counted += bytes;
    source->heard_ms = now_ms;
    int64_t span = now_ms - source->counted_ms;
    if (span < STEP_MS)
        return;
    int64_t rate = (int64_t)source->counted * 1000 / span;
    int64_t mean = source->rate;
    int64_t weight =
        rate > mean ? PACE_MEAN_MS / 2 : span; /* a growing window must be seen at once */
    mean = mean == 0 || span > PACE_MEAN_MS ? rate : mean + (rate - mean) * weight / PACE_MEAN_MS;
    source->rate = (uint32_t)(mean < 1 ? 1 : mean > UINT32_MAX ? UINT32_MAX : mean);
    source->counted = 0;
    source->counted_ms = now_ms;
}

bool pace_is_sent(const struct plan_request *request, uint32_t piece)
{
    uint32_t at = piece - request->first; /* below first: far above count */
    return at < request->count && !(request->over >> at & 1);
}

/* ms for so many pieces of a source that has been silent since then. */
static int64_t time_left(const struct plan *plan, const struct plan_source *source, uint32_t pieces,
                         int64_t silent_ms)
{
    uint64_t bytes = (uint64_t)plan->shape.piece_bytes * pieces;
    uint64_t rate = source->rate, known = 0, sum = 0;
    for (int i = 0; rate == 0 && i < PLAN_SOURCES_MAX; i++) {
        sum += plan->sources[i].rate;
        known += plan->sources[i].rate > 0;
    }
    if (known > 0)
        rate = sum / known;
    return silent_ms + source->delay_ms + (int64_t)(rate == 0 ? 0 : bytes * 1000 / rate);
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int64_t pace_source_left(const struct plan *plan, const struct plan_source *source, int64_t now_ms)
{
    int64_t since = later(source->heard_ms, source->busy_ms);
    return time_left(plan, source, source->in_flight + 1u,
                     source->in_flight > 0 ? now_ms - since : 0);
}

int64_t pace_request_left(const struct plan *plan, const struct plan_request *request,
                          int64_t now_ms)
{
    const struct plan_source *source = &plan->sources[request->source];
    return time_left(plan, source, source->in_flight,
                     now_ms - later(source->heard_ms, request->asked_ms));
}

int64_t pace_piece_left(const struct plan *plan, uint32_t piece, int64_t now_ms)
{
    int64_t least = INT64_MAX;
    int count = 0;
    for (int i = 0; i < PLAN_REQUESTS_MAX; i++) {
        if (!pace_is_sent(&plan->requests[i], piece))
            continue;
        int64_t left = pace_request_left(plan, &plan->requests[i], now_ms);
        least = left < least ? left : least;
        count += left < PACE_SLOW_MS;
    }
    return count < SENDERS ? least : 0;
}
