/* SPDX-License-Identifier: MIT */
/* The state folder: what stays over a restart, what a copied or damaged folder does, who holds the
 * lock, and what commands on the same machine can learn. Works in a temporary folder; boards are
 * made up. */
#include "node/identity.h"

#include "base/state.h"
#include "platform/plat.h"
#include "platform/plat_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

struct world {
    char root[64];
    char folder[128], share[128], other[128];
};

static int world_setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    snprintf(world->root, sizeof(world->root), "/tmp/test_identity.XXXXXX");
    assert_non_null(mkdtemp(world->root));
    snprintf(world->folder, sizeof(world->folder), "%s/state/p2p/x", world->root);
    snprintf(world->share, sizeof(world->share), "%s/share", world->root);
    snprintf(world->other, sizeof(world->other), "%s/share2", world->root);
    assert_int_equal(plat_make_folders(world->share, false), 0);
    assert_int_equal(plat_make_folders(world->other, false), 0);
    *state = world;
    return 0;
}

static int world_teardown(void **state)
{
    struct world *world = *state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", world->root);
    assert_int_equal(system(command), 0);
    free(world);
    return 0;
}

static int open_on(struct identity *identity, struct world *world, const char *share,
                   const char *board)
{
    struct identity_place place = {world->folder, share, {board, strlen(board)}};
    const char *reason = NULL;
    int pid = 0;
    return identity_open_at(identity, &place, &pid, &reason);
}

static void folder_names(void **state)
{
    struct world *world = *state;
    char out[P2P_PATH_MAX], expected[P2P_PATH_MAX];
    setenv("XDG_STATE_HOME", "/x/state", 1);
    assert_int_equal(identity_folder(NULL, 7750, out, sizeof(out)), 0);
    assert_string_equal(out, "/x/state/p2p/index-7750");

    /* The size holds the NUL too. */
    size_t need = strlen(out) + 1;
    assert_int_equal(identity_folder(NULL, 7750, out, need - 1), -P2P_ETOOBIG);
    assert_int_equal(identity_folder(NULL, 7750, out, need), 0);
    assert_int_equal(identity_folder(NULL, 7750, out, need + 1), 0);

    assert_int_equal(identity_folder(world->share, 0, out, sizeof(out)), 0);
    assert_int_equal(strncmp(out, "/x/state/p2p/share-", 19), 0);
    assert_int_equal(strlen(out), 19 + 16);
    snprintf(expected, sizeof(expected), "%s/./share2/../share/", world->root);
    char again[P2P_PATH_MAX];
    assert_int_equal(identity_folder(expected, 0, again, sizeof(again)), 0);
    assert_string_equal(again, out);
    assert_int_equal(identity_folder(world->other, 0, again, sizeof(again)), 0);
    assert_string_not_equal(again, out);
    assert_int_equal(identity_folder("/tmp/there is no such share", 0, out, sizeof(out)),
                     -P2P_ENOTFOUND);
}

static void folder_roots(void **state)
{
    (void)state;
    char out[P2P_PATH_MAX];
    setenv("HOME", "/home/ann", 1);
    /* A relative one is to be ignored (XDG base directory specification). */
    setenv("XDG_STATE_HOME", "relative", 1);
    assert_int_equal(identity_folder(NULL, 1, out, sizeof(out)), 0);
    assert_string_equal(out, plat_is_root() ? "/var/lib/p2p/index-1"
                                            : "/home/ann/.local/state/p2p/index-1");
    unsetenv("XDG_STATE_HOME");
    assert_int_equal(identity_folder(NULL, 1, out, sizeof(out)), 0);
    assert_string_equal(out, plat_is_root() ? "/var/lib/p2p/index-1"
                                            : "/home/ann/.local/state/p2p/index-1");
    unsetenv("HOME");
    assert_int_equal(identity_folder(NULL, 1, out, sizeof(out)),
                     plat_is_root() ? 0 : -P2P_ENOTFOUND);
}

