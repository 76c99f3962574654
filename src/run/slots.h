/* SPDX-License-Identifier: MIT */
/* The server's state, and what is handed out from it: slots, buffers, places in lists, counts of
 * addresses. Calls no handler and does no I/O but closing. The server's thread, but slots_reserve.
 */
#ifndef SLOTS_H
#define SLOTS_H

#include "base/log.h"
#include "run/buffers.h"
#include "run/conn.h"

#include <stdatomic.h>

struct slots_list {
    uint32_t first, last;
};

/* Open connections of one IP address. */
struct slots_address {
    struct plat_addr addr;
    uint32_t count, next;
};

struct server {
    struct loop *loop;
    struct server_config config;
    struct server_stats stats;
    struct pool conns, addresses;
    struct buffers buffers;
    uint32_t spare;        /* buffers left for answers when requests want some */
    _Atomic uint32_t used; /* slots; also taken by other servers, for what they move here */
    uint32_t *heads;       /* address chains, by hash */
    uint32_t heads_mask;
    uint32_t limit[SERVER_CLASSES]; /* slots that may be taken when one of the class comes */
    uint32_t members, kept; /* open connections of that class; slots that they leave to others */
    struct slots_list list[CONN_LISTS];
    struct deadlines late, paced; /* coarse; to the millisecond */
    struct deadline accept_wait, reap_wait;
    struct loop_post turn; /* at the end of the turn: ready ones, then hungry ones */
    bool turn_posted, stopping;
    uint32_t ready_first, ready_last;
    struct parcel *parcels, *parcels_last; /* that wait for a buffer */
    struct loop_fd listener;
    struct server_route route[SERVER_ROUTES_MAX];
    uint32_t routes;
    char host[64]; /* the last that was let in: clients name the same one over and over */
    size_t host_len;
    char common[256]; /* headers of every answer, for a second */
    size_t common_len;
    int64_t common_until_ms;
    struct log_gate gate_full, gate_descriptors;
    void (*arrived)(struct server *server, struct parcel *parcel); /* of input.c, for move.c */
    uint8_t *spill; /* where an answer goes for which there was no buffer */
};

int slots_init(struct server *server, struct arena *arena);
/* One more of the slots. False when all are taken. Any thread. */
bool slots_reserve(struct server *server);
void slots_unreserve(struct server *server);
/* A connection in a reserved slot, on this transport. Counts its address. */
struct conn *slots_open(struct server *server, const struct transport *transport,
                        const struct plat_addr *peer);
/* Takes back all that the connection holds, and closes its descriptor unless that is -1. Its slot
 * is free when nobody is in it any more: slots_leave. */
void slots_close(struct conn *conn);
/* Within a handler of a closed connection: others may already reserve its slot, since it is free
 * before this thread can open one. */
void slots_yield(struct conn *conn);
/* Around everything that may call a handler: between the two a closed connection stays readable. */
void slots_enter(struct conn *conn);
void slots_leave(struct conn *conn);
struct conn *slots_at(const struct server *server, uint32_t slot);
uint32_t slots_of(const struct conn *conn);
/* Open connections of this address. */
uint32_t slots_count(const struct server *server, const struct plat_addr *peer);

/* It is of that class from now on. */
void slots_class(struct conn *conn, enum server_class class);
/* There is room for one of the class that has its slot and class already. */
bool slots_fit(const struct server *server, enum server_class class);
/* The idle connection to close first (lowest class, longest idle), NULL when none is idle. Those of
 * members never make room for newcomers: who is in stays in. */
struct conn *slots_idle(const struct server *server);
/* The connection to close first when buffers are short; NULL when all move. */
struct conn *slots_stale(const struct server *server);
/* Its request waits for a buffer, and has done so for too long. */
bool slots_overdue(const struct conn *conn, int64_t now_ms);
/* Puts it last into a list, out of the one that it is in. CONN_NO_LIST: out only. */
void slots_list(struct conn *conn, unsigned list);

/* Buffers; false when there is none. Those that read leave some to those that are about to answer,
 * these leave some to answers that must be made now. */
bool slots_input(struct conn *conn);
bool slots_output(struct conn *conn, bool must);
/* It waits for a buffer: its turn comes when one is given back, or taken from one that is stale. */
void slots_hungry(struct conn *conn);
/* Has one that is stale looked for soon. */
void slots_reap(struct server *server);
void slots_give_input(struct conn *conn);
void slots_give_output(struct conn *conn);
void slots_give_buffer(struct server *server, uint32_t slot);
uint8_t *slots_in(const struct conn *conn);
struct conn_input *slots_input_of(const struct conn *conn);
uint8_t *slots_out(const struct conn *conn);
struct buf *slots_build(const struct conn *conn);

/* Runs it at the end of this turn; when called there, at the end of the next. */
void slots_ready(struct conn *conn);
/* Those that are ready: the first one's slot, then each; NULL at the end. */
uint32_t slots_take_ready(struct server *server);
struct conn *slots_next_ready(struct server *server, uint32_t *slot);
/* Has server->turn run at the end of this turn. */
void slots_turn(struct server *server);

/* Sets its deadline in one of the server's two sets, out of the other. */
void slots_deadline(struct conn *conn, struct deadlines *set, int64_t at_ms);

#endif
