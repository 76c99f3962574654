/* SPDX-License-Identifier: MIT */
/* The bounded builder and what is written with it: numbers, hex, text made safe for a terminal or
 * for a URL. Every append goes through buf_room, the only place that knows the end. Pure; any
 * thread. */
#include "base/buf.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

struct buf buf_on(void *memory, size_t size)
{
    return (struct buf){.ptr = memory, .size = size};
}

struct str buf_str(const struct buf *buf)
{
    return (struct str){buf->ptr, buf->len};
}

char *buf_room(struct buf *buf, size_t size)
{
    if (buf->full || size > buf->size - buf->len) {
        buf->full = true;
        return NULL;
    }
    char *at = buf->ptr + buf->len;
    buf->len += size;
    return at;
}

void buf_copy(char *to, const char *from, size_t size)
{
    if (size > 256) {
        memcpy(to, from, size);
    } else if (size >= 16) {
        for (size_t i = 0; i + 16 < size; i += 16)
            memcpy(to + i, from + i, 16);
        memcpy(to + size - 16, from + size - 16, 16);
    } else if (size >= 4) {
        size_t middle = size >= 8 ? 4 : 0;
        memcpy(to, from, 4);
        memcpy(to + middle, from + middle, 4);
        memcpy(to + size - 4 - middle, from + size - 4 - middle, 4);
        memcpy(to + size - 4, from + size - 4, 4);
    } else {
        for (size_t i = 0; i < size; i++)
            to[i] = from[i];
    }
}

void buf_put_bytes(struct buf *buf, const void *bytes, size_t size)
{
    char *at = size > 0 ? buf_room(buf, size) : NULL;
    if (at)
        buf_copy(at, bytes, size);
}

void buf_put(struct buf *buf, struct str text)
{
    buf_put_bytes(buf, text.ptr, text.len);
}

void buf_put_char(struct buf *buf, char byte)
{
    char *at = buf_room(buf, 1);
    if (at)
        *at = byte;
}

void buf_put_u64(struct buf *buf, uint64_t value)
{
    size_t len = 1;
    for (uint64_t limit = 10; len < 20 && value >= limit; limit *= 10)
        len++;
    char *at = buf_room(buf, len);
    for (; at && len > 0; value /= 10)
        at[--len] = (char)('0' + value % 10);
}

/* Whole or not at all, its sign too. */
void buf_put_i64(struct buf *buf, int64_t value)
{
    size_t before = buf->len;
    if (value < 0)
        buf_put_char(buf, '-');
    buf_put_u64(buf, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
    if (buf->full)
        buf->len = before;
}

/* Four bytes to eight digits, both as they lie in memory. */
static void buf_hex_word(const uint8_t bytes[static 4], char out[static 8])
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const bool swap = __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__;
    uint32_t word;
    memcpy(&word, bytes, sizeof(word));
    uint64_t four = swap ? __builtin_bswap32(word) : word;
    four = (four | four << 16) & UINT64_C(0x0000ffff0000ffff);
    four = (four | four << 8) & UINT64_C(0x00ff00ff00ff00ff);
    uint64_t halves = (four >> 4 | four << 8) & ones * 15;
    uint64_t letters = (halves + ones * 6) >> 4 & ones;
    uint64_t digits = halves + ones * '0' + letters * ('a' - '9' - 1);
    digits = swap ? __builtin_bswap64(digits) : digits;
    memcpy(out, &digits, sizeof(digits));
}

void buf_put_hex(struct buf *buf, const uint8_t *bytes, size_t size)
{
    char *at = buf_room(buf, 2 * size);
    size_t i = 0;
    for (; at && i + 4 <= size; i += 4)
        buf_hex_word(bytes + i, at + 2 * i);
    for (; at && i < size; i++) {
        char digits[8];
        buf_hex_word((const uint8_t[4]){bytes[i]}, digits);
        memcpy(at + 2 * i, digits, 2);
    }
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_vprintf(buf, format, args);
    va_end(args);
}

void buf_vprintf(struct buf *buf, const char *format, va_list args)
{
    size_t left = buf->size - buf->len;
    if (buf->full || left == 0) {
        buf->full = true;
        return;
    }
    int len = vsnprintf(buf->ptr + buf->len, left, format, args);
    if (len < 0 || (size_t)len >= left)
        buf->full = true;
    else
        buf->len += (size_t)len;
}

