/* SPDX-License-Identifier: MIT */
/* What this node fetches because somebody on this machine orders it: POST /v1/fetch with the
 * control key. Files land in the save folder; what lands in the share is offered as a copy. One
 * order at a time. Loop thread. */
#ifndef ORDER_H
#define ORDER_H

#include "base/config.h"
#include "node/directory.h"
#include "node/identity.h"
#include "peer/share.h"
#include "run/server.h"

struct held;
struct membership;
struct order;

struct order_config {
    struct loop *loop;
    struct server *server;
    struct client_pool *pool;
    struct directory *directory;
    struct worker *workers; /* for transfers, not started yet */
    int worker_count;
    struct worker *background;
    struct share *share;
    struct membership *membership;   /* the index hears how much of a download is here */
    const struct identity *identity; /* its control key opens the route */
    uint16_t port;                   /* where this node listens */
    const struct config *settings;
};

/* Bytes of the arena that it takes of so many of a role; 0: too few, this node fetches nothing. */
size_t order_size(size_t role_memory);
/* Carves, reads which files are copies, adds the route. 0 or -P2P_EFULL. */
int order_init(struct order **out, struct arena *arena, const struct order_config *config);
/* What others may have of what is fetched. */
struct held *order_held(const struct order *order);
/* The share found out something about this file: one that was fetched here may be its own now. */
void order_seen(struct order *order, uint32_t file);
/* Since the start: bytes that came and were right, that came for nothing, and how often somebody
 * was found to have sent wrong ones. */
struct order_totals {
    uint64_t fetched, wasted, blamed;
};
const struct order_totals *order_totals(const struct order *order);
/* Files that are ordered and not here yet. */
uint32_t order_open_files(const struct order *order);
/* Ends the order under way; what of a .part is here stays. */
void order_leave(struct order *order);
/* After the workers have stopped. */
void order_close(struct order *order);

#endif
