/* SPDX-License-Identifier: MIT */
/* What every floor shares: version, the view of a text, errors, and every limit with its reason (a
 * swarm's: swarm/limits.h). Only libc. What a stranger can reach is tested at n-1, n and n+1. */
#ifndef P2P_H
#define P2P_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define P2P_VERSION "0.1.0"

/* A view: bytes owned by somebody else, not ended by NUL. {NULL, 0} is the empty view. */
struct str {
    const char *ptr;
    size_t len;
};
#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})

/* Functions that can fail return 0 (or a count) or the negative of one of these. */
enum p2p_error {
    P2P_EINVAL = 1, /* the input breaks a rule */
    P2P_EFULL,      /* a table, pool or buffer of ours is full */
    P2P_ETOOBIG,    /* the input exceeds a limit */
    P2P_EAGAIN,     /* nothing now; ask again when the descriptor is ready */
    P2P_ECLOSED,    /* the other side closed */
    P2P_EREFUSED,   /* nobody listens there */
    P2P_EUNREACH,   /* no way to that address */
    P2P_ETIMEOUT,   /* a deadline passed */
    P2P_EPROTO,     /* the other side broke the protocol */
    P2P_ENOTFOUND,  /* no such file, name, node */
    P2P_EEXIST,     /* something is there already and is not ours to replace */
    P2P_EDENIED,    /* permission, or a proof of identity, is missing */
    P2P_EINUSE,     /* address, lock or id is taken by a living other */
    P2P_ENOSPC,     /* the disk is full */
    P2P_EREADONLY,  /* the file system cannot be written */
    P2P_EIO,        /* the disk or the network failed otherwise */
    P2P_ECHANGED,   /* the file is not what it was when it was hashed */
    P2P_EVERIFY,    /* bytes do not have the promised hash */
    P2P_ENOTSUP,    /* this platform cannot */
    P2P_EMFILE,     /* out of descriptors */
    P2P_EGAP,       /* a sequence number is missing */
    P2P_EBUSY,      /* all slots taken; later */
};

/* Exit statuses of every command (stable). */
enum p2p_exit {
    P2P_EXIT_OK = 0,
    P2P_EXIT_FAILED = 1,
    P2P_EXIT_USAGE = 2,
    P2P_EXIT_NO_INDEX = 3,
    P2P_EXIT_NOT_FOUND = 4,
    P2P_EXIT_UNVERIFIED = 5,
    P2P_EXIT_HUNG_UP = 129, /* by a signal: 128 and its number, as a shell says it */
    P2P_EXIT_INTERRUPTED = 130,
    P2P_EXIT_TERMINATED = 143,
};

enum {
    /* sizes of things with one size */
    P2P_SHA256_SIZE = 32,
    P2P_TOKEN_SIZE = 32, /* 256 random bits */
    P2P_ID_SIZE = 16,    /* first half of SHA-256(token) */
    P2P_CHAIN_ID_SIZE = 16,

    /* ports */
    P2P_PORT_INDEX = 7750,
    P2P_PORT_PEER = 7751,

    /* names */
    P2P_PATH_MAX = 1024,    /* bytes of a name in a share: four deep folders of the longest part */
    P2P_PART_MAX = 255,     /* NAME_MAX of every common file system */
    P2P_NODE_NAME_MAX = 63, /* one DNS label */
    P2P_HOST_MAX = 255,     /* RFC 1035 */
    P2P_PATTERN_MAX = 256,  /* a search text: a glob costs pattern x name */
    P2P_ADDRESSES_MAX = 4,  /* the source address and three advertised */
    P2P_INDEXES_MAX = 16,   /* indexes a node knows: more mirrors than anyone runs */

    /* wire */
    P2P_LINE_MAX =
        4096, /* a JSON line: a 1,024-byte path escaped twice, and the rest of an offer */
    P2P_JSON_DEPTH_MAX = 8,  /* our records are two deep */
    P2P_HEAD_MAX = 8192,     /* request line and headers; browsers send 1-2 KiB */
    P2P_HEADERS_MAX = 64,    /* a browser sends about 15 */
    P2P_URL_MAX = 4096,      /* a 1,024-byte path, percent-encoded, and a query */
    P2P_BUFFER_SIZE = 16384, /* one I/O buffer: a TLS record; holds a whole head and a whole line */
    P2P_PAGE_MAX = 10000,    /* lines of one list page */
    P2P_RESULTS_MAX = 1000,  /* lines of one search unless asked for fewer */

    /* pieces (section 6 of the design): powers of two, at most PIECES_AIM, between MIN and MAX */
    P2P_PIECE_MIN = 64 * 1024,
    P2P_PIECE_MAX = 16 * 1024 * 1024,
    P2P_PIECES_AIM = 2048,

    /* time, ms */
    P2P_HEAD_TIMEOUT_MS = 10000, /* a head that takes longer is a slow-loris */
    P2P_BODY_STALL_MS = 20000,   /* no body byte for this long: give up */
    P2P_IDLE_TIMEOUT_MS = 60000, /* keep-alive with nothing to say */
    P2P_QUEUE_MS = 2000, /* a request that gets no buffer: longer than any waits but in a flood,
                            shorter than who asks gives up; then 503 */
    P2P_CONNECT_TIMEOUT_MS = 5000, /* a LAN answers in ms; three SYN retries fit */
    P2P_RATE_FLOOR = 1024,  /* bytes/s a body must keep over 20 s: one byte a second is an attack */
    P2P_GRACE_MS = 3000,    /* a dropped membership connection that could not be probed */
    P2P_RETRY_MIN_MS = 250, /* first wait for an index that is not there */
    P2P_RETRY_MAX_MS = 10000, /* longest wait */

    /* threads */
    P2P_WORKERS_MAX = 4,         /* boards have four cores; more only divides the disk */
    P2P_STACK_SIZE = 128 * 1024, /* deepest: yyjson and printf; only touched pages count */
    P2P_SLICE_US = 1000,         /* longest turn of a task on a loop */
};

/* What --memory is unless given: a role's tables and buffers; a command's, with the pieces of a
 * download in flight. */
#define P2P_MEMORY_INDEX ((size_t)64 << 20)
#define P2P_MEMORY_PEER ((size_t)24 << 20)
#define P2P_MEMORY_COMMAND ((size_t)16 << 20)

/* The largest file: 2^53 - 1, what every JSON reader can say exactly. */
#define P2P_FILE_MAX INT64_C(9007199254740991)

#endif
