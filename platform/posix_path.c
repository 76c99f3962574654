/* SPDX-License-Identifier: MIT */
/* Paths beneath a folder with calls that every POSIX system has: the walk that follows no symlink,
 * the rename that replaces nothing, the file without a name. The Linux twin comes here when the
 * kernel or the file system lacks its own calls. Any thread. */
#include "platform/posix.h"

#include "platform/plat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum plat_kind posix_path_kind(mode_t mode)
{
    if (S_ISREG(mode))
        return PLAT_KIND_FILE;
    if (S_ISDIR(mode))
        return PLAT_KIND_FOLDER;
    return S_ISLNK(mode) ? PLAT_KIND_LINK : PLAT_KIND_OTHER;
}

static int part_check(const char *part, size_t len)
{
    bool dots = len > 0 && len <= 2 && memcmp(part, "..", len) == 0;
    if (len == 0 || dots)
        errno = EINVAL;
    else if (len > P2P_PART_MAX)
        errno = ENAMETOOLONG;
    else
        return 0;
    return -1;
}

int posix_path_check(const char *path)
{
    const char *part = path;
    for (;;) {
        size_t len = strcspn(part, "/");
        if (part_check(part, len) != 0)
            return -1;
        if ((size_t)(part - path) + len >= POSIX_PATH_SIZE) {
            errno = ENAMETOOLONG;
            return -1;
        }
        if (part[len] == '\0')
            return 0;
        part += len + 1;
    }
}

/* Opens one part. With O_DIRECTORY a symlink gives ENOTDIR on some systems and ELOOP on others:
 * always ELOOP here. */
static int part_open(int folder, const char *name, int flags, mode_t mode)
{
    int fd;
    do
        fd = openat(folder, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    if (fd < 0 && errno == ENOTDIR) {
        struct stat stat;
        bool link = fstatat(folder, name, &stat, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(stat.st_mode);
        errno = link ? ELOOP : ENOTDIR;
    }
    return fd;
}

int posix_path_walk(int folder, const char *path, int flags, mode_t mode)
{
    int at = folder;
    for (;;) {
        char name[P2P_PART_MAX + 1];
        size_t len = strcspn(path, "/");
        bool last = path[len] == '\0';
        memcpy(name, path, len);
        name[len] = '\0';
        int next = last ? part_open(at, name, flags, mode)
                        : part_open(at, name, O_RDONLY | O_DIRECTORY, 0);
        if (at != folder)
            posix_fd_close(at);
        if (last || next < 0)
            return next;
        at = next;
        path += len + 1;
    }
}

/* For file systems without hard links: an empty file of ours takes the name, then the rename
 * replaces that one. A crash between the two leaves the empty file; to look first and rename then
 * would leave nothing, but could replace what somebody put there meanwhile. */
static int rename_over_own(int from_folder, const char *from, int to_folder, const char *to)
{
    int fd = openat(to_folder, to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    posix_fd_close(fd);
    if (renameat(from_folder, from, to_folder, to) == 0)
        return 0;
    int code = errno;
    (void)unlinkat(to_folder, to, 0);
    errno = code;
    return -1;
}

int posix_path_rename_new(int from_folder, const char *from, int to_folder, const char *to)
{
    if (linkat(from_folder, from, to_folder, to, 0) != 0) {
        bool no_links = errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS || errno == EMLINK;
        return no_links ? rename_over_own(from_folder, from, to_folder, to) : -1;
    }
    if (unlinkat(from_folder, from, 0) == 0)
        return 0;
    int code = errno;
    (void)unlinkat(to_folder, to, 0);
    errno = code;
    return -1;
}

int posix_path_unnamed(int folder)
{
    for (int tries = 0; tries < 8; tries++) {
        uint32_t bits[2];
        char name[32];
        if (plat_random(bits, sizeof bits) != 0) {
            errno = EIO;
            return -1;
        }
        (void)snprintf(name, sizeof name, ".p2p-%08x%08x.tmp", (unsigned)bits[0],
                       (unsigned)bits[1]);
        int fd = part_open(folder, name, O_RDWR | O_CREAT | O_EXCL, 0600);
        if (fd >= 0) {
            (void)unlinkat(folder, name, 0);
            return fd;
        }
        if (errno != EEXIST)
            return -1;
    }
    return -1;
}
