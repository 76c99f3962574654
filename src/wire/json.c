/* SPDX-License-Identifier: MIT */
/* One JSON line at a time through yyjson, whose memory is a fixed pool that is begun anew for each
 * line. yyjson checks the grammar and UTF-8 without recursion; what it lets pass and we do not
 * (depth, NUL, double keys) is checked after it. No file but this one includes its header. A reader
 * belongs to one thread. */
#include "wire/json.h"

#include <string.h>
#include <yyjson.h>

double json_skip_real(const char *text, char **end);

/* What yyjson calls instead of strtod (Makefile), when it has checked the grammar of a number. No
 * field here is a real number, so that the value is never asked for; libc's takes 7 KiB. */
double json_skip_real(const char *text, char **end)
{
    *end = (char *)(uintptr_t)text + strspn(text, "+-.0123456789Ee");
    return 0;
}

int json_reader_init(struct json_reader *reader, struct arena *arena)
{
    *reader = (struct json_reader){.fault = ""};
    reader->pool_size = yyjson_read_max_memory_usage(P2P_LINE_MAX, YYJSON_READ_NOFLAG);
    reader->pool = arena_carve(arena, reader->pool_size, 64);
    return reader->pool ? 0 : -P2P_EFULL;
}

int json_fault(struct json_reader *reader, const char *key, const char *what)
{
    struct buf buf = buf_on(reader->fault_text, sizeof(reader->fault_text) - 1);
    if (key) {
        buf_put_text(&buf, key);
        buf_put_text(&buf, ": ");
    }
    buf_put_text(&buf, what);
    buf.ptr[buf.len] = '\0';
    reader->fault = reader->fault_text;
    return -P2P_EINVAL;
}

static yyjson_val *json_raw(const struct json_value *value)
{
    return (yyjson_val *)(uintptr_t)value;
}

static const struct json_value *json_opaque(yyjson_val *value)
{
    return (const struct json_value *)value;
}

static bool json_same_text(yyjson_val *a, yyjson_val *b)
{
    size_t len = unsafe_yyjson_get_len(a);
    return len == unsafe_yyjson_get_len(b) &&
           memcmp(unsafe_yyjson_get_str(a), unsafe_yyjson_get_str(b), len) == 0;
}

/* One bit of 64 for a key; two keys with the same bit may be the same. */
static uint64_t json_key_bit(yyjson_val *key)
{
    size_t len = unsafe_yyjson_get_len(key);
    const char *text = unsafe_yyjson_get_str(key);
    unsigned sum = (unsigned)len;
    if (len > 0)
        sum += 7u * (uint8_t)text[0] + 31u * (uint8_t)text[len - 1];
    return UINT64_C(1) << (sum & 63);
}

static int json_check_keys(struct json_reader *reader, yyjson_val *object)
{
    size_t count = unsafe_yyjson_get_len(object);
    uint64_t seen = 0;
    yyjson_val *first = unsafe_yyjson_get_first(object), *key = first;
    if (count > JSON_KEYS_MAX)
        return json_fault(reader, NULL, "an object has more than 64 keys");
    for (size_t i = 0; i < count; i++, key = unsafe_yyjson_get_next(key + 1)) {
        uint64_t bit = json_key_bit(key);
        yyjson_val *other = first;
        for (size_t j = 0; (seen & bit) && j < i; j++, other = unsafe_yyjson_get_next(other + 1)) {
            if (json_same_text(key, other))
                return json_fault(reader, NULL, "a key is there twice");
        }
        seen |= bit;
    }
    return 0;
}

/* The values of a container lie behind each other, keys of objects among them. Recursion ends at
 * the depth limit. Only a text that had an escape can have a NUL. */
static int json_check_container(struct json_reader *reader, yyjson_val *container, int depth)
{
    size_t count = unsafe_yyjson_get_len(container);
    if (depth > P2P_JSON_DEPTH_MAX)
        return json_fault(reader, NULL, "nested deeper than 8");
    if (unsafe_yyjson_is_obj(container)) {
        if (json_check_keys(reader, container) != 0)
            return -P2P_EINVAL;
        count *= 2;
    }
    yyjson_val *value = unsafe_yyjson_get_first(container);
    for (size_t i = 0; i < count; i++, value = unsafe_yyjson_get_next(value)) {
        if (unsafe_yyjson_is_ctn(value)) {
            if (json_check_container(reader, value, depth + 1) != 0)
                return -P2P_EINVAL;
        } else if (unsafe_yyjson_is_str(value) &&
                   unsafe_yyjson_get_subtype(value) != YYJSON_SUBTYPE_NOESC &&
                   memchr(unsafe_yyjson_get_str(value), '\0', unsafe_yyjson_get_len(value))) {
            return json_fault(reader, NULL, "a text has a NUL");
        }
    }
    return 0;
}

