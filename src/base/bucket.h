/* SPDX-License-Identifier: MIT */
/* Token bucket: a rate that holds over any long time, with a burst. Pure; time is handed in. */
#ifndef BUCKET_H
#define BUCKET_H

#include "p2p.h"

enum {
    BUCKET_BURST_PART = 4 /* of a second: a machine that is busy for so long loses nothing */
};

struct bucket {
    uint64_t rate, burst; /* per second, and at once; rate 0 is no limit */
    int64_t level;        /* tokens now, times a million; below zero after an overdraft */
    int64_t at_us;
};

/* Full at the start. burst is at least one token. */
void bucket_init(struct bucket *bucket, uint64_t rate, uint64_t burst, int64_t now_us);
/* How many of wanted tokens may be used now (0: none). Takes none. */
uint64_t bucket_allow(struct bucket *bucket, uint64_t wanted, int64_t now_us);
/* Takes tokens; may overdraw. */
void bucket_take(struct bucket *bucket, uint64_t used);
/* Milliseconds until at least one token is there, 0 when there is. */
int64_t bucket_wait_ms(struct bucket *bucket, int64_t now_us);

/* An average rate per second over the last few seconds (for progress and for holders): each second
 * counts half as much as the one after it. */
struct bucket_meter {
    uint64_t total, window;
    int64_t start_us; /* of the window */
    double rate;
};
void bucket_meter_init(struct bucket_meter *meter, int64_t now_us);
void bucket_meter_add(struct bucket_meter *meter, uint64_t amount, int64_t now_us);
double bucket_meter_rate(struct bucket_meter *meter, int64_t now_us);

#endif
