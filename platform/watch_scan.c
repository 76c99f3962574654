/* SPDX-License-Identifier: MIT */
/* The portable twin of watch_inotify.c: there is nothing to ask, so every call says so and the
 * share scans. */
#include "platform/plat_watch.h"

int plat_watch_open(struct plat_watch *watch)
{
    watch->fd = -1;
    watch->pos = watch->end = 0;
    return -P2P_ENOTSUP;
}

int plat_watch_limits(struct plat_watch_limits *out)
{
    *out = (struct plat_watch_limits){0, 0};
    return -P2P_ENOTSUP;
}

void plat_watch_close(struct plat_watch *watch)
{
    watch->fd = -1;
}

int plat_watch_add(struct plat_watch *watch, int folder_fd)
{
    (void)watch;
    (void)folder_fd;
    return -P2P_ENOTSUP;
}

void plat_watch_remove(struct plat_watch *watch, int id)
{
    (void)watch;
    (void)id;
}

int plat_watch_next(struct plat_watch *watch, struct plat_watch_event *out)
{
    (void)watch;
    (void)out;
    return 0;
}
