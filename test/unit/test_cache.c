/* SPDX-License-Identifier: MIT */
/* The hash cache: what was appended is there after a restart; torn, cut, foreign and zeroed files
 * lose as little as they must; compaction; no folder to write to. */
#include "peer/cache.h"

#include "base/state.h"
#include "base/text.h"
#include "platform/plat.h"
#include "wire/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { FOUND_MAX = 64 };

static char root[64];
static int folder;
static struct cache cache;
static uint8_t span[CACHE_SPAN];

static struct found {
    char path[P2P_PATH_MAX + 1];
    struct cache_record record;
    uint32_t place;
} found[FOUND_MAX];
static uint32_t found_count;

static void on_found(void *ctx, const struct cache_record *record, uint32_t place)
{
    assert_ptr_equal(ctx, found);
    assert_true(found_count < FOUND_MAX);
    struct found *one = &found[found_count++];
    one->record = *record;
    one->place = place;
    assert_int_equal(text_copy(record->path, one->path, sizeof one->path), 0);
}

static int open_cache(void)
{
    struct cache_open how = {.folder = folder, .span = span, .found = on_found, .ctx = found};
    found_count = 0;
    return cache_open(&cache, &how);
}

static void reopen(void)
{
    cache_close(&cache);
    assert_int_equal(open_cache(), 0);
}

static int setup(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/test_cache.XXXXXX");
    if (!mkdtemp(root))
        return -1;
    folder = plat_open_folder(root);
    return open_cache();
}

