/* SPDX-License-Identifier: MIT */
/* What one index tells another: every change of the directory, in its order, as it becomes true;
 * and transactions on the word of another index, which knows more of a node than a join says. Loop
 * thread. */
#ifndef RELAY_H
#define RELAY_H

#include "catalog/catalog.h"

/* What entered the directory. */
enum catalog_event {
    CATALOG_PUT, /* a new or changed offer */
    CATALOG_DEL,
    CATALOG_JOINED,  /* the join is whole; its differences came before */
    CATALOG_UPDATED, /* the same for an update */
    CATALOG_LEFT,    /* the node said so: all its offers are gone, no DEL for each */
    CATALOG_LOST     /* the same for a node that was given up */
};
struct catalog_change {
    enum catalog_event event;
    const struct catalog_node *node;
    uint64_t epoch, seq;         /* that the transaction leads to */
    uint64_t was_epoch, was_seq; /* that it began with; 0, 0: with nothing */
    uint32_t offer;              /* PUT, DEL: for relay_offer; else 0 */
    uint32_t nth;                /* differences of this transaction before this event */
    uint32_t refused;            /* offers of this transaction that found no room */
    bool join, last;             /* PUT, DEL: it will be JOINED; it is the last difference */
    bool back;                   /* JOINED: of a lost node, at the very state that it had */
};
/* One handler, which must not change the catalog; NULL for none. */
void catalog_watch(struct catalog *catalog,
                   void (*on_change)(void *ctx, const struct catalog_change *change), void *ctx);

/* The offer of a PUT or DEL while its handler runs, with its path in path; of a DEL only the path.
 */
void relay_offer(const struct catalog *catalog, const struct catalog_change *change,
                 struct record_offer *out, char path[static P2P_PATH_MAX]);

/* Begins a join whose lines may also delete. Results of catalog_join_begin. */
int relay_begin(struct catalog *catalog, struct catalog_node *node, const struct record_join *join);
/* The open transaction leads to this (epoch, seq), which must not be older than it did. */
void relay_lead(struct catalog_node *node, uint64_t epoch, uint64_t seq);
/* The open transaction also sets what a join says of its node: role, port and name. Without one
 * they are set at once. */
void relay_describe(struct catalog_node *node, const struct record_join *join);
/* A tombstone of a node that was given up, at the state of join, which must not be older than what
 * is known. */
void relay_lose(struct catalog *catalog, struct catalog_node *node, const struct record_join *join,
                int64_t lost_ms);
/* Who tells this has not all of it: the node will be incomplete. */
void relay_confess(struct catalog_node *node);

#endif
