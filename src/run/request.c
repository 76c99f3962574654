/* SPDX-License-Identifier: MIT */
/* Requests: parsed in the input buffer, checked, and handed to the route that has the path. What is
 * refused here never reaches a handler. A body that nobody reads closes the connection after the
 * answer. The server's thread. */
#include "run/request.h"

#include "base/text.h"
#include "run/close.h"
#include "run/guard.h"
#include "run/output.h"
#include "run/slots.h"

#include <string.h>

static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";

/* The answer that follows is not a handler's, and the last one. */
static void fail_begin(struct conn *conn)
{
    if (conn->state != CONN_BODY) { /* there is no head that says otherwise */
        conn->minor = 1;
        conn->head_only = false;
    }
    conn->state = CONN_ANSWER;
    conn->failed = conn->body_left = true;
    conn->keep = false;
}

void request_fail(struct conn *conn, int status, const char *error)
{
    conn->server->stats.errors++;
    fail_begin(conn);
    exchange_error(&conn->exchange, status, error, "");
}

void request_put_off(struct conn *conn)
{
    conn->server->stats.refused++;
    slots_list(conn, CONN_NO_LIST);
    fail_begin(conn);
    exchange_busy(&conn->exchange, "all buffers are in use", "try again");
}

/* The server's own answer to a request that was read whole: the connection goes on. */
static void refuse(struct conn *conn, int status, const char *error, const char *hint)
{
    conn->server->stats.errors++;
    conn->failed = true;
    exchange_error(&conn->exchange, status, error, hint);
}

static void refuse_host(struct conn *conn, struct str host)
{
    char error[160], hint[160];
    struct buf text = buf_on(error, sizeof error - 1), cure = buf_on(hint, sizeof hint - 1);
    struct str name = text_first(host, 64);
    buf_put_text(&text, "this node does not answer to the name ");
    buf_put_shown(&text, name);
    error[text.len] = 0;
    buf_put_text(&cure, "use its IP address, or add the name to hosts in [node] of config.ini "
                        "(--node.hosts NAME)");
    hint[cure.len] = 0;
    refuse(conn, 421, error, hint);
}

static bool route_has(const struct server_route *route, struct str path)
{
    if (path.len < route->path_len || (!route->prefix && path.len != route->path_len))
        return false;
    return memcmp(path.ptr, route->route->path, route->path_len) == 0;
}

static unsigned method_bit(enum http_method method)
{
    switch (method) {
    case HTTP_METHOD_GET:
    case HTTP_METHOD_HEAD:
        return SERVER_GET;
    case HTTP_METHOD_POST:
        return SERVER_POST;
    case HTTP_METHOD_OTHER:
        break;
    }
    return 0;
}

/* The first row that has path and method; *out_methods is what the path's rows take. */
static const struct server_route *route_find(const struct server *server,
                                             const struct http_head *head, unsigned *out_methods)
{
    *out_methods = 0;
    for (uint32_t i = 0; i < server->routes; i++) {
        const struct server_route *route = &server->route[i];
        if (!route_has(route, head->path))
            continue;
        if ((route->route->methods & method_bit(head->method)) != 0)
            return route;
        *out_methods |= route->route->methods;
    }
    return NULL;
}

static void refuse_method(struct conn *conn, unsigned methods)
{
    struct exchange *exchange = &conn->exchange;
    conn->server->stats.errors++;
    conn->failed = true;
    exchange_begin(exchange, 405, "application/json");
    exchange_header(exchange, "Allow",
                    methods == SERVER_POST  ? STR("POST")
                    : methods == SERVER_GET ? STR("GET, HEAD")
                                            : STR("GET, HEAD, POST"));
    buf_put_text(exchange_body(exchange),
                 "{\"error\":\"wrong method for this path\",\"hint\":\"\"}\n");
    exchange_end(exchange);
}

/* A worker's server has few routes: what it does not know goes home. */
static void refuse_path(struct conn *conn, unsigned methods)
{
    struct server *home = conn->server->config.home;
    if (methods != 0) {
        refuse_method(conn, methods);
    } else if (!home) {
        refuse(conn, 404, "no such path", "");
    } else {
        conn->starting = true;
        int result = exchange_move(&conn->exchange, home, NULL);
        conn->starting = false;
        if (result < 0) {
            conn->keep = false;
            conn->server->stats.refused++;
            exchange_busy(&conn->exchange, "all connections are in use", "try again");
        }
    }
}

/* Closes idle connections until one of the class fits. They are no members. */
static bool class_has_room(struct conn *conn, enum server_class class)
{
    struct server *server = conn->server;
    while (!slots_fit(server, class))
        if (class == SERVER_MEMBERSHIP || !close_idle(server))
            return false;
    return true;
}

