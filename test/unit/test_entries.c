/* SPDX-License-Identifier: MIT */
/* The life of files without disk or threads: what is hashed when, what is told, what is remembered,
 * and what happens when lists are full. The clock is the real one, waits are made short. */
#include "peer/entries.h"

#include "platform/plat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { MEMORY = 1 << 20 };

static struct arena arena;
static struct entries e;
static struct cache cache;
static uint32_t told;

static void on_changed(void *ctx, uint32_t file)
{
    assert_ptr_equal(ctx, &e);
    assert_int_not_equal(file, 0);
    told++;
}

static int setup(void **state)
{
    (void)state;
    if (arena_init(&arena, MEMORY) != 0 || entries_init(&e, &arena, MEMORY - 65536) != 0)
        return -1;
    memset(&cache, 0, sizeof cache);
    e.cache = &cache;
    e.changed = on_changed;
    e.ctx = &e;
    e.settle_ms = 0;
    told = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

/* What a file is: version is all that differs. age_s: by its mtime. */
static struct plat_stat stat_of(int version, int64_t age_s)
{
    return (struct plat_stat){.kind = PLAT_KIND_FILE,
                              .device = 1,
                              .inode = 2,
                              .size = 100 + version,
                              .mtime_ns = (plat_wall_s() - age_s) * 1000000000,
                              .ctime_ns = 7};
}

static struct plat_stat old_file(int version)
{
    struct plat_stat stat = stat_of(version, 0);
    stat.mtime_ns = INT64_C(1500000000) * 1000000000 + version;
    return stat;
}

static uint32_t see(const char *name, const struct plat_stat *stat, enum entries_cause cause)
{
    return entries_seen(&e, TREE_ROOT, (struct str){name, strlen(name)}, stat, cause);
}

static unsigned flags(uint32_t file)
{
    return tree_file(&e.tree, file)->flags;
}

static uint32_t next(bool wanted, struct entries_task *task)
{
    static char path[P2P_PATH_MAX + 1];
    return entries_next(&e, wanted, task, path) ? task->file : 0;
}

static void hashed(const struct entries_task *task, int result, uint8_t content, bool racy)
{
    struct entries_result out = {.file = task->file,
                                 .result = result,
                                 .print = task->print,
                                 .content = {{content}},
                                 .record = 2,
                                 .racy = racy};
    cache.live += 100; /* the record counts against it when it is dropped */
    entries_hashed(&e, &out);
}

/* Hashes what comes next, with that content. */
static uint32_t hash_next(uint8_t content)
{
    struct entries_task task;
    uint32_t file = next(false, &task);
    assert_int_not_equal(file, 0);
    hashed(&task, 0, content, false);
    return file;
}

static void an_old_file_is_hashed_at_once(void **state)
{
    struct plat_stat stat = old_file(1);
    (void)state;
    uint32_t file = see("a", &stat, ENTRIES_SCANNED);
    assert_int_equal(told, 1);
    assert_true(entries_is_offered(&e, file));
    assert_int_equal(hash_next(5), file);
    assert_int_equal(told, 2);
    assert_int_equal(flags(file) & TREE_HASHED, TREE_HASHED);
    assert_int_equal(see("a", &stat, ENTRIES_SCANNED), file);
    assert_int_equal(told, 2);
    assert_true(entries_is_idle(&e));
}

static void a_fresh_file_settles_first(void **state)
{
    struct plat_stat stat = stat_of(1, 0);
    struct entries_task task;
    int64_t wait_ms;
    (void)state;
    uint32_t file = see("a", &stat, ENTRIES_SCANNED);
    assert_int_equal(flags(file) & TREE_UNSETTLED, TREE_UNSETTLED);
    assert_int_equal(next(false, &task), 0);
    assert_int_equal(entries_due(&e, plat_now_ms() + 1, &wait_ms), file);
    stat = stat_of(2, 0); /* still written to */
    see("a", &stat, ENTRIES_CHANGED);
    assert_int_equal(next(false, &task), 0);
    assert_int_equal(entries_due(&e, plat_now_ms() + 1, &wait_ms), file);
    see("a", &stat, ENTRIES_CHANGED);
    assert_int_equal(next(false, &task), file);
    assert_int_equal(task.size, 102);
}

static void closing_settles(void **state)
{
    struct plat_stat stat = stat_of(1, 0);
    struct entries_task task;
    (void)state;
    uint32_t file = see("a", &stat, ENTRIES_CHANGED);
    assert_int_equal(next(false, &task), 0);
    see("a", &stat, ENTRIES_SETTLED);
    assert_int_equal(next(false, &task), file);
}

/* A file that changes again and again has to rest longer each time. */
static void restless_files_wait_longer(void **state)
{
    struct entries_task task;
    int64_t wait_ms;
    int looks = 0, first = 0;
    (void)state;
    uint32_t file = 0;
    for (int version = 0; version < 6; version++) {
        struct plat_stat stat = stat_of(version, 0);
        file = see("log", &stat, ENTRIES_SETTLED);
        for (looks = 0; next(false, &task) == 0; looks++) {
            assert_int_equal(entries_due(&e, plat_now_ms() + 1, &wait_ms), file);
            see("log", &stat, ENTRIES_CHANGED);
            assert_true(looks < 300);
        }
        hashed(&task, 0, (uint8_t)version, false);
        first = version == 0 ? looks : first;
    }
    assert_int_equal(first, 0);
    assert_true(looks >= 4);
    struct plat_stat rested = stat_of(99, -100); /* much later */
    see("log", &rested, ENTRIES_SETTLED);
    assert_int_equal(next(false, &task), file);
}

/* One that never rests is hashed even so, after many looks. */
static void the_longest_wait(void **state)
{
    struct entries_task task;
    int64_t wait_ms;
    int looks = 0;
    struct plat_stat stat = stat_of(0, 0);
    (void)state;
    uint32_t file = see("log", &stat, ENTRIES_CHANGED);
    while (next(false, &task) == 0) {
        assert_int_equal(entries_due(&e, plat_now_ms() + 1, &wait_ms), file);
        stat = stat_of(++looks, 0);
        see("log", &stat, ENTRIES_CHANGED);
        assert_true(looks <= ENTRIES_AGE_MAX + 1);
    }
    assert_int_equal(looks, ENTRIES_AGE_MAX);
}

static void a_change_while_it_is_hashed(void **state)
{
    struct plat_stat stat = old_file(1);
    struct entries_task task, again;
    int64_t wait_ms;
    (void)state;
    uint32_t file = see("a", &stat, ENTRIES_SCANNED);
    assert_int_equal(next(false, &task), file);
    stat = old_file(2);
    see("a", &stat, ENTRIES_SETTLED);
    hashed(&task, 0, 5, false); /* of what it was */
    assert_int_equal(flags(file) & TREE_HASHED, 0);
    for (int i = 0; i < 10 && next(false, &again) == 0; i++)
        if (entries_due(&e, plat_now_ms() + 1, &wait_ms) == file)
            see("a", &stat, ENTRIES_CHANGED);
    assert_int_equal(again.file, file);
    assert_int_equal(again.size, 102);
}

static void unreadable_files_are_withdrawn(void **state)
{
    struct plat_stat stat = old_file(1);
    struct entries_task task;
    (void)state;
    uint32_t file = see("a", &stat, ENTRIES_SCANNED);
    next(false, &task);
    hashed(&task, -P2P_EDENIED, 0, false);
    assert_false(entries_is_offered(&e, file));
    assert_int_equal(e.unreadable, 1);
    see("a", &stat, ENTRIES_SCANNED);
    assert_int_equal(next(false, &task), 0);
    stat = old_file(2);
    see("a", &stat, ENTRIES_SETTLED);
    assert_true(entries_is_offered(&e, file));
    assert_int_equal(e.unreadable, 0);
    assert_int_equal(next(false, &task), file);
}

static void what_is_gone_is_remembered(void **state)
{
    struct plat_stat stat = old_file(1), other = old_file(2);
    struct entries_task task;
    (void)state;
    uint32_t file = see("a", &stat, ENTRIES_SCANNED);
    hash_next(5);
    entries_gone(&e, file);
    assert_int_equal(told, 3);
    assert_false(entries_is_offered(&e, file));
    assert_int_equal(e.tree.counts.absent, 1);
    assert_int_equal(see("a", &stat, ENTRIES_SCANNED), file);
    assert_int_equal(flags(file) & TREE_HASHED, TREE_HASHED);
    assert_int_equal(next(false, &task), 0);
    entries_gone(&e, file);
    see("a", &other, ENTRIES_SCANNED); /* another one of that name */
    assert_int_equal(flags(file) & TREE_HASHED, 0);
    assert_int_equal(next(false, &task), file);
    entries_gone(&e, file); /* never hashed: forgotten, but a worker has it */
    assert_int_not_equal(flags(file) & TREE_USED, 0);
    hashed(&task, -P2P_ENOTFOUND, 0, false);
    assert_int_equal(e.tree.counts.absent, 0);
    assert_int_equal(tree_find_path(&e.tree, STR("a")), 0);
}

/* The network is told before the slot is free. */
static void a_change_to_tell_keeps_the_slot(void **state)
{
    struct plat_stat stat = stat_of(1, 0);
    (void)state;
    uint32_t file = see("a", &stat, ENTRIES_CHANGED);
    int64_t wait_ms;
    tree_file(&e.tree, file)->flags |= TREE_DIRTY;
    entries_gone(&e, file);
    assert_int_equal(entries_due(&e, plat_now_ms() + 1, &wait_ms), 0);
    assert_int_equal(tree_find_path(&e.tree, STR("a")), file);
    tree_file(&e.tree, file)->flags &= (uint16_t)~TREE_DIRTY;
    entries_release(&e, file);
    assert_int_equal(tree_find_path(&e.tree, STR("a")), 0);
}

static void a_full_table_forgets_what_is_gone(void **state)
{
    struct plat_stat stat = old_file(1);
    char name[32];
    uint32_t room = e.tree.files.count, i = 0;
    (void)state;
    for (; i < room; i++) {
        snprintf(name, sizeof name, "f%u", (unsigned)i);
        assert_int_not_equal(see(name, &stat, ENTRIES_SCANNED), 0);
        hash_next(1);
    }
    assert_int_equal(see("one more", &stat, ENTRIES_SCANNED), 0);
    assert_int_equal(e.refused, 1);
    entries_gone(&e, tree_find_path(&e.tree, STR("f3")));
    assert_int_not_equal(tree_find_path(&e.tree, STR("f3")), 0);
    assert_int_not_equal(see("one more", &stat, ENTRIES_SCANNED), 0);
    assert_int_equal(tree_find_path(&e.tree, STR("f3")), 0);
    assert_int_equal(see("two more", &stat, ENTRIES_SCANNED), 0);
    assert_int_equal(e.refused, 2);
}

static void withdrawing_and_trimming(void **state)
{
    enum { FILES = ENTRIES_ABSENT_MIN + 200 };
    struct plat_stat stat = old_file(1);
    char name[32];
    (void)state;
    assert_true(e.tree.files.count > FILES);
    for (uint32_t i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "d%u/f%u", (unsigned)(i % 9), (unsigned)i);
        uint32_t folder = tree_add_folder(&e.tree, TREE_ROOT, (struct str){name, 2});
        entries_seen(&e, folder, (struct str){name + 3, strlen(name + 3)}, &stat, ENTRIES_SCANNED);
        hash_next(1);
    }
    told = 0;
    uint32_t at = 0;
    while (entries_withdraw(&e, &at, 100))
        assert_int_equal(told % 100, 0);
    assert_int_equal(told, FILES);
    assert_int_equal(e.tree.counts.present, 0);
    entries_trim(&e, false);
    assert_int_equal(e.tree.counts.absent, FILES);
    entries_trim(&e, true);
    assert_int_equal(e.tree.counts.absent, ENTRIES_ABSENT_MIN);
}

