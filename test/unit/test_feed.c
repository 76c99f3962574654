/* SPDX-License-Identifier: MIT */
/* The ring of the feed: order, numbers, places, what leaves it, and that marks always lead right.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/text.h"
#include "catalog/feed.h"

struct rig {
    struct arena arena;
    struct feed feed;
};

static void rig_open(struct rig *rig, uint32_t size)
{
    assert_int_equal(arena_init(&rig->arena, feed_size(size) + 4096), 0);
    assert_int_equal(feed_init(&rig->feed, &rig->arena, size), 0);
}

/* A line that tells its number and is length bytes long. */
static void add(struct feed *feed, size_t length, size_t extra)
{
    static const uint8_t bytes[FEED_EXTRA_MAX] = {1, 2, 3};
    struct feed_line line = {.extra = {(const char *)bytes, extra}};
    uint64_t n = feed->last + 1;
    char *room = feed_room(feed);
    memset(room, 'x', length);
    snprintf(room, FEED_LINE_MAX, "%llu", (unsigned long long)n);
    room[strlen(room)] = ' ';
    line.text = (struct str){room, length};
    line.gap = (uint32_t)length / 2;
    memcpy(line.node.bytes, &n, sizeof(n));
    feed_append(feed, &line);
    assert_int_equal(line.n, n);
}

static void check_line(const struct feed_line *line, uint64_t n)
{
    uint64_t told = 0, id = 0;
    struct str rest = line->text, first;
    assert_true(text_split(&rest, ' ', &first));
    assert_int_equal(text_to_u64(first, UINT64_MAX, &told), 0);
    memcpy(&id, line->node.bytes, sizeof(id));
    assert_int_equal(line->n, n);
    assert_int_equal(told, n);
    assert_int_equal(id, n);
    assert_int_equal(line->gap, line->text.len / 2);
    if (line->extra.len > 2)
        assert_memory_equal(line->extra.ptr, "\1\2\3", 3);
}

/* Reads from behind n to the end. */
static void check_from(const struct feed *feed, uint64_t n)
{
    struct feed_place place;
    struct feed_line line;
    assert_int_equal(feed_find(feed, n, &place), 0);
    while (n < feed->last) {
        assert_int_equal(feed_next(feed, &place, &line), 1);
        check_line(&line, ++n);
    }
    assert_int_equal(feed_next(feed, &place, &line), 0);
}

static void an_empty_feed_has_an_end(void **state)
{
    (void)state;
    struct rig rig;
    struct feed_place place;
    struct feed_line line;
    rig_open(&rig, FEED_SIZE_MIN);
    assert_int_equal(feed_find(&rig.feed, 0, &place), 0);
    assert_int_equal(feed_next(&rig.feed, &place, &line), 0);
    assert_int_equal(feed_find(&rig.feed, 1, &place), -P2P_ENOTFOUND);
    add(&rig.feed, 100, 0);
    assert_int_equal(feed_next(&rig.feed, &place, &line), 1);
    check_line(&line, 1);
    arena_free(&rig.arena);
}

static void too_small_a_ring_is_refused(void **state)
{
    (void)state;
    struct arena arena;
    struct feed feed;
    assert_int_equal(arena_init(&arena, 1 << 20), 0);
    assert_int_equal(feed_init(&feed, &arena, FEED_SIZE_MIN - 1), -P2P_EFULL);
    assert_int_equal(feed_init(&feed, &arena, FEED_SIZE_MIN), 0);
    arena_free(&arena);
}

/* Places taken at any time stay right until their line has gone, over many laps and sizes. */
static void places_stay_right(void **state)
{
    (void)state;
    struct rig rig;
    struct hash_random random;
    struct feed_place kept = {0};
    struct feed_line line;
    hash_random_seed(&random, 7);
    rig_open(&rig, 40000);
    for (int i = 0; i < 30000; i++) {
        size_t most = i % 1000 < 30 ? FEED_LINE_MAX : 400;
        size_t length = 24 + hash_random_below(&random, (uint32_t)most - 23);
        add(&rig.feed, length, hash_random_below(&random, 4) == 0 ? 96 : 0);
        assert_true(rig.feed.first <= rig.feed.last);
        if (i % 50 == 0)
            kept = feed_end(&rig.feed);
        if (kept.n > 0 && hash_random_below(&random, 3) == 0) {
            uint64_t n = kept.n;
            int result = feed_next(&rig.feed, &kept, &line);
            assert_int_equal(result, n < rig.feed.first ? -P2P_ENOTFOUND : n <= rig.feed.last);
            if (result == 1)
                check_line(&line, n);
        }
        if (i % 100 == 0) {
            uint64_t span = rig.feed.last + 1 - rig.feed.first;
            check_from(&rig.feed, rig.feed.first - 1 + hash_random_below(&random, (uint32_t)span));
            check_from(&rig.feed, rig.feed.first - 1);
        }
    }
    arena_free(&rig.arena);
}

static void what_left_is_told(void **state)
{
    (void)state;
    struct rig rig;
    struct feed_place place, old;
    struct feed_line line;
    rig_open(&rig, FEED_SIZE_MIN);
    add(&rig.feed, 1000, 0);
    assert_int_equal(feed_find(&rig.feed, 0, &old), 0);
    for (int i = 0; i < 100; i++)
        add(&rig.feed, 1000, 0);
    assert_true(rig.feed.first > 80);
    assert_int_equal(feed_next(&rig.feed, &old, &line), -P2P_ENOTFOUND);
    assert_int_equal(feed_find(&rig.feed, rig.feed.first - 2, &place), -P2P_ENOTFOUND);
    assert_int_equal(feed_find(&rig.feed, rig.feed.first - 1, &place), 0);
    assert_int_equal(feed_find(&rig.feed, rig.feed.last, &place), 0);
    assert_int_equal(feed_find(&rig.feed, rig.feed.last + 1, &place), -P2P_ENOTFOUND);
    arena_free(&rig.arena);
}

static void a_cut_is_noticed_by_all(void **state)
{
    (void)state;
    struct rig rig;
    struct feed_line line;
    rig_open(&rig, FEED_SIZE_MIN);
    add(&rig.feed, 100, 0);
    struct feed_place end = feed_end(&rig.feed);
    feed_cut(&rig.feed);
    assert_int_equal(feed_next(&rig.feed, &end, &line), -P2P_ENOTFOUND);
    add(&rig.feed, 100, 0);
    assert_int_equal(feed_next(&rig.feed, &end, &line), -P2P_ENOTFOUND);
    assert_int_equal(rig.feed.last, 3);
    check_from(&rig.feed, 2);
    arena_free(&rig.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_feed_has_an_end), cmocka_unit_test(too_small_a_ring_is_refused),
        cmocka_unit_test(places_stay_right),        cmocka_unit_test(what_left_is_told),
        cmocka_unit_test(a_cut_is_noticed_by_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
