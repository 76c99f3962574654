/* SPDX-License-Identifier: MIT */
/* HTTP heads and bodies: every message is parsed whole, byte by byte, and from moving memory, with
 * the same outcome. */
#include "wire/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Everything that happened, as text: "head GET /x ?q" "body abc" "end" "error 400". */
static void describe_head(struct buf *out, const struct http_parser *parser)
{
    const struct http_head *head = &parser->head;
    if (parser->response)
        buf_printf(out, "head %d", head->status);
    else
        buf_printf(out, "head %s %.*s?%.*s", http_method_text(head->method), (int)head->path.len,
                   head->path.ptr, (int)head->query.len, head->query.ptr ? head->query.ptr : "");
    buf_printf(out, " %s%lld%s|", head->keep_alive ? "keep " : "", (long long)head->body_length,
               head->chunked ? " chunked" : "");
}

/* Feeds message in steps of step bytes (0: whole), each time from a fresh copy, so that a stale
 * view would be found. */
static void play(bool response, bool no_body, struct str message, size_t step, struct buf *out)
{
    struct http_parser parser;
    enum http_event event = HTTP_NEED_MORE;
    size_t start = 0, have = 0;
    bool in_body = false;
    http_parser_init(&parser, response);
    if (no_body)
        http_parser_no_body(&parser);
    while (event != HTTP_ERROR) {
        size_t used = 0;
        char *copy = malloc(have - start + 1);
        memcpy(copy, message.ptr + start, have - start);
        event = http_parse(&parser, (struct str){copy, have - start}, &used);
        assert_true(used <= have - start);
        start += used;
        if (event == HTTP_HEAD)
            describe_head(out, &parser);
        if (event == HTTP_BODY) {
            if (!in_body)
                buf_put_text(out, "body ");
            buf_put(out, parser.span);
        }
        if (event != HTTP_BODY && event != HTTP_NEED_MORE && in_body)
            buf_put_char(out, '|');
        in_body = event == HTTP_BODY || (event == HTTP_NEED_MORE && in_body);
        if (event == HTTP_END)
            buf_put_text(out, "end|");
        free(copy);
        if (event == HTTP_NEED_MORE) {
            if (have == message.len)
                break;
            have = step == 0 || message.len - have < step ? message.len : have + step;
        }
    }
    if (event != HTTP_ERROR) {
        event = http_parse_close(&parser);
        if (in_body)
            buf_put_char(out, '|');
        if (event == HTTP_END)
            buf_put_text(out, "end at close|");
    }
    if (event == HTTP_ERROR)
        buf_printf(out, "error %d", parser.status);
}

struct message_row {
    const char *name, *input, *expected;
};

static void check_rows(bool response, bool no_body, const struct message_row *rows, size_t count)
{
    static const size_t steps[] = {0, 1, 2, 3, 7, 64};
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
            char text[4096];
            struct buf out = buf_on(text, sizeof(text));
            play(response, no_body, text_from(rows[i].input), steps[k], &out);
            buf_put_char(&out, '\0');
            if (strcmp(text, rows[i].expected) != 0)
                fail_msg("%s, step %zu: \"%s\" instead of \"%s\"", rows[i].name, steps[k], text,
                         rows[i].expected);
        }
    }
}

#define H "Host: a\r\n"

