/* SPDX-License-Identifier: MIT */
/* A share on a real folder: files appear, change, move and go; what is not offered; the share
 * itself comes and goes; what the hash cache saves. Every test runs with watches and by scanning.
 */
#include "rig_share.h"

#include "base/hash.h"
#include "base/state.h"
#include "peer/survey.h"

static const char *watch_mode;

static int setup(void **state)
{
    struct shared *shared = test_malloc(sizeof *shared);
    shared_make(shared);
    shared_set(shared, "share.watch", watch_mode);
    shared_set(shared, "share.scan", "20ms");
    shared_set(shared, "share.scan_idle", "200ms");
    *state = shared;
    return 0;
}

static int teardown(void **state)
{
    struct shared *shared = *state;
    if (shared->running)
        shared_stop(shared);
    shared_remove(shared);
    test_free(shared);
    return 0;
}

static struct shared *begin(void **state)
{
    struct shared *shared = *state;
    shared_open(shared);
    shared_run(shared);
    return shared;
}

static void restart(struct shared *shared)
{
    shared_stop(shared);
    shared_open(shared);
    shared_run(shared);
}

static void move(const struct shared *shared, const char *from, const char *to)
{
    char a[512], b[512];
    shared_at(shared, from, a);
    shared_at(shared, to, b);
    assert_int_equal(rename(a, b), 0);
}

static void take(const struct shared *shared, const char *name)
{
    char path[512];
    shared_at(shared, name, path);
    assert_int_equal(remove(path), 0);
}

static void files_are_found_and_hashed(void **state)
{
    struct shared *shared = *state;
    shared_put(shared, "a.txt", "alpha");
    shared_put(shared, "empty", "");
    shared_put(shared, "deep/er/b", "beta");
    begin(state);
    shared_wait_text(shared, "a.txt", "alpha");
    shared_wait_text(shared, "empty", "");
    shared_wait_text(shared, "deep/er/b", "beta");
    assert_int_equal(shared_count(shared), 3);
    assert_int_equal(share_tree(shared->share)->counts.bytes, 9);
}

static void changes_are_seen(void **state)
{
    struct shared *shared = *state;
    shared_put(shared, "a.txt", "alpha");
    shared_put(shared, "gone", "gone");
    begin(state);
    shared_wait_text(shared, "gone", "gone");
    shared_put(shared, "new/file", "new");
    shared_wait_text(shared, "new/file", "new");
    shared_write(shared, "a.txt", "longer alpha", 12, 0);
    shared_wait_text(shared, "a.txt", "longer alpha");
    shared_write(shared, "a.txt", "other  alpha", 12, 0); /* of the same size, at once */
    shared_wait_text(shared, "a.txt", "other  alpha");
    take(shared, "gone");
    shared_wait(shared, !shared_find(shared, "gone"));
    move(shared, "a.txt", "new/b.txt");
    shared_wait_text(shared, "new/b.txt", "other  alpha");
    shared_wait(shared, !shared_find(shared, "a.txt"));
    shared_put(shared, "over", "old");
    shared_wait_text(shared, "over", "old");
    move(shared, "new/b.txt", "over");
    shared_wait_text(shared, "over", "other  alpha");
    shared_wait(shared, shared_count(shared) == 2);
}

static void folders_move_in_and_out(void **state)
{
    struct shared *shared = begin(state);
    char in[512], out[512];
    shared_put(shared, "../tree/one", "1");
    shared_put(shared, "../tree/two/three", "3");
    shared_at(shared, "../tree", out);
    shared_at(shared, "in", in);
    assert_int_equal(rename(out, in), 0);
    shared_wait_text(shared, "in/two/three", "3");
    shared_wait_text(shared, "in/one", "1");
    move(shared, "in", "about");
    shared_wait_text(shared, "about/two/three", "3");
    shared_wait(shared, !shared_find(shared, "in/one"));
    shared_put(shared, "about/two/four", "4");
    shared_wait_text(shared, "about/two/four", "4");
    shared_at(shared, "about", in);
    assert_int_equal(rename(in, out), 0);
    shared_wait(shared, shared_count(shared) == 0);
    shared_put(shared, "../tree/five", "5"); /* nobody looks there any more */
    shared_put(shared, "six", "6");
    shared_wait_text(shared, "six", "6");
    assert_int_equal(shared_count(shared), 1);
}

