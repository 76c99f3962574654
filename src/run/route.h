/* SPDX-License-Identifier: MIT */
/* What a server is made with: routes, classes, settings, and the figures that it keeps. Types only;
 * server.h has the calls. */
#ifndef ROUTE_H
#define ROUTE_H

#include "run/exchange.h"

/* Who gets in when slots run short: lower numbers first. Each class but the first leaves an eighth
 * of the slots to those before it. Members stay for good: so they leave a sixteenth to neighbours
 * and clients, who get in there however many members there are. */
enum server_class {
    SERVER_MEMBERSHIP,
    SERVER_NEIGHBOUR,
    SERVER_CLIENT,
    SERVER_TRANSFER,
    SERVER_CLASSES
};

enum { SERVER_GET = 1, SERVER_POST = 2 };    /* GET answers HEAD too */
enum { SERVER_NDJSON = 1, SERVER_JSON = 2 }; /* the body a POST must have; it comes line by line */
enum {
    SERVER_ROUTES_MAX = 64, /* rows of all tables of a server */
    SERVER_SHARE = 8,       /* an eighth: what a class leaves to those before it */
    SERVER_KEPT = 16        /* a sixteenth: what members leave to others */
};

struct route {
    unsigned methods, body;
    const char *path; /* exact, or a prefix when it ends in "/"; "/" alone is exact */
    enum server_class class;
    /* The head is in. A handler without body answers here, or holds (returns; answers later), or
     * moves. One with a body may refuse here already. */
    void (*begin)(struct exchange *exchange, void *role);
    /* Each line of the body that is not empty. Answering in it refuses the rest. */
    void (*line)(struct exchange *exchange, void *role, struct str line);
    /* The body is complete: answer or hold. NULL, as line: a body is not read. */
    void (*end)(struct exchange *exchange, void *role);
    /* While the answer is not complete: another request has arrived behind this one. May be NULL.
     * Where it is not, a client that closes its side is gone at once; else it has a few seconds to
     * be answered (it may have closed only that side). */
    void (*next)(struct exchange *exchange, void *role);
    /* Always the last call for an exchange whose begin was called, also when the client went away
     * (aborted: the handler's answer was not completed) and when it moved (not aborted). May be
     * NULL. Must not answer. */
    void (*gone)(struct exchange *exchange, void *role, bool aborted);
};

struct server_config {
    int listener;         /* is the server's from now on. -1: adopts only */
    uint32_t connections; /* slots */
    uint32_t buffers;     /* I/O buffers; a connection holds up to two while bytes are pending */
    uint32_t per_address; /* connections of one IP address (loopback excepted). 0: any number */
    char node[2 * P2P_ID_SIZE + 1]; /* P2P-Node of every answer */
    struct str hosts; /* names allowed in Host beside IP literals and localhost, by comma; stays */
    struct server *home; /* of a worker's server: where requests go that it has no route for */
    void *context;       /* of the two below */
    /* The connection that carried the ticket closed or moved; may be NULL. */
    void (*ticket_gone)(void *context, void *ticket);
    /* Grants bytes of files that may be sent now, at most wanted (what is not used of it, is used
     * before it is asked again); 0: ask again after *out_wait_ms. NULL: no limit. */
    size_t (*pace)(void *context, size_t wanted, int *out_wait_ms);
    int head_ms, stall_ms, idle_ms, half_ms, queue_ms; /* 0: those of p2p.h. Shorter for tests */
};

struct server_stats {
    uint32_t connections, peak;
    /* refused: connections that got no slot, or an answer 503 for want of one; errors: answers of
     * 400 and above that the server gave by itself; cut: connections cut by a deadline or for want
     * of a buffer */
    uint64_t accepted, refused, requests, errors, cut, bytes_in, bytes_out;
};

#endif
