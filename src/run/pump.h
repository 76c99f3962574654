/* SPDX-License-Identifier: MIT */
/* Drives an answer: what a stream makes, the parts of a file, to the socket as far as that takes
 * them and a turn allows. The server's thread. */
#ifndef PUMP_H
#define PUMP_H

#include "run/conn.h"

enum pump_result {
    PUMP_WAIT, /* for the handler, the client, pace, a buffer or the next turn */
    PUMP_DONE, /* the client's socket has the whole answer */
    PUMP_CUT   /* it cannot be completed */
};

/* Calls the handler's produce or still. The caller is in the connection (slots_enter). */
enum pump_result pump_run(struct conn *conn);

#endif
