/* SPDX-License-Identifier: MIT */
/* One file to standard output: when all of it is proven (spooled in a file without a name), or as a
 * stream. First thread; the writing on a background worker. */
#ifndef LIVE_H
#define LIVE_H

#include "swarm/transfer.h"
#include "swarm/wanted.h"
#include "ui/session.h"

struct live {
    struct session *session;
    struct transfer *transfer;
    bool stream;
    /* The file's result and reason are set. Once. */
    void (*done)(void *ctx, struct wanted *file, const struct transfer_progress *progress);
    void *ctx;
    /* of the module */
    struct wanted *file;
    struct worker_job job;
    struct transfer_progress progress;
    int folder, spool;
    int64_t place;
    uint64_t length;
    int result;
    char reason[256];
    bool writing, stopped;
};

/* The block above is set. Holders that are known are added; done may come before this returns. */
void live_begin(struct live *live, struct wanted *file, const struct wanted_source *sources);
/* done comes when the reader has taken what is being written, or has gone. */
void live_stop(struct live *live);

#endif
