/* SPDX-License-Identifier: MIT */
/* The listener of a server, and what it lets in. The server's thread. */
#ifndef DOOR_H
#define DOOR_H

#include "run/conn.h"

/* The listener (ctx is the server) has connections waiting. */
void door_event(void *ctx, unsigned events);
/* Takes one in, or refuses and closes it. */
void door_take(struct server *server, int fd, const struct plat_addr *peer);
/* Listens again, after it was out of descriptors. */
void door_open(struct server *server);

#endif
