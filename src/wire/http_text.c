/* SPDX-License-Identifier: MIT */
/* The small texts of HTTP: status and header lines, ranges, query strings. No state. Any thread. */
#include "wire/http.h"

const char *http_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } table[] = {
        {100, "Continue"},
        {200, "OK"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].status == status)
            return table[i].text;
    }
    return "Unknown";
}

const char *http_method_text(enum http_method method)
{
    static const char *const words[] = {"GET", "HEAD", "POST", "OTHER"};
    return words[method];
}

void http_put_status(struct buf *buf, int status)
{
    buf_put(buf, STR("HTTP/1.1 "));
    buf_put_i64(buf, status);
    buf_put_char(buf, ' ');
    buf_put_text(buf, http_status_text(status));
    buf_put(buf, STR("\r\n"));
}

void http_put_header(struct buf *buf, const char *name, struct str value)
{
    buf_put_text(buf, name);
    buf_put(buf, STR(": "));
    size_t start = buf->len;
    buf_put(buf, value);
    for (size_t i = start; i < buf->len; i++) {
        if ((uint8_t)buf->ptr[i] < 0x20 || buf->ptr[i] == 0x7f)
            buf->ptr[i] = '_';
    }
    buf_put(buf, STR("\r\n"));
}

void http_put_header_i64(struct buf *buf, const char *name, int64_t value)
{
    buf_put_text(buf, name);
    buf_put(buf, STR(": "));
    buf_put_i64(buf, value);
    buf_put(buf, STR("\r\n"));
}

/* A position or length; more digits than any file has bytes count as "past every end". */
static int http_parse_number(struct str text, int64_t *out)
{
    uint64_t value = INT64_MAX;
    if (text_to_u64(text, INT64_MAX, &value) == -P2P_EINVAL)
        return -P2P_EINVAL;
    *out = (int64_t)value;
    return 0;
}

/* The last count bytes. */
static int http_suffix_range(struct str count_text, int64_t size, int64_t *out_first,
                             int64_t *out_length)
{
    int64_t count;
    if (http_parse_number(count_text, &count) != 0)
        return 1;
    if (count == 0 || size == 0)
        return -P2P_EINVAL;
    *out_length = count < size ? count : size;
    *out_first = size - *out_length;
    return 0;
}

int http_parse_range(struct str value, int64_t size, int64_t *out_first, int64_t *out_length)
{
    int64_t first, last = INT64_MAX;
    if (!text_is_nocase(text_first(value, 6), "bytes="))
        return 1;
    struct str range = text_trim(text_from_byte(value, 6));
    ptrdiff_t dash = text_find(range, '-');
    if (dash < 0 || text_find(range, ',') >= 0)
        return 1;
    struct str end = text_from_byte(range, (size_t)dash + 1);
    if (dash == 0)
        return http_suffix_range(end, size, out_first, out_length);
    if (http_parse_number(text_first(range, (size_t)dash), &first) != 0 ||
        (end.len > 0 && http_parse_number(end, &last) != 0) || last < first)
        return 1;
    if (first >= size)
        return -P2P_EINVAL;
    *out_first = first;
    *out_length = (last < size ? last + 1 : size) - first;
    return 0;
}

int http_parse_content_range(struct str value, int64_t *out_first, int64_t *out_length,
                             int64_t *out_size)
{
    uint64_t first, last, size;
    struct str range = text_trim(text_from_byte(value, 6));
    ptrdiff_t dash = text_find(range, '-'), slash = text_find(range, '/');
    if (!text_is_nocase(text_first(value, 6), "bytes ") || dash < 0 || slash < dash)
        return -P2P_EPROTO;
    struct str last_text =
        text_first(text_from_byte(range, (size_t)dash + 1), (size_t)(slash - dash - 1));
    if (text_to_u64(text_first(range, (size_t)dash), INT64_MAX, &first) != 0 ||
        text_to_u64(last_text, INT64_MAX, &last) != 0 ||
        text_to_u64(text_from_byte(range, (size_t)slash + 1), INT64_MAX, &size) != 0 ||
        first > last || last >= size)
        return -P2P_EPROTO;
    *out_first = (int64_t)first;
    *out_length = (int64_t)(last - first + 1);
    *out_size = (int64_t)size;
    return 0;
}

/* Percent-decoding where "+" is a space. */
static ptrdiff_t http_decode_value(struct str value, char *out, size_t size)
{
    size_t len = 0;
    struct str part;
    while (text_split(&value, '+', &part)) {
        bool space = part.ptr + part.len != value.ptr + value.len;
        ptrdiff_t got = text_url_decode(part, out + len, size - len);
        if (got < 0)
            return got;
        len += (size_t)got;
        if (space && len == size)
            return -P2P_ETOOBIG;
        if (space)
            out[len++] = ' ';
    }
    return (ptrdiff_t)len;
}

ptrdiff_t http_query(struct str query, const char *key, char *out, size_t size)
{
    struct str pair;
    while (text_split(&query, '&', &pair)) {
        ptrdiff_t equals = text_find(pair, '=');
        struct str name = equals < 0 ? pair : text_first(pair, (size_t)equals);
        if (!text_is(name, key))
            continue;
        return equals < 0 ? 0
                          : http_decode_value(text_from_byte(pair, (size_t)equals + 1), out, size);
    }
    return -P2P_ENOTFOUND;
}
