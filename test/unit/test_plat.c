/* SPDX-License-Identifier: MIT */
/* Clock, random bits, memory, threads, wake-ups, signals, and what the process knows about itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/plat.h"
#include "platform/plat_file.h"

static void errors_have_codes_and_words(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int input, expected;
    } rows[] = {
        {"no file", ENOENT, P2P_ENOTFOUND},
        {"full", ENOSPC, P2P_ENOSPC},
        {"quota", EDQUOT, P2P_ENOSPC},
        {"denied", EACCES, P2P_EDENIED},
        {"read-only", EROFS, P2P_EREADONLY},
        {"symlink", ELOOP, P2P_EDENIED},
        {"refused", ECONNREFUSED, P2P_EREFUSED},
        {"reset", ECONNRESET, P2P_ECLOSED},
        {"no v6", EAFNOSUPPORT, P2P_EUNREACH},
        {"descriptors", EMFILE, P2P_EMFILE},
        {"long name", ENAMETOOLONG, P2P_ETOOBIG},
        {"two disks", EXDEV, P2P_ENOTSUP},
        {"would block", EWOULDBLOCK, P2P_EAGAIN},
        {"broken disk", EIO, P2P_EIO},
        {"anything else", ENOTTY, P2P_EIO},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        errno = rows[i].input;
        int got = plat_error();
        if (got != -rows[i].expected || strcmp(plat_reason(), strerror(rows[i].input)) != 0)
            fail_msg("%s: %d, \"%s\"", rows[i].name, got, plat_reason());
    }
}

static void clocks_advance(void **state)
{
    (void)state;
    int64_t us = plat_now_us(), ms = plat_now_ms(), cpu = plat_cpu_us();
    assert_true(us > 0);
    assert_true(ms >= us / 1000);
    while (plat_now_us() < us + 2000)
        ;
    assert_true(plat_now_ms() > us / 1000);
    assert_true(plat_cpu_us() > cpu);
    assert_true(plat_wall_s() > 1577836800); /* 2020: where tests run the clock is set */
}

static void random_fills_all_of_it_and_no_more(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 255, 256, 257, 4096};
    unsigned char bytes[4098];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t size = sizes[i];
        bool last_changed = size == 0;
        bytes[size] = 0x5a;
        for (int tries = 0; tries < 64 && !last_changed; tries++) {
            bytes[size - 1] = 0;
            assert_int_equal(plat_random(bytes, size), 0);
            last_changed = bytes[size - 1] != 0;
        }
        assert_true(last_changed);
        assert_int_equal(bytes[size], 0x5a);
    }
    unsigned char other[32];
    assert_int_equal(plat_random(bytes, 32), 0);
    assert_int_equal(plat_random(other, 32), 0);
    assert_memory_not_equal(bytes, other, 32);
}

static void a_map_is_zero_and_resident_only_where_touched(void **state)
{
    (void)state;
    enum { SIZE = 64 << 20, FAR = 40 << 20 };
    int64_t before = plat_rss();
    unsigned char *map = plat_map(SIZE);
    assert_non_null(map);
    map[FAR] = 1;
    assert_int_equal(map[FAR + 1], 0);
    assert_int_equal(map[SIZE - 1], 0);
    if (before > 0) /* /proc is there; a huge page alone would be 2 MiB */
        assert_true(plat_rss() - before < 1 << 20);
    plat_unmap(map, SIZE);
    assert_null(plat_map(SIZE_MAX / 2));
    assert_string_equal(plat_reason(), strerror(ENOMEM));
    plat_unmap(NULL, SIZE);
}

struct counted {
    struct plat_mutex mutex;
    int count;
};

static void count_many(void *ctx)
{
    struct counted *counted = ctx;
    for (int i = 0; i < 10000; i++) {
        plat_mutex_lock(&counted->mutex);
        counted->count++;
        plat_mutex_unlock(&counted->mutex);
    }
}

static void threads_share_a_mutex(void **state)
{
    (void)state;
    struct counted counted = {.count = 0};
    struct plat_thread threads[4];
    plat_mutex_init(&counted.mutex);
    for (int i = 0; i < 4; i++)
        assert_int_equal(plat_thread_start(&threads[i], P2P_STACK_SIZE, count_many, &counted), 0);
    for (int i = 0; i < 4; i++)
        plat_thread_join(&threads[i]);
    assert_int_equal(counted.count, 40000);
}