static void same_node_over_restarts(void **state)
{
    struct world *world = *state;
    struct identity first, second;
    assert_int_equal(open_on(&first, world, world->share, "board 1"), 0);
    assert_true(first.folder >= 0);
    assert_int_equal(first.epoch, 1);
    assert_int_equal(first.last_port, 0);
    assert_int_equal(identity_publish(&first, 7751, RECORD_ROLE_PEER), 0);
    struct identity kept = first;
    identity_close(&first);
    assert_int_equal(first.token[0] | first.token[31], 0);

    for (uint64_t epoch = 2; epoch <= 4; epoch++) {
        assert_int_equal(open_on(&second, world, world->share, "board 1"), 0);
        assert_memory_equal(second.token, kept.token, sizeof(kept.token));
        assert_memory_equal(second.control, kept.control, sizeof(kept.control));
        assert_true(record_id_equal(&second.id, &kept.id));
        assert_int_equal(second.epoch, epoch);
        assert_int_equal(second.last_port, 7751);
        identity_close(&second);
    }
}

/* A node that dies between open and publish must not use its epoch twice. */
static void epoch_is_stored_at_once(void **state)
{
    struct world *world = *state;
    struct identity identity;
    assert_int_equal(open_on(&identity, world, NULL, "b"), 0);
    assert_int_equal(identity_raise_epoch(&identity, 41), 0);
    assert_int_equal(identity.epoch, 42);
    /* As after a kill: the descriptors go, nothing is written. */
    plat_close(identity.lock);
    plat_close(identity.folder);
    assert_int_equal(open_on(&identity, world, NULL, "b"), 0);
    assert_int_equal(identity.epoch, 43);
    identity_close(&identity);
}

static void raising_the_epoch(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t now, above;
        int result;
        uint64_t then;
    } rows[] = {
        {"behind", 5, 2, 0, 6},
        {"equal", 5, 5, 0, 6},
        {"ahead", 5, 9, 0, 10},
        {"n-1", 5, IDENTITY_EPOCH_MAX - 2, 0, IDENTITY_EPOCH_MAX - 1},
        {"n", 5, IDENTITY_EPOCH_MAX - 1, 0, IDENTITY_EPOCH_MAX},
        {"n+1", 5, IDENTITY_EPOCH_MAX, -P2P_EINVAL, 5},
        {"far beyond", 5, UINT64_MAX, -P2P_EINVAL, 5},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct identity identity;
        assert_int_equal(identity_guest(&identity), 0);
        identity.epoch = rows[i].now;
        if (identity_raise_epoch(&identity, rows[i].above) != rows[i].result ||
            identity.epoch != rows[i].then)
            fail_msg("%s: epoch is %llu", rows[i].name, (unsigned long long)identity.epoch);
    }
}

static void another_place_is_another_node(void **state)
{
    struct world *world = *state;
    static const struct {
        const char *name, *board;
        bool other_share, same;
    } rows[] = {
        {"same board and share", "serial 1", false, true},
        {"copied to another board", "serial 2", false, false},
        {"and stays there", "serial 2", false, true},
        {"for another share", "serial 2", true, false},
        {"board without a serial", "", true, false},
    };
    struct identity identity;
    assert_int_equal(open_on(&identity, world, world->share, "serial 1"), 0);
    struct identity before = identity;
    identity_close(&identity);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *share = rows[i].other_share ? world->other : world->share;
        struct identity_place place = {
            world->folder, share, {rows[i].board, strlen(rows[i].board)}};
        const char *reason = NULL;
        int pid = 0;
        assert_int_equal(identity_open_at(&identity, &place, &pid, &reason), 0);
        if (record_id_equal(&identity.id, &before.id) != rows[i].same ||
            (reason == NULL) != rows[i].same || (identity.epoch == 1) == rows[i].same)
            fail_msg("%s: epoch %llu", rows[i].name, (unsigned long long)identity.epoch);
        assert_int_equal(memcmp(identity.control, before.control, sizeof(before.control)) == 0,
                         rows[i].same);
        before = identity;
        identity_close(&identity);
    }
}

