/* SPDX-License-Identifier: MIT */
/* What others may have of a download: which ranges, which bits, which news, and when what was
 * promised does not stand any more. */
#include "rig_file.h"

#include "swarm/held.h"

#include "platform/plat_file.h"
#include "wire/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECES = 10, PIECE = P2P_PIECE_MIN, LAST = 100 };
static const int64_t size = (int64_t)(PIECES - 1) * PIECE + LAST;

static struct held held;
static uint8_t bits[4096];

static void open_of(int64_t bytes)
{
    struct record_content content;
    struct held_source source = {.content = &content, .size = bytes, .bits = bits};
    memset(&content, 7, sizeof content);
    source.file = rig_open_unnamed();
    source.chain_file = rig_open_unnamed();
    memset(bits, 0xff, sizeof bits);
    held_open(&held, &source);
}

static int setup(void **state)
{
    (void)state;
    held_init(&held);
    open_of(size);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    held_close(&held);
    return 0;
}

static struct held_ask range(int64_t first, int64_t length, bool proven)
{
    return (struct held_ask){.serial = held.serial,
                             .file = held.file,
                             .first = first,
                             .length = length,
                             .proven = proven};
}

/* Pieces 2, 3, 4 and the last one are here; 4 and the last are proven. */
static void test_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t first, length;
        bool consistent, proven;
    } rows[] = {
        {"nothing of it", 0, 0, true, true},
        {"a piece that is not here", 0, PIECE, false, false},
        {"last byte before", 2 * PIECE - 1, 1, false, false},
        {"first byte", 2 * PIECE, 1, true, false},
        {"from a byte before", 2 * PIECE - 1, 2, false, false},
        {"one piece", 2 * PIECE, PIECE, true, false},
        {"to its last byte", 3 * PIECE - 1, 1, true, false},
        {"two pieces", 2 * PIECE, 2 * PIECE, true, false},
        {"over a boundary", 3 * PIECE - 1, 2, true, false},
        {"all three", 2 * PIECE, 3 * PIECE, true, false},
        {"a byte more than three", 2 * PIECE, 3 * PIECE + 1, false, false},
        {"a byte before what is proven", 4 * PIECE - 1, 2, true, false},
        {"proven", 4 * PIECE, PIECE, true, true},
        {"the last piece", 9 * PIECE, LAST, true, true},
        {"its last byte", size - 1, 1, true, true},
        {"a byte before it too", 9 * PIECE - 1, LAST + 1, false, false},
        {"behind the end, in the last piece's room", size, 1, true, true},
        {"behind all pieces", 10 * PIECE, 1, false, false},
        {"all", 0, size, false, false},
    };
    uint32_t here[] = {2, 3, 4, 9};
    for (size_t i = 0; i < sizeof here / sizeof *here; i++)
        held_add(&held, here[i]);
    held_prove(&held, 4);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct held_ask any = range(rows[i].first, rows[i].length, false);
        struct held_ask proven = range(rows[i].first, rows[i].length, true);
        if (held_has(&held, &any) != rows[i].consistent ||
            held_has(&held, &proven) != rows[i].proven)
            fail_msg("%s", rows[i].name);
    }
}

