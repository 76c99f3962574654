/* SPDX-License-Identifier: MIT */
/* The portable twin of poll_epoll.c: the poller on poll(). Descriptors are in a dense table for
 * poll(), and found by number through open addressing with at most half of the buckets in use; they
 * are small numbers given out in order, so the number itself is the hash. A wait costs
 * O(descriptors), which is what poll() costs anyway. The thread that owns the poller. */
#include "platform/plat.h"
#include "platform/plat_net.h"
#include "platform/posix.h"

#include <errno.h>
#include <poll.h>

/* Needs no zeroed memory: a bucket counts only when the entry that it names points back, so the
 * pages of an idle poller are never touched. */
struct entry {
    void *ctx;
    int fd;
    uint32_t bucket;
};
struct fds {
    int max, count; /* slots 0 to count - 1 are in use */
    uint32_t mask;
    uint32_t *buckets;
    struct entry *entries;
};

static size_t buckets_for(int max)
{
    size_t count = 4;
    while (count < (size_t)max * 2)
        count *= 2;
    return count;
}

/* A multiple of 8. */
static size_t fds_size(int max)
{
    return (size_t)max * sizeof(struct entry) + buckets_for(max) * sizeof(uint32_t);
}

static void fds_init(struct fds *fds, void *memory, int max)
{
    *fds = (struct fds){.max = max, .mask = (uint32_t)(buckets_for(max) - 1)};
    fds->entries = memory;
    fds->buckets = (uint32_t *)(void *)(fds->entries + max);
}

static bool bucket_used(const struct fds *fds, uint32_t bucket)
{
    uint32_t slot = fds->buckets[bucket];
    return slot < (uint32_t)fds->count && fds->entries[slot].bucket == bucket;
}

static uint32_t bucket_home(const struct fds *fds, int fd)
{
    return (uint32_t)fd & fds->mask;
}

/* The bucket of fd, or the free one where its search ends. */
static uint32_t bucket_find(const struct fds *fds, int fd)
{
    uint32_t bucket = bucket_home(fds, fd);
    while (bucket_used(fds, bucket) && fds->entries[fds->buckets[bucket]].fd != fd)
        bucket = (bucket + 1) & fds->mask;
    return bucket;
}

static void bucket_set(struct fds *fds, uint32_t bucket, uint32_t slot)
{
    fds->buckets[bucket] = slot;
    fds->entries[slot].bucket = bucket;
}

/* Slot, or -1. */
static int fds_find(const struct fds *fds, int fd)
{
    uint32_t bucket = bucket_find(fds, fd);
    return bucket_used(fds, bucket) ? (int)fds->buckets[bucket] : -1;
}

/* Slot, or an error. */
static int fds_add(struct fds *fds, int fd, void *ctx)
{
    uint32_t bucket = bucket_find(fds, fd);
    if (bucket_used(fds, bucket))
        return -P2P_EEXIST;
    if (fds->count >= fds->max)
        return -P2P_EFULL;
    int slot = fds->count++;
    fds->entries[slot].fd = fd;
    fds->entries[slot].ctx = ctx;
    bucket_set(fds, bucket, (uint32_t)slot);
    return slot;
}

/* Moves back what a search would no longer reach across the hole. */
static void hole_close(struct fds *fds, uint32_t hole)
{
    for (uint32_t at = (hole + 1) & fds->mask; bucket_used(fds, at); at = (at + 1) & fds->mask) {
        uint32_t slot = fds->buckets[at];
        uint32_t home = bucket_home(fds, fds->entries[slot].fd);
        if (((at - home) & fds->mask) < ((at - hole) & fds->mask))
            continue;
        bucket_set(fds, hole, slot);
        hole = at;
    }
}

/* The slot that became free and took what was in the last one (slot `count` now), or -1. */
static int fds_remove(struct fds *fds, int fd)
{
    int slot = fds_find(fds, fd);
    if (slot < 0)
        return -1;
    hole_close(fds, fds->entries[slot].bucket);
    int last = --fds->count;
    if (slot != last) {
        fds->entries[slot] = fds->entries[last];
        bucket_set(fds, fds->entries[slot].bucket, (uint32_t)slot);
    }
    return slot;
}

struct plat_poller {
    struct fds fds;
    struct pollfd *polls; /* slot by slot beside fds.entries */
    int next;             /* slot where the next search for events begins: all get their turn */
};

/* The table follows the poller, 8-byte aligned, and the array of poll() follows the table. */
enum { POLLER_SIZE = (sizeof(struct plat_poller) + 7) / 8 * 8 };

size_t plat_poller_size(int max)
{
    return POLLER_SIZE + fds_size(max) + (size_t)max * sizeof(struct pollfd);
}

int plat_poller_init(void *memory, int max, struct plat_poller **out)
{
    struct plat_poller *poller = memory;
    char *table = (char *)memory + POLLER_SIZE;
    fds_init(&poller->fds, table, max);
    poller->polls = (struct pollfd *)(void *)(table + fds_size(max));
    poller->next = 0;
    *out = poller;
    return 0;
}

void plat_poller_close(struct plat_poller *poller)
{
    poller->fds.count = 0;
}

static short events_for(unsigned events)
{
    int asked = 0;
    if ((events & PLAT_READABLE) != 0)
        asked |= POLLIN;
    if ((events & PLAT_WRITABLE) != 0)
        asked |= POLLOUT;
    return (short)asked;
}

int plat_poller_add(struct plat_poller *poller, int fd, unsigned events, void *ctx)
{
    int slot = fds_add(&poller->fds, fd, ctx);
    if (slot < 0)
        return slot;
    poller->polls[slot] = (struct pollfd){.fd = fd, .events = events_for(events)};
    return 0;
}

void plat_poller_change(struct plat_poller *poller, int fd, unsigned events, void *ctx)
{
    int slot = fds_find(&poller->fds, fd);
    if (slot < 0)
        return;
    poller->polls[slot].events = events_for(events);
    poller->fds.entries[slot].ctx = ctx;
}

void plat_poller_remove(struct plat_poller *poller, int fd)
{
    int slot = fds_remove(&poller->fds, fd);
    if (slot >= 0)
        poller->polls[slot] = poller->polls[poller->fds.count];
}

static unsigned events_of(short told)
{
    unsigned events = 0;
    if ((told & POLLIN) != 0)
        events |= PLAT_READABLE;
    if ((told & POLLOUT) != 0)
        events |= PLAT_WRITABLE;
    if ((told & (POLLHUP | POLLERR | POLLNVAL)) != 0)
        events |= PLAT_HUNGUP;
    return events;
}

int plat_poller_wait(struct plat_poller *poller, struct plat_event *out, int max, int timeout_ms)
{
    int count = poller->fds.count, found = 0;
    int ready = poll(poller->polls, (nfds_t)count, timeout_ms);
    if (ready < 0)
        return errno == EINTR ? 0 : plat_error();
    int first = poller->next < count ? poller->next : 0;
    for (int i = 0; i < count && found < ready && found < max; i++) {
        int slot = first + i < count ? first + i : first + i - count;
        if (poller->polls[slot].revents == 0)
            continue;
        out[found].ctx = poller->fds.entries[slot].ctx;
        out[found++].events = events_of(poller->polls[slot].revents);
        poller->next = slot + 1;
    }
    return found;
}
