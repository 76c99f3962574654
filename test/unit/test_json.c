/* SPDX-License-Identifier: MIT */
/* JSON lines: what is refused and why, the getters' ranges, and that what is written is read back
 * the same. */
#include "wire/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;
static struct json_reader reader;

static int set_up(void **state)
{
    (void)state;
    return arena_init(&arena, 1 << 20) != 0 || json_reader_init(&reader, &arena) != 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static void test_parse(void **state)
{
    static const struct {
        const char *line, *fault; /* NULL: good */
    } rows[] = {
        {"{}", NULL},
        {" {\"a\" : [ 1 , 2.5e3 , null ] } ", NULL},
        {"{\"a\":-0.5e-3,\"b\":1E+400,\"c\":[0.0,10.25e5]}", NULL}, /* reals are passed over */
        {"{\"a\":1.}", "not JSON: "},
        {"{\"a\":.5}", "not JSON: "},
        {"{\"a\":1e}", "not JSON: "},
        {"{\"a\":1.5e+}", "not JSON: "},
        {"{\"a\":1.5.5}", "not JSON: "},
        {"{\"a\":1.5-5}", "not JSON: "},
        {"", "not JSON: the line is empty"},
        {"[]", "not an object"},
        {"1", "not an object"},
        {"{\"a\":1", "not JSON: "},
        {"{\"a\":1,}", "not JSON: "},
        {"{'a':1}", "not JSON: "},
        {"{\"a\":NaN}", "not JSON: "},
        {"{\"a\":01}", "not JSON: "},
        {"{\"a\":1}//", "not JSON: "},
        {"{\"a\":1}{}", "not JSON: "},
        {"{\"a\":\"\\x\"}", "not JSON: "},
        {"{\"a\":\"\x01\"}", "not JSON: "},
        {"{\"a\":\"\xff\"}", "not JSON: "},
        {"{\"a\":\"\xed\xa0\x80\"}", "not JSON: "},
        {"{\"a\":\"\\ud800\"}", "not JSON: "},
        {"{\"a\":\"\\u0000\"}", "a text has a NUL"},
        {"{\"\\u0000\":1}", "a text has a NUL"},
        {"{\"x\":[[\"\\u0000\"]]}", "a text has a NUL"},
        {"{\"a\":1,\"a\":1}", "a key is there twice"},
        {"{\"a\":1,\"b\":2,\"\\u0061\":1}", "a key is there twice"},
        {"{\"\":1,\"\":1}", "a key is there twice"},
        {"{\"x\":{\"a\":1,\"a\":1}}", "a key is there twice"},
        {"{\"a\":{\"a\":[{\"a\":1}]}}", NULL},
        {"{\"a\":[[[[[[[]]]]]]]}", NULL},
        {"{\"a\":[[[[[[[[]]]]]]]]}", "nested deeper than 8"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct json_value *value = json_parse(&reader, text_from(rows[i].line));
        if ((value != NULL) != (rows[i].fault == NULL) ||
            (rows[i].fault && strncmp(reader.fault, rows[i].fault, strlen(rows[i].fault)) != 0))
            fail_msg("%s: %s", rows[i].line, value ? "good" : reader.fault);
    }
}

/* {"p":"ppp…"} of so many bytes. */
static struct str long_line(char *memory, size_t size)
{
    memset(memory, 'p', size);
    memcpy(memory, "{\"p\":\"", 6);
    memcpy(memory + size - 2, "\"}", 2);
    return (struct str){memory, size};
}

static void test_limits(void **state)
{
    static char memory[P2P_LINE_MAX + 1];
    (void)state;
    assert_non_null(json_parse(&reader, long_line(memory, P2P_LINE_MAX - 1)));
    assert_non_null(json_parse(&reader, long_line(memory, P2P_LINE_MAX)));
    assert_null(json_parse(&reader, long_line(memory, P2P_LINE_MAX + 1)));
    assert_string_equal(reader.fault, "the line is over 4096 bytes");
    for (int count = JSON_KEYS_MAX - 1; count <= JSON_KEYS_MAX + 1; count++) {
        struct buf buf = buf_on(memory, sizeof(memory));
        buf_put_char(&buf, '{');
        for (int i = 0; i < count; i++) {
            char key[8];
            struct buf name = buf_on(key, sizeof(key));
            buf_printf(&name, "k%d%c", i, 0);
            json_put_field_i64(&buf, key, i);
        }
        buf_put_char(&buf, '}');
        assert_int_equal(json_parse(&reader, buf_str(&buf)) != NULL, count <= JSON_KEYS_MAX);
    }
}

/* The lines that cost yyjson most memory must fit into the pool. */
static void test_worst_lines(void **state)
{
    static const char *const units[] = {"[",     "{\"a\":", "1,",      "[],",
                                        "\"\",", "{},",     "\\u0041", "1e9,"};
    static char memory[P2P_LINE_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        struct buf buf = buf_on(memory, sizeof(memory));
        buf_put_text(&buf, units[i][0] == '\\' ? "{\"a\":\"" : "{\"a\":[");
        while (!buf.full && buf.len + strlen(units[i]) + 4 <= buf.size)
            buf_put_text(&buf, units[i]);
        buf_put_text(&buf, units[i][0] == '\\' ? "\"}" : "1]}");
        const struct json_value *value = json_parse(&reader, buf_str(&buf));
        if (!value && i >= 2)
            fail_msg("%s: %s", units[i], reader.fault);
        if (i < 2)
            assert_null(value);
    }
}

static void test_get_int(void **state)
{
    static const struct {
        const char *line;
        int64_t min, max, value;
        int result;
        const char *fault;
    } rows[] = {
        {"{\"n\":5}", 5, 5, 5, 0, ""},
        {"{\"n\":4}", 5, 9, 0, -P2P_EINVAL, "n: must be 5 to 9"},
        {"{\"n\":10}", 5, 9, 0, -P2P_EINVAL, "n: must be 5 to 9"},
        {"{\"n\":-1}", -1, 0, -1, 0, ""},
        {"{\"n\":9223372036854775807}", 0, INT64_MAX, INT64_MAX, 0, ""},
        {"{\"n\":9223372036854775808}", 0, INT64_MAX, 0, -P2P_EINVAL,
         "n: must be 0 to 9223372036854775807"},
        {"{\"n\":-9223372036854775808}", INT64_MIN, 0, INT64_MIN, 0, ""},
        {"{\"n\":99999999999999999999}", 0, 9, 0, -P2P_EINVAL, "n: must be a whole number"},
        {"{\"n\":1.5}", 0, 9, 0, -P2P_EINVAL, "n: must be a whole number"},
        {"{\"x\":-2.5e3,\"n\":5}", 0, 9, 5, 0, ""},
        {"{\"n\":\"1\"}", 0, 9, 0, -P2P_EINVAL, "n: must be a whole number"},
        {"{\"n\":null}", 0, 9, 0, -P2P_EINVAL, "n: must be a whole number"},
        {"{\"m\":1}", 0, 9, 0, -P2P_ENOTFOUND, "n: missing"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t value = 0;
        const struct json_value *object = json_parse(&reader, text_from(rows[i].line));
        assert_non_null(object);
        int result = json_get_int(&reader, object, "n",
                                  (struct json_range){rows[i].min, rows[i].max}, &value);
        if (result != rows[i].result || value != rows[i].value ||
            strcmp(reader.fault, rows[i].fault) != 0)
            fail_msg("%s: %d, %lld, %s", rows[i].line, result, (long long)value, reader.fault);
    }
}

static void test_getters(void **state)
{
    struct str text = {0};
    bool flag = false;
    uint8_t bytes[2];
    size_t length;
    (void)state;
    const struct json_value *object =
        json_parse(&reader, STR("{\"t\":\"\\u00e9\\n\",\"b\":true,\"x\":\"0aFf\",\"z\":null,\"o\":{"
                                "\"i\":1},\"a\":[\"p\",2]}"));
    assert_non_null(object);
    assert_int_equal(json_get_text(&reader, object, "t", &text), 0);
    assert_true(text_is(text, "\xc3\xa9\n"));
    assert_int_equal(json_get_text(&reader, object, "b", &text), -P2P_EINVAL);
    assert_string_equal(reader.fault, "b: must be a text");
    assert_int_equal(json_get_bool(&reader, object, "b", &flag), 0);
    assert_true(flag);
    assert_int_equal(json_get_bool(&reader, object, "z", &flag), -P2P_EINVAL);
    assert_int_equal(json_get_hex(&reader, object, "x", bytes, 2), 0);
    assert_int_equal(bytes[0], 0x0a);
    assert_int_equal(bytes[1], 0xff);
    assert_int_equal(json_get_hex(&reader, object, "x", bytes, 1), -P2P_EINVAL);
    assert_string_equal(reader.fault, "x: must be 2 hex digits");
    assert_true(json_has(object, "z") && json_is_null(object, "z"));
    assert_false(json_has(object, "y") || json_is_null(object, "y") || json_is_null(object, "b"));
    assert_true(json_has(json_get_object(object, "o"), "i"));
    assert_null(json_get_object(object, "a"));
    const struct json_value *array = json_get_array(object, "a", &length);
    assert_int_equal(length, 2);
    assert_true(text_is(json_item_text(json_item(array, 0)), "p"));
    assert_int_equal(json_item_text(json_item(array, 1)).len, 0);
    assert_null(json_item(array, 2));
    assert_null(json_get_array(object, "o", &length));
    assert_int_equal(length, 0);
}

static void test_put_text(void **state)
{
    static const struct {
        const char *text, *expected;
    } rows[] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"a\"b\\c", "\"a\\\"b\\\\c\""},
        {"\n\r\t\x01\x1f", "\"\\n\\r\\t\\u0001\\u001f\""},
        {"/\x7f", "\"/\x7f\""},
        {"\xc3\xa9\xf0\x9f\x98\x80", "\"\xc3\xa9\xf0\x9f\x98\x80\""},
        {"a\xff"
         "b\xc3",
         "\"a\xef\xbf\xbd"
         "b\xef\xbf\xbd\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char memory[64];
        struct buf buf = buf_on(memory, sizeof(memory));
        json_put_text(&buf, text_from(rows[i].text));
        if (!text_is(buf_str(&buf), rows[i].expected))
            fail_msg("%s", rows[i].expected);
    }
}

/* Every code point up to the end of the first plane and some beyond comes back as it was. */
static void test_round_trip(void **state)
{
    (void)state;
    for (uint32_t rune = 1; rune < 0x10100; rune++) {
        char bytes[4], memory[32];
        size_t len = 0;
        struct str back;
        if (rune >= 0xd800 && rune < 0xe000)
            continue;
        if (rune < 0x80)
            bytes[len++] = (char)rune;
        else if (rune < 0x800)
            bytes[len++] = (char)(0xc0 | rune >> 6);
        else if (rune < 0x10000)
            bytes[len++] = (char)(0xe0 | rune >> 12);
        else
            bytes[len++] = (char)(0xf0 | rune >> 18);
        if (rune >= 0x10000)
            bytes[len++] = (char)(0x80 | (rune >> 12 & 0x3f));
        if (rune >= 0x800)
            bytes[len++] = (char)(0x80 | (rune >> 6 & 0x3f));
        if (rune >= 0x80)
            bytes[len++] = (char)(0x80 | (rune & 0x3f));
        struct buf buf = buf_on(memory, sizeof(memory));
        buf_put_char(&buf, '{');
        json_put_field_text(&buf, "p", (struct str){bytes, len});
        buf_put_char(&buf, '}');
        const struct json_value *object = json_parse(&reader, buf_str(&buf));
        if (!object || json_get_text(&reader, object, "p", &back) != 0 ||
            !text_equal(back, (struct str){bytes, len}))
            fail_msg("U+%04X: %s", rune, reader.fault);
    }
}

static void test_put_fields(void **state)
{
    char memory[128];
    static const uint8_t bytes[2] = {0x0a, 0xff};
    struct buf buf = buf_on(memory, sizeof(memory));
    (void)state;
    buf_put_char(&buf, '{');
    json_put_field_text(&buf, "t", STR("x{"));
    json_put_field_i64(&buf, "n", INT64_MIN);
    json_put_field_bool(&buf, "b", false);
    json_put_field_hex(&buf, "h", bytes, 2);
    json_put_field_hex(&buf, "z", NULL, 2);
    buf_put_char(&buf, '}');
    assert_true(
        text_is(buf_str(&buf),
                "{\"t\":\"x{\",\"n\":-9223372036854775808,\"b\":false,\"h\":\"0aff\",\"z\":null}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),       cmocka_unit_test(test_limits),
        cmocka_unit_test(test_worst_lines), cmocka_unit_test(test_get_int),
        cmocka_unit_test(test_getters),     cmocka_unit_test(test_put_text),
        cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_put_fields),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
