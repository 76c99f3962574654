/* SPDX-License-Identifier: MIT */
/* What a handler says: head, body, stream, file, error. Everything is written into the connection's
 * output buffer; a whole answer is sent at once, so that a thousand held ones answered in one turn
 * need one buffer, the rest is left to the end of the turn (pump.c), so that no handler is called
 * from here. The server's thread. */
#include "run/exchange.h"

#include "base/date.h"
#include "base/text.h"
#include "platform/plat.h"
#include "run/output.h"
#include "run/slots.h"
#include "wire/record.h"

#include <assert.h>
#include <string.h>

enum {
    LENGTH_NONE = -1, /* chunked, or until the connection closes */
    LENGTH_LATER = -2 /* a gap for it is left */
};
enum { LENGTH_DIGITS = 5, CLOCK_SET_S = 1577836800 /* 2020: before that the clock is not set */ };

static struct conn *conn_of(const struct exchange *exchange)
{
    return (struct conn *)(uintptr_t)exchange;
}

/* Not after the end, nor when there is nobody to answer to. */
static bool may_answer(const struct conn *conn)
{
    return conn->open && !conn->ended;
}

static void common_put_date(struct buf *buf)
{
    int64_t now_s = plat_wall_s();
    char text[32];
    struct buf date = buf_on(text, sizeof text);
    if (now_s < CLOCK_SET_S)
        return;
    date_put_http(&date, now_s);
    http_put_header(buf, "Date", buf_str(&date));
}

/* The headers that every answer has are made once a second. */
static struct str common_headers(struct server *server)
{
    int64_t now_ms = loop_now_ms(server->loop);
    if (now_ms >= server->common_until_ms) {
        struct buf buf = buf_on(server->common, sizeof server->common);
        if (server->config.node[0] != 0)
            http_put_header(&buf, "P2P-Node", text_from(server->config.node));
        http_put_header(&buf, "X-Content-Type-Options", STR("nosniff"));
        common_put_date(&buf);
        server->common_len = buf.len;
        server->common_until_ms = now_ms + 1000;
    }
    return (struct str){server->common, server->common_len};
}

void exchange_begin(struct exchange *exchange, int status, const char *type)
{
    struct conn *conn = conn_of(exchange);
    if (!may_answer(conn))
        return;
    assert(conn->mode == ANSWER_NONE);
    if (!slots_output(conn, true)) {
        conn->cut = true;
        conn->server->stats.cut++;
    }
    struct buf *build = slots_build(conn);
    conn->answer_at = conn->out_end;
    conn->mode = ANSWER_HEAD;
    conn->status = (uint16_t)status;
    conn->made = false;
    *build = buf_on(slots_out(conn) + conn->out_end, (size_t)(CONN_OUTPUT_SIZE - conn->out_end));
    http_put_status(build, status);
    buf_put(build, common_headers(conn->server));
    if (type)
        http_put_header(build, "Content-Type", text_from(type));
}

void exchange_header(struct exchange *exchange, const char *name, struct str value)
{
    struct conn *conn = conn_of(exchange);
    if (may_answer(conn) && conn->mode == ANSWER_HEAD)
        http_put_header(slots_build(conn), name, value);
}

void exchange_header_i64(struct exchange *exchange, const char *name, int64_t value)
{
    struct conn *conn = conn_of(exchange);
    if (may_answer(conn) && conn->mode == ANSWER_HEAD)
        http_put_header_i64(slots_build(conn), name, value);
}

static void head_put_connection(struct conn *conn, struct buf *build)
{
    bool last = conn->fin && conn->in_begin == conn->in_end;
    if (conn->body_left || last || conn->server->stopping)
        conn->keep = false;
    if (!conn->keep)
        buf_put_text(build, "Connection: close\r\n");
    else if (conn->minor == 0)
        buf_put_text(build, "Connection: keep-alive\r\n");
}

static void head_put_length(struct conn *conn, struct buf *build, int64_t length)
{
    if (conn->status == 204 || conn->status == 304)
        return;
    if (length >= 0) {
        http_put_header_i64(build, "Content-Length", length);
    } else if (length == LENGTH_LATER) {
        buf_put_text(build, "Content-Length: ");
        conn->length_at = (uint16_t)(conn->out_end + build->len);
        buf_put_text(build, "     \r\n"); /* LENGTH_DIGITS */
    } else if (conn->chunked) {
        buf_put_text(build, "Transfer-Encoding: chunked\r\n");
    }
}

/* Completes the head: what follows goes behind it. A head that does not fit is cut, since nothing
 * right can be said in its place. */
static void head_finish(struct conn *conn, int64_t length)
{
    struct buf *build = slots_build(conn);
    conn->chunked = length == LENGTH_NONE && conn->minor > 0;
    if (length == LENGTH_NONE && conn->minor == 0)
        conn->keep = false;
    head_put_connection(conn, build);
    head_put_length(conn, build, length);
    buf_put_text(build, "\r\n");
    if (build->full)
        conn->cut = true;
    conn->out_end = (uint16_t)(conn->out_end + build->len);
    *build = buf_on(slots_out(conn) + conn->out_end, (size_t)(CONN_OUTPUT_SIZE - conn->out_end));
}

