/* SPDX-License-Identifier: MIT */
/* Files by descriptor: opening, reading, writing, attributes. Calls interrupted by a signal go on;
 * short reads and writes are continued. Any thread; calls may block on the disk. Names are
 * posix_dir.c's. */
#include "platform/plat.h"
#include "platform/posix.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

/* One read or write: below SSIZE_MAX of 32-bit machines. */
enum { CHUNK_MAX = 1 << 30 };

/* Nanoseconds since 1970 fit in 64 bits from 1678 to 2262; a disk can claim more. */
static int64_t time_ns(struct timespec time)
{
    int64_t seconds = (int64_t)time.tv_sec;
    if (seconds > INT64_MAX / 1000000000 - 1)
        return INT64_MAX;
    if (seconds < INT64_MIN / 1000000000 + 1)
        return INT64_MIN;
    return seconds * 1000000000 + time.tv_nsec;
}

void posix_file_stat(const struct stat *stat, struct plat_stat *out)
{
    *out = (struct plat_stat){
        .kind = posix_path_kind(stat->st_mode),
        .executable = (stat->st_mode & S_IXUSR) != 0,
        .mine = stat->st_uid == geteuid() || stat->st_uid == 0,
        .device = (uint64_t)stat->st_dev,
        .inode = (uint64_t)stat->st_ino,
        .size = (int64_t)stat->st_size,
        .mtime_ns = time_ns(stat->st_mtim),
        .ctime_ns = time_ns(stat->st_ctim),
    };
}

int plat_stat(const char *path, struct plat_stat *out)
{
    struct stat found;
    if (stat(path, &found) != 0)
        return plat_error();
    posix_file_stat(&found, out);
    return 0;
}

int plat_fstat(int fd, struct plat_stat *out)
{
    struct stat found;
    if (fstat(fd, &found) != 0)
        return plat_error();
    posix_file_stat(&found, out);
    return 0;
}

static int open_flags(unsigned modes)
{
    bool writes = (modes & (PLAT_WRITE | PLAT_APPEND)) != 0;
    int flags = !writes ? O_RDONLY : (modes & PLAT_READ) != 0 ? O_RDWR : O_WRONLY;
    if ((modes & (PLAT_CREATE | PLAT_NEW)) != 0)
        flags |= O_CREAT;
    if ((modes & PLAT_NEW) != 0)
        flags |= O_EXCL;
    if ((modes & PLAT_APPEND) != 0)
        flags |= O_APPEND;
    if ((modes & PLAT_TRUNCATE) != 0)
        flags |= O_TRUNC;
    return flags | O_CLOEXEC | O_NOCTTY;
}

static mode_t open_mode(unsigned modes)
{
    return (modes & PLAT_PRIVATE) != 0 ? 0600 : 0666;
}

int plat_open(const char *path, unsigned modes)
{
    int fd;
    do
        fd = open(path, open_flags(modes), open_mode(modes));
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? plat_error() : fd;
}

/* O_NONBLOCK: a FIFO under the name must not hold the thread. It means nothing for a regular file.
 */
int plat_open_beneath(int folder, const char *path, unsigned modes)
{
    struct stat found;
    int fd = path_open_beneath(folder, path, open_flags(modes) | O_NONBLOCK, open_mode(modes));
    if (fd < 0)
        return plat_error();
    if (fstat(fd, &found) == 0) {
        if (S_ISREG(found.st_mode))
            return fd;
        errno = S_ISDIR(found.st_mode) ? EISDIR : EINVAL;
    }
    int result = plat_error();
    posix_fd_close(fd);
    return result;
}

int plat_open_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? plat_error() : fd;
}

int plat_open_folder_beneath(int folder, const char *path)
{
    int fd = path_open_beneath(folder, path, O_RDONLY | O_DIRECTORY, 0);
    return fd < 0 ? plat_error() : fd;
}

void plat_close(int fd)
{
    posix_fd_close(fd);
}

