/* SPDX-License-Identifier: MIT */
/* The rules by which a role is put together: names, ports, folders, the division of memory, and
 * what a reload changes. */
#include "app/budget.h"
#include "app/place.h"
#include "app/reload.h"

#include "base/text.h"
#include "platform/plat.h"
#include "platform/plat_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define A10 "aaaaaaaaaa"
#define A60 A10 A10 A10 A10 A10 A10

static void test_name(void **state)
{
    static const struct {
        const char *set, *host, *expected;
    } rows[] = {
        {"kitchen", "pi", "kitchen"},   {"", "pi", "pi"},           {"", "pi.lan.example", "pi"},
        {"", "my board!", "my-board-"}, {"", "", "node"},           {"", ".lan", "node"},
        {"", A60 "aa", A60 "aa"},       {"", A60 "aaa", A60 "aaa"}, {"", A60 "aaaa", A60 "aaa"},
    };
    char name[P2P_NODE_NAME_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        place_name(text_from(rows[i].set), text_from(rows[i].host), name);
        assert_string_equal(name, rows[i].expected);
    }
}

static void test_listen(void **state)
{
    static const struct {
        enum record_role role;
        const char *set;
        uint16_t last;
        const char *expected[PLACE_LISTEN_MAX + 1];
    } rows[] = {
        {RECORD_ROLE_INDEX, "", 0, {"[::]:7750"}},
        {RECORD_ROLE_INDEX, "", 9000, {"[::]:7750"}},
        {RECORD_ROLE_BOTH, "", 9000, {"[::]:7750"}},
        {RECORD_ROLE_INDEX, "0", 0, {"[::]:0"}},
        {RECORD_ROLE_PEER, "", 0, {"[::]:7751", "[::]:0"}},
        {RECORD_ROLE_PEER, "", 7751, {"[::]:7751", "[::]:0"}},
        {RECORD_ROLE_PEER, "", 9000, {"[::]:7751", "[::]:9000", "[::]:0"}},
        {RECORD_ROLE_PEER, "9001", 9000, {"[::]:9001"}},
        {RECORD_ROLE_BOTH, "10.0.0.5:80", 9000, {"10.0.0.5:80"}},
    };
    struct plat_addr out[PLACE_LISTEN_MAX];
    char text[ADDR_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int count = place_listen(out, rows[i].role, text_from(rows[i].set), rows[i].last);
        for (int k = 0; k < count; k++) {
            assert_non_null(rows[i].expected[k]);
            assert_string_equal(addr_format(&out[k], text), rows[i].expected[k]);
        }
        assert_null(rows[i].expected[count]);
    }
}

static void test_reachable(void **state)
{
    static const char *const rows[][2] = {
        {"[::]:7750", "127.0.0.1:7750"},      {"0.0.0.0:1", "127.0.0.1:1"},
        {"10.0.0.5:7750", "10.0.0.5:7750"},   {"[::1]:7750", "[::1]:7750"},
        {"127.0.0.2:7750", "127.0.0.2:7750"},
    };
    char text[ADDR_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct plat_addr addr;
        assert_int_equal(addr_parse_listen(text_from(rows[i][0]), &addr), 0);
        addr = place_reachable(&addr);
        assert_string_equal(addr_format(&addr, text), rows[i][1]);
    }
}

/* A folder with share/sub in it, and a link that leads into it from outside. */
static int make_folder(void **state)
{
    char *folder = malloc(64);

    snprintf(folder, 64, "/tmp/p2p-test-app-XXXXXX");
    *state = folder;
    return mkdtemp(folder) == NULL || chdir(folder) != 0 ||
           plat_make_folders("share/sub", false) != 0 || plat_make_folders("sharer", false) != 0 ||
           symlink("share/sub", "link") != 0;
}

static int remove_folder(void **state)
{
    int failed = unlink("link") != 0 || rmdir("share/sub") != 0 || rmdir("share") != 0 ||
                 rmdir("sharer") != 0 || chdir("/") != 0 || rmdir(*state) != 0;

    free(*state);
    return failed;
}

static void test_inside(void **state)
{
    static const struct {
        const char *path;
        bool inside;
    } rows[] = {
        {"share", true},
        {"share/", true},
        {"share/sub", true},
        {"share/new/deep", true},
        {"./share/new", true},
        {"sharer/../share/new", true},
        {"link/new", true},
        {"sharer", false},
        {"sharer/new", false},
        {"new", false},
        {".", false},
        {"/", false},
        {"/new", false},
        {"/proc/none/x", false},
        {"share/../new", false},
    };
    char share[P2P_PATH_MAX], absolute[P2P_PATH_MAX + 8];

    (void)state;
    assert_int_equal(plat_real_path("share", share, sizeof share), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (place_is_inside(rows[i].path, share) != rows[i].inside) {
            fail_msg("%s", rows[i].path);
        }
    }
    snprintf(absolute, sizeof absolute, "%s/new", share);
    assert_true(place_is_inside(absolute, share));
    assert_true(place_is_inside("/anything", "/"));
}