static void a_file_for_a_folder_and_back(void **state)
{
    struct shared *shared = *state;
    shared_put(shared, "x/y", "y");
    begin(state);
    shared_wait_text(shared, "x/y", "y");
    take(shared, "x/y");
    take(shared, "x");
    shared_put(shared, "x", "file");
    shared_wait_text(shared, "x", "file");
    shared_wait(shared, shared_count(shared) == 1);
    take(shared, "x");
    shared_put(shared, "x/z", "z");
    shared_wait_text(shared, "x/z", "z");
    shared_wait(shared, shared_count(shared) == 1);
}

static void what_is_not_offered(void **state)
{
    static const char *bad[] = {".hidden",   ".folder/x", "tab\there", "sub/line\nfeed",
                                "latin\xe9", "a.log",     "sub/b.log", "build/x"};
    struct shared *shared = *state;
    char path[512];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        shared_put(shared, bad[i], "x");
    shared_set(shared, "share.ignore", "*.log, build/*");
    shared_put(shared, "good", "good");
    shared_at(shared, "link", path);
    assert_int_equal(symlink("good", path), 0);
    shared_at(shared, "loop", path);
    assert_int_equal(symlink(".", path), 0);
    shared_at(shared, "fifo", path);
    assert_int_equal(mkfifo(path, 0600), 0);
    begin(state);
    shared_wait_text(shared, "good", "good");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        shared_put(shared, bad[i], "later");
    shared_put(shared, "sub/last", "last");
    shared_wait_text(shared, "sub/last", "last");
    assert_int_equal(shared_count(shared), 2);
}

static void settings_are_read_again(void **state)
{
    struct shared *shared = *state;
    shared_set(shared, "share.ignore", "*.log");
    shared_put(shared, "a.log", "log");
    shared_put(shared, "b.txt", "txt");
    begin(state);
    shared_wait_text(shared, "b.txt", "txt");
    assert_null(shared_find(shared, "a.log"));
    shared_set(shared, "share.ignore", "*.txt");
    share_reload(shared->share, &shared->settings);
    shared_wait_text(shared, "a.log", "log");
    shared_wait(shared, !shared_find(shared, "b.txt"));
}

static void a_share_that_vanishes_is_back_when_it_is_back(void **state)
{
    struct shared *shared = *state;
    struct share_stats stats;
    char away[512];
    shared_put(shared, "a.txt", "alpha");
    shared_put(shared, "sub/b.txt", "beta");
    begin(state);
    shared_wait_text(shared, "a.txt", "alpha");
    shared_wait_text(shared, "sub/b.txt", "beta");
    snprintf(away, sizeof away, "%s/away", shared->root);
    assert_int_equal(rename(shared->path, away), 0);
    shared_wait(shared, shared_count(shared) == 0);
    share_stats(shared->share, &stats);
    uint64_t read = stats.read;
    assert_false(stats.there);
    assert_int_equal(rename(away, shared->path), 0);
    shared_wait_text(shared, "a.txt", "alpha");
    shared_wait_text(shared, "sub/b.txt", "beta");
    share_stats(shared->share, &stats);
    assert_int_equal(stats.read, read); /* what is known of them is still true */
    shared_put(shared, "sub/c", "gamma");
    shared_wait_text(shared, "sub/c", "gamma");
}

static void a_share_that_is_replaced(void **state)
{
    struct shared *shared = *state;
    char away[512];
    shared_put(shared, "a.txt", "alpha");
    begin(state);
    shared_wait_text(shared, "a.txt", "alpha");
    snprintf(away, sizeof away, "%s/away", shared->root);
    assert_int_equal(rename(shared->path, away), 0);
    shared_put(shared, "b.txt", "beta");
    shared_wait_text(shared, "b.txt", "beta");
    shared_wait(shared, shared_count(shared) == 1);
    shared_put(shared, "c.txt", "gamma");
    shared_wait_text(shared, "c.txt", "gamma");
}

