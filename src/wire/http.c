/* SPDX-License-Identifier: MIT */
/* Drives llhttp so that it stops at each event: the end of a head, a span of a chunked body, the
 * end of a message. What llhttp does not check is checked when the head is complete: Host, the form
 * of the target, codings, lengths. A body with a length never passes through llhttp. Any thread,
 * one at a time for each parser. */
#include "wire/http.h"

#include <string.h>

enum http_state {
    HTTP_IN_HEAD,
    HTTP_IN_LENGTH,
    HTTP_IN_CHUNKS,
    HTTP_IN_CLOSE, /* a response until the connection closes */
    HTTP_AT_END,   /* chunked: llhttp has seen the end */
    HTTP_FAILED
};

enum { HTTP_SKIPPED = -1 };

/* In the order of enum http_header; the last is for the checks here. */
static const struct str http_names[] = {
    {"host", 4},
    {"authorization", 13},
    {"content-type", 12},
    {"content-range", 13},
    {"range", 5},
    {"if-range", 8},
    {"if-none-match", 13},
    {"origin", 6},
    {"sec-fetch-site", 14},
    {"expect", 6},
    {"etag", 4},
    {"location", 8},
    {"retry-after", 11},
    {"p2p-node", 8},
    {"p2p-chain", 9},
    {"p2p-size", 8},
    {"p2p-piece", 9},
    {"cookie", 6},
    {"date", 4},
    {"p2p-feed", 8},
    {"p2p-have", 8},
    {"p2p-peers", 9},
    {"transfer-encoding", 17},
};
_Static_assert(sizeof(http_names) / sizeof(http_names[0]) == HTTP_MARK_CODING + 1, "one name each");

static int http_fail(struct http_parser *parser, int status, const char *reason)
{
    parser->state = HTTP_FAILED;
    parser->status = status;
    parser->reason = reason;
    return -1;
}

static struct http_parser *http_owner(llhttp_t *llhttp)
{
    return llhttp->data;
}

/* Pieces of one value follow each other in the head, so only the first one sets the place. */
static void http_mark(struct http_parser *parser, int which, const char *at, size_t len)
{
    struct http_mark *mark = &parser->mark[which];
    if (mark->len == 0)
        mark->at = (uint16_t)(at - parser->base);
    mark->len = (uint16_t)(mark->len + len);
}

static struct str http_marked(const struct http_parser *parser, int which)
{
    return (struct str){parser->base + parser->mark[which].at, parser->mark[which].len};
}

static int http_on_url(llhttp_t *llhttp, const char *at, size_t len)
{
    struct http_parser *parser = http_owner(llhttp);
    http_mark(parser, HTTP_MARK_TARGET, at, len);
    if (parser->mark[HTTP_MARK_TARGET].len > P2P_URL_MAX)
        return http_fail(parser, 414, "the URL is over 4096 bytes");
    return 0;
}

static int http_on_header_field(llhttp_t *llhttp, const char *at, size_t len)
{
    struct http_parser *parser = http_owner(llhttp);
    if (parser->state == HTTP_IN_HEAD)
        http_mark(parser, HTTP_MARK_NAME, at, len);
    return 0;
}

static int http_find_header(struct str name)
{
    for (int i = 0; i <= HTTP_MARK_CODING; i++) {
        if (text_equal_nocase(name, http_names[i]))
            return i;
    }
    return HTTP_SKIPPED;
}

static int http_on_header_field_complete(llhttp_t *llhttp)
{
    struct http_parser *parser = http_owner(llhttp);
    struct http_mark *name = &parser->mark[HTTP_MARK_NAME];
    if (++parser->header_count > P2P_HEADERS_MAX)
        return http_fail(parser, 431, "over 64 headers");
    if (parser->state != HTTP_IN_HEAD)
        return 0;
    int found = http_find_header(http_marked(parser, HTTP_MARK_NAME));
    if (found >= 0 && parser->mark[found].at != 0) {
        if (!parser->response || found == HTTP_MARK_CODING)
            return http_fail(parser, 400, "a header is there twice");
        found = HTTP_SKIPPED;
    }
    parser->header_now = (int8_t)found;
    if (found >= 0)
        parser->mark[found].at = name->at; /* present, even if no value follows */
    *name = (struct http_mark){0};
    return 0;
}

