/* SPDX-License-Identifier: MIT */
/* Writing the directory to disk: made on the loop in slices, written by a worker in batches to a
 * temporary file, which takes the old one's name when it is whole and on the disk. Loop thread, but
 * for the job. */
#ifndef SAVING_H
#define SAVING_H

#include "catalog/snapshot.h"
#include "index/role.h"
#include "wire/digest.h"

#define SAVING_NAME "snapshot"

enum {
    SAVING_PAGE = 64 * 1024, /* a batch */
    SAVING_HEAD_MAX = 128,
    SAVING_TAIL_MAX = 256
};

struct saving {
    struct worker_job job; /* first */
    struct index_role *role;
    void (*done)(struct index_role *role, int error);
    struct loop_task task;
    struct snapshot snapshot;
    struct buf page[2]; /* memory of SAVING_PAGE each, set by the owner */
    int filling;        /* the page that the loop fills; the other may be the worker's */
    uint64_t n;         /* of the feed, with which the snapshot goes; known at its end */
    bool under_way, writing, ended;
    int failed;
    /* the worker's, while it writes */
    struct digest digest;
    struct str batch;
    uint64_t bytes;
    int fd, error;
    bool last;
};

/* Begins one. done is called later, with 0 when the file is there; -P2P_EBUSY: too much changed
 * meanwhile; else what the disk said. */
void saving_begin(struct saving *saving);
/* No call back comes any more. The worker must not run. */
void saving_stop(struct saving *saving);
/* The file's first line, for a node with this id. Returns its length. */
size_t saving_head(const struct record_id *id, char out[static SAVING_HEAD_MAX]);

#endif