static void wanted_ones_first_and_not_too_many(void **state)
{
    struct plat_stat stat = old_file(1);
    struct entries_task task;
    uint32_t files[ENTRIES_URGENT_MAX + 2];
    char name[32];
    (void)state;
    for (uint32_t i = 0; i < ENTRIES_URGENT_MAX + 2; i++) {
        snprintf(name, sizeof name, "f%u", (unsigned)i);
        files[i] = see(name, &stat, ENTRIES_SCANNED);
    }
    for (uint32_t i = 1; i <= ENTRIES_URGENT_MAX; i++)
        assert_true(entries_want(&e, files[i]));
    assert_true(entries_want(&e, files[1])); /* is wanted already */
    assert_false(entries_want(&e, files[ENTRIES_URGENT_MAX + 1]));
    assert_int_equal(next(false, &task), files[0]);
    for (uint32_t i = 1; i <= ENTRIES_URGENT_MAX; i++)
        assert_int_equal(next(true, &task), files[i]);
    assert_int_equal(next(true, &task), 0);
    assert_int_equal(next(false, &task), files[ENTRIES_URGENT_MAX + 1]);
    assert_int_equal(next(false, &task), 0);
}

/* One more than there is room for goes straight into the hash queue. */
static void a_full_ring_of_unsettled_files(void **state)
{
    struct plat_stat stat = stat_of(1, 0);
    struct entries_task task;
    char name[32];
    (void)state;
    for (uint32_t i = 0; i < ENTRIES_SETTLE_MAX; i++) {
        snprintf(name, sizeof name, "f%u", (unsigned)i);
        see(name, &stat, ENTRIES_CHANGED);
    }
    assert_int_equal(e.settle_count, ENTRIES_SETTLE_MAX);
    assert_int_equal(next(false, &task), 0);
    uint32_t last = see("one more", &stat, ENTRIES_CHANGED);
    assert_int_equal(next(false, &task), last);
}

