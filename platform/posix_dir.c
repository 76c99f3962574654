/* SPDX-License-Identifier: MIT */
/* Names in folders: looking at, renaming, removing and making them, beneath a folder and by path.
 * The folder above a name is opened first, without following any symlink; what happens to the name
 * then happens in that one. Any thread; calls may block on the disk. */
#include "platform/plat.h"
#include "platform/posix.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Opens the folder above the last part of path: folder itself when there is only one part. -1 and
 * errno. */
static int parent_open(int folder, const char *path, const char **out_name)
{
    char above[POSIX_PATH_SIZE];
    const char *slash = strrchr(path, '/');
    if (posix_path_check(path) != 0)
        return -1;
    *out_name = slash == NULL ? path : slash + 1;
    if (slash == NULL)
        return folder;
    size_t len = (size_t)(slash - path);
    memcpy(above, path, len);
    above[len] = '\0';
    return path_open_beneath(folder, above, O_RDONLY | O_DIRECTORY, 0);
}

static void parent_close(int parent, int folder)
{
    if (parent != folder)
        posix_fd_close(parent);
}

int plat_stat_beneath(int folder, const char *path, struct plat_stat *out)
{
    struct stat found;
    const char *name;
    if (path[0] == '\0')
        return plat_fstat(folder, out);
    int parent = parent_open(folder, path, &name);
    if (parent < 0)
        return plat_error();
    int result = fstatat(parent, name, &found, AT_SYMLINK_NOFOLLOW);
    parent_close(parent, folder);
    if (result != 0)
        return plat_error();
    posix_file_stat(&found, out);
    return 0;
}

int plat_rename_beneath(int from_folder, const char *from, int to_folder, const char *to,
                        bool replace)
{
    const char *from_name, *to_name;
    int from_parent = parent_open(from_folder, from, &from_name);
    if (from_parent < 0)
        return plat_error();
    int to_parent = parent_open(to_folder, to, &to_name);
    int result = -1;
    if (to_parent >= 0) {
        result = replace ? renameat(from_parent, from_name, to_parent, to_name)
                         : path_rename_new(from_parent, from_name, to_parent, to_name);
        parent_close(to_parent, to_folder);
    }
    parent_close(from_parent, from_folder);
    return result == 0 ? 0 : plat_error();
}

static int unlink_beneath(int folder, const char *path, int flags)
{
    const char *name;
    int parent = parent_open(folder, path, &name);
    if (parent < 0)
        return plat_error();
    int result = unlinkat(parent, name, flags);
    parent_close(parent, folder);
    return result == 0 ? 0 : plat_error();
}

int plat_unlink_beneath(int folder, const char *path)
{
    return unlink_beneath(folder, path, 0);
}

int plat_remove_folder_beneath(int folder, const char *path)
{
    return unlink_beneath(folder, path, AT_REMOVEDIR);
}

/* mkdir may fail for other reasons than EEXIST on folders that exist (automounters, read-only
 * parents). */
static int make_one(const char *path, mode_t mode)
{
    struct stat found;
    if (mkdir(path, mode) == 0)
        return 0;
    int code = errno;
    bool folder = stat(path, &found) == 0 && S_ISDIR(found.st_mode);
    errno = code;
    return folder ? 0 : -1;
}

int plat_make_folders(const char *path, bool is_private)
{
    char made[POSIX_PATH_SIZE];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof made) {
        errno = len == 0 ? EINVAL : ENAMETOOLONG;
        return plat_error();
    }
    memcpy(made, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        made[i] = '\0';
        if (make_one(made, is_private ? 0700 : 0777) != 0)
            return plat_error();
        made[i] = path[i];
    }
    return 0;
}

/* Makes one part beneath `at` and opens it. A file of that name: EEXIST; a symlink: ELOOP. */
static int make_and_enter(int at, const char *name)
{
    if (mkdirat(at, name, 0777) != 0 && errno != EEXIST)
        return -1;
    int fd = posix_path_walk(at, name, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0 && errno == ENOTDIR)
        errno = EEXIST;
    return fd;
}

int plat_make_folders_beneath(int folder, const char *path)
{
    int at = folder;
    if (posix_path_check(path) != 0)
        return plat_error();
    for (;;) {
        char name[P2P_PART_MAX + 1];
        size_t len = strcspn(path, "/");
        memcpy(name, path, len);
        name[len] = '\0';
        int next = make_and_enter(at, name);
        parent_close(at, folder);
        if (next < 0)
            return plat_error();
        at = next;
        if (path[len] == '\0')
            break;
        path += len + 1;
    }
    parent_close(at, folder);
    return 0;
}

int plat_real_path(const char *path, char *out, size_t size)
{
    char real[PATH_MAX];
    if (realpath(path, real) == NULL)
        return plat_error();
    size_t len = strlen(real);
    if (len >= size) {
        errno = ENAMETOOLONG;
        return plat_error();
    }
    memcpy(out, real, len + 1);
    return 0;
}
