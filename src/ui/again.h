/* SPDX-License-Identifier: MIT */
/* Files that were changed by their holders while they were fetched: their names are kept, so that
 * the same WHAT can be looked up once more for these alone. Nothing is asked here. First thread. */
#ifndef AGAIN_H
#define AGAIN_H

#include "p2p.h"

enum {
    AGAIN_TRIES = 3,       /* of one WHAT; a file that changes all the time has no end */
    AGAIN_ROOM = 16 * 1024 /* of names; more that change at once are told as failed */
};

struct again {
    int tries;
    uint32_t noted, wanted; /* bytes of names in use */
    uint32_t told;          /* of those that are wanted, as missing */
    char note[AGAIN_ROOM], want[AGAIN_ROOM];
};

/* A new WHAT. */
void again_reset(struct again *again);
/* Keeps the name for the next try. False: there is none, or no room. */
bool again_note(struct again *again, struct str path);
/* Is there something for another try? */
bool again_is_due(const struct again *again);
/* Begins it: what was noted is wanted now, and nothing else. */
void again_turn(struct again *again);
/* Takes a name that was found: true when it is wanted in this try (all are in the first). */
bool again_take(struct again *again, struct str path);
/* When nothing is taken any more: the next name that was wanted and not found, ended by NUL; the
 * empty view: no more. */
struct str again_missing(struct again *again);

#endif
