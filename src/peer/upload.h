/* SPDX-License-Identifier: MIT */
/* What others fetch from this node: its routes for content, chain, have and download on the node's
 * server. A request is looked up here and its connection then goes to an upload worker with a
 * ticket. Loop thread. */
#ifndef UPLOAD_H
#define UPLOAD_H

#include "base/config.h"
#include "peer/share.h"
#include "run/server.h"
#include "run/worker.h"

enum { UPLOAD_BUFFERS = 32 }; /* of each worker's server */

struct held;
struct upload;

struct upload_config {
    struct loop *loop;
    struct server *server; /* the node's own */
    struct worker *workers;
    int worker_count;
    uint32_t connections; /* of each worker's server */
    uint32_t buffers;     /* likewise; 0: UPLOAD_BUFFERS */
    struct share *share;  /* NULL: only what is being downloaded is served */
    struct str hosts;     /* stays */
    const struct config *settings;
    void (*elsewhere)(struct exchange *exchange, void *ctx); /* may be NULL: see peer.h */
    void *elsewhere_ctx;
    /* Without a share: is what is downloaded here offered under this name? */
    bool (*is_named)(void *ctx, struct str path);
    void *named_ctx;
};

/* Bytes of arena that it takes for each worker, beside a server. */
size_t upload_size(uint32_t connections);
/* Adds its routes. 0 or -P2P_EFULL. */
int upload_init(struct upload **out, struct arena *arena, const struct upload_config *config,
                const char node[2 * P2P_ID_SIZE + 1]);
void upload_reload(struct upload *upload, const struct config *settings);
/* The node has another id. */
void upload_rename(struct upload *upload, const char node[2 * P2P_ID_SIZE + 1]);
/* After the workers have stopped. */
void upload_close(struct upload *upload);

/* What is downloaded here: its pieces are served, too. */
void upload_held(struct upload *upload, struct held *held);

struct upload_stats {
    uint32_t active, slots; /* now; free */
    uint64_t sent, rate;    /* bytes since the start; a second, of late */
};
void upload_stats(struct upload *upload, struct upload_stats *out);

#endif