static void look_at_signals(void *ctx)
{
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    bool *ok = ctx;
    *ok = sigismember(&blocked, SIGINT) == 1 && sigismember(&blocked, SIGTERM) == 1 &&
          sigismember(&blocked, SIGPIPE) == 1 && sigismember(&blocked, SIGSEGV) == 0;
}

static void a_thread_leaves_signals_to_the_first(void **state)
{
    (void)state;
    struct plat_thread thread;
    sigset_t before, after;
    bool ok = false;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(plat_thread_start(&thread, 1, look_at_signals, &ok),
                     0); /* 1: the least there is */
    plat_thread_join(&thread);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_true(ok);
    assert_int_equal(sigismember(&before, SIGINT), sigismember(&after, SIGINT));
}

static bool readable(int fd, int timeout_ms)
{
    struct pollfd ask = {.fd = fd, .events = POLLIN};
    return poll(&ask, 1, timeout_ms) == 1;
}

static void wake_up(void *ctx)
{
    plat_wake(ctx);
}

static void a_wake_is_seen_once_drained_gone(void **state)
{
    (void)state;
    struct plat_wake wake;
    struct plat_thread thread;
    assert_int_equal(plat_wake_open(&wake), 0);
    assert_false(readable(wake.read_fd, 0));
    assert_int_equal(plat_thread_start(&thread, P2P_STACK_SIZE, wake_up, &wake), 0);
    assert_true(readable(wake.read_fd, 10000));
    plat_thread_join(&thread);
    plat_wake_drain(&wake);
    assert_false(readable(wake.read_fd, 0));
    assert_true((fcntl(wake.read_fd, F_GETFD) & FD_CLOEXEC) != 0);
    plat_wake_close(&wake);
    assert_int_equal(wake.read_fd, -1);
}

static void a_full_pipe_does_not_block_a_wake(void **state)
{
    (void)state;
    struct plat_wake wake;
    assert_int_equal(plat_wake_open(&wake), 0);
    errno = EDOM;
    for (int i = 0; i < 100000; i++) /* more than a pipe holds */
        plat_wake(&wake);
    assert_int_equal(errno, EDOM); /* a signal handler may call it */
    plat_wake_drain(&wake);
    assert_false(readable(wake.read_fd, 0));
    plat_wake(&wake);
    assert_true(readable(wake.read_fd, 0));
    plat_wake_close(&wake);
}

