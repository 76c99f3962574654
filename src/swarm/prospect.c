/* SPDX-License-Identifier: MIT */
/* Looks at holders only, changes nothing. Loop thread. */
#include "swarm/prospect.h"

#include "swarm/sources.h"

/* Holders that can be asked for bytes now or after a short rest. One that has failed again and
 * again is no reason to wait. */
bool prospect_is_useful(const struct download *download, bool stuck)
{
    for (unsigned i = 0; i < TRANSFER_HOLDERS_MAX; i++) {
        const struct holder *holder = &download->holders[i];
        bool open = holder->state == HOLDER_NEW || holder->state == HOLDER_ASKED;
        if (holder->state == HOLDER_READY) {
            open = proof_may_ask(&download->proof, i) != PROOF_NO && (!holder->partial || !stuck);
        }
        if (open && holder->fails < DOWNLOAD_FAILS_MAX - 1 &&
            !sources_withdrawn(download, (int)i)) {
            return true;
        }
    }
    return false;
}

int prospect_count(const struct download *download, enum holder_state state)
{
    int count = 0;

    for (int i = 0; i < TRANSFER_HOLDERS_MAX; i++) {
        count += download->holders[i].state == state;
    }
    return count;
}

static bool waits_like_us(const struct holder *holder)
{
    return holder->state == HOLDER_READY && holder->partial;
}

/* It sent wrong bytes, or a false chain. */
static bool is_refuted(const struct holder *holder)
{
    return holder->state == HOLDER_OUT && holder->fails < DOWNLOAD_FAILS_MAX;
}

enum prospect_end prospect_end(const struct download *download)
{
    enum prospect_end end = PROSPECT_OPEN;

    for (int i = 0; i < TRANSFER_HOLDERS_MAX; i++) {
        const struct holder *holder = &download->holders[i];
        bool listed = holder->round >= download->sources.told;
        if (holder->state == HOLDER_NONE || waits_like_us(holder)) {
            continue;
        }
        if (is_refuted(holder) || sources_withdrawn(download, i)) {
            end = PROSPECT_OVER;
        } else if (listed) {
            return PROSPECT_OPEN;
        } else if (holder->state == HOLDER_OUT && end == PROSPECT_OPEN) {
            end = PROSPECT_GONE;
        }
    }
    return end;
}

bool prospect_is_changed(const struct download *download)
{
    bool changed = false;

    for (int i = 0; i < TRANSFER_HOLDERS_MAX; i++) {
        const struct holder *holder = &download->holders[i];
        bool withdrawn = sources_withdrawn(download, i);
        if (holder->state != HOLDER_NONE && !withdrawn && !waits_like_us(holder) &&
            holder->round >= download->sources.told) {
            return false;
        }
        changed |= withdrawn && holder->whole;
    }
    return changed;
}
