/* SPDX-License-Identifier: MIT */
/* Reading the directory from disk: a worker reads the whole file and checks it; then it is read
 * again, in batches, and its lines are taken in slices. Loop thread, but for the jobs. */
#ifndef LOADING_H
#define LOADING_H

#include "index/intake.h"
#include "run/lines.h"
#include "run/worker.h"

enum loading_phase { LOADING_IDLE, LOADING_CHECK, LOADING_LINES, LOADING_NODES, LOADING_COMMITS };

struct loading {
    struct worker_job job; /* first */
    struct index_role *role;
    void (*done)(struct index_role *role, int error);
    struct loop_task task;
    struct intake intake;
    struct lines lines; /* the line that two pages share */
    uint8_t *page[2];   /* SAVING_PAGE each, set by the owner */
    int reading;        /* the page that the worker fills */
    bool busy;          /* it does */
    struct str rest;    /* of the other one */
    enum loading_phase phase;
    uint32_t at, count; /* the node looked at last; lines so far */
    int64_t began_ms;
    int failed;
    bool aside; /* the file, which was of no use, has another name now */
    /* the worker's, while it reads */
    int fd, error;
    int64_t offset, size; /* of the lines, without the last */
    size_t got;
    const char *fault; /* what is wrong with the file */
};

/* done(role, error) comes later, or before this returns when the file is small: 0: read;
 * -P2P_ENOTFOUND: there is none; -P2P_EVERIFY: it is of no use (loading->fault, aside); else what
 * the disk said. */
void loading_begin(struct loading *loading);
/* No call back comes any more. The worker must not run. */
void loading_stop(struct loading *loading);

#endif
