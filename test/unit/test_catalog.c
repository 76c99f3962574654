/* SPDX-License-Identifier: MIT */
/* Transactions, tombstones, limits and look-ups of the catalog, one rule a test. */
#include "catalog_world.h"

#include <stdio.h>

enum { WORLD_SIZE = 512 * 1024 };

struct seen {
    const struct catalog *catalog;
    uint32_t count[CATALOG_LOST + 1];
    uint64_t epoch, seq;
    char last[64];
};

static void on_change(void *ctx, const struct catalog_change *change)
{
    struct seen *seen = ctx;
    struct record_offer offer;
    char path[P2P_PATH_MAX];
    seen->count[change->event]++;
    seen->epoch = change->epoch;
    seen->seq = change->seq;
    if (change->offer) {
        relay_offer(seen->catalog, change, &offer, path);
        text_copy(offer.path, seen->last, sizeof(seen->last));
    }
}

static void join_tells_only_differences(void **state)
{
    (void)state;
    struct world world;
    struct seen seen = {.seq = 0};
    world_open(&world, WORLD_SIZE);
    struct catalog_node *node = world_node(&world, 1);
    assert_int_equal(node->state, RECORD_HEARSAY);
    assert_int_equal(world_begin(&world, node, 1, 1), 0);
    assert_int_equal(world_apply(&world, node, "a/x", 1), 0);
    assert_int_equal(world_apply(&world, node, "a/y", 2), 0);
    assert_int_equal(world_apply(&world, node, "z", 0), 0);
    assert_false(world_has(&world, node, "a/x", 1));
    assert_int_equal(node->offers, 0);
    world_commit(&world, node);
    assert_int_equal(node->offers, 3);
    assert_int_equal(node->state, RECORD_ACTIVE);
    assert_string_equal(node->name, "kitchen");
    assert_true(world_has(&world, node, "a/x", 1) && world_has(&world, node, "z", 0));

    seen.catalog = world.catalog;
    catalog_watch(world.catalog, on_change, &seen);
    assert_int_equal(world_begin(&world, node, 1, 2), 0);
    assert_int_equal(world_apply(&world, node, "a/x", 1), 0);
    assert_int_equal(world_apply(&world, node, "a/y", 3), 0);
    assert_true(world_has(&world, node, "a/y", 2));
    assert_int_equal(seen.count[CATALOG_PUT], 0);
    world_commit(&world, node);
    assert_int_equal(seen.count[CATALOG_PUT], 1);
    assert_int_equal(seen.count[CATALOG_DEL], 1);
    assert_string_equal(seen.last, "z");
    assert_int_equal(seen.count[CATALOG_JOINED], 1);
    assert_int_equal(seen.seq, 2);
    assert_int_equal(node->seq, 2);
    assert_true(world_has(&world, node, "a/y", 3));
    assert_int_equal(node->offers, 2);
    world_close(&world);
}

static void abort_changes_nothing(void **state)
{
    (void)state;
    struct world world;
    struct seen seen = {.seq = 0};
    world_open(&world, WORLD_SIZE);
    struct catalog_node *node = world_node(&world, 1);
    world_begin(&world, node, 1, 1);
    world_apply(&world, node, "keep", 1);
    world_apply(&world, node, "change", 2);
    world_apply(&world, node, "drop", 3);
    world_commit(&world, node);
    seen.catalog = world.catalog;
    catalog_watch(world.catalog, on_change, &seen);
    for (int update = 0; update < 2; update++) {
        if (update)
            assert_int_equal(catalog_update_begin(world.catalog, node, 1, 2), 0);
        else
            assert_int_equal(world_begin(&world, node, 1, 2), 0);
        assert_int_equal(world_apply(&world, node, "keep", 1), 0);
        assert_int_equal(world_apply(&world, node, "change", 4), 0);
        assert_int_equal(world_apply(&world, node, "new", 5), 0);
        if (update)
            assert_int_equal(world_del(&world, node, "drop"), 0);
        world_check(&world);
        catalog_abort(world.catalog, node);
        assert_false(node->open || node->busy);
        assert_true(world_has(&world, node, "keep", 1) && world_has(&world, node, "change", 2) &&
                    world_has(&world, node, "drop", 3));
        assert_int_equal(node->offers, 3);
        assert_int_equal(node->seq, 1);
        world_check(&world);
    }
    struct seen none = {.catalog = world.catalog};
    assert_memory_equal(&seen, &none, sizeof(seen));
    world_close(&world);
}

