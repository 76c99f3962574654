/* SPDX-License-Identifier: MIT */
/* The lines that were entered before, in memory only: the newest ones, as many as fit. Pure. */
#ifndef HISTORY_H
#define HISTORY_H

#include "p2p.h"

enum { HISTORY_SIZE = 16 * 1024 };

/* Zeroed is empty. */
struct history {
    char text[HISTORY_SIZE]; /* oldest first, each ended by NUL */
    size_t used;
};

/* Adds a line without NUL, unless it is blank, the same as the newest, or longer than all the room.
 */
void history_add(struct history *history, struct str line);
/* The line so many steps back, 1 the newest, until the next add. False: there are not so many. */
bool history_get(const struct history *history, unsigned back, struct str *out);

#endif