static void damaged_file_is_set_aside(void **state)
{
    struct world *world = *state;
    struct identity identity;
    char path[256];
    struct plat_stat stat;
    assert_int_equal(open_on(&identity, world, world->share, "b"), 0);
    struct record_id before = identity.id;
    identity_close(&identity);
    snprintf(path, sizeof(path), "%s/identity", world->folder);
    int fd = plat_open(path, PLAT_READ | PLAT_WRITE);
    assert_true(fd >= 0);
    assert_int_equal(plat_pwrite(fd, "@", 1, 60), 0);
    plat_close(fd);

    struct identity_place place = {world->folder, world->share, STR("b")};
    const char *reason = NULL;
    int pid = 0;
    assert_int_equal(identity_open_at(&identity, &place, &pid, &reason), 0);
    assert_non_null(reason);
    assert_true(identity.folder >= 0);
    assert_false(record_id_equal(&identity.id, &before));
    identity_close(&identity);
    snprintf(path, sizeof(path), "%s/identity.bad", world->folder);
    assert_int_equal(plat_stat(path, &stat), 0);
}

/* What another process finds in the folder: locks may be per process. */
struct outside {
    int opened, pid, found;
    struct identity_local local;
};

static struct outside look_from_outside(struct world *world)
{
    struct outside out = {0};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        struct identity_place place = {world->folder, world->share, STR("b")};
        struct identity identity;
        const char *reason = NULL;
        out.found = identity_find_local(world->folder, &out.local);
        out.opened = identity_open_at(&identity, &place, &out.pid, &reason);
        identity_close(&identity);
        _exit(write(ends[1], &out, sizeof(out)) == (ssize_t)sizeof(out) ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(read(ends[0], &out, sizeof(out)), sizeof(out));
    close(ends[0]);
    close(ends[1]);
    return out;
}

static void second_process_is_told_the_pid(void **state)
{
    struct world *world = *state;
    struct identity identity;
    assert_int_equal(open_on(&identity, world, world->share, "b"), 0);
    struct outside out = look_from_outside(world);
    assert_int_equal(out.opened, -P2P_EINUSE);
    assert_int_equal(out.pid, plat_pid());
    identity_close(&identity);
    assert_int_equal(look_from_outside(world).opened, 0);
}

static void commands_find_the_node(void **state)
{
    struct world *world = *state;
    struct identity identity;
    struct identity_local local;
    assert_int_equal(identity_find_local(world->folder, &local), -P2P_ENOTFOUND);
    assert_int_equal(open_on(&identity, world, world->share, "b"), 0);
    assert_int_equal(look_from_outside(world).found, -P2P_ENOTFOUND);
    for (int role = RECORD_ROLE_PEER; role <= RECORD_ROLE_BOTH; role++) {
        uint16_t port = (uint16_t)(role == RECORD_ROLE_INDEX ? 65535 : 80 + role);
        assert_int_equal(identity_publish(&identity, port, (enum record_role)role), 0);
        struct outside out = look_from_outside(world);
        assert_int_equal(out.found, 0);
        assert_int_equal(out.local.pid, plat_pid());
        assert_int_equal(out.local.port, port);
        assert_int_equal(out.local.role, role);
        assert_true(out.local.has_control);
        assert_memory_equal(out.local.control, identity.control, sizeof(identity.control));
    }
    identity_close(&identity);
    assert_int_equal(look_from_outside(world).found, -P2P_ENOTFOUND);
}

/* A killed node leaves the file's text; only the lock says that it lives. */
static void text_without_lock_is_not_believed(void **state)
{
    struct world *world = *state;
    struct identity identity;
    struct identity_local local;
    assert_int_equal(open_on(&identity, world, world->share, "b"), 0);
    assert_int_equal(identity_publish(&identity, 7751, RECORD_ROLE_PEER), 0);
    plat_close(identity.lock);
    plat_close(identity.folder);
    assert_int_equal(identity_find_local(world->folder, &local), -P2P_ENOTFOUND);
    /* And the next node is not held up by the dead one's pid. */
    assert_int_equal(open_on(&identity, world, world->share, "b"), 0);
    identity_close(&identity);
}

static void unusable_folder_makes_a_guest(void **state)
{
    struct world *world = *state;
    static const char *const folders[] = {"/dev/null/p2p", "/proc/p2p/state"};
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        struct identity_place place = {folders[i], world->share, STR("b")};
        struct identity identity, again;
        const char *reason = NULL;
        int pid = 0;
        assert_int_equal(identity_open_at(&identity, &place, &pid, &reason), 0);
        assert_int_equal(identity.folder, -1);
        assert_non_null(reason);
        assert_int_equal(identity.epoch, 1);
        assert_int_equal(identity_publish(&identity, 7751, RECORD_ROLE_PEER), 0);
        assert_int_equal(identity_open_at(&again, &place, &pid, &reason), 0);
        assert_false(record_id_equal(&identity.id, &again.id));
        identity_close(&identity);
        identity_close(&again);
    }
}

