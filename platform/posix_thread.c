/* SPDX-License-Identifier: MIT */
/* Threads, the mutex, wake-ups and signals. Signals become bytes in a pipe, so that the loop reads
 * them like anything else; they go to the first thread only. The pipe is the one piece of state
 * that this file owns: a signal handler has no context. */
#include "platform/plat.h"

#include "platform/posix.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

static struct plat_wake signal_pipe = {-1, -1};

static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH};
enum {
    CAUGHT_COUNT = sizeof caught / sizeof caught[0],
    NOTICE_S = 3 /* whoever has not taken a signal by then stands still */
};
static volatile sig_atomic_t end_status;

static void *thread_main(void *arg)
{
    struct plat_thread *thread = arg;
    thread->run(thread->ctx);
    return NULL;
}

/* All but those that tell of a fault of the thread itself. SIGPIPE is among the blocked ones:
 * sendfile has no flag against it. */
static void signals_of_first_thread(sigset_t *out)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
    (void)sigfillset(out);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        (void)sigdelset(out, faults[i]);
}

int plat_thread_start(struct plat_thread *thread, size_t stack_size, void (*run)(void *), void *ctx)
{
    pthread_attr_t attributes;
    sigset_t blocked, before;
    thread->run = run;
    thread->ctx = ctx;
    if (pthread_attr_init(&attributes) != 0)
        return -P2P_EFULL;
    if (stack_size < (size_t)PTHREAD_STACK_MIN)
        stack_size = (size_t)PTHREAD_STACK_MIN;
    int code = pthread_attr_setstacksize(&attributes, stack_size);
    signals_of_first_thread(&blocked);
    (void)pthread_sigmask(SIG_SETMASK, &blocked, &before);
    if (code == 0)
        code = pthread_create(&thread->id, &attributes, thread_main, thread);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    if (code == 0)
        return 0;
    errno = code;
    (void)plat_error();
    return -P2P_EFULL;
}

void plat_thread_join(struct plat_thread *thread)
{
    (void)pthread_join(thread->id, NULL);
}

void plat_mutex_init(struct plat_mutex *mutex)
{
    (void)pthread_mutex_init(&mutex->mutex, NULL);
}

void plat_mutex_lock(struct plat_mutex *mutex)
{
    (void)pthread_mutex_lock(&mutex->mutex);
}

void plat_mutex_unlock(struct plat_mutex *mutex)
{
    (void)pthread_mutex_unlock(&mutex->mutex);
}

int plat_wake_open(struct plat_wake *wake)
{
    int fds[2];
    *wake = (struct plat_wake){-1, -1};
    if (pipe(fds) != 0)
        return plat_error();
    for (int i = 0; i < 2; i++) {
        if (posix_close_on_exec(fds[i]) != 0 || fcntl(fds[i], F_SETFL, O_NONBLOCK) != 0) {
            int result = plat_error();
            posix_fd_close(fds[0]);
            posix_fd_close(fds[1]);
            return result;
        }
    }
    *wake = (struct plat_wake){fds[0], fds[1]};
    return 0;
}

/* A full pipe is as good as a byte more: the reader is awake. */
static void wake_write(const struct plat_wake *wake, unsigned char byte)
{
    int code = errno;
    while (write(wake->write_fd, &byte, 1) < 0 && errno == EINTR)
        ;
    errno = code;
}

void plat_wake(struct plat_wake *wake)
{
    wake_write(wake, 1);
}

void plat_wake_drain(struct plat_wake *wake)
{
    char bytes[64];
    ssize_t got;
    do
        got = read(wake->read_fd, bytes, sizeof bytes);
    while (got == (ssize_t)sizeof bytes || (got < 0 && errno == EINTR));
}

void plat_wake_close(struct plat_wake *wake)
{
    posix_fd_close(wake->read_fd);
    posix_fd_close(wake->write_fd);
    *wake = (struct plat_wake){-1, -1};
}

static void on_alarm(int number)
{
    (void)number;
    _exit(end_status);
}

void plat_end_within(int seconds, int status)
{
    struct sigaction set = {0};
    set.sa_handler = on_alarm;
    (void)sigemptyset(&set.sa_mask);
    end_status = status;
    (void)sigaction(SIGALRM, &set, NULL);
    (void)alarm((unsigned)seconds);
}

static void on_signal(int number)
{
    if (number != SIGWINCH)
        plat_end_within(NOTICE_S, 128 + number);
    for (int i = 0; i < CAUGHT_COUNT; i++)
        if (caught[i] == number)
            wake_write(&signal_pipe, (unsigned char)(PLAT_SIGNAL_INT + i));
}

static void signals_set(void (*action)(int))
{
    struct sigaction set = {0};
    set.sa_handler = action;
    set.sa_flags = SA_RESTART;
    (void)sigemptyset(&set.sa_mask);
    for (int i = 0; i < CAUGHT_COUNT; i++)
        (void)sigaction(caught[i], &set, NULL);
}

/* At the first call of a thread that may wait, ThreadSanitizer makes room for signals that wait,
 * and loses the one that comes meanwhile. Let that call be one before any signal is caught. */
static void make_room_for_signals(void)
{
#ifdef __SANITIZE_THREAD__
    (void)poll(NULL, 0, 0);
#endif
}

int plat_signals_open(int *out_fd)
{
    int result = signal_pipe.read_fd < 0 ? plat_wake_open(&signal_pipe) : 0;
    if (result != 0)
        return result;
    make_room_for_signals();
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* EFBIG tells it */
    signals_set(on_signal);
    *out_fd = signal_pipe.read_fd;
    return 0;
}

enum plat_signal plat_signal_next(void)
{
    unsigned char byte;
    ssize_t got;
    do
        got = read(signal_pipe.read_fd, &byte, 1);
    while (got < 0 && errno == EINTR);
    if (got == 1 && byte != PLAT_SIGNAL_WINCH)
        plat_end_within(0, 0);
    return got == 1 ? (enum plat_signal)byte : PLAT_SIGNAL_NONE;
}

void plat_signals_reset(void)
{
    signals_set(SIG_DFL);
}
