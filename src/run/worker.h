/* SPDX-License-Identifier: MIT */
/* A worker: a thread with a loop of its own. Work reaches it by loop_post to worker->loop and goes
 * back by loop_post to the sender's loop: whoever was handed a thing owns it until it is handed
 * back. Transfers and background work (hashing, scanning, fsync, names) have workers of their own,
 * since the latter block on the disk. */
#ifndef WORKER_H
#define WORKER_H

#include "platform/plat.h"
#include "run/loop.h"

struct worker {
    struct loop *loop;
    struct plat_thread thread;
    bool running;
};

/* Makes the loop. 0, -P2P_EFULL, -P2P_EMFILE. */
int worker_init(struct worker *worker, struct arena *arena, int fds, int timers);
/* Starts the thread; worker stays where it is from now on. 0 or -P2P_EFULL. */
int worker_start(struct worker *worker);
/* Stops the loop and waits for the thread. Posts that wait are not run. The loop can still be used
 * by the caller, to close what lives on it; then loop_close. Does nothing when it does not run. */
void worker_stop(struct worker *worker);

/* A blocking piece of work on a worker, with its result back on the home loop: work runs there,
 * then done here. The job belongs to the worker in between. */
struct worker_job {
    void (*work)(struct worker_job *job);
    void (*done)(struct worker_job *job);
    struct loop *home;
    struct loop_post post;
};
void worker_submit(struct worker *worker, struct worker_job *job);

#endif
