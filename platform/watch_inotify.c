/* SPDX-License-Identifier: MIT */
/* The Linux twin of watch_scan.c: inotify. A folder is named to the kernel through /proc/self/fd,
 * so that what is watched is the folder that was opened, whatever its name leads to by now; without
 * /proc the share must scan. Not here: folders below a watched one, and what to make of an event.
 * Loop thread. */
#include "platform/plat_watch.h"

#include "platform/plat.h"
#include "platform/posix.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

enum {
    ENTRY_CHANGED = IN_CREATE | IN_MODIFY | IN_ATTRIB,
    ENTRY_SETTLED = IN_CLOSE_WRITE | IN_MOVED_TO,
    ENTRY_REMOVED = IN_DELETE | IN_MOVED_FROM,
    FOLDER_GONE = IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT,
    /* IN_EXCL_UNLINK: an entry that was removed while open is not reported any more */
    WATCH_MASK =
        ENTRY_CHANGED | ENTRY_SETTLED | ENTRY_REMOVED | FOLDER_GONE | IN_ONLYDIR | IN_EXCL_UNLINK,
};

int plat_watch_open(struct plat_watch *watch)
{
    watch->pos = watch->end = 0;
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    return watch->fd < 0 ? plat_error() : 0;
}

static int64_t read_limit(const char *path)
{
    char text[32];
    int fd = plat_open(path, PLAT_READ);
    if (fd < 0)
        return -1;
    int64_t got = plat_read(fd, text, sizeof text - 1);
    plat_close(fd);
    if (got <= 0)
        return -1;
    text[got] = '\0';
    return strtoll(text, NULL, 10);
}

int plat_watch_limits(struct plat_watch_limits *out)
{
    out->folders = read_limit("/proc/sys/fs/inotify/max_user_watches");
    out->watches = read_limit("/proc/sys/fs/inotify/max_user_instances");
    return out->folders > 0 && out->watches > 0 ? 0 : -P2P_EIO;
}

void plat_watch_close(struct plat_watch *watch)
{
    posix_fd_close(watch->fd);
    watch->fd = -1;
}

static int add_error(void)
{
    bool full = errno == ENOSPC, missing = errno == ENOENT;
    int result = plat_error();
    if (full)
        return -P2P_EFULL;
    return missing && access("/proc/self/fd", F_OK) != 0 ? -P2P_ENOTSUP : result;
}

int plat_watch_add(struct plat_watch *watch, int folder_fd)
{
    char path[32];
    struct stat found;
    if (fstat(folder_fd, &found) != 0)
        return plat_error();
    if (found.st_nlink == 0) { /* removed while open: the kernel would watch it for nothing */
        errno = ENOENT;
        return plat_error();
    }
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", folder_fd);
    int id = inotify_add_watch(watch->fd, path, WATCH_MASK);
    return id < 0 ? add_error() : id;
}

void plat_watch_remove(struct plat_watch *watch, int id)
{
    (void)inotify_rm_watch(watch->fd, id);
}

/* What an event means for the share; 0 when nothing. */
static unsigned event_what(const struct inotify_event *event)
{
    unsigned what = 0;
    if ((event->mask & IN_Q_OVERFLOW) != 0)
        return PLAT_WATCH_OVERFLOW;
    if ((event->mask & FOLDER_GONE) != 0)
        return PLAT_WATCH_GONE;
    /* without a name: the end of a watch, or the watched folder's own attributes */
    if (event->len == 0)
        return 0;
    if ((event->mask & ENTRY_CHANGED) != 0)
        what |= PLAT_WATCH_CHANGED;
    if ((event->mask & ENTRY_SETTLED) != 0)
        what |= PLAT_WATCH_SETTLED;
    if ((event->mask & ENTRY_REMOVED) != 0)
        what |= PLAT_WATCH_REMOVED;
    if (what != 0 && (event->mask & IN_ISDIR) != 0)
        what |= PLAT_WATCH_FOLDER;
    return what;
}

/* False when the event says nothing to the share, or its name is longer than a share's can be. */
static bool event_take(struct plat_watch *watch, const struct inotify_event *event,
                       const char *name, struct plat_watch_event *out)
{
    out->id = event->wd;
    out->what = event_what(event);
    out->name[0] = '\0';
    /* A folder that moved away is still watched, and would report from wherever it is now. */
    if ((event->mask & IN_MOVE_SELF) != 0)
        plat_watch_remove(watch, event->wd);
    if (out->what == 0 || out->what == PLAT_WATCH_GONE || out->what == PLAT_WATCH_OVERFLOW)
        return out->what != 0;
    size_t len = strnlen(name, event->len);
    if (len > P2P_PART_MAX)
        return false;
    memcpy(out->name, name, len);
    out->name[len] = '\0';
    return true;
}

int plat_watch_next(struct plat_watch *watch, struct plat_watch_event *out)
{
    for (;;) {
        if (watch->pos >= watch->end) {
            int64_t got = plat_read(watch->fd, watch->bytes, sizeof watch->bytes);
            if (got <= 0)
                return got == -P2P_EAGAIN ? 0 : (int)got;
            watch->pos = 0;
            watch->end = (unsigned)got;
        }
        struct inotify_event event;
        memcpy(&event, watch->bytes + watch->pos, sizeof event);
        const char *name = watch->bytes + watch->pos + sizeof event;
        watch->pos += (unsigned)sizeof event + event.len;
        if (event_take(watch, &event, name, out))
            return 1;
    }
}
