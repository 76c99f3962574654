/* SPDX-License-Identifier: MIT */
/* Looks that are to be made: one is away at a time, and the next is filled meanwhile. Loop thread.
 */
#ifndef LOOKS_H
#define LOOKS_H

#include "peer/entries.h"
#include "peer/scan.h"

struct looks {
    struct scan_look look[2];
    int fill;
    bool away;
};

void looks_init(struct looks *looks, const struct scan_root *root,
                void (*done)(void *ctx, struct scan_look *look), void *ctx);
/* Wants a path looked at; the same path twice is one look. False: no room now. */
bool looks_add(struct looks *looks, struct str path, enum entries_cause cause);
/* Half of the room is taken: nothing more is wanted. */
bool looks_is_busy(const struct looks *looks);
/* Sends off what there is to look at, if none is away; check: the share itself, even if nothing. */
void looks_send(struct looks *looks, bool check);
/* The one that was away is done with. To be called in done. */
void looks_back(struct looks *looks, struct scan_look *look);

#endif
