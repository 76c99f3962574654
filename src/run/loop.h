/* SPDX-License-Identifier: MIT */
/* The event loop: descriptors, timers, tasks in slices, and posts from other threads. One loop a
 * thread; everything but loop_post and loop_stop is called on that thread. Objects are embedded in
 * their owners; the loop owns nothing. */
#ifndef LOOP_H
#define LOOP_H

#include "base/arena.h"
#include "platform/plat_net.h"

struct loop;

struct loop_fd {
    int fd; /* -1: not in the loop */
    unsigned events;
    void (*on_event)(void *ctx, unsigned events);
    void *ctx;
};

struct loop_timer {
    int64_t at_ms;
    uint32_t place; /* in the heap, 0: not set */
    void (*on_time)(void *ctx);
    void *ctx;
};

/* Work that would take longer than a slice: step does at most about P2P_SLICE_US of it and says
 * whether more is left. Tasks take turns, and descriptors are served between two turns. */
struct loop_task {
    bool (*step)(void *ctx);
    void *ctx;
    struct loop_task *next, *prev; /* of the loop */
};

/* A message to a loop. It belongs to the poster until run is called on the loop's thread; from then
 * on to run, which may post it again. */
struct loop_post {
    void (*run)(void *ctx);
    void *ctx;
    struct loop_post *next; /* of the loop */
};

/* Room for fds descriptors and timers timers, carved from the arena. 0, -P2P_EFULL, -P2P_EMFILE. */
int loop_init(struct loop **out, struct arena *arena, int fds, int timers);
void loop_close(struct loop *loop);

/* The clock as of this turn. */
int64_t loop_now_ms(const struct loop *loop);
/* When the loop last stood still for longer than its timers allow (a suspended machine, a stopped
 * process) and went on; 0: never. What it did not hear before then proves nothing about others. */
int64_t loop_awake_ms(const struct loop *loop);

/* fd->fd, events, on_event and ctx are set by the caller. 0 or -P2P_EFULL (fd->fd stays). */
int loop_add_fd(struct loop *loop, struct loop_fd *fd);
void loop_change_fd(struct loop *loop, struct loop_fd *fd, unsigned events);
/* No event of it is delivered afterwards, also none that already waits. Does not close it; sets
 * fd->fd to -1. Does nothing when it is -1. */
void loop_remove_fd(struct loop *loop, struct loop_fd *fd);

/* Sets or moves a timer. -P2P_EFULL when all places are taken. */
int loop_set_timer(struct loop *loop, struct loop_timer *timer, int64_t at_ms);
void loop_stop_timer(struct loop *loop, struct loop_timer *timer);

void loop_add_task(struct loop *loop, struct loop_task *task);
void loop_remove_task(struct loop *loop, struct loop_task *task);
bool loop_has_task(const struct loop_task *task);

/* From any thread: run(ctx) on the loop's thread, in the order of posting. */
void loop_post(struct loop *loop, struct loop_post *post);
/* The same from the loop's own thread, at the end of this turn: no lock, no wake-up. */
void loop_defer(struct loop *loop, struct loop_post *post);

/* Runs until loop_stop (any thread). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/* One turn: waits at most timeout_ms for something. For tests and for short clean-ups. */
void loop_turn(struct loop *loop, int timeout_ms);

#endif
