/* SPDX-License-Identifier: MIT */
/* What a running node consists of, and how it is carved, started and taken apart. Internal to
 * src/app. First thread. */
#ifndef PARTS_H
#define PARTS_H

#include "app/app.h"
#include "app/budget.h"
#include "base/arena.h"
#include "index/index.h"
#include "peer/peer.h"

enum { PARTS_BACKGROUND = 2 }; /* hashing workers: more only divides the disk */

struct app {
    const struct app_options *options;
    struct config settings, fresh;
    struct arena arena;
    struct budget budget;
    struct identity identity;
    const char *identity_reason; /* what is to be said of it, or NULL */
    struct plat_addr address;    /* where it listens */
    int listener;                /* until the server has it */
    struct loop *loop;
    struct loop_post prompt_left;
    struct loop_fd signals;
    struct server *server;
    struct client_pool *pool;
    struct directory *directory;
    struct worker names, transfers[P2P_WORKERS_MAX], background[PARTS_BACKGROUND];
    int transfer_count, background_count;
    struct index_role *index; /* NULL in a peer */
    struct peer *peer;        /* NULL in an index */
    char share[P2P_PATH_MAX], name[P2P_NODE_NAME_MAX + 1];
    char hosts[CONFIG_TEXT_MAX + P2P_NODE_NAME_MAX + 2];
    bool opened, leaving; /* identity; told to end */
    bool on_terminal;     /* when it started */
    char *err;
    size_t err_size;
};

bool parts_has_peer(const struct app *app);
bool parts_has_index(const struct app *app);

/* Carves loop, server, client, workers and roles for a node that has its identity and its listener,
 * and starts the workers. on_signal is called with the app when a signal waits. 0 or a P2P_E…; what
 * was made so far is taken apart by parts_close in any case. */
int parts_open(struct app *app, void (*on_signal)(void *ctx, unsigned events));
/* In reverse order, also what is half made. */
void parts_close(struct app *app);

#endif