/* One with a ticket keeps the best class it had: a member that asks something is still a member. */
static bool class_enter(struct conn *conn, enum server_class class)
{
    if (conn->exchange.ticket && conn->class < class)
        class = conn->class;
    slots_class(conn, class);
    if (class_has_room(conn, class))
        return true;
    conn->server->stats.refused++;
    conn->keep = false;
    conn->failed = true;
    exchange_busy(&conn->exchange, "all connections are in use", "try again");
    return false;
}

/* A page of a stranger can neither name us as Host, nor POST with these. */
static bool page_is_allowed(struct conn *conn, const struct route *route)
{
    const struct http_head *head = conn->exchange.head;
    if (head->method != HTTP_METHOD_POST)
        return true;
    if (!guard_origin(head))
        refuse(conn, 403, "a page of another site may not do this", "");
    else if (!guard_type(head->header[HTTP_HEADER_CONTENT_TYPE], route->body))
        refuse(conn, 415, "wrong Content-Type",
               (route->body & SERVER_NDJSON) != 0 ? "send application/x-ndjson"
                                                  : "send application/json");
    else
        return true;
    return false;
}

static bool tail_decode(struct conn *conn, const struct server_route *route)
{
    struct exchange *exchange = &conn->exchange;
    struct conn_input *input = slots_input_of(conn);
    exchange->tail = (struct str){NULL, 0};
    if (!route->prefix)
        return true;
    struct str raw = text_from_byte(exchange->head->path, route->path_len);
    ptrdiff_t len = text_url_decode(raw, input->tail, sizeof input->tail);
    if (len == -P2P_ETOOBIG)
        refuse(conn, 414, "the name is longer than 1024 bytes", "");
    else if (len < 0)
        refuse(conn, 400, "the path has a wrong escape", "");
    else
        exchange->tail = (struct str){input->tail, (size_t)len};
    return len >= 0;
}

static bool host_is_allowed(struct server *server, struct str host)
{
    if (host.len > 0 && text_equal(host, (struct str){server->host, server->host_len}))
        return true;
    if (!guard_host(host, server->config.hosts))
        return false;
    if (host.len <= sizeof server->host) {
        server->host_len = host.len;
        if (host.len > 0)
            memcpy(server->host, host.ptr, host.len);
    }
    return true;
}

/* The route that takes the request; NULL when it was refused or moved. */
static const struct server_route *request_route(struct conn *conn)
{
    struct server *server = conn->server;
    const struct http_head *head = conn->exchange.head;
    unsigned methods;
    if (!host_is_allowed(server, head->header[HTTP_HEADER_HOST])) {
        refuse_host(conn, head->header[HTTP_HEADER_HOST]);
        return NULL;
    }
    const struct server_route *route = route_find(server, head, &methods);
    if (!route) {
        refuse_path(conn, methods);
        return NULL;
    }
    bool allowed = page_is_allowed(conn, route->route) && tail_decode(conn, route) &&
                   class_enter(conn, route->route->class);
    return allowed ? route : NULL;
}

/* A whole request was taken off the input: the parser is made ready for the next. */
static void request_end_of_body(struct conn *conn)
{
    size_t used;
    if (!conn->body_left)
        (void)http_parse(&slots_input_of(conn)->parser, (struct str){"", 0}, &used);
}

static void request_answer(struct conn *conn)
{
    conn->state = CONN_ANSWER;
    if (conn->route->route->end && !exchange_is_answered(&conn->exchange) && !conn->cut)
        conn->route->route->end(&conn->exchange, conn->route->role);
}

/* begin has returned without an answer, and the route reads bodies. */
static void body_begin(struct conn *conn, bool expect_continue)
{
    if (!conn->body_left) {
        request_answer(conn);
        return;
    }
    conn->state = CONN_BODY;
    lines_init(&slots_input_of(conn)->u.lines);
    output_watch(conn);
    if (expect_continue && conn->in_begin == conn->in_end) {
        size_t len = sizeof interim - 1;
        memcpy(slots_out(conn) + conn->out_end, interim, len);
        conn->out_end = (uint16_t)(conn->out_end + len);
        (void)output_flush(conn);
    }
}