const struct json_value *json_parse(struct json_reader *reader, struct str line)
{
    yyjson_alc alc;
    yyjson_read_err error;
    reader->fault = "";
    if (line.len > P2P_LINE_MAX) {
        json_fault(reader, NULL, "the line is over 4096 bytes");
        return NULL;
    }
    yyjson_alc_pool_init(&alc, reader->pool, reader->pool_size);
    /* Without the in-place flag yyjson only reads its input, whatever the type says. */
    char *input = (char *)(uintptr_t)line.ptr;
    yyjson_doc *doc = yyjson_read_opts(input, line.len, YYJSON_READ_NOFLAG, &alc, &error);
    if (!doc) {
        /* The pool holds every line whose values can be closed; only "[[[[…" needs more. */
        bool deep = error.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION;
        const char *what = deep ? "nested too deep" : error.msg;
        json_fault(reader, "not JSON", line.len ? what : "the line is empty");
        return NULL;
    }
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (!yyjson_is_obj(root)) {
        json_fault(reader, NULL, "not an object");
        return NULL;
    }
    return json_check_container(reader, root, 1) == 0 ? json_opaque(root) : NULL;
}

static yyjson_val *json_find(const struct json_value *object, const char *key)
{
    yyjson_val *raw = json_raw(object);
    size_t left = yyjson_obj_size(raw);
    yyjson_val *at = left > 0 ? unsafe_yyjson_get_first(raw) : NULL;
    for (; left > 0; left--) {
        const char *text = unsafe_yyjson_get_str(at);
        size_t len = unsafe_yyjson_get_len(at), i = 0;
        while (i < len && text[i] == key[i])
            i++;
        if (i == len && key[i] == '\0')
            return at + 1;
        at = unsafe_yyjson_get_next(at + 1);
    }
    return NULL;
}

static int json_missing(struct json_reader *reader, const char *key)
{
    json_fault(reader, key, "missing");
    return -P2P_ENOTFOUND;
}

bool json_has(const struct json_value *object, const char *key)
{
    return json_find(object, key) != NULL;
}

bool json_is_null(const struct json_value *object, const char *key)
{
    return yyjson_is_null(json_find(object, key));
}

static struct str json_text_of(yyjson_val *value)
{
    return (struct str){unsafe_yyjson_get_str(value), unsafe_yyjson_get_len(value)};
}

int json_get_text(struct json_reader *reader, const struct json_value *object, const char *key,
                  struct str *out)
{
    yyjson_val *value = json_find(object, key);
    if (!value)
        return json_missing(reader, key);
    if (!unsafe_yyjson_is_str(value))
        return json_fault(reader, key, "must be a text");
    *out = json_text_of(value);
    return 0;
}

int json_get_int(struct json_reader *reader, const struct json_value *object, const char *key,
                 struct json_range range, int64_t *out)
{
    yyjson_val *value = json_find(object, key);
    if (!value)
        return json_missing(reader, key);
    if (!unsafe_yyjson_is_int(value))
        return json_fault(reader, key, "must be a whole number");
    bool huge = unsafe_yyjson_is_uint(value) && unsafe_yyjson_get_uint(value) > INT64_MAX;
    int64_t number = huge ? INT64_MAX : unsafe_yyjson_get_sint(value);
    if (huge || number < range.min || number > range.max) {
        char text[80];
        struct buf buf = buf_on(text, sizeof(text));
        buf_printf(&buf, "must be %lld to %lld", (long long)range.min, (long long)range.max);
        return json_fault(reader, key, text);
    }
    *out = number;
    return 0;
}

int json_get_bool(struct json_reader *reader, const struct json_value *object, const char *key,
                  bool *out)
{
    yyjson_val *value = json_find(object, key);
    if (!value)
        return json_missing(reader, key);
    if (!unsafe_yyjson_is_bool(value))
        return json_fault(reader, key, "must be true or false");
    *out = unsafe_yyjson_get_bool(value);
    return 0;
}

int json_get_hex(struct json_reader *reader, const struct json_value *object, const char *key,
                 uint8_t *out, size_t size)
{
    struct str text;
    int error = json_get_text(reader, object, key, &text);
    if (error == 0 && text_hex_decode(text, out, size) != 0) {
        char what[40];
        struct buf buf = buf_on(what, sizeof(what));
        buf_printf(&buf, "must be %u hex digits", (unsigned)(2 * size));
        error = json_fault(reader, key, what);
    }
    return error;
}

