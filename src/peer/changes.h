/* SPDX-License-Identifier: MIT */
/* What the index was not told yet: the list of changed files, and the lines of joins and updates
 * that are made from it and from the table. Sends nothing. Loop thread. */
#ifndef CHANGES_H
#define CHANGES_H

#include "base/buf.h"
#include "peer/share.h"

/* What is offered beside the files of the share: a download on its way. */
struct changes_extra {
    bool any, dirty;
    struct record_offer offer; /* its path is in path */
    char path[P2P_PATH_MAX + 1];
    char told[P2P_PATH_MAX + 1]; /* the path that the index was told; "": none */
};

struct changes {
    struct share *share; /* NULL: there is none */
    struct changes_extra extra;
    uint32_t first, last; /* of the list */
    uint32_t walked;      /* slots that the join has been through */
    uint32_t left;        /* lines of the update */
    bool joins_extra;     /* the join has yet to have it */
};

/* A file is not as it was told. False: that does not matter, or it is in the list already. */
bool changes_add(struct changes *changes, uint32_t file);
/* Offers this (its path is copied) instead of the former one; NULL: nothing. */
void changes_set_extra(struct changes *changes, const struct record_offer *offer);
void changes_clear(struct changes *changes);
bool changes_any(const struct changes *changes);

/* A join begins: the list is empty, and what changes from now on goes into the list, whether its
 * line was written already or not. */
void changes_join(struct changes *changes);
/* Appends whole lines while room has P2P_LINE_MAX free. True: that was the last one. */
bool changes_put_join(struct changes *changes, struct buf *room);
/* An update of at most so many lines begins; the same for its lines, which leave the list. */
void changes_update(struct changes *changes, uint32_t lines);
bool changes_put_update(struct changes *changes, struct buf *room);

#endif