/* A second start reads no file that is as it was. */
static void the_cache_saves_reading(void **state)
{
    struct shared *shared = *state;
    struct share_stats stats;
    char name[32];
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "d%d/file%d", i % 5, i);
        shared_put(shared, name, name);
    }
    begin(state);
    shared_wait(shared, share_tree(shared->share)->counts.hashed == 50);
    shared_put(shared, "d0/file0", "changed while nobody looks");
    restart(shared);
    shared_wait_text(shared, "d0/file0", "changed while nobody looks");
    shared_wait(shared, share_tree(shared->share)->counts.hashed == 50);
    share_stats(shared->share, &stats);
    assert_int_equal(stats.read, strlen("changed while nobody looks"));
    restart(shared);
    shared_wait(shared, share_tree(shared->share)->counts.hashed == 50);
    share_stats(shared->share, &stats);
    assert_int_equal(stats.read, 0);
}

/* What was changed within two seconds of its hashing is hashed again after a start. */
static void a_racy_entry_is_not_trusted(void **state)
{
    struct shared *shared = *state;
    struct share_stats stats;
    shared_write(shared, "fresh", "fresh", 5, 0);
    shared_put(shared, "old", "old");
    begin(state);
    shared_wait_text(shared, "fresh", "fresh");
    shared_wait_text(shared, "old", "old");
    restart(shared);
    shared_wait_text(shared, "fresh", "fresh");
    share_stats(shared->share, &stats);
    assert_int_equal(stats.read, 5);
}

static void a_damaged_cache_costs_reading_only(void **state)
{
    struct shared *shared = *state;
    char path[512];
    shared_put(shared, "a", "alpha");
    shared_put(shared, "b", "beta");
    begin(state);
    shared_wait_text(shared, "a", "alpha");
    shared_wait_text(shared, "b", "beta");
    shared_stop(shared);
    snprintf(path, sizeof path, "%s/hashes", shared->state);
    int fd = plat_open(path, PLAT_WRITE);
    assert_int_equal(plat_pwrite(fd, "garbage", 7, 40), 0);
    plat_close(fd);
    shared_open(shared);
    shared_run(shared);
    shared_wait_text(shared, "a", "alpha");
    shared_wait_text(shared, "b", "beta");
}

/* As with a full disk: chains are there even so, and the next start finds what was kept before. */
static void a_cache_that_cannot_be_written(void **state)
{
    struct shared *shared = *state;
    static char bytes[200000];
    shared_put(shared, "before", "before");
    begin(state);
    shared_wait_text(shared, "before", "before");
    atomic_store(&share_cache(shared->share)->broken, true);
    shared_write(shared, "big", bytes, sizeof bytes, 3600);
    shared_wait(shared, shared_has(shared, "big", bytes, sizeof bytes));
    shared_wait(shared, shared_find(shared, "big")->record != 0);
    assert_int_equal(share_cache(shared->share)->folder, -1);
    restart(shared);
    shared_wait_text(shared, "before", "before");
    shared_wait(shared, shared_has(shared, "big", bytes, sizeof bytes));
    struct share_stats stats;
    share_stats(shared->share, &stats);
    assert_int_equal(stats.read, sizeof bytes);
}

