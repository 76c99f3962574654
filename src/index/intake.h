/* SPDX-License-Identifier: MIT */
/* What is told of nodes by other indexes, or by the own snapshot on disk, and what becomes of it:
 * the rules by which mirrors agree. What a node says itself is announce.c's. Loop thread. */
#ifndef INTAKE_H
#define INTAKE_H

#include "index/member.h"
#include "wire/told.h"

/* Load and ages are not in the feed: so often mirrors are asked for what they know of nodes. */
enum { INTAKE_COMPARE_MS = 60000 };

/* Who tells. The caller sets what stands first; one that tells whole states, and one of a feed,
 * each has a number of its own. */
struct intake {
    uint32_t teller;        /* 1.. */
    int mirror;             /* its place in the list of mirrors; -1: the disk */
    struct record_id index; /* its id */
    /* intake's own: the record of the node that is told whole (its name points into name), and that
     * a line of it has come: its transaction is begun with that one or not at all */
    bool begun;
    struct told_node about;
    char name[P2P_NODE_NAME_MAX + 1];
};

/* A line of a mirror's feed. Nodes of which it turns out that more must be known get the mirror's
 * bit in member->wanted, and role->wanted says so. */
void intake_line(struct index_role *role, const struct intake *from, const struct told *told);
/* A line of a mirror's /v1/nodes: the same. */
void intake_compare(struct index_role *role, const struct intake *from,
                    const struct told_node *about);

/* A line of a snapshot: lines of all its nodes stay open until intake_end. */
void intake_whole(struct index_role *role, struct intake *from, const struct told *told);
/* The snapshot has ended, of which these were the lines of one node: what was told becomes true if
 * good and if it is a state at all, else it is forgotten. */
void intake_end(struct index_role *role, struct intake *from, const struct record_id *id,
                bool good);
/* The same for the nodes behind slot *at, a few of them; false when these were the last. */
bool intake_end_some(struct index_role *role, struct intake *from, uint32_t *at, bool good);

/* This node is to be fetched from this mirror. */
void intake_want(struct index_role *role, const struct intake *from, const struct record_id *id);
/* Nobody tells any more under this number: what is open is forgotten, and is to be fetched. */
void intake_stop(struct index_role *role, const struct intake *from);
/* The node speaks itself now: what others tell of it is forgotten. */
void intake_yield(struct index_role *role, struct catalog_node *node);

/* The next node behind slot `after` that is to be fetched from this mirror, with its bit taken;
 * NULL: none. */
struct catalog_node *intake_take(struct index_role *role, int mirror, uint32_t after);
/* Forgets a node of which nothing was told in the end. */
void intake_tidy(struct index_role *role, const struct record_id *id);

#endif
