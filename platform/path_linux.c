/* SPDX-License-Identifier: MIT */
/* The Linux twin of path_posix.c: openat2, renameat2, O_TMPFILE, fallocate, flock and getdents64.
 * Each falls back to posix_path.c where the kernel (qemu-user, old ones), a seccomp filter or the
 * file system lacks it; that is found out call by call, as it can differ between two folders.
 * Nothing here allocates. Any thread. */
#include "platform/plat.h"
#include "platform/posix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Numbers that are the same on all architectures; the libc's headers may be older than the kernel.
 */
#ifndef SYS_openat2
#define SYS_openat2 437
#endif

/* struct open_how and the flags of linux/openat2.h and linux/fs.h, which musl does not ship. */
struct beneath_how {
    uint64_t flags, mode, resolve;
};
enum { BENEATH_NO_SYMLINKS = 0x04, BENEATH_BENEATH = 0x08 };
enum { RENAME_KEEP_TARGET = 1 };

static int open_how(int folder, const char *path, int flags, mode_t mode)
{
    struct beneath_how how = {0};
    /* The libc's open adds O_LARGEFILE on 32-bit machines; here it is ours to add. */
    how.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC | O_LARGEFILE);
    how.mode = (flags & O_CREAT) != 0 ? (uint64_t)mode : 0;
    how.resolve = BENEATH_NO_SYMLINKS | BENEATH_BENEATH;
    long fd;
    do
        fd = syscall(SYS_openat2, folder, path, &how, sizeof how);
    while (fd < 0 && errno == EINTR);
    return (int)fd;
}

int path_open_beneath(int folder, const char *path, int flags, mode_t mode)
{
    if (path[0] == '\0' && (flags & O_DIRECTORY) != 0)
        return openat(folder, ".", flags | O_CLOEXEC);
    if (posix_path_check(path) != 0)
        return -1;
    int fd = open_how(folder, path, flags, mode);
    /* EPERM may be the filter's or the file's: the walk finds out. */
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        fd = posix_path_walk(folder, path, flags, mode);
    return fd;
}

int path_rename_new(int from_folder, const char *from, int to_folder, const char *to)
{
#ifdef SYS_renameat2
    if (syscall(SYS_renameat2, from_folder, from, to_folder, to, RENAME_KEEP_TARGET) == 0)
        return 0;
    if (errno != ENOSYS && errno != EINVAL && errno != EPERM)
        return -1;
#endif
    return posix_path_rename_new(from_folder, from, to_folder, to);
}

int plat_open_unnamed(int folder)
{
    int fd = openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL || errno == ENOENT))
        fd = posix_path_unnamed(folder);
    return fd < 0 ? plat_error() : fd;
}

int plat_reserve(int fd, int64_t size)
{
    struct stat stat;
    int result;
    if (size <= 0)
        return 0;
    do
        result = fallocate(fd, 0, 0, (off_t)size);
    while (result != 0 && errno == EINTR);
    if (result != 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) {
        result = fstat(fd, &stat);
        if (result == 0 && stat.st_size < size)
            result = ftruncate(fd, (off_t)size);
    }
    return result == 0 ? 0 : plat_error();
}

int plat_sync(int folder, bool *out_all)
{
    *out_all = true;
    return syncfs(folder) == 0 ? 0 : plat_error();
}

int plat_lock(int fd)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    return errno == EWOULDBLOCK ? (void)plat_error(), -P2P_EINUSE : plat_error();
}

int plat_dir_open_beneath(struct plat_dir *dir, int folder, const char *path)
{
    dir->pos = dir->end = 0;
    dir->stream = NULL;
    dir->fd = path_open_beneath(folder, path, O_RDONLY | O_DIRECTORY, 0);
    return dir->fd < 0 ? plat_error() : 0;
}

void plat_dir_close(struct plat_dir *dir)
{
    posix_fd_close(dir->fd);
    dir->fd = -1;
}

static enum plat_kind entry_kind(const struct plat_dir *dir, unsigned char type, const char *name)
{
    struct stat stat;
    switch (type) {
    case DT_REG:
        return PLAT_KIND_FILE;
    case DT_DIR:
        return PLAT_KIND_FOLDER;
    case DT_LNK:
        return PLAT_KIND_LINK;
    case DT_UNKNOWN: /* some file systems never say */
        if (fstatat(dir->fd, name, &stat, AT_SYMLINK_NOFOLLOW) == 0)
            return posix_path_kind(stat.st_mode);
        return PLAT_KIND_OTHER;
    default:
        return PLAT_KIND_OTHER;
    }
}

/* The records of getdents64: inode (8 bytes), offset (8), length of the record (2), type (1), name
 * and NUL. */
enum { ENTRY_LENGTH_AT = 16, ENTRY_TYPE_AT = 18, ENTRY_NAME_AT = 19 };

static int dir_fill(struct plat_dir *dir)
{
    long got;
    do
        got = syscall(SYS_getdents64, dir->fd, dir->bytes, sizeof dir->bytes);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return plat_error();
    dir->pos = 0;
    dir->end = (unsigned)got;
    return got > 0;
}

int plat_dir_next(struct plat_dir *dir, char out_name[static P2P_PART_MAX + 1],
                  enum plat_kind *out_kind)
{
    for (;;) {
        if (dir->pos >= dir->end) {
            int result = dir_fill(dir);
            if (result <= 0)
                return result;
        }
        const char *entry = dir->bytes + dir->pos;
        const char *name = entry + ENTRY_NAME_AT;
        uint16_t length;
        memcpy(&length, entry + ENTRY_LENGTH_AT, sizeof length);
        dir->pos += length;
        size_t len = strlen(name);
        if (len > P2P_PART_MAX || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        memcpy(out_name, name, len + 1);
        *out_kind = entry_kind(dir, (unsigned char)entry[ENTRY_TYPE_AT], name);
        return 1;
    }
}
