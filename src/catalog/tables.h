/* SPDX-License-Identifier: MIT */
/* The catalog's own tables: what an offer, a content, a node look like inside, and the smallest
 * steps on them. Only for files of this folder. Loop thread. */
#ifndef TABLES_H
#define TABLES_H

#include "catalog/names.h"
#include "catalog/relay.h"

/* 64 bytes. A pending offer (of an open transaction) is in all lists but counts nowhere. */
struct tables_offer {
    uint32_t node;   /* and of the free list */
    uint32_t name;   /* 0: a free slot */
    uint64_t packed; /* size 53 bits, have 7, then the flags below */
    int64_t mtime;
    uint32_t content;              /* 0: not hashed */
    uint32_t origin;               /* 0: none */
    uint32_t node_next, node_prev; /* a ring */
    uint32_t content_next, content_prev;
    uint32_t name_next, name_prev;
};
#define TABLES_COPY (UINT64_C(1) << 60)
#define TABLES_EXECUTABLE (UINT64_C(1) << 61)
#define TABLES_PENDING (UINT64_C(1) << 62)
/* Pending: an older offer of that name is there. Else: stands in the live ring if it equals its
 * node's mark, in the old ring if not. A join turns the node's mark, so that beginning is O(1). */
#define TABLES_MARK (UINT64_C(1) << 63)

struct tables_content {
    struct record_content sha256;
    uint32_t first;  /* 0: a free slot */
    uint32_t offers; /* that are not pending */
};

/* Nodes that copies come from; they need not be known here. */
struct tables_origin {
    uint32_t uses;
    struct record_id id;
};

enum tables_phase {
    TABLES_IDLE,
    TABLES_JOIN,   /* open */
    TABLES_UPDATE, /* open */
    TABLES_COMMIT_JOIN,
    TABLES_COMMIT_UPDATE,
    TABLES_ABORT_JOIN,
    TABLES_ABORT_UPDATE,
    TABLES_DROP /* all that stands in the dropped ring goes without a word */
};
/* A node's offers stand in rings: live; old, which the transaction does not confirm (in a join at
 * first all of them); pending, its new ones in the order of the lines; dropped, which wait to be
 * freed. */
enum tables_ring { TABLES_LIVE, TABLES_OLD, TABLES_PENDINGS, TABLES_DROPPED, TABLES_RINGS };

struct tables_node {
    uint32_t busy_next, tomb_next, tomb_prev;         /* busy: the queue of catalog_step */
    uint32_t ring[TABLES_RINGS], count[TABLES_RINGS]; /* first offer; how many */
    enum tables_phase phase;
    uint64_t mark;  /* 0 or TABLES_MARK */
    uint32_t guess; /* in a join: the old offer after the last confirmed one; lines come in the same
                       order again */
    bool queued, taken;
    struct { /* what the open transaction leads to */
        uint64_t epoch, seq, was_epoch, was_seq;
        uint32_t refused, told;        /* told: differences so far */
        bool relayed, described, back; /* see relay.h */
        enum record_role role;
        uint16_t port;
        uint8_t name_len;
        char name[P2P_NODE_NAME_MAX + 1];
    } next;
    struct catalog_node pub;
};

struct catalog {
    struct pool offers, contents, origins, nodes, searches;
    struct linear by_offer, by_content, by_origin, by_node, by_ip;
    struct names names;
    uint32_t *seen; /* by node slot: which count of holders passed by last */
    uint32_t seen_now;
    uint32_t busy_first, busy_last;
    uint32_t tomb_first, tomb_last; /* oldest first */
    uint32_t offers_per_node, nodes_per_ip;
    uint64_t refused;
    uint32_t freed;    /* offers so far: where none was, a slot is still the same offer */
    uint32_t instance; /* of this run, in cursors */
    void (*on_change)(void *ctx, const struct catalog_change *change);
    void *change_ctx;
};

static inline struct tables_offer *tables_offer(const struct catalog *catalog, uint32_t offer)
{
    return (struct tables_offer *)(void *)catalog->offers.items + (offer - 1);
}

static inline struct tables_content *tables_content(const struct catalog *catalog, uint32_t content)
{
    return (struct tables_content *)(void *)catalog->contents.items + (content - 1);
}

static inline struct tables_origin *tables_origin(const struct catalog *catalog, uint32_t origin)
{
    return (struct tables_origin *)(void *)catalog->origins.items + (origin - 1);
}

static inline struct tables_node *tables_node(const struct catalog *catalog, uint32_t node)
{
    return (struct tables_node *)(void *)catalog->nodes.items + (node - 1);
}

static inline struct tables_node *tables_of(const struct catalog_node *node)
{
    return (struct tables_node *)(void *)((uint8_t *)(uintptr_t)node -
                                          offsetof(struct tables_node, pub));
}

#endif
