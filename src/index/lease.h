/* SPDX-License-Identifier: MIT */
/* What the index believes of a node that is silent, whose connection dropped, or that left. Pure;
 * times are handed in, all in milliseconds of one clock that does not jump. Only a node's own
 * messages renew its lease. */
#ifndef LEASE_H
#define LEASE_H

#include "wire/record.h"

struct lease_facts {
    enum record_state state;
    bool attached;      /* it has an open membership connection */
    bool answered;      /* when connected back to after the drop, it answered */
    bool busy;          /* a join, update or sweep of it is under way */
    int64_t heard_ms;   /* its last message */
    int64_t dropped_ms; /* its last membership connection went; 0: none did */
    int64_t left_ms;    /* of a tombstone */
    int64_t denied_ms;  /* it stays until then at least; 0: nobody says that the node lives */
};

enum lease_verdict {
    LEASE_KEEP,
    LEASE_SUSPECT, /* dropped, not back within the grace, not found: named last */
    LEASE_LOST,    /* its offers vanish */
    LEASE_FORGET   /* a tombstone of two leases: nothing can bring the dead back any more */
};
/* *out_next_ms: when to ask again at the latest, nothing else happening. */
enum lease_verdict lease_judge(const struct lease_facts *facts, int64_t lease_ms, int64_t now_ms,
                               int64_t *out_next_ms);

/* After a drop the index connected back with this result (0: the node answered with its id;
 * -P2P_EPROTO: somebody else answered). LEASE_KEEP: it lives; LEASE_LOST: at once; LEASE_SUSPECT:
 * cannot be said, the grace decides. Somebody else at the address of a node that was never reached
 * there (a router, say) tells nothing. */
enum lease_verdict lease_after_drop(int result, bool was_reachable);

#endif