static void signals_come_one_by_one(void **state)
{
    (void)state;
    int fd = -1;
    assert_int_equal(plat_signals_open(&fd), 0);
    assert_int_equal(plat_signal_next(), PLAT_SIGNAL_NONE);
    static const struct {
        int input;
        enum plat_signal expected;
    } rows[] = {{SIGINT, PLAT_SIGNAL_INT},
                {SIGTERM, PLAT_SIGNAL_TERM},
                {SIGHUP, PLAT_SIGNAL_HUP},
                {SIGWINCH, PLAT_SIGNAL_WINCH}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(raise(rows[i].input), 0);
    assert_int_equal(raise(SIGPIPE), 0); /* ignored */
    assert_true(readable(fd, 0));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(plat_signal_next(), rows[i].expected);
    assert_int_equal(plat_signal_next(), PLAT_SIGNAL_NONE);
    assert_false(readable(fd, 0));
}

/* What a child that stands still ends with. */
static int ends_with(void (*prepare)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        prepare();
        for (;;)
            pause();
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void take_none(void)
{
    int fd;
    if (plat_signals_open(&fd) == 0)
        raise(SIGTERM);
}

static void end_soon(void)
{
    plat_end_within(1, 7);
}

static void stands_still_and_ends(void **state)
{
    (void)state;
    assert_int_equal(ends_with(take_none), 128 + SIGTERM);
    assert_int_equal(ends_with(end_soon), 7);
}

static void whoever_takes_a_signal_goes_on(void **state)
{
    (void)state;
    int fd;
    assert_int_equal(plat_signals_open(&fd), 0);
    while (plat_signal_next() != PLAT_SIGNAL_NONE)
        ; /* of a child, whose pipe is the same */
    raise(SIGTERM);
    assert_int_equal(plat_signal_next(), PLAT_SIGNAL_TERM);
    assert_int_equal(alarm(0), 0);
    raise(SIGWINCH);
    assert_int_equal(plat_signal_next(), PLAT_SIGNAL_WINCH);
    assert_int_equal(alarm(0), 0);
    plat_end_within(30, 1);
    plat_end_within(0, 0);
    assert_int_equal(alarm(0), 0);
}

static void after_reset_a_signal_ends_the_process(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int fd;
        if (plat_signals_open(&fd) == 0) {
            raise(SIGINT);
            plat_signals_reset();
            raise(SIGINT);
        }
        _exit(1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGINT);
    assert_false(plat_pid_alive((int)child));
}

static void pids_live_or_not(void **state)
{
    (void)state;
    assert_int_equal(plat_pid(), (int)getpid());
    assert_true(plat_pid_alive(plat_pid()));
    assert_true(plat_pid_alive(1));
    assert_false(plat_pid_alive(0));
    assert_false(plat_pid_alive(-1)); /* kill(-1) would mean everybody */
    assert_false(plat_pid_alive(INT_MAX));
}

/* Guards stand behind each size: what does not fit is cut or left out, and the end is a NUL. */
static void names_fit_their_buffers(void **state)
{
    (void)state;
    char whole[512], cut[513];
    size_t board = plat_board(whole, sizeof whole);
    assert_int_equal(strlen(whole), board);
    assert_true(board == 0 || board >= 4);
    assert_int_equal(plat_board(cut, sizeof cut), board);
    assert_string_equal(cut, whole);
    for (size_t size = 0; size <= sizeof whole; size++) {
        memset(cut, '#', sizeof cut);
        size_t len = plat_board(cut, size);
        assert_true(size == 0 || (len < size && cut[len] == '\0'));
        assert_int_equal(cut[size], '#');
    }
    size_t name = plat_host_name(whole, sizeof whole);
    assert_true(name > 0);
    for (size_t size = 0; size <= name + 2; size++) {
        memset(cut, '#', sizeof cut);
        size_t len = plat_host_name(cut, size);
        assert_int_equal(len, size == 0 ? 0 : name < size ? name : size - 1);
        assert_memory_equal(cut, whole, len);
        assert_int_equal(cut[size], '#');
    }
}

static void a_terminal_has_a_width(void **state)
{
    (void)state;
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    assert_false(plat_is_terminal(pipe_fds[0]));
    assert_int_equal(plat_terminal_width(pipe_fds[0]), 80);
    assert_false(plat_is_foreground(pipe_fds[0]));
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0)
        skip(); /* no /dev/pts here */
    int terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
    struct winsize size = {.ws_row = 24, .ws_col = 123};
    assert_int_equal(ioctl(terminal, TIOCSWINSZ, &size), 0);
    assert_true(plat_is_terminal(terminal));
    assert_int_equal(plat_terminal_width(terminal), 123);
    close(terminal);
    close(master);
}

static void the_process_knows_itself(void **state)
{
    (void)state;
    assert_true(plat_cpus() >= 1);
    assert_true(plat_is_root() == (geteuid() == 0));
    int64_t rss = plat_rss();
    assert_true(rss == -P2P_ENOTSUP || rss > 65536);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_have_codes_and_words),
        cmocka_unit_test(clocks_advance),
        cmocka_unit_test(random_fills_all_of_it_and_no_more),
        cmocka_unit_test(a_map_is_zero_and_resident_only_where_touched),
        cmocka_unit_test(threads_share_a_mutex),
        cmocka_unit_test(a_thread_leaves_signals_to_the_first),
        cmocka_unit_test(a_wake_is_seen_once_drained_gone),
        cmocka_unit_test(a_full_pipe_does_not_block_a_wake),
        cmocka_unit_test(signals_come_one_by_one),
        cmocka_unit_test(stands_still_and_ends),
        cmocka_unit_test(whoever_takes_a_signal_goes_on),
        cmocka_unit_test(after_reset_a_signal_ends_the_process),
        cmocka_unit_test(pids_live_or_not),
        cmocka_unit_test(names_fit_their_buffers),
        cmocka_unit_test(a_terminal_has_a_width),
        cmocka_unit_test(the_process_knows_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
