/* SPDX-License-Identifier: MIT */
/* A connection's life: its events, its states one after the other, its deadlines. The server's
 * thread. */
#ifndef SERVE_H
#define SERVE_H

#include "run/conn.h"

/* Puts a new connection under way, whose slot was reserved, or closes it when the loop has no room.
 */
void serve_accepted(struct server *server, int fd, const struct plat_addr *peer);
/* One that another server sent. */
void serve_arrived(struct server *server, struct parcel *parcel);
/* Its deadline has passed. */
void serve_late(struct conn *conn);
/* Those whose requests have waited too long for a buffer are answered 503. */
void serve_put_off(struct server *server);
/* At the end of a turn: those that handlers made ready, then those that waited for buffers. */
void serve_turn(struct server *server);

#endif
