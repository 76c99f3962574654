/* SPDX-License-Identifier: MIT */
/* How fast the sources of a plan are, and when what they send will be here. Pure. */
#ifndef PACE_H
#define PACE_H

#include "swarm/plan.h"

enum {
    PACE_MEAN_MS = 2000, /* the mean of a rate forgets in this time */
    PACE_SLOW_MS = 2000  /* who needs longer for a piece crawls */
};

/* Bytes of a source arrived. */
void pace_count(struct plan_source *source, uint32_t bytes, int64_t now_ms);
/* Does this request still have to bring the piece? */
bool pace_is_sent(const struct plan_request *request, uint32_t piece);

/* ms until a source would have sent all that is asked of it and one piece more. */
int64_t pace_source_left(const struct plan *plan, const struct plan_source *source, int64_t now_ms);
/* ms until a request is over. */
int64_t pace_request_left(const struct plan *plan, const struct plan_request *request,
                          int64_t now_ms);
/* ms until the quickest of those who send a piece has sent it; 0: enough of them do, not counting
 * those that crawl. */
int64_t pace_piece_left(const struct plan *plan, uint32_t piece, int64_t now_ms);

#endif
