/* SPDX-License-Identifier: MIT */
/* What is asked of another node, and who hears the answer. Types only; client.h has the calls. */
#ifndef CLIENT_REQUEST_H
#define CLIENT_REQUEST_H

#include "wire/http.h"

enum { CLIENT_PIPELINE_MAX = 16, CLIENT_BODY_MAX = 8192 };

/* Answers of one request. All but on_done may be NULL. on_done is always the last call, and none
 * comes after client_close. result 0: a whole answer came (look at the status); else the connection
 * is closed: -P2P_EREFUSED, -P2P_EUNREACH, -P2P_ETIMEOUT, -P2P_ECLOSED, -P2P_EPROTO (what came is
 * not HTTP, or a line is over P2P_LINE_MAX). All client_* calls are allowed in all of them. */
struct client_handlers {
    /* The head; its views live until it returns. */
    void (*on_head)(void *ctx, const struct http_head *head);
    /* Where the next body bytes may be put: NULL or *out_room 0 pauses reading until client_resume.
     * Bodies with a length are received straight into it. */
    void *(*sink)(void *ctx, size_t *out_room);
    void (*on_body)(void *ctx, struct str bytes); /* with sink: bytes lie in the sink */
    void (*on_line)(void *ctx, struct str line);  /* instead of on_body: by lines */
    void (*on_done)(void *ctx, int result);
};

struct client_request {
    enum http_method method;
    struct str target;  /* path and query, encoded */
    struct str headers; /* whole header lines, each ended by CRLF; may be empty */
    const char *type;   /* Content-Type of the body; NULL: none */
    struct str body;    /* a whole body of at most CLIENT_BODY_MAX */
    /* Or one in parts, chunked: appends to room, which has at least P2P_LINE_MAX free, or nothing
     * until client_resume; *out_end true: that was all. */
    void (*produce)(void *ctx, struct buf *room, bool *out_end);
    int timeout_ms; /* until the head of the answer, once the request is sent; 0: 20 s */
    bool patient;   /* the answer's body may fall silent for any time (a feed): no stall */
    const struct client_handlers *handlers;
    void *ctx;
};

#endif
