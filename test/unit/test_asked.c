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

enum { PACE_US = 100000, LATE_MS = PACE_US / 1000 * SPARE_LATE, BEGIN_MS = 20000 };

/* Pieces of a content, each as far as its letter says: a: asked for; l: left to the kernel; s:
 * sent;
 * -: nothing of it. All of that at BEGIN_MS. */
static void play(const char *pieces, uint32_t pace_us)
{
    asked_init(&asked);
    for (uint32_t i = 0; pieces[i] != 0; i++) {
        if (pieces[i] != '-')
            asked_note(&asked, content, i, BEGIN_MS);
        if (pieces[i] == 'l' || pieces[i] == 's')
            asked_left(&asked, content, pace_us);
        if (pieces[i] == 's')
            asked_sure(&asked, content, i, BEGIN_MS);
    }
}

static bool is_spared(const uint8_t *of, uint32_t piece, uint32_t pieces, int64_t now_ms)
{
    const struct asked_look look = {piece, pieces, 0, now_ms};
    return asked_is_spared(&asked, of, &look);
}

static void test_spared(void **state)
{
    static const struct {
        const char *pieces;
        uint32_t piece;
        int64_t after_ms;
        bool spared;
    } rows[] = {
        {"s-------", 0, 0, true},
        {"s-------", 1, 0, false},
        {"s-------", 8, 0, false},
        {"s-------", 0, SPARE_MS - 1, true},
        {"s-------", 0, SPARE_MS, false},
        {"sl------", 1, LATE_MS - 1, true},
        {"sl------", 1, LATE_MS, false},
        {"sa------", 1, LATE_MS - 1, true},
        {"sa------", 1, LATE_MS, false},
        {"sssssss-", 0, 0, true},
        {"ssssssss", 0, 0, false},
        {"aaaaaaaa", 0, 0, false}, /* how fast they leave is not known yet */
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t now_ms = BEGIN_MS + rows[i].after_ms;
        play(rows[i].pieces, PACE_US);
        if (is_spared(content, rows[i].piece, 8, now_ms) != rows[i].spared)
            fail_msg("row %zu", i);
        assert_false(is_spared(other, rows[i].piece, 8, now_ms));
    }
}

/* To the last one, unless little else is being sent. */
static void test_the_end(void **state)
{
    static const struct {
        uint32_t pieces, asked, sending;
        bool spared;
    } rows[] = {
        {SPARE_PART - 1, SPARE_PART - 2, 0, true},
        {SPARE_PART - 1, SPARE_PART - 1, 8, false},
        {SPARE_PART, SPARE_PART - 2, 0, true},
        {SPARE_PART, SPARE_PART - 1, 0, false},
        {SPARE_PART, SPARE_PART - 1, SPARE_SENDING - 1, false},
        {SPARE_PART, SPARE_PART - 1, SPARE_SENDING, true},
        {SPARE_PART, SPARE_PART - 1, SPARE_SENDING + 1, true},
        {SPARE_PART, SPARE_PART, SPARE_SENDING, false},
        {SPARE_PART + 1, SPARE_PART - 1, 0, true},
        {SPARE_PART + 1, SPARE_PART, 0, false},
        {SPARE_PART + 1, SPARE_PART, SPARE_SENDING, true},
        {P2P_PIECES_AIM, P2P_PIECES_AIM - P2P_PIECES_AIM / SPARE_PART - 1, 0, true},
        {P2P_PIECES_AIM, P2P_PIECES_AIM - P2P_PIECES_AIM / SPARE_PART, 0, false},
        {P2P_PIECES_AIM, P2P_PIECES_AIM - 1, SPARE_SENDING, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct asked_look look = {0, rows[i].pieces, rows[i].sending, BEGIN_MS};
        asked_init(&asked);
        for (uint32_t k = 0; k < rows[i].asked; k++)
            asked_note(&asked, content, k, BEGIN_MS);
        asked_left(&asked, content, PACE_US);
        if (asked_is_spared(&asked, content, &look) != rows[i].spared)
            fail_msg("row %zu", i);
    }
}

/* Not of a content that leaves fast, nor of one of too many pieces. */
static void test_worth_it(void **state)
{
    static const struct {
        uint32_t pace_us, pieces;
        bool spared;
    } rows[] = {
        {SPARE_PACE_US - 1, P2P_PIECES_AIM, false},
        {SPARE_PACE_US, P2P_PIECES_AIM, true},
        {SPARE_PACE_US + 1, P2P_PIECES_AIM - 1, true},
        {SPARE_PACE_US + 1, P2P_PIECES_AIM + 1, false},
        {SPARE_FROM_MS * 1000 / 8 - 1, 8, false},
        {SPARE_FROM_MS * 1000 / 8, 8, true},
        {SPARE_FROM_MS * 1000 / 8 + 1, 8, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        play("s--", rows[i].pace_us);
        if (is_spared(content, 0, rows[i].pieces, BEGIN_MS) != rows[i].spared)
            fail_msg("row %zu", i);
    }
}

static void test_pace_is_a_mean(void **state)
{
    (void)state;
    play("s", 100000);
    asked_left(&asked, content, 20000);
    assert_int_equal(asked.pace_us, 90000);
    for (uint32_t i = 0; i < 64; i++)
        asked_left(&asked, content, 0);
    assert_true(asked.pace_us < SPARE_PACE_US);
}

/* Those who ask after a pause are others. */
static void test_spared_ends(void **state)
{
    static const struct {
        int64_t after_ms;
        bool kept;
    } rows[] = {{9999, true}, {10000, false}, {10001, false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t now_ms = BEGIN_MS + rows[i].after_ms;
        play("s", PACE_US);
        asked_note(&asked, content, 2, now_ms);
        asked_left(&asked, content, PACE_US);
        asked_sure(&asked, content, 2, now_ms);
        assert_int_equal(is_spared(content, 0, 8, now_ms), rows[i].kept);
        assert_true(is_spared(content, 2, 8, now_ms));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_once),      cmocka_unit_test(test_room),
        cmocka_unit_test(test_longest),        cmocka_unit_test(test_log),
        cmocka_unit_test(test_one_content),    cmocka_unit_test(test_spared),
        cmocka_unit_test(test_the_end),        cmocka_unit_test(test_worth_it),
        cmocka_unit_test(test_pace_is_a_mean), cmocka_unit_test(test_spared_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
