/* SPDX-License-Identifier: MIT */
/* Membership: which connections a node has, when it was heard, whether it can be reached, and when
 * it is given up. Stands beside the catalog's nodes, slot by slot. Loop thread. */
#ifndef MEMBER_H
#define MEMBER_H

#include "index/role.h"

enum { MEMBER_CLAIMS = P2P_ADDRESSES_MAX - 1 };

struct member {
    uint32_t generation; /* of the node in this slot */
    uint32_t links;      /* open connections that carried its join or heartbeat */
    struct deadline lease, hold;
    struct exchange *held;                   /* its heartbeat, whose answer waits */
    struct announce *announce;               /* its open join or update */
    int64_t dropped_ms, checked_ms;          /* last link gone; last connected back to; 0: never */
    struct plat_addr claimed[MEMBER_CLAIMS]; /* advertised, not believed yet */
    uint8_t claim_count, retries;            /* retries of connecting back since the drop */
    bool retry;                              /* the next is due when the lease's deadline passes */
    bool answered;                           /* connected back to since the drop, it answered */
    bool checking, check_again; /* it waits for its check, or is in one; and then for another */
    uint32_t check_next;        /* in the queue */
    bool rehomed;               /* it has another home: to be told with what it says next */
    /* What another index, or the disk, tells of it; intake.c. */
    bool told_half;                /* in the middle of a change: the lines so far are no state */
    uint32_t teller;               /* whose transaction is open; 0: nobody's */
    uint32_t wanted;               /* mirrors, by bit, from which it is to be fetched whole */
    uint64_t told_epoch, told_seq; /* what the lines lead to */
    int64_t denied_ms; /* given up, but told as living: its tombstone stays until then */
};

int member_init(struct index_role *role, struct arena *arena);
void member_close(struct index_role *role);

/* The member beside a node; begun anew when the node is new in its slot. */
struct member *member_of(struct index_role *role, struct catalog_node *node);
/* The exchange's connection is a membership connection of this node from now on, and of no other.
 */
void member_attach(struct index_role *role, struct catalog_node *node, struct exchange *exchange);
/* A connection with this ticket is gone. The last one of a node: it is connected back to. */
void member_detach(struct index_role *role, void *ticket);
/* The request was refused before its body was read, so that the server closes the connection: that
 * tells nothing of the node. Does nothing when it was not answered. */
void member_let_go(struct index_role *role, struct exchange *exchange);
/* The node has a membership connection other than that of the exchange. */
bool member_has_other(struct index_role *role, struct catalog_node *node,
                      const struct exchange *exchange);
/* A message of the node itself came: its lease begins anew. */
void member_hear(struct index_role *role, struct catalog_node *node);
/* Connects back to the node's address and then to those it claims, when it is its turn. */
void member_check(struct index_role *role, struct catalog_node *node);
/* Another index spoke of it: its lease runs from what is known of it now. */
void member_watch(struct index_role *role, struct catalog_node *node);
/* The node is given up: a tombstone remains for two leases. */
void member_lose(struct index_role *role, struct catalog_node *node, const char *why);
/* It left: what remains is the tombstone's end. */
void member_left(struct index_role *role, struct catalog_node *node);
/* Forgets a node and what stands here of it. */
void member_forget(struct index_role *role, struct catalog_node *node);
/* The member of a hold deadline. */
struct member *member_of_hold(struct deadline *deadline);

#endif
