/* SPDX-License-Identifier: MIT */
/* The connection, as the files of the server share it; only they include this. A connection is in
 * one state, each with its deadline; it holds buffers only while bytes are pending, and the parser
 * lies in one of them. */
#ifndef CONN_H
#define CONN_H

#include "run/deadline.h"
#include "run/lines.h"
#include "run/route.h"
#include "run/transport.h"

enum conn_state {
    CONN_IDLE,   /* no byte of a request; idle_ms */
    CONN_HEAD,   /* a part of a head; head_ms */
    CONN_BODY,   /* begin was called, lines come; the rate floor */
    CONN_ANSWER, /* the answer is owed, made or sent; the rate floor while the client must read */
    CONN_LINGER  /* answered and shut; what still comes is read away; CONN_LINGER_MS */
};
enum answer_mode { ANSWER_NONE, ANSWER_HEAD, ANSWER_BODY, ANSWER_STREAM, ANSWER_FILE };
/* Lists of connections; one is in at most one. The first are those that idle, by class. */
enum { CONN_HUNGRY = SERVER_CLASSES, CONN_LISTS, CONN_NO_LIST = CONN_LISTS };

enum {
    CONN_LINGER_MS = 2000, /* a client that was refused has read why by then */
    CONN_HALF_MS = 5000,   /* the longest wait of a search: answers to half-closed clients */
    CONN_STALE_MS = 1000,  /* bytes in a buffer that do not move for this long may be dropped */
    CONN_REAP_MS = 100,    /* how often such are looked for, while buffers are short */
    CONN_ACCEPT_MS = 1000, /* out of descriptors: try again, even if none of ours was closed */
    CONN_READS = 4, /* of a body that fills its buffer, in one turn: well under a millisecond */
    CONN_TURN_BYTES = 64 * 1024,    /* of a stream in one turn */
    CONN_PART_BYTES = 1024 * 1024,  /* of a file in one turn: about a millisecond */
    CONN_LINGER_BYTES = 256 * 1024, /* of a refused body that are read away */
};

/* A connection on its way to another server, in the buffer that has its bytes. */
struct parcel {
    struct loop_post post;
    struct server *from, *to;
    struct parcel *next; /* of those that wait for a buffer at the target */
    struct transport transport;
    struct plat_addr peer, local;
    void *ticket;
    uint32_t slot; /* of the buffer */
    uint16_t begin, end;
};

/* The end of an input buffer. */
struct conn_input {
    struct http_parser parser;
    union {
        struct lines lines;   /* while a body comes */
        struct parcel parcel; /* once the request moves */
    } u;
    char tail[P2P_PATH_MAX]; /* exchange.tail */
};
/* The end of an output buffer: the builder of what is being appended. */
struct conn_output {
    struct buf build;
};
enum {
    CONN_INPUT_SIZE = P2P_BUFFER_SIZE - (sizeof(struct conn_input) + 7) / 8 * 8,
    CONN_OUTPUT_SIZE = P2P_BUFFER_SIZE - (sizeof(struct conn_output) + 7) / 8 * 8,
};
_Static_assert(CONN_INPUT_SIZE >= P2P_HEAD_MAX + 1024, "a head and some of its body fit");

/* A row of a table, with what the look-up needs. */
struct server_route {
    const struct route *route;
    void *role;
    uint16_t path_len;
    bool prefix;
};

struct conn {
    struct exchange exchange; /* first: an exchange is its connection */
    struct server *server;
    struct loop_fd fd;
    struct transport transport;
    struct deadline deadline;
    const struct server_route *route; /* NULL: no handler has this request */
    union {
        void (*produce)(struct exchange *exchange, void *role, struct buf *room);
        bool (*still)(struct exchange *exchange, void *role);
    } make;
    int64_t offset, left; /* of the file; of a stream with a length (else -1) */
    int64_t since_ms;     /* the last progress, or the start of the state */
    int64_t hungry_ms;    /* since when its request waits for a buffer; 0: it does not */
    uint32_t grant;       /* of pace, not yet sent */
    uint32_t moved;       /* bytes since the deadline was set: the rate floor */
    int file;
    uint32_t in, out;                    /* buffers, 0: none */
    uint16_t in_begin, in_end, in_floor; /* floor: behind the head, while that is needed */
    uint16_t out_begin, out_end;
    uint16_t answer_at, length_at; /* in out: this answer, the place of its Content-Length */
    uint32_t prev, next;           /* of the list */
    uint32_t ready_next, address;
    uint16_t status; /* of the answer */
    uint8_t state, mode, class, list, minor, entered;
    bool open, dead, ready;     /* dead: closed, but its slot is still in use */
    bool unreserved;            /* the slot is promised to the next */
    bool ended, cut, failed;    /* the answer is whole; cut it; the server gave it */
    bool keep, body_left, fin;  /* keep alive; not all of the body was read; client closed */
    bool head_only, chunked;    /* HEAD; framing of the stream */
    bool next_told, deaf;       /* ANSWER: reads no more until the answer is complete */
    bool blocked, yield, paced; /* ANSWER: the client must read; our turn is over; pace said no */
    bool made;                  /* some bytes of the answer were sent */
    bool starting;              /* in begin */
};

#endif