static void test_requests(void **state)
{
    static const struct message_row rows[] = {
        {"get", "GET /x HTTP/1.1\r\n" H "\r\n", "head GET /x? keep 0|end|"},
        {"query", "GET /x?a=1&b HTTP/1.1\r\n" H "\r\n", "head GET /x?a=1&b keep 0|end|"},
        {"head", "HEAD / HTTP/1.1\r\n" H "\r\n", "head HEAD /? keep 0|end|"},
        {"other method", "DELETE / HTTP/1.1\r\n" H "\r\n", "head OTHER /? keep 0|end|"},
        {"options star", "OPTIONS * HTTP/1.1\r\n" H "\r\n", "head OTHER *? keep 0|end|"},
        {"close", "GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n", "head GET /? 0|end|"},
        {"1.0", "GET / HTTP/1.0\r\n\r\n", "head GET /? 0|end|"},
        {"1.0 keep", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "head GET /? keep 0|end|"},
        {"two", "GET /1 HTTP/1.1\r\n" H "\r\nGET /2 HTTP/1.1\r\n" H "\r\n",
         "head GET /1? keep 0|end|head GET /2? keep 0|end|"},
        {"lines before", "\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", "head GET /? keep 0|end|"},
        {"length",
         "POST /p HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n" H "\r\n",
         "head POST /p? keep 3|body abc|end|head GET /? keep 0|end|"},
        {"length 0", "POST /p HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n",
         "head POST /p? keep 0|end|"},
        {"get with length", "GET / HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\nab",
         "head GET /? keep 2|body ab|end|"},
        {"upgrade is ignored",
         "GET / HTTP/1.1\r\n" H "Connection: upgrade\r\nUpgrade: h2c\r\n\r\nGET /2 HTTP/1.1\r\n" H
         "\r\n",
         "head GET /? keep 0|end|head GET /2? keep 0|end|"},
        {"chunked",
         "POST / HTTP/1.1\r\n" H
         "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\nGET / "
         "HTTP/1.1\r\n" H "\r\n",
         "head POST /? keep -1 chunked|body abcde|end|head GET /? keep 0|end|"},
        {"chunked, empty", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
         "head POST /? keep -1 chunked|end|"},
        {"trailer",
         "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nHost: b\r\nX: "
         "y\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n",
         "head POST /? keep -1 chunked|body a|end|head GET /? keep 0|end|"},
        {"absolute", "GET http://h:1/x?q HTTP/1.1\r\n" H "\r\n", "head GET /x?q keep 0|end|"},
        {"cut in the head", "GET / HTTP/1.1\r\nHost", "error 400"},
        {"cut in the body", "POST / HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nab",
         "head POST /? keep 3|body ab|error 400"},
        {"cut in a chunk", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nab",
         "head POST /? keep -1 chunked|body ab|error 400"},
        {"nothing", "", ""},
        {"raw utf-8", "GET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n", "error 400"},
    };
    (void)state;
    check_rows(false, false, rows, sizeof(rows) / sizeof(rows[0]));
}

