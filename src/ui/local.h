/* SPDX-License-Identifier: MIT */
/* A get as the work of the node that runs on this machine: the files are ordered from it by POST
 * /v1/fetch, land in its save folder and are offered on. First thread. */
#ifndef LOCAL_H
#define LOCAL_H

#include "swarm/haul.h"
#include "ui/session.h"

enum { LOCAL_FILES = 256, LOCAL_TEXT = 16 * 1024, LOCAL_GIVERS = 8 }; /* of one order */

/* What the network calls a file, and whose it is. */
struct local_name {
    struct str path;
    struct record_id owner;
};

/* How a file ended, as the node says. */
struct local_answer {
    struct wanted *file; /* result, size and was_there are set */
    const char *path;    /* where it is, or would be, on this machine */
    bool here;           /* it was in the share already */
    const struct transfer_progress *transfer;
};

struct local {
    struct session *session;
    bool force;
    struct wanted *files; /* those that are open are ordered; all of them are hashed */
    uint32_t count;
    const struct wanted_source *sources;
    const struct local_name *names; /* of each file */
    void (*on_file)(void *ctx, const struct local_answer *answer);
    /* All are decided. refused: the node does not do that, and the files are open still. */
    void (*done)(void *ctx, bool refused);
    void *ctx;
    struct haul_progress progress; /* as the node said last */
    /* of the module */
    struct client *client;
    struct loop_timer timer;
    uint32_t next, first;          /* the next file to order; the first of this order */
    uint32_t order[LOCAL_FILES];   /* numbers in files */
    uint32_t ordered, put, holder; /* lines: the file and its holder that come next */
    int http_status, retry_ms;
    bool put_how, ended, synced, said_busy;
    char key[32 + 2 * P2P_TOKEN_SIZE];
};

/* Is there such a node, and may this user order from it? */
bool local_is_there(const struct session *session);
/* The block above progress is set. done may come before this returns. */
void local_begin(struct local *local);
/* Takes the order back; done does not come. */
void local_stop(struct local *local);

#endif
