/* SPDX-License-Identifier: MIT */
/* The index role: a directory of who offers what, as routes on a server. Nodes join it, tell it
 * their changes and send a heartbeat; anybody may search. It stores no file and never opens one.
 * Loop thread. */
#ifndef INDEX_H
#define INDEX_H

#include "catalog/catalog.h"
#include "run/client.h"
#include "run/server.h"
#include "run/worker.h"

struct index_role;

struct index_config {
    struct loop *loop;
    struct client_pool *pool;  /* for connecting back; PROBE_MAX clients are used at most */
    struct record_id id;       /* of this node */
    struct str name;           /* of this node; must stay */
    enum record_role role;     /* INDEX, or BOTH */
    size_t bytes;              /* of the arena: for nodes, names, offers and all else here */
    size_t budget_bytes;       /* of the whole program, for the statistics */
    uint32_t connections;      /* of the server: as many nodes can be attached */
    int64_t lease_ms, wait_ms; /* wait: the longest that a search may take */
    uint32_t nodes_per_address, offers_per_node; /* 0: no limit */
    struct str mirrors;      /* "HOST[:PORT],..." of the same directory; may be empty */
    struct worker *resolver; /* looks their names up; NULL: IP literals only */
    /* Where the directory is kept over a restart: an open state folder and a worker that may block
     * on the disk; NULL: nowhere. Folder -1: it cannot be written; the worker is not asked then. */
    struct worker *background;
    int folder;
    int64_t snapshot_ms;         /* how long after a change at the latest */
    const struct server *server; /* whose connections the statistics tell; NULL: none */
    /* Further fields of /v1/stats, each begun by json_put_field_…; may be NULL. */
    void (*more_stats)(void *context, struct buf *buf);
    void *context;
};

/* Carves everything. 0, -P2P_EFULL (also when bytes are too few for the smallest catalog), or
 * -P2P_EIO: no random bits. */
int index_init(struct index_role **out, struct arena *arena, const struct index_config *config);
/* When all workers run: reads what is kept on disk, and begins to follow the mirrors. */
void index_start(struct index_role *role);
/* The end is near: keeps the directory on disk if it has changed, then calls left. */
void index_leave(struct index_role *role, void (*left)(void *ctx), void *ctx);
/* Before the server is closed: from now on connections that go tell nothing of their nodes. */
void index_stop(struct index_role *role);
/* After it: no node is connected back to any more, and no deadline passes. */
void index_close(struct index_role *role);

/* For server_add_routes, with the role. */
extern const struct route index_routes[];
/* server_config.ticket_gone: a connection that index_routes served is gone. */
void index_ticket_gone(struct index_role *role, void *ticket);
/* For the start line. */
struct catalog_budget index_budget(const struct index_role *role);
struct catalog *index_catalog(struct index_role *role);
/* Answers /download/NAME without own=1: for a node that is a peer too and whose own route comes
 * first. */
void index_download(struct exchange *exchange, void *role);

#endif
