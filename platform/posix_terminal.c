/* SPDX-License-Identifier: MIT */
/* termios, and the care for a terminal that is not ours alone: it must never stay raw. What was
 * found is kept in statics, since signal handlers and exit have no context. Handlers are set only
 * where the default action was, so that a sanitizer's or a debugger's own stay. Called by the
 * thread that reads keys; handlers run on the first thread. */
#include "platform/plat_terminal.h"

#include "platform/plat.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#ifndef _POSIX_VDISABLE
#define _POSIX_VDISABLE 0
#endif

static struct termios found;
static int terminal_fd = -1;
static atomic_int is_raw; /* what stands above holds while it is set */

static const int fatal[] = {SIGQUIT, SIGILL, SIGABRT, SIGFPE, SIGBUS, SIGSEGV};

static int set_raw(void)
{
    struct termios raw = found;
    raw.c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IGNCR | IXON | ISTRIP);
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | IEXTEN);
    raw.c_lflag |= ISIG; /* for Ctrl-Z alone */
    raw.c_cc[VINTR] = raw.c_cc[VQUIT] = _POSIX_VDISABLE;
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    return tcsetattr(terminal_fd, TCSANOW, &raw);
}

/* In the background the terminal is somebody else's. */
static bool in_foreground(void)
{
    return tcgetpgrp(terminal_fd) == getpgrp();
}

void plat_terminal_restore(void)
{
    if (atomic_exchange(&is_raw, 0) != 0 && in_foreground())
        (void)tcsetattr(terminal_fd, TCSANOW, &found);
}

static void set_action(int number, void (*action)(int), int flags)
{
    struct sigaction set = {0};
    set.sa_handler = action;
    set.sa_flags = flags;
    (void)sigemptyset(&set.sa_mask);
    (void)sigaction(number, &set, NULL);
}

static void on_fatal(int number)
{
    plat_terminal_restore();
    (void)raise(number); /* the action is the default one again */
}

/* Whoever gets the terminal begins on a row of its own. */
static void write_newline(void)
{
    ssize_t written = write(terminal_fd, "\n", 1);
    (void)written;
}

/* Ctrl-Z: stops as if there were no handler, and goes on where it was. */
static void on_stop(int number)
{
    int code = errno;
    sigset_t stop, before;
    bool was_raw = atomic_load(&is_raw) != 0;
    plat_terminal_restore();
    if (was_raw)
        write_newline();
    (void)sigemptyset(&stop);
    (void)sigaddset(&stop, number);
    set_action(number, SIG_DFL, 0);
    (void)pthread_sigmask(SIG_UNBLOCK, &stop, &before);
    (void)raise(number);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    set_action(number, on_stop, SA_RESTART);
    if (was_raw && in_foreground())
        atomic_store(&is_raw, set_raw() == 0);
    (void)raise(SIGWINCH);
    errno = code;
}

static void set_where_default(int number, void (*action)(int), int flags)
{
    struct sigaction now;
    if (sigaction(number, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) == 0 &&
        now.sa_handler == SIG_DFL)
        set_action(number, action, flags);
}

/* Once a process. */
static void take_care(void)
{
    static bool done;
    if (done)
        return;
    done = true;
    for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++)
        set_where_default(fatal[i], on_fatal, (int)SA_RESETHAND);
    set_where_default(SIGTSTP, on_stop, SA_RESTART);
    (void)atexit(plat_terminal_restore);
}

int plat_terminal_raw(int fd)
{
    if (atomic_load(&is_raw) != 0)
        return 0;
    terminal_fd = fd;
    if (!isatty(fd))
        return -P2P_EIO;
    if (!in_foreground())
        return -P2P_EAGAIN;
    if (tcgetattr(fd, &found) != 0)
        return plat_error();
    take_care();
    atomic_store(&is_raw, 1);
    if (set_raw() == 0)
        return 0;
    int result = plat_error();
    atomic_store(&is_raw, 0);
    return result;
}

int plat_terminal_wait(int first, int second, int timeout_ms)
{
    struct pollfd fds[2] = {{.fd = first, .events = POLLIN}, {.fd = second, .events = POLLIN}};
    if (poll(fds, 2, timeout_ms) <= 0)
        return 0;
    return (fds[0].revents != 0 ? PLAT_FIRST : 0) + (fds[1].revents != 0 ? PLAT_SECOND : 0);
}
