/* SPDX-License-Identifier: MIT */
/* The event loop. One turn: wait, serve what is ready, run the posts, fire the timers, then one
 * slice of one task. Timers lie in a binary heap of pointers; posts in a list under a mutex, the
 * only lock here. Runs on the thread that calls loop_run; only loop_post and loop_stop are called
 * from others. */
#include "run/loop.h"

#include "base/log.h"
#include "platform/plat.h"

#include <stdatomic.h>

/* Events served between two looks at timers and tasks. */
enum { LOOP_BATCH = 64 };
/* A turn that begins so much later than the first timer wanted it did not come by work: the machine
 * was suspended, or the process stopped. */
enum { LOOP_STILL_MS = 1000 };

struct loop {
    struct plat_poller *poller;
    struct plat_event batch[LOOP_BATCH];
    int batch_next, batch_end; /* those not served yet */
    int64_t now_ms, awake_ms;
    struct loop_timer **heap; /* from 1; the earliest first */
    uint32_t timers, timers_max;
    struct loop_task *task, *running; /* whose turn is next; whose step is under way */
    struct loop_post *deferred, *deferred_last;
    struct plat_mutex mutex; /* of posts */
    struct loop_post *posts, *posts_last;
    struct plat_wake wake;
    struct loop_fd waker;
    atomic_bool stopping;
};

static void posts_run(void *ctx, unsigned events)
{
    struct loop *loop = ctx;
    (void)events;
    plat_wake_drain(&loop->wake);
    plat_mutex_lock(&loop->mutex);
    struct loop_post *post = loop->posts;
    loop->posts = loop->posts_last = NULL;
    plat_mutex_unlock(&loop->mutex);
    while (post) {
        struct loop_post *next = post->next;
        post->run(post->ctx);
        post = next;
    }
}

static void deferred_run(struct loop *loop)
{
    struct loop_post *post = loop->deferred;
    loop->deferred = loop->deferred_last = NULL;
    while (post) {
        struct loop_post *next = post->next;
        post->run(post->ctx);
        post = next;
    }
}

static int loop_open(struct loop *loop, struct arena *arena, int fds)
{
    int max = fds + 1; /* and the wake-up */
    void *memory = arena_carve(arena, plat_poller_size(max), 8);
    if (!memory)
        return -P2P_EFULL;
    int result = plat_poller_init(memory, max, &loop->poller);
    if (result < 0)
        return result;
    result = plat_wake_open(&loop->wake);
    if (result < 0) {
        plat_poller_close(loop->poller);
        return result;
    }
    loop->waker = (struct loop_fd){loop->wake.read_fd, PLAT_READABLE, posts_run, loop};
    result = loop_add_fd(loop, &loop->waker);
    if (result < 0)
        loop_close(loop);
    return result;
}

int loop_init(struct loop **out, struct arena *arena, int fds, int timers)
{
    struct loop *loop = arena_carve(arena, sizeof *loop, 8);
    size_t places = (size_t)timers + 1;
    struct loop_timer **heap = arena_carve(arena, places * sizeof *heap, sizeof *heap);
    if (!loop || !heap)
        return -P2P_EFULL;
    loop->heap = heap;
    loop->timers_max = (uint32_t)timers;
    loop->now_ms = plat_now_ms();
    plat_mutex_init(&loop->mutex);
    atomic_init(&loop->stopping, false);
    int result = loop_open(loop, arena, fds);
    *out = result < 0 ? NULL : loop;
    return result;
}

void loop_close(struct loop *loop)
{
    plat_poller_close(loop->poller);
    plat_wake_close(&loop->wake);
}

int64_t loop_now_ms(const struct loop *loop)
{
    return loop->now_ms;
}

int64_t loop_awake_ms(const struct loop *loop)
{
    return loop->awake_ms;
}

int loop_add_fd(struct loop *loop, struct loop_fd *fd)
{
    return plat_poller_add(loop->poller, fd->fd, fd->events, fd);
}

void loop_change_fd(struct loop *loop, struct loop_fd *fd, unsigned events)
{
    if (fd->events == events)
        return;
    fd->events = events;
    plat_poller_change(loop->poller, fd->fd, events, fd);
}

void loop_remove_fd(struct loop *loop, struct loop_fd *fd)
{
    if (fd->fd < 0)
        return;
    plat_poller_remove(loop->poller, fd->fd);
    fd->fd = -1;
    for (int i = loop->batch_next; i < loop->batch_end; i++)
        if (loop->batch[i].ctx == fd)
            loop->batch[i].ctx = NULL;
}

static void heap_put(struct loop *loop, uint32_t place, struct loop_timer *timer)
{
    loop->heap[place] = timer;
    timer->place = place;
}

static void heap_up(struct loop *loop, struct loop_timer *timer)
{
    uint32_t place = timer->place;
    while (place > 1 && loop->heap[place / 2]->at_ms > timer->at_ms) {
        heap_put(loop, place, loop->heap[place / 2]);
        place /= 2;
    }
    heap_put(loop, place, timer);
}

static void heap_down(struct loop *loop, struct loop_timer *timer)
{
    uint32_t place = timer->place, child;
    while ((child = 2 * place) <= loop->timers) {
        if (child < loop->timers && loop->heap[child + 1]->at_ms < loop->heap[child]->at_ms)
            child++;
        if (loop->heap[child]->at_ms >= timer->at_ms)
            break;
        heap_put(loop, place, loop->heap[child]);
        place = child;
    }
    heap_put(loop, place, timer);
}

