/* SPDX-License-Identifier: MIT */
/* JSON (RFC 8259) read by yyjson in a fixed pool: one line, one value, checked for depth and
 * length; and the few functions that write it into a builder. A reader belongs to one thread;
 * values live until its next parse. */
#ifndef JSON_H
#define JSON_H

#include "base/arena.h"
#include "base/text.h"

/* Keys of one object: our largest record has fifteen, and others may add to it. */
enum { JSON_KEYS_MAX = 64 };

struct json_reader {
    void *pool;
    size_t pool_size;
    const char
        *fault; /* why the last call failed, in words, with the field's name if there is one */
    char fault_text[128];
};
struct json_range {
    int64_t min, max; /* both belong to it */
};
struct json_value; /* an object, array or scalar of the last parse */

/* Takes a pool for lines of P2P_LINE_MAX out of the arena. */
int json_reader_init(struct json_reader *reader, struct arena *arena);
/* Parses one object. NULL with fault set: not JSON, not an object, too deep, too long, bad UTF-8, a
 * NUL in a string, a key twice, more than 64 keys. */
const struct json_value *json_parse(struct json_reader *reader, struct str line);

/* Sets fault to "key: what" (key NULL: only what) for a check of the caller's own. -P2P_EINVAL. */
int json_fault(struct json_reader *reader, const char *key, const char *what);

/* Fields of an object. The getters return 0, -P2P_ENOTFOUND (absent) or -P2P_EINVAL (wrong type or
 * range), and set fault. */
bool json_has(const struct json_value *object, const char *key); /* present, null included */
bool json_is_null(const struct json_value *object, const char *key);
int json_get_text(struct json_reader *reader, const struct json_value *object, const char *key,
                  struct str *out);
/* A whole number of the range. */
int json_get_int(struct json_reader *reader, const struct json_value *object, const char *key,
                 struct json_range range, int64_t *out);
int json_get_bool(struct json_reader *reader, const struct json_value *object, const char *key,
                  bool *out);
/* Exactly size bytes as hex. */
int json_get_hex(struct json_reader *reader, const struct json_value *object, const char *key,
                 uint8_t *out, size_t size);
/* An object inside, an array's length and its items. NULL / 0 when absent. */
const struct json_value *json_get_object(const struct json_value *object, const char *key);
const struct json_value *json_get_array(const struct json_value *object, const char *key,
                                        size_t *out_length);
const struct json_value *json_item(const struct json_value *array, size_t i);
/* The text of an item; the empty view when it is not a string. */
struct str json_item_text(const struct json_value *item);

/* Writing: a quoted string, escaped only where JSON wants it; bytes that are not UTF-8 become
 * U+FFFD. */
void json_put_text(struct buf *buf, struct str text);
/* "key": with a comma before it where one is due (after anything but "{" or "["). */
void json_put_key_str(struct buf *buf, struct str key);
static inline void json_put_key(struct buf *buf, const char *key)
{
    json_put_key_str(buf, (struct str){key, strlen(key)});
}
void json_put_field_text(struct buf *buf, const char *key, struct str text);
void json_put_field_i64(struct buf *buf, const char *key, int64_t value);
void json_put_field_bool(struct buf *buf, const char *key, bool value);
/* NULL bytes: null. */
void json_put_field_hex(struct buf *buf, const char *key, const uint8_t *bytes, size_t size);

#endif
