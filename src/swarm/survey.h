/* SPDX-License-Identifier: MIT */
/* What lies where files are to go, before anything is fetched: nothing, the very same bytes (then
 * the file is done), or something that must stay. Looks and hashes on a worker. */
#ifndef SURVEY_H
#define SURVEY_H

#include "run/worker.h"
#include "swarm/wanted.h"

#include <stdatomic.h>

struct survey {
    struct worker_job job;
    int root; /* the target folder; the caller's */
    bool replace;
    struct wanted *files; /* those with WANTED_OPEN are looked at */
    uint32_t count;
    atomic_bool stop; /* set by anybody: the rest is left as it is */
    void (*done)(void *ctx);
    void *ctx;
};

/* The block above but job is the caller's. Files belong to the worker until done, on the home loop.
 * result becomes 0 with was_there for the same bytes; -P2P_EEXIST, -P2P_EDENIED, -P2P_ETOOBIG … for
 * what is in the way, with a reason; and stays open where the file can be fetched. */
void survey_start(struct survey *survey, struct worker *background, struct loop *home);

/* True when the very bytes of the file lie there by now. Blocks: workers. */
bool survey_is_there(int root, const struct wanted *file);

#endif
