/* SPDX-License-Identifier: MIT */
/* Files and folders. "Beneath" functions take a folder's descriptor and a relative path and never
 * leave it: no symlink is followed in any part, no "..", no other way out (openat2 RESOLVE_BENEATH
 * | NO_SYMLINKS, else a walk with O_NOFOLLOW). A path that is absolute or has an empty part, "." or
 * ".." gives -P2P_EINVAL, one with a symlink -P2P_EDENIED, one through a file -P2P_ENOTFOUND, one
 * with a part over P2P_PART_MAX -P2P_ETOOBIG. For folders and stat "" is the folder itself. All
 * descriptors are close-on-exec. Errors are -P2P_E…; any thread. Calls may block on the disk. */
#ifndef PLAT_FILE_H
#define PLAT_FILE_H

#include "p2p.h"

enum plat_kind { PLAT_KIND_OTHER, PLAT_KIND_FILE, PLAT_KIND_FOLDER, PLAT_KIND_LINK };

struct plat_stat {
    enum plat_kind kind;
    bool executable; /* by its owner */
    bool mine;       /* owned by this user or root */
    uint64_t device, inode;
    int64_t size;
    int64_t mtime_ns, ctime_ns; /* Unix time in nanoseconds */
};

int plat_stat(const char *path, struct plat_stat *out); /* follows symlinks */
int plat_fstat(int fd, struct plat_stat *out);
/* A symlink as the last part is told, not refused. */
int plat_stat_beneath(int folder, const char *path, struct plat_stat *out);

/* Open modes. NEW fails with -P2P_EEXIST when there is something already. */
enum plat_open {
    PLAT_READ = 1,
    PLAT_WRITE = 2,
    PLAT_CREATE = 4,
    PLAT_NEW = 8,
    PLAT_APPEND = 16,
    PLAT_TRUNCATE = 32,
    PLAT_PRIVATE = 64 /* created 0600 instead of 0666 less umask */
};
/* Return a descriptor or an error. plat_open follows symlinks; the beneath forms never, and open
 * only regular files: anything else gives -P2P_EINVAL, without waiting for a FIFO's other end. */
int plat_open(const char *path, unsigned modes);
int plat_open_beneath(int folder, const char *path, unsigned modes);
/* An unnamed file in folder that is gone when closed (O_TMPFILE, else created and unlinked). */
int plat_open_unnamed(int folder);
int plat_open_folder(const char *path);
int plat_open_folder_beneath(int folder, const char *path);
void plat_close(int fd);
/* A second descriptor of the same open file, to be closed by itself. Or an error. */
int plat_dup(int fd);

/* Bytes read or written; a short count only at the end of file (read). -P2P_ENOSPC, -P2P_EIO … */
int64_t plat_pread(int fd, void *out, size_t size, int64_t offset);
int plat_pwrite(int fd, const void *bytes, size_t size, int64_t offset);
/* Sequential forms. plat_read gives what is there (all that was asked for, of a file; 0 at the end;
 * -P2P_EAGAIN when a non-blocking one has none). plat_write writes all, and waits where it must;
 * plat_write_some what fits now
 * (-P2P_EAGAIN on a full pipe). */
int64_t plat_read(int fd, void *out, size_t size);
int plat_write(int fd, const void *bytes, size_t size);
int64_t plat_write_some(int fd, const void *bytes, size_t size);
int plat_set_nonblocking(int fd);

int plat_fsync(int fd);
/* The bytes of all files that lie in this folder are on the disk. Linux takes the whole file system
 * in one go, which is one wait for any number of files; *out_all then says that names anywhere on
 * it are there, too. */
int plat_sync(int folder, bool *out_all);
int plat_truncate(int fd, int64_t size);
/* Takes the disk space of a file now; 0 too where the file system cannot. -P2P_ENOSPC when there is
 * none, -P2P_ETOOBIG when the file system has no files of that size. The file is at least size
 * bytes long afterwards. */
int plat_reserve(int fd, int64_t size);
/* Tells the kernel that the bytes will be read once, in order. */
void plat_read_ahead(int fd);
/* Sets mtime (Unix seconds) and x where the file is readable, or nowhere; bits that the file system
 * lacks are no error. */
int plat_set_attributes(int fd, int64_t mtime_s, bool executable);

/* Renames within two folders. With replace false an existing target gives -P2P_EEXIST, without a
 * race. -P2P_ENOTSUP when the two are on different file systems. */
int plat_rename_beneath(int from_folder, const char *from, int to_folder, const char *to,
                        bool replace);
int plat_unlink_beneath(int folder, const char *path);
/* An empty one. */
int plat_remove_folder_beneath(int folder, const char *path);
/* Makes the folders of path (mode 0777 less umask; 0700 when private). An existing folder is no
 * error, anything else of that name is -P2P_EEXIST (a symlink beneath: -P2P_EDENIED). */
int plat_make_folders(const char *path, bool is_private);
int plat_make_folders_beneath(int folder, const char *path);

/* Entries of a folder, in the order of the disk, without "." and "..". plat_dir_next: 1 an entry, 0
 * end, or an error. Names over P2P_PART_MAX bytes (FUSE and NTFS can have them) are passed over.
 * dir.fd is the folder, for the beneath functions, until it is closed. */
struct plat_dir {
    int fd;
    unsigned pos, end;
    void *stream; /* of the POSIX twin */
    _Alignas(8) char bytes[4096];
};
int plat_dir_open_beneath(struct plat_dir *dir, int folder,
                          const char *path); /* "" is the folder itself */
int plat_dir_next(struct plat_dir *dir, char out_name[static P2P_PART_MAX + 1],
                  enum plat_kind *out_kind);
void plat_dir_close(struct plat_dir *dir);

/* Exclusive lock on a file open for writing that ends with the process, or when the file is closed.
 * 0, or -P2P_EINUSE when another process has it (within one process twins differ). */
int plat_lock(int fd);
/* Free bytes for this user on the file system of fd. */
int64_t plat_free_space(int fd);
/* The path without symlinks, "." and "..". 0, -P2P_ENOTFOUND, -P2P_ETOOBIG. */
int plat_real_path(const char *path, char *out, size_t size);

#endif