static int http_on_header_value(llhttp_t *llhttp, const char *at, size_t len)
{
    struct http_parser *parser = http_owner(llhttp);
    if (parser->state == HTTP_IN_HEAD && parser->header_now >= 0)
        http_mark(parser, parser->header_now, at, len);
    return 0;
}

static int http_on_headers_complete(llhttp_t *llhttp)
{
    (void)llhttp;
    return HPE_PAUSED;
}

static int http_on_body(llhttp_t *llhttp, const char *at, size_t len)
{
    http_owner(llhttp)->span = (struct str){at, len};
    return HPE_PAUSED;
}

static int http_on_message_complete(llhttp_t *llhttp)
{
    http_owner(llhttp)->state = HTTP_AT_END;
    return HPE_PAUSED;
}

static const llhttp_settings_t http_settings = {
    .on_url = http_on_url,
    .on_header_field = http_on_header_field,
    .on_header_field_complete = http_on_header_field_complete,
    .on_header_value = http_on_header_value,
    .on_headers_complete = http_on_headers_complete,
    .on_body = http_on_body,
    .on_message_complete = http_on_message_complete,
};

static void http_begin_head(struct http_parser *parser)
{
    memset(parser->mark, 0, sizeof(parser->mark));
    parser->seen = parser->header_count = parser->framing = 0;
    parser->state = HTTP_IN_HEAD;
}

void http_parser_init(struct http_parser *parser, bool response)
{
    memset(parser, 0, sizeof(*parser));
    parser->response = response;
    llhttp_init(&parser->parser, response ? HTTP_RESPONSE : HTTP_REQUEST, &http_settings);
}

static enum http_event http_end(struct http_parser *parser)
{
    llhttp_reset(&parser->parser);
    http_begin_head(parser);
    parser->no_body = false;
    return HTTP_END;
}

/* "/path?query", "*", or a whole URL, whose host then counts as the Host (RFC 9112, 3.2.2). */
static int http_take_target(struct http_parser *parser)
{
    struct http_head *head = &parser->head;
    struct str target = http_marked(parser, HTTP_MARK_TARGET);
    size_t scheme = text_equal_nocase(text_first(target, 7), STR("http://"))    ? 7
                    : text_equal_nocase(text_first(target, 8), STR("https://")) ? 8
                                                                                : 0;
    if (scheme > 0) {
        struct str rest = text_from_byte(target, scheme);
        ptrdiff_t slash = text_find(rest, '/');
        if (slash <= 0)
            return http_fail(parser, 400, "the target is a URL without host or path");
        head->header[HTTP_HEADER_HOST] = text_first(rest, (size_t)slash);
        target = text_from_byte(rest, (size_t)slash);
    }
    if (!text_begins(target, STR("/")) && !text_is(target, "*"))
        return http_fail(parser, 400, "the target is not a path");
    if (text_find(target, '#') >= 0)
        return http_fail(parser, 400, "the target has a fragment");
    ptrdiff_t question = text_find(target, '?');
    head->path = question < 0 ? target : text_first(target, (size_t)question);
    head->query = question < 0 ? (struct str){0} : text_from_byte(target, (size_t)question + 1);
    return 0;
}

static void http_take_headers(struct http_parser *parser)
{
    struct http_head *head = &parser->head;
    memset(head, 0, sizeof(*head));
    for (int i = 0; i < HTTP_HEADER_COUNT; i++) {
        if (parser->mark[i].at != 0)
            head->header[i] = text_trim(http_marked(parser, i));
    }
    head->minor = parser->parser.http_minor;
}

/* How the body is delimited; llhttp has refused Content-Length beside Transfer-Encoding, and twice.
 */
