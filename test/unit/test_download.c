/* SPDX-License-Identifier: MIT */
/* Where pieces lie, and for how long a holder is left alone. */
#include "swarm/download.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct download download;

/* A piece lies in the file where it lies in the content; in a stream its places are used over and
 * over. */
static void test_places(void **state)
{
    (void)state;
    static const int64_t gib = INT64_C(1) << 30;
    static const struct {
        int64_t size;
        uint32_t window, piece;
        int64_t offset, place;
        uint32_t length;
    } rows[] = {
        {1, 0, 0, 0, 0, 1},
        {65535, 0, 0, 0, 0, 65535},
        {65536, 0, 0, 0, 0, 65536},
        {65537, 0, 1, 65536, 65536, 1},
        {131072, 0, 1, 65536, 65536, 65536},
        {20 * 65536, 16, 15, 15 * 65536, 15 * 65536, 65536},
        {20 * 65536, 16, 16, 16 * 65536, 0, 65536},
        {20 * 65536 - 1, 16, 19, 19 * 65536, 3 * 65536, 65535},
        {4 * gib, 0, 2047, 4 * gib - 2097152, 4 * gib - 2097152, 2097152},
        {4 * gib + 1, 0, 1024, 4 * gib, 4 * gib, 1},
        {4 * gib + 1, 4, 1024, 4 * gib, 0, 1},
        {6 * 1024 * gib, 0, 393215, 6 * 1024 * gib - 16777216, 6 * 1024 * gib - 16777216, 16777216},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        download.want.size = rows[i].size;
        download.want.window = rows[i].window;
        assert_int_equal(download_piece_offset(&download, rows[i].piece), rows[i].offset);
        assert_int_equal(download_piece_place(&download, rows[i].piece), rows[i].place);
        assert_int_equal(download_piece_length(&download, rows[i].piece), rows[i].length);
    }
}

/* Never less than was asked for, at most half as long again, and each moment between as likely. */
static void test_rests(void **state)
{
    (void)state;
    static const int64_t rests[] = {1, 2, 3, 200, 250, 1000, 8000};
    struct arena arena;
    assert_int_equal(arena_init(&arena, 1 << 20), 0);
    assert_int_equal(loop_init(&download.config.loop, &arena, 8, 4), 0);
    hash_random_seed(&download.random, 7);
    for (size_t i = 0; i < sizeof rests / sizeof *rests; i++) {
        int64_t now = loop_now_ms(download.config.loop), least = INT64_MAX, most = 0, sum = 0;
        for (int k = 0; k < 2000; k++) {
            download_rest(&download, 3, rests[i]);
            int64_t rest = download.holders[3].retry_ms - now;
            least = rest < least ? rest : least;
            most = rest > most ? rest : most;
            sum += rest;
        }
        assert_in_range(least, rests[i], rests[i] + rests[i] / 100);
        assert_in_range(most, rests[i] + rests[i] / 2 - rests[i] / 100, rests[i] + rests[i] / 2);
        assert_in_range(sum / 2000, rests[i] * 120 / 100, rests[i] * 130 / 100 + 1);
        assert_int_equal(download.holders[2].retry_ms, 0);
    }
    loop_close(download.config.loop);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_rests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
