/* SPDX-License-Identifier: MIT */
/* Tells the index how much of a download is here: at its first piece, at its end, and now and then
 * in between, so that a swarm costs the index little however many pieces there are. Loop thread. */
#ifndef PARTIAL_H
#define PARTIAL_H

#include "peer/membership.h"
#include "swarm/held.h"

struct partial {
    struct membership *membership;
    struct held *held;
    /* what the index was told */
    bool any;
    unsigned percent;
    int64_t told_ms;
    struct record_content content;
};

/* The download under way, or the one that ended last; its have is set here. NULL: there is none, or
 * it is offered in another way. */
void partial_tell(struct partial *partial, const struct record_offer *offer, int64_t now_ms);

#endif
