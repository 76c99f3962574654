/* SPDX-License-Identifier: MIT */
/* Folder watches: each way in which a folder can change, told as the right kind of change with the
 * right name. Where the platform cannot watch, the tests say so and are skipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/plat.h"
#include "platform/plat_file.h"
#include "platform/plat_watch.h"

enum { PATIENCE_MS = 20000 };

struct place {
    char path[256];
    int fd, id;
    struct plat_watch watch;
};

static int remove_one(const char *path, const struct stat *found, int kind, struct FTW *walk)
{
    (void)found, (void)kind, (void)walk;
    return remove(path);
}

/* path/in is watched, path/out is not. */
static int place_make(void **state)
{
    static struct place place;
    const char *base = getenv("TMPDIR");
    snprintf(place.path, sizeof place.path, "%s/p2p-watch-XXXXXX", base ? base : "/tmp");
    if (mkdtemp(place.path) == NULL)
        return -1;
    place.fd = plat_open_folder(place.path);
    place.id = -1;
    *state = &place;
    if (plat_make_folders_beneath(place.fd, "in") != 0 ||
        plat_make_folders_beneath(place.fd, "out") != 0)
        return -1;
    int result = plat_watch_open(&place.watch);
    if (result == -P2P_ENOTSUP)
        return 0;
    int folder = plat_open_folder_beneath(place.fd, "in");
    place.id = plat_watch_add(&place.watch, folder);
    plat_close(folder); /* the watch does not need it */
    return place.id < 0 ? -1 : 0;
}