static void last_line_of_a_name_counts(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, WORLD_SIZE);
    struct catalog_node *node = world_node(&world, 1);
    world_begin(&world, node, 1, 1);
    world_apply(&world, node, "a", 1);
    world_apply(&world, node, "a", 2);
    world_commit(&world, node);
    assert_true(world_has(&world, node, "a", 2));
    world_begin(&world, node, 1, 2);
    world_apply(&world, node, "a", 3);
    world_apply(&world, node, "a", 2);
    world_commit(&world, node);
    assert_true(world_has(&world, node, "a", 2));
    assert_int_equal(catalog_update_begin(world.catalog, node, 1, 3), 0);
    world_del(&world, node, "a");
    world_apply(&world, node, "a", 4);
    world_apply(&world, node, "b", 4);
    world_del(&world, node, "b");
    world_del(&world, node, "never/there");
    world_commit(&world, node);
    assert_true(world_has(&world, node, "a", 4));
    assert_int_equal(node->offers, 1);
    world_close(&world);
}

static void sequence_is_kept(void **state)
{
    (void)state;
    static const struct {
        uint64_t epoch, seq;
        int join, update, leave;
    } rows[] = {
        /* the node is at (3, 10) */
        {2, 99, -P2P_EGAP, -P2P_EGAP, -P2P_EGAP},
        {3, 9, -P2P_EGAP, 1, -P2P_EGAP},
        {3, 10, 0, 1, 0},
        {3, 11, 0, 0, 0},
        {3, 12, 0, -P2P_EGAP, 0},
        {4, 1, 0, -P2P_EGAP, 0},
        {4, 11, 0, -P2P_EGAP, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct world world;
        world_open(&world, WORLD_SIZE);
        struct catalog_node *node = world_node(&world, 1);
        assert_int_equal(catalog_update_begin(world.catalog, node, 0, 1), -P2P_EGAP);
        world_begin(&world, node, 3, 10);
        world_apply(&world, node, "a", 1);
        world_commit(&world, node);
        assert_int_equal(world_begin(&world, node, rows[i].epoch, rows[i].seq), rows[i].join);
        catalog_abort(world.catalog, node);
        int rc = catalog_update_begin(world.catalog, node, rows[i].epoch, rows[i].seq);
        assert_int_equal(rc, rows[i].update);
        if (rc == 0) {
            assert_int_equal(world_begin(&world, node, 9, 9), -P2P_EBUSY);
            assert_int_equal(catalog_update_begin(world.catalog, node, 3, 11), -P2P_EBUSY);
        }
        rc = catalog_leave(world.catalog, node, rows[i].epoch, rows[i].seq, 77);
        assert_int_equal(rc, rows[i].leave);
        assert_int_equal(node->state, rc == 0 ? RECORD_LEFT : RECORD_ACTIVE);
        world_close(&world);
    }
}

static void tombstones(void **state)
{
    (void)state;
    struct world world;
    struct seen seen = {.seq = 0};
    world_open(&world, WORLD_SIZE);
    seen.catalog = world.catalog;
    catalog_watch(world.catalog, on_change, &seen);
    struct record_change put = world_put("a", 1, 5);
    struct catalog_node *node = world_offer(&world, 1, &put);
    struct record_content content = world_content(1);
    assert_int_equal(catalog_leave(world.catalog, node, 1, 2, 77), 0);
    assert_int_equal(catalog_leave(world.catalog, node, 1, 2, 78), 1);
    assert_int_equal(node->left_ms, 77);
    assert_int_equal(lookup_first_holder(world.catalog, &content), 0);
    assert_int_equal(seen.count[CATALOG_LEFT], 1);
    assert_int_equal(seen.count[CATALOG_DEL], 0);
    assert_int_equal(seen.seq, 2);
    assert_int_equal(world_begin(&world, node, 1, 2), -P2P_EGAP);
    assert_int_equal(catalog_update_begin(world.catalog, node, 1, 3), -P2P_EGAP);
    assert_int_equal(world_begin(&world, node, 1, 3), 0);
    world_apply(&world, node, "a", 1);
    assert_int_equal(node->state, RECORD_LEFT);
    world_commit(&world, node);
    assert_int_equal(node->state, RECORD_ACTIVE);
    assert_true(world_has(&world, node, "a", 1));

    catalog_lose(world.catalog, node, 99);
    assert_true(node->lost && node->state == RECORD_LEFT && node->offers == 0);
    assert_int_equal(seen.count[CATALOG_LOST], 1);
    assert_int_equal(catalog_update_begin(world.catalog, node, 1, 4), -P2P_EGAP);
    assert_int_equal(world_begin(&world, node, 1, 3), 0);
    world_commit(&world, node);
    assert_false(node->lost);
    catalog_forget(world.catalog, node);
    struct record_id id = world_id(1);
    assert_null(catalog_find_node(world.catalog, &id));
    assert_null(catalog_next_node(world.catalog, 0));
    world_close(&world);
}

static void a_lost_node_ends_its_transaction(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, WORLD_SIZE);
    struct record_change put = world_put("a", 1, 5);
    struct catalog_node *node = world_offer(&world, 1, &put);
    world_begin(&world, node, 1, 2);
    world_apply(&world, node, "b", 2);
    catalog_lose(world.catalog, node, 1);
    assert_int_equal(world_apply(&world, node, "c", 3), -P2P_ECLOSED);
    assert_int_equal(catalog_commit(world.catalog, node, 100), -P2P_ECLOSED);
    assert_int_equal(node->offers, 0);
    assert_int_equal(catalog_counts(world.catalog).used.offers, 0);
    world_close(&world);
}

