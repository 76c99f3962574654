/* SPDX-License-Identifier: MIT */
/* Views and the bounded builder. */
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_comparing(void **state)
{
    static const struct str none = {0};
    (void)state;
    assert_true(text_equal(none, STR("")) && text_is(none, "") && text_from(NULL).len == 0);
    assert_true(text_is(STR("abc"), "abc"));
    assert_false(text_is(STR("abc"), "abd") || text_is(STR("abc"), "ab") ||
                 text_is(STR("ab"), "abc"));
    assert_true(text_is_nocase(STR("aBc-1"), "AbC-1"));
    assert_false(text_is_nocase(STR("a["), "a{") || text_is_nocase(STR("a"), "ab"));
    assert_true(text_begins(STR("abc"), STR("ab")) && text_begins(STR("abc"), none) &&
                text_begins(none, none));
    assert_false(text_begins(STR("ab"), STR("abc")));
    assert_true(text_ends(STR("abc"), STR("bc")) && text_ends(STR("abc"), STR("abc")) &&
                text_ends(none, none));
    assert_false(text_ends(STR("bc"), STR("abc")) || text_ends(STR("abc"), STR("ab")));
    assert_true(text_compare(STR("a"), STR("b")) < 0 && text_compare(STR("b"), STR("a")) > 0);
    assert_true(text_compare(STR("a"), STR("ab")) < 0 && text_compare(STR("ab"), STR("a")) > 0);
    assert_true(text_compare(STR("\xff"), STR("a")) > 0 && text_compare(none, none) == 0);
}

/* Every length around words and blocks, with the byte at each two places, among its neighbours in
 * value, which words make look alike. */
static void test_find_anywhere(void **state)
{
    enum { LEN = 75 };
    char bytes[LEN];
    (void)state;
    for (size_t len = 1; len <= LEN; len++) {
        for (size_t first = 0; first < len; first++) {
            size_t last = first + (len - first) / 2;
            for (size_t i = 0; i < len; i++)
                bytes[i] = (char)(i % 3 == 0 ? '/' + 1 : i % 3 == 1 ? '/' - 1 : '/' + 0x80);
            struct str text = {bytes, len};
            assert_int_equal(text_find(text, '/'), -1);
            assert_int_equal(text_find_last(text, '/'), -1);
            bytes[first] = bytes[last] = '/';
            assert_int_equal(text_find(text, '/'), first);
            assert_int_equal(text_find_last(text, '/'), last);
        }
    }
}

static void test_cutting(void **state)
{
    (void)state;
    assert_int_equal(text_find(STR("a/b/c"), '/'), 1);
    assert_int_equal(text_find_last(STR("a/b/c"), '/'), 3);
    assert_int_equal(text_find(STR("abc"), '/'), -1);
    assert_int_equal(text_find_last(STR("abc"), '/'), -1);
    assert_int_equal(text_find((struct str){0}, '/'), -1);
    assert_true(text_is(text_from_byte(STR("abc"), 1), "bc"));
    assert_int_equal(text_from_byte(STR("abc"), 3).len, 0);
    assert_int_equal(text_from_byte(STR("abc"), SIZE_MAX).len, 0);
    assert_true(text_is(text_first(STR("abc"), 2), "ab"));
    assert_true(text_is(text_first(STR("abc"), 9), "abc"));
    assert_true(text_is(text_trim(STR(" \t a b\r\n ")), "a b"));
    assert_int_equal(text_trim(STR(" \t ")).len, 0);
}

static void test_split(void **state)
{
    static const struct {
        const char *text, *parts; /* each part in brackets */
    } rows[] = {{"", ""},        {"a", "[a]"}, {"a,b", "[a][b]"},   {"a,", "[a]"},
                {",a", "[][a]"}, {",", "[]"},  {"a,,b", "[a][][b]"}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char memory[32];
        struct buf buf = buf_on(memory, sizeof(memory));
        struct str rest = text_from(rows[i].text), part;
        while (text_split(&rest, ',', &part)) {
            buf_put_char(&buf, '[');
            buf_put(&buf, part);
            buf_put_char(&buf, ']');
        }
        assert_true(text_is(buf_str(&buf), rows[i].parts));
    }
}

