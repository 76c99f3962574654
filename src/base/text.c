/* SPDX-License-Identifier: MIT */
/* Views of text: comparing, cutting, numbers with units, hex, UTF-8, percent-decoding. Nothing here
 * allocates or depends on the locale. Pure; any thread. */
#include "base/text.h"

#include <string.h>

struct str text_from(const char *cstr)
{
    return (struct str){cstr, cstr ? strlen(cstr) : 0};
}

/* By words, the last of which may overlap the one before: libc's goes byte by byte. */
bool text_equal(struct str a, struct str b)
{
    uint64_t word[2];
    if (a.len != b.len)
        return false;
    if (a.len < sizeof(word[0]))
        return a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0;
    for (size_t i = 0, last = a.len - sizeof(word[0]); i < a.len; i += sizeof(word[0])) {
        size_t at = i < last ? i : last;
        memcpy(&word[0], a.ptr + at, sizeof(word[0]));
        memcpy(&word[1], b.ptr + at, sizeof(word[1]));
        if (word[0] != word[1])
            return false;
    }
    return true;
}

bool text_is(struct str a, const char *cstr)
{
    return text_equal(a, text_from(cstr));
}

static char text_lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
}

bool text_equal_nocase(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (text_lower(a.ptr[i]) != text_lower(b.ptr[i]))
            return false;
    }
    return true;
}

bool text_is_nocase(struct str a, const char *cstr)
{
    return text_equal_nocase(a, text_from(cstr));
}

bool text_begins(struct str text, struct str prefix)
{
    return text.len >= prefix.len && text_equal(text_first(text, prefix.len), prefix);
}

bool text_ends(struct str text, struct str suffix)
{
    return text.len >= suffix.len &&
           text_equal(text_from_byte(text, text.len - suffix.len), suffix);
}

int text_compare(struct str a, struct str b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.ptr, b.ptr, common) : 0;
    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

enum { TEXT_BLOCK = 32 };
static const uint64_t text_ones = UINT64_C(0x0101010101010101);
static const uint64_t text_highs = UINT64_C(0x8080808080808080);

/* Not 0 when one of eight bytes is that of which many is made; its lowest bit is in the first. */
static inline uint64_t text_hits(const char *at, uint64_t many)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    word ^= many;
    return (word - text_ones) & ~word & text_highs;
}

/* Of a constant size, so this is vector code where there is such. */
static inline bool text_block_has(const char *at, uint64_t many)
{
    uint64_t any = 0;
    for (size_t i = 0; i < TEXT_BLOCK; i += sizeof(any))
        any |= text_hits(at + i, many);
    return any != 0;
}