static void oldest_tombstone_gives_way(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, 150 * 1024);
    uint32_t max = catalog_budget(world.catalog).nodes;
    for (uint32_t i = 1; i <= max; i++)
        world_node(&world, i);
    struct record_id id = world_id(max + 1);
    struct plat_addr source = world_address(max + 1);
    struct catalog_node *node;
    assert_int_equal(catalog_add_node(world.catalog, &id, &source, &node), -P2P_EFULL);
    catalog_lose(world.catalog, world_node(&world, 5), 1);
    catalog_lose(world.catalog, world_node(&world, 3), 2);
    assert_int_equal(catalog_add_node(world.catalog, &id, &source, &node), 0);
    struct record_id third = world_id(3), fifth = world_id(5);
    assert_non_null(catalog_find_node(world.catalog, &third));
    assert_null(catalog_find_node(world.catalog, &fifth));
    world_close(&world);
}

static void a_tombstone_with_offers_stays(void **state)
{
    (void)state;
    struct world world;
    char path[32];
    world_open(&world, 300 * 1024);
    uint32_t max = catalog_budget(world.catalog).nodes;
    for (uint32_t i = 1; i <= max; i++)
        world_node(&world, i);
    struct catalog_node *node = world_node(&world, 1), *added;
    world_begin(&world, node, 1, 1);
    for (uint32_t i = 0; i < 400; i++) {
        snprintf(path, sizeof(path), "f%u", (unsigned)i);
        assert_int_equal(world_apply(&world, node, path, 0), 0);
    }
    world_commit(&world, node);
    catalog_lose(world.catalog, node, 1);
    assert_true(node->busy);
    struct record_id id = world_id(max + 1), second = world_id(2);
    struct plat_addr source = world_address(max + 1);
    assert_int_equal(catalog_add_node(world.catalog, &id, &source, &added), -P2P_EFULL);
    catalog_lose(world.catalog, world_node(&world, 2), 2);
    assert_int_equal(catalog_add_node(world.catalog, &id, &source, &added), 0);
    assert_null(catalog_find_node(world.catalog, &second));
    world_check(&world);
    while (catalog_step(world.catalog, 50)) {
    }
    world_close(&world);
}