static void loaded_files(void **state)
{
    struct cache_record record = {.path = STR("d/a"), .stat = old_file(1), .content = {{9}}};
    struct cache_record racy = {
        .path = STR("d/b"), .stat = old_file(1), .content = {{8}}, .racy = true};
    struct entries_task task;
    (void)state;
    entries_loaded(&e, &record, 10);
    entries_loaded(&e, &racy, 30);
    assert_int_equal(cache.live, 2 * cache_units(3, 0));
    entries_loaded(&e, &record, 50);
    assert_int_equal(cache.live, 2 * cache_units(3, 0));
    assert_int_equal(told, 0);
    uint32_t folder = tree_find_folder(&e.tree, TREE_ROOT, STR("d"));
    uint32_t a = entries_seen(&e, folder, STR("a"), &record.stat, ENTRIES_SCANNED);
    uint32_t b = entries_seen(&e, folder, STR("b"), &racy.stat, ENTRIES_SCANNED);
    assert_int_equal(flags(a) & TREE_HASHED, TREE_HASHED);
    assert_int_equal(tree_file(&e.tree, a)->record, 50);
    assert_int_equal(flags(b) & TREE_HASHED, 0);
    assert_int_equal(next(false, &task), b);
    assert_int_equal(cache.live, cache_units(3, 0));
}