const struct json_value *json_get_object(const struct json_value *object, const char *key)
{
    yyjson_val *value = json_find(object, key);
    return yyjson_is_obj(value) ? json_opaque(value) : NULL;
}

const struct json_value *json_get_array(const struct json_value *object, const char *key,
                                        size_t *out_length)
{
    yyjson_val *value = json_find(object, key);
    *out_length = yyjson_arr_size(value);
    return yyjson_is_arr(value) ? json_opaque(value) : NULL;
}

const struct json_value *json_item(const struct json_value *array, size_t i)
{
    return json_opaque(yyjson_arr_get(json_raw(array), i));
}

struct str json_item_text(const struct json_value *item)
{
    yyjson_val *value = json_raw(item);
    return yyjson_is_str(value) ? json_text_of(value) : (struct str){0};
}

/* The byte behind the backslash, 0 for none. */
static char json_escape_of(uint8_t byte)
{
    switch (byte) {
    case '"':
    case '\\':
        return (char)byte;
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return byte < 0x20 ? 'u' : '\0';
    }
}

static void json_put_escaped(struct buf *buf, uint8_t byte, char escape)
{
    buf_put_char(buf, '\\');
    buf_put_char(buf, escape);
    if (escape == 'u') {
        buf_put_text(buf, "00");
        buf_put_hex(buf, &byte, 1);
    }
}

/* No control character, no quote, no backslash, nothing over 127. */
static bool json_word_plain(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
    uint64_t quote = word ^ ones * '"', slash = word ^ ones * '\\';
    return ((word | (word - ones * ' ') | (quote - ones) | (slash - ones)) & highs) == 0;
}

/* How many bytes at the beginning need no look at all: all of them, mostly. The last word may
 * overlap the one before, and that of a short text itself. */
static size_t json_plain(struct str text)
{
    uint32_t halves[2];
    uint64_t word;
    size_t i = 0;
    if (text.len < sizeof(halves[0]))
        return 0;
    if (text.len < sizeof(word)) {
        memcpy(&halves[0], text.ptr, sizeof(halves[0]));
        memcpy(&halves[1], text.ptr + text.len - sizeof(halves[1]), sizeof(halves[1]));
        return json_word_plain((uint64_t)halves[1] << 32 | halves[0]) ? text.len : 0;
    }
    for (; i < text.len; i += sizeof(word)) {
        size_t last = text.len - sizeof(word);
        memcpy(&word, text.ptr + (i < last ? i : last), sizeof(word));
        if (!json_word_plain(word))
            return i;
    }
    return text.len;
}

void json_put_text(struct buf *buf, struct str text)
{
    size_t plain = 0; /* bytes before which everything was put, and from which on nothing was */
    buf_put_char(buf, '"');
    for (size_t i = json_plain(text), len; i < text.len; i += len) {
        uint8_t byte = (uint8_t)text.ptr[i];
        char escape = json_escape_of(byte);
        len = 1;
        bool broken = byte >= 0x80 && text_next_rune(text_from_byte(text, i), &len) < 0;
        if (!escape && !broken)
            continue;
        buf_put_bytes(buf, text.ptr + plain, i - plain);
        if (broken)
            buf_put_text(buf, "\xef\xbf\xbd");
        else
            json_put_escaped(buf, byte, escape);
        plain = i + len;
    }
    buf_put(buf, text_from_byte(text, plain));
    buf_put_char(buf, '"');
}

void json_put_key_str(struct buf *buf, struct str key)
{
    char last = buf->len > 0 ? buf->ptr[buf->len - 1] : '{';
    bool comma = last != '{' && last != '[';
    char *at = buf_room(buf, comma + key.len + 3);
    if (!at)
        return;
    *at = ',';
    at += comma;
    *at = '"';
    buf_copy(at + 1, key.ptr, key.len);
    memcpy(at + 1 + key.len, "\":", 2);
}

void json_put_field_text(struct buf *buf, const char *key, struct str text)
{
    json_put_key(buf, key);
    json_put_text(buf, text);
}

void json_put_field_i64(struct buf *buf, const char *key, int64_t value)
{
    json_put_key(buf, key);
    buf_put_i64(buf, value);
}

void json_put_field_bool(struct buf *buf, const char *key, bool value)
{
    json_put_key(buf, key);
    buf_put_text(buf, value ? "true" : "false");
}

void json_put_field_hex(struct buf *buf, const char *key, const uint8_t *bytes, size_t size)
{
    json_put_key(buf, key);
    if (!bytes) {
        buf_put_text(buf, "null");
        return;
    }
    buf_put_char(buf, '"');
    buf_put_hex(buf, bytes, size);
    buf_put_char(buf, '"');
}
