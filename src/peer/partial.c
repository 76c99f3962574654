/* SPDX-License-Identifier: MIT */
/* At most one update of one line in so many milliseconds, and none while nothing comes. Loop
 * thread. */
#include "peer/partial.h"

#include <string.h>

enum { PARTIAL_EVERY_MS = 2000 }; /* what "live" means in p2p who: a few lines for a download */

static bool is_due(const struct partial *partial, const struct record_offer *offer, unsigned now,
                   int64_t now_ms)
{
    bool same =
        partial->any && memcmp(&partial->content, &offer->content, sizeof offer->content) == 0;
    bool waited = now_ms - partial->told_ms >= PARTIAL_EVERY_MS;

    return !same || (now != partial->percent && (waited || now == 100));
}

void partial_tell(struct partial *partial, const struct record_offer *offer, int64_t now_ms)
{
    bool is_here =
        offer && partial->held->count > 0 && held_is_of(partial->held, offer->content.bytes);
    unsigned percent = is_here ? held_percent(partial->held) : 0;
    if (!is_here) {
        if (partial->any)
            membership_offer(partial->membership, NULL);
        partial->any = false;
        return;
    }
    if (!is_due(partial, offer, percent, now_ms))
        return;
    struct record_offer told = *offer;
    told.have = (uint8_t)percent;
    partial->any = true;
    partial->percent = percent;
    partial->told_ms = now_ms;
    partial->content = offer->content;
    membership_offer(partial->membership, &told);
}