static void test_share(void **state)
{
    char real[P2P_PATH_MAX], err[256] = "";

    (void)state;
    assert_int_equal(place_share("sharer/../share", real, err, sizeof err), 0);
    assert_true(text_ends(text_from(real), STR("/share")));
    assert_int_equal(place_share("none", real, err, sizeof err), -P2P_EINVAL);
    assert_non_null(strstr(err, "none"));
    assert_int_equal(place_share("/dev/null", real, err, sizeof err), -P2P_EINVAL);
    assert_non_null(strstr(err, "/dev/null is not a folder"));
}

static void test_divide(void **state)
{
    static const struct {
        enum record_role role;
        size_t memory;
        uint32_t uploads, connections, buffers, clients;
    } rows[] = {
        {RECORD_ROLE_INDEX, 64 << 20, 0, 4096, 512, 64},
        {RECORD_ROLE_INDEX, 8 << 20, 0, 512, 64, 64},
        {RECORD_ROLE_INDEX, 4 << 20, 0, 256, 32, 64},
        {RECORD_ROLE_PEER, 24 << 20, 8, 1536, 192, 20},
        {RECORD_ROLE_BOTH, 64 << 20, 8, 4096, 512, 84},
        {RECORD_ROLE_INDEX, (size_t)1 << 30, 0, 16384, 4096, 64},
        {RECORD_ROLE_INDEX, 1, 0, BUDGET_CONNECTIONS_MIN, 16, 64},
    };
    struct budget budget;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        budget_divide(&budget, rows[i].role, rows[i].memory, rows[i].uploads);
        assert_int_equal(budget.connections, rows[i].connections);
        assert_int_equal(budget.buffers, rows[i].buffers);
        assert_int_equal(budget.clients, rows[i].clients);
        assert_true(budget.loop_fds > (int)(budget.connections + budget.clients));
        assert_true(budget.descriptors > budget.loop_fds + (int)rows[i].uploads);
    }
}

static void test_descriptors(void **state)
{
    struct budget budget;

    (void)state;
    budget_divide(&budget, RECORD_ROLE_INDEX, P2P_MEMORY_INDEX, 0);
    int asked = budget.descriptors;
    budget_fit_descriptors(&budget, asked);
    assert_int_equal(budget.connections, 4096);
    budget_fit_descriptors(&budget, asked - 1);
    assert_int_equal(budget.connections, 4095);
    budget_divide(&budget, RECORD_ROLE_INDEX, P2P_MEMORY_INDEX, 0);
    budget_fit_descriptors(&budget, 64);
    assert_int_equal(budget.connections, BUDGET_CONNECTIONS_MIN);
}

static void test_divide_roles(void **state)
{
    static const struct {
        enum record_role role;
        size_t left, index, peer;
    } rows[] = {
        {RECORD_ROLE_INDEX, 900, 900, 0},
        {RECORD_ROLE_PEER, 900, 0, 900},
        {RECORD_ROLE_BOTH, 900, 450, 450},
        {RECORD_ROLE_BOTH, 4 << 20, 2 << 20, 2 << 20},
        {RECORD_ROLE_BOTH, 8 << 20, 5 << 20, 3 << 20},
        {RECORD_ROLE_BOTH, 9 << 20, 6 << 20, 3 << 20},
        {RECORD_ROLE_BOTH, 60 << 20, 40 << 20, 20 << 20},
    };
    struct budget_roles bytes;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        budget_divide_roles(&bytes, rows[i].role, rows[i].left);
        assert_int_equal(bytes.index_bytes, rows[i].index);
        assert_int_equal(bytes.peer_bytes, rows[i].peer);
    }
}

static void set(struct config *config, const char *name, const char *value)
{
    char err[256];

    assert_int_equal(config_set(config, name, text_from(value), err, sizeof err), 0);
}

static void test_reload(void **state)
{
    static struct config old, new;
    char now[64], later[64];
    struct reload_changes changes = {buf_on(now, sizeof now), buf_on(later, sizeof later)};

    (void)state;
    config_init(&old);
    config_init(&new);
    set(&new, "node.log", "info"); /* what is the default too */
    reload_compare(&changes, &old, &new);
    assert_int_equal(changes.now.len + changes.later.len, 0);
    set(&new, "node.log", "debug");
    set(&new, "share.ignore", "*.o");
    set(&new, "node.listen", "7000");
    reload_compare(&changes, &old, &new);
    assert_true(text_is(buf_str(&changes.now), "node.log, share.ignore"));
    assert_true(text_is(buf_str(&changes.later), "node.listen"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_name),
        cmocka_unit_test(test_listen),
        cmocka_unit_test(test_reachable),
        cmocka_unit_test_setup_teardown(test_inside, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_share, make_folder, remove_folder),
        cmocka_unit_test(test_divide),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_divide_roles),
        cmocka_unit_test(test_reload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
