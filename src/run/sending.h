/* SPDX-License-Identifier: MIT */
/* The requests' way out: written into the output buffer, bodies produced as there is room. The
 * loop's thread. */
#ifndef SENDING_H
#define SENDING_H

#include "run/link.h"

/* Puts a request behind those in the output buffer. 0, -P2P_EFULL, -P2P_ETOOBIG. */
int sending_put(struct client *client, const struct client_request *request);
/* Sends and produces until the socket is full or there is nothing to send. May call
 * produce. The caller is in the client. */
void sending_run(struct client *client);

#endif
