/* SPDX-License-Identifier: MIT */
/* Requests to a real server on loopback: a table of raw bytes and what is answered, each row cut at
 * every byte; bodies, pipelining, refusals, the checks of Host, Origin and Content-Type. */
#include "rig_server.h"

static struct rig rig;
static struct raw raw;
static struct raw_answer answer;

static void hello_begin(struct exchange *exchange, void *role)
{
    (void)role;
    exchange_begin(exchange, 200, "text/plain");
    exchange_header(exchange, "X-Evil", STR("a\r\nb"));
    buf_put_text(exchange_body(exchange), "hello\n");
    exchange_end(exchange);
}

static void empty_begin(struct exchange *exchange, void *role)
{
    (void)role;
    exchange_begin(exchange, 307, NULL);
    exchange_header(exchange, "Location", STR("/hello"));
    exchange_end(exchange);
}

static void unmodified_begin(struct exchange *exchange, void *role)
{
    (void)role;
    exchange_begin(exchange, 304, NULL);
    exchange_end(exchange);
}

static void tail_begin(struct exchange *exchange, void *role)
{
    (void)role;
    exchange_begin(exchange, 200, "text/plain");
    buf_put(exchange_body(exchange), exchange->tail);
    exchange_end(exchange);
}

static void long_begin(struct exchange *exchange, void *role)
{
    (void)role;
    exchange_begin(exchange, 200, "text/plain");
    struct buf *body = exchange_body(exchange);
    for (int i = 0; i < 17000; i++)
        buf_put_char(body, 'x');
    exchange_end(exchange);
}

static void most_begin(struct exchange *exchange, void *role)
{
    (void)role;
    exchange_begin(exchange, 200, "text/plain");
    struct buf *body = exchange_body(exchange);
    buf_put(body, exchange->tail);
    while (body->len < 15000)
        buf_put_char(body, 'x');
    exchange_end(exchange);
}

/* Counts lines and their bytes. */
static void lines_begin(struct exchange *exchange, void *role)
{
    rig_note(role, 'b');
    exchange->user_number = 0;
}

static void lines_line(struct exchange *exchange, void *role, struct str line)
{
    (void)role;
    if (text_is(line, "refuse"))
        exchange_error(exchange, 409, "refused", "in a line");
    exchange->user_number += 1000000 + line.len;
}

static void lines_end(struct exchange *exchange, void *role)
{
    rig_note(role, 'e');
    exchange_begin(exchange, 200, "text/plain");
    buf_printf(exchange_body(exchange), "%d lines, %d bytes",
               (int)(exchange->user_number / 1000000), (int)(exchange->user_number % 1000000));
    exchange_end(exchange);
}

static void lines_gone(struct exchange *exchange, void *role, bool aborted)
{
    (void)exchange;
    rig_note(role, aborted ? 'A' : 'g');
}

static void refuse_begin(struct exchange *exchange, void *role)
{
    (void)role;
    exchange_error(exchange, 409, "id in use", "make a \"new\" one");
}

static void busy_begin(struct exchange *exchange, void *role)
{
    (void)role;
    exchange_begin(exchange, 200, NULL); /* taken back */
    exchange_busy(exchange, "busy", "later");
}

static void cut_begin(struct exchange *exchange, void *role)
{
    (void)role;
    exchange_cut(exchange);
}