static void nodes_of_one_address_are_limited(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, WORLD_SIZE);
    catalog_set_limits(world.catalog, 0, 3);
    struct plat_addr one = world_address(9);
    struct plat_addr loopback = {.family = 4, .ip = {127, 0, 0, 1}, .port = 1};
    struct catalog_node *node = NULL, *first = NULL;
    for (uint32_t i = 1; i <= 4; i++) {
        struct record_id id = world_id(i);
        one.port = (uint16_t)i;
        int rc = catalog_add_node(world.catalog, &id, &one, &node);
        assert_int_equal(rc, i <= 3 ? 0 : -P2P_EBUSY);
        first = i == 1 ? node : first;
    }
    struct record_id fourth = world_id(4);
    catalog_lose(world.catalog, first, 1);
    assert_int_equal(catalog_add_node(world.catalog, &fourth, &one, &node), 0);
    struct plat_addr other = world_address(10);
    catalog_set_source(world.catalog, node, &other);
    struct record_id fifth = world_id(5);
    assert_int_equal(catalog_add_node(world.catalog, &fifth, &one, &node), 0);
    for (uint32_t i = 20; i < 30; i++) {
        struct record_id id = world_id(i);
        assert_int_equal(catalog_add_node(world.catalog, &id, &loopback, &node), 0);
    }
    world_close(&world);
}

static void a_full_table_refuses_and_stays_right(void **state)
{
    (void)state;
    struct world world;
    char path[32];
    world_open(&world, 150 * 1024);
    uint32_t max = catalog_budget(world.catalog).offers;
    struct catalog_node *node = world_node(&world, 1), *other = world_node(&world, 2);
    world_begin(&world, node, 1, 1);
    for (uint32_t i = 0; i < max + 10; i++) {
        snprintf(path, sizeof(path), "d%u/f%u", (unsigned)i % 7, (unsigned)i);
        assert_int_equal(world_apply(&world, node, path, i + 1), i < max ? 0 : -P2P_EFULL);
    }
    world_commit(&world, node);
    assert_true(node->incomplete);
    assert_int_equal(node->refused, 10);
    assert_int_equal(node->offers, max);
    assert_int_equal(catalog_counts(world.catalog).refused, 10);
    world_check(&world);
    /* What changed and has no room goes, what was deleted goes, the rest stays. */
    assert_int_equal(catalog_update_begin(world.catalog, node, 1, 2), 0);
    assert_int_equal(world_apply(&world, node, "d1/f1", 9999), -P2P_EFULL);
    assert_int_equal(world_del(&world, node, "d2/f2"), 0);
    world_commit(&world, node);
    assert_int_equal(node->offers, max - 2);
    assert_int_equal(lookup_find_offer(world.catalog, node, STR("d1/f1")), 0);
    assert_true(node->incomplete && world_has(&world, node, "d3/f3", 4));
    /* Room that only waits to be freed is found. */
    catalog_lose(world.catalog, node, 1);
    world_begin(&world, other, 1, 1);
    for (uint32_t i = 0; i < max; i++) {
        snprintf(path, sizeof(path), "other%u", (unsigned)i);
        assert_int_equal(world_apply(&world, other, path, i + 1), 0);
    }
    world_commit(&world, other);
    assert_false(other->incomplete);
    assert_int_equal(catalog_commit(world.catalog, node, UINT32_MAX), -P2P_ECLOSED);
    while (catalog_step(world.catalog, 10)) {
    }
    assert_false(node->busy);
    world_close(&world);
}

