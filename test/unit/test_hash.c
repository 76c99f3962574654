/* SPDX-License-Identifier: MIT */
/* SipHash against values of an independent implementation, and the generator against its
 * definition. */
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Must run first: the key is still zero. */
static void test_known_values(void **state)
{
    static const struct {
        size_t size;
        uint64_t hash;
    } rows[] = {
        {0, UINT64_C(0xd1fba762150c532c)},  {1, UINT64_C(0x68a914128e01e473)},
        {7, UINT64_C(0x2f098ab0c751325a)},  {8, UINT64_C(0xead411e67ebe2eea)},
        {9, UINT64_C(0x75927f9d95124362)},  {15, UINT64_C(0xf30eb725bb91c9ea)},
        {16, UINT64_C(0x8972188433a5c5b7)}, {63, UINT64_C(0x385d3e39e5f37359)},
        {64, UINT64_C(0x75e05fd5bbc870c6)},
    };
    uint8_t bytes[64];
    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_true(hash_bytes(bytes, rows[i].size) == rows[i].hash);
}

static void test_seed_changes_all(void **state)
{
    uint64_t text = hash_bytes("text", 4), number = hash_u64(7);
    (void)state;
    assert_int_equal(hash_seed(), 0);
    assert_true(hash_bytes("text", 4) != text);
    assert_true(hash_u64(7) != number);
    assert_true(hash_bytes("text", 4) == hash_bytes("text", 4));
}

static void test_numbers_spread(void **state)
{
    uint32_t count[64] = {0};
    (void)state;
    for (uint64_t i = 0; i < 64000; i++)
        count[hash_u64(i << 32) & 63]++;
    for (int i = 0; i < 64; i++)
        assert_in_range(count[i], 800, 1200);
}

static void test_generator(void **state)
{
    struct hash_random random = {{1, 2, 3, 4}};
    static const uint64_t expected[] = {UINT64_C(11520),
                                        UINT64_C(0),
                                        UINT64_C(1509978240),
                                        UINT64_C(1215971899390074240),
                                        UINT64_C(1216172134540287360),
                                        UINT64_C(607988272756665600)};
    (void)state;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        assert_true(hash_random_next(&random) == expected[i]);
}

static void test_below(void **state)
{
    static const uint32_t bounds[] = {1, 2, 3, 10, 1000, UINT32_MAX};
    struct hash_random random;
    (void)state;
    hash_random_seed(&random, 42);
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        bool low = false, high = false;
        for (int k = 0; k < 20000; k++) {
            uint32_t value = hash_random_below(&random, bounds[i]);
            assert_true(value < bounds[i]);
            low = low || value < bounds[i] / 2 + bounds[i] % 2;
            high = high || value >= bounds[i] / 2;
        }
        assert_true(low && high);
    }
}

static void test_seeds_differ(void **state)
{
    struct hash_random a, b;
    (void)state;
    hash_random_seed(&a, 0);
    hash_random_seed(&b, 1);
    assert_true(hash_random_next(&a) != hash_random_next(&b));
    assert_true(a.state[0] || a.state[1] || a.state[2] || a.state[3]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values),   cmocka_unit_test(test_seed_changes_all),
        cmocka_unit_test(test_numbers_spread), cmocka_unit_test(test_generator),
        cmocka_unit_test(test_below),          cmocka_unit_test(test_seeds_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
