/* SPDX-License-Identifier: MIT */
/* The raw terminal: that it is raw, and that it is as it was found whatever becomes of the process.
 * Each test has a child whose terminal it is, and looks at the terminal from outside. */
#include "platform/plat_terminal.h"

#include "platform/plat.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

static int outside, inside;

static int open_terminal(void **state)
{
    (void)state;
    outside = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(outside >= 0);
    assert_int_equal(grantpt(outside), 0);
    assert_int_equal(unlockpt(outside), 0);
    inside = open(ptsname(outside), O_RDWR | O_NOCTTY);
    assert_true(inside >= 0);
    return 0;
}

static int close_terminal(void **state)
{
    (void)state;
    close(inside);
    close(outside);
    return 0;
}

static struct termios settings(void)
{
    struct termios now;

    memset(&now, 0, sizeof now);
    assert_int_equal(tcgetattr(inside, &now), 0);
    return now;
}

static bool same(const struct termios *a, const struct termios *b)
{
    return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_cflag == b->c_cflag &&
           a->c_lflag == b->c_lflag && memcmp(a->c_cc, b->c_cc, sizeof a->c_cc) == 0;
}

/* Runs in a session of its own; the wait status. */
static int in_child(void (*run)(void))
{
    int status = -1;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        if (setsid() < 0 || ioctl(inside, TIOCSCTTY, 0) != 0) {
            _exit(100);
        }
        run();
        exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void check(bool good, int code)
{
    if (!good) {
        _exit(code);
    }
}

static void raw_and_back(void)
{
    struct termios before = settings();

    check(plat_terminal_raw(inside) == 0, 1);
    struct termios raw = settings();
    check((raw.c_lflag & (ICANON | ECHO)) == 0, 2);
    check((raw.c_iflag & (ICRNL | IXON)) == 0, 3);
    check(raw.c_oflag == before.c_oflag, 4);
    check(plat_terminal_raw(inside) == 0, 5);
    plat_terminal_restore();
    struct termios after = settings();
    check(same(&before, &after), 6);
    plat_terminal_restore();
    check(plat_terminal_raw(inside) == 0, 7);
    plat_terminal_restore();
}

static void test_raw_and_back(void **state)
{
    (void)state;
    assert_int_equal(in_child(raw_and_back), 0);
}

static void leave_raw(void)
{
    check(plat_terminal_raw(inside) == 0, 1);
}

static void fail_raw(void)
{
    leave_raw();
    (void)raise(SIGQUIT);
}

static void test_every_end_puts_it_back(void **state)
{
    struct termios before = settings();
    (void)state;

    assert_int_equal(in_child(leave_raw), 0);
    struct termios after = settings();
    assert_true(same(&before, &after));
    int status = in_child(fail_raw);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGQUIT);
    after = settings();
    assert_true(same(&before, &after));
}

static void test_what_is_no_terminal_of_ours(void **state)
{
    int pipe_fds[2];
    (void)state;

    assert_int_equal(pipe(pipe_fds), 0);
    assert_int_equal(plat_terminal_raw(pipe_fds[0]), -P2P_EIO);
    assert_int_equal(plat_terminal_raw(inside), -P2P_EAGAIN); /* another session's */
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void test_wait(void **state)
{
    int first[2], second[2];
    int file = open("/dev/null", O_RDONLY);
    (void)state;

    assert_int_equal(pipe(first), 0);
    assert_int_equal(pipe(second), 0);
    assert_int_equal(plat_terminal_wait(first[0], second[0], 0), 0);
    assert_int_equal(write(first[1], "x", 1), 1);
    assert_int_equal(plat_terminal_wait(first[0], second[0], -1), PLAT_FIRST);
    assert_int_equal(plat_terminal_wait(-1, first[0], -1), PLAT_SECOND);
    close(second[1]); /* its end counts too */
    assert_int_equal(plat_terminal_wait(first[0], second[0], -1), PLAT_FIRST + PLAT_SECOND);
    assert_int_equal(plat_terminal_wait(file, -1, -1), PLAT_FIRST);
    close(first[0]);
    close(first[1]);
    close(second[0]);
    close(file);
}

#define ON_TERMINAL(test) cmocka_unit_test_setup_teardown(test, open_terminal, close_terminal)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_TERMINAL(test_raw_and_back),
        ON_TERMINAL(test_every_end_puts_it_back),
        ON_TERMINAL(test_what_is_no_terminal_of_ours),
        cmocka_unit_test(test_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