static void offers_of_a_node_are_limited(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, WORLD_SIZE);
    catalog_set_limits(world.catalog, 3, 0);
    struct catalog_node *node = world_node(&world, 1);
    const char *const paths[] = {"a", "b", "c", "d"};
    for (uint64_t seq = 1; seq <= 3; seq++) {
        world_begin(&world, node, 1, seq);
        for (uint32_t i = 0; i < 4; i++) /* the second time the same, the third all changed */
            assert_int_equal(world_apply(&world, node, paths[i], i + 1 + (seq == 3)),
                             i < 3 ? 0 : -P2P_EFULL);
        world_commit(&world, node);
        assert_int_equal(node->offers, 3);
        assert_true(node->incomplete);
    }
    assert_int_equal(catalog_update_begin(world.catalog, node, 1, 4), 0);
    assert_int_equal(world_apply(&world, node, "a", 77), 0);
    assert_int_equal(world_apply(&world, node, "d", 78), -P2P_EFULL);
    assert_int_equal(world_del(&world, node, "b"), 0);
    assert_int_equal(world_apply(&world, node, "d", 78), 0);
    world_commit(&world, node);
    assert_true(world_has(&world, node, "a", 77) && world_has(&world, node, "d", 78));
    world_close(&world);
}

static void bad_lines_are_refused(void **state)
{
    (void)state;
    static char longest[P2P_PATH_MAX + 2];
    memset(longest, 'x', P2P_PATH_MAX + 1);
    for (size_t i = 200; i < P2P_PATH_MAX; i += 200)
        longest[i] = '/';
    struct world world;
    world_open(&world, WORLD_SIZE);
    struct catalog_node *node = world_node(&world, 1);
    world_begin(&world, node, 1, 1);
    assert_int_equal(world_del(&world, node, "a"), -P2P_EINVAL);
    for (size_t len = P2P_PATH_MAX - 1; len <= P2P_PATH_MAX + 1; len++) {
        struct record_change put = world_put("", 1, 1);
        put.offer.path = (struct str){longest, len};
        assert_int_equal(catalog_apply(world.catalog, node, &put),
                         len <= P2P_PATH_MAX ? 0 : -P2P_EINVAL);
    }
    for (int64_t size = P2P_FILE_MAX - 1; size <= P2P_FILE_MAX + 1; size++) {
        struct record_change put = world_put("size", 1, 1);
        put.offer.size = size;
        assert_int_equal(catalog_apply(world.catalog, node, &put),
                         size <= P2P_FILE_MAX ? 0 : -P2P_EINVAL);
    }
    assert_int_equal(world_apply(&world, node, "", 1), -P2P_EINVAL);
    assert_int_equal(world_apply(&world, node, "a/", 1), -P2P_EINVAL);
    world_commit(&world, node);
    assert_int_equal(node->offers, 3);
    struct lookup_offer read;
    lookup_read(world.catalog, lookup_find_offer(world.catalog, node, STR("size")), &read);
    assert_true(read.offer.size == P2P_FILE_MAX);
    world_close(&world);
}

static void newest_owned_stands_for_a_name(void **state)
{
    (void)state;
    const int64_t now = 1790000000, day = 86400;
    static const struct {
        int64_t mtime[3];
        bool copy[3];
        uint32_t best; /* node */
    } rows[] = {
        {{5, 9, 7}, {false, false, false}, 2},
        {{5, 9, 7}, {false, true, false}, 3},
        {{5, 9, 7}, {true, true, true}, 2},
        {{5, 1790000000 + 86400, 7}, {false, false, false}, 2},
        {{5, 1790000000 + 86401, 7}, {false, false, false}, 3},
        {{-5, 1790000000 + 86401, -7}, {false, false, false}, 1},
    };
    assert_int_equal(now + day, 1790086400);
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        struct world world;
        struct lookup_offer read;
        struct record_content content = world_content(6);
        world_open(&world, WORLD_SIZE);
        for (uint32_t i = 0; i < 3; i++) {
            struct record_change put = world_put("a/b", 6, rows[row].mtime[i]);
            put.offer.copy = rows[row].copy[i];
            if (put.offer.copy)
                put.offer.origin = world_id(7);
            world_offer(&world, i + 1, &put);
        }
        uint32_t offer = lookup_best_named(world.catalog, STR("a/b"), now);
        assert_int_equal(offer, lookup_best_holder(world.catalog, &content, now));
        lookup_read(world.catalog, offer, &read);
        struct record_id best = world_id(rows[row].best);
        assert_memory_equal(&read.node->id, &best, sizeof(best));
        assert_int_equal(read.holders, 3);
        world_close(&world);
    }
}