static void folder_inside_the_share(void **state)
{
    struct world *world = *state;
    static const struct {
        const char *name, *folder;
        int result;
    } rows[] = {
        {"the share itself", "share", -P2P_EINVAL},
        {"below it", "share/a/b", -P2P_EINVAL},
        {"a way back in", "share2/../share/c", -P2P_EINVAL},
        {"a name that begins alike", "share2/state", 0},
        {"above it", ".", 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char folder[256];
        struct identity identity;
        const char *reason = NULL;
        int pid = 0;
        snprintf(folder, sizeof(folder), "%s/%s", world->root, rows[i].folder);
        struct identity_place place = {folder, world->share, STR("b")};
        int result = identity_open_at(&identity, &place, &pid, &reason);
        if (result != rows[i].result || (result != 0) != (reason != NULL))
            fail_msg("%s: %d", rows[i].name, result);
        identity_close(&identity);
    }
}

static void renewing(void **state)
{
    struct world *world = *state;
    struct identity identity;
    assert_int_equal(open_on(&identity, world, world->share, "b"), 0);
    struct identity before = identity;
    assert_int_equal(identity_renew(&identity), 0);
    assert_false(record_id_equal(&identity.id, &before.id));
    assert_memory_not_equal(identity.control, before.control, sizeof(before.control));
    assert_int_equal(identity.epoch, 1);
    struct record_id id = identity.id;
    identity_close(&identity);
    assert_int_equal(open_on(&identity, world, world->share, "b"), 0);
    assert_true(record_id_equal(&identity.id, &id));
    assert_int_equal(identity.epoch, 2);
    identity_close(&identity);
}

static void publishing_the_same_port_writes_no_state(void **state)
{
    struct world *world = *state;
    struct identity identity;
    assert_int_equal(open_on(&identity, world, world->share, "b"), 0);
    uint64_t before = state_written();
    assert_int_equal(identity_publish(&identity, 7751, RECORD_ROLE_PEER), 0);
    uint64_t once = state_written();
    assert_true(once > before);
    assert_int_equal(identity_publish(&identity, 7751, RECORD_ROLE_BOTH), 0);
    assert_int_equal(state_written(), once);
    identity_close(&identity);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        ROW(folder_names),
        ROW(folder_roots),
        ROW(same_node_over_restarts),
        ROW(epoch_is_stored_at_once),
        ROW(raising_the_epoch),
        ROW(another_place_is_another_node),
        ROW(damaged_file_is_set_aside),
        ROW(second_process_is_told_the_pid),
        ROW(commands_find_the_node),
        ROW(text_without_lock_is_not_believed),
        ROW(unusable_folder_makes_a_guest),
        ROW(folder_inside_the_share),
        ROW(renewing),
        ROW(publishing_the_same_port_writes_no_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
