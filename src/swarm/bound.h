/* SPDX-License-Identifier: MIT */
/* What a download could have been at best: how long it would have taken, had each source, from when
 * it was known until it was lost, sent all the time as fast as it did at its best, and all of them
 * together no faster than this node received at its best, or may receive. Pure; times in ms. */
#ifndef BOUND_H
#define BOUND_H

#include "p2p.h"

/* The best mean of a rate over a while: a second at least, and some pieces, so that a piece that
 * ends in it is not taken for all that came in it. */
struct bound_meter {
    int64_t known_ms;          /* when it was made */
    int64_t since_ms, last_ms; /* of the while that runs; of the last bytes */
    uint64_t bytes, best;
    uint32_t pieces;
};
void bound_meter_init(struct bound_meter *meter, int64_t now_ms);
void bound_meter_add(struct bound_meter *meter, uint64_t bytes, int64_t now_ms);
/* Bytes/s; of all that came while it is less than a while. What some pieces brought in the
 * end came within a second. */
uint64_t bound_meter_best(const struct bound_meter *meter);

struct bound_source {
    int64_t from_ms, to_ms; /* since the download began */
    uint64_t rate;          /* bytes/s */
};
struct bound {
    uint64_t bytes, downlink; /* that came; bytes/s at most (0: no limit) */
    int64_t elapsed_ms;       /* what it took: the bound is never more */
    const struct bound_source *sources;
    int count;
};
int64_t bound_ms(const struct bound *bound);

#endif
