/* SPDX-License-Identifier: MIT */
/* The load balance: in which order holders are named. Classes are exact; inside a class the spread
 * over many draws is looked at, with a fixed seed. */
#include "index/rank.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* A holder that lacks nothing; rows change one thing. */
static struct rank_holder good(uint32_t node)
{
    return (struct rank_holder){
        .node = node, .slots = 4, .rate = 1000, .have = 100, .reachable = true, .near = true};
}

static void classes_in_their_order(void **state)
{
    (void)state;
    struct hash_random random;
    hash_random_seed(&random, 1);
    struct rank_holder sorted[] = {good(1), good(2), good(3), good(4), good(5), good(6), good(7)};
    sorted[1].have = 50;                        /* part of it */
    sorted[2].near = false;                     /* far */
    sorted[3].near = false, sorted[3].have = 1; /* far, part */
    sorted[4].slots = 0;                        /* busy, though near and whole */
    sorted[5].suspect = true;                   /* may be gone */
    sorted[6].reachable = false, sorted[6].slots = 0;
    for (int round = 0; round < 200; round++) {
        struct rank_holder mixed[7];
        uint32_t order[] = {0, 1, 2, 3, 4, 5, 6};
        for (uint32_t i = 0; i < 7; i++) {
            uint32_t j = i + hash_random_below(&random, 7 - i), kept = order[i];
            order[i] = order[j];
            order[j] = kept;
            mixed[i] = sorted[order[i]];
        }
        assert_int_equal(rank_order(mixed, 7, &random), 7);
        for (uint32_t i = 0; i < 7; i++) {
            if (mixed[i].node != i + 1)
                fail_msg("round %d: place %u has %u", round, i, mixed[i].node);
        }
    }
}

static void two_compared(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t slots_a, slots_b;
        uint64_t rate_a, rate_b;
        int expected;
    } rows[] = {
        {"equal", 2, 2, 1000, 1000, 0},           {"more slots", 3, 2, 1, 1000, -1},
        {"fewer slots", 1, 2, 1000, 1, 1},        {"rate n", 2, 2, 1250, 1000, 0},
        {"rate n+1", 2, 2, 1251, 1000, -1},       {"slower", 2, 2, 1000, 1251, 1},
        {"rate unknown", 2, 2, 0, 1000, 0},       {"both unknown", 2, 2, 0, 0, 0},
        {"largest", 2, 2, UINT64_MAX / 2, 1, -1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rank_holder a = good(1), b = good(2);
        a.slots = rows[i].slots_a, b.slots = rows[i].slots_b;
        a.rate = rows[i].rate_a, b.rate = rows[i].rate_b;
        int result = rank_compare(&a, &b);
        if ((result > 0) - (result < 0) != rows[i].expected)
            fail_msg("%s: %d", rows[i].name, result);
    }
}

static void leaving_ones_are_not_named(void **state)
{
    (void)state;
    struct hash_random random;
    hash_random_seed(&random, 2);
    struct rank_holder holders[] = {good(1), good(2), good(3)};
    holders[0].leaving = holders[2].leaving = true;
    assert_int_equal(rank_order(holders, 3, &random), 1);
    assert_int_equal(holders[0].node, 2);
    holders[0].leaving = true;
    assert_int_equal(rank_order(holders, 1, &random), 0);
    assert_int_equal(rank_order(holders, 0, &random), 0);
}

/* Equal ones share the first place; among unequal ones the best is first more often than its share,
 * and the worst, which loses against all but itself, hardly ever. */
static void chance_inside_a_class(void **state)
{
    (void)state;
    enum { HOLDERS = 8, ROUNDS = 8000 };
    uint32_t first_equal[HOLDERS + 1] = {0}, first_loaded[HOLDERS + 1] = {0};
    struct hash_random random;
    hash_random_seed(&random, 3);
    for (int round = 0; round < ROUNDS; round++) {
        struct rank_holder equal[HOLDERS], loaded[HOLDERS];
        for (uint32_t i = 0; i < HOLDERS; i++) {
            equal[i] = loaded[i] = good(i + 1);
            loaded[i].slots = i + 1;
        }
        assert_int_equal(rank_order(equal, HOLDERS, &random), HOLDERS);
        assert_int_equal(rank_order(loaded, HOLDERS, &random), HOLDERS);
        first_equal[equal[0].node]++;
        first_loaded[loaded[0].node]++;
    }
    for (uint32_t node = 1; node <= HOLDERS; node++)
        assert_in_range(first_equal[node], ROUNDS / HOLDERS * 8 / 10, ROUNDS / HOLDERS * 12 / 10);
    assert_in_range(first_loaded[HOLDERS], ROUNDS / HOLDERS * 17 / 10, ROUNDS / HOLDERS * 21 / 10);
    assert_in_range(first_loaded[1], 1, ROUNDS / HOLDERS / 4);
}

/* Nobody is lost or named twice, whatever the mixture. */
static void every_holder_once(void **state)
{
    (void)state;
    static struct rank_holder holders[1000];
    struct hash_random random;
    hash_random_seed(&random, 4);
    for (uint32_t count = 0; count <= 1000; count += count < 20 ? 1 : 140) {
        bool seen[1001] = {false};
        for (uint32_t i = 0; i < count; i++) {
            holders[i] = good(i + 1);
            holders[i].slots = hash_random_below(&random, 3);
            holders[i].near = hash_random_below(&random, 2) == 0;
            holders[i].reachable = hash_random_below(&random, 4) != 0;
            holders[i].have = (uint8_t)(50 + hash_random_below(&random, 51));
        }
        assert_int_equal(rank_order(holders, count, &random), count);
        for (uint32_t i = 0; i < count; i++) {
            assert_in_range(holders[i].node, 1, count);
            assert_false(seen[holders[i].node]);
            seen[holders[i].node] = true;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_in_their_order),     cmocka_unit_test(two_compared),
        cmocka_unit_test(leaving_ones_are_not_named), cmocka_unit_test(chance_inside_a_class),
        cmocka_unit_test(every_holder_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
