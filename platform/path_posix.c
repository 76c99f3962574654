/* SPDX-License-Identifier: MIT */
/* The portable twin of path_linux.c: walks paths, renames by links, locks with fcntl and reads
 * folders with readdir, which allocates (the Linux twin does not). Any thread. */
#include "platform/plat.h"
#include "platform/posix.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int path_open_beneath(int folder, const char *path, int flags, mode_t mode)
{
    if (path[0] == '\0' && (flags & O_DIRECTORY) != 0)
        return openat(folder, ".", flags | O_CLOEXEC);
    if (posix_path_check(path) != 0)
        return -1;
    return posix_path_walk(folder, path, flags, mode);
}

int path_rename_new(int from_folder, const char *from, int to_folder, const char *to)
{
    return posix_path_rename_new(from_folder, from, to_folder, to);
}

int plat_open_unnamed(int folder)
{
    int fd = posix_path_unnamed(folder);
    return fd < 0 ? plat_error() : fd;
}

int plat_reserve(int fd, int64_t size)
{
    struct stat stat;
    if (size <= 0)
        return 0;
    int code = posix_fallocate(fd, 0, (off_t)size);
    if (code == 0)
        return 0;
    if (code == EOPNOTSUPP || code == EINVAL || code == ENOSYS) {
        code = 0;
        if (fstat(fd, &stat) != 0 || (stat.st_size < size && ftruncate(fd, (off_t)size) != 0))
            code = errno;
    }
    errno = code;
    return code == 0 ? 0 : plat_error();
}

/* The lock of an open file (POSIX 2024). The older one is the process's: it is lost when any other
 * descriptor of the file is closed, and what a download has is also open to be served. */
#ifdef F_OFD_SETLK
enum { SET_LOCK = F_OFD_SETLK };
#else
enum { SET_LOCK = F_SETLK };
#endif

int plat_lock(int fd)
{
    struct flock lock = {0};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    if (fcntl(fd, SET_LOCK, &lock) == 0)
        return 0;
    bool taken = errno == EACCES || errno == EAGAIN;
    int result = plat_error();
    return taken ? -P2P_EINUSE : result;
}

int plat_dir_open_beneath(struct plat_dir *dir, int folder, const char *path)
{
    dir->pos = dir->end = 0;
    dir->stream = NULL;
    dir->fd = path_open_beneath(folder, path, O_RDONLY | O_DIRECTORY, 0);
    if (dir->fd < 0)
        return plat_error();
    dir->stream = fdopendir(dir->fd);
    if (dir->stream != NULL)
        return 0;
    int result = plat_error();
    posix_fd_close(dir->fd);
    dir->fd = -1;
    return result;
}

void plat_dir_close(struct plat_dir *dir)
{
    if (dir->stream != NULL)
        (void)closedir(dir->stream); /* closes fd */
    dir->stream = NULL;
    dir->fd = -1;
}

int plat_dir_next(struct plat_dir *dir, char out_name[static P2P_PART_MAX + 1],
                  enum plat_kind *out_kind)
{
    for (;;) {
        struct stat stat;
        assert(dir->stream != NULL);
        errno = 0;
        const struct dirent *entry = readdir(dir->stream);
        if (entry == NULL)
            return errno == 0 ? 0 : plat_error();
        const char *name = entry->d_name;
        size_t len = strlen(name);
        if (len > P2P_PART_MAX || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        memcpy(out_name, name, len + 1);
        *out_kind = fstatat(dir->fd, out_name, &stat, AT_SYMLINK_NOFOLLOW) == 0
                        ? posix_path_kind(stat.st_mode)
                        : PLAT_KIND_OTHER;
        return 1;
    }
}

static int sync_one(int folder, const char *name)
{
    int fd = posix_path_walk(folder, name, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0)
        return errno == ENOENT || errno == ELOOP ? 0 : plat_error();
    int result = fsync(fd) == 0 || errno == EINVAL ? 0 : plat_error();
    posix_fd_close(fd);
    return result;
}

int plat_sync(int folder, bool *out_all)
{
    char name[P2P_PART_MAX + 1];
    enum plat_kind kind;
    struct plat_dir dir;
    int more = 1, result = plat_dir_open_beneath(&dir, folder, "");
    *out_all = false;
    while (result == 0 && (more = plat_dir_next(&dir, name, &kind)) == 1) {
        if (kind == PLAT_KIND_FILE)
            result = sync_one(folder, name);
    }
    if (dir.fd >= 0)
        plat_dir_close(&dir);
    return more < 0 ? more : result;
}
