/* SPDX-License-Identifier: MIT */
/* Watching folders for changes. The inotify twin reports; the scanning twin says -P2P_ENOTSUP at
 * open, and the share then scans. A watch pins no file system for longer than it takes to see its
 * unmount. Loop thread. */
#ifndef PLAT_WATCH_H
#define PLAT_WATCH_H

#include "p2p.h"

enum {
    PLAT_WATCH_CHANGED = 1, /* an entry was created (folders, links and symlinks too), modified, or
                               has other attributes; it may be written right now */
    PLAT_WATCH_SETTLED = 2, /* an entry was closed after writing, or moved in */
    PLAT_WATCH_REMOVED = 4, /* an entry was removed or moved out */
    PLAT_WATCH_FOLDER = 8,  /* with one of the above: the entry is a folder */
    PLAT_WATCH_GONE =
        16, /* the watched folder itself is gone, moved or unmounted; its id is free */
    PLAT_WATCH_OVERFLOW = 32 /* events were lost: scan all (id is -1) */
};

struct plat_watch_event {
    int id; /* as plat_watch_add returned */
    unsigned what;
    char name[P2P_PART_MAX + 1]; /* the entry; empty with GONE and OVERFLOW */
};

struct plat_watch {
    int fd; /* poll it for reading */
    unsigned pos, end;
    _Alignas(8) char bytes[4096];
};

/* 0, -P2P_ENOTSUP, -P2P_EMFILE (fs.inotify.max_user_instances). */
int plat_watch_open(struct plat_watch *watch);
void plat_watch_close(struct plat_watch *watch);
/* What the system lets this user's processes have: folders watched, and watches opened. 0,
 * -P2P_ENOTSUP, -P2P_EIO when it does not say. */
struct plat_watch_limits {
    int64_t folders, watches;
};
int plat_watch_limits(struct plat_watch_limits *out);
/* Watches one folder (not what is below it). An id >= 0 (the same folder gives the same id again),
 * -P2P_EFULL (fs.inotify.max_user_watches), -P2P_ENOTFOUND (it was removed), -P2P_ENOTSUP (no
 * /proc). folder_fd may be closed afterwards. Events of an id that were under way when it was
 * removed may still come. */
int plat_watch_add(struct plat_watch *watch, int folder_fd);
void plat_watch_remove(struct plat_watch *watch, int id);
/* 1 and the next event, 0 when there is none now, or an error. */
int plat_watch_next(struct plat_watch *watch, struct plat_watch_event *out);

#endif
