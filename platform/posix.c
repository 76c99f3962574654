/* SPDX-License-Identifier: MIT */
/* Errors, clock, random bits, memory and what the process knows about itself. The bottom of
 * platform/: it calls nothing else of the program. Any thread. Not here: threads and signals
 * (posix_thread.c), the board (posix_board.c). Linux's own constants are used where the headers
 * have them. */
#include "platform/plat.h"

#include "platform/posix.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static _Thread_local const char *last_reason;

static const struct {
    int system, ours;
} errors[] = {
    {EINVAL, P2P_EINVAL},          {EISDIR, P2P_EINVAL},
    {ENXIO, P2P_EINVAL},           {EAGAIN, P2P_EAGAIN},
    {EPIPE, P2P_ECLOSED},          {ECONNRESET, P2P_ECLOSED},
    {ECONNABORTED, P2P_ECLOSED},   {ENOTCONN, P2P_ECLOSED},
    {ECONNREFUSED, P2P_EREFUSED},  {EHOSTUNREACH, P2P_EUNREACH},
    {ENETUNREACH, P2P_EUNREACH},   {ENETDOWN, P2P_EUNREACH},
    {EADDRNOTAVAIL, P2P_EUNREACH}, {ENODEV, P2P_EUNREACH},
    {EAFNOSUPPORT, P2P_EUNREACH},  {EPROTONOSUPPORT, P2P_EUNREACH},
    {ETIMEDOUT, P2P_ETIMEOUT},     {ENOENT, P2P_ENOTFOUND},
    {ENOTDIR, P2P_ENOTFOUND},      {ESRCH, P2P_ENOTFOUND},
    {EEXIST, P2P_EEXIST},          {ENOTEMPTY, P2P_EEXIST},
    {EACCES, P2P_EDENIED},         {EPERM, P2P_EDENIED},
    {ELOOP, P2P_EDENIED},          {EADDRINUSE, P2P_EINUSE},
    {EBUSY, P2P_EINUSE},           {ENOSPC, P2P_ENOSPC},
    {EDQUOT, P2P_ENOSPC},          {EROFS, P2P_EREADONLY},
    {ENAMETOOLONG, P2P_ETOOBIG},   {EFBIG, P2P_ETOOBIG},
    {ENOSYS, P2P_ENOTSUP},         {EOPNOTSUPP, P2P_ENOTSUP},
    {EXDEV, P2P_ENOTSUP},          {EMFILE, P2P_EMFILE},
    {ENFILE, P2P_EMFILE},          {ENOMEM, P2P_EFULL},
    {ENOBUFS, P2P_EFULL},
};

const char *plat_reason(void)
{
    return last_reason != NULL ? last_reason : "no error";
}

void posix_reason(const char *words)
{
    last_reason = words;
}

int plat_error(void)
{
    int code = errno;
    last_reason = strerror(code);
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (errors[i].system == code)
            return -errors[i].ours;
    return -P2P_EIO;
}

void posix_fd_close(int fd)
{
    int code = errno;
    if (fd >= 0)
        (void)close(fd);
    errno = code;
}

int posix_close_on_exec(int fd)
{
    return fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static struct timespec clock_read(void)
{
    struct timespec now = {0};
#ifdef CLOCK_BOOTTIME
    if (clock_gettime(CLOCK_BOOTTIME, &now) == 0)
        return now;
#endif
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now;
}

static int64_t timespec_us(struct timespec time)
{
    return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

int64_t plat_now_us(void)
{
    return timespec_us(clock_read());
}

int64_t plat_now_ms(void)
{
    return plat_now_us() / 1000;
}

int64_t plat_wall_s(void)
{
    return (int64_t)time(NULL);
}

int64_t plat_cpu_us(void)
{
    struct timespec used = {0};
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return timespec_us(used);
}

/* Reads a small file of /proc or a device whole; what is there, or -1. */
static ssize_t small_read(const char *path, void *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t got;
    do
        got = read(fd, out, size);
    while (got < 0 && errno == EINTR);
    posix_fd_close(fd);
    return got;
}

int64_t plat_rss(void)
{
    char text[128]; /* statm: pages in all, pages resident, … */
    ssize_t got = small_read("/proc/self/statm", text, sizeof text - 1);
    if (got <= 0)
        return -P2P_ENOTSUP;
    text[got] = '\0';
    char *end;
    (void)strtoll(text, &end, 10);
    return strtoll(end, NULL, 10) * sysconf(_SC_PAGESIZE);
}

int plat_random(void *out, size_t size)
{
    unsigned char *to = out;
    while (size > 0) {
        size_t part = size < 256 ? size : 256; /* the most that getentropy gives */
        if (getentropy(to, part) != 0) {
            /* kernels before 3.17; getentropy is first because it waits until the pool is seeded */
            ssize_t got = small_read("/dev/urandom", to, part);
            if (got <= 0)
                return got < 0 ? (void)plat_error(), -P2P_EIO : -P2P_EIO;
            part = (size_t)got;
        }
        to += part;
        size -= part;
    }
    return 0;
}

void *plat_map(size_t size)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
#ifdef MAP_NORESERVE
    flags |= MAP_NORESERVE;
#endif
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (map == MAP_FAILED) {
        (void)plat_error();
        return NULL;
    }
#ifdef MADV_NOHUGEPAGE
    /* One touched byte would make 2 MiB resident. Fails on kernels without huge pages: all the
     * better. */
    (void)madvise(map, size, MADV_NOHUGEPAGE);
#endif
    return map;
}

void plat_map_expect(void *at, size_t size)
{
#ifdef __linux__
    enum { POPULATE_WRITE = 23 }; /* MADV_POPULATE_WRITE, since 5.14; not in all headers */
    (void)madvise(at, size, POPULATE_WRITE);
#else
    (void)at;
    (void)size;
#endif
}

void plat_map_large(void *at)
{
#ifdef MADV_HUGEPAGE
    (void)madvise(at, PLAT_LARGE_PAGE, MADV_HUGEPAGE);
#else
    (void)at;
#endif
}

void plat_unmap(void *map, size_t size)
{
    if (map != NULL)
        (void)munmap(map, size);
}

int plat_cpus(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : (int)count;
}

size_t plat_host_name(char *out, size_t size)
{
    char name[P2P_HOST_MAX + 1] = {0};
    if (size == 0)
        return 0;
    if (gethostname(name, sizeof name - 1) != 0)
        name[0] = '\0';
    size_t len = strlen(name);
    if (len > size - 1)
        len = size - 1;
    memcpy(out, name, len);
    out[len] = '\0';
    return len;
}

int plat_pid(void)
{
    return (int)getpid();
}

bool plat_pid_alive(int pid)
{
    return pid > 0 && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}

bool plat_is_terminal(int fd)
{
    return isatty(fd) == 1;
}

int plat_terminal_width(int fd)
{
#ifdef TIOCGWINSZ
    struct winsize size = {0};
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
#endif
    (void)fd;
    return 80;
}

bool plat_is_foreground(int fd)
{
    return tcgetpgrp(fd) == getpgrp();
}

bool plat_is_root(void)
{
    return geteuid() == 0;
}
