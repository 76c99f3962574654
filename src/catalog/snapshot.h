/* SPDX-License-Identifier: MIT */
/* A walk over the directory, or one node's part of it, in slices while it changes: first nodes and
 * tombstones, then offers as they stand when the walk comes by, then the lines of the feed that
 * passed meanwhile. Who applies all of it in this order has the state at the feed number with which
 * it ends. Loop thread. */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include "catalog/feed.h"
#include "catalog/relay.h"

enum snapshot_kind { SNAPSHOT_NODE, SNAPSHOT_OFFER, SNAPSHOT_LINE };
struct snapshot_item {
    enum snapshot_kind kind;
    const struct catalog_node *node; /* NODE, OFFER */
    struct record_offer offer;       /* OFFER; its path points into path */
    struct feed_line line;           /* LINE */
    char path[P2P_PATH_MAX];
};

/* Lives at the caller's. */
struct snapshot {
    const struct catalog *catalog;
    const struct feed *feed;
    struct feed_place place;
    bool one, few;
    struct record_id id; /* of that one */
    uint32_t *slots;     /* its offers when the walk began, when they are few */
    uint32_t count, at;
    uint32_t node, offer; /* last slots looked at */
    uint8_t phase;
};

/* How many slots are enough for a node, so that walking over all offers instead costs little beside
 * walking over its own. */
uint32_t snapshot_slots(const struct catalog *catalog);
/* id: one node's part, with room for snapshot_slots in slots; NULL: all (slots is not used). */
void snapshot_begin(struct snapshot *snapshot, const struct catalog *catalog,
                    const struct feed *feed, const struct record_id *id, uint32_t *slots);
/* 1 and an item; 0: that was all, up to *out_n of the feed; -P2P_EAGAIN: about *work units are used
 * up (5,000 take about a millisecond), or a commit must be through first: come back on the next
 * turn; -P2P_ENOTFOUND: lines that were needed have left the feed, begin anew. */
int snapshot_next(struct snapshot *snapshot, uint32_t *work, struct snapshot_item *out,
                  uint64_t *out_n);

#endif
