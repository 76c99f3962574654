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
    bool any; /* a file was noted: */
    struct wanted file;
    struct record_id owner;
    char path[P2P_PATH_MAX + 1];
};

/* ms that what is here is to be served on; -1: for ever. */
int64_t linger_ms(const struct session *session);
/* This file is being fetched in pieces, or has come so: the last one of them is what others may
 * have. path: as others are told of it, a copy of owner's. */
void linger_note(struct linger *linger, const struct wanted *file, struct str path,
                 const struct record_id *owner);
/* The offer of it; its texts are the linger's. False: there is none. */
bool linger_offer(const struct linger *linger, struct record_offer *out);

/* Ends the session with this status, sooner or later. */
void linger_begin(struct linger *linger, struct engine *engine, int status);
/* Ctrl-C while it lingers: it leaves now. */
void linger_stop(struct linger *linger);

#endif
