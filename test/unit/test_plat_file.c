/* SPDX-License-Identifier: MIT */
/* Files and folders: what lies beneath a folder and what does not, by the kernel's own way and by
 * the walk; renames that replace nothing, while others try the same; reading, writing, attributes,
 * locks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/plat.h"
#include "platform/plat_file.h"
#include "platform/posix.h"

/* A folder of its own for each test. */
struct place {
    char path[256];
    int fd;
};

static int remove_one(const char *path, const struct stat *found, int kind, struct FTW *walk)
{
    (void)found, (void)kind, (void)walk;
    return remove(path);
}

static int place_make(void **state)
{
    static struct place place;
    const char *base = getenv("TMPDIR");
    snprintf(place.path, sizeof place.path, "%s/p2p-file-XXXXXX", base ? base : "/tmp");
    if (mkdtemp(place.path) == NULL)
        return -1;
    place.fd = plat_open_folder(place.path);
    *state = &place;
    return place.fd < 0 ? -1 : 0;
}

static int place_remove(void **state)
{
    struct place *place = *state;
    plat_close(place->fd);
    return nftw(place->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void put(const struct place *place, const char *name, const char *text)
{
    int fd = plat_open_beneath(place->fd, name, PLAT_WRITE | PLAT_CREATE | PLAT_TRUNCATE);
    assert_true(fd >= 0);
    assert_int_equal(plat_write(fd, text, strlen(text)), 0);
    plat_close(fd);
}

static bool holds(const struct place *place, const char *name, const char *text)
{
    char got[64] = {0};
    int fd = plat_open_beneath(place->fd, name, PLAT_READ);
    if (fd < 0)
        return false;
    int64_t size = plat_pread(fd, got, sizeof got - 1, 0);
    plat_close(fd);
    return size == (int64_t)strlen(text) && strcmp(got, text) == 0;
}

static char part_255[256], part_256[257], path_deep[POSIX_PATH_SIZE + 8];

/* top/file, top/sub/file, and ways out of top. */
static void make_ways_out(const struct place *place)
{
    assert_int_equal(plat_make_folders_beneath(place->fd, "top/sub"), 0);
    put(place, "outside", "secret");
    put(place, "top/file", "in");
    put(place, "top/sub/file", "deep");
    assert_int_equal(symlinkat("../outside", place->fd, "top/link"), 0);
    assert_int_equal(symlinkat("file", place->fd, "top/link_in"), 0);
    assert_int_equal(symlinkat("..", place->fd, "top/up"), 0);
    assert_int_equal(symlinkat("sub", place->fd, "top/across"), 0);
    assert_int_equal(symlinkat("/", place->fd, "top/root"), 0);
    assert_int_equal(symlinkat("nowhere", place->fd, "top/dangling"), 0);
    assert_int_equal(mkfifoat(place->fd, "top/fifo", 0600), 0);
    memset(part_255, 'n', 255);
    memset(part_256, 'n', 256);
    memset(path_deep, 'd', sizeof path_deep - 1);
    for (size_t i = 1; i < sizeof path_deep - 1; i += 2)
        path_deep[i] = '/';
}

static const struct beneath_row {
    const char *name, *input;
    int expected; /* 0: it opens */
} beneath_rows[] = {
    {"a file", "file", 0},
    {"a file in a folder", "sub/file", 0},
    {"nothing there", "none", -P2P_ENOTFOUND},
    {"nothing on the way", "none/file", -P2P_ENOTFOUND},
    {"empty", "", -P2P_EINVAL},
    {"dot", ".", -P2P_EINVAL},
    {"dot first", "./file", -P2P_EINVAL},
    {"dot inside", "sub/./file", -P2P_EINVAL},
    {"up", "../outside", -P2P_EINVAL},
    {"up alone", "..", -P2P_EINVAL},
    {"down and up", "sub/../file", -P2P_EINVAL},
    {"up at the end", "sub/..", -P2P_EINVAL},
    {"absolute", "/etc/passwd", -P2P_EINVAL},
    {"absolute root", "/", -P2P_EINVAL},
    {"slash at the end", "file/", -P2P_EINVAL},
    {"two slashes", "sub//file", -P2P_EINVAL},
    {"three dots are a name", "...", -P2P_ENOTFOUND},
    {"a name that begins with dots", "..file", -P2P_ENOTFOUND},
    {"symlink out as last part", "link", -P2P_EDENIED},
    {"symlink inside as last part", "link_in", -P2P_EDENIED},
    {"dangling symlink", "dangling", -P2P_EDENIED},
    {"symlink up in the middle", "up/outside", -P2P_EDENIED},
    {"symlink across in the middle", "across/file", -P2P_EDENIED},
    {"symlink to root in the middle", "root/etc/passwd", -P2P_EDENIED},
    {"a folder where a file is asked", "sub", -P2P_EINVAL},
    {"a FIFO, which must not block", "fifo", -P2P_EINVAL},
    {"through a file", "file/more", -P2P_ENOTFOUND},
    {"through a FIFO", "fifo/more", -P2P_ENOTFOUND},
    {"longest part", part_255, -P2P_ENOTFOUND},
    {"part too long", part_256, -P2P_ETOOBIG},
    {"path too long", path_deep, -P2P_ETOOBIG},
};

static void only_what_is_beneath_opens(void **state)
{
    const struct place *place = *state;
    make_ways_out(place);
    int top = plat_open_folder_beneath(place->fd, "top");
    assert_true(top >= 0);
    for (size_t i = 0; i < sizeof beneath_rows / sizeof beneath_rows[0]; i++) {
        const struct beneath_row *row = &beneath_rows[i];
        int got = plat_open_beneath(top, row->input, PLAT_READ);
        if ((got >= 0) != (row->expected == 0) || (got < 0 && got != row->expected))
            fail_msg("%s: %d instead of %d (%s)", row->name, got, row->expected, plat_reason());
        plat_close(got);
        if (row->expected == 0 || row->expected == -P2P_ENOTFOUND)
            continue;
        got = plat_open_beneath(top, row->input, PLAT_WRITE | PLAT_CREATE);
        if (got >= 0 || got == -P2P_ENOTFOUND)
            fail_msg("%s: for writing: %d", row->name, got);
    }
    plat_close(top);
    assert_true(holds(place, "outside", "secret"));
}

/* The walk is what machines without openat2 have: it must say the same, errno for errno. */
static void the_walk_and_the_kernel_agree(void **state)
{
    const struct place *place = *state;
    static const int flags[] = {O_RDONLY | O_NONBLOCK, O_RDONLY | O_DIRECTORY,
                                O_WRONLY | O_NONBLOCK, O_RDWR | O_CREAT | O_NONBLOCK,
                                O_RDWR | O_CREAT | O_EXCL};
    make_ways_out(place);
    int top = plat_open_folder_beneath(place->fd, "top");
    for (size_t i = 0; i < sizeof beneath_rows / sizeof beneath_rows[0]; i++) {
        const char *path = beneath_rows[i].input;
        if (posix_path_check(path) != 0)
            continue;
        for (size_t f = 0; f < sizeof flags / sizeof flags[0]; f++) {
            int results[2], codes[2];
            for (int way = 0; way < 2; way++) {
                errno = 0;
                results[way] = way == 0 ? path_open_beneath(top, path, flags[f], 0600)
                                        : posix_path_walk(top, path, flags[f], 0600);
                codes[way] = results[way] < 0 ? errno : 0;
                plat_close(results[way]);
                if (beneath_rows[i].expected == -P2P_ENOTFOUND && results[way] >= 0)
                    assert_int_equal(unlinkat(top, path, 0), 0);
            }
            if (codes[0] != codes[1])
                fail_msg("%s, flags %x: %s, %s", beneath_rows[i].name, (unsigned)flags[f],
                         strerror(codes[0]), strerror(codes[1]));
        }
    }
    plat_close(top);
}

static void stat_tells_kinds(void **state)
{
    const struct place *place = *state;
    make_ways_out(place);
    static const struct {
        const char *input;
        int expected;
    } rows[] = {
        {"", PLAT_KIND_FOLDER},           {"top", PLAT_KIND_FOLDER},
        {"top/file", PLAT_KIND_FILE},     {"top/link", PLAT_KIND_LINK},
        {"top/up", PLAT_KIND_LINK},       {"top/fifo", PLAT_KIND_OTHER},
        {"top/dangling", PLAT_KIND_LINK}, {"top/up/outside", -P2P_EDENIED},
        {"top/none", -P2P_ENOTFOUND},     {"top/..", -P2P_EINVAL},
        {"top/file/x", -P2P_ENOTFOUND},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct plat_stat found;
        int got = plat_stat_beneath(place->fd, rows[i].input, &found);
        if ((got == 0 ? (int)found.kind : got) != rows[i].expected)
            fail_msg("%s: %d, %d", rows[i].input, got, (int)found.kind);
    }
    struct plat_stat by_path, by_fd;
    char path[300];
    snprintf(path, sizeof path, "%s/top/link", place->path);
    assert_int_equal(plat_stat(path, &by_path), 0); /* follows */
    int fd = plat_open(path, PLAT_READ);
    assert_int_equal(plat_fstat(fd, &by_fd), 0);
    assert_int_equal(by_path.kind, PLAT_KIND_FILE);
    assert_int_equal(by_path.size, 6);
    assert_true(by_path.mine && !by_path.executable);
    assert_true(by_path.inode == by_fd.inode && by_path.device == by_fd.device);
    assert_true(by_path.mtime_ns == by_fd.mtime_ns && by_path.ctime_ns == by_fd.ctime_ns);
    plat_close(fd);
}

static void open_modes_mean_what_they_say(void **state)
{
    const struct place *place = *state;
    char byte = 0;
    assert_int_equal(plat_open_beneath(place->fd, "f", PLAT_WRITE), -P2P_ENOTFOUND);
    int fd = plat_open_beneath(place->fd, "f", PLAT_WRITE | PLAT_NEW | PLAT_PRIVATE);
    assert_true(fd >= 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    struct stat found;
    assert_int_equal(fstat(fd, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
    assert_int_equal(plat_read(fd, &byte, 1), -P2P_EIO); /* not open for reading */
    plat_close(fd);
    assert_int_equal(plat_open_beneath(place->fd, "f", PLAT_WRITE | PLAT_NEW), -P2P_EEXIST);
    put(place, "f", "one");
    fd = plat_open_beneath(place->fd, "f", PLAT_APPEND);
    assert_int_equal(plat_write(fd, "two", 3), 0);
    plat_close(fd);
    assert_true(holds(place, "f", "onetwo"));
    fd = plat_open_beneath(place->fd, "f", PLAT_READ | PLAT_WRITE | PLAT_TRUNCATE);
    assert_int_equal(plat_read(fd, &byte, 1), 0);
    plat_close(fd);
    assert_int_equal(symlinkat("f", place->fd, "l"), 0);
    assert_int_equal(plat_open_beneath(place->fd, "l", PLAT_WRITE | PLAT_NEW), -P2P_EEXIST);
}

static void an_unnamed_file_leaves_nothing(void **state)
{
    const struct place *place = *state;
    int (*const ways[])(int) = {plat_open_unnamed, posix_path_unnamed};
    for (int way = 0; way < 2; way++) {
        char got[4] = {0};
        struct plat_dir dir;
        char name[P2P_PART_MAX + 1];
        enum plat_kind kind;
        int fd = ways[way](place->fd);
        assert_true(fd >= 0);
        assert_int_equal(plat_pwrite(fd, "abc", 3, 5), 0);
        assert_int_equal(plat_pread(fd, got, 3, 5), 3);
        assert_string_equal(got, "abc");
        assert_int_equal(plat_dir_open_beneath(&dir, place->fd, ""), 0);
        assert_int_equal(plat_dir_next(&dir, name, &kind), 0);
        plat_dir_close(&dir);
        plat_close(fd);
    }
}

static void reads_are_short_only_at_the_end(void **state)
{
    const struct place *place = *state;
    enum { SIZE = 100000 };
    char *bytes = malloc(SIZE), *got = malloc(SIZE + 1);
    for (int i = 0; i < SIZE; i++)
        bytes[i] = (char)(i % 251);
    int fd = plat_open_beneath(place->fd, "f", PLAT_READ | PLAT_WRITE | PLAT_CREATE);
    assert_int_equal(plat_pwrite(fd, bytes, SIZE, 0), 0);
    assert_int_equal(plat_pread(fd, got, SIZE, 0), SIZE);
    assert_memory_equal(bytes, got, SIZE);
    assert_int_equal(plat_pread(fd, got, SIZE + 1, 0), SIZE);
    assert_int_equal(plat_pread(fd, got, 10, SIZE - 3), 3);
    assert_int_equal(plat_pread(fd, got, 10, SIZE), 0);
    assert_int_equal(plat_pread(fd, got, 10, (int64_t)1 << 40), 0); /* 64-bit on all machines */
    assert_int_equal(plat_pread(fd, got, 10, -1), -P2P_EINVAL);
    assert_int_equal(plat_pwrite(fd, "x", 1, (int64_t)5 << 30), 0);
    struct plat_stat found;
    assert_int_equal(plat_fstat(fd, &found), 0);
    assert_int_equal(found.size, ((int64_t)5 << 30) + 1);
    assert_int_equal(plat_truncate(fd, 7), 0);
    assert_int_equal(plat_read(fd, got, SIZE), 7);
    assert_int_equal(plat_read(fd, got, SIZE), 0);
    assert_int_equal(plat_fsync(fd), 0);
    assert_int_equal(plat_fsync(place->fd), 0);
    plat_read_ahead(fd);
    plat_close(fd);
    assert_int_equal(plat_fsync(fd), -P2P_EIO);
    free(bytes);
    free(got);
}

struct pipe_job {
    int fd;
    int64_t total;
};

static void read_all(void *ctx)
{
    struct pipe_job *job = ctx;
    char bytes[4096];
    int64_t got;
    while ((got = plat_read(job->fd, bytes, sizeof bytes)) > 0)
        job->total += got;
}

static void a_full_pipe_waits_or_says_so(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    int fds[2];
    char *bytes = calloc(1, SIZE);
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(plat_set_nonblocking(fds[1]), 0);
    int64_t put_now = plat_write_some(fds[1], bytes, SIZE);
    assert_true(put_now > 0 && put_now < SIZE);
    while (plat_write_some(fds[1], bytes, 1) == 1)
        put_now++;
    assert_int_equal(plat_write_some(fds[1], bytes, 1), -P2P_EAGAIN);
    struct pipe_job job = {.fd = fds[0]};
    struct plat_thread reader;
    assert_int_equal(plat_thread_start(&reader, P2P_STACK_SIZE, read_all, &job), 0);
    assert_int_equal(plat_write(fds[1], bytes, SIZE), 0);
    plat_close(fds[1]);
    plat_thread_join(&reader);
    assert_int_equal(job.total, put_now + SIZE);
    plat_close(fds[0]);
    free(bytes);
}

static void space_is_reserved(void **state)
{
    const struct place *place = *state;
    struct plat_stat found;
    int fd = plat_open_beneath(place->fd, "f", PLAT_READ | PLAT_WRITE | PLAT_CREATE);
    assert_int_equal(plat_pwrite(fd, "data", 4, 0), 0);
    assert_int_equal(plat_reserve(fd, 0), 0);
    assert_int_equal(plat_reserve(fd, 1 << 20), 0);
    assert_int_equal(plat_fstat(fd, &found), 0);
    assert_int_equal(found.size, 1 << 20);
    char got[4];
    assert_int_equal(plat_pread(fd, got, 4, 0), 4);
    assert_memory_equal(got, "data", 4);
    int64_t room = plat_free_space(fd);
    assert_true(room > 0);
    int result = plat_reserve(fd, P2P_FILE_MAX);
    assert_true(result == -P2P_ENOSPC || result == -P2P_ETOOBIG);
    plat_close(fd);
    assert_true(plat_free_space(-1) < 0);
}

static void attributes_are_set(void **state)
{
    const struct place *place = *state;
    static const struct {
        const char *name;
        mode_t input;
        bool executable;
        mode_t expected;
    } rows[] = {
        {"all may read", 0644, true, 0755},   {"group may read", 0640, true, 0750},
        {"only the owner", 0600, true, 0700}, {"no longer", 0755, false, 0644},
        {"as it is", 0644, false, 0644},      {"already", 0755, true, 0755},
    };
    static const int64_t times[] = {0, 1, 1700000000, INT64_C(4102444800), -1};
    int fd = plat_open_beneath(place->fd, "f", PLAT_WRITE | PLAT_CREATE);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct stat found;
        assert_int_equal(fchmod(fd, rows[i].input), 0);
        assert_int_equal(plat_set_attributes(fd, 1000, rows[i].executable), 0);
        assert_int_equal(fstat(fd, &found), 0);
        if ((found.st_mode & 07777) != rows[i].expected)
            fail_msg("%s: %o", rows[i].name, (unsigned)found.st_mode);
    }
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        struct plat_stat found;
        assert_int_equal(plat_set_attributes(fd, times[i], false), 0);
        assert_int_equal(plat_fstat(fd, &found), 0);
        assert_int_equal(found.mtime_ns, times[i] * 1000000000);
        assert_true(found.ctime_ns > INT64_C(1577836800000000000));
    }
    plat_close(fd);
    assert_true(plat_set_attributes(-1, 0, true) < 0);
}

static void a_rename_replaces_only_when_asked(void **state)
{
    const struct place *place = *state;
    assert_int_equal(plat_make_folders_beneath(place->fd, "a/b"), 0);
    put(place, "one", "1");
    put(place, "a/two", "2");
    static const struct {
        const char *name, *from, *to;
        bool replace;
        int expected;
    } rows[] = {
        {"target is there", "one", "a/two", false, -P2P_EEXIST},
        {"target is itself", "one", "one", false, -P2P_EEXIST},
        {"target is a folder", "one", "a", false, -P2P_EEXIST},
        {"over a folder", "one", "a", true, -P2P_EINVAL},
        {"no source", "none", "three", false, -P2P_ENOTFOUND},
        {"no folder", "one", "c/three", false, -P2P_ENOTFOUND},
        {"up", "one", "../three", false, -P2P_EINVAL},
        {"from above", "../one", "three", true, -P2P_EINVAL},
        {"into a folder", "one", "a/b/one", false, 0},
        {"and back over another", "a/b/one", "a/two", true, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int got =
            plat_rename_beneath(place->fd, rows[i].from, place->fd, rows[i].to, rows[i].replace);
        if (got != rows[i].expected)
            fail_msg("%s: %d (%s)", rows[i].name, got, plat_reason());
    }
    assert_true(holds(place, "a/two", "1"));
    assert_int_equal(plat_unlink_beneath(place->fd, "one"), -P2P_ENOTFOUND);
    assert_int_equal(symlinkat("a", place->fd, "l"), 0);
    assert_int_equal(plat_rename_beneath(place->fd, "a/two", place->fd, "l/x", false),
                     -P2P_EDENIED);
    assert_int_equal(plat_unlink_beneath(place->fd, "l/two"), -P2P_EDENIED);
    assert_int_equal(plat_unlink_beneath(place->fd, "l"), 0); /* the link, not what it names */
    assert_int_equal(plat_unlink_beneath(place->fd, "a"), -P2P_EINVAL);
    assert_int_equal(plat_unlink_beneath(place->fd, "a/two"), 0);
}

enum { RACERS = 4, ROUNDS = 200 };

struct race {
    int folder, id, round;
    int (*rename_new)(int, const char *, int, const char *);
    int *result;
};

static void race_once(void *ctx)
{
    const struct race *race = ctx;
    char from[32], to[32];
    snprintf(from, sizeof from, "from%d", race->id);
    snprintf(to, sizeof to, "to%d", race->round);
    *race->result = race->rename_new(race->folder, from, race->folder, to) == 0 ? 0 : errno;
}

static void of_many_renames_one_wins(void **state)
{
    const struct place *place = *state;
    int (*const ways[])(int, const char *, int, const char *) = {path_rename_new,
                                                                 posix_path_rename_new};
    for (int round = 0; round < ROUNDS; round++) {
        struct plat_thread threads[RACERS];
        struct race races[RACERS];
        int results[RACERS], winners = 0;
        char name[32];
        for (int i = 0; i < RACERS; i++) {
            snprintf(name, sizeof name, "from%d", i);
            put(place, name, name);
            races[i] = (struct race){place->fd, i, round, ways[round % 2], &results[i]};
        }
        for (int i = 0; i < RACERS; i++)
            assert_int_equal(plat_thread_start(&threads[i], P2P_STACK_SIZE, race_once, &races[i]),
                             0);
        for (int i = 0; i < RACERS; i++)
            plat_thread_join(&threads[i]);
        for (int i = 0; i < RACERS; i++) {
            char target[32];
            snprintf(name, sizeof name, "from%d", i);
            snprintf(target, sizeof target, "to%d", round);
            bool kept = holds(place, name, name), won = holds(place, target, name);
            assert_true(results[i] == (won ? 0 : EEXIST));
            assert_true(kept != won);
            winners += won;
        }
        assert_int_equal(winners, 1);
    }
}

static void folders_are_made(void **state)
{
    const struct place *place = *state;
    char path[400];
    struct stat found;
    put(place, "file", "");
    assert_int_equal(symlinkat(".", place->fd, "here"), 0);
    static const struct {
        const char *input;
        int beneath, by_path;
    } rows[] = {
        {"a", 0, 0},
        {"a/b/c", 0, 0},
        {"a/b/c", 0, 0},
        {"file", -P2P_EEXIST, -P2P_EEXIST},
        {"file/d", -P2P_EEXIST, -P2P_EEXIST},
        {"here/x", -P2P_EDENIED, 0},
        {"here", -P2P_EDENIED, 0},
        {"a/../y", -P2P_EINVAL, 0},
        {"z//y", -P2P_EINVAL, 0},
        {"z/y/", -P2P_EINVAL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int got = plat_make_folders_beneath(place->fd, rows[i].input);
        if (got != rows[i].beneath)
            fail_msg("%s beneath: %d (%s)", rows[i].input, got, plat_reason());
        snprintf(path, sizeof path, "%s/%s", place->path, rows[i].input);
        got = plat_make_folders(path, false);
        if (got != rows[i].by_path)
            fail_msg("%s by path: %d (%s)", rows[i].input, got, plat_reason());
    }
    assert_int_equal(plat_make_folders("", false), -P2P_EINVAL);
    assert_int_equal(plat_make_folders("/", false), 0);
    snprintf(path, sizeof path, "%s/private/state", place->path);
    assert_int_equal(plat_make_folders(path, true), 0);
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0700);
}

/* Counts the entries; each must have one of the expected kinds and be met once. */
static int count_entries(int folder, const char *path, enum plat_kind expected, char *seen, int max)
{
    struct plat_dir dir;
    char name[P2P_PART_MAX + 1];
    enum plat_kind kind;
    int count = 0, result;
    assert_int_equal(plat_dir_open_beneath(&dir, folder, path), 0);
    while ((result = plat_dir_next(&dir, name, &kind)) == 1) {
        int number = atoi(name);
        assert_true(number >= 0 && number < max);
        assert_int_equal(seen[number]++, 0);
        assert_int_equal(kind, expected);
        count++;
    }
    assert_int_equal(result, 0);
    plat_dir_close(&dir);
    return count;
}

static void ten_thousand_entries_are_told_once(void **state)
{
    const struct place *place = *state;
    enum { COUNT = 10000 };
    char *seen = calloc(1, COUNT);
    assert_int_equal(mkdirat(place->fd, "many", 0700), 0);
    int many = plat_open_folder_beneath(place->fd, "many");
    for (int i = 0; i < COUNT; i++) {
        char name[16];
        snprintf(name, sizeof name, "%05d", i);
        plat_close(plat_open_beneath(many, name, PLAT_WRITE | PLAT_NEW));
    }
    assert_int_equal(count_entries(place->fd, "many", PLAT_KIND_FILE, seen, COUNT), COUNT);
    memset(seen, 0, COUNT);
    assert_int_equal(count_entries(many, "", PLAT_KIND_FILE, seen, COUNT), COUNT);
    plat_close(many);
    free(seen);
}

static void the_longest_names_are_told_whole(void **state)
{
    const struct place *place = *state;
    char name[P2P_PART_MAX + 1], got[P2P_PART_MAX + 1];
    struct plat_dir dir;
    enum plat_kind kind;
    int found = 0;
    memset(name, 'x', P2P_PART_MAX);
    name[P2P_PART_MAX] = '\0';
    for (char first = 'a'; first < 'a' + 26; first++) { /* more than one buffer of the folder */
        name[0] = first;
        plat_close(plat_open_beneath(place->fd, name, PLAT_WRITE | PLAT_NEW));
    }
    assert_int_equal(plat_dir_open_beneath(&dir, place->fd, ""), 0);
    while (plat_dir_next(&dir, got, &kind) == 1) {
        assert_int_equal(strlen(got), P2P_PART_MAX);
        assert_string_equal(got + 1, name + 1);
        found |= 1 << (got[0] - 'a');
    }
    assert_int_equal(found, (1 << 26) - 1);
    struct plat_stat stat;
    assert_int_equal(plat_stat_beneath(dir.fd, name, &stat), 0); /* dir.fd is the folder */
    plat_dir_close(&dir);
}

static void a_folder_tells_kinds(void **state)
{
    const struct place *place = *state;
    struct plat_dir dir;
    char name[P2P_PART_MAX + 1];
    enum plat_kind kind;
    int seen = 0;
    make_ways_out(place);
    assert_int_equal(plat_dir_open_beneath(&dir, place->fd, "top"), 0);
    while (plat_dir_next(&dir, name, &kind) == 1) {
        seen++;
        enum plat_kind expected = strcmp(name, "file") == 0   ? PLAT_KIND_FILE
                                  : strcmp(name, "sub") == 0  ? PLAT_KIND_FOLDER
                                  : strcmp(name, "fifo") == 0 ? PLAT_KIND_OTHER
                                                              : PLAT_KIND_LINK;
        assert_int_equal(kind, expected);
    }
    assert_int_equal(seen, 9);
    plat_dir_close(&dir);
    assert_int_equal(plat_dir_open_beneath(&dir, place->fd, "top/across"), -P2P_EDENIED);
    assert_int_equal(plat_dir_open_beneath(&dir, place->fd, "top/file"), -P2P_ENOTFOUND);
    assert_int_equal(plat_dir_open_beneath(&dir, place->fd, ".."), -P2P_EINVAL);
    plat_dir_close(&dir);
}

static int lock_in_child(const char *path)
{
    pid_t child = fork();
    if (child == 0) {
        int fd = plat_open(path, PLAT_READ | PLAT_WRITE);
        _exit(-plat_lock(fd));
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -1000;
}

static void a_lock_keeps_other_processes_out(void **state)
{
    const struct place *place = *state;
    char path[300];
    put(place, "lock", "");
    snprintf(path, sizeof path, "%s/lock", place->path);
    int fd = plat_open(path, PLAT_READ | PLAT_WRITE);
    assert_int_equal(lock_in_child(path), 0); /* and it ended with that process */
    assert_int_equal(plat_lock(fd), 0);
    assert_int_equal(lock_in_child(path), -P2P_EINUSE);
    assert_int_equal(lock_in_child(path), -P2P_EINUSE); /* its close takes nothing from us */
    plat_close(plat_open(path, PLAT_READ));
    assert_int_equal(lock_in_child(path), -P2P_EINUSE); /* nor does that of another descriptor */
    plat_close(fd);
    assert_int_equal(lock_in_child(path), 0);
    assert_int_equal(plat_lock(-1), -P2P_EIO);
}

static void what_lies_in_a_folder_is_synced(void **state)
{
    const struct place *place = *state;
    bool all;
    put(place, "one", "1");
    put(place, "two", "22");
    make_ways_out(place);
    assert_int_equal(plat_sync(place->fd, &all), 0);
    assert_true(plat_sync(-1, &all) < 0);
}

static void only_empty_folders_are_removed(void **state)
{
    const struct place *place = *state;
    struct plat_stat stat;
    assert_int_equal(plat_make_folders_beneath(place->fd, "up/down"), 0);
    assert_int_equal(plat_remove_folder_beneath(place->fd, "up"), -P2P_EEXIST);
    assert_int_equal(plat_remove_folder_beneath(place->fd, "up/down"), 0);
    assert_int_equal(plat_remove_folder_beneath(place->fd, "up"), 0);
    assert_int_equal(plat_stat_beneath(place->fd, "up", &stat), -P2P_ENOTFOUND);
    put(place, "file", "");
    assert_int_equal(plat_remove_folder_beneath(place->fd, "file"), -P2P_ENOTFOUND);
    assert_int_equal(plat_remove_folder_beneath(place->fd, ".."), -P2P_EINVAL);
}

static void a_real_path_has_no_symlinks(void **state)
{
    const struct place *place = *state;
    char path[400], real[600], top[600];
    make_ways_out(place);
    assert_int_equal(plat_real_path(place->path, top, sizeof top), 0);
    snprintf(path, sizeof path, "%s/top/up/top/./across/../link", place->path);
    assert_int_equal(plat_real_path(path, real, sizeof real), 0);
    size_t len = strlen(top);
    assert_memory_equal(real, top, len);
    assert_string_equal(real + len, "/outside");
    size_t size = strlen(real) + 1;
    assert_int_equal(plat_real_path(path, real, size), 0);
    assert_int_equal(plat_real_path(path, real, size - 1), -P2P_ETOOBIG);
    snprintf(path, sizeof path, "%s/none", place->path);
    assert_int_equal(plat_real_path(path, real, sizeof real), -P2P_ENOTFOUND);
}

#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, place_make, place_remove)

int main(void)
{
    umask(022);
    const struct CMUnitTest tests[] = {
        IN_PLACE(only_what_is_beneath_opens),
        IN_PLACE(the_walk_and_the_kernel_agree),
        IN_PLACE(stat_tells_kinds),
        IN_PLACE(open_modes_mean_what_they_say),
        IN_PLACE(an_unnamed_file_leaves_nothing),
        IN_PLACE(reads_are_short_only_at_the_end),
        IN_PLACE(a_full_pipe_waits_or_says_so),
        IN_PLACE(space_is_reserved),
        IN_PLACE(attributes_are_set),
        IN_PLACE(a_rename_replaces_only_when_asked),
        IN_PLACE(of_many_renames_one_wins),
        IN_PLACE(folders_are_made),
        IN_PLACE(ten_thousand_entries_are_told_once),
        IN_PLACE(the_longest_names_are_told_whole),
        IN_PLACE(a_folder_tells_kinds),
        IN_PLACE(a_lock_keeps_other_processes_out),
        IN_PLACE(what_lies_in_a_folder_is_synced),
        IN_PLACE(only_empty_folders_are_removed),
        IN_PLACE(a_real_path_has_no_symlinks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