/* What was promised under one serial stands until something of it was withdrawn. */
static void test_what_ends_a_promise(void **state)
{
    (void)state;
    static const uint8_t id[P2P_CHAIN_ID_SIZE] = {1};
    static const struct {
        const char *name;
        enum { ADD, PROVE, SETTLE, DROP, BIND, CLOSE, OPEN } what;
        bool stands;
    } rows[] = {{"another piece", ADD, true},      {"proof", PROVE, true},
                {"the name", SETTLE, true},        {"a piece withdrawn", DROP, false},
                {"another chain", BIND, false},    {"closed", CLOSE, false},
                {"the next download", OPEN, false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        open_of(size);
        held_add(&held, 5);
        held_add(&held, 6);
        struct held_ask ask = range(5 * (int64_t)PIECE, PIECE, false);
        struct held_ask nothing = range(0, 0, false);
        uint8_t copy;
        assert_true(held_has(&held, &ask));
        switch (rows[i].what) {
        case ADD:
            held_add(&held, 7);
            break;
        case PROVE:
            held_prove(&held, 6);
            break;
        case SETTLE:
            held_settle(&held);
            break;
        case DROP:
            held_drop(&held, 6);
            break;
        case BIND:
            held_bind(&held, id, 320);
            break;
        case CLOSE:
            held_close(&held);
            break;
        default:
            open_of(size);
            held_add(&held, 5);
        }
        if (held_has(&held, &ask) != rows[i].stands ||
            held_has(&held, &nothing) != rows[i].stands ||
            held_copy(&held, &ask, 0, &copy, 1) != rows[i].stands)
            fail_msg("%s", rows[i].name);
    }
}

/* A file that has its name can be written to by others: its time tells. */
static void test_settled_file_is_changed(void **state)
{
    (void)state;
    struct timespec now[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    held_add(&held, 0);
    struct held_ask ask = range(0, PIECE, false);
    assert_int_equal(futimens(held.file, now), 0);
    assert_true(held_has(&held, &ask));
    held_settle(&held);
    assert_true(held_has(&held, &ask));
    now[1].tv_nsec = 1;
    assert_int_equal(futimens(held.file, now), 0);
    assert_false(held_has(&held, &ask));
}

static void test_counts(void **state)
{
    (void)state;
    static const struct {
        int64_t bytes;
        uint32_t here;
        unsigned percent;
    } rows[] = {
        {2 * PIECE, 0, 0},         {2 * PIECE, 1, 50},           {2 * PIECE, 2, 100},
        {PIECE + 1, 1, 50},        {1000 * PIECE, 9, 0},         {1000 * PIECE, 10, 1},
        {1000 * PIECE, 999, 99},   {1000 * PIECE, 1000, 100},    {2048 * PIECE, 2047, 99},
        {INT64_C(16) << 30, 1, 0}, {INT64_C(16) << 30, 512, 25},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        open_of(rows[i].bytes);
        assert_int_equal(held_percent(&held), 0);
        for (uint32_t k = 0; k < rows[i].here; k++)
            held_add(&held, k);
        assert_int_equal(held_percent(&held), rows[i].percent);
        assert_int_equal(held.count, rows[i].here);
    }
    held_close(&held);
    assert_int_equal(held_percent(&held), 0);
}

static void test_is_of(void **state)
{
    (void)state;
    uint8_t name[P2P_SHA256_SIZE];
    memset(name, 7, sizeof name);
    assert_true(held_is_of(&held, name));
    name[31]++;
    assert_false(held_is_of(&held, name));
    name[31]--;
    held_close(&held);
    assert_false(held_is_of(&held, name));
}

/* Without a chain's name only proven pieces are in the bitmap, wherever the proof has come to. */
static void test_bitmaps(void **state)
{
    (void)state;
    open_of(20 * (int64_t)PIECE);
    for (uint32_t i = 0; i < 20; i++)
        held_add(&held, i);
    held_drop(&held, 10);
    static const uint8_t all[3] = {0xff, 0xdf, 0xf0};
    for (uint32_t frontier = 0; frontier <= 20; frontier++) {
        uint8_t out[3] = {0}, expected[3] = {0};
        held_prove(&held, frontier);
        for (uint32_t i = frontier; i < 20; i++)
            expected[i / 8] = (uint8_t)(expected[i / 8] | (all[i / 8] & 0x80 >> i % 8));
        struct held_ask ask = range(0, 0, true);
        for (size_t offset = 0; offset < 3; offset++)
            assert_true(held_copy(&held, &ask, offset, out + offset, 1));
        assert_memory_equal(out, expected, 3);
        assert_true(held_copy(&held, &ask, 0, out, 3));
        assert_memory_equal(out, expected, 3);
        ask.proven = false;
        assert_true(held_copy(&held, &ask, 0, out, 3));
        assert_memory_equal(out, all, 3);
    }
    uint8_t more[4];
    struct held_ask ask = range(0, 0, false);
    assert_true(held_copy(&held, &ask, 3, more, 0));
    assert_false(held_copy(&held, &ask, 3, more, 1));
    assert_false(held_copy(&held, &ask, 0, more, 4));
}

/* The list as text; told moves on. */
static const char *news(uint64_t *told, size_t room)
{
    static char text[4096];
    struct buf buf = buf_on(text, room);
    held_news(&held, told, &buf);
    assert_false(buf.full);
    text[buf.len] = 0;
    return text;
}

static void test_news(void **state)
{
    (void)state;
    uint64_t told = 0;
    assert_string_equal(news(&told, 100), "");
    held_add(&held, 3);
    assert_string_equal(news(&told, 100), "3");
    assert_string_equal(news(&told, 100), "");
    held_add(&held, 9);
    held_add(&held, 0);
    assert_string_equal(news(&told, 10), ""); /* no room for any number */
    assert_string_equal(news(&told, 11), "9");
    assert_string_equal(news(&told, 100), "0");
    assert_int_equal(told, 3);
    assert_int_equal(held_logged(&held), 3);
    held_bind(&held, (uint8_t[P2P_CHAIN_ID_SIZE]){2}, 0);
    held_add(&held, 5); /* another chain: the count begins anew */
    assert_string_equal(news(&told, 100), "5");
}

/* Of more than the list keeps, the latest are told. */
static void test_news_that_were_missed(void **state)
{
    (void)state;
    static const struct {
        uint32_t added;
        uint32_t first;
    } rows[] = {{HELD_LOG - 1, 0}, {HELD_LOG, 0}, {HELD_LOG + 1, 1}, {3 * HELD_LOG, 2 * HELD_LOG}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t told = 0;
        uint32_t next = rows[i].first, piece;
        open_of(1024 * (int64_t)PIECE);
        for (uint32_t k = 0; k < rows[i].added; k++)
            held_add(&held, k);
        while (told < rows[i].added) {
            const char *text = news(&told, HELD_HEADER);
            struct str list = text_from(text);
            assert_in_range(list.len, 1, HELD_HEADER);
            while (held_next_news(&list, 1024, &piece))
                assert_int_equal(piece, next++);
        }
        assert_int_equal(next, rows[i].added);
    }
}

/* P2P-Have as strangers send it, for a content of 20 pieces. */
static void test_reading_news(void **state)
{
    (void)state;
    static const struct {
        const char *list, *expected;
    } rows[] = {
        {"", ""},
        {"0", "0 "},
        {"19", "19 "},
        {"20", ""},
        {"17,18,4", "17 18 4 "},
        {" 17 ,\t18 ", "17 18 "},
        {"3,3,3", "3 3 3 "},
        {",,5,,", "5 "},
        {",", ""},
        {"-1,+2,3", "3 "},
        {"0x3,3.0,1e1,4", "4 "},
        {"1 2,3", "3 "},
        {"20,19,21", "19 "},
        {"4294967295,4294967296,7", "7 "},
        {"18446744073709551615,18446744073709551616,8", "8 "},
        {"99999999999999999999999999999999999999999999999999,9", "9 "},
        {"0000000000000000000000000000000000000000000000010", "10 "},
        {"1;2", ""},
        {"\"1\",2", "2 "},
        {"*", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct str list = text_from(rows[i].list);
        char got[64];
        struct buf buf = buf_on(got, sizeof got);
        uint32_t piece;
        while (held_next_news(&list, 20, &piece))
            buf_printf(&buf, "%u ", (unsigned)piece);
        got[buf.len] = 0;
        if (strcmp(got, rows[i].expected) != 0)
            fail_msg("%s: %s", rows[i].list, got);
    }
    for (uint32_t pieces = 1; pieces <= 3; pieces++) {
        struct str list = STR("0,1,2,3");
        uint32_t piece, count = 0;
        while (held_next_news(&list, pieces, &piece))
            assert_int_equal(piece, count++);
        assert_int_equal(count, pieces);
    }
}

/* Opening again closes what was open; closing twice is nothing. */
static void test_descriptors(void **state)
{
    (void)state;
    int first = held.file, chain = held.chain_file;
    open_of(size);
    assert_true(fcntl(first, F_GETFD) < 0 && fcntl(chain, F_GETFD) < 0);
    first = held.file;
    held_close(&held);
    held_close(&held);
    assert_true(fcntl(first, F_GETFD) < 0);
    assert_int_equal(held.file, -1);
    assert_int_equal(held.chain_file, -1);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(test_ranges),
        test(test_what_ends_a_promise),
        test(test_settled_file_is_changed),
        test(test_counts),
        test(test_is_of),
        test(test_bitmaps),
        test(test_news),
        test(test_news_that_were_missed),
        test(test_reading_news),
        test(test_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
