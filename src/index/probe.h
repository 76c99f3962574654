/* SPDX-License-Identifier: MIT */
/* Connecting back: does the node with this id answer at that address? A fixed request, one answer's
 * head. Loop thread. */
#ifndef PROBE_H
#define PROBE_H

#include "run/client.h"
#include "wire/record.h"

enum {
    PROBE_MAX = 32, /* at once, and clients of the pool that they may take */
    PROBE_TIMEOUT_MS =
        2000 /* a node in the LAN answers in a few ms, a busy board in some hundred */
};

/* Embedded in its owner. */
struct probe {
    struct client *client; /* NULL: not under way */
    struct record_id id;
    /* 0: it is there; -P2P_EPROTO: somebody else is; -P2P_EREFUSED, -P2P_EUNREACH, -P2P_ETIMEOUT
     * ... The probe may be begun anew in it. */
    void (*done)(void *ctx, int result);
    void *ctx;
};

/* id, done and ctx are set by the caller. 0: done will come; else an error as done would get,
 * -P2P_EFULL: no client is free. */
int probe_begin(struct probe *probe, struct client_pool *pool, const struct plat_addr *addr);
/* done is not called any more. */
void probe_cancel(struct probe *probe);

#endif
