/* SPDX-License-Identifier: MIT */
/* The client's connection, as the files of the client share it; only they include this. Opening,
 * ending, and the order of calls back. The loop's thread. */
#ifndef LINK_H
#define LINK_H

#include "run/buffers.h"
#include "run/client_request.h"
#include "run/deadline.h"
#include "run/lines.h"
#include "run/transport.h"

enum {
    LINK_HOST_MAX = 72,           /* an address as text */
    LINK_TURN_BYTES = 256 * 1024, /* of a body that is produced, in one turn */
    LINK_READS = 4,               /* into a sink, in one turn */
    LINK_ANSWER_MS = 20000        /* timeout_ms 0 */
};

enum link_state {
    LINK_CONNECTING,
    LINK_OPEN,
    LINK_CLOSED /* the connection is; the client is still the owner's */
};

/* The end of an input buffer. */
struct link_input {
    struct lines lines;
};
enum { LINK_INPUT_SIZE = P2P_BUFFER_SIZE - (sizeof(struct link_input) + 7) / 8 * 8 };

/* A request that was queued: its bytes are in the output buffer, or on their way. */
struct link_request {
    const struct client_handlers *handlers;
    void *ctx;
    void (*produce)(void *ctx, struct buf *room, bool *out_end); /* NULL when all is made */
    int timeout_ms;
    bool head_only, patient;
};

struct client_pool {
    struct loop *loop;
    struct pool clients;
    struct buffers buffers;
    struct deadlines late;
    int connect_ms, stall_ms; /* those of p2p.h */
    bool starved;             /* some client waits for a buffer */
};

struct client {
    struct client_pool *pool;
    struct loop_fd fd;
    struct transport transport;
    struct deadline deadline;
    struct http_parser parser;
    struct link_request queue[CLIENT_PIPELINE_MAX]; /* a ring from first */
    uint32_t first, count;
    uint32_t in, out; /* buffers, 0: none */
    uint16_t in_begin, in_end, out_begin, out_end;
    struct str pending; /* body bytes in the input buffer that the sink has not taken */
    int64_t since_ms;   /* the last progress */
    struct loop_post turn;
    void (*idle_closed)(void *ctx);
    void *idle_ctx;
    uint8_t state, entered;
    bool live, gone, turn_posted; /* the slot is in use; its owner gave it up; a turn is posted */
    bool starved;                 /* waits for a buffer */
    bool head_in, started;        /* of the first answer: its head came; the parser has begun it */
    bool resumed;                 /* paused, until just now */
    bool paused, blocked, yield;  /* the sink is full; the socket is; our turn is over */
    bool closing;                 /* no more requests: the connection closes after this answer */
    char host[LINK_HOST_MAX];
};

struct link_request *link_first(struct client *client);
struct link_request *link_last(struct client *client);
/* The last request, while its body is still being produced; else NULL. */
struct link_request *link_producing(struct client *client);
/* True when no handler may be called any more: every call back is followed by this question. */
bool link_is_over(const struct client *client);
/* Around everything that may call back: between the two a client that is gone stays readable. */
void link_enter(struct client *client);
void link_leave(struct client *client);
/* Gives back what the connection holds; the client's slot stays. */
void link_shut(struct client *client);
/* The slot is free when nobody is in it. */
void link_free(struct client *client);
/* The connection is over: each request under way is done with this error; an idle client's owner
 * is told. */
void link_fail(struct client *client, int error);
/* The answer of the first request is whole. */
void link_answered(struct client *client);
/* Has client->turn run at the end of this turn. */
void link_turn(struct client *client);

uint8_t *link_in(const struct client *client);
struct lines *link_lines(const struct client *client);
uint8_t *link_out(const struct client *client);
/* False when there is no buffer: it has a turn when one is given back. */
bool link_input(struct client *client);
bool link_output(struct client *client);
void link_give_input(struct client *client);
void link_give_output(struct client *client);

#endif
