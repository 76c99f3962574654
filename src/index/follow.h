/* SPDX-License-Identifier: MIT */
/* Following one mirror: greet it, read its feed, compare what both know of nodes, fetch the nodes
 * of which it knows more, and see again and again whether it lives. Loop thread. */
#ifndef FOLLOW_H
#define FOLLOW_H

#include "index/intake.h"
#include "run/client.h"
#include "run/worker.h"

enum {
    FOLLOW_FLIGHTS = 4,   /* nodes that are asked for before the first has come */
    FOLLOW_ADDRESSES = 4, /* of a name */
    FOLLOW_FEED_MAX = 32, /* a feed's name */
    FOLLOW_CLIENTS = 2    /* of the pool, for each mirror */
};

enum follow_state {
    FOLLOW_AWAY,      /* until the next try */
    FOLLOW_RESOLVING, /* its name */
    FOLLOW_GREETING,
    FOLLOW_COMPARING,
    FOLLOW_IN,  /* compared; what is missing is fetched, what changes comes */
    FOLLOW_SELF /* it is this node, or one that is followed already */
};

/* A node that was asked for. */
struct follow_flight {
    struct follow *follow;
    struct record_id id;
    bool used, ended, refused;
};

struct follow {
    struct worker_job job; /* first: looks the name up; the worker writes found, found_count */
    struct index_role *role;
    int number; /* its place in the list, and bit */
    enum follow_state state;
    char host[P2P_HOST_MAX + 1];
    uint16_t port;
    bool literal, stopped;
    struct plat_addr address[FOLLOW_ADDRESSES], found[FOLLOW_ADDRESSES];
    int address_count, found_count, address_at;
    struct client *control, *reader;
    struct loop_timer timer;
    struct intake feed, whole;
    char feed_name[FOLLOW_FEED_MAX + 1];
    uint64_t n, their_n; /* the last line that came; the last one that it has */
    bool greeted, said_away, ever;
    bool tried;                                       /* once it was in step, or failed */
    int status;                                       /* of the answer that is coming in */
    int64_t began_ms, heard_ms, wait_ms, compared_ms; /* compared: 0: not yet */
    struct follow_flight flight[FOLLOW_FLIGHTS];
    uint32_t flights, scan, fetched;
};

/* host_port is good. role, number are set here; nothing is begun. 0 or -P2P_EINVAL. */
int follow_init(struct follow *follow, struct index_role *role, int number, struct str host_port);
void follow_begin(struct follow *follow);
/* No handler runs any more. */
void follow_stop(struct follow *follow);
const char *follow_state_text(const struct follow *follow);
/* Where it is reached, or was last; family 0: never. */
const struct plat_addr *follow_address(const struct follow *follow);

#endif