static void test_distance(void **state)
{
    static const struct {
        const char *a, *b;
        size_t expected;
    } rows[] = {
        {"", "", 0},          {"list", "list", 0}, {"lst", "list", 1},       {"list", "lst", 1},
        {"liszt", "list", 1}, {"sit", "set", 1},   {"kitten", "sitting", 3}, {"", "abc", 3},
    };
    char longest[TEXT_WORD_MAX + 1], longer[TEXT_WORD_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(text_distance(text_from(rows[i].a), text_from(rows[i].b)),
                         rows[i].expected);
    memset(longest, 'x', sizeof(longest));
    memset(longer, 'x', sizeof(longer));
    longest[TEXT_WORD_MAX - 1] = 'y';
    longer[TEXT_WORD_MAX] = 'y'; /* beyond what is compared */
    assert_int_equal(text_distance((struct str){longest, TEXT_WORD_MAX},
                                   (struct str){longer, TEXT_WORD_MAX + 1}),
                     1);
}

static void test_copy(void **state)
{
    char out[4];
    (void)state;
    assert_int_equal(text_copy(STR("abc"), out, sizeof(out)), 0);
    assert_string_equal(out, "abc");
    assert_int_equal(text_copy(STR("abcd"), out, sizeof(out)), -P2P_ETOOBIG);
    assert_string_equal(out, "");
    assert_int_equal(text_copy((struct str){0}, out, 1), 0);
    assert_int_equal(text_copy(STR("a"), out, 0), -P2P_ETOOBIG);
}

static void test_u64(void **state)
{
    static const struct {
        const char *text;
        uint64_t max;
        int result;
        uint64_t value;
    } rows[] = {
        {"0", 9, 0, 0},
        {"9", 9, 0, 9},
        {"10", 9, -P2P_ETOOBIG, 0},
        {"007", 9, 0, 7},
        {"", 9, -P2P_EINVAL, 0},
        {"-1", 9, -P2P_EINVAL, 0},
        {"+1", 9, -P2P_EINVAL, 0},
        {" 1", 9, -P2P_EINVAL, 0},
        {"1x", 9, -P2P_EINVAL, 0},
        {"18446744073709551615", UINT64_MAX, 0, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, -P2P_ETOOBIG, 0},
        {"99999999999999999999999", UINT64_MAX, -P2P_ETOOBIG, 0},
        {"99999999999999999999x", UINT64_MAX, -P2P_EINVAL, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t value = 0;
        int result = text_to_u64(text_from(rows[i].text), rows[i].max, &value);
        if (result != rows[i].result || value != rows[i].value)
            fail_msg("%s: %d", rows[i].text, result);
    }
}

static void test_units(void **state)
{
    static const struct {
        const char *text;
        char kind; /* s: size, t: time, r: rate */
        int result;
        uint64_t value;
    } rows[] = {
        {"512", 's', 0, 512},
        {"0", 's', 0, 0},
        {"64K", 's', 0, 65536},
        {"1.5M", 's', 0, 1572864},
        {"2G", 's', 0, UINT64_C(2) << 30},
        {"0.5K", 's', 0, 512},
        {"0.0009765625K", 's', 0, 0},
        {"1.9999999999999999999999K", 's', 0, 2047},
        {"1.999999999K", 's', 0, 2047},
        {"", 's', -P2P_EINVAL, 0},
        {"K", 's', -P2P_EINVAL, 0},
        {".5K", 's', -P2P_EINVAL, 0},
        {"1.K", 's', -P2P_EINVAL, 0},
        {"1.5", 's', -P2P_EINVAL, 0},
        {"1k", 's', -P2P_EINVAL, 0},
        {"1KB", 's', -P2P_EINVAL, 0},
        {"1 K", 's', -P2P_EINVAL, 0},
        {"-1K", 's', -P2P_EINVAL, 0},
        {"17179869183G", 's', 0, UINT64_C(17179869183) << 30},
        {"17179869184G", 's', -P2P_ETOOBIG, 0},
        {"1.2.3K", 's', -P2P_EINVAL, 0},
        {"250ms", 't', 0, 250},
        {"10s", 't', 0, 10000},
        {"5m", 't', 0, 300000},
        {"2h", 't', 0, 7200000},
        {"7d", 't', 0, 604800000},
        {"1.5s", 't', 0, 1500},
        {"0.25h", 't', 0, 900000},
        {"0", 't', 0, 0},
        {"0s", 't', 0, 0},
        {"10", 't', -P2P_EINVAL, 0},
        {"", 't', -P2P_EINVAL, 0},
        {"s", 't', -P2P_EINVAL, 0},
        {"1.5ms", 't', -P2P_EINVAL, 0},
        {"-1s", 't', -P2P_EINVAL, 0},
        {"106751991167d", 't', 0, UINT64_C(106751991167) * 86400000},
        {"106751991168d", 't', -P2P_ETOOBIG, 0},
        {"1w", 't', -P2P_EINVAL, 0},
        {"2M/s", 'r', 0, 2 << 20},
        {"0", 'r', 0, 0},
        {"0/s", 'r', 0, 0},
        {"512/s", 'r', 0, 512},
        {"2M", 'r', -P2P_EINVAL, 0},
        {"/s", 'r', -P2P_EINVAL, 0},
        {"2M/m", 'r', -P2P_EINVAL, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t value = 0;
        int64_t ms = 0;
        struct str text = text_from(rows[i].text);
        int result = rows[i].kind == 's'   ? text_to_size(text, &value)
                     : rows[i].kind == 'r' ? text_to_rate(text, &value)
                                           : text_to_ms(text, &ms);
        if (rows[i].kind == 't')
            value = (uint64_t)ms;
        if (result != rows[i].result || value != rows[i].value)
            fail_msg("%s: %d, %llu", rows[i].text, result, (unsigned long long)value);
    }
}

/* Each byte in each place, among enough digits that words are read. */
static void test_hex_each_byte(void **state)
{
    (void)state;
    for (unsigned value = 0; value < 256; value++) {
        for (size_t at = 0; at < 18; at++) {
            char hex[19] = "0123456789abcdefAF", *end;
            uint8_t bytes[9];
            hex[at] = (char)value;
            bool good = value != 0 && strchr("0123456789abcdefABCDEF", (int)value) != NULL;
            assert_int_equal(text_hex_decode((struct str){hex, 18}, bytes, 9),
                             good ? 0 : -P2P_EINVAL);
            char pair[3] = {hex[at & ~(size_t)1], hex[at | 1], 0};
            if (good)
                assert_int_equal(bytes[at / 2], strtol(pair, &end, 16));
        }
    }
}

static void test_hex(void **state)
{
    uint8_t bytes[3] = {0};
    char text[7];
    (void)state;
    assert_int_equal(text_hex_decode(STR("00aFf9"), bytes, 3), 0);
    text_hex_encode(bytes, 3, text);
    assert_string_equal(text, "00aff9");
    assert_int_equal(text_hex_decode(STR(""), bytes, 0), 0);
    static const char *const bad[] = {"00aff",  "00aff9a", "00aff9aa", "00afg9",
                                      "0x0000", " 0aff9",  ""};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(text_hex_decode(text_from(bad[i]), bytes, 3), -P2P_EINVAL);
}

static void test_utf8(void **state)
{
    static const struct {
        const char *text;
        int32_t rune;
        size_t len;
    } rows[] = {
        {"a", 'a', 1},
        {"\x7f", 0x7f, 1},
        {"\xc2\x80", 0x80, 2},
        {"\xdf\xbf", 0x7ff, 2},
        {"\xe0\xa0\x80", 0x800, 3},
        {"\xed\x9f\xbf", 0xd7ff, 3},
        {"\xee\x80\x80", 0xe000, 3},
        {"\xef\xbf\xbf", 0xffff, 3},
        {"\xf0\x90\x80\x80", 0x10000, 4},
        {"\xf4\x8f\xbf\xbf", 0x10ffff, 4},
        {"\x80", -1, 1},
        {"\xbf", -1, 1},
        {"\xc0\x80", -1, 1},
        {"\xc1\xbf", -1, 1},
        {"\xc2", -1, 1},
        {"\xc2"
         "a",
         -1, 1},
        {"\xe0\x9f\xbf", -1, 1},
        {"\xe0\xa0", -1, 1},
        {"\xed\xa0\x80", -1, 1},
        {"\xed\xbf\xbf", -1, 1},
        {"\xf0\x8f\xbf\xbf", -1, 1},
        {"\xf4\x90\x80\x80", -1, 1},
        {"\xf5\x80\x80\x80", -1, 1},
        {"\xff", -1, 1},
        {"\xf0\x90\x80", -1, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t len;
        int32_t rune = text_next_rune(text_from(rows[i].text), &len);
        if (rune != rows[i].rune || len != rows[i].len)
            fail_msg("row %zu: %d, %zu", i, (int)rune, len);
        assert_int_equal(text_is_utf8(text_from(rows[i].text)), rune >= 0);
    }
    assert_true(text_is_utf8(STR("")) && text_is_utf8(STR("a\xc3\xa9z")));
    assert_false(text_is_utf8(STR("a\xc3\xa9z\xc3")));
}

static void test_url_decode(void **state)
{
    static const struct {
        const char *text, *value;
        ptrdiff_t result;
    } rows[] = {
        {"", "", 0},
        {"abc", "abc", 3},
        {"a%20b", "a b", 3},
        {"%c3%A9", "\xc3\xa9", 2},
        {"a+b", "a+b", 3},
        {"%25", "%", 1},
        {"%", "", -P2P_EINVAL},
        {"%1", "", -P2P_EINVAL},
        {"%1g", "", -P2P_EINVAL},
        {"%00", "", -P2P_EINVAL},
        {"12345678", "12345678", 8},
        {"123456789", "", -P2P_ETOOBIG},
        {"1234567%38", "12345678", 8},
        {"12345678%39", "", -P2P_ETOOBIG},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[8];
        ptrdiff_t result = text_url_decode(text_from(rows[i].text), out, sizeof(out));
        if (result != rows[i].result ||
            (result >= 0 && !text_is((struct str){out, (size_t)result}, rows[i].value)))
            fail_msg("%s: %d", rows[i].text, (int)result);
    }
}

static void test_buf_bounds(void **state)
{
    char memory[8];
    struct buf buf;
    (void)state;
    for (size_t size = 7; size <= 9; size++) {
        memset(memory, '#', sizeof(memory));
        buf = buf_on(memory, sizeof(memory));
        buf_put(&buf, (struct str){"123456789", size});
        assert_int_equal(buf.full, size > 8);
        assert_int_equal(buf.len, size > 8 ? 0 : size);
    }
    /* What was whole stays, and nothing follows what did not fit. */
    buf = buf_on(memory, sizeof(memory));
    buf_put_text(&buf, "12345");
    buf_put_text(&buf, "6789");
    buf_put_char(&buf, 'x');
    buf_printf(&buf, "%d", 1);
    buf_put_hex(&buf, (const uint8_t *)"a", 1);
    assert_true(buf.full && text_is(buf_str(&buf), "12345"));
    buf = buf_on(memory, sizeof(memory));
    buf_printf(&buf, "%s", "1234567");
    assert_true(!buf.full && text_is(buf_str(&buf), "1234567"));
    buf = buf_on(memory, sizeof(memory));
    buf_printf(&buf, "%s", "12345678"); /* no spare byte */
    assert_true(buf.full && buf.len == 0);
    buf = buf_on(NULL, 0);
    buf_put(&buf, (struct str){0});
    assert_false(buf.full);
    buf_put_char(&buf, 'x');
    assert_true(buf.full);
}

static void test_buf_numbers(void **state)
{
    char memory[128];
    struct buf buf = buf_on(memory, sizeof(memory));
    (void)state;
    buf_put_i64(&buf, 0);
    buf_put_char(&buf, ' ');
    buf_put_i64(&buf, INT64_MIN);
    buf_put_char(&buf, ' ');
    buf_put_i64(&buf, INT64_MAX);
    buf_put_char(&buf, ' ');
    buf_put_u64(&buf, UINT64_MAX);
    buf_put_char(&buf, ' ');
    buf_put_hex(&buf, (const uint8_t *)"\x00\xff", 2);
    assert_true(text_is(buf_str(&buf),
                        "0 -9223372036854775808 9223372036854775807 18446744073709551615 00ff"));
}

static void test_buf_for_people(void **state)
{
    static const struct {
        char kind;
        int64_t value;
        const char *expected;
    } rows[] = {
        {'s', 0, "0 B"},
        {'s', 1023, "1023 B"},
        {'s', 1024, "1.0 KiB"},
        {'s', 1536, "1.5 KiB"},
        {'s', 102348, "99.9 KiB"},
        {'s', 102400, "100 KiB"},
        {'s', 1048575, "1.0 MiB"},
        {'s', INT64_C(3) << 30, "3.0 GiB"},
        {'s', INT64_MAX, "8.0 EiB"},
        {'d', -5, "0.0 s"},
        {'d', 0, "0.0 s"},
        {'d', 999, "0.9 s"},
        {'d', 9999, "9.9 s"},
        {'d', 10000, "10 s"},
        {'d', 59999, "59 s"},
        {'d', 60000, "1:00"},
        {'d', 3599999, "59:59"},
        {'d', 3600000, "1:00:00"},
        {'d', 90061000, "25:01:01"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char memory[32];
        struct buf buf = buf_on(memory, sizeof(memory));
        if (rows[i].kind == 's')
            buf_put_size(&buf, (uint64_t)rows[i].value);
        else
            buf_put_duration(&buf, rows[i].value);
        if (!text_is(buf_str(&buf), rows[i].expected))
            fail_msg("%s: %.*s", rows[i].expected, (int)buf.len, buf.ptr);
    }
}

static void test_buf_encodings(void **state)
{
    static const struct {
        char kind; /* s: shown, p: path, v: value, d: disposition, x: XML, 6: base64 */
        struct str text;
        const char *expected;
    } rows[] = {
        {'s', {"a\xc3\xa9 b\\", 6}, "a\xc3\xa9 b\\"},
        {'s', {"\n\r\t\x1b\x7f\0", 6}, "\\n\\r\\t\\x1b\\x7f\\x00"},
        {'s',
         {"\xff"
          "a\xc3",
          3},
         "\\xffa\\xc3"},
        {'s', {"\xe2\x80\xae", 3}, "\\u202e"},
        {'s', {"\xc2\x9b", 2}, "\\u009b"},
        {'s', {"\xe2\x81\xa6", 3}, "\\u2066"},
        {'s', {"\xef\xbb\xbf", 3}, "\\ufeff"},
        {'s', {"\xc2\xa0\xe2\x80\xa7", 5}, "\xc2\xa0\xe2\x80\xa7"},
        {'p', {"a/b c?#%\xc3\xa9~", 11}, "a/b%20c%3F%23%25%C3%A9~"},
        {'v', {"a/b+&=", 6}, "a%2Fb%2B%26%3D"},
        {'p', {"-._~09azAZ", 10}, "-._~09azAZ"},
        {'d', {"a b.txt", 7}, "filename=\"a b.txt\""},
        {'d', {"a\"b\\", 4}, "filename=\"a_b_\"; filename*=UTF-8''a%22b%5C"},
        {'d', {"\xc3\xa9/%", 4}, "filename=\"__/_\"; filename*=UTF-8''%C3%A9%2F%25"},
        {'d', {"a\r\nb", 4}, "filename=\"a__b\"; filename*=UTF-8''a%0D%0Ab"},
        {'x', {"a b]]>\xc3\xa9\xf0\x9f\x98\x80", 12}, "a b]]&gt;\xc3\xa9\xf0\x9f\x98\x80"},
        {'x', {"<\"&'>", 5}, "&lt;&quot;&amp;&#39;&gt;"},
        {'x', {"&amp;", 5}, "&amp;amp;"},
        {'x', {"\t\n\r", 3}, "&#9;&#10;&#13;"},
        {'x', {"\0\x1f\xff\xc3", 4}, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {'x', {"\xef\xbf\xbe\xef\xbf\xbf", 6}, "\xef\xbf\xbd\xef\xbf\xbd"},
        {'x', {"\x7f\xc2\x85\xef\xbf\xbd", 6}, "\x7f\xc2\x85\xef\xbf\xbd"},
        {'x', {"", 0}, ""},
        {'6', {"", 0}, ""}, /* RFC 4648, 10 */
        {'6', {"f", 1}, "Zg=="},
        {'6', {"fo", 2}, "Zm8="},
        {'6', {"foo", 3}, "Zm9v"},
        {'6', {"foob", 4}, "Zm9vYg=="},
        {'6', {"fooba", 5}, "Zm9vYmE="},
        {'6', {"foobar", 6}, "Zm9vYmFy"},
        {'6', {"\xfb\xef\xff\x00\x10\x83", 6}, "++//ABCD"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char memory[128];
        struct buf buf = buf_on(memory, sizeof(memory));
        if (rows[i].kind == 's')
            buf_put_shown(&buf, rows[i].text);
        else if (rows[i].kind == 'p')
            buf_put_url_path(&buf, rows[i].text);
        else if (rows[i].kind == 'v')
            buf_put_url_value(&buf, rows[i].text);
        else if (rows[i].kind == 'x')
            buf_put_xml(&buf, rows[i].text);
        else if (rows[i].kind == '6')
            buf_put_base64(&buf, (const uint8_t *)rows[i].text.ptr, rows[i].text.len);
        else
            buf_put_disposition(&buf, rows[i].text);
        if (!text_is(buf_str(&buf), rows[i].expected))
            fail_msg("%s: %.*s", rows[i].expected, (int)buf.len, buf.ptr);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find_anywhere),
        cmocka_unit_test(test_comparing),
        cmocka_unit_test(test_cutting),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_u64),
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_hex_each_byte),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_url_decode),
        cmocka_unit_test(test_buf_bounds),
        cmocka_unit_test(test_buf_numbers),
        cmocka_unit_test(test_buf_for_people),
        cmocka_unit_test(test_buf_encodings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
