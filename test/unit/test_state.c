/* SPDX-License-Identifier: MIT */
/* State files: whole or not at all, and every damaged byte is found. */
#include "base/state.h"

#include "base/text.h"
#include "platform/plat_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static int folder_fd;

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/p2p-state-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    folder_fd = plat_open_folder(folder);
    return folder_fd < 0;
}

static int tear_down(void **state)
{
    char path[128];
    static const char *const names[] = {"a", "a.bad", "a.new", "b"};
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    plat_close(folder_fd);
    return rmdir(folder);
}

static bool there(const char *name)
{
    struct plat_stat stat;
    return plat_stat_beneath(folder_fd, name, &stat) == 0;
}

static void test_round_trip(void **state)
{
    static const struct str bodies[] = {{"", 0}, {"x", 1}, {"two\nlines\n", 10}, {"n\0ul", 4}};
    char out[32];
    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        uint64_t before = state_written();
        assert_int_equal(state_write(folder_fd, "a", bodies[i]), 0);
        assert_int_equal(state_written() - before, 12 + bodies[i].len + 16);
        assert_int_equal(state_read(folder_fd, "a", out, sizeof(out)), bodies[i].len);
        assert_true(text_equal((struct str){out, bodies[i].len}, bodies[i]));
        assert_false(there("a.new"));
    }
}

static void test_sizes(void **state)
{
    char out[10];
    (void)state;
    for (size_t size = 9; size <= 11; size++) {
        assert_int_equal(state_write(folder_fd, "a", (struct str){"0123456789a", size}), 0);
        assert_int_equal(state_read(folder_fd, "a", out, sizeof(out)),
                         size <= 10 ? (int)size : -P2P_ETOOBIG);
        assert_true(there("a"));
    }
    assert_int_equal(state_read(folder_fd, "none", out, sizeof(out)), -P2P_ENOTFOUND);
}

static void test_private(void **state)
{
    char path[128];
    struct stat st;
    (void)state;
    assert_int_equal(state_write(folder_fd, "a", STR("secret")), 0);
    snprintf(path, sizeof(path), "%s/a", folder);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void put_raw(const char *bytes, size_t size)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/a", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static size_t get_raw(char *out, size_t size)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/a", folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t got = fread(out, 1, size, file);
    fclose(file);
    return got;
}

static void test_damage(void **state)
{
    char raw[64], out[32];
    (void)state;
    assert_int_equal(state_write(folder_fd, "a", STR("body")), 0);
    size_t size = get_raw(raw, sizeof(raw));
    assert_int_equal(size, 12 + 4 + 16);
    /* Every byte changed, and every length short of the whole: found, and put aside. */
    for (size_t i = 0; i < size; i++) {
        raw[i] ^= 1;
        put_raw(raw, size);
        assert_int_equal(state_read(folder_fd, "a", out, sizeof(out)), -P2P_EVERIFY);
        assert_true(there("a.bad") && !there("a"));
        raw[i] ^= 1;
        put_raw(raw, i);
        assert_int_equal(state_read(folder_fd, "a", out, sizeof(out)), -P2P_EVERIFY);
        assert_false(there("a"));
    }
    put_raw(raw, size);
    assert_int_equal(state_read(folder_fd, "a", out, sizeof(out)), 4);
}

static void test_failure_keeps_the_old(void **state)
{
    char long_name[P2P_PART_MAX + 1], out[8];
    (void)state;
    memset(long_name, 'n', sizeof(long_name));
    long_name[sizeof(long_name) - 4] = '\0';
    assert_true(state_write(folder_fd, long_name, STR("x")) < 0);
    assert_int_equal(state_write(folder_fd, "b", STR("old")), 0);
    assert_true(state_write(-1, "b", STR("new")) < 0);
    assert_int_equal(state_read(folder_fd, "b", out, sizeof(out)), 3);
    assert_memory_equal(out, "old", 3);
}

static void test_crc(void **state)
{
    (void)state;
    assert_int_equal(state_crc32(0, "", 0), 0);
    assert_int_equal(state_crc32(0, "123456789", 9), 0xcbf43926);
    assert_int_equal(state_crc32(state_crc32(0, "1234", 4), "56789", 5), 0xcbf43926);
}

static void test_counter(void **state)
{
    uint64_t before = state_written();
    (void)state;
    for (int i = 0; i < 5000; i++)
        state_count_written(1023);
    state_count_written(UINT64_C(3) << 30);
    assert_int_equal(state_written() - before, 5000 * 1023 + (UINT64_C(3) << 30));
    uint64_t all = state_written();
    assert_int_equal(state_written_per_day(-1), 24 * all);
    assert_int_equal(state_written_per_day(1000), 24 * all);
    assert_int_equal(state_written_per_day(24 * 3600 * 1000), all);
    assert_int_equal(state_written_per_day(4 * 24 * 3600 * 1000), all / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_private),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_failure_keeps_the_old),
        cmocka_unit_test(test_crc),
        cmocka_unit_test(test_counter),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
