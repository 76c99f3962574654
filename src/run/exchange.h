/* SPDX-License-Identifier: MIT */
/* One request and its answer, as a handler sees them. Nothing here calls a handler back before it
 * has returned (exchange_move calls gone): everything may be called in any handler, and later from
 * the loop while the answer is held. The server's thread. */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include "platform/plat_net.h"
#include "wire/http.h"

struct server;

/* head, its views and tail live until begin returns, or, with a body, until end returns. */
struct exchange {
    const struct http_head *head;
    struct str tail; /* what follows a route's prefix, decoded; at most P2P_PATH_MAX */
    struct plat_addr peer, local;
    void *ticket; /* the connection's, see exchange_move */
    void *user;   /* the handler's own; NULL at begin */
    uint64_t user_number;
};

/* Answers. begin writes the status and common headers (type NULL: no Content-Type); then headers;
 * then one of body, stream, file, or exchange_end for an empty one. */
void exchange_begin(struct exchange *exchange, int status, const char *type);
void exchange_header(struct exchange *exchange, const char *name, struct str value);
void exchange_header_i64(struct exchange *exchange, const char *name, int64_t value);
/* The builder of a body of at most about 15,000 bytes; complete with exchange_end. One that is full
 * then becomes an answer 500. */
struct buf *exchange_body(struct exchange *exchange);
/* A body made as there is room: produce appends whole lines to room, which has at least
 * P2P_LINE_MAX free, and ends with exchange_end, or appends nothing until exchange_wake. length -1:
 * chunked (or until close for HTTP/1.0). */
void exchange_stream(struct exchange *exchange, int64_t length,
                     void (*produce)(struct exchange *exchange, void *role, struct buf *room));
void exchange_wake(struct exchange *exchange);
/* length bytes of file from offset; the answer is then complete. still is asked before each part
 * and after the last: false cuts the connection. May be NULL. The file stays the handler's, open
 * until gone. */
void exchange_file(struct exchange *exchange, int file, int64_t offset, int64_t length,
                   bool (*still)(struct exchange *exchange, void *role));
/* The answer is complete. It is sent now; gone is called when the client's socket has taken it. */
void exchange_end(struct exchange *exchange);
/* {"error","hint"} with that status, whole. In place of an answer that was begun, if no part of
 * that was sent; else cuts. */
void exchange_error(struct exchange *exchange, int status, const char *error, const char *hint);
/* The same with "Retry-After: 1": for 503. */
void exchange_busy(struct exchange *exchange, const char *error, const char *hint);
/* Cuts the connection without an answer. */
void exchange_cut(struct exchange *exchange);
/* True when an answer was begun. */
bool exchange_is_answered(const struct exchange *exchange);

/* From begin only: hands the connection with this request, of which no body was read, to another
 * server (its thread parses it again), with a ticket for its handler. -P2P_EFULL when that one has
 * no slot: answer 503. After 0 the exchange is over (gone was called) and must not be touched. */
int exchange_move(struct exchange *exchange, struct server *to, void *ticket);

#endif
