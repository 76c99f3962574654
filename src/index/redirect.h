/* SPDX-License-Identifier: MIT */
/* GET /download/NAME and /metalink/NAME on an index: to the nodes that have the bytes. Loop thread.
 */
#ifndef REDIRECT_H
#define REDIRECT_H

#include "run/exchange.h"

/* 307 to a whole, reachable holder, whatever the query says. */
void redirect_download(struct exchange *exchange, void *role);
/* The route: an index has no bytes of its own, so own=1 is 404. */
void redirect_begin(struct exchange *exchange, void *role);
/* The route of /metalink/NAME; its gone is reply_gone. */
void redirect_metalink(struct exchange *exchange, void *role);

#endif
