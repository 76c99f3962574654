/* SPDX-License-Identifier: MIT */
/* Merging of results: one line per name and content, holders counted once, and which content a name
 * means. */
#include "catalog/merge.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { DAY = 86400, NOW = 1790000000 };

struct fixture {
    struct arena arena;
    struct merge *merge;
};

static int set_up(void **state)
{
    static struct fixture fixture;

    assert_int_equal(arena_init(&fixture.arena, 4 << 20), 0);
    assert_int_equal(merge_init(&fixture.merge, &fixture.arena, 8), 0);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    arena_free(&fixture->arena);
    return 0;
}

/* content 0 is "not hashed yet". */
static struct record_result result(const char *path, uint8_t content, uint8_t node, bool copy,
                                   int64_t mtime)
{
    struct record_result made = {.offer = {.path = text_from(path),
                                           .size = 5,
                                           .mtime = mtime,
                                           .hashed = content != 0,
                                           .copy = copy}};

    memset(&made.offer.content, content, sizeof made.offer.content);
    memset(&made.node, node, sizeof made.node);
    return made;
}

static void one_line_per_name_and_content(void **state)
{
    struct merge *merge = ((struct fixture *)*state)->merge;
    static const struct {
        const char *path;
        uint8_t content, node;
        int expected;
        uint32_t lines;
    } rows[] = {
        {"a", 1, 1, 0, 1}, {"a", 1, 2, 0, 1}, {"a", 1, 1, 1, 1}, {"a", 2, 1, 0, 2},
        {"b", 1, 1, 0, 3}, {"a", 0, 3, 0, 4}, {"a", 0, 3, 1, 4}, {"a", 0, 4, 0, 4},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct record_result line = result(rows[i].path, rows[i].content, rows[i].node, false, NOW);
        assert_int_equal(merge_add(merge, &line), rows[i].expected);
        assert_int_equal(merge_count(merge), rows[i].lines);
    }
    assert_int_equal(merge_at(merge, 0)->holders, 2);
    assert_int_equal(merge_at(merge, 3)->holders, 2);
    assert_null(merge_at(merge, 4));
    merge_clear(merge);
    assert_int_equal(merge_count(merge), 0);
}

static void lines_fill_up(void **state)
{
    struct merge *merge = ((struct fixture *)*state)->merge;

    for (uint8_t i = 1; i <= 9; i++) {
        struct record_result line = result("x", i, 1, false, NOW);
        assert_int_equal(merge_add(merge, &line), i <= 8 ? 0 : -P2P_EFULL);
    }
    struct record_result more = result("x", 8, 2, false, NOW);
    assert_int_equal(merge_add(merge, &more), 0);
    assert_int_equal(merge_count(merge), 8);
}

static void holders_fill_up(void **state)
{
    struct merge *merge = ((struct fixture *)*state)->merge;
    struct record_result line = result("x", 1, 0, false, NOW);
    int added = 0;

    for (uint16_t i = 0; i < 1000; i++) {
        memcpy(line.node.bytes, &i, sizeof i);
        added += merge_add(merge, &line) == 0;
    }
    assert_int_equal(added, 64); /* half of 128 places */
    assert_int_equal(merge_at(merge, 0)->holders, 64);
}

static void a_name_means(void **state)
{
    struct merge *merge = ((struct fixture *)*state)->merge;
    static const struct {
        const char *name;
        struct {
            uint8_t content;
            bool copy;
            int64_t mtime;
        } offers[3];
        int expected; /* content, 0: the unknown one */
    } rows[] = {
        {"newest owned", {{1, false, NOW - 9}, {2, false, NOW}, {3, false, NOW - 5}}, 2},
        {"owned beats newer copy", {{1, false, NOW - 9}, {2, true, NOW}, {3, true, NOW}}, 1},
        {"future counts as oldest",
         {{1, false, NOW - 9}, {2, false, NOW + DAY + 1}, {3, true, NOW}},
         1},
        {"a day ahead is believed",
         {{1, false, NOW - 9}, {2, false, NOW + DAY}, {3, true, NOW}},
         2},
        {"newest copy", {{1, true, NOW - 9}, {2, true, NOW - 1}, {3, true, NOW - 5}}, 2},
        {"newest owned, unknown yet", {{1, false, NOW - 9}, {0, false, NOW}, {3, true, NOW}}, 0},
        {"known at equal times", {{0, false, NOW}, {1, false, NOW}, {3, true, NOW}}, 1},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        merge_clear(merge);
        for (uint8_t n = 0; n < 3; n++) {
            struct record_result line = result("x", rows[i].offers[n].content, n,
                                               rows[i].offers[n].copy, rows[i].offers[n].mtime);
            assert_int_equal(merge_add(merge, &line), 0);
        }
        const struct merge_entry *best = merge_best(merge, STR("x"), NOW);
        assert_non_null(best);
        if (best->content.bytes[0] != rows[i].expected || best->hashed != (rows[i].expected != 0)) {
            fail_msg("%s: content %d", rows[i].name, best->content.bytes[0]);
        }
    }
    assert_null(merge_best(merge, STR("y"), NOW));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_line_per_name_and_content, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lines_fill_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(holders_fill_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_means, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
