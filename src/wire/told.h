/* SPDX-License-Identifier: MIT */
/* What one index tells another, as lines: a node, a change of the feed, a line of a snapshot. They
 * are update lines with their node, and more fields that other readers may ignore. The rules are
 * those of record.h; views live as the reader's values. Pure. */
#ifndef TOLD_H
#define TOLD_H

#include "wire/record.h"

/* What an index knows of a node: a line of /v1/nodes. */
struct told_node {
    struct record_id id, home;
    uint64_t epoch, seq;
    struct str name;
    enum record_role role;
    enum record_state state;
    bool lost, incomplete, reachable; /* lost: LEFT, but it did not say so itself */
    int64_t age_ms;                   /* since it was heard, or left */
    uint32_t offers, uploads, slots;
    uint64_t rate;
    struct plat_addr address[P2P_ADDRESSES_MAX]; /* with ports; the first is where it speaks from */
    int address_count;
};

enum told_op { TOLD_PUT, TOLD_DEL, TOLD_JOIN, TOLD_LEAVE, TOLD_LOST, TOLD_BACK };
/* Which line of its transaction: who has missed the first lacks more. A JOIN or BACK ends one, with
 * TOLD_LAST when others came before; of an update it is the last change, or the only one. */
enum told_part {
    TOLD_ALONE,
    TOLD_FIRST,
    TOLD_WHOLE, /* the first, and the node had nothing before */
    TOLD_MORE,
    TOLD_LAST
};
struct told {
    bool is_end;     /* of a snapshot: only feed and n are set */
    struct str feed; /* its name; empty: not a line of a feed */
    uint64_t n;      /* its number there */
    enum told_op op;
    enum told_part part;
    struct record_id node;
    uint64_t epoch, seq;         /* both 0: not said (offers of a snapshot) */
    bool has_was;                /* the transaction began with this state; 0, 0: with nothing */
    uint64_t was_epoch, was_seq; /* if not said: with the seq before */
    struct record_change change; /* PUT, DEL */
    struct told_node about;      /* the other ops */
};

/* 0, or -P2P_EINVAL with reader->fault naming the field. */
int told_read(struct json_reader *reader, struct str line, struct told *out);
/* A line of /v1/nodes; *out_end when it was the last. */
int told_read_node(struct json_reader *reader, struct str line, struct told_node *out,
                   bool *out_end);

/* Writing, one object without newline, in two steps: told_put writes all of it but the addresses of
 * a node and the closing brace; told_close writes these (count 0 of a line without a node). */
void told_put(struct buf *buf, const struct told *told);
void told_put_node(struct buf *buf, const struct told_node *node);
void told_close(struct buf *buf, const struct plat_addr *address, int count);
/* {"end":true,"feed","n"} */
void told_put_end(struct buf *buf, struct str feed, uint64_t n);

#endif