static int http_take_framing(struct http_parser *parser)
{
    struct http_head *head = &parser->head;
    bool coded = parser->mark[HTTP_MARK_CODING].at != 0;
    bool sized = (parser->parser.flags & F_CONTENT_LENGTH) != 0;
    if (coded && !text_is_nocase(text_trim(http_marked(parser, HTTP_MARK_CODING)), "chunked"))
        return http_fail(parser, 501, "a transfer coding other than chunked");
    if (coded && (head->minor == 0 || sized))
        return http_fail(parser, 400, "Transfer-Encoding where it must not be");
    if (sized && parser->parser.content_length > (uint64_t)P2P_FILE_MAX)
        return http_fail(parser, 413, "Content-Length is too large");
    head->chunked = coded;
    head->body_length = sized                       ? (int64_t)parser->parser.content_length
                        : coded || parser->response ? -1
                                                    : 0;
    return 0;
}

static int http_take_request(struct http_parser *parser)
{
    struct http_head *head = &parser->head;
    uint8_t method = parser->parser.method;
    head->method = method == HTTP_GET      ? HTTP_METHOD_GET
                   : method == LLHTTP_HEAD ? HTTP_METHOD_HEAD
                   : method == HTTP_POST   ? HTTP_METHOD_POST
                                           : HTTP_METHOD_OTHER;
    if (head->minor > 0 && !head->header[HTTP_HEADER_HOST].ptr)
        return http_fail(parser, 400, "the Host header is missing");
    head->expect_continue =
        head->minor > 0 && text_is_nocase(head->header[HTTP_HEADER_EXPECT], "100-continue");
    return http_take_target(parser);
}

static void http_take_response(struct http_parser *parser)
{
    parser->head.status = parser->parser.status_code;
    parser->no_body = parser->no_body || parser->head.status == 204 || parser->head.status == 304;
    if (parser->no_body)
        parser->parser.flags |= F_SKIPBODY; /* for llhttp_should_keep_alive */
}

static int http_take_head(struct http_parser *parser)
{
    struct http_head *head = &parser->head;
    if (parser->parser.http_major != 1)
        return http_fail(parser, 505, "not HTTP/1");
    http_take_headers(parser);
    if (parser->response)
        http_take_response(parser);
    else if (http_take_request(parser) != 0)
        return -1;
    if (http_take_framing(parser) != 0)
        return -1;
    head->keep_alive = llhttp_should_keep_alive(&parser->parser) != 0;
    parser->body_left = parser->no_body ? 0 : head->body_length;
    parser->state = parser->no_body || head->body_length >= 0 ? HTTP_IN_LENGTH
                    : head->chunked                           ? HTTP_IN_CHUNKS
                                                              : HTTP_IN_CLOSE;
    return 0;
}

/* llhttp over bytes; *out_end is where it stopped when it paused. */
static llhttp_errno_t http_execute(struct http_parser *parser, struct str bytes, size_t *out_end)
{
    parser->parser.data = parser;
    llhttp_errno_t error = llhttp_execute(&parser->parser, bytes.ptr, bytes.len);
    *out_end = bytes.len;
    if (error == HPE_PAUSED)
        *out_end = (size_t)(llhttp_get_error_pos(&parser->parser) - bytes.ptr);
    else if (error != HPE_OK && parser->state != HTTP_FAILED)
        http_fail(parser, 400, llhttp_get_error_reason(&parser->parser));
    return error;
}

static enum http_event http_parse_head(struct http_parser *parser, struct str bytes, size_t *used)
{
    size_t end;
    struct str fresh = text_from_byte(text_first(bytes, P2P_HEAD_MAX), parser->seen);
    parser->base = bytes.ptr;
    llhttp_errno_t error = http_execute(parser, fresh, &end);
    if (parser->state == HTTP_FAILED)
        return HTTP_ERROR;
    parser->seen = (uint16_t)(parser->seen + end);
    if (error == HPE_OK && parser->seen < P2P_HEAD_MAX)
        return HTTP_NEED_MORE;
    if (error == HPE_OK) {
        http_fail(parser, 431, "the head is over 8192 bytes");
        return HTTP_ERROR;
    }
    *used = parser->seen;
    return http_take_head(parser) == 0 ? HTTP_HEAD : HTTP_ERROR;
}

