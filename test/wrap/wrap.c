/* SPDX-License-Identifier: MIT */
/* Linked into the flavour "wrapped" only, which is the release but for this: each call of malloc
 * and its relatives is counted, libc's own calls too, and each sync of a disk; the wall clock can
 * be moved, the clock of deadlines can jump as it does when a machine was suspended, and time can
 * go faster. All by a page that the file named by P2P_WRAP holds, so that a test reads and writes
 * it while the program runs. The kernel's word that the machine goes on is a byte in the pipe
 * beside that file. Without P2P_WRAP it changes nothing. Any thread. */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { WRAP_CALLERS = 16, WRAP_SIZE = 4096 };

struct wrap_page {
    _Atomic uint64_t allocations;
    _Atomic int64_t ahead_s;               /* of the wall clock, set by the test */
    _Atomic uint64_t caller[WRAP_CALLERS]; /* of the last ones, from wrap_base on */
    _Atomic int64_t slept_s;               /* for so long the machine was suspended in all */
    _Atomic int64_t speed;                 /* time goes so many times as fast; 0: as it does */
    _Atomic uint64_t syncs;
};

static struct wrap_page none, *page = &none;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real___libc_malloc(size_t size);
time_t __real_time(time_t *out);
int __real_clock_gettime(clockid_t clock, struct timespec *out);
int __real_epoll_wait(int epoll, struct epoll_event *events, int max, int timeout_ms);
int __real_timerfd_create(int clock, int flags);
int __real_fsync(int fd);
int __real_syncfs(int fd);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap___libc_malloc(size_t size);
time_t __wrap_time(time_t *out);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_epoll_wait(int epoll, struct epoll_event *events, int max, int timeout_ms);
int __wrap_timerfd_create(int clock, int flags);
int __wrap_fsync(int fd);
int __wrap_syncfs(int fd);
extern const char __executable_start[];

__attribute__((constructor)) static void wrap_open(void)
{
    const char *name = getenv("P2P_WRAP");
    int fd = name != NULL ? open(name, O_RDWR | O_CREAT, 0600) : -1;

    if (fd < 0 || ftruncate(fd, WRAP_SIZE) != 0) {
        return;
    }
    void *at = mmap(NULL, WRAP_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    page = at != MAP_FAILED ? at : &none;
}

static void note(const void *caller)
{
    uint64_t number = atomic_fetch_add(&page->allocations, 1);

    atomic_store(&page->caller[number % WRAP_CALLERS],
                 (uint64_t)((uintptr_t)caller - (uintptr_t)__executable_start));
}

void *__wrap_malloc(size_t size)
{
    note(__builtin_return_address(0));
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    note(__builtin_return_address(0));
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    note(__builtin_return_address(0));
    return __real_realloc(old, size);
}

/* By which musl's own functions call it. */
void *__wrap___libc_malloc(size_t size)
{
    note(__builtin_return_address(0));
    return __real___libc_malloc(size);
}

time_t __wrap_time(time_t *out)
{
    time_t now = __real_time(NULL) + (time_t)atomic_load(&page->ahead_s);

    if (out != NULL) {
        *out = now;
    }
    return now;
}

static int64_t speed(void)
{
    int64_t wanted = atomic_load(&page->speed);

    return wanted > 1 ? wanted : 1;
}

/* Only the clock of deadlines: CLOCK_MONOTONIC stands still while a machine is suspended. */
int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
    int result = __real_clock_gettime(clock, out);

    if (result == 0 && clock == CLOCK_BOOTTIME) {
        int64_t fast_ns = out->tv_nsec * speed();
        out->tv_sec =
            (time_t)(out->tv_sec * speed() + fast_ns / 1000000000 + atomic_load(&page->slept_s));
        out->tv_nsec = (long)(fast_ns % 1000000000);
    }
    return result;
}

int __wrap_epoll_wait(int epoll, struct epoll_event *events, int max, int timeout_ms)
{
    int wait_ms = timeout_ms > 0 ? (int)((timeout_ms + speed() - 1) / speed()) : timeout_ms;

    return __real_epoll_wait(epoll, events, max, wait_ms);
}

/* Setting a pipe fails, which nobody minds. */
int __wrap_timerfd_create(int clock, int flags)
{
    const char *page_name = getenv("P2P_WRAP");
    char name[4096];

    snprintf(name, sizeof name, "%s.awake", page_name != NULL ? page_name : "");
    int pipe = open(name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    return pipe >= 0 ? pipe : __real_timerfd_create(clock, flags);
}

int __wrap_fsync(int fd)
{
    atomic_fetch_add(&page->syncs, 1);
    return __real_fsync(fd);
}

int __wrap_syncfs(int fd)
{
    atomic_fetch_add(&page->syncs, 1);
    return __real_syncfs(fd);
}