/* Written to within the same tick as before: nothing shows but the event. */
static void an_event_of_a_racy_file(void **state)
{
    struct plat_stat stat = stat_of(1, 0);
    struct entries_task task;
    int64_t wait_ms;
    (void)state;
    uint32_t file = see("a", &stat, ENTRIES_SETTLED);
    next(false, &task);
    hashed(&task, 0, 5, true);
    see("a", &stat, ENTRIES_SCANNED);
    assert_int_equal(next(false, &task), 0);
    told = 0;
    see("a", &stat, ENTRIES_SETTLED);
    assert_int_equal(flags(file) & TREE_HASHED, TREE_HASHED); /* meanwhile */
    assert_int_equal(entries_due(&e, plat_now_ms() + 1, &wait_ms), file);
    see("a", &stat, ENTRIES_CHANGED);
    assert_int_equal(next(false, &task), file);
    hashed(&task, 0, 5, false);
    assert_int_equal(told, 0); /* the same content: nothing to tell */
    see("a", &stat, ENTRIES_SETTLED);
    assert_true(entries_is_idle(&e) || entries_due(&e, plat_now_ms() + 1, &wait_ms) == 0);
}

/* Scanned: read once more as soon as a later change would show, and no more after that. */
static void a_scan_of_a_racy_file(void **state)
{
    struct plat_stat fresh = stat_of(1, 0), old = old_file(1);
    struct entries_task task;
    (void)state;
    uint32_t a = see("a", &fresh, ENTRIES_SETTLED), b = see("b", &old, ENTRIES_SCANNED);
    assert_int_equal(next(false, &task), a);
    hashed(&task, 0, 5, true);
    assert_int_equal(next(false, &task), b);
    hashed(&task, 0, 6, true);
    told = 0;
    see("a", &fresh, ENTRIES_SCANNED);
    see("b", &old, ENTRIES_SCANNED);
    see("b", &old, ENTRIES_SCANNED);
    assert_int_equal(flags(b) & TREE_HASHED, TREE_HASHED); /* meanwhile */
    assert_int_equal(next(false, &task), b);
    assert_int_equal(next(false, &task), 0);
    hashed(&task, 0, 7, false);
    assert_int_equal(told, 1);
    see("b", &old, ENTRIES_SCANNED);
    assert_int_equal(next(false, &task), 0);
}

static void a_lost_record(void **state)
{
    struct plat_stat stat = old_file(1);
    struct entries_task task;
    (void)state;
    uint32_t file = see("a", &stat, ENTRIES_SCANNED);
    hash_next(5);
    told = 0;
    entries_rehash(&e, file);
    assert_int_equal(flags(file) & TREE_HASHED, TREE_HASHED);
    assert_int_equal(next(false, &task), file);
    hashed(&task, 0, 5, false);
    assert_int_equal(told, 0);
    assert_int_equal(next(false, &task), 0);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(an_old_file_is_hashed_at_once),
        test(a_fresh_file_settles_first),
        test(closing_settles),
        test(restless_files_wait_longer),
        test(the_longest_wait),
        test(a_change_while_it_is_hashed),
        test(unreadable_files_are_withdrawn),
        test(what_is_gone_is_remembered),
        test(a_change_to_tell_keeps_the_slot),
        test(a_full_table_forgets_what_is_gone),
        test(withdrawing_and_trimming),
        test(wanted_ones_first_and_not_too_many),
        test(a_full_ring_of_unsettled_files),
        test(loaded_files),
        test(an_event_of_a_racy_file),
        test(a_scan_of_a_racy_file),
        test(a_lost_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