static void copies_keep_their_origin(void **state)
{
    (void)state;
    struct world world;
    struct lookup_offer read;
    world_open(&world, WORLD_SIZE);
    struct record_change put = world_put("a/b", 6, 5);
    put.offer.copy = true;
    put.offer.executable = true;
    put.offer.have = 37;
    put.offer.origin = world_id(1234);
    struct catalog_node *node = world_offer(&world, 1, &put);
    lookup_read(world.catalog, lookup_find_offer(world.catalog, node, STR("a/b")), &read);
    assert_memory_equal(&read.offer.origin, &put.offer.origin, sizeof(put.offer.origin));
    assert_true(read.offer.copy && read.offer.executable && read.offer.have == 37);
    uint8_t have;
    uint32_t offer = lookup_first_named(world.catalog, STR("a/b"));
    assert_ptr_equal(lookup_holder(world.catalog, offer, &have), node);
    assert_int_equal(have, 37);
    world_close(&world);
}

static void a_sweep_goes_on_in_steps(void **state)
{
    (void)state;
    struct world world;
    char path[32];
    world_open(&world, 8 << 20);
    struct catalog_node *node = world_node(&world, 1);
    world_begin(&world, node, 1, 1);
    for (uint32_t i = 0; i < 5000; i++) {
        snprintf(path, sizeof(path), "f%u", (unsigned)i);
        world_apply(&world, node, path, i + 1);
    }
    assert_int_equal(catalog_commit(world.catalog, node, 10), 1);
    assert_true(node->busy);
    assert_int_equal(node->offers, 10);
    assert_int_equal(world_begin(&world, node, 1, 2), -P2P_EBUSY);
    int steps = 1;
    for (; catalog_step(world.catalog, 500); steps++)
        world_check(&world);
    assert_int_equal(steps, 10);
    assert_int_equal(node->offers, 5000);
    catalog_lose(world.catalog, node, 1);
    assert_true(node->busy);
    assert_int_equal(lookup_next_offer(world.catalog, 0), 0);
    assert_int_equal(world_begin(&world, node, 2, 1), -P2P_EBUSY);
    while (catalog_step(world.catalog, 100))
        world_check(&world);
    assert_int_equal(node->offers, 0);
    assert_int_equal(catalog_counts(world.catalog).folders, 0);
    assert_int_equal(catalog_counts(world.catalog).text_used, 0);
    world_close(&world);
}

static void list_says_each_content_once(void **state)
{
    (void)state;
    static const struct {
        const char *prefix;
        int lines;
    } rows[] = {{"", 4},     {"a", 3},  {"a/", 2}, {"a/b", 1},
                {"a/b/", 0}, {"ab", 1}, {"zz", 0}, {"z", 1}};
    struct world world;
    world_open(&world, WORLD_SIZE);
    const struct record_change puts[] = {world_put("a/b", 1, 1), world_put("ab", 2, 1),
                                         world_put("z", 3, 1), world_put("a/x", 0, 1),
                                         world_put("other/name", 1, 9)};
    for (uint32_t i = 0; i < 5; i++)
        world_offer(&world, i % 2, &puts[i]);
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        struct list list;
        struct lookup_offer read;
        char cursor[LIST_CURSOR_MAX] = "";
        int lines = 0, rc = 1;
        while (rc != 0) {
            uint32_t work = 1;
            assert_int_equal(list_init(&list, world.catalog, text_from(rows[row].prefix),
                                       text_from(cursor), 100),
                             0);
            rc = list_next(&list, &work, &read);
            assert_true(rc == 1 || rc == 0 || rc == -P2P_EAGAIN);
            lines += rc == 1;
            if (rc == 1)
                assert_true(text_begins(read.offer.path, text_from(rows[row].prefix)));
            list_cursor(&list, cursor);
        }
        assert_int_equal(lines, rows[row].lines);
    }
    world_close(&world);
}