static const struct route routes[] = {
    {.methods = SERVER_GET, .path = "/", .class = SERVER_CLIENT, .begin = hello_begin},
    {.methods = SERVER_GET, .path = "/hello", .class = SERVER_CLIENT, .begin = hello_begin},
    {.methods = SERVER_GET, .path = "/empty", .class = SERVER_CLIENT, .begin = empty_begin},
    {.methods = SERVER_GET, .path = "/304", .class = SERVER_CLIENT, .begin = unmodified_begin},
    {.methods = SERVER_GET, .path = "/tail/", .class = SERVER_CLIENT, .begin = tail_begin},
    {.methods = SERVER_GET, .path = "/long", .class = SERVER_CLIENT, .begin = long_begin},
    {.methods = SERVER_GET, .path = "/most/", .class = SERVER_CLIENT, .begin = most_begin},
    {.methods = SERVER_GET, .path = "/busy", .class = SERVER_CLIENT, .begin = busy_begin},
    {.methods = SERVER_GET, .path = "/cut", .class = SERVER_CLIENT, .begin = cut_begin},
    {.methods = SERVER_POST,
     .body = SERVER_NDJSON | SERVER_JSON,
     .path = "/lines",
     .class = SERVER_MEMBERSHIP,
     .begin = lines_begin,
     .line = lines_line,
     .end = lines_end,
     .gone = lines_gone},
    {.methods = SERVER_POST,
     .body = SERVER_NDJSON,
     .path = "/refuse",
     .class = SERVER_MEMBERSHIP,
     .begin = refuse_begin,
     .line = lines_line,
     .end = lines_end},
    {.path = NULL},
};