static bool http_is_interim(const struct http_parser *parser)
{
    return parser->response && parser->head.status >= 100 && parser->head.status < 200;
}

/* A head, and before a response any number of interim ones, which the caller never sees. */
static enum http_event http_parse_heads(struct http_parser *parser, struct str bytes, size_t *used)
{
    size_t skipped = 0;
    for (;;) {
        size_t head = 0;
        enum http_event event = http_parse_head(parser, text_from_byte(bytes, skipped), &head);
        *used = skipped + head;
        if (event != HTTP_HEAD || !http_is_interim(parser))
            return event;
        if (parser->head.status == 101) {
            http_fail(parser, 400, "it switches to a protocol that nobody asked for");
            return HTTP_ERROR;
        }
        bool no_body = parser->no_body;
        skipped = *used;
        http_end(parser);
        parser->no_body = no_body;
    }
}

static enum http_event http_give_span(struct http_parser *parser, struct str span, size_t *used)
{
    if (span.len == 0)
        return HTTP_NEED_MORE;
    parser->span = span;
    *used = span.len;
    return HTTP_BODY;
}

static enum http_event http_parse_length(struct http_parser *parser, struct str bytes, size_t *used)
{
    if (parser->body_left == 0)
        return http_end(parser);
    if ((uint64_t)parser->body_left < bytes.len)
        bytes = text_first(bytes, (size_t)parser->body_left);
    parser->body_left -= (int64_t)bytes.len;
    return http_give_span(parser, bytes, used);
}

static enum http_event http_parse_chunks(struct http_parser *parser, struct str bytes, size_t *used)
{
    parser->span = (struct str){0};
    llhttp_resume(&parser->parser);
    http_execute(parser, bytes, used);
    if (parser->state == HTTP_FAILED)
        return HTTP_ERROR;
    size_t framing = (parser->span.len > 0 ? 0 : parser->framing) + *used - parser->span.len;
    if (framing > P2P_HEAD_MAX) {
        http_fail(parser, 431, "over 8192 bytes between two parts of a body");
        return HTTP_ERROR;
    }
    parser->framing = (uint16_t)framing;
    if (parser->state == HTTP_AT_END)
        return http_end(parser);
    return parser->span.len > 0 ? HTTP_BODY : HTTP_NEED_MORE;
}

enum http_event http_parse(struct http_parser *parser, struct str bytes, size_t *used)
{
    *used = 0;
    switch ((enum http_state)parser->state) {
    case HTTP_IN_HEAD:
        return http_parse_heads(parser, bytes, used);
    case HTTP_IN_LENGTH:
        return http_parse_length(parser, bytes, used);
    case HTTP_IN_CHUNKS:
        return http_parse_chunks(parser, bytes, used);
    case HTTP_IN_CLOSE:
        return http_give_span(parser, bytes, used);
    case HTTP_AT_END:
    case HTTP_FAILED:
        break;
    }
    return HTTP_ERROR;
}

enum http_event http_parse_close(struct http_parser *parser)
{
    if (parser->state == HTTP_IN_CLOSE ||
        (parser->state == HTTP_IN_LENGTH && parser->body_left == 0))
        return http_end(parser);
    if (parser->state == HTTP_IN_HEAD && parser->seen == 0)
        return HTTP_NEED_MORE;
    if (parser->state != HTTP_FAILED)
        http_fail(parser, 400, "the connection closed in the middle of a message");
    return HTTP_ERROR;
}

void http_parser_no_body(struct http_parser *parser)
{
    parser->no_body = true;
}

void http_parser_took(struct http_parser *parser, size_t size)
{
    parser->body_left -= (int64_t)size;
}
