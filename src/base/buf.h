/* SPDX-License-Identifier: MIT */
/* The bounded builder: appends text to memory of somebody else and never writes past its end. The
 * first append that does not fit makes it "full", keeps what was whole before, and all later
 * appends do nothing. Pure; any thread. */
#ifndef BUF_H
#define BUF_H

#include "p2p.h"

#include <stdarg.h>
#include <string.h>

struct buf {
    char *ptr;
    size_t len, size;
    bool full;
};
struct buf buf_on(void *memory, size_t size);
struct str buf_str(const struct buf *buf);
/* Where size more bytes go, which the caller writes all; or NULL, and from then on always NULL. */
char *buf_room(struct buf *buf, size_t size);
/* What is put is mostly a few bytes, for which a call of memcpy takes longer than this. */
void buf_copy(char *to, const char *from, size_t size);
/* Each returns nothing; ask buf->full at the end. */
void buf_put(struct buf *buf, struct str text);
void buf_put_bytes(struct buf *buf, const void *bytes, size_t size);
void buf_put_char(struct buf *buf, char byte);
static inline void buf_put_text(struct buf *buf, const char *cstr)
{
    buf_put_bytes(buf, cstr, strlen(cstr)); /* known at compile time, mostly */
}
void buf_put_i64(struct buf *buf, int64_t value);
void buf_put_u64(struct buf *buf, uint64_t value);
void buf_put_hex(struct buf *buf, const uint8_t *bytes, size_t size);
/* Like printf; needs one spare byte behind the text. */
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *buf, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
/* For people: "1.5 GiB" (a rate is this and then "/s"); a duration "1:02:03", "4:05", "42 s", "0.3
 * s". */
void buf_put_size(struct buf *buf, uint64_t bytes);
void buf_put_duration(struct buf *buf, int64_t ms);
/* Control, bidi-control and broken bytes as \n, \x1b, \u202e: safe on a terminal and in a log. */
void buf_put_shown(struct buf *buf, struct str text);
/* Percent-encoding of a path: everything but unreserved characters and "/" (RFC 3986). */
void buf_put_url_path(struct buf *buf, struct str path);
/* The same for a query value ("/" is encoded too). */
void buf_put_url_value(struct buf *buf, struct str value);
/* The file name parameters of Content-Disposition (RFC 6266, RFC 8187), without "attachment; ":
 * filename="a.txt", and filename*=UTF-8''... where the name is not plain ASCII. */
void buf_put_disposition(struct buf *buf, struct str name);
/* With padding, in one line (RFC 4648, 4). */
void buf_put_base64(struct buf *buf, const uint8_t *bytes, size_t size);
/* For XML 1.0, as character data or in an attribute of either quotes. What XML has no way to write
 * (controls, U+FFFE, U+FFFF) and broken bytes become U+FFFD. */
void buf_put_xml(struct buf *buf, struct str text);
#endif
