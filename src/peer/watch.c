/* SPDX-License-Identifier: MIT */
/* Ids of watches lead to folders by a chained table through the folders themselves. Two folders
 * have one id when they are the same one: moved, and not yet known to be, or mounted twice. Both
 * hear its events then. Events are read in turns, so that a flood of them does not hold up the
 * loop. Loop thread. */
#include "peer/watch.h"

enum {
    WATCH_TURN = 256, /* events in one turn of the loop: well under a millisecond */
    WATCH_SAME = 4    /* folders of one id that hear an event */
};

static uint32_t *head_of(struct watch *watch, int id)
{
    return &watch->heads[(uint32_t)id % WATCH_HEADS];
}

/* Those with this id, at most WATCH_SAME. */
static int find(struct watch *watch, int id, uint32_t out[WATCH_SAME])
{
    int count = 0;
    for (uint32_t slot = *head_of(watch, id); slot != 0 && count < WATCH_SAME;
         slot = tree_folder(watch->tree, slot)->watch_next)
        if (tree_folder(watch->tree, slot)->watch == id)
            out[count++] = slot;
    return count;
}

/* Takes the folder out of the table. */
static void drop(struct watch *watch, uint32_t slot)
{
    struct tree_folder *folder = tree_folder(watch->tree, slot);
    uint32_t *link = head_of(watch, folder->watch);
    while (*link != slot)
        link = &tree_folder(watch->tree, *link)->watch_next;
    *link = folder->watch_next;
    folder->watch = -1;
    folder->watch_next = 0;
}

void watch_bind(struct watch *watch, uint32_t slot, int id)
{
    struct tree_folder *folder = tree_folder(watch->tree, slot);
    if (folder->watch == id)
        return;
    watch_unbind(watch, slot);
    folder->watch = id;
    folder->watch_next = *head_of(watch, id);
    *head_of(watch, id) = slot;
}

void watch_unbind(struct watch *watch, uint32_t slot)
{
    uint32_t same[WATCH_SAME];
    int id = tree_folder(watch->tree, slot)->watch;
    if (id < 0)
        return;
    drop(watch, slot);
    if (find(watch, id, same) > 0)
        return;
    watch->ended++;
    plat_watch_remove(&watch->plat, id);
}

static void event_tell(struct watch *watch, uint32_t slot, const struct plat_watch_event *event)
{
    if ((event->what & PLAT_WATCH_GONE) != 0) {
        drop(watch, slot);
        watch->on_gone(watch->ctx, slot);
        return;
    }
    struct str name = {event->name, 0};
    while (event->name[name.len] != '\0')
        name.len++;
    watch->on_entry(watch->ctx, slot, name, event->what);
}

/* A handler may free folders, and close the watch. */
static void event_take(struct watch *watch, const struct plat_watch_event *event)
{
    uint32_t slots[WATCH_SAME];
    if ((event->what & PLAT_WATCH_OVERFLOW) != 0) {
        watch->on_overflow(watch->ctx);
        return;
    }
    if ((event->what & PLAT_WATCH_GONE) != 0)
        watch->ended++;
    int count = find(watch, event->id, slots);
    if (count == 0)
        watch->on_unknown(watch->ctx);
    for (int i = 0; i < count && watch->open; i++) {
        uint32_t now[WATCH_SAME];
        int left = find(watch, event->id, now);
        for (int k = 0; k < left; k++)
            if (now[k] == slots[i]) {
                event_tell(watch, slots[i], event);
                break;
            }
    }
}

/* A handler may close the watch. */
static void on_event(void *ctx, unsigned events)
{
    struct watch *watch = ctx;
    struct plat_watch_event event;
    (void)events;
    for (int i = 0; i < WATCH_TURN && watch->open; i++) {
        int result = plat_watch_next(&watch->plat, &event);
        if (result == 0)
            return;
        if (result < 0) {
            watch->on_overflow(watch->ctx);
            return;
        }
        event_take(watch, &event);
    }
}

int watch_open(struct watch *watch)
{
    int result = plat_watch_open(&watch->plat);
    if (result < 0)
        return result;
    watch->fd = (struct loop_fd){watch->plat.fd, PLAT_READABLE, on_event, watch};
    result = loop_add_fd(watch->loop, &watch->fd);
    if (result < 0) {
        plat_watch_close(&watch->plat);
        return result;
    }
    watch->open = true;
    return 0;
}

void watch_close(struct watch *watch)
{
    if (!watch->open)
        return;
    watch->open = false;
    for (int i = 0; i < WATCH_HEADS; i++)
        while (watch->heads[i] != 0)
            drop(watch, watch->heads[i]);
    loop_remove_fd(watch->loop, &watch->fd);
    plat_watch_close(&watch->plat);
}
