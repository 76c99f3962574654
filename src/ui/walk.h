/* SPDX-License-Identifier: MIT */
/* All files whose path begins so, with their holders, however many: a list names contents page by
 * page, and each is then searched for by its SHA-256, many requests under way in one connection.
 * Pauses when its caller has no room for more. First thread. */
#ifndef WALK_H
#define WALK_H

#include "ui/query.h"

enum { WALK_PAGE = 128, WALK_LOOKUPS = CLIENT_PIPELINE_MAX };

struct walk_line {
    bool hashed;
    uint8_t state;
    uint16_t path_len;
    struct record_content content;
    int64_t size;
    uint32_t path; /* in walk->paths, of one that is not hashed yet */
};

struct walk_lookup {
    struct walk *walk;
    uint32_t line;
    int http_status;
    bool busy, ended, truncated;
};

struct walk {
    struct session *session;
    struct str prefix; /* stays the caller's */
    /* Is this path wanted at all? NULL: all are. */
    bool (*fits)(void *ctx, struct str path);
    /* One name at one holder. Names outside the prefix come, too: their holders have the bytes. */
    void (*on_result)(void *ctx, const struct record_result *result);
    uint32_t (*room)(void *ctx); /* results that can be taken now */
    /* status 0: all that was asked for came, more: there was no room for the rest, walk_on goes on.
     * Else an exit status, and the cause was said. */
    void (*done)(void *ctx, int status, bool more);
    void *ctx;
    /* of the walk */
    struct query query;
    struct client *client;
    struct loop_timer timer;
    struct walk_line line[WALK_PAGE];
    struct walk_lookup lookup[WALK_LOOKUPS];
    char paths[WALK_PAGE * P2P_PATH_MAX];
    char next[256];
    uint32_t count, paths_used;
    int under_way, failures;
    bool listing, has_next, running, no_room;
    bool cut; /* a content has more names than an answer holds: some did not come, which was said */
};

/* Begins; the block above is set. done may come before this returns. */
void walk_begin(struct walk *walk);
/* After a done with more, when there is room again. */
void walk_on(struct walk *walk);
/* Forgets all that is under way; done does not come. */
void walk_stop(struct walk *walk);

#endif
