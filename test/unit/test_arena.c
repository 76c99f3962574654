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

/* What is ready is never less than what is used, at most a step more, and never more than all. */
static void test_front(void **state)
{
    enum { SIZE = 16 << 20, ODD = 72 };
    static const size_t used[] = {0,
                                  1,
                                  ARENA_STEP - 1,
                                  ARENA_STEP,
                                  2 * ARENA_STEP,
                                  2 * ARENA_STEP + 1,
                                  5 << 20,
                                  SIZE - ODD - 1,
                                  SIZE - ODD};
    struct arena arena;
    (void)state;
    assert_int_equal(arena_init(&arena, SIZE), 0);
    uint8_t *table = arena_carve(&arena, SIZE - ODD, 1);
    struct arena_front front = arena_front(table + ODD, SIZE - 2 * ODD);
    for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++) {
        size_t want = used[i] > ODD ? used[i] - ODD : 0;
        arena_reach(&front, want);
        assert_true(front.ready >= want && front.ready <= front.size);
        assert_true(front.ready <= want + 2 * (size_t)ARENA_STEP);
        memset(front.base, (int)i + 1, want);
        table[0] = (uint8_t)i;
    }
    assert_int_equal(front.ready, front.size);
    for (size_t i = 0; i < front.size; i++)
        assert_int_equal(front.base[i], sizeof(used) / sizeof(used[0]));
    assert_int_equal(front.base[front.size], 0);
    arena_free(&arena);
}

static void test_front_of_little(void **state)
{
    static const size_t sizes[] = {0, 1, ARENA_STEP - 1, ARENA_STEP};
    struct arena arena;
    (void)state;
    assert_int_equal(arena_init(&arena, 2 * ARENA_STEP), 0);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        assert_int_equal(arena_front(arena.base, sizes[i]).ready, sizes[i]);
    arena_free(&arena);
}

/* Slots are zero as ever, however far ahead memory came. */
static void test_pool_ahead(void **state)
{
    enum { COUNT = 4 * ARENA_STEP / 64 };
    struct arena arena;
    struct pool pool;
    (void)state;
    assert_int_equal(arena_init(&arena, 4 * ARENA_STEP), 0);
    assert_int_equal(pool_init(&pool, &arena, 64, COUNT), 0);
    pool_ahead(&pool);
    for (uint32_t slot = 1; slot <= COUNT; slot++) {
        assert_int_equal(pool_take(&pool), slot);
        const uint8_t *item = pool_at(&pool, slot);
        assert_true(item[0] == 0 && memcmp(item, item + 1, 63) == 0);
        assert_true(pool.front.ready >= (size_t)slot * 64);
        memset(pool_at(&pool, slot), 0xff, 64);
    }
    assert_int_equal(pool_take(&pool), 0);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_carve),
        cmocka_unit_test(test_arena_too_large),
        cmocka_unit_test(test_pool),
        cmocka_unit_test(test_pool_smallest_item),
        cmocka_unit_test(test_pool_bounds),
        cmocka_unit_test(test_front),
        cmocka_unit_test(test_front_of_little),
        cmocka_unit_test(test_pool_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
