/* SPDX-License-Identifier: MIT */
/* JSON lines: any bytes are parsed and walked; and any bytes that are written as a text are read
 * back. */
#include "wire/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct json_reader *open_reader(void)
{
    static struct arena arena;
    static struct json_reader reader;
    if (!arena.base && (arena_init(&arena, 1 << 20) != 0 || json_reader_init(&reader, &arena) != 0))
        abort();
    return &reader;
}

static void check_getters(struct json_reader *reader, const struct json_value *object)
{
    struct str text;
    int64_t number = 5;
    bool flag;
    uint8_t bytes[4];
    size_t length = 0;
    if (json_get_text(reader, object, "a", &text) == 0 && !text_is_utf8(text))
        abort();
    if (json_get_int(reader, object, "a", (struct json_range){5, 7}, &number) == 0 &&
        (number < 5 || number > 7))
        abort();
    json_get_bool(reader, object, "a", &flag);
    json_get_hex(reader, object, "a", bytes, sizeof(bytes));
    const struct json_value *array = json_get_array(object, "a", &length);
    for (size_t i = 0; i < length; i++)
        json_item_text(json_item(array, i));
    const struct json_value *inner = json_get_object(object, "a");
    if (inner)
        json_has(inner, "b");
}

static void check_writing(struct json_reader *reader, struct str text)
{
    char memory[P2P_LINE_MAX];
    struct buf buf = buf_on(memory, sizeof(memory));
    struct str back;
    buf_put_char(&buf, '{');
    json_put_field_text(&buf, "a", text);
    buf_put_char(&buf, '}');
    if (buf.full || text_find(text, '\0') >= 0)
        return;
    const struct json_value *object = json_parse(reader, buf_str(&buf));
    if (!object || json_get_text(reader, object, "a", &back) != 0 ||
        text_is_utf8(text) != text_equal(text, back))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_reader *reader = open_reader();
    struct str line = {(const char *)data, size};
    const struct json_value *object = json_parse(reader, line);
    if ((object == NULL) != (reader->fault[0] != '\0'))
        abort();
    if (object)
        check_getters(reader, object);
    check_writing(reader, line);
    return 0;
}