/* Outside of its own handlers the connection goes on at the end of the turn. */
static void go_on(struct conn *conn)
{
    if (conn->entered == 0)
        slots_ready(conn);
}

struct buf *exchange_body(struct exchange *exchange)
{
    struct conn *conn = conn_of(exchange);
    if (may_answer(conn) && conn->mode == ANSWER_HEAD) {
        head_finish(conn, LENGTH_LATER);
        conn->mode = ANSWER_BODY;
    }
    return slots_build(conn);
}

void exchange_stream(struct exchange *exchange, int64_t length,
                     void (*produce)(struct exchange *exchange, void *role, struct buf *room))
{
    struct conn *conn = conn_of(exchange);
    if (!may_answer(conn) || conn->mode != ANSWER_HEAD)
        return;
    head_finish(conn, length < 0 ? LENGTH_NONE : length);
    conn->mode = ANSWER_STREAM;
    conn->make.produce = produce;
    conn->left = length < 0 ? -1 : length;
    conn->ended = conn->head_only;
    go_on(conn);
}

void exchange_wake(struct exchange *exchange)
{
    struct conn *conn = conn_of(exchange);
    conn->yield = true;
    go_on(conn);
}

void exchange_file(struct exchange *exchange, int file, int64_t offset, int64_t length,
                   bool (*still)(struct exchange *exchange, void *role))
{
    struct conn *conn = conn_of(exchange);
    if (!may_answer(conn) || conn->mode != ANSWER_HEAD)
        return;
    head_finish(conn, length);
    conn->mode = ANSWER_FILE;
    conn->make.still = still;
    conn->file = file;
    conn->offset = offset;
    conn->left = conn->head_only ? 0 : length;
    go_on(conn);
}

static void body_finish(struct conn *conn)
{
    char digits[LENGTH_DIGITS + 1];
    size_t len = slots_build(conn)->len;
    for (int i = LENGTH_DIGITS - 1; i >= 0; i--) {
        digits[i] = len > 0 || i == LENGTH_DIGITS - 1 ? (char)('0' + len % 10) : ' ';
        len /= 10;
    }
    if (conn->status != 204 && conn->status != 304)
        memcpy(slots_out(conn) + conn->length_at, digits, LENGTH_DIGITS);
    if (!conn->head_only)
        conn->out_end = (uint16_t)(conn->out_end + slots_build(conn)->len);
}

/* Sends the whole answer now. Within its own handler the pump would do so right after. */
static void answer_finish(struct conn *conn)
{
    conn->ended = true;
    if (conn->entered != 0)
        return;
    if (!conn->cut && output_flush(conn) == 1)
        slots_give_output(conn);
    slots_ready(conn);
}

void exchange_end(struct exchange *exchange)
{
    struct conn *conn = conn_of(exchange);
    if (!may_answer(conn))
        return;
    assert(conn->mode != ANSWER_NONE);
    if (conn->mode == ANSWER_STREAM) {
        conn->ended = true;
        go_on(conn);
    } else if (conn->mode == ANSWER_HEAD) {
        head_finish(conn, 0);
        answer_finish(conn);
    } else if (conn->mode == ANSWER_BODY && slots_build(conn)->full) {
        exchange_error(exchange, 500, "the answer is too long for this request", "");
    } else if (conn->mode == ANSWER_BODY) {
        body_finish(conn);
        answer_finish(conn);
    }
}

/* Takes back an answer of which nothing was sent. False when some was. */
static bool answer_take_back(struct conn *conn)
{
    if (conn->mode != ANSWER_NONE && conn->made)
        return false;
    if (conn->mode != ANSWER_NONE)
        conn->out_end = conn->answer_at;
    conn->mode = ANSWER_NONE;
    return true;
}

static void error_put(struct exchange *exchange, const char *error, const char *hint)
{
    struct buf *body = exchange_body(exchange);
    record_put_error(body, text_from(error), text_from(hint));
    buf_put_char(body, '\n');
    exchange_end(exchange);
}

void exchange_error(struct exchange *exchange, int status, const char *error, const char *hint)
{
    if (!may_answer(conn_of(exchange)))
        return;
    if (!answer_take_back(conn_of(exchange))) {
        exchange_cut(exchange);
        return;
    }
    exchange_begin(exchange, status, "application/json");
    error_put(exchange, error, hint);
}

void exchange_busy(struct exchange *exchange, const char *error, const char *hint)
{
    if (!may_answer(conn_of(exchange)))
        return;
    if (!answer_take_back(conn_of(exchange))) {
        exchange_cut(exchange);
        return;
    }
    exchange_begin(exchange, 503, "application/json");
    exchange_header_i64(exchange, "Retry-After", 1);
    error_put(exchange, error, hint);
}

void exchange_cut(struct exchange *exchange)
{
    struct conn *conn = conn_of(exchange);
    conn->cut = true;
    go_on(conn);
}

bool exchange_is_answered(const struct exchange *exchange)
{
    return conn_of(exchange)->mode != ANSWER_NONE;
}
