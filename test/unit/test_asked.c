/* SPDX-License-Identifier: MIT */
/* What is told of the pieces that a whole file was asked for: each once, the latest first, as many
 * as there is room for, and of one content at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "peer/asked.h"

static const uint8_t content[P2P_SHA256_SIZE] = {1}, other[P2P_SHA256_SIZE] = {2};
static struct asked asked;

static void assert_news(const uint8_t which[static P2P_SHA256_SIZE], uint64_t *told, size_t room,
                        const char *expected)
{
    char text[512];
    struct buf buf = buf_on(text, room);
    asked_news(&asked, which, told, &buf);
    assert_int_equal(buf.len, strlen(expected));
    assert_memory_equal(text, expected, buf.len);
}

static void test_each_once(void **state)
{
    uint64_t told = 0, late = 0;
    (void)state;
    asked_init(&asked);
    assert_news(content, &told, 512, "");
    asked_note(&asked, content, 17, 5000);
    asked_note(&asked, content, 4000000000u, 5001);
    assert_news(content, &told, 512, "4000000000,17");
    assert_news(content, &told, 512, "");
    asked_note(&asked, content, 40, 5002);
    assert_news(content, &told, 512, "40");
    assert_news(content, &late, 512, "40,4000000000,17");
    assert_news(other, &late, 512, "");
}

/* A number is not cut, and what found no room is not told later. */
static void test_room(void **state)
{
    static const struct {
        size_t room;
        const char *expected;
    } rows[] = {{11, ""}, {12, "12"}, {13, "12"}, {14, "12,11"}, {16, "12,11"}, {17, "12,11,10"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t told = 0;
        asked_init(&asked);
        for (uint32_t piece = 10; piece <= 12; piece++)
            asked_note(&asked, content, piece, 5000);
        assert_news(content, &told, rows[i].room, rows[i].expected);
        assert_news(content, &told, 512, "");
    }
}

static void test_longest(void **state)
{
    uint64_t told = 0;
    (void)state;
    asked_init(&asked);
    asked_note(&asked, content, 4000000000u, 5000);
    asked_note(&asked, content, 4000000001u, 5000);
    assert_news(content, &told, 22, "4000000001,4000000000");
}

static void test_log(void **state)
{
    (void)state;
    for (uint32_t count = ASKED_LOG - 1; count <= ASKED_LOG + 1; count++) {
        uint64_t told = 0;
        char text[512];
        struct buf buf = buf_on(text, sizeof text);
        int numbers = 0;
        asked_init(&asked);
        for (uint32_t piece = 0; piece < count; piece++)
            asked_note(&asked, content, piece, 5000);
        asked_news(&asked, content, &told, &buf);
        for (size_t i = 0; i < buf.len; i++)
            numbers += text[i] == ',';
        assert_int_equal(numbers + 1, count < ASKED_LOG ? count : ASKED_LOG);
    }
}

/* Another content takes the place when nobody asks for the first any more, and tells nothing of it.
 */
static void test_one_content(void **state)
{
    static const struct {
        int64_t after_ms;
        const char *first, *second;
    } rows[] = {{999, "7", ""}, {1000, "", "8"}, {1001, "", "8"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t told = 0, told_other = 0;
        asked_init(&asked);
        asked_note(&asked, content, 7, 5000);
        asked_note(&asked, other, 8, 5000 + rows[i].after_ms);
        assert_news(content, &told, 512, rows[i].first);
        assert_news(other, &told_other, 512, rows[i].second);
    }
}

/* What was asked for is out while something else was not sent: in a content that has room for it.
 */
static void test_out(void **state)
{
    static const struct {
        uint32_t pieces, asked, gone, piece;
        bool out;
    } rows[] = {
        {4, 1, 0, 0, true},
        {4, 1, 0, 1, false},
        {4, 4, 3, 0, true},
        {4, 4, 3, 3, true},
        {4, 4, 4, 0, false},
        {4, 4, 4, 4, false},
        {P2P_PIECES_AIM - 1, P2P_PIECES_AIM - 1, 1, P2P_PIECES_AIM - 2, true},
        {P2P_PIECES_AIM, P2P_PIECES_AIM, 1, P2P_PIECES_AIM - 1, true},
        {P2P_PIECES_AIM + 1, P2P_PIECES_AIM + 1, 1, P2P_PIECES_AIM, false},
        {P2P_PIECES_AIM + 1, P2P_PIECES_AIM + 1, 1, 0, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        asked_init(&asked);
        for (uint32_t piece = 0; piece < rows[i].asked; piece++)
            asked_note(&asked, content, piece, 5000);
        for (uint32_t piece = 0; piece < rows[i].gone; piece++) {
            asked_gone(&asked, content, piece);
            asked_gone(&asked, content, piece);
        }
        if (asked_is_out(&asked, content, rows[i].piece, rows[i].pieces) != rows[i].out)
            fail_msg("row %zu", i);
        assert_false(asked_is_out(&asked, other, rows[i].piece, rows[i].pieces));
    }
}

/* Those who ask after a pause are others. */
static void test_out_ends(void **state)
{
    static const struct {
        int64_t after_ms;
        bool out;
    } rows[] = {{9999, true}, {10000, false}, {10001, false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        asked_init(&asked);
        asked_note(&asked, content, 1, 20000);
        asked_note(&asked, content, 2, 20000 + rows[i].after_ms);
        assert_int_equal(asked_is_out(&asked, content, 1, 8), rows[i].out);
        assert_true(asked_is_out(&asked, content, 2, 8));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_once),   cmocka_unit_test(test_room),
        cmocka_unit_test(test_longest),     cmocka_unit_test(test_log),
        cmocka_unit_test(test_one_content), cmocka_unit_test(test_out),
        cmocka_unit_test(test_out_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