static int teardown(void **state)
{
    char command[96];
    (void)state;
    cache_close(&cache);
    plat_close(folder);
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

/* A record of a file of that size, with a chain of made-up states. */
static struct cache_record make(const char *path, int64_t size)
{
    struct cache_record record = {.path = text_from(path),
                                  .stat = {.kind = PLAT_KIND_FILE,
                                           .device = 1,
                                           .inode = UINT64_C(0xfedcba9876543210),
                                           .size = size,
                                           .mtime_ns = -5,
                                           .ctime_ns = INT64_C(1790000000123456789)},
                                  .racy = size % 2 == 1,
                                  .states = digest_piece_count(size) - 1};
    memset(record.content.bytes, (int)strlen(path), sizeof record.content.bytes);
    memset(record.chain_id, 7, sizeof record.chain_id);
    return record;
}

static void chain_make(uint8_t *chain, uint32_t states)
{
    for (uint32_t i = 0; i < states * P2P_SHA256_SIZE; i++)
        chain[i] = (uint8_t)(i * 13 + i / 256);
}

static uint32_t append(const char *path, int64_t size)
{
    uint8_t head[CACHE_HEAD + P2P_PATH_MAX + CACHE_UNIT];
    static uint8_t chain[P2P_PIECES_AIM * P2P_SHA256_SIZE];
    struct cache_record record = make(path, size);
    chain_make(chain, record.states);
    record.states_crc = state_crc32(0, chain, (size_t)record.states * P2P_SHA256_SIZE);
    cache_encode(&record, head);
    return cache_append_chain(&cache, head, cache_units(record.path.len, 0) * (size_t)CACHE_UNIT,
                              chain, record.states);
}

static void is_as_made(const struct cache_record *record, const char *path, int64_t size)
{
    struct cache_record wanted = make(path, size);
    assert_true(text_equal(record->path, wanted.path));
    assert_memory_equal(&record->content, &wanted.content, sizeof wanted.content);
    assert_memory_equal(record->chain_id, wanted.chain_id, sizeof wanted.chain_id);
    assert_int_equal(record->stat.device, wanted.stat.device);
    assert_int_equal(record->stat.inode, wanted.stat.inode);
    assert_int_equal(record->stat.size, size);
    assert_int_equal(record->stat.mtime_ns, wanted.stat.mtime_ns);
    assert_int_equal(record->stat.ctime_ns, wanted.stat.ctime_ns);
    assert_int_equal(record->racy, wanted.racy);
    assert_int_equal(record->states, wanted.states);
}

static const struct row {
    const char *path;
    int64_t size;
} rows[] = {
    {"a", 0}, {"b/c", 1}, {"1234567", 65536}, {"12345678", 65537}, {"big", 3000000}, {"x", 5},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static void appended_is_there_after_a_restart(void **state)
{
    uint32_t places[ROWS];
    (void)state;
    assert_int_equal(found_count, 0);
    for (int i = 0; i < ROWS; i++) {
        places[i] = append(rows[i].path, rows[i].size);
        assert_int_not_equal(places[i], 0);
    }
    reopen();
    assert_int_equal(found_count, ROWS);
    for (int i = 0; i < ROWS; i++) {
        char path[P2P_PATH_MAX + 1];
        struct cache_record record;
        uint8_t part[64];
        found[i].record.path.ptr = found[i].path;
        assert_int_equal(found[i].place, places[i]);
        is_as_made(&found[i].record, rows[i].path, rows[i].size);
        assert_int_equal(cache_read(cache.fd, places[i], &record, path), 0);
        is_as_made(&record, rows[i].path, rows[i].size);
        assert_int_equal(cache_check_chain(cache.fd, places[i], &record, part, sizeof part), 0);
    }
}

static void the_longest_path(void **state)
{
    char path[P2P_PATH_MAX + 1];
    (void)state;
    memset(path, 'p', sizeof path);
    for (int i = 250; i < P2P_PATH_MAX; i += 251)
        path[i] = '/';
    path[P2P_PATH_MAX] = '\0';
    append(path, 3000000);
    append("behind", 3);
    reopen();
    assert_int_equal(found_count, 2);
    assert_string_equal(found[0].path, path);
}

/* More records than fit into one span, of all lengths: each is found, in its order. */
static uint32_t counted;

static void on_counted(void *ctx, const struct cache_record *record, uint32_t place)
{
    (void)ctx;
    (void)place;
    assert_int_equal(record->path.len, 1 + counted % 240);
    counted++;
}

static void many(void **state)
{
    char path[256];
    struct cache_open how = {.folder = folder, .span = span, .found = on_counted};
    (void)state;
    memset(path, 'm', sizeof path);
    for (uint32_t i = 0; i < 1000; i++) {
        path[1 + i % 240] = '\0';
        append(path, i % 3 == 0 ? 400000 : i);
        path[1 + i % 240] = 'm';
    }
    cache_close(&cache);
    counted = 0;
    assert_int_equal(cache_open(&cache, &how), 0);
    assert_int_equal(counted, 1000);
}

static int64_t file_size(void)
{
    struct plat_stat stat;
    assert_int_equal(plat_fstat(cache.fd, &stat), 0);
    return stat.size;
}

static void cut(int64_t size)
{
    assert_int_equal(plat_truncate(cache.fd, size), 0);
}

/* Cut at every byte: all records before the cut are there, none after, and the next goes behind. */
static void torn_ends_are_cut(void **state)
{
    int64_t ends[4] = {16};
    (void)state;
    for (int i = 0; i < 3; i++) {
        append(rows[i + 1].path, rows[i + 1].size);
        ends[i + 1] = file_size();
    }
    static uint8_t whole[4096];
    int64_t size = plat_pread(cache.fd, whole, sizeof whole, 0);
    assert_int_equal(size, ends[3]);
    for (int64_t at = 0; at <= size; at++) {
        uint32_t wanted = 0;
        while (wanted < 3 && ends[wanted + 1] <= at)
            wanted++;
        assert_int_equal(plat_pwrite(cache.fd, whole, (size_t)size, 0), 0);
        cut(at);
        reopen();
        assert_int_equal(found_count, wanted);
        assert_int_equal(file_size(), ends[wanted]);
        assert_int_not_equal(append("next", 1), 0);
        reopen();
        assert_int_equal(found_count, wanted + 1);
        assert_string_equal(found[wanted].path, "next");
    }
}

/* One byte wrong anywhere in head or path: that record and what is behind it are lost, no more. */
static void damage_is_found(void **state)
{
    static uint8_t whole[4096];
    (void)state;
    append("first", 1);
    int64_t begin = file_size();
    append("second", 1);
    append("third", 1);
    int64_t size = plat_pread(cache.fd, whole, sizeof whole, 0);
    int64_t end = begin + (int64_t)cache_units(6, 0) * CACHE_UNIT;
    for (int64_t at = begin; at < end; at++) {
        uint8_t byte = (uint8_t)(whole[at] ^ 0x41);
        assert_int_equal(plat_pwrite(cache.fd, whole, (size_t)size, 0), 0);
        assert_int_equal(plat_pwrite(cache.fd, &byte, 1, at), 0);
        reopen();
        assert_int_equal(found_count, 1);
        assert_string_equal(found[0].path, "first");
    }
}

static void a_damaged_chain_is_found(void **state)
{
    char path[P2P_PATH_MAX + 1];
    struct cache_record record;
    uint8_t part[1024], byte = 0xee;
    uint32_t place = append("big", 3000000);
    (void)state;
    assert_int_equal(cache_read(cache.fd, place, &record, path), 0);
    assert_int_equal(cache_check_chain(cache.fd, place, &record, part, sizeof part), 0);
    assert_int_equal(plat_pwrite(cache.fd, &byte, 1, cache_chain_at(place, &record) + 700), 0);
    assert_int_equal(cache_check_chain(cache.fd, place, &record, part, sizeof part), -P2P_EVERIFY);
    assert_int_equal(cache_read(cache.fd, place + 1, &record, path), -P2P_EVERIFY);
    assert_int_equal(cache_read(cache.fd, 0, &record, path), -P2P_EVERIFY);
    assert_int_equal(cache_read(cache.fd, 1u << 30, &record, path), -P2P_EVERIFY);
}

/* A worker that died between taking room and writing leaves zeroes. */
static void holes_are_passed_over(void **state)
{
    (void)state;
    append("before", 1);
    atomic_fetch_add(&cache.end, 100);
    append("behind", 1);
    reopen();
    assert_int_equal(found_count, 2);
    assert_string_equal(found[1].path, "behind");
}

static void a_foreign_file_is_begun_anew(void **state)
{
    static const char *texts[] = {"", "p2p-hash", "#!/bin/sh\nexit 0\n and so on and on\n"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        cut(0);
        assert_int_equal(plat_pwrite(cache.fd, texts[i], strlen(texts[i]), 0), 0);
        reopen();
        assert_int_equal(found_count, 0);
        assert_int_equal(file_size(), 16);
        append("a", 1);
        reopen();
        assert_int_equal(found_count, 1);
    }
}

static void without_a_folder_it_has_no_name(void **state)
{
    char path[P2P_PATH_MAX + 1];
    struct cache_record record;
    int own = folder;
    uint64_t written = state_written();
    (void)state;
    cache_close(&cache);
    folder = -1;
    assert_int_equal(open_cache(), 0);
    uint32_t place = append("big", 3000000);
    assert_int_not_equal(place, 0);
    assert_int_equal(cache_read(cache.fd, place, &record, path), 0);
    is_as_made(&record, "big", 3000000);
    assert_int_equal(cache.folder, -1);
    struct cache_move move;
    assert_int_equal(cache_move_begin(&move, &cache), 0);
    place = cache_move(&move, place);
    assert_int_equal(cache_move_end(&move), 0);
    cache_move_switch(&move);
    assert_int_equal(cache_read(cache.fd, place, &record, path), 0);
    is_as_made(&record, "big", 3000000);
    assert_int_equal(state_written(), written); /* no flash wears out */
    folder = own;
}

static void written_bytes_are_counted(void **state)
{
    uint64_t before = state_written();
    int64_t size = file_size();
    (void)state;
    append("a", 1);
    append("big", 3000000);
    assert_int_equal(state_written() - before, file_size() - size);
}

static void compaction_keeps_what_counts(void **state)
{
    uint32_t places[40], kept[40] = {0};
    char path[32];
    struct cache_move move;
    struct cache_record record;
    (void)state;
    for (int i = 0; i < 40; i++) {
        snprintf(path, sizeof path, "file-%02d", i);
        places[i] = append(path, 10000000);
    }
    cache.live = 30 * cache_units(7, digest_piece_count(10000000) - 1);
    assert_false(cache_is_wasteful(&cache));
    cache.live = 10 * cache_units(7, digest_piece_count(10000000) - 1);
    assert_true(cache_is_wasteful(&cache));
    int before = cache_hold(&cache);
    int64_t size = file_size();
    assert_int_equal(cache_move_begin(&move, &cache), 0);
    for (int i = 0; i < 40; i += 4)
        assert_int_not_equal(kept[i] = cache_move(&move, places[i]), 0);
    assert_int_equal(cache_move_end(&move), 0);
    cache_move_switch(&move);
    assert_int_not_equal(cache.fd, before);
    assert_true(file_size() < size / 3);
    assert_int_equal(cache_read(before, places[1], &record, path), 0); /* still open */
    cache_drop(&cache, before);
    assert_int_equal(cache.old_fd, -1);
    append("after", 1);
    reopen();
    assert_int_equal(found_count, 11);
    for (int i = 0; i < 10; i++) {
        snprintf(path, sizeof path, "file-%02d", 4 * i);
        assert_string_equal(found[i].path, path);
        assert_int_equal(found[i].place, kept[4 * i]);
    }
}

static void a_failed_compaction_changes_nothing(void **state)
{
    struct cache_move move;
    uint32_t place = append("a", 1);
    int fd = cache.fd;
    (void)state;
    assert_int_equal(cache_move_begin(&move, &cache), 0);
    assert_int_equal(cache_move(&move, 1u << 20), 0); /* nothing is there */
    assert_int_not_equal(cache_move(&move, place), 0);
    move.failed = true;
    assert_int_equal(cache_move_end(&move), -P2P_EIO);
    assert_int_equal(cache.fd, fd);
    reopen();
    assert_int_equal(found_count, 1);
    struct plat_stat stat;
    assert_int_equal(plat_stat_beneath(folder, "hashes.new", &stat), -P2P_ENOTFOUND);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(appended_is_there_after_a_restart),
        test(the_longest_path),
        test(many),
        test(torn_ends_are_cut),
        test(damage_is_found),
        test(a_damaged_chain_is_found),
        test(holes_are_passed_over),
        test(a_foreign_file_is_begun_anew),
        test(without_a_folder_it_has_no_name),
        test(written_bytes_are_counted),
        test(compaction_keeps_what_counts),
        test(a_failed_compaction_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