static int place_remove(void **state)
{
    struct place *place = *state;
    plat_watch_close(&place->watch);
    plat_close(place->fd);
    return nftw(place->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void need_watches(const struct place *place)
{
    if (place->id >= 0)
        return;
    print_message("this platform cannot watch folders: skipped\n");
    skip();
}

/* The next event; there must be one. */
static struct plat_watch_event next(struct place *place)
{
    struct plat_watch_event event;
    struct pollfd ask = {.fd = place->watch.fd, .events = POLLIN};
    int result = plat_watch_next(&place->watch, &event);
    for (int tries = 0; result == 0 && tries < 4; tries++) {
        assert_int_equal(poll(&ask, 1, PATIENCE_MS), 1);
        result = plat_watch_next(&place->watch, &event);
    }
    assert_int_equal(result, 1);
    return event;
}

/* All that is told about name until `until` was among it. */
static unsigned told(struct place *place, const char *name, unsigned until)
{
    unsigned what = 0;
    while ((what & until) != until) {
        struct plat_watch_event event = next(place);
        assert_int_equal(event.id, place->id);
        assert_string_equal(event.name, name);
        what |= event.what;
    }
    return what;
}

static void quiet(struct place *place)
{
    struct plat_watch_event event;
    int result = plat_watch_next(&place->watch, &event);
    if (result != 0)
        fail_msg("%d: %x %s", result, event.what, event.name);
}

static void writing_changes_and_closing_settles(void **state)
{
    struct place *place = *state;
    need_watches(place);
    quiet(place);
    int fd = plat_open_beneath(place->fd, "in/f", PLAT_WRITE | PLAT_NEW);
    assert_int_equal(told(place, "f", PLAT_WATCH_CHANGED), PLAT_WATCH_CHANGED);
    quiet(place);
    assert_int_equal(plat_write(fd, "x", 1), 0);
    assert_int_equal(told(place, "f", PLAT_WATCH_CHANGED), PLAT_WATCH_CHANGED);
    quiet(place);
    plat_close(fd);
    assert_int_equal(told(place, "f", PLAT_WATCH_SETTLED), PLAT_WATCH_SETTLED);
    fd = plat_open_beneath(place->fd, "in/f", PLAT_READ);
    char byte;
    assert_int_equal(plat_read(fd, &byte, 1), 1);
    plat_close(fd);
    quiet(place); /* reading is nobody's business */
    assert_int_equal(fchmodat(place->fd, "in/f", 0700, 0), 0);
    assert_int_equal(told(place, "f", PLAT_WATCH_CHANGED), PLAT_WATCH_CHANGED);
    assert_int_equal(plat_unlink_beneath(place->fd, "in/f"), 0);
    assert_true((told(place, "f", PLAT_WATCH_REMOVED) & PLAT_WATCH_FOLDER) == 0);
    quiet(place);
}

static void moves_in_and_out(void **state)
{
    struct place *place = *state;
    need_watches(place);
    plat_close(plat_open_beneath(place->fd, "out/f", PLAT_WRITE | PLAT_NEW));
    quiet(place);
    assert_int_equal(plat_rename_beneath(place->fd, "out/f", place->fd, "in/f", true), 0);
    assert_int_equal(told(place, "f", PLAT_WATCH_SETTLED), PLAT_WATCH_SETTLED);
    assert_int_equal(plat_rename_beneath(place->fd, "in/f", place->fd, "in/g", true), 0);
    assert_int_equal(told(place, "f", PLAT_WATCH_REMOVED), PLAT_WATCH_REMOVED);
    assert_int_equal(told(place, "g", PLAT_WATCH_SETTLED), PLAT_WATCH_SETTLED);
    assert_int_equal(plat_rename_beneath(place->fd, "in/g", place->fd, "out/g", true), 0);
    assert_int_equal(told(place, "g", PLAT_WATCH_REMOVED), PLAT_WATCH_REMOVED);
    quiet(place);
}

static void links_and_folders_are_told(void **state)
{
    struct place *place = *state;
    need_watches(place);
    assert_int_equal(symlinkat("nowhere", place->fd, "in/s"), 0);
    assert_int_equal(told(place, "s", PLAT_WATCH_CHANGED), PLAT_WATCH_CHANGED);
    plat_close(plat_open_beneath(place->fd, "out/f", PLAT_WRITE | PLAT_NEW));
    assert_int_equal(linkat(place->fd, "out/f", place->fd, "in/h", 0), 0);
    assert_int_equal(told(place, "h", PLAT_WATCH_CHANGED), PLAT_WATCH_CHANGED);
    assert_int_equal(mkdirat(place->fd, "in/d", 0700), 0);
    assert_int_equal(told(place, "d", PLAT_WATCH_CHANGED), PLAT_WATCH_CHANGED | PLAT_WATCH_FOLDER);
    plat_close(plat_open_beneath(place->fd, "in/d/deeper", PLAT_WRITE | PLAT_NEW));
    quiet(place); /* what is below is not watched */
    assert_int_equal(plat_unlink_beneath(place->fd, "in/d/deeper"), 0);
    assert_int_equal(unlinkat(place->fd, "in/d", AT_REMOVEDIR), 0);
    assert_int_equal(told(place, "d", PLAT_WATCH_REMOVED), PLAT_WATCH_REMOVED | PLAT_WATCH_FOLDER);
}

static void the_longest_name_is_told_whole(void **state)
{
    struct place *place = *state;
    char name[P2P_PART_MAX + 1], path[P2P_PART_MAX + 8];
    need_watches(place);
    for (size_t len = P2P_PART_MAX - 20; len <= P2P_PART_MAX; len++) {
        memset(name, 'a' + (int)(len % 26), len);
        name[len] = '\0';
        snprintf(path, sizeof path, "in/%s", name);
        plat_close(plat_open_beneath(place->fd, path, PLAT_WRITE | PLAT_NEW));
        told(place, name, PLAT_WATCH_SETTLED);
    }
}

static void a_removed_folder_is_gone(void **state)
{
    struct place *place = *state;
    need_watches(place);
    int folder = plat_open_folder_beneath(place->fd, "in");
    assert_int_equal(plat_watch_add(&place->watch, folder), place->id); /* the same id again */
    assert_int_equal(unlinkat(place->fd, "in", AT_REMOVEDIR), 0);
    assert_int_equal(plat_watch_add(&place->watch, folder), -P2P_ENOTFOUND);
    plat_close(folder);
    assert_int_equal(told(place, "", PLAT_WATCH_GONE), PLAT_WATCH_GONE);
    quiet(place);
}

static void a_moved_folder_is_gone_and_no_longer_watched(void **state)
{
    struct place *place = *state;
    need_watches(place);
    assert_int_equal(renameat(place->fd, "in", place->fd, "elsewhere"), 0);
    assert_int_equal(told(place, "", PLAT_WATCH_GONE), PLAT_WATCH_GONE);
    plat_close(plat_open_beneath(place->fd, "elsewhere/f", PLAT_WRITE | PLAT_NEW));
    quiet(place);
}

static void a_removed_watch_says_no_more(void **state)
{
    struct place *place = *state;
    need_watches(place);
    plat_watch_remove(&place->watch, place->id);
    plat_close(plat_open_beneath(place->fd, "in/f", PLAT_WRITE | PLAT_NEW));
    quiet(place);
    int folder = plat_open_folder_beneath(place->fd, "in");
    place->id = plat_watch_add(&place->watch, folder);
    plat_close(folder);
    assert_true(place->id >= 0);
    assert_int_equal(plat_unlink_beneath(place->fd, "in/f"), 0);
    told(place, "f", PLAT_WATCH_REMOVED);
}

static void only_folders_are_watched(void **state)
{
    struct place *place = *state;
    need_watches(place);
    int file = plat_open_beneath(place->fd, "out/f", PLAT_WRITE | PLAT_NEW);
    assert_true(plat_watch_add(&place->watch, file) < 0);
    plat_close(file);
    assert_true(plat_watch_add(&place->watch, -1) < 0);
}

/* The queue of the kernel is finite; losing events must not go unnoticed. */
static void lost_events_are_told(void **state)
{
    struct place *place = *state;
    char name[32];
    int limit = 0;
    need_watches(place);
    FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
    if (file == NULL || fscanf(file, "%d", &limit) != 1 || limit > 100000) {
        print_message("the queue is of unknown or great length: skipped\n");
        if (file != NULL)
            fclose(file);
        skip();
    }
    fclose(file);
    for (int i = 0; i <= limit; i += 2) { /* names in turn: equal events in a row count as one */
        snprintf(name, sizeof name, "in/%d", i / 2 % 2);
        plat_close(plat_open_beneath(place->fd, name, PLAT_WRITE | PLAT_CREATE));
        assert_int_equal(plat_unlink_beneath(place->fd, name), 0);
    }
    int events = 0;
    struct plat_watch_event event;
    do {
        event = next(place);
        assert_true(++events <= limit + 1);
    } while (event.what != PLAT_WATCH_OVERFLOW);
    assert_int_equal(event.id, -1);
    assert_string_equal(event.name, "");
    quiet(place);
}

static void limits_are_told(void **state)
{
    const struct place *place = *state;
    struct plat_watch_limits limits;

    if (place->id < 0) {
        assert_int_equal(plat_watch_limits(&limits), -P2P_ENOTSUP);
        return;
    }
    assert_int_equal(plat_watch_limits(&limits), 0);
    assert_true(limits.folders > 0);
    assert_true(limits.watches > 0);
}

#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, place_make, place_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_PLACE(writing_changes_and_closing_settles),
        IN_PLACE(moves_in_and_out),
        IN_PLACE(links_and_folders_are_told),
        IN_PLACE(the_longest_name_is_told_whole),
        IN_PLACE(a_removed_folder_is_gone),
        IN_PLACE(a_moved_folder_is_gone_and_no_longer_watched),
        IN_PLACE(a_removed_watch_says_no_more),
        IN_PLACE(only_folders_are_watched),
        IN_PLACE(lost_events_are_told),
        IN_PLACE(limits_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
