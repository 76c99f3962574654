/* SPDX-License-Identifier: MIT */
/* The arena and its pools: bounds, alignment, zeroes, reuse. */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_carve(void **state)
{
    static const struct {
        size_t size, align;
        bool fits;
        size_t used;
    } rows[] = {
        {10, 1, true, 10},      {1, 8, true, 17},    {0, 64, true, 64},
        {4031, 1, true, 4095},  {2, 1, false, 4095}, {SIZE_MAX, 1, false, 4095},
        {1, 8192, false, 4095}, {1, 1, true, 4096},  {0, 1, true, 4096},
        {1, 1, false, 4096},
    };
    struct arena arena;
    (void)state;
    assert_int_equal(arena_init(&arena, 4096), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t *got = arena_carve(&arena, rows[i].size, rows[i].align);
        assert_int_equal(got != NULL, rows[i].fits);
        assert_int_equal(arena_left(&arena), 4096 - rows[i].used);
        assert_true(!got || (uintptr_t)got % rows[i].align == 0);
        for (size_t k = 0; got && k < rows[i].size; k++)
            assert_int_equal(got[k], 0);
    }
    arena_free(&arena);
    assert_int_equal(arena_left(&arena), 0);
    arena_free(&arena);
}

static void test_arena_too_large(void **state)
{
    struct arena arena;
    (void)state;
    assert_int_equal(arena_init(&arena, SIZE_MAX / 2), -P2P_EFULL);
    assert_null(arena_carve(&arena, 1, 1));
}

struct item {
    uint64_t a, b, c;
};

static void test_pool(void **state)
{
    struct arena arena;
    struct pool pool;
    (void)state;
    assert_int_equal(arena_init(&arena, 4096), 0);
    assert_int_equal(pool_init(&pool, &arena, sizeof(struct item), 3), 0);
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(pool_take(&pool), i);
        assert_int_equal(pool_slot(&pool, pool_at(&pool, i)), i);
        memset(pool_at(&pool, i), 0xff, sizeof(struct item));
    }
    assert_int_equal(pool_take(&pool), 0);
    assert_int_equal(pool.used, 3);
    pool_give(&pool, 2);
    pool_give(&pool, 1);
    assert_int_equal(pool.used, 1);
    /* The last one given back comes first, and is clean. */
    static const struct item zero;
    assert_int_equal(pool_take(&pool), 1);
    assert_memory_equal(pool_at(&pool, 1), &zero, sizeof(zero));
    assert_int_equal(pool_take(&pool), 2);
    assert_memory_equal(pool_at(&pool, 2), &zero, sizeof(zero));
    assert_int_equal(pool_take(&pool), 0);
    assert_int_equal(pool.peak, 3);
    arena_free(&arena);
}

static void test_pool_smallest_item(void **state)
{
    struct arena arena;
    struct pool pool;
    (void)state;
    assert_int_equal(arena_init(&arena, 4096), 0);
    assert_int_equal(pool_init(&pool, &arena, 4, 2), 0);
    assert_int_equal(pool_take(&pool), 1);
    assert_int_equal(pool_take(&pool), 2);
    pool_give(&pool, 1);
    pool_give(&pool, 2);
    assert_int_equal(pool_take(&pool), 2);
    assert_int_equal(pool_take(&pool), 1);
    arena_free(&arena);
}

static void test_pool_bounds(void **state)
{
    static const struct {
        uint32_t size, count;
        int result;
    } rows[] = {{64, 63, 0},
                {64, 64, 0},
                {64, 65, -P2P_EFULL},
                {UINT32_MAX, UINT32_MAX, -P2P_EFULL},
                {64, 0, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena arena;
        struct pool pool;
        assert_int_equal(arena_init(&arena, 4096), 0);
        assert_int_equal(pool_init(&pool, &arena, rows[i].size, rows[i].count), rows[i].result);
        arena_free(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_carve),       cmocka_unit_test(test_arena_too_large),
        cmocka_unit_test(test_pool),        cmocka_unit_test(test_pool_smallest_item),
        cmocka_unit_test(test_pool_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
