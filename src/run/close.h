/* SPDX-License-Identifier: MIT */
/* Ends connections and tells their handlers. The server's thread. */
#ifndef CLOSE_H
#define CLOSE_H

#include "run/conn.h"

/* Ends it at once: gone and ticket_gone are called, all that it holds is free. Its bytes may be
 * looked at until slots_leave. Does nothing when it is closed. */
void close_conn(struct conn *conn, bool aborted);
/* Tells the handler of the exchange, if there is one, that it is over. */
void close_exchange(struct conn *conn, bool aborted);
/* Closes the idle connection that matters least. False when none is idle. */
bool close_idle(struct server *server);

#endif
