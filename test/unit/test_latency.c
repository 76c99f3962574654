/* SPDX-License-Identifier: MIT */
/* Quantiles of the histogram: exact below 8, never below the true one and at most a quarter above
 * it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "index/latency.h"

static void nothing_has_no_quantile(void **state)
{
    (void)state;
    struct latency latency = {0};
    assert_int_equal(latency_quantile(&latency, 500), 0);
    latency_add(&latency, -5);
    assert_int_equal(latency_quantile(&latency, 500), 0);
    assert_int_equal(latency.count, 1);
}

static void one_time_is_told_within_a_quarter(void **state)
{
    static const int64_t rows[] = {0,  1,  3,    4,    5,    7,      8,      9,
                                   63, 64, 1000, 1023, 1024, 999999, 1 << 30};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct latency latency = {0};
        latency_add(&latency, rows[i]);
        int64_t told = (int64_t)latency_quantile(&latency, 990);
        assert_true(told >= rows[i]);
        assert_true(told <= rows[i] + rows[i] / 4);
        assert_true(rows[i] >= 8 || told == rows[i]);
    }
}

static void quantiles_are_in_order(void **state)
{
    (void)state;
    struct latency latency = {0};
    for (int64_t us = 1; us <= 10000; us++)
        latency_add(&latency, us);
    uint64_t half = latency_quantile(&latency, 500), most = latency_quantile(&latency, 990);
    assert_in_range(half, 5000, 6250);
    assert_in_range(most, 9900, 12375);
    assert_true(latency_quantile(&latency, 1000) >= most);
}

static void the_longest_time_has_a_place(void **state)
{
    (void)state;
    struct latency latency = {0};
    latency_add(&latency, INT64_MAX);
    assert_int_equal(latency.bucket[LATENCY_BUCKETS - 1], 1);
    assert_true(latency_quantile(&latency, 500) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_has_no_quantile),
        cmocka_unit_test(one_time_is_told_within_a_quarter),
        cmocka_unit_test(quantiles_are_in_order),
        cmocka_unit_test(the_longest_time_has_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