static void cursors_are_checked(void **state)
{
    (void)state;
    struct world world;
    struct list list;
    char cursor[LIST_CURSOR_MAX];
    world_open(&world, WORLD_SIZE);
    list_init(&list, world.catalog, STR(""), STR(""), 0);
    uint64_t instance = strtoull(list_cursor(&list, cursor), NULL, 10);
    static const struct {
        const char *after; /* the number of this run */
        int expected;
    } rows[] = {{"-0-0", 0},
                {"-0", -P2P_EINVAL},
                {"-0-0-0", -P2P_EINVAL},
                {"-x-0", -P2P_EINVAL},
                {"", -P2P_EINVAL},
                {"-4000000000-0", -P2P_EINVAL},
                {"-0-4294967296", -P2P_EINVAL}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf buf = buf_on(cursor, sizeof(cursor));
        buf_put_u64(&buf, instance);
        buf_put_text(&buf, rows[i].after);
        assert_int_equal(list_init(&list, world.catalog, STR(""), buf_str(&buf), 0),
                         rows[i].expected);
    }
    assert_int_equal(list_init(&list, world.catalog, STR(""), STR("77-0-0"), 0), -P2P_ENOTFOUND);
    world_close(&world);
}

static void a_node_counts_once_as_holder(void **state)
{
    (void)state;
    struct world world;
    struct lookup_offer read;
    world_open(&world, WORLD_SIZE);
    const struct record_change puts[] = {world_put("a", 1, 1), world_put("b", 1, 1),
                                         world_put("c", 1, 1)};
    world_offer(&world, 1, &puts[0]);
    world_offer(&world, 1, &puts[1]);
    struct catalog_node *node = world_offer(&world, 2, &puts[2]);
    struct record_content content = world_content(1);
    lookup_read(world.catalog, lookup_first_holder(world.catalog, &content), &read);
    assert_int_equal(read.holders, 2);
    catalog_lose(world.catalog, node, 1);
    lookup_read(world.catalog, lookup_first_holder(world.catalog, &content), &read);
    assert_int_equal(read.holders, 1);
    world_close(&world);
}

static void too_little_memory_is_told(void **state)
{
    (void)state;
    struct arena arena;
    struct catalog *catalog;
    assert_int_equal(arena_init(&arena, 1 << 20), 0);
    assert_int_equal(catalog_init(&catalog, &arena, 10000), -P2P_EFULL);
    assert_null(catalog);
    assert_int_equal(catalog_init(&catalog, &arena, 1 << 20), 0);
    struct catalog_budget budget = catalog_budget(catalog);
    assert_in_range(budget.offers, 3000, 6000);
    assert_int_equal(budget.names, budget.offers);
    assert_in_range(budget.nodes, 16, budget.offers);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(join_tells_only_differences),
        cmocka_unit_test(abort_changes_nothing),
        cmocka_unit_test(last_line_of_a_name_counts),
        cmocka_unit_test(sequence_is_kept),
        cmocka_unit_test(tombstones),
        cmocka_unit_test(a_lost_node_ends_its_transaction),
        cmocka_unit_test(oldest_tombstone_gives_way),
        cmocka_unit_test(a_tombstone_with_offers_stays),
        cmocka_unit_test(nodes_of_one_address_are_limited),
        cmocka_unit_test(a_full_table_refuses_and_stays_right),
        cmocka_unit_test(offers_of_a_node_are_limited),
        cmocka_unit_test(bad_lines_are_refused),
        cmocka_unit_test(newest_owned_stands_for_a_name),
        cmocka_unit_test(copies_keep_their_origin),
        cmocka_unit_test(a_sweep_goes_on_in_steps),
        cmocka_unit_test(list_says_each_content_once),
        cmocka_unit_test(cursors_are_checked),
        cmocka_unit_test(a_node_counts_once_as_holder),
        cmocka_unit_test(too_little_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
