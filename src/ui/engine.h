/* SPDX-License-Identifier: MIT */
/* What a command fetches with: transfer workers, a guest that lets others have what comes, and a
 * haul, in what is left of its memory. First thread. */
#ifndef ENGINE_H
#define ENGINE_H

#include "peer/guest.h"
#include "swarm/haul.h"
#include "ui/session.h"

struct engine {
    struct session *session;
    struct worker workers[P2P_WORKERS_MAX];
    int worker_count, descriptors;
    struct haul *haul;   /* NULL: not made */
    struct guest *guest; /* NULL: there is none */
    /* What is being fetched, for the guest; see guest.h. */
    bool (*about)(void *ctx, struct record_offer *out);
    void *ctx;
};

/* about and ctx are set. Takes the rest of the session's memory and starts the workers. 0, or an
 * error: there is too little, or -P2P_EMFILE; engine_close in any case. */
int engine_open(struct engine *engine, struct session *session);
void engine_close(struct engine *engine);

#endif
