/* SPDX-License-Identifier: MIT */
/* Token buckets keep their rate over a long time, whatever the steps; meters follow a rate and
 * forget it. */
#include "base/bucket.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { SECOND = 1000000 };

static void test_limits(void **state)
{
    struct bucket bucket;
    (void)state;
    bucket_init(&bucket, 100, 10, 0);
    assert_int_equal(bucket_allow(&bucket, 9, 0), 9);
    assert_int_equal(bucket_allow(&bucket, 10, 0), 10);
    assert_int_equal(bucket_allow(&bucket, 11, 0), 10);
    bucket_take(&bucket, 10);
    assert_int_equal(bucket_allow(&bucket, 1, 0), 0);
    assert_int_equal(bucket_wait_ms(&bucket, 0), 10);
    assert_int_equal(bucket_allow(&bucket, 5, 9999), 0);
    assert_int_equal(bucket_allow(&bucket, 5, 10000), 1);
    assert_int_equal(bucket_wait_ms(&bucket, 10000), 0);
    assert_int_equal(bucket_allow(&bucket, 99, 100 * SECOND), 10);
}

static void test_overdraft(void **state)
{
    struct bucket bucket;
    (void)state;
    bucket_init(&bucket, 1000, 1000, 0);
    bucket_take(&bucket, 3000);
    assert_int_equal(bucket_wait_ms(&bucket, 0), 2001);
    assert_int_equal(bucket_allow(&bucket, 1, 2 * SECOND), 0);
    assert_int_equal(bucket_allow(&bucket, 1, 2 * SECOND + 1000), 1);
}

static void test_no_limit(void **state)
{
    struct bucket bucket;
    (void)state;
    bucket_init(&bucket, 0, 0, 0);
    bucket_take(&bucket, UINT64_MAX);
    assert_true(bucket_allow(&bucket, UINT64_MAX, 0) == UINT64_MAX);
    assert_int_equal(bucket_wait_ms(&bucket, 0), 0);
}

static void test_rate_holds(void **state)
{
    static const struct {
        uint64_t rate, burst;
        int64_t step_us;
    } rows[] = {{1, 1, 333},
                {7, 3, 1001},
                {1000000, 65536, 77},
                {UINT64_C(5) << 30, 1 << 20, 20},
                {3, 100, 50000}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bucket bucket;
        uint64_t taken = 0;
        int64_t now = 12345, end = now + 20 * SECOND;
        bucket_init(&bucket, rows[i].rate, rows[i].burst, now);
        for (; now < end; now += rows[i].step_us) {
            uint64_t allowed = bucket_allow(&bucket, UINT64_MAX, now);
            bucket_take(&bucket, allowed);
            taken += allowed;
        }
        uint64_t most = 20 * rows[i].rate + rows[i].burst;
        if (taken > most || taken + 2 + rows[i].rate / 1000 < most)
            fail_msg("row %zu: %llu of %llu", i, (unsigned long long)taken,
                     (unsigned long long)most);
    }
}

static void test_extremes(void **state)
{
    struct bucket bucket;
    (void)state;
    bucket_init(&bucket, UINT64_MAX, UINT64_MAX, INT64_MIN / 4);
    for (int i = 0; i < 10; i++)
        bucket_take(&bucket, UINT64_MAX);
    assert_true(bucket_wait_ms(&bucket, INT64_MIN / 4) >= 0);
    assert_true(bucket_allow(&bucket, 1, INT64_MAX / 4) == 1);
    bucket_init(&bucket, 1, 0, 100);
    assert_int_equal(bucket_allow(&bucket, 5, 50), 1); /* time that goes back is no time */
}

static void test_meter(void **state)
{
    struct bucket_meter meter;
    int64_t now = 0;
    (void)state;
    bucket_meter_init(&meter, now);
    assert_true(bucket_meter_rate(&meter, now) == 0);
    bucket_meter_add(&meter, 1000, 1000);
    assert_true(bucket_meter_rate(&meter, 1000) == 0); /* a moment says nothing */
    for (; now < 10 * SECOND; now += SECOND / 10)
        bucket_meter_add(&meter, 100, now);
    double rate = bucket_meter_rate(&meter, now);
    assert_true(rate > 950 && rate < 1100);
    rate = bucket_meter_rate(&meter, now + 5 * SECOND);
    assert_true(rate < 100);
    assert_true(bucket_meter_rate(&meter, now + 10000 * (int64_t)SECOND) < 0.001);
    assert_int_equal(meter.total, 1000 + 100 * 100);
}

static void test_meter_first_second(void **state)
{
    struct bucket_meter meter;
    (void)state;
    bucket_meter_init(&meter, 0);
    bucket_meter_add(&meter, 500, SECOND / 4);
    double rate = bucket_meter_rate(&meter, SECOND / 2);
    assert_true(rate > 999 && rate < 1001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_overdraft),
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_rate_holds),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_meter),
        cmocka_unit_test(test_meter_first_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
