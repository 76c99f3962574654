/* SPDX-License-Identifier: MIT */
/* The bound of a download, worked out by hand for each row; and the best rate of a source. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "swarm/bound.h"

enum { END = INT32_MAX, ROW_SOURCES = 3 };

static void test_bound(void **state)
{
    static const struct {
        const char *name;
        uint64_t bytes, downlink;
        int64_t elapsed_ms;
        int count;
        struct bound_source sources[ROW_SOURCES];
        int64_t expected;
    } rows[] = {
        {"nothing came", 0, 0, 5000, 0, {{0, 0, 0}}, 0},
        {"nobody", 10, 0, 5000, 0, {{0, 0, 0}}, 5000},
        {"one, all the time", 10000, 0, 20000, 1, {{0, END, 1000}}, 10000},
        {"rounded up", 10001, 0, 20000, 1, {{0, END, 3000}}, 3334},
        {"never more than it took", 10000, 0, 9000, 1, {{0, END, 1000}}, 9000},
        {"to the ms", 10000, 0, 10000, 1, {{0, END, 1000}}, 10000},
        {"two share", 10000, 0, 20000, 2, {{0, END, 1000}, {0, END, 3000}}, 2500},
        {"the downlink is less", 10000, 2000, 20000, 2, {{0, END, 1000}, {0, END, 3000}}, 5000},
        {"the downlink is as much", 10000, 4000, 9000, 2, {{0, END, 1000}, {0, END, 3000}}, 2500},
        {"the second comes later", 10000, 0, 20000, 2, {{0, END, 1000}, {4000, END, 2000}}, 6000},
        {"the second comes too late", 4000, 0, 20000, 2, {{0, END, 1000}, {4000, END, 9}}, 4000},
        {"the first goes", 10000, 0, 20000, 2, {{0, 2000, 4000}, {0, END, 500}}, 4000},
        {"a gap", 3000, 0, 20000, 2, {{0, 2000, 1000}, {5000, END, 1000}}, 6000},
        {"all go too soon", 3000, 0, 20000, 1, {{0, 2000, 1000}}, 20000},
        {"known before it began", 3000, 0, 20000, 1, {{-7, END, 1000}}, 3000},
        {"three, with turns at once",
         9000,
         2500,
         20000,
         3,
         {{0, 1000, 1000}, {1000, END, 2000}, {1000, 3000, 1000}},
         4500},
        {"very large",
         UINT64_C(9007199254740991),
         0,
         INT64_C(1) << 40,
         1,
         {{0, END, 1}},
         INT64_C(1) << 40},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bound bound = {.bytes = rows[i].bytes,
                              .downlink = rows[i].downlink,
                              .elapsed_ms = rows[i].elapsed_ms,
                              .sources = rows[i].sources,
                              .count = rows[i].count};
        int64_t ms = bound_ms(&bound);
        if (ms != rows[i].expected)
            fail_msg("%s: %lld ms instead of %lld", rows[i].name, (long long)ms,
                     (long long)rows[i].expected);
    }
}

/* Pieces of so many bytes, one each so many ms; then the best rate. */
static void test_meter(void **state)
{
    static const struct {
        const char *name;
        struct {
            int pieces, every_ms;
        } parts[3];
        uint64_t expected;
    } rows[] = {
        {"nothing", {{0, 0}}, 0},
        {"less than a while counts all", {{3, 100}}, 10000},
        {"steady", {{50, 100}}, 10000},
        {"steady and slow: four pieces are a while", {{8, 2000}}, 500},
        {"a while that is not over counts for nothing", {{10, 100}, {9, 1}}, 10000},
        {"what comes at once in the end came within a second", {{4, 400}, {100, 1}}, 100000},
        {"but for less than some pieces", {{4, 400}, {3, 1}}, 2500},
        {"the best of three", {{10, 100}, {100, 10}, {4, 500}}, 100000},
        {"an idle time is in one while only", {{10, 100}, {1, 60000}, {30, 50}}, 20000},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bound_meter meter;
        int64_t now = 77;
        bound_meter_init(&meter, now);
        for (int part = 0; part < 3; part++)
            for (int k = 0; k < rows[i].parts[part].pieces; k++)
                bound_meter_add(&meter, 1000, now += rows[i].parts[part].every_ms);
        assert_int_equal(meter.known_ms, 77);
        if (bound_meter_best(&meter) != rows[i].expected)
            fail_msg("%s: %llu", rows[i].name, (unsigned long long)bound_meter_best(&meter));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(test_bound),
                                              cmocka_unit_test(test_meter)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
