/* SPDX-License-Identifier: MIT */
/* The end of a command that may be a guest: what it fetched last is served on for as long as
 * --linger says, then the guest leaves the network. First thread. */
#ifndef LINGER_H
#define LINGER_H

#include "ui/engine.h"

struct linger {
    struct engine *engine;
    struct loop_timer timer;
    int status;
};

/* Ends the session with this status, sooner or later. */
void linger_begin(struct linger *linger, struct engine *engine, int status);
/* Ctrl-C while it lingers: it leaves now. */
void linger_stop(struct linger *linger);

#endif
