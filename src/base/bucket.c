/* SPDX-License-Identifier: MIT */
/* Token buckets and rate meters. Time is handed in, in microseconds of a clock that does not jump;
 * a bucket or meter belongs to one thread. */
#include "base/bucket.h"

enum { BUCKET_SECOND = 1000000 };

/* Largest number of tokens whose millionfold leaves room to add and subtract in int64_t. */
#define BUCKET_MOST (INT64_MAX / 4 / BUCKET_SECOND)

void bucket_init(struct bucket *bucket, uint64_t rate, uint64_t burst, int64_t now_us)
{
    if (burst < 1)
        burst = 1;
    bucket->rate = rate < BUCKET_MOST ? rate : BUCKET_MOST;
    bucket->burst = burst < BUCKET_MOST ? burst : BUCKET_MOST;
    bucket->level = (int64_t)bucket->burst * BUCKET_SECOND;
    bucket->at_us = now_us;
}

/* rate tokens a second are rate millionths of a token a microsecond. */
static void bucket_fill(struct bucket *bucket, int64_t now_us)
{
    int64_t full = (int64_t)bucket->burst * BUCKET_SECOND;
    int64_t elapsed = now_us - bucket->at_us;
    if (elapsed <= 0)
        return;
    bucket->at_us = now_us;
    if (elapsed > (full - bucket->level) / (int64_t)bucket->rate)
        bucket->level = full;
    else
        bucket->level += elapsed * (int64_t)bucket->rate;
}

uint64_t bucket_allow(struct bucket *bucket, uint64_t wanted, int64_t now_us)
{
    if (bucket->rate == 0)
        return wanted;
    bucket_fill(bucket, now_us);
    uint64_t there = bucket->level > 0 ? (uint64_t)bucket->level / BUCKET_SECOND : 0;
    return wanted < there ? wanted : there;
}

void bucket_take(struct bucket *bucket, uint64_t used)
{
    if (bucket->rate == 0)
        return;
    if (used > BUCKET_MOST)
        used = BUCKET_MOST;
    bucket->level -= (int64_t)used * BUCKET_SECOND;
    if (bucket->level < -BUCKET_MOST * BUCKET_SECOND)
        bucket->level = -BUCKET_MOST * BUCKET_SECOND;
}

int64_t bucket_wait_ms(struct bucket *bucket, int64_t now_us)
{
    if (bucket->rate == 0)
        return 0;
    bucket_fill(bucket, now_us);
    int64_t missing = BUCKET_SECOND - bucket->level;
    if (missing <= 0)
        return 0;
    int64_t wait_us = (missing - 1) / (int64_t)bucket->rate + 1;
    return (wait_us - 1) / 1000 + 1;
}

void bucket_meter_init(struct bucket_meter *meter, int64_t now_us)
{
    *meter = (struct bucket_meter){.start_us = now_us};
}

/* Ends the window when it is a second old. */
static void bucket_meter_roll(struct bucket_meter *meter, int64_t now_us)
{
    int64_t elapsed = now_us - meter->start_us;
    if (elapsed < BUCKET_SECOND)
        return;
    double latest = (double)meter->window * BUCKET_SECOND / (double)elapsed;
    bool first = meter->window == meter->total;
    for (int64_t second = BUCKET_SECOND;
         second <= elapsed && !first && second <= 60 * BUCKET_SECOND; second += BUCKET_SECOND)
        meter->rate = (meter->rate + latest) / 2;
    if (first)
        meter->rate = latest;
    meter->window = 0;
    meter->start_us = now_us;
}

void bucket_meter_add(struct bucket_meter *meter, uint64_t amount, int64_t now_us)
{
    bucket_meter_roll(meter, now_us);
    meter->total += amount;
    meter->window += amount;
}

double bucket_meter_rate(struct bucket_meter *meter, int64_t now_us)
{
    bucket_meter_roll(meter, now_us);
    int64_t elapsed = now_us - meter->start_us;
    /* In the first second what there is so far, but not of a moment too short to say anything. */
    if (meter->window < meter->total || elapsed < BUCKET_SECOND / 20)
        return meter->rate;
    return (double)meter->window * BUCKET_SECOND / (double)elapsed;
}
