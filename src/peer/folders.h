/* SPDX-License-Identifier: MIT */
/* The folders of a share: which are to be walked, what a walk means for what is in them, and what
 * goes with a folder that goes. Loop thread. */
#ifndef FOLDERS_H
#define FOLDERS_H

#include "peer/entries.h"
#include "peer/watch.h"

struct folders {
    struct entries *entries;
    struct watch *watch;
    uint32_t first, last; /* of those to walk */
    uint32_t refused;     /* folders that found no room in the table */
};

/* The folder of that path ("" is the share), 0: not known, or gone. */
uint32_t folders_find(const struct folders *folders, struct str path);
/* Is to be walked; deep: and all below it. One that is being walked is walked again. */
void folders_push(struct folders *folders, uint32_t folder, bool deep);
/* The next to walk, 0: none. It is held until folders_done. */
uint32_t folders_pop(struct folders *folders);
/* Nothing is to be walked any more. */
void folders_clear(struct folders *folders);
/* A folder is there: it is walked when it is new, or deep. */
void folders_seen(struct folders *folders, uint32_t parent, struct str name, bool deep);
/* A folder is there no more, with all that was in it. */
void folders_gone(struct folders *folders, uint32_t folder);
/* Its walk saw all of it: what was not seen is gone. */
void folders_sweep(struct folders *folders, uint32_t folder);
/* Its walk is over, in one way or another. */
void folders_done(struct folders *folders, uint32_t folder);

#endif
