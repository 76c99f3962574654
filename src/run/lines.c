/* SPDX-License-Identifier: MIT */
/* Cuts a byte stream into lines. Only the part of a line that its span does not finish is copied,
 * and then once. Pure; any thread. */
#include "run/lines.h"

#include "base/text.h"

#include <string.h>

void lines_init(struct lines *lines)
{
    lines->len = 0;
}

/* Cuts the "\r" off. 1 or -P2P_ETOOBIG. */
static int line_finish(const char *ptr, size_t len, struct str *out_line)
{
    if (len > 0 && ptr[len - 1] == '\r')
        len--;
    *out_line = (struct str){ptr, len};
    return len > P2P_LINE_MAX ? -P2P_ETOOBIG : 1;
}

/* 0 or -P2P_ETOOBIG. */
static int line_keep(struct lines *lines, struct str part)
{
    if (part.len > sizeof lines->bytes - lines->len)
        return -P2P_ETOOBIG;
    if (part.len > 0)
        memcpy(lines->bytes + lines->len, part.ptr, part.len);
    lines->len += part.len;
    return lines->len > P2P_LINE_MAX && lines->bytes[P2P_LINE_MAX] != '\r' ? -P2P_ETOOBIG : 0;
}

int lines_next(struct lines *lines, struct str *rest, struct str *out_line)
{
    ptrdiff_t end_at = text_find(*rest, '\n');
    bool end = end_at >= 0;
    struct str part = {rest->ptr, end ? (size_t)end_at : rest->len};
    *rest = end ? (struct str){part.ptr + part.len + 1, rest->len - part.len - 1}
                : (struct str){NULL, 0};
    if (end && lines->len == 0)
        return line_finish(part.ptr, part.len, out_line);
    int result = line_keep(lines, part);
    if (result < 0 || !end)
        return result;
    size_t len = lines->len;
    lines->len = 0;
    return line_finish(lines->bytes, len, out_line);
}

int lines_last(struct lines *lines, struct str *out_line)
{
    size_t len = lines->len;
    lines->len = 0;
    return len == 0 ? 0 : line_finish(lines->bytes, len, out_line);
}
