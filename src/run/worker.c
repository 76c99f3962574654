/* SPDX-License-Identifier: MIT */
/* A thread with a loop of its own, and jobs that go to it and come back. Knows nothing of what the
 * work is. worker_* are called on the thread that owns the worker; work runs on the worker. */
#include "run/worker.h"

int worker_init(struct worker *worker, struct arena *arena, int fds, int timers)
{
    *worker = (struct worker){0};
    return loop_init(&worker->loop, arena, fds, timers);
}

static void worker_main(void *ctx)
{
    struct worker *worker = ctx;
    loop_run(worker->loop);
}

int worker_start(struct worker *worker)
{
    int result = plat_thread_start(&worker->thread, P2P_STACK_SIZE, worker_main, worker);
    worker->running = result == 0;
    return result;
}

void worker_stop(struct worker *worker)
{
    if (!worker->running)
        return;
    loop_stop(worker->loop);
    plat_thread_join(&worker->thread);
    worker->running = false;
}

static void job_done(void *ctx)
{
    struct worker_job *job = ctx;
    job->done(job);
}

static void job_work(void *ctx)
{
    struct worker_job *job = ctx;
    job->work(job);
    job->post.run = job_done;
    loop_post(job->home, &job->post);
}

void worker_submit(struct worker *worker, struct worker_job *job)
{
    job->post = (struct loop_post){.run = job_work, .ctx = job};
    loop_post(worker->loop, &job->post);
}
