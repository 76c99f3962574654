/* SPDX-License-Identifier: MIT */
/* The rules of liveness as two functions, so that tests are tables. A stopped process keeps its TCP
 * connection and a blip of the network loses one: so a connection alone proves nothing either way.
 * Any thread. */
#include "index/lease.h"

static int64_t lease_earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static enum lease_verdict lease_judge_tombstone(const struct lease_facts *facts, int64_t lease_ms,
                                                int64_t now_ms, int64_t *out_next_ms)
{
    int64_t end = facts->left_ms + 2 * lease_ms;
    end = end > facts->denied_ms ? end : facts->denied_ms;
    if (now_ms >= end && !facts->busy)
        return LEASE_FORGET;
    *out_next_ms = now_ms >= end ? now_ms + lease_ms : end;
    return LEASE_KEEP;
}

enum lease_verdict lease_judge(const struct lease_facts *facts, int64_t lease_ms, int64_t now_ms,
                               int64_t *out_next_ms)
{
    if (facts->state == RECORD_LEFT)
        return lease_judge_tombstone(facts, lease_ms, now_ms, out_next_ms);
    int64_t end = facts->heard_ms + lease_ms, grace = facts->dropped_ms + P2P_GRACE_MS;
    bool in_grace = facts->state == RECORD_ACTIVE && !facts->attached && !facts->answered &&
                    facts->dropped_ms > 0;
    *out_next_ms = in_grace ? lease_earlier(grace, end) : end;
    if (now_ms >= end)
        return LEASE_LOST;
    if (!in_grace || now_ms < grace)
        return LEASE_KEEP;
    *out_next_ms = end;
    return LEASE_SUSPECT;
}

enum lease_verdict lease_after_drop(int result, bool was_reachable)
{
    if (result == 0)
        return LEASE_KEEP;
    bool is_sure = result == -P2P_EREFUSED || (result == -P2P_EPROTO && was_reachable);
    return is_sure ? LEASE_LOST : LEASE_SUSPECT;
}