static void test_bad_requests(void **state)
{
    static const struct message_row rows[] = {
        {"no host", "GET / HTTP/1.1\r\n\r\n", "error 400"},
        {"two hosts", "GET / HTTP/1.1\r\n" H "hOst: b\r\n\r\n", "error 400"},
        {"two empty hosts", "GET / HTTP/1.1\r\nHost:\r\nHost:\r\n\r\n", "error 400"},
        {"length and chunked",
         "POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
         "error 400"},
        {"chunked and length",
         "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
         "error 400"},
        {"two lengths", "POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 3\r\n\r\n",
         "error 400"},
        {"list of lengths", "POST / HTTP/1.1\r\n" H "Content-Length: 3, 3\r\n\r\n", "error 400"},
        {"length with sign", "POST / HTTP/1.1\r\n" H "Content-Length: +3\r\n\r\n", "error 400"},
        {"negative length", "POST / HTTP/1.1\r\n" H "Content-Length: -3\r\n\r\n", "error 400"},
        {"hex length", "POST / HTTP/1.1\r\n" H "Content-Length: 0x3\r\n\r\n", "error 400"},
        {"empty length", "POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n", "error 400"},
        {"length past 2^64", "POST / HTTP/1.1\r\n" H "Content-Length: 18446744073709551616\r\n\r\n",
         "error 400"},
        {"length past 2^53", "POST / HTTP/1.1\r\n" H "Content-Length: 9007199254740992\r\n\r\n",
         "error 413"},
        {"gzip", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n", "error 501"},
        {"coding twice",
         "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
         "error 400"},
        {"coding in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "error 400"},
        {"chunk size with sign",
         "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n+3\r\nabc",
         "head POST /? keep -1 chunked|error 400"},
        {"chunk too long", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
         "head POST /? keep -1 chunked|body a|error 400"},
        {"folded", "GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n", "error 400"},
        {"folded first", "GET / HTTP/1.1\r\n X: a\r\n" H "\r\n", "error 400"},
        {"space before colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "error 400"},
        {"bare lf", "GET / HTTP/1.1\nHost: a\n\n", "error 400"},
        {"bare cr", "GET / HTTP/1.1\r\nX: a\rb\r\n" H "\r\n", "error 400"},
        {"no name", "GET / HTTP/1.1\r\n: a\r\n" H "\r\n", "error 400"},
        {"unknown method", "FETCH / HTTP/1.1\r\n" H "\r\n", "error 400"},
        {"lower method", "get / HTTP/1.1\r\n" H "\r\n", "error 400"},
        {"tls", "\x16\x03\x01\x02", "error 400"},
        {"http/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "error 400"},
        {"version 2", "GET / HTTP/2.0\r\n" H "\r\n", "error 505"},
        {"version 1.2", "GET / HTTP/1.2\r\n" H "\r\n", "error 400"},
        {"http/0.9", "GET /\r\n\r\n", "error 505"},
        {"no path", "GET x HTTP/1.1\r\n" H "\r\n", "error 400"},
        {"fragment", "GET /a#b HTTP/1.1\r\n" H "\r\n", "error 400"},
        {"connect", "CONNECT a:1 HTTP/1.1\r\n" H "\r\n", "error 400"},
        {"url without path", "GET http://a HTTP/1.1\r\n" H "\r\n", "error 400"},
        {"url without host", "GET http:///a HTTP/1.1\r\n" H "\r\n", "error 400"},
        {"space in target", "GET /a b HTTP/1.1\r\n" H "\r\n", "error 400"},
    };
    (void)state;
    check_rows(false, false, rows, sizeof(rows) / sizeof(rows[0]));
}

static void test_responses(void **state)
{
    static const struct message_row rows[] = {
        {"length",
         "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 404 Not Found\r\nContent-Length: "
         "0\r\n\r\n",
         "head 200 keep 2|body ab|end|head 404 keep 0|end|"},
        {"no reason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "head 200 keep 0|end|"},
        {"until close", "HTTP/1.1 200 OK\r\n\r\nabc", "head 200 -1|body abc|end at close|"},
        {"until close, empty", "HTTP/1.0 200 OK\r\n\r\n", "head 200 -1|end at close|"},
        {"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
         "head 200 keep -1 chunked|body ab|end|"},
        {"204", "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
         "head 204 keep -1|end|head 200 keep 0|end|"},
        {"304 with length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
         "head 304 keep 9|end|"},
        {"interim",
         "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 "
         "OK\r\nContent-Length: 1\r\n\r\na",
         "head 200 keep 1|body a|end|"},
        {"switching",
         "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
         "error 400"},
        {"etag twice", "HTTP/1.1 200 OK\r\nETag: a\r\nETag: b\r\nContent-Length: 0\r\n\r\n",
         "head 200 keep 0|end|"},
        {"cut", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
         "head 200 keep 3|body ab|error 400"},
        {"gzip", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "error 501"},
        {"garbage", "SSH-2.0-OpenSSH_9.2\r\n", "error 400"},
    };
    static const struct message_row heads[] = {
        {"to HEAD",
         "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
         "1\r\n\r\na",
         "head 200 keep 5|end|head 200 keep 1|body a|end|"},
        {"to HEAD, chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
         "head 200 keep -1 chunked|end|"},
        {"to HEAD, neither", "HTTP/1.1 200 OK\r\n\r\n", "head 200 keep -1|end|"},
        {"to HEAD, interim",
         "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
         "head 200 keep 5|end|"},
    };
    (void)state;
    check_rows(true, false, rows, sizeof(rows) / sizeof(rows[0]));
    check_rows(true, true, heads, sizeof(heads) / sizeof(heads[0]));
}

static void test_headers(void **state)
{
    static const char text[] = "GET / HTTP/1.1\r\nhOST:  a:1 \t\r\nX-Any: "
                               "1\r\nRange:bytes=0-1\r\nP2P-Chain: ab\r\nETag:\r\n"
                               "EXPECT: 100-Continue\r\nAuthorization: Bearer x y\r\n\r\n";
    struct http_parser parser;
    size_t used;
    (void)state;
    http_parser_init(&parser, false);
    assert_int_equal(http_parse(&parser, STR(text), &used), HTTP_HEAD);
    assert_int_equal(used, sizeof(text) - 1);
    assert_true(text_is(parser.head.header[HTTP_HEADER_HOST], "a:1"));
    assert_true(text_is(parser.head.header[HTTP_HEADER_RANGE], "bytes=0-1"));
    assert_true(text_is(parser.head.header[HTTP_HEADER_P2P_CHAIN], "ab"));
    assert_true(text_is(parser.head.header[HTTP_HEADER_AUTHORIZATION], "Bearer x y"));
    assert_non_null(parser.head.header[HTTP_HEADER_ETAG].ptr);
    assert_int_equal(parser.head.header[HTTP_HEADER_ETAG].len, 0);
    assert_null(parser.head.header[HTTP_HEADER_COOKIE].ptr);
    assert_true(parser.head.expect_continue);
    assert_int_equal(parser.head.minor, 1);
}

static void test_absolute_form_sets_host(void **state)
{
    struct http_parser parser;
    size_t used;
    (void)state;
    http_parser_init(&parser, false);
    assert_int_equal(
        http_parse(&parser, STR("GET HTTP://evil:80/x HTTP/1.1\r\nHost: good\r\n\r\n"), &used),
        HTTP_HEAD);
    assert_true(text_is(parser.head.header[HTTP_HEADER_HOST], "evil:80"));
    assert_true(text_is(parser.head.path, "/x"));
}

/* A request whose head, target or number of headers has the wanted size. */
static void put_request(struct buf *buf, size_t head_size, size_t url_size, int headers)
{
    size_t last;
    buf_put_text(buf, "GET /");
    for (size_t i = 1; i < url_size; i++)
        buf_put_char(buf, 'u');
    buf_put_text(buf, " HTTP/1.1\r\nHost: a\r\n");
    for (int i = 1; i < headers - 1; i++)
        buf_put_text(buf, "a: b\r\n");
    buf_put_text(buf, "pad: ");
    for (last = buf->len; last + 4 < head_size; last++)
        buf_put_char(buf, 'p');
    buf_put_text(buf, "\r\n\r\n");
}

static void test_limits(void **state)
{
    static const struct {
        const char *name;
        size_t head, url;
        int headers, status;
    } rows[] = {
        {"head n-1", P2P_HEAD_MAX - 1, 1, 2, 0},
        {"head n", P2P_HEAD_MAX, 1, 2, 0},
        {"head n+1", P2P_HEAD_MAX + 1, 1, 2, 431},
        {"url n-1", 0, P2P_URL_MAX - 1, 2, 0},
        {"url n", 0, P2P_URL_MAX, 2, 0},
        {"url n+1", 0, P2P_URL_MAX + 1, 2, 414},
        {"headers n-1", 0, 1, P2P_HEADERS_MAX - 1, 0},
        {"headers n", 0, 1, P2P_HEADERS_MAX, 0},
        {"headers n+1", 0, 1, P2P_HEADERS_MAX + 1, 431},
    };
    static char memory[16384];
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t step = 1; step <= 16384; step *= 128) {
            char text[16384];
            struct buf message = buf_on(memory, sizeof(memory)), out = buf_on(text, sizeof(text));
            put_request(&message, rows[i].head, rows[i].url, rows[i].headers);
            play(false, false, buf_str(&message), step, &out);
            buf_put_char(&out, '\0');
            const char *error = strstr(text, "error ");
            if ((error ? atoi(error + 6) : 0) != rows[i].status)
                fail_msg("%s, step %zu: %s", rows[i].name, step, error ? error : "no error");
        }
    }
}

static void test_framing_limit(void **state)
{
    static char memory[20000];
    (void)state;
    for (size_t size = 8000; size <= 9000; size += 1000) {
        struct http_parser parser;
        size_t used;
        struct buf buf = buf_on(memory, sizeof(memory));
        http_parser_init(&parser, false);
        buf_put_text(&buf, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_int_equal(http_parse(&parser, buf_str(&buf), &used), HTTP_HEAD);
        buf.len = 0;
        buf_put_text(&buf, "1;");
        while (buf.len < size)
            buf_put_char(&buf, 'x');
        enum http_event event = HTTP_NEED_MORE;
        for (size_t i = 0; i < buf.len && event == HTTP_NEED_MORE; i++)
            event = http_parse(&parser, (struct str){buf.ptr + i, 1}, &used);
        assert_int_equal(event, size > P2P_HEAD_MAX ? HTTP_ERROR : HTTP_NEED_MORE);
    }
}

static void test_took(void **state)
{
    struct http_parser parser;
    size_t used;
    (void)state;
    http_parser_init(&parser, true);
    assert_int_equal(
        http_parse(&parser, STR("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"), &used),
        HTTP_HEAD);
    http_parser_took(&parser, 9);
    assert_int_equal(parser.body_left, 1);
    assert_int_equal(http_parse(&parser, STR("xHTTP"), &used), HTTP_BODY);
    assert_int_equal(used, 1);
    assert_int_equal(http_parse(&parser, STR("HTTP"), &used), HTTP_END);
    assert_int_equal(http_parse_close(&parser), HTTP_NEED_MORE);
}

static void test_range(void **state)
{
    static const struct {
        const char *value;
        int64_t size;
        int result;
        int64_t first, length;
    } rows[] = {
        {"bytes=0-99", 1000, 0, 0, 100},
        {"bytes=0-0", 1, 0, 0, 1},
        {"bytes=5-", 10, 0, 5, 5},
        {"bytes=9-", 10, 0, 9, 1},
        {"bytes=10-", 10, -P2P_EINVAL, 0, 0},
        {"bytes=5-99", 10, 0, 5, 5},
        {"bytes=-5", 10, 0, 5, 5},
        {"bytes=-50", 10, 0, 0, 10},
        {"bytes=-0", 10, -P2P_EINVAL, 0, 0},
        {"bytes=0-", 0, -P2P_EINVAL, 0, 0},
        {"bytes=-1", 0, -P2P_EINVAL, 0, 0},
        {"BYTES=1-2", 10, 0, 1, 2},
        {"bytes=0-1,3-4", 10, 1, 0, 0},
        {"items=0-1", 10, 1, 0, 0},
        {"bytes=3-1", 10, 1, 0, 0},
        {"bytes=a-1", 10, 1, 0, 0},
        {"bytes=", 10, 1, 0, 0},
        {"bytes=-", 10, 1, 0, 0},
        {"", 10, 1, 0, 0},
        {"bytes=1-99999999999999999999", 10, 0, 1, 9},
        {"bytes=99999999999999999999-", 10, -P2P_EINVAL, 0, 0},
        {"bytes=-99999999999999999999", 10, 0, 0, 10},
        {"bytes=0-9223372036854775807", P2P_FILE_MAX, 0, 0, P2P_FILE_MAX},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t first = 0, length = 0;
        int result = http_parse_range(text_from(rows[i].value), rows[i].size, &first, &length);
        if (result != rows[i].result || first != rows[i].first || length != rows[i].length)
            fail_msg("%s of %lld: %d, %lld, %lld", rows[i].value, (long long)rows[i].size, result,
                     (long long)first, (long long)length);
    }
}

static void test_content_range(void **state)
{
    static const struct {
        const char *value;
        int result;
        int64_t first, length, size;
    } rows[] = {
        {"bytes 0-99/1000", 0, 0, 100, 1000},
        {"bytes 999-999/1000", 0, 999, 1, 1000},
        {"bytes 0-1000/1000", -P2P_EPROTO, 0, 0, 0},
        {"bytes 5-4/10", -P2P_EPROTO, 0, 0, 0},
        {"bytes */10", -P2P_EPROTO, 0, 0, 0},
        {"bytes 0-1/*", -P2P_EPROTO, 0, 0, 0},
        {"bytes 0/1-2", -P2P_EPROTO, 0, 0, 0},
        {"", -P2P_EPROTO, 0, 0, 0},
        {"bytes 0-9223372036854775808/9223372036854775809", -P2P_EPROTO, 0, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t first = 0, length = 0, size = 0;
        int result = http_parse_content_range(text_from(rows[i].value), &first, &length, &size);
        if (result != rows[i].result || first != rows[i].first || length != rows[i].length ||
            size != rows[i].size)
            fail_msg("%s: %d", rows[i].value, result);
    }
}

static void test_query(void **state)
{
    static const struct {
        const char *query, *key, *value;
        ptrdiff_t result;
    } rows[] = {
        {"a=1&b=2", "a", "1", 1},
        {"a=1&b=2", "b", "2", 1},
        {"a=1", "b", "", -P2P_ENOTFOUND},
        {"", "a", "", -P2P_ENOTFOUND},
        {"aa=1&a=2", "a", "2", 1},
        {"a", "a", "", 0},
        {"a=", "a", "", 0},
        {"a=x+y%2B", "a", "x y+", 4},
        {"a=+", "a", " ", 1},
        {"a=%", "a", "", -P2P_EINVAL},
        {"a=%00", "a", "", -P2P_EINVAL},
        {"a=1234567", "a", "1234567", 7},
        {"a=12345678", "a", "12345678", 8},
        {"a=123456789", "a", "", -P2P_ETOOBIG},
        {"a=1234567+", "a", "1234567 ", 8},
        {"a=12345678+", "a", "", -P2P_ETOOBIG},
        {"a=b=c", "a", "b=c", 3},
        {"a=1&a=2", "a", "1", 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[8];
        ptrdiff_t result = http_query(text_from(rows[i].query), rows[i].key, out, sizeof(out));
        if (result != rows[i].result ||
            (result >= 0 && !text_is((struct str){out, (size_t)result}, rows[i].value)))
            fail_msg("%s: %d", rows[i].query, (int)result);
    }
}

static void test_writing(void **state)
{
    char text[256];
    struct buf buf = buf_on(text, sizeof(text));
    (void)state;
    http_put_status(&buf, 206);
    http_put_header(&buf, "Location", STR("/a\r\nSet-Cookie: x"));
    http_put_header_i64(&buf, "Content-Length", -1);
    assert_true(text_is(
        buf_str(&buf),
        "HTTP/1.1 206 Partial Content\r\nLocation: /a__Set-Cookie: x\r\nContent-Length: -1\r\n"));
    assert_string_equal(http_status_text(421), "Misdirected Request");
    assert_string_equal(http_status_text(999), "Unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_responses),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_absolute_form_sets_host),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_framing_limit),
        cmocka_unit_test(test_took),
        cmocka_unit_test(test_range),
        cmocka_unit_test(test_content_range),
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