void buf_put_size(struct buf *buf, uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024) {
        buf_printf(buf, "%u B", (unsigned)bytes);
        return;
    }
    double value = (double)bytes / 1024;
    size_t unit = 0;
    while (value >= 1023.95 && unit < 5) {
        value /= 1024;
        unit++;
    }
    buf_printf(buf, value < 99.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

void buf_put_duration(struct buf *buf, int64_t ms)
{
    if (ms < 0)
        ms = 0;
    unsigned long long s = (unsigned long long)ms / 1000;
    if (s >= 3600)
        buf_printf(buf, "%llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
    else if (s >= 60)
        buf_printf(buf, "%llu:%02llu", s / 60, s % 60);
    else if (s >= 10)
        buf_printf(buf, "%llu s", s);
    else
        buf_printf(buf, "%llu.%u s", s, (unsigned)(ms % 1000 / 100));
}

/* Characters that move, hide or reorder what stands around them on a screen. */
static bool buf_is_unsafe_rune(int32_t rune)
{
    return rune < 0x20 || (rune >= 0x7f && rune < 0xa0) || rune == 0x061c || rune == 0x200e ||
           rune == 0x200f || (rune >= 0x2028 && rune <= 0x202e) ||
           (rune >= 0x2066 && rune <= 0x2069) || rune == 0xfeff;
}

static size_t buf_escape_rune(int32_t rune, uint8_t byte, char out[static 8])
{
    if (rune == '\n' || rune == '\r' || rune == '\t')
        return (size_t)snprintf(out, 8, "\\%c", rune == '\n' ? 'n' : rune == '\r' ? 'r' : 't');
    if (rune < 0x80)
        return (size_t)snprintf(out, 8, "\\x%02x", byte);
    return (size_t)snprintf(out, 8, "\\u%04x", (unsigned)(rune & 0xffff));
}

void buf_put_shown(struct buf *buf, struct str text)
{
    while (text.len > 0) {
        size_t len;
        int32_t rune = text_next_rune(text, &len);
        if (buf_is_unsafe_rune(rune)) {
            char escaped[8];
            buf_put_bytes(buf, escaped, buf_escape_rune(rune, (uint8_t)text.ptr[0], escaped));
        } else {
            buf_put_bytes(buf, text.ptr, len);
        }
        text = text_from_byte(text, len);
    }
}

/* RFC 3986, 2.3. */
static bool buf_is_unreserved(char byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z') || byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

static void buf_put_percent(struct buf *buf, struct str text, bool keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = (uint8_t)text.ptr[i];
        if (buf_is_unreserved(text.ptr[i]) || (keep_slash && byte == '/')) {
            buf_put_char(buf, text.ptr[i]);
            continue;
        }
        char escaped[3] = {'%', digits[byte >> 4], digits[byte & 15]};
        buf_put_bytes(buf, escaped, sizeof(escaped));
    }
}

void buf_put_url_path(struct buf *buf, struct str path)
{
    buf_put_percent(buf, path, true);
}

void buf_put_url_value(struct buf *buf, struct str value)
{
    buf_put_percent(buf, value, false);
}

void buf_put_disposition(struct buf *buf, struct str name)
{
    bool plain = true;
    buf_put_text(buf, "filename=\"");
    for (size_t i = 0; i < name.len; i++) {
        char byte = name.ptr[i];
        /* Browsers undo percent signs in a plain filename, so these count as not plain. */
        bool good = byte >= ' ' && byte < 0x7f && byte != '"' && byte != '\\' && byte != '%';
        plain = plain && good;
        buf_put_char(buf, good ? byte : '_');
    }
    buf_put_char(buf, '"');
    if (!plain) {
        buf_put_text(buf, "; filename*=UTF-8''");
        buf_put_percent(buf, name, false);
    }
}

void buf_put_base64(struct buf *buf, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t bits = (uint32_t)bytes[i] << 16;
        bits |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
        bits |= left > 2 ? bytes[i + 2] : 0;
        char four[4] = {digits[bits >> 18], digits[bits >> 12 & 63],
                        left > 1 ? digits[bits >> 6 & 63] : '=',
                        left > 2 ? digits[bits & 63] : '='};
        buf_put_bytes(buf, four, sizeof(four));
    }
}

/* How a character must be written; NULL: as it is. */
static const char *buf_xml_escape(int32_t rune)
{
    switch (rune) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    case '\t':
        return "&#9;";
    case '\n':
        return "&#10;";
    case '\r':
        return "&#13;";
    default:
        return rune < ' ' || rune == 0xfffe || rune == 0xffff ? "\xef\xbf\xbd" : NULL;
    }
}

void buf_put_xml(struct buf *buf, struct str text)
{
    while (text.len > 0) {
        size_t len;
        const char *escape = buf_xml_escape(text_next_rune(text, &len));
        if (escape)
            buf_put_text(buf, escape);
        else
            buf_put_bytes(buf, text.ptr, len);
        text = text_from_byte(text, len);
    }
}