/* SHA-256 and chain of files around piece boundaries, as plain hashing has them. */
static void chains_are_right(void **state)
{
    static const size_t sizes[] = {0,      1,      63,     64,     65535,  65536,   65537,
                                   131072, 131073, 200000, 262144, 999999, 3000017, 8388608};
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    struct shared *shared = *state;
    struct hash_random random;
    char *bytes[COUNT], name[32];
    hash_random_seed(&random, 3);
    for (size_t i = 0; i < COUNT; i++) {
        bytes[i] = test_malloc(sizes[i] + 8);
        for (size_t at = 0; at < sizes[i]; at += 8) {
            uint64_t word = hash_random_next(&random);
            memcpy(bytes[i] + at, &word, 8);
        }
        snprintf(name, sizeof name, "f%zu", i);
        shared_write(shared, name, bytes[i], sizes[i], 3600);
    }
    begin(state);
    for (size_t i = 0; i < COUNT; i++) {
        char path[P2P_PATH_MAX + 1];
        struct cache_record record;
        struct digest digest, chain;
        uint8_t states[256][P2P_SHA256_SIZE], wanted[P2P_CHAIN_ID_SIZE];
        snprintf(name, sizeof name, "f%zu", i);
        shared_wait(shared, shared_has(shared, name, bytes[i], sizes[i]));
        int fd = share_cache(shared->share)->fd;
        uint32_t place = shared_find(shared, name)->record;
        assert_int_equal(cache_read(fd, place, &record, path), 0);
        assert_string_equal(path, name);
        assert_int_equal(record.states, digest_piece_count((int64_t)sizes[i]) - 1);
        int64_t at = cache_chain_at(place, &record), size = (int64_t)record.states * 32;
        assert_int_equal(plat_pread(fd, states, (size_t)size, at), size);
        digest_init(&digest);
        digest_chain_id_begin(&chain, (int64_t)sizes[i]);
        for (uint32_t s = 0; s < record.states; s++) {
            uint8_t state_now[P2P_SHA256_SIZE];
            size_t piece = digest_piece_size((int64_t)sizes[i]);
            digest_update(&digest, bytes[i] + s * piece, piece);
            digest_state(&digest, state_now);
            assert_memory_equal(states[s], state_now, sizeof state_now);
            digest_update(&chain, state_now, sizeof state_now);
        }
        digest_chain_id_end(&chain, wanted);
        assert_memory_equal(record.chain_id, wanted, sizeof wanted);
        test_free(bytes[i]);
    }
}

/* With a rate that lets everything wait, what is asked for comes first. */
static void what_is_wanted_is_hashed_first(void **state)
{
    struct shared *shared = *state;
    static char bytes[200000];
    int64_t done;
    char name[32];
    shared_set(shared, "share.hash_rate", "400K/s");
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "f%02d", i);
        bytes[0] = (char)i;
        shared_write(shared, name, bytes, sizeof bytes, 3600);
    }
    begin(state);
    shared_wait(shared, shared_count(shared) == 20);
    const struct tree *tree = share_tree(shared->share);
    uint32_t wanted = 0;
    for (uint32_t slot = 0; (slot = tree_next_file(tree, slot)) != 0;)
        if ((tree_file(tree, slot)->flags & (TREE_HASHED | TREE_BUSY)) == 0)
            wanted = slot;
    assert_int_not_equal(wanted, 0);
    assert_true(share_want(shared->share, wanted, &done));
    shared_wait(shared, (tree_file(tree, wanted)->flags & TREE_HASHED) != 0);
    assert_true(tree->counts.hashed < 10);
}

/* A file that never rests is offered by name; when it rests it is hashed. */
static void a_restless_file_is_offered_by_name(void **state)
{
    struct shared *shared = begin(state);
    char path[512];
    shared_at(shared, "log", path);
    int fd = plat_open(path, PLAT_WRITE | PLAT_CREATE);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(plat_write(fd, "line\n", 5), 0);
        loop_turn(shared->loop, 5);
    }
    shared_wait(shared, shared_find(shared, "log") != NULL);
    assert_int_equal(plat_write(fd, "end\n", 4), 0);
    shared_wait(shared, shared_find(shared, "log") && shared_find(shared, "log")->size == 204 &&
                            (shared_find(shared, "log")->flags & TREE_HASHED) != 0);
    plat_close(fd);
}

static void unreadable_files_are_not_offered(void **state)
{
    struct shared *shared = *state;
    struct share_stats stats;
    char path[512];
    if (plat_is_root())
        skip();
    shared_put(shared, "open", "open");
    shared_put(shared, "closed", "closed");
    shared_at(shared, "closed", path);
    assert_int_equal(chmod(path, 0), 0);
    begin(state);
    shared_wait_text(shared, "open", "open");
    shared_wait(shared, !shared_find(shared, "closed"));
    share_stats(shared->share, &stats);
    assert_int_equal(stats.unreadable, 1);
    assert_int_equal(chmod(path, 0600), 0);
    shared_wait_text(shared, "closed", "closed");
}

