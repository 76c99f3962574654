/* SPDX-License-Identifier: MIT */
/* From bytes to handlers: heads, the checks that hold for all, routes, bodies by lines. The
 * server's thread. */
#ifndef REQUEST_H
#define REQUEST_H

#include "run/conn.h"

/* Takes the next head off the input and calls begin. True when the state changed; false: more bytes
 * (or a buffer) are needed. The caller is in the connection (slots_enter), which may be closed or
 * moved afterwards. */
bool request_head(struct conn *conn);
/* Takes what there is of the body, and calls line and end. The same results. */
bool request_body(struct conn *conn);
/* The server's own answer, in place of one by a handler, which is told that it is aborted. The
 * connection closes after it. */
void request_fail(struct conn *conn, int status, const char *error);
/* The same for a request that waited for a buffer in vain: 503 with Retry-After. */
void request_put_off(struct conn *conn);

#endif
