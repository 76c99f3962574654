/* SPDX-License-Identifier: MIT */
/* A join of a million offers is a million lines of one form, and finding their fields again in a
 * JSON document costs more than all else that is done with them. Here each field stands where it
 * is expected, or the line is none of ours: no escape, nothing but ASCII, no blank, no sign.
 * fuzz_record holds it against the JSON reader. Pure; any thread. */
#include "wire/record_scan.h"

#include "base/name.h"
#include "wire/record_fields.h"

#include <string.h>

enum { SCAN_DIGITS_MAX = 16 };

struct scan {
    const char *at, *end;
};

static inline bool scan_text(struct scan *in, const char *text, size_t len)
{
    if ((size_t)(in->end - in->at) < len || memcmp(in->at, text, len) != 0)
        return false;
    in->at += len;
    return true;
}
/* Of up to 10 bytes, which are compared in place; more would be a call that goes byte by byte. */
#define SCAN(in, text) scan_text(in, text, sizeof(text) - 1)

/* Whole words without a quote, a backslash, a control character or a byte over 127. */
static const char *scan_words(const struct scan *in)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
    const char *at = in->at;
    for (uint64_t word; (size_t)(in->end - at) >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        uint64_t quote = word ^ ones * '"', slash = word ^ ones * '\\';
        if (((word | (word - ones * ' ') | (quote - ones) | (slash - ones)) & highs) != 0)
            break;
    }
    return at;
}

/* A text up to and with its closing quote. */
static bool scan_string(struct scan *in, struct str *out)
{
    const char *at = scan_words(in);
    while (at < in->end && *at >= ' ' && *at != '"' && *at != '\\' && (*at & 0x80) == 0)
        at++;
    if (at == in->end || *at != '"')
        return false;
    *out = (struct str){in->at, (size_t)(at - in->at)};
    in->at = at + 1;
    return true;
}

/* Digits as JSON has them. */
static bool scan_number(struct scan *in, int64_t max, int64_t *out)
{
    const char *begin = in->at, *at = begin;
    const char *end = in->end - at > SCAN_DIGITS_MAX ? at + SCAN_DIGITS_MAX : in->end;
    int64_t value = 0;
    for (; at < end && (uint8_t)(*at - '0') <= 9; at++)
        value = value * 10 + (*at - '0');
    in->at = at;
    *out = value;
    return at > begin && (at == begin + 1 || *begin != '0') && value <= max;
}

static bool scan_hex(struct scan *in, uint8_t *out, size_t size)
{
    struct str hex = {in->at, 2 * size};
    if ((size_t)(in->end - in->at) < hex.len || text_hex_decode(hex, out, size) != 0)
        return false;
    in->at += hex.len;
    return true;
}

static bool scan_content(struct scan *in, struct record_offer *out)
{
    if (!SCAN(in, ",\"sha256\":"))
        return false;
    out->hashed = SCAN(in, "\"");
    return out->hashed
               ? scan_hex(in, out->content.bytes, sizeof(out->content.bytes)) && SCAN(in, "\"")
               : SCAN(in, "null");
}

static bool scan_mode(struct scan *in, struct record_offer *out)
{
    if (!SCAN(in, ",\"mode\":\""))
        return false;
    out->executable = SCAN(in, "x");
    return SCAN(in, "\"");
}

/* From path on to the end of the line; content and mode in either order. */
static bool scan_fields(struct scan *in, struct record_offer *out)
{
    memset(out, 0, sizeof(*out));
    out->have = 100;
    if (!SCAN(in, "\"path\":\"") || !scan_string(in, &out->path) || name_fault(out->path))
        return false;
    if (!SCAN(in, ",\"size\":") || !scan_number(in, P2P_FILE_MAX, &out->size) ||
        !SCAN(in, ",\"mtime\":") || !scan_number(in, RECORD_NUMBER_MAX, &out->mtime))
        return false;
    bool good =
        scan_mode(in, out) ? scan_content(in, out) : scan_content(in, out) && scan_mode(in, out);
    return good && SCAN(in, ",\"kind\":") && SCAN(in, "\"owned\"}") && in->at == in->end;
}

static struct scan scan_on(struct str line)
{
    struct str taken = line.len > P2P_LINE_MAX ? (struct str){line.ptr, 0} : line;
    return (struct scan){taken.ptr, taken.ptr + taken.len};
}

bool record_scan_offer(struct str line, struct record_offer *out)
{
    struct scan in = scan_on(line);
    return SCAN(&in, "{") && scan_fields(&in, out);
}

bool record_scan_put(struct str line, struct record_change *out)
{
    struct scan in = scan_on(line);
    out->op = RECORD_PUT;
    return SCAN(&in, "{\"op\":\"put\",") && scan_fields(&in, &out->offer);
}

static bool scan_count(struct scan *in, int64_t max, uint64_t *out)
{
    int64_t value;
    bool good = scan_number(in, max, &value);
    *out = (uint64_t)value;
    return good;
}

/* Up to what follows seq. */
static bool scan_seq(struct scan *in, uint64_t *out_epoch, uint64_t *out_seq)
{
    return SCAN(in, "{\"epoch\":") && scan_count(in, RECORD_NUMBER_MAX, out_epoch) &&
           SCAN(in, ",\"seq\":") && scan_count(in, RECORD_NUMBER_MAX, out_seq);
}

bool record_scan_seq(struct str line, uint64_t *out_epoch, uint64_t *out_seq)
{
    struct scan in = scan_on(line);
    return scan_seq(&in, out_epoch, out_seq) && SCAN(&in, "}") && in.at == in.end;
}

bool record_scan_alive(struct str line, struct record_alive *out)
{
    struct scan in = scan_on(line);
    uint64_t uploads = 0, slots = 0;
    bool good = scan_seq(&in, &out->epoch, &out->seq) && SCAN(&in, ",\"uploads\":") &&
                scan_count(&in, UINT32_MAX, &uploads) && SCAN(&in, ",\"rate\":") &&
                scan_count(&in, RECORD_NUMBER_MAX, &out->rate) && SCAN(&in, ",\"slots\":") &&
                scan_count(&in, UINT32_MAX, &slots) && SCAN(&in, "}") && in.at == in.end;
    out->uploads = (uint32_t)uploads;
    out->slots = (uint32_t)slots;
    return good;
}

bool record_scan_told(struct str line, struct record_id *out_node, struct record_offer *out)
{
    struct scan in = scan_on(line);
    return SCAN(&in, "{\"node\":\"") && scan_hex(&in, out_node->bytes, sizeof(out_node->bytes)) &&
           SCAN(&in, "\",\"op\":\"put\",") && scan_fields(&in, out);
}