enum { STORM_NAMES = 40, STORM_STEPS = 600 };

static void storm_name(uint32_t i, char out[64])
{
    snprintf(out, 64, "d%u/e%u/f%u", (unsigned)(i % 3), (unsigned)(i % 2), (unsigned)i);
}

static void storm_step(struct shared *shared, struct hash_random *random)
{
    char name[64], path[512], to[512];
    uint32_t what = hash_random_below(random, 12);
    storm_name(hash_random_below(random, STORM_NAMES), name);
    shared_at(shared, name, path);
    if (what < 2) {
        (void)remove(path);
    } else if (what == 2) {
        shared_at(shared, "moved", to);
        name[2] = '\0';
        shared_at(shared, name, path);
        shared_shell("rm -rf '%s'%s", to, "");
        (void)rename(path, to);
    } else if (what == 3) {
        shared_at(shared, "moved", to);
        name[2] = '\0';
        shared_at(shared, name, path);
        (void)rename(to, path);
    } else {
        shared_write(shared, name, path, hash_random_below(random, 40), 0);
    }
}

/* The file on disk is in the table with what it has now, or in neither. */
static bool storm_agrees(struct shared *shared, const char *name)
{
    char path[512], bytes[64];
    shared_at(shared, name, path);
    int fd = plat_open(path, PLAT_READ);
    if (fd < 0)
        return !shared_find(shared, name);
    int64_t size = plat_read(fd, bytes, sizeof bytes);
    plat_close(fd);
    return shared_has(shared, name, bytes, (size_t)size);
}

/* Ever more rarely while nothing changes, and at once often again. */
static void scanning_rests_when_nothing_changes(void **state)
{
    struct shared *shared = begin(state);
    if (strcmp(watch_mode, "scan") != 0)
        return;
    struct share *share = shared->share;
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "file%d", i);
        shared_put(shared, name, name);
        shared_wait(shared, share->interval_ms == share->scan_ms);
        shared_wait_text(shared, name, name);
        shared_wait(shared, share->interval_ms == share->idle_ms);
    }
}

/* Much happens at random; at the end the table is what the folder is. */
static void after_a_storm(void **state)
{
    struct shared *shared = begin(state);
    struct hash_random random;
    char name[64];
    uint64_t seed;
    assert_int_equal(plat_random(&seed, sizeof seed), 0);
    print_message("seed %llx\n", (unsigned long long)seed);
    hash_random_seed(&random, seed);
    for (int step = 0; step < STORM_STEPS; step++) {
        storm_step(shared, &random);
        loop_turn(shared->loop, 0);
    }
    for (uint32_t i = 0; i < STORM_NAMES; i++) {
        storm_name(i, name);
        shared_wait(shared, storm_agrees(shared, name));
    }
    for (uint32_t i = 0; i < STORM_NAMES; i++) {
        char moved[80];
        storm_name(i, name);
        snprintf(moved, sizeof moved, "moved%s", name + 2);
        shared_wait(shared, storm_agrees(shared, moved));
    }
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(files_are_found_and_hashed),
        test(changes_are_seen),
        test(folders_move_in_and_out),
        test(a_file_for_a_folder_and_back),
        test(what_is_not_offered),
        test(settings_are_read_again),
        test(a_share_that_vanishes_is_back_when_it_is_back),
        test(a_share_that_is_replaced),
        test(the_cache_saves_reading),
        test(a_racy_entry_is_not_trusted),
        test(a_damaged_cache_costs_reading_only),
        test(a_cache_that_cannot_be_written),
        test(chains_are_right),
        test(what_is_wanted_is_hashed_first),
        test(a_restless_file_is_offered_by_name),
        test(unreadable_files_are_not_offered),
        test(scanning_rests_when_nothing_changes),
        test(after_a_storm),
    };
    watch_mode = "auto";
    int failed = cmocka_run_group_tests_name("watching", tests, NULL, NULL);
    watch_mode = "scan";
    return failed + cmocka_run_group_tests_name("scanning", tests, NULL, NULL);
}
