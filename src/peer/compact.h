/* SPDX-License-Identifier: MIT */
/* Compaction of a hash cache that is more than half dead: the records that count go to a new file,
 * which then takes the old one's place. At the start at once; later in small jobs on a worker,
 * while the hasher pauses. Whoever reads from the old file goes on reading from it. Loop thread. */
#ifndef COMPACT_H
#define COMPACT_H

#include "base/log.h"
#include "peer/entries.h"
#include "peer/hasher.h"
#include "run/worker.h"

enum { COMPACT_BATCH = 128 /* records of one job: a few milliseconds on a slow disk */ };

struct compact {
    struct entries *entries;
    struct cache *cache;
    struct hasher *hasher;
    struct worker *worker;
    struct loop *home;
    /* its own */
    bool busy, open; /* open: there is a new file */
    bool leaving;
    struct cache_move move;
    uint32_t *moved; /* new places by slot */
    uint32_t slot;   /* the last one that was taken into a job */
    uint32_t before;
    struct log_gate gate;
    struct compact_job {
        struct worker_job job;
        struct compact *compact;
        uint32_t count;
        bool last;
        int result; /* of the end */
        uint32_t slots[COMPACT_BATCH], from[COMPACT_BATCH], to[COMPACT_BATCH];
    } job;
};

/* With the first five set. 0 or -P2P_EFULL. */
int compact_init(struct compact *compact, struct arena *arena);
/* Begins when it is worth it, and none is under way. */
void compact_begin(struct compact *compact);
/* The folder has no room: says so, and goes on in an unnamed file elsewhere. What the folder has
 * stays, for the next start. */
void compact_leave(struct compact *compact);
/* All of it, before workers run. */
void compact_now(struct compact *compact);
/* After the workers have stopped. */
void compact_close(struct compact *compact);

#endif
