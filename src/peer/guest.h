/* SPDX-License-Identifier: MIT */
/* A guest: a command that downloads and lets others have what is here already. It listens on a port
 * of the system's choice, has an id for as long as it runs, and joins the index with the one file
 * that is on its way, once some of it is here. Loop thread. */
#ifndef GUEST_H
#define GUEST_H

#include "base/config.h"
#include "node/directory.h"
#include "run/worker.h"
#include "swarm/held.h"

struct guest;

struct guest_config {
    struct loop *loop;
    struct directory *directory;
    struct worker *workers; /* that transfer; not started yet */
    int worker_count;
    const struct config *settings;
    /* What is being fetched, or was fetched last; its texts stay until the next call. False:
     * nothing that others could want. */
    bool (*about)(void *ctx, struct record_offer *out);
    void *ctx;
};

/* Bytes of the arena that it takes. */
size_t guest_size(int worker_count);
/* Carves and listens. 0, or an error: then there is no guest, and nothing is to be closed. */
int guest_init(struct guest **out, struct arena *arena, const struct guest_config *config);
struct record_id guest_id(const struct guest *guest);
uint16_t guest_port(const struct guest *guest);
/* Looks now and then whether there is something to offer, and joins when there is. */
void guest_start(struct guest *guest, struct held *held);
/* It has joined, so that somebody may fetch from it. */
bool guest_is_in(const struct guest *guest);
/* Looks now, whether there still is something to offer. */
void guest_look(struct guest *guest);
/* The index is about to hear of what changed. */
bool guest_is_telling(const struct guest *guest);
/* Leaves the network; left(ctx) when the index has answered, or 1.5 s have passed. Only while it is
 * in. */
void guest_leave(struct guest *guest, void (*left)(void *ctx), void *ctx);
/* After the workers have stopped: cuts uploads. */
void guest_close(struct guest *guest);

#endif