static int setup(void **state)
{
    (void)state;
    memset(&rig, 0, sizeof rig);
    struct server_config config = rig_config(&rig);
    rig_open(&rig, &config);
    assert_int_equal(server_add_routes(rig.server, routes, &rig), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

#define H "Host: 127.0.0.1:7750\r\n"
#define NDJSON "Content-Type: application/x-ndjson\r\n"

static const struct row {
    const char *name, *request;
    int status;
    const char *header; /* a line that must be there */
    const char *body;   /* its beginning */
    bool closes;
} rows[] = {
    {"root", "GET / HTTP/1.1\r\n" H "\r\n", 200, "Content-Type: text/plain", "hello\n", false},
    {"node id", "GET /hello HTTP/1.1\r\n" H "\r\n", 200,
     "P2P-Node: 0123456789abcdef0123456789abcdef", "hello\n", false},
    {"nosniff", "GET /hello HTTP/1.1\r\n" H "\r\n", 200, "X-Content-Type-Options: nosniff",
     "hello\n", false},
    {"length", "GET /hello HTTP/1.1\r\n" H "\r\n", 200, "Content-Length:     6", "hello\n", false},
    {"a header cannot end its line", "GET /hello HTTP/1.1\r\n" H "\r\n", 200, "X-Evil: a__b",
     "hello\n", false},
    {"query is not part of the path", "GET /hello?a=b HTTP/1.1\r\n" H "\r\n", 200, NULL, "hello\n",
     false},
    {"whole URL", "GET http://127.0.0.1:7750/hello HTTP/1.1\r\n" H "\r\n", 200, NULL, "hello\n",
     false},
    {"HEAD", "HEAD /hello HTTP/1.1\r\n" H "\r\n", 200, "Content-Length:     6", "", false},
    {"no body", "GET /empty HTTP/1.1\r\n" H "\r\n", 307, "Location: /hello", "", false},
    {"304", "GET /304 HTTP/1.1\r\n" H "\r\n", 304, NULL, "", false},
    {"tail decoded", "GET /tail/a%2Fb%20c/d HTTP/1.1\r\n" H "\r\n", 200, NULL, "a/b c/d", false},
    {"tail empty", "GET /tail/ HTTP/1.1\r\n" H "\r\n", 200, NULL, "", false},
    {"tail with a wrong escape", "GET /tail/%zz HTTP/1.1\r\n" H "\r\n", 400, NULL, "{\"error\"",
     false},
    {"tail with NUL", "GET /tail/%00 HTTP/1.1\r\n" H "\r\n", 400, NULL, "{\"error\"", false},
    {"no such path", "GET /nothing HTTP/1.1\r\n" H "\r\n", 404, "Content-Type: application/json",
     "{\"error\":\"no such path\",\"hint\":\"\"}\n", false},
    {"a prefix is no path", "GET /tail HTTP/1.1\r\n" H "\r\n", 404, NULL, "", false},
    {"the root is no prefix", "GET /x HTTP/1.1\r\n" H "\r\n", 404, NULL, "", false},
    {"wrong method", "POST /hello HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", 405,
     "Allow: GET, HEAD", "{\"error\"", false},
    {"wrong method with a body", "POST /hello HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc", 405,
     "Connection: close", "{\"error\"", true},
    {"GET where POST is", "GET /lines HTTP/1.1\r\n" H "\r\n", 405, "Allow: POST", "{\"error\"",
     false},
    {"DELETE", "DELETE /hello HTTP/1.1\r\n" H "\r\n", 405, NULL, "", false},
    {"too long a body of ours", "GET /long HTTP/1.1\r\n" H "\r\n", 500, NULL, "{\"error\"", false},
    {"busy", "GET /busy HTTP/1.1\r\n" H "\r\n", 503, "Retry-After: 1",
     "{\"error\":\"busy\",\"hint\":\"later\"}\n", false},
    /* keep-alive */
    {"close", "GET /hello HTTP/1.1\r\n" H "Connection: close\r\n\r\n", 200, "Connection: close",
     "hello\n", true},
    {"1.0", "GET /hello HTTP/1.0\r\n" H "\r\n", 200, "Connection: close", "hello\n", true},
    {"1.0 without Host", "GET /hello HTTP/1.0\r\n\r\n", 200, NULL, "hello\n", true},
    {"1.0 keep-alive", "GET /hello HTTP/1.0\r\n" H "Connection: keep-alive\r\n\r\n", 200,
     "Connection: keep-alive", "hello\n", false},
    /* broken */
    {"not HTTP", "hello there\r\n\r\n", 400, "Connection: close", "{\"error\"", true},
    {"TLS at the wrong door", "\x16\x03\x01\x02\r\n", 400, NULL, "{\"error\"", true},
    {"no Host", "GET /hello HTTP/1.1\r\n\r\n", 400, NULL, "{\"error\"", true},
    {"two Hosts", "GET /hello HTTP/1.1\r\n" H H "\r\n", 400, NULL, "{\"error\"", true},
    {"length and chunks",
     "POST /lines HTTP/1.1\r\n" H NDJSON
     "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     400, NULL, "{\"error\"", true},
    {"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, NULL, "{\"error\"", true},
    /* who may */
    {"Host localhost", "GET /hello HTTP/1.1\r\nHost: LocalHost:1\r\n\r\n", 200, NULL, "", false},
    {"Host IPv6", "GET /hello HTTP/1.1\r\nHost: [::1]:7750\r\n\r\n", 200, NULL, "", false},
    {"Host IPv6 without port", "GET /hello HTTP/1.1\r\nHost: [fe80::1]\r\n\r\n", 200, NULL, "",
     false},
    {"Host of hosts", "GET /hello HTTP/1.1\r\nHost: Kitchen.LAN:7750\r\n\r\n", 200, NULL, "",
     false},
    {"Host foreign", "GET /hello HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, NULL,
     "{\"error\":\"this node does not answer to the name evil.example\",\"hint\":\"use its IP "
     "address, or add the name to hosts in [node]",
     false},
    {"Host that begins well", "GET /hello HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n", 421,
     NULL, "", false},
    {"Host empty", "GET /hello HTTP/1.1\r\nHost:\r\n\r\n", 421, NULL, "", false},
    {"URL with a foreign Host", "GET http://evil.example/hello HTTP/1.1\r\n" H "\r\n", 421, NULL,
     "", false},
    {"Origin own",
     "POST /lines HTTP/1.1\r\n" H NDJSON
     "Origin: http://127.0.0.1:7750\r\nContent-Length: 2\r\n\r\na\n",
     200, NULL, "1 lines, 1 bytes", false},
    {"Origin foreign",
     "POST /lines HTTP/1.1\r\n" H NDJSON
     "Origin: http://evil.example\r\nContent-Length: 2\r\n\r\na\n",
     403, NULL, "{\"error\"", true},
    {"Origin of another port",
     "POST /lines HTTP/1.1\r\n" H NDJSON "Origin: http://127.0.0.1:80\r\nContent-Length: 0\r\n\r\n",
     403, NULL, "", false},
    {"Origin null", "POST /lines HTTP/1.1\r\n" H NDJSON "Origin: null\r\nContent-Length: 0\r\n\r\n",
     403, NULL, "", false},
    {"cross-site",
     "POST /lines HTTP/1.1\r\n" H NDJSON "Sec-Fetch-Site: cross-site\r\nContent-Length: 0\r\n\r\n",
     403, NULL, "", false},
    {"GET from a foreign page", "GET /hello HTTP/1.1\r\n" H "Origin: http://evil.example\r\n\r\n",
     200, NULL, "hello\n", false},
    {"form", "POST /lines HTTP/1.1\r\n" H "Content-Type: text/plain\r\nContent-Length: 0\r\n\r\n",
     415, NULL, "{\"error\":\"wrong Content-Type\",\"hint\":\"send application/x-ndjson\"}", false},
    {"no type", "POST /lines HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", 415, NULL, "", false},
    {"type with a parameter",
     "POST /lines HTTP/1.1\r\n" H
     "Content-Type: Application/JSON; charset=utf-8\r\nContent-Length: 2\r\n\r\n{}",
     200, NULL, "1 lines, 2 bytes", false},
    {"the other type",
     "POST /refuse HTTP/1.1\r\n" H "Content-Type: application/json\r\nContent-Length: 0\r\n\r\n",
     415, NULL, "", false},
    /* bodies */
    {"empty", "POST /lines HTTP/1.1\r\n" H NDJSON "Content-Length: 0\r\n\r\n", 200, NULL,
     "0 lines, 0 bytes", false},
    {"no length is none", "POST /lines HTTP/1.1\r\n" H NDJSON "\r\n", 200, NULL, "0 lines, 0 bytes",
     false},
    {"lines", "POST /lines HTTP/1.1\r\n" H NDJSON "Content-Length: 12\r\n\r\nabc\r\n\n\ndefg\n",
     200, NULL, "2 lines, 7 bytes", false},
    {"last without newline", "POST /lines HTTP/1.1\r\n" H NDJSON "Content-Length: 5\r\n\r\nabc\nd",
     200, NULL, "2 lines, 4 bytes", false},
    {"chunked",
     "POST /lines HTTP/1.1\r\n" H NDJSON
     "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n5;x=y\r\nc\ndef\r\n1\r\n\n\r\n0\r\nT: "
     "x\r\n\r\n",
     200, NULL, "2 lines, 6 bytes", false},
    {"broken chunk", "POST /lines HTTP/1.1\r\n" H NDJSON "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
     400, NULL, "{\"error\"", true},
    {"refused in begin", "POST /refuse HTTP/1.1\r\n" H NDJSON "Content-Length: 4\r\n\r\nabc\n", 409,
     "Connection: close", "{\"error\":\"id in use\",\"hint\":\"make a \\\"new\\\" one\"}\n", true},
    {"refused in a line",
     "POST /lines HTTP/1.1\r\n" H NDJSON "Content-Length: 20\r\n\r\nrefuse\nmore\n", 409, NULL,
     "{\"error\":\"refused\"", true},
    {"GET with a body", "GET /hello HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc", 200,
     "Connection: close", "hello\n", true},
};

static void row_check(const struct row *row, size_t cut)
{
    size_t len = strlen(row->request);
    raw_open(&raw, &rig);
    if (cut > 0)
        raw_send(&raw, row->request, cut);
    raw_send(&raw, row->request + cut, len - cut);
    raw_answer(&raw, &answer, strncmp(row->request, "HEAD", 4) == 0);
    if (answer.status != row->status)
        fail_msg("%s, cut at %zu: %s%s", row->name, cut, answer.head, answer.body);
    if (row->header)
        assert_header(&answer, row->header);
    if (row->body && strncmp(answer.body, row->body, strlen(row->body)) != 0)
        fail_msg("%s, cut at %zu: %s", row->name, cut, answer.body);
    assert_int_equal(strstr(answer.head, "Connection: close") != NULL, row->closes);
    if (row->closes) {
        raw_until_closed(&raw);
    } else { /* the connection is as good as new */
        raw_ask(&raw, "GET /hello HTTP/1.1\r\n" H "\r\n", &answer);
        assert_string_equal(answer.body, "hello\n");
    }
    assert_int_equal(raw.len, 0);
    raw_close(&raw);
    rig.trace_len = 0;
}

static void test_rows_cut_at_every_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t cut = 0; cut < strlen(rows[i].request); cut++)
            row_check(&rows[i], cut);
    rig_until_connections(&rig, 0);
}

static void test_pipelined(void **state)
{
    (void)state;
    raw_open(&raw, &rig);
    raw_say(&raw, "GET /tail/1 HTTP/1.1\r\n" H "\r\n"
                  "POST /lines HTTP/1.1\r\n" H NDJSON "Content-Length: 4\r\n\r\na\nb\n"
                  "HEAD /tail/2 HTTP/1.1\r\n" H "\r\n"
                  "POST /lines HTTP/1.1\r\n" H NDJSON
                  "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
                  "GET /tail/3 HTTP/1.1\r\n" H "Connection: close\r\n\r\n"
                  "GET /tail/never HTTP/1.1\r\n" H "\r\n");
    static const char *const bodies[] = {"1", "2 lines, 2 bytes", "", "1 lines, 1 bytes", "3"};
    for (size_t i = 0; i < 5; i++) {
        raw_answer(&raw, &answer, i == 2);
        assert_int_equal(answer.status, 200);
        assert_string_equal(answer.body, bodies[i]);
    }
    raw_until_closed(&raw);
    assert_int_equal(raw.len, 0);
    raw_close(&raw);
}

/* Many more bytes of requests than a buffer has. */
static void test_pipelined_over_many_buffers(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    static char bytes[COUNT * 64];
    size_t len = 0;
    for (int i = 0; i < COUNT; i++)
        len += (size_t)snprintf(bytes + len, sizeof bytes - len,
                                "GET /tail/%d HTTP/1.1\r\n" H "\r\n", i);
    raw_open(&raw, &rig);
    size_t sent = 0;
    for (int i = 0; i < COUNT; i++) {
        char expected[16];
        size_t part = len - sent < 3000 ? len - sent : 3000;
        if (raw.len < 1000 && part > 0) {
            raw_send(&raw, bytes + sent, part);
            sent += part;
        }
        raw_answer(&raw, &answer, false);
        snprintf(expected, sizeof expected, "%d", i);
        assert_string_equal(answer.body, expected);
    }
    raw_close(&raw);
}

/* A client that asks and asks and does not read: it waits, and loses nothing. */
static void test_pipelined_without_reading(void **state)
{
    (void)state;
    enum { COUNT = 1200 };
    static char bytes[COUNT * 64];
    size_t len = 0, sent = 0;
    for (int i = 0; i < COUNT; i++)
        len += (size_t)snprintf(bytes + len, sizeof bytes - len,
                                "GET /most/%d HTTP/1.1\r\n" H "\r\n", i);
    raw_open(&raw, &rig);
    for (int i = 0; i < 2000 && sent < len; i++) {
        size_t part = len - sent < 3000 ? len - sent : 3000;
        int64_t put = plat_send(raw.fd, bytes + sent, part);
        sent += put > 0 ? (size_t)put : 0;
        loop_turn(rig.loop, 1);
    }
    for (int i = 0; i < COUNT; i++) {
        char expected[16];
        if (sent < len && raw.len < 1000) {
            raw_send(&raw, bytes + sent, len - sent);
            sent = len;
        }
        raw_answer(&raw, &answer, false);
        snprintf(expected, sizeof expected, "%dxxx", i);
        assert_memory_equal(answer.body, expected, strlen(expected));
        assert_int_equal(answer.body_len, 15000);
    }
    raw_close(&raw);
}

static void test_long_tails(void **state)
{
    (void)state;
    static char request[P2P_PATH_MAX + 200];
    for (int over = -1; over <= 1; over++) {
        int size = P2P_PATH_MAX + over;
        int at = snprintf(request, sizeof request, "GET /tail/");
        memset(request + at, 'x', (size_t)size);
        snprintf(request + at + size, sizeof request - (size_t)(at + size),
                 " HTTP/1.1\r\n" H "\r\n");
        raw_open(&raw, &rig);
        raw_ask(&raw, request, &answer);
        assert_int_equal(answer.status, over > 0 ? 414 : 200);
        raw_close(&raw);
    }
}

static void ask_with_head_of(size_t size)
{
    static char request[P2P_HEAD_MAX + 200];
    const char *start = "GET /hello HTTP/1.1\r\n" H;
    size_t len = strlen(start), end = size - 4;
    memcpy(request, start, len);
    while (len < end) { /* lines of up to 1,000 bytes */
        size_t line = end - len < 1002 ? end - len : 1000;
        memset(request + len, 'x', line);
        request[len + 1] = ':';
        memcpy(request + len + line - (len + line == end ? 0 : 2), "\r\n", 2);
        len += line;
    }
    memcpy(request + end, "\r\n\r\n", 5);
    raw_open(&raw, &rig);
    raw_ask(&raw, request, &answer);
}

static void test_head_limit(void **state)
{
    (void)state;
    ask_with_head_of(P2P_HEAD_MAX - 200);
    assert_int_equal(answer.status, 200);
    raw_close(&raw);
    ask_with_head_of(P2P_HEAD_MAX);
    int at_limit = answer.status;
    assert_true(at_limit == 200 || at_limit == 431);
    raw_close(&raw);
    ask_with_head_of(P2P_HEAD_MAX + 1);
    assert_int_equal(answer.status, 431);
    raw_until_closed(&raw);
    raw_close(&raw);
}

static void test_expect_continue(void **state)
{
    (void)state;
    const char *interim = "HTTP/1.1 100 Continue\r\n\r\n";
    raw_open(&raw, &rig);
    raw_say(&raw, "POST /lines HTTP/1.1\r\n" H NDJSON
                  "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    while (raw.len < strlen(interim))
        raw_turn(&raw);
    assert_memory_equal(raw.bytes, interim, strlen(interim));
    raw_ask(&raw, "a\n", &answer);
    assert_string_equal(answer.body, "1 lines, 1 bytes");
    /* refused: no interim answer, and the connection closes */
    raw_ask(&raw,
            "POST /refuse HTTP/1.1\r\n" H NDJSON
            "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n",
            &answer);
    assert_int_equal(answer.status, 409);
    raw_until_closed(&raw);
    raw_close(&raw);
}

/* A client that sends far more than it should still reads why it was refused. */
static void test_refused_body_is_read_away(void **state)
{
    (void)state;
    static char part[4096];
    memset(part, 'x', sizeof part);
    raw_open(&raw, &rig);
    raw_say(&raw, "POST /refuse HTTP/1.1\r\n" H NDJSON "Content-Length: 100000000\r\n\r\n");
    for (int i = 0; i < 40; i++)
        raw_send(&raw, part, sizeof part);
    raw_answer(&raw, &answer, false);
    assert_int_equal(answer.status, 409);
    int64_t end_ms = plat_now_ms() + RIG_WAIT_MS;
    while (server_stats(rig.server)->connections > 0) { /* bounded: it does not read for ever */
        (void)plat_send(raw.fd, part, sizeof part);
        loop_turn(rig.loop, 1);
        assert_true(plat_now_ms() < end_ms);
    }
    raw_close(&raw);
}

static void post_of_line(size_t size, bool chunked)
{
    static char bytes[P2P_LINE_MAX + 400];
    int at = chunked ? snprintf(bytes, sizeof bytes,
                                "POST /lines HTTP/1.1\r\n" H NDJSON
                                "Transfer-Encoding: chunked\r\n\r\n%zx\r\n",
                                size + 1)
                     : snprintf(bytes, sizeof bytes,
                                "POST /lines HTTP/1.1\r\n" H NDJSON "Content-Length: %zu\r\n\r\n",
                                size + 1);
    memset(bytes + at, 'x', size);
    snprintf(bytes + at + size, 20, chunked ? "\n\r\n0\r\n\r\n" : "\n");
    raw_open(&raw, &rig);
    raw_send(&raw, bytes, 1000);
    raw_ask(&raw, bytes + 1000, &answer);
    raw_close(&raw);
}

static void test_line_limit(void **state)
{
    (void)state;
    for (int chunked = 0; chunked < 2; chunked++) {
        post_of_line(P2P_LINE_MAX - 1, chunked);
        assert_string_equal(answer.body, "1 lines, 4095 bytes");
        post_of_line(P2P_LINE_MAX, chunked);
        assert_string_equal(answer.body, "1 lines, 4096 bytes");
        post_of_line(P2P_LINE_MAX + 1, chunked);
        assert_int_equal(answer.status, 413);
    }
}

/* More than a buffer, in lines that do not fit its end. */
static void test_large_body(void **state)
{
    (void)state;
    enum { LINES = 5000 };
    raw_open(&raw, &rig);
    char text[120];
    snprintf(text, sizeof text, "POST /lines HTTP/1.1\r\n" H NDJSON "Content-Length: %d\r\n\r\n",
             LINES * 37);
    raw_say(&raw, text);
    for (int i = 0; i < LINES; i++)
        raw_say(&raw, "{\"path\":\"abcdefghijklmnop\",\"size\":1}\n");
    raw_answer(&raw, &answer, false);
    assert_string_equal(answer.body, "5000 lines, 180000 bytes");
    assert_string_equal(rig.trace, "beg");
    raw_close(&raw);
}

static void test_gone_in_the_middle(void **state)
{
    (void)state;
    raw_open(&raw, &rig);
    raw_say(&raw, "POST /lines HTTP/1.1\r\n" H NDJSON "Content-Length: 100\r\n\r\nabc\n");
    rig_until(&rig, "b");
    raw_close(&raw);
    rig_until(&rig, "bA");
    raw_open(&raw, &rig);
    raw_say(&raw, "GET /cut HTTP/1.1\r\n" H "\r\n");
    raw_until_closed(&raw);
    assert_int_equal(raw.len, 0);
    raw_close(&raw);
    rig_until_connections(&rig, 0);
}

static void test_stop(void **state)
{
    (void)state;
    static struct raw idle;
    raw_open(&idle, &rig);
    raw_ask(&idle, "GET /hello HTTP/1.1\r\n" H "\r\n", &answer);
    raw_open(&raw, &rig);
    raw_say(&raw, "POST /lines HTTP/1.1\r\n" H NDJSON "Content-Length: 2\r\n\r\n");
    rig_until(&rig, "b");
    server_stop(rig.server);
    raw_until_closed(&idle);
    raw_ask(&raw, "a\n", &answer); /* what was under way is finished */
    assert_string_equal(answer.body, "1 lines, 1 bytes");
    assert_header(&answer, "Connection: close");
    raw_until_closed(&raw);
    raw_close(&idle);
    raw_close(&raw);
}

int main(void)
{
#define SERVER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_rows_cut_at_every_byte),
        SERVER_TEST(test_pipelined),
        SERVER_TEST(test_pipelined_over_many_buffers),
        SERVER_TEST(test_pipelined_without_reading),
        SERVER_TEST(test_long_tails),
        SERVER_TEST(test_head_limit),
        SERVER_TEST(test_expect_continue),
        SERVER_TEST(test_refused_body_is_read_away),
        SERVER_TEST(test_line_limit),
        SERVER_TEST(test_large_body),
        SERVER_TEST(test_gone_in_the_middle),
        SERVER_TEST(test_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