int loop_set_timer(struct loop *loop, struct loop_timer *timer, int64_t at_ms)
{
    if (timer->place == 0) {
        if (loop->timers == loop->timers_max)
            return -P2P_EFULL;
        timer->place = ++loop->timers;
    }
    timer->at_ms = at_ms;
    heap_up(loop, timer);
    heap_down(loop, timer);
    return 0;
}

void loop_stop_timer(struct loop *loop, struct loop_timer *timer)
{
    uint32_t place = timer->place;
    if (place == 0)
        return;
    struct loop_timer *last = loop->heap[loop->timers--];
    timer->place = 0;
    if (last == timer)
        return;
    last->place = place;
    heap_up(loop, last);
    heap_down(loop, last);
}

/* A timer that sets itself to "now" again has its next turn in the next turn. */
static void timers_fire(struct loop *loop)
{
    for (uint32_t left = loop->timers; left > 0 && loop->timers > 0; left--) {
        struct loop_timer *timer = loop->heap[1];
        if (timer->at_ms > loop->now_ms)
            break;
        loop_stop_timer(loop, timer);
        timer->on_time(timer->ctx);
    }
}

void loop_add_task(struct loop *loop, struct loop_task *task)
{
    if (task->next)
        return;
    struct loop_task *first = loop->task;
    if (!first) {
        task->next = task->prev = task;
        loop->task = task;
        return;
    }
    task->next = first;
    task->prev = first->prev;
    first->prev->next = task;
    first->prev = task;
}

void loop_remove_task(struct loop *loop, struct loop_task *task)
{
    if (!task->next)
        return;
    if (loop->task == task)
        loop->task = task->next == task ? NULL : task->next;
    if (loop->running == task)
        loop->running = NULL;
    task->prev->next = task->next;
    task->next->prev = task->prev;
    task->next = task->prev = NULL;
}

bool loop_has_task(const struct loop_task *task)
{
    return task->next != NULL;
}

/* A step may remove and free its own task: it is looked at again only when it did not. */
static void task_step(struct loop *loop)
{
    struct loop_task *task = loop->task;
    if (!task)
        return;
    loop->task = task->next;
    loop->running = task;
    bool more = task->step(task->ctx);
    if (!more && loop->running == task)
        loop_remove_task(loop, task);
    loop->running = NULL;
}

void loop_post(struct loop *loop, struct loop_post *post)
{
    post->next = NULL;
    plat_mutex_lock(&loop->mutex);
    bool first = loop->posts == NULL;
    if (first)
        loop->posts = post;
    else
        loop->posts_last->next = post;
    loop->posts_last = post;
    plat_mutex_unlock(&loop->mutex);
    if (first)
        plat_wake(&loop->wake);
}

void loop_defer(struct loop *loop, struct loop_post *post)
{
    post->next = NULL;
    if (loop->deferred)
        loop->deferred_last->next = post;
    else
        loop->deferred = post;
    loop->deferred_last = post;
}

static int turn_wait_ms(const struct loop *loop, int timeout_ms)
{
    if (loop->task || loop->deferred)
        return 0;
    if (loop->timers == 0)
        return timeout_ms;
    int64_t left = loop->heap[1]->at_ms - plat_now_ms();
    if (left < 0)
        left = 0;
    if (timeout_ms >= 0 && left > timeout_ms)
        return timeout_ms;
    return left > INT32_MAX ? INT32_MAX : (int)left;
}

static void events_serve(struct loop *loop)
{
    while (loop->batch_next < loop->batch_end) {
        struct plat_event *event = &loop->batch[loop->batch_next++];
        struct loop_fd *fd = event->ctx;
        /* what an earlier handler of this turn removed, or is no longer asked for */
        unsigned events = fd ? event->events & (fd->events | PLAT_HUNGUP) : 0;
        if (events != 0)
            fd->on_event(fd->ctx, events);
    }
}

static void clock_look(struct loop *loop)
{
    int64_t due_ms = loop->now_ms;

    if (loop->timers > 0 && loop->heap[1]->at_ms > due_ms)
        due_ms = loop->heap[1]->at_ms;
    loop->now_ms = plat_now_ms();
    if (loop->timers > 0 && loop->now_ms - due_ms > LOOP_STILL_MS)
        loop->awake_ms = loop->now_ms;
}

void loop_turn(struct loop *loop, int timeout_ms)
{
    int wait_ms = turn_wait_ms(loop, timeout_ms);
    log_flush();
    int count = plat_poller_wait(loop->poller, loop->batch, LOOP_BATCH, wait_ms);
    loop->batch_next = 0;
    loop->batch_end = count < 0 ? 0 : count;
    clock_look(loop);
    events_serve(loop);
    timers_fire(loop);
    deferred_run(loop);
    task_step(loop);
    deferred_run(loop);
}

void loop_run(struct loop *loop)
{
    while (!atomic_load(&loop->stopping))
        loop_turn(loop, -1);
    atomic_store(&loop->stopping, false);
}

void loop_stop(struct loop *loop)
{
    atomic_store(&loop->stopping, true);
    plat_wake(&loop->wake);
}
