/* SPDX-License-Identifier: MIT */
/* What an index says to a member when all is well, and the heartbeat that it holds until another
 * request follows. For tests of members, who have one index each. */
#ifndef RIG_ALIVE_H
#define RIG_ALIVE_H

#include "rig_server.h"

static struct exchange *rig_alive; /* held, or NULL */

static inline void rig_say(struct exchange *exchange, int status, const char *text)
{
    exchange_begin(exchange, status, "application/x-ndjson");
    buf_put_text(exchange_body(exchange), text);
    exchange_end(exchange);
}

/* The answer to a POST to that path. */
static inline const char *rig_yes(const char *path)
{
    return strcmp(path, "/v1/join") == 0
               ? "{\"id\":\"00000000000000000000000000000000\",\"lease_ms\":3000,\"feed\":\"x\","
                 "\"indexes\":[],\"accepted\":1,\"refused\":0,\"incomplete\":false}\n"
                 "{\"end\":true}\n"
               : "{\"lease_ms\":3000,\"hints\":[]}\n";
}

static inline void rig_alive_next(struct exchange *exchange, void *role)
{
    (void)role;
    if (rig_alive == exchange) {
        rig_alive = NULL;
        rig_say(exchange, 200, rig_yes("/v1/alive"));
    }
}

static inline void rig_alive_gone(struct exchange *exchange, void *role, bool aborted)
{
    (void)role;
    (void)aborted;
    if (rig_alive == exchange)
        rig_alive = NULL;
}

#endif
