/* SPDX-License-Identifier: MIT */
/* HTTP/1.1 heads (RFC 9110, 9112): requests and responses parsed by llhttp (strict) into views,
 * status and header lines written into a builder; Range, query strings. Bodies with a length are
 * counted here and never copied. No socket; a parser belongs to one thread at a time. */
#ifndef HTTP_H
#define HTTP_H

#include "base/text.h"

/* llhttp calls a method HTTP_HEAD, which here is an event. */
#define HTTP_HEAD LLHTTP_HEAD
#include <llhttp.h>
#undef HTTP_HEAD

enum http_method { HTTP_METHOD_GET, HTTP_METHOD_HEAD, HTTP_METHOD_POST, HTTP_METHOD_OTHER };

/* Headers that anything here reads; others are skipped. A request that has one of them twice is
 * refused; of a response the first counts. */
enum http_header {
    HTTP_HEADER_HOST,
    HTTP_HEADER_AUTHORIZATION,
    HTTP_HEADER_CONTENT_TYPE,
    HTTP_HEADER_CONTENT_RANGE,
    HTTP_HEADER_RANGE,
    HTTP_HEADER_IF_RANGE,
    HTTP_HEADER_IF_NONE_MATCH,
    HTTP_HEADER_ORIGIN,
    HTTP_HEADER_SEC_FETCH_SITE,
    HTTP_HEADER_EXPECT,
    HTTP_HEADER_ETAG,
    HTTP_HEADER_LOCATION,
    HTTP_HEADER_RETRY_AFTER,
    HTTP_HEADER_P2P_NODE,
    HTTP_HEADER_P2P_CHAIN,
    HTTP_HEADER_P2P_SIZE,
    HTTP_HEADER_P2P_PIECE,
    HTTP_HEADER_COOKIE,
    HTTP_HEADER_DATE,
    HTTP_HEADER_P2P_FEED,
    HTTP_HEADER_P2P_HAVE,
    HTTP_HEADER_P2P_PEERS,
    HTTP_HEADER_COUNT
};

/* Views into the bytes that were parsed (they must stay in place while the head is used). */
struct http_head {
    enum http_method method; /* requests */
    struct str path, query;  /* requests: still percent-encoded; path begins with "/" or is "*" */
    int status;              /* responses */
    struct str header[HTTP_HEADER_COUNT]; /* ptr NULL: absent */
    int64_t body_length; /* -1: chunked, or a response until the connection closes */
    bool chunked;
    bool keep_alive;
    bool expect_continue;
    uint8_t minor; /* HTTP/1.minor */
};

/* What the parser found in the bytes it was given. */
enum http_event { HTTP_NEED_MORE, HTTP_HEAD, HTTP_BODY, HTTP_END, HTTP_ERROR };

/* Where a value lies in the unfinished head, whose bytes may move between two calls. */
struct http_mark {
    uint16_t at, len;
};
enum { HTTP_MARK_CODING = HTTP_HEADER_COUNT, HTTP_MARK_TARGET, HTTP_MARK_NAME, HTTP_MARKS };

struct http_parser {
    llhttp_t parser;
    struct http_head head;
    struct http_mark mark[HTTP_MARKS];
    const char *base;  /* of the bytes being parsed */
    int64_t body_left; /* of a body with a length */
    struct str span;   /* body bytes of the last HTTP_BODY */
    uint16_t seen;     /* bytes of the unfinished head that were parsed */
    uint16_t framing;  /* bytes of chunk framing and trailer since the last body byte */
    uint16_t header_count;
    int8_t header_now;
    uint8_t state;
    bool response, no_body;
    int status; /* what to answer after HTTP_ERROR: 400, 413, 414, 431, 501, 505 */
    const char *reason;
};

void http_parser_init(struct http_parser *parser, bool response);
/* Parses from bytes, which must begin with all bytes of the unfinished head: the caller keeps a
 * head in one buffer until HTTP_HEAD, moving it as it likes (bytes already seen are not parsed
 * again). Sets *used to the bytes done with: 0 while a head is incomplete, but for the interim
 * (1xx) responses before it, which are skipped. One event per call: call again with the rest until
 * HTTP_NEED_MORE. After HTTP_HEAD the head's views point into bytes. HTTP_BODY gives parser->span.
 * HTTP_END ends the message; the next head may follow in the same bytes. HTTP_ERROR is for good. */
enum http_event http_parse(struct http_parser *parser, struct str bytes, size_t *used);
/* The other side closed: HTTP_END when that ends a response body, HTTP_NEED_MORE between messages,
 * else HTTP_ERROR. */
enum http_event http_parse_close(struct http_parser *parser);
/* The next response answers HEAD: it has no body whatever its headers say (204 and 304 never have
 * one). To be called before its head is fed; head.body_length then still tells Content-Length. */
void http_parser_no_body(struct http_parser *parser);
/* Body bytes of a response with a length that the caller took off the socket itself. */
void http_parser_took(struct http_parser *parser, size_t size);

const char *http_status_text(int status);
const char *http_method_text(enum http_method method);
/* The status line. */
void http_put_status(struct buf *buf, int status);
/* A header line. Control bytes in value become "_", so that no value can end the line. */
void http_put_header(struct buf *buf, const char *name, struct str value);
void http_put_header_i64(struct buf *buf, const char *name, int64_t value);

/* One range of a file of this size ("bytes=0-99", "bytes=5-", "bytes=-5"; RFC 9110 14.1). 0 with
 * *out_first and *out_length; 1 when there is no range to obey (absent, several, other unit: send
 * all); -P2P_EINVAL: 416. */
int http_parse_range(struct str value, int64_t size, int64_t *out_first, int64_t *out_length);
/* "bytes 0-99/1000". 0 or -P2P_EPROTO. */
int http_parse_content_range(struct str value, int64_t *out_first, int64_t *out_length,
                             int64_t *out_size);
/* The value of key in a query string, decoded into out ("+" is a space, as forms send it; no NUL
 * is added). Length, -P2P_ENOTFOUND, -P2P_EINVAL, -P2P_ETOOBIG. */
ptrdiff_t http_query(struct str query, const char *key, char *out, size_t size);

#endif
