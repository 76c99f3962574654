/* SPDX-License-Identifier: MIT */
/* What the files of platform/ share among themselves; nobody else includes this. Functions of this
 * header answer as system calls do: -1 and errno. Calls go one way only: posix.c < posix_path.c <
 * path_*.c < posix_file.c < posix_dir.c < posix_board.c. */
#ifndef POSIX_H
#define POSIX_H

#include "platform/plat_file.h"

#include <sys/stat.h>
#include <sys/types.h>

enum { POSIX_PATH_SIZE = 4096 }; /* PATH_MAX of Linux, with the NUL */

/* Words for plat_reason() that are not those of errno; they must live for ever. */
void posix_reason(const char *words);
/* Closes without changing errno. */
void posix_fd_close(int fd);
/* The flags that every descriptor of ours has. */
int posix_close_on_exec(int fd);

enum plat_kind posix_path_kind(mode_t mode);
/* 0 when path is relative, without empty parts, "." and "..", and no part or path is too long. */
int posix_path_check(const char *path);
/* openat() that goes through path part by part and follows no symlink (ELOOP). path was checked. */
int posix_path_walk(int folder, const char *path, int flags, mode_t mode);
/* Renames without replacing, with calls that every POSIX file system has. The names are single
 * parts. */
int posix_path_rename_new(int from_folder, const char *from, int to_folder, const char *to);
/* Creates a file under a random name and unlinks it. */
int posix_path_unnamed(int folder);

/* The twins path_linux.c and path_posix.c; beside these they have plat_open_unnamed, plat_reserve,
 * plat_sync, plat_lock and plat_dir_*. path is checked here. "" is the folder itself when flags
 * have O_DIRECTORY. */
int path_open_beneath(int folder, const char *path, int flags, mode_t mode);
int path_rename_new(int from_folder, const char *from, int to_folder, const char *to);

/* posix_file.c */
void posix_file_stat(const struct stat *stat, struct plat_stat *out);

/* send_linux.c's way out and all of send_posix.c: reads and sends. As plat_send_file. */
int64_t posix_send_copied(int fd, int file, int64_t offset, size_t size);

#endif
