/* SPDX-License-Identifier: MIT */
/* Files that their holders have not hashed yet: each holder is asked for one byte, which puts the
 * file first in its queue, until it says what the content is. First thread. */
#ifndef UNHASHED_H
#define UNHASHED_H

#include "swarm/wanted.h"
#include "ui/session.h"

enum { UNHASHED_AT_ONCE = 8 }; /* a holder puts 16 before the others */

struct unhashed;

struct unhashed_ask {
    struct unhashed *unhashed;
    struct wanted *file; /* NULL: free */
    struct client *client;
    struct loop_timer timer;
    struct str path; /* in the network */
    int http_status, retry_ms, failures;
    bool known;
};

struct unhashed {
    struct session *session;
    struct wanted *files; /* those that are open and not hashed are asked for */
    uint32_t count;
    const struct wanted_source *sources;
    struct str (*path)(void *ctx, const struct wanted *file); /* its name in the network */
    /* All are hashed, or have an error as their result, with its reason. */
    void (*done)(void *ctx);
    void *ctx;
    /* of the module */
    struct unhashed_ask ask[UNHASHED_AT_ONCE];
    struct loop_post over;
    uint32_t next;
    int64_t hashed_bytes, hashing_bytes; /* of the file asked for last */
    const struct wanted *last;
    bool running;
};

/* The block above is set. done comes later, from the loop. */
void unhashed_begin(struct unhashed *unhashed);
/* For people: how far the holder of the file that was asked for last is; nothing when none was. */
void unhashed_describe(const struct unhashed *unhashed, struct buf *buf);
/* Forgets all; done does not come. */
void unhashed_stop(struct unhashed *unhashed);

#endif