static void request_begin(struct conn *conn, const struct server_route *route)
{
    const struct http_head *head = conn->exchange.head;
    bool reads = head->method == HTTP_METHOD_POST && (route->route->line || route->route->end);
    bool expect_continue = head->expect_continue;
    conn->route = route;
    conn->starting = true;
    route->route->begin(&conn->exchange, route->role);
    conn->starting = false;
    if (!conn->open)
        return; /* moved */
    conn->in_begin = conn->in_floor;
    request_end_of_body(conn);
    if (reads && !exchange_is_answered(&conn->exchange) && !conn->cut)
        body_begin(conn, expect_continue);
}

static void request_start(struct conn *conn, size_t head_len)
{
    const struct http_head *head = &slots_input_of(conn)->parser.head;
    conn->server->stats.requests++;
    conn->in_floor = (uint16_t)(conn->in_begin + head_len);
    conn->state = CONN_ANSWER;
    conn->exchange.head = head;
    conn->keep = head->keep_alive;
    conn->minor = head->minor;
    conn->head_only = head->method == HTTP_METHOD_HEAD;
    conn->body_left = head->body_length != 0;
    const struct server_route *route = request_route(conn);
    if (route) {
        request_begin(conn, route);
    } else if (conn->open) {
        conn->in_begin = conn->in_floor;
        request_end_of_body(conn);
    }
}

/* A head and the beginning of its body lie in one piece: one that starts far back is moved. */
static void input_compact(struct conn *conn)
{
    size_t size = (size_t)(conn->in_end - conn->in_begin);
    if (CONN_INPUT_SIZE - conn->in_begin >= P2P_HEAD_MAX + 1024)
        return;
    memmove(slots_in(conn), slots_in(conn) + conn->in_begin, size);
    conn->in_begin = 0;
    conn->in_end = (uint16_t)size;
}

static void head_wait(struct conn *conn)
{
    struct server *server = conn->server;
    if (conn->state == CONN_HEAD)
        return;
    conn->state = CONN_HEAD;
    conn->since_ms = loop_now_ms(server->loop);
    slots_deadline(conn, &server->late, conn->since_ms + server->config.head_ms);
}

bool request_head(struct conn *conn)
{
    size_t used;
    if (conn->in == 0 || conn->in_begin == conn->in_end)
        return false;
    if (!slots_output(conn, false)) {
        head_wait(conn);
        slots_hungry(conn);
        return false;
    }
    slots_list(conn, CONN_NO_LIST);
    conn->hungry_ms = 0;
    input_compact(conn);
    struct http_parser *parser = &slots_input_of(conn)->parser;
    struct str bytes = {(const char *)slots_in(conn) + conn->in_begin,
                        (size_t)(conn->in_end - conn->in_begin)};
    enum http_event event = http_parse(parser, bytes, &used);
    if (event == HTTP_HEAD) {
        request_start(conn, used);
        return true;
    }
    if (event == HTTP_NEED_MORE) {
        head_wait(conn);
        return false;
    }
    request_fail(conn, parser->status, parser->reason);
    return true;
}

/* False when the rest of the body is not wanted any more. */
static bool body_lines(struct conn *conn, struct str span)
{
    const struct route *route = conn->route->route;
    struct lines *lines = &slots_input_of(conn)->u.lines;
    struct str line;
    int result;
    if (!route->line)
        return true;
    while ((result = lines_next(lines, &span, &line)) == 1) {
        if (line.len == 0)
            continue;
        route->line(&conn->exchange, conn->route->role, line);
        if (exchange_is_answered(&conn->exchange) || conn->cut)
            return false;
    }
    if (result < 0)
        request_fail(conn, 413, "a line is longer than 4096 bytes");
    return result == 0;
}

static void body_end(struct conn *conn)
{
    struct str line;
    conn->body_left = false;
    if (conn->route->route->line && lines_last(&slots_input_of(conn)->u.lines, &line) == 1 &&
        line.len > 0)
        conn->route->route->line(&conn->exchange, conn->route->role, line);
    request_answer(conn);
}

bool request_body(struct conn *conn)
{
    struct http_parser *parser = &slots_input_of(conn)->parser;
    for (;;) {
        struct str rest = {(const char *)slots_in(conn) + conn->in_begin,
                           (size_t)(conn->in_end - conn->in_begin)};
        size_t used;
        enum http_event event = http_parse(parser, rest, &used);
        conn->in_begin = (uint16_t)(conn->in_begin + used);
        if (event == HTTP_NEED_MORE) {
            conn->in_begin = conn->in_end = conn->in_floor;
            return false;
        }
        if (event == HTTP_BODY && body_lines(conn, parser->span))
            continue;
        if (event == HTTP_END)
            body_end(conn);
        else if (event == HTTP_ERROR)
            request_fail(conn, parser->status, parser->reason);
        conn->state = CONN_ANSWER;
        return true;
    }
}