int plat_dup(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    return copy < 0 ? plat_error() : copy;
}

static size_t chunk(size_t size)
{
    return size < CHUNK_MAX ? size : CHUNK_MAX;
}

int64_t plat_pread(int fd, void *out, size_t size, int64_t offset)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got =
            pread(fd, (char *)out + done, chunk(size - done), (off_t)(offset + (int64_t)done));
        if (got == 0)
            break;
        if (got > 0)
            done += (size_t)got;
        else if (errno != EINTR)
            return plat_error();
    }
    return (int64_t)done;
}

int plat_pwrite(int fd, const void *bytes, size_t size, int64_t offset)
{
    size_t done = 0;
    while (done < size) {
        ssize_t put = pwrite(fd, (const char *)bytes + done, chunk(size - done),
                             (off_t)(offset + (int64_t)done));
        if (put > 0)
            done += (size_t)put;
        else if (put == 0)
            return -P2P_EIO;
        else if (errno != EINTR)
            return plat_error();
    }
    return 0;
}

int64_t plat_read(int fd, void *out, size_t size)
{
    ssize_t got;
    do
        got = read(fd, out, chunk(size));
    while (got < 0 && errno == EINTR);
    return got < 0 ? plat_error() : (int64_t)got;
}

int64_t plat_write_some(int fd, const void *bytes, size_t size)
{
    ssize_t put;
    do
        put = write(fd, bytes, chunk(size));
    while (put < 0 && errno == EINTR);
    return put < 0 ? plat_error() : (int64_t)put;
}

int plat_write(int fd, const void *bytes, size_t size)
{
    size_t done = 0;
    while (done < size) {
        int64_t put = plat_write_some(fd, (const char *)bytes + done, size - done);
        if (put == -P2P_EAGAIN) {
            struct pollfd room = {.fd = fd, .events = POLLOUT};
            (void)poll(&room, 1, -1);
        } else if (put < 0) {
            return (int)put;
        } else {
            done += (size_t)put;
        }
    }
    return 0;
}

int plat_set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return plat_error();
    return 0;
}

int plat_fsync(int fd)
{
    int result;
    do
        result = fsync(fd);
    while (result != 0 && errno == EINTR);
    /* Some file systems cannot sync a folder; what they have is as safe as it gets. */
    return result == 0 || errno == EINVAL ? 0 : plat_error();
}

int plat_truncate(int fd, int64_t size)
{
    int result;
    do
        result = ftruncate(fd, (off_t)size);
    while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : plat_error();
}

void plat_read_ahead(int fd)
{
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
}

/* The umask can only be read by changing it, for all threads; but the file was created under it, so
 * x goes where r is. FAT and the like refuse: not worth a failed download. */
static int set_executable(int fd, bool executable)
{
    struct stat found;
    if (fstat(fd, &found) != 0)
        return -1;
    mode_t before = found.st_mode & 07777;
    mode_t after = executable ? before | ((before & 0444) >> 2) : before & ~(mode_t)0111;
    if (before == after || fchmod(fd, after) == 0 || errno == EPERM || errno == EOPNOTSUPP)
        return 0;
    return -1;
}

int plat_set_attributes(int fd, int64_t mtime_s, bool executable)
{
    /* Both: where FUSE is between, one alone is taken for none. */
    struct timespec times[2] = {{.tv_sec = time(NULL)}, {.tv_sec = (time_t)mtime_s}};
    if ((int64_t)times[1].tv_sec != mtime_s) {
        errno = EINVAL;
        return plat_error();
    }
    if (set_executable(fd, executable) != 0 || futimens(fd, times) != 0)
        return plat_error();
    return 0;
}

int64_t plat_free_space(int fd)
{
    struct statvfs space;
    if (fstatvfs(fd, &space) != 0)
        return plat_error();
    return (int64_t)((uint64_t)space.f_bavail * (uint64_t)space.f_frsize);
}
