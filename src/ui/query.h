/* SPDX-License-Identifier: MIT */
/* One question to the index: a request whose answer is a stream of result lines and an end line.
 * First thread. */
#ifndef QUERY_H
#define QUERY_H

#include "ui/session.h"

enum { QUERY_GLOB_MAX = 192 }; /* bytes; what is left of P2P_PATTERN_MAX two filters need */

struct query {
    struct session *session;
    enum record_stream stream;
    void (*on_result)(void *ctx, const struct record_result *result);
    /* status 0: end is set. Else an exit status, and the cause was said on stderr. */
    void (*on_end)(void *ctx, int status, const struct record_end *end);
    /* The index went in the middle of its answer: what came of it is to be forgotten, the next
     * index is asked. NULL: only an answer of which nothing came is asked for again. */
    void (*on_again)(void *ctx);
    void *ctx;
    /* of the query */
    struct directory_call call;
    struct loop_timer timer; /* until a busy index is asked again */
    char target[P2P_URL_MAX];
    char next[256]; /* the end line's cursor */
    struct record_end end;
    int http_status;
    uint32_t came; /* results of this answer */
    int broken;    /* answers that broke off */
    int waits;     /* for a busy index */
    bool ended, said;
};

/* Asks. The path and query string are built by the caller in query->target (encoded, ended by NUL);
 * session, stream and the callbacks are set. on_end comes always, perhaps before this returns. */
void query_ask(struct query *query);
/* Forgets what was asked: on_end does not come. One that was never asked, all zeroes, is left as it
 * is. */
void query_cancel(struct query *query);

/* "/v1/search?q=TEXT&limit=N" or, for 64 hex digits, "/v1/search?sha256=…". 0, or -P2P_ETOOBIG. */
int query_put_search(struct query *query, struct str text, int limit);
/* A glob for all paths that begin so, which fits a few others, too; at most QUERY_GLOB_MAX + 1
 * bytes, so that filters can follow it. */
void query_put_glob(struct buf *buf, struct str prefix);
/* True when text is a SHA-256; it is decoded into out. */
bool query_is_content(struct str text, struct record_content *out);

#endif
