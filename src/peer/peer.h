/* SPDX-License-Identifier: MIT */
/* The peer role: a share (scanned, watched, hashed), its membership in the network, and the upload
 * of what it offers. Composes share, membership and upload; src/app gives it loop, server and
 * workers. Loop thread. */
#ifndef PEER_H
#define PEER_H

#include "base/config.h"
#include "node/directory.h"
#include "node/identity.h"
#include "run/server.h"

/* What the role takes of the loop and of each transfer worker's loop, beside their servers. */
enum {
    PEER_LOOP_FDS = 1, /* of the watch; its client connection is the pool's */
    PEER_LOOP_TIMERS = 9,
    PEER_WORKER_CONNECTIONS = 64,                   /* of each upload worker's server */
    PEER_WORKER_FDS = PEER_WORKER_CONNECTIONS + 16, /* and what is fetched */
    PEER_WORKER_TIMERS = 5
};

struct peer;

struct peer_config {
    const struct config *settings; /* read at init and at peer_reload only */
    struct identity *identity;
    struct loop *loop;
    struct server *server;    /* the node's own, on the loop; peer_init adds its routes */
    struct client_pool *pool; /* of the loop; for what is fetched */
    struct directory *directory;
    struct worker *transfers; /* upload workers, not started yet: peer_init carves their servers */
    int transfer_count;
    struct worker *background; /* scanning, hashing */
    int background_count;
    const char *share;     /* real path of the shared folder; stays */
    struct str name;       /* the node's; stays */
    struct str hosts;      /* as the node's own server has them; stays */
    enum record_role role; /* PEER or BOTH (list, search, stats are then the index's) */
    uint16_t port;         /* where the node listens */
    size_t memory;         /* bytes of the arena this role may use */
    size_t memory_bytes;   /* of the whole program, for the statistics */
    /* BOTH: who answers /download/NAME without own=1 when the file is not in this share
     * (index_download with its role): so the peer's routes are added first. NULL: the client is
     * sent to the index that this node has joined. */
    void (*elsewhere)(struct exchange *exchange, void *ctx);
    void *elsewhere_ctx;
};

/* Carves, opens the hash cache, adds routes. 0, -P2P_EFULL, -P2P_ENOTFOUND (share). */
int peer_init(struct peer **out, struct arena *arena, const struct peer_config *config);
/* Files that fit, for the start line. */
uint32_t peer_budget_files(const struct peer *peer);
/* Begins to scan and to join. The workers run. */
int peer_start(struct peer *peer);
/* The settings were read again: ignore, scan intervals, rates, uploads. */
void peer_reload(struct peer *peer, const struct config *settings);
/* Figures of the share for the statistics of a node in both roles (index_config.more_stats). */
void peer_put_stats(struct peer *peer, struct buf *buf);
/* Leaves the network; left(ctx) when the index has answered, or 1.5 s have passed. Uploads under
 * way go on until peer_close. */
void peer_leave(struct peer *peer, void (*left)(void *ctx), void *ctx);
/* After the workers have stopped: cuts uploads, closes files. */
void peer_close(struct peer *peer);

#endif