/* By blocks and words: most texts end before libc's has found out how they are aligned. */
ptrdiff_t text_find(struct str text, char byte)
{
    uint64_t hits = 0, many = text_ones * (uint8_t)byte;
    size_t i = 0;
    while (text.len - i >= TEXT_BLOCK && !text_block_has(text.ptr + i, many))
        i += TEXT_BLOCK;
    for (; text.len - i >= sizeof(hits) && hits == 0; i += hits == 0 ? sizeof(hits) : 0)
        hits = text_hits(text.ptr + i, many);
    if (hits != 0 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
        return (ptrdiff_t)(i + (size_t)__builtin_ctzll(hits) / 8);
    while (i < text.len && text.ptr[i] != byte)
        i++;
    return i < text.len ? (ptrdiff_t)i : -1;
}

/* In a word without the byte there is no hit; in one with it each byte is looked at. */
ptrdiff_t text_find_last(struct str text, char byte)
{
    uint64_t many = text_ones * (uint8_t)byte;
    size_t i = text.len;
    while (i >= sizeof(many) && text_hits(text.ptr + i - sizeof(many), many) == 0)
        i -= sizeof(many);
    for (; i > 0; i--) {
        if (text.ptr[i - 1] == byte)
            return (ptrdiff_t)(i - 1);
    }
    return -1;
}

struct str text_from_byte(struct str text, size_t i)
{
    if (i > text.len)
        i = text.len;
    return i == 0 ? text : (struct str){text.ptr + i, text.len - i};
}

struct str text_first(struct str text, size_t len)
{
    return (struct str){text.ptr, len < text.len ? len : text.len};
}

static bool text_is_blank(char byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

struct str text_trim(struct str text)
{
    while (text.len > 0 && text_is_blank(text.ptr[0]))
        text = text_from_byte(text, 1);
    while (text.len > 0 && text_is_blank(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

bool text_split(struct str *rest, char separator, struct str *out_part)
{
    if (rest->len == 0)
        return false;
    ptrdiff_t at = text_find(*rest, separator);
    if (at < 0) {
        *out_part = *rest;
        *rest = text_from_byte(*rest, rest->len);
    } else {
        *out_part = text_first(*rest, (size_t)at);
        *rest = text_from_byte(*rest, (size_t)at + 1);
    }
    return true;
}

int text_copy(struct str text, char *out, size_t size)
{
    bool fits = text.len < size;
    if (fits && text.len > 0)
        memcpy(out, text.ptr, text.len);
    if (size > 0)
        out[fits ? text.len : 0] = '\0';
    return fits ? 0 : -P2P_ETOOBIG;
}

/* By rows (Wagner and Fischer 1974). */
size_t text_distance(struct str a, struct str b)
{
    size_t row[TEXT_WORD_MAX + 1];
    a = text_first(a, TEXT_WORD_MAX);
    b = text_first(b, TEXT_WORD_MAX);
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t change = diagonal + (a.ptr[i - 1] != b.ptr[j - 1]);
            size_t step = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = step < change ? step : change;
        }
    }
    return row[b.len];
}

int text_to_u64(struct str text, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    bool over = false;
    if (text.len == 0)
        return -P2P_EINVAL;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return -P2P_EINVAL;
        uint64_t digit = (uint64_t)(text.ptr[i] - '0');
        over = over || value > (UINT64_MAX - digit) / 10;
        value = value * 10 + digit;
    }
    if (over || value > max)
        return -P2P_ETOOBIG;
    *out = value;
    return 0;
}

/* "N" or "N.F" times unit; of F nine digits count, which is more than any unit here can show. */
static int text_to_scaled(struct str number, uint64_t unit, uint64_t *out)
{
    uint64_t whole = 0, part = 0, scale = 1;
    ptrdiff_t dot = text_find(number, '.');
    struct str digits = text_first(text_from_byte(number, (size_t)dot + 1), 9);
    int error = text_to_u64(dot < 0 ? number : text_first(number, (size_t)dot), UINT64_MAX, &whole);
    if (error == 0 && dot >= 0) {
        error = text_to_u64(text_from_byte(number, (size_t)dot + 1), UINT64_MAX, &part);
        if (error != -P2P_EINVAL)
            error = unit == 1 ? -P2P_EINVAL : text_to_u64(digits, UINT64_MAX, &part);
        for (size_t i = 0; i < digits.len; i++)
            scale *= 10;
    }
    if (error != 0)
        return error;
    uint64_t extra = (unit / scale) * part + (unit % scale) * part / scale;
    if (whole > (UINT64_MAX - extra) / unit)
        return -P2P_ETOOBIG;
    *out = whole * unit + extra;
    return 0;
}

int text_to_size(struct str text, uint64_t *out)
{
    uint64_t unit = 1;
    char last = text.len ? text.ptr[text.len - 1] : '\0';
    if (last == 'K')
        unit = UINT64_C(1) << 10;
    else if (last == 'M')
        unit = UINT64_C(1) << 20;
    else if (last == 'G')
        unit = UINT64_C(1) << 30;
    return text_to_scaled(text_first(text, text.len - (unit > 1)), unit, out);
}

int text_to_ms(struct str text, int64_t *out)
{
    static const struct {
        struct str suffix;
        uint64_t ms;
    } units[] = {{{"ms", 2}, 1},
                 {{"s", 1}, 1000},
                 {{"m", 1}, 60000},
                 {{"h", 1}, 3600000},
                 {{"d", 1}, 86400000}};
    uint64_t ms = 0;
    if (text_is(text, "0")) {
        *out = 0;
        return 0;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (!text_ends(text, units[i].suffix))
            continue;
        int error =
            text_to_scaled(text_first(text, text.len - units[i].suffix.len), units[i].ms, &ms);
        if (error == 0 && ms > INT64_MAX)
            error = -P2P_ETOOBIG;
        if (error == 0)
            *out = (int64_t)ms;
        return error;
    }
    return -P2P_EINVAL;
}

int text_to_rate(struct str text, uint64_t *out)
{
    if (text_is(text, "0")) {
        *out = 0;
        return 0;
    }
    if (!text_ends(text, STR("/s")))
        return -P2P_EINVAL;
    return text_to_size(text_first(text, text.len - 2), out);
}

void text_hex_encode(const uint8_t *bytes, size_t size, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
}

/* The value and TEXT_DIGIT, 0 for what is no digit. */
enum { TEXT_DIGIT = 16 };
static const uint8_t text_hex_digits[256] = {
    ['0'] = 16, ['1'] = 17, ['2'] = 18, ['3'] = 19, ['4'] = 20, ['5'] = 21, ['6'] = 22, ['7'] = 23,
    ['8'] = 24, ['9'] = 25, ['a'] = 26, ['b'] = 27, ['c'] = 28, ['d'] = 29, ['e'] = 30, ['f'] = 31,
    ['A'] = 26, ['B'] = 27, ['C'] = 28, ['D'] = 29, ['E'] = 30, ['F'] = 31,
};

/* Eight digits, the first in the lowest byte, to four bytes. The high bits of *faults tell what is
 * no digit. */
static uint32_t text_hex_word(uint64_t word, uint64_t *faults)
{
    uint64_t low = word & ~text_highs, letter = low | text_ones * 0x20;
    uint64_t digits = (low + text_ones * (0x80 - '0')) & ~(low + text_ones * (0x7f - '9'));
    uint64_t letters = (letter + text_ones * (0x80 - 'a')) & ~(letter + text_ones * (0x7f - 'f'));
    *faults |= word | ~(digits | letters);
    uint64_t value = (low & text_ones * 15) + (low >> 6 & text_ones) * 9;
    value = (value << 4 | value >> 8) & UINT64_C(0x00ff00ff00ff00ff);
    value = (value | value >> 8) & UINT64_C(0x0000ffff0000ffff);
    return (uint32_t)(value | value >> 16);
}

int text_hex_decode(struct str hex, uint8_t *out, size_t size)
{
    unsigned all = TEXT_DIGIT;
    uint64_t word, faults = 0;
    const char *at = hex.ptr;
    if (hex.len % 2 != 0 || hex.len / 2 != size)
        return -P2P_EINVAL;
    for (; __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && size >= 4; size -= 4, at += 8, out += 4) {
        memcpy(&word, at, sizeof(word));
        uint32_t four = text_hex_word(word, &faults);
        memcpy(out, &four, sizeof(four));
    }
    if ((faults & text_highs) != 0)
        return -P2P_EINVAL;
    for (; size > 0; size--, at += 2, out++) {
        unsigned high = text_hex_digits[(uint8_t)at[0]];
        unsigned low = text_hex_digits[(uint8_t)at[1]];
        all &= high & low;
        *out = (uint8_t)(high << 4 | (low & 15));
    }
    return all ? 0 : -P2P_EINVAL;
}

/* Length that a lead byte announces, 0 for a byte that cannot lead. */
static size_t text_rune_length(uint8_t lead)
{
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

int32_t text_next_rune(struct str text, size_t *out_len)
{
    static const int32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t lead = (uint8_t)text.ptr[0];
    size_t len = text_rune_length(lead);
    *out_len = 1;
    if (len == 1)
        return lead;
    if (len == 0 || len > text.len)
        return -1;
    int32_t rune = lead & (0xff >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        uint8_t next = (uint8_t)text.ptr[i];
        if ((next & 0xc0) != 0x80)
            return -1;
        rune = rune << 6 | (next & 0x3f);
    }
    if (rune < smallest[len] || rune > 0x10ffff || (rune >= 0xd800 && rune <= 0xdfff))
        return -1;
    *out_len = len;
    return rune;
}

bool text_is_utf8(struct str text)
{
    while (text.len > 0) {
        size_t len;
        if ((uint8_t)text.ptr[0] < 0x80) {
            len = 1; /* nearly all there is */
        } else if (text_next_rune(text, &len) < 0) {
            return false;
        }
        text.ptr += len;
        text.len -= len;
    }
    return true;
}

/* Of the plain bytes up to the next escape: their number, or an error. */
static ptrdiff_t text_url_plain(struct str text, char *out, size_t size)
{
    ptrdiff_t escape = text_find(text, '%');
    struct str plain = escape < 0 ? text : text_first(text, (size_t)escape);
    if (text_find(plain, '\0') >= 0)
        return -P2P_EINVAL;
    if (plain.len > size)
        return -P2P_ETOOBIG;
    if (plain.len > 0)
        memcpy(out, plain.ptr, plain.len);
    return (ptrdiff_t)plain.len;
}

ptrdiff_t text_url_decode(struct str text, char *out, size_t size)
{
    size_t len = 0;
    for (;;) {
        uint8_t byte;
        ptrdiff_t plain = text_url_plain(text, out + len, size - len);
        if (plain < 0)
            return plain;
        len += (size_t)plain;
        text = text_from_byte(text, (size_t)plain);
        if (text.len == 0)
            return (ptrdiff_t)len;
        if (text_hex_decode(text_first(text_from_byte(text, 1), 2), &byte, 1) != 0 || byte == 0)
            return -P2P_EINVAL;
        if (len == size)
            return -P2P_ETOOBIG;
        out[len++] = (char)byte;
        text = text_from_byte(text, 3);
    }
}
