/* SPDX-License-Identifier: MIT */
/* Between two moments at which a source comes or goes the rate is one, so the walk goes from one
 * such moment to the next. Any thread. */
#include "swarm/bound.h"

enum { WHILE_MS = 1000, WHILE_PIECES = 4 };

static uint64_t per_second(uint64_t bytes, int64_t ms)
{
    return bytes * 1000 / (uint64_t)(ms < 1 ? 1 : ms);
}

void bound_meter_init(struct bound_meter *meter, int64_t now_ms)
{
    *meter = (struct bound_meter){.known_ms = now_ms, .since_ms = now_ms, .last_ms = now_ms};
}

uint64_t bound_meter_best(const struct bound_meter *meter)
{
    uint64_t last = meter->pieces < WHILE_PIECES ? 0 : per_second(meter->bytes, WHILE_MS);

    if (meter->best == 0) {
        return per_second(meter->bytes, meter->last_ms - meter->since_ms);
    }
    return last > meter->best ? last : meter->best;
}

void bound_meter_add(struct bound_meter *meter, uint64_t bytes, int64_t now_ms)
{
    meter->bytes += bytes;
    meter->pieces++;
    meter->last_ms = now_ms;
    if (meter->pieces < WHILE_PIECES || now_ms - meter->since_ms < WHILE_MS) {
        return;
    }
    uint64_t rate = per_second(meter->bytes, now_ms - meter->since_ms);
    meter->best = rate > meter->best ? rate : meter->best;
    meter->since_ms = now_ms;
    meter->bytes = 0;
    meter->pieces = 0;
}

/* The rate from now on, and until when it stays the same. */
static uint64_t rate_at(const struct bound *bound, int64_t now, int64_t *out_until)
{
    uint64_t rate = 0;

    *out_until = bound->elapsed_ms;
    for (int i = 0; i < bound->count; i++) {
        const struct bound_source *source = &bound->sources[i];
        int64_t turn = source->from_ms > now ? source->from_ms : source->to_ms;
        rate += source->from_ms <= now && now < source->to_ms ? source->rate : 0;
        *out_until = turn > now && turn < *out_until ? turn : *out_until;
    }
    return bound->downlink > 0 && rate > bound->downlink ? bound->downlink : rate;
}

int64_t bound_ms(const struct bound *bound)
{
    uint64_t left = bound->bytes * 1000; /* in thousandths, as a rate is one of ms */
    int64_t now = 0, until;

    while (now < bound->elapsed_ms) {
        uint64_t rate = rate_at(bound, now, &until);
        uint64_t can = rate * (uint64_t)(until - now);
        if (can >= left) {
            return now + (rate > 0 ? (int64_t)((left + rate - 1) / rate) : 0);
        }
        left -= can;
        now = until;
    }
    return bound->elapsed_ms;
}
