/* SPDX-License-Identifier: MIT */
/* The Linux twin of poll_poll.c: the poller on epoll, level-triggered. The kernel keeps the
 * descriptors and their ctx; only their number is counted here. The thread that owns the poller. */
#include "platform/plat.h"
#include "platform/plat_net.h"
#include "platform/posix.h"

#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

/* Events of one system call. More are ready at the next: the kernel takes them in turn. */
enum { BATCH_MAX = 64 };

struct plat_poller {
    int epoll;
    int max, count;
    struct epoll_event batch[BATCH_MAX];
};

/* epoll counts its timeouts by a clock that stands still while the machine is suspended: who waited
 * for 15 s waits for what was left of them when it is awake. The kernel makes this timer readable
 * at that moment, and whenever the wall clock is set. One for the process, made at start and never
 * read: each edge ends the wait of every poller. */
static void watch_for_resume(const struct plat_poller *poller)
{
    static int timer = -1;
    struct epoll_event edge = {.events = EPOLLIN | EPOLLET};
    struct itimerspec never = {.it_value.tv_sec = INT32_MAX};

    if (timer < 0) {
        timer = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
        (void)timerfd_settime(timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
    }
    (void)epoll_ctl(poller->epoll, EPOLL_CTL_ADD, timer, &edge);
}

size_t plat_poller_size(int max)
{
    (void)max;
    return sizeof(struct plat_poller);
}

int plat_poller_init(void *memory, int max, struct plat_poller **out)
{
    struct plat_poller *poller = memory;
    poller->max = max;
    poller->count = 0;
    poller->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (poller->epoll < 0)
        return plat_error();
    watch_for_resume(poller);
    *out = poller;
    return 0;
}

void plat_poller_close(struct plat_poller *poller)
{
    posix_fd_close(poller->epoll);
    poller->epoll = -1;
}

static struct epoll_event event_for(unsigned events, void *ctx)
{
    struct epoll_event event = {0};
    event.data.ptr = ctx;
    if ((events & PLAT_READABLE) != 0)
        event.events |= EPOLLIN;
    if ((events & PLAT_WRITABLE) != 0)
        event.events |= EPOLLOUT;
    return event;
}

int plat_poller_add(struct plat_poller *poller, int fd, unsigned events, void *ctx)
{
    struct epoll_event event = event_for(events, ctx);
    if (poller->count >= poller->max)
        return -P2P_EFULL;
    if (epoll_ctl(poller->epoll, EPOLL_CTL_ADD, fd, &event) == 0) {
        poller->count++;
        return 0;
    }
    /* EPERM: a file, which is always ready; ENOSPC: fs.epoll.max_user_watches */
    bool file = errno == EPERM, full = errno == ENOSPC;
    int result = plat_error();
    return file ? -P2P_ENOTSUP : full ? -P2P_EFULL : result;
}

void plat_poller_change(struct plat_poller *poller, int fd, unsigned events, void *ctx)
{
    struct epoll_event event = event_for(events, ctx);
    (void)epoll_ctl(poller->epoll, EPOLL_CTL_MOD, fd, &event);
}

void plat_poller_remove(struct plat_poller *poller, int fd)
{
    struct epoll_event unused = {0};
    if (epoll_ctl(poller->epoll, EPOLL_CTL_DEL, fd, &unused) == 0)
        poller->count--;
}

static unsigned events_of(uint32_t told)
{
    unsigned events = 0;
    if ((told & EPOLLIN) != 0)
        events |= PLAT_READABLE;
    if ((told & EPOLLOUT) != 0)
        events |= PLAT_WRITABLE;
    if ((told & (EPOLLHUP | EPOLLERR)) != 0)
        events |= PLAT_HUNGUP;
    return events;
}

int plat_poller_wait(struct plat_poller *poller, struct plat_event *out, int max, int timeout_ms)
{
    int count =
        epoll_wait(poller->epoll, poller->batch, max < BATCH_MAX ? max : BATCH_MAX, timeout_ms);
    if (count < 0)
        return errno == EINTR ? 0 : plat_error();
    int told = 0;
    for (int i = 0; i < count; i++)
        if (poller->batch[i].data.ptr != NULL) /* else: the machine goes on */
            out[told++] =
                (struct plat_event){poller->batch[i].data.ptr, events_of(poller->batch[i].events)};
    return told;
}
