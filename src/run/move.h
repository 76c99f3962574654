/* SPDX-License-Identifier: MIT */
/* Connections that change their server and thread, as parcels: exchange_move of exchange.h sends
 * one, the target's server->arrived gets it. */
#ifndef MOVE_H
#define MOVE_H

#include "run/conn.h"

/* Gives the buffer of a parcel back to the server that sent it. The target's thread; the parcel is
 * gone. */
void move_return(struct parcel *parcel);
/* A parcel that nobody will open: the connection is closed, its ticket told, the buffer returned.
 * The target's thread. */
void move_drop(struct parcel *parcel);

#endif
