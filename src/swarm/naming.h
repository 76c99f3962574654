/* SPDX-License-Identifier: MIT */
/* Gives files of a stage their names, many at a time: one sync, then a rename each. A job for a
 * background worker. */
#ifndef NAMING_H
#define NAMING_H

#include "run/worker.h"
#include "swarm/stage.h"

enum { NAMING_MAX = 1024 }; /* files at a time: so many can be lost by a power cut at once */

struct naming {
    struct worker_job job;
    struct stage *stage;
    const struct wanted *files;
    bool replace;
    uint32_t count, number[NAMING_MAX]; /* in files, and in the stage */
    int error[NAMING_MAX];              /* how each ended */
    const char *reason[NAMING_MAX];     /* the system's words for that, or NULL */
    void (*done)(void *ctx, struct naming *naming);
    void *ctx;
};

/* What stands above error is the caller's. Files without bytes need not be in the stage. All belong
 * to the worker until done, on the home loop. */
void naming_start(struct naming *naming, struct worker *background, struct loop *home);

#endif
