/* SPDX-License-Identifier: MIT */
/* Serves the files of tickets on an upload worker: content, chain, have, download. A ticket says
 * which file of the share a connection came for and what it was when it was hashed; the file is
 * opened beneath the share, served only while it is still that, and closed when nothing was asked
 * for a while. Or it says which download: then those pieces are served that are here (held.h).
 * Whatever else is asked for goes back to the node's own server. The worker's thread, but for init
 * and close. */
#ifndef HANDOUT_H
#define HANDOUT_H

#include "base/bucket.h"
#include "peer/asked.h"
#include "peer/cache.h"
#include "platform/plat.h"
#include "run/deadline.h"
#include "run/server.h"
#include "run/worker.h"
#include "swarm/held.h"

#include <stdatomic.h>

enum { HANDOUT_PART = 8192 }; /* of a chain that is checked */

/* What all workers count together, before each part of a body: a limit is of them all. */
struct handout_shared {
    _Atomic(uint32_t) active, most; /* uploads now, and allowed */
    _Atomic(uint32_t) waiting;      /* requests that wait for one of them to end */
    struct plat_mutex mutex;        /* of the two below */
    struct bucket bucket;
    uint64_t sent;
    struct asked asked;
};

struct handout_ticket {
    struct loop_post post; /* to go home, or with a complaint */
    struct handout *handout;
    /* set at home */
    char path[P2P_PATH_MAX + 1];
    size_t path_len;
    uint64_t print;
    int64_t size;
    struct record_content content;
    uint32_t record; /* in the cache's file; 0: none */
    int cache_file;
    struct held *held; /* of a download; NULL: a file of the share. Its file and its chain's (in
                          cache_file) are open already, and the ticket's own */
    uint32_t held_serial;
    struct askers *askers; /* NULL: they are not noted */
    /* the worker's */
    int file;   /* -1: closed */
    bool ready; /* chain_id and record_head are what the cache has */
    bool has_chain, served, in_use;
    int complaint; /* what is wrong with the file, told when the ticket goes home */
    uint8_t chain_id[P2P_CHAIN_ID_SIZE];
    int64_t chain_at;
    uint32_t states;
    uint64_t have_next;  /* of the bits that are being sent */
    uint64_t told;       /* pieces that its asker knows of: of held, or of what was asked */
    bool named;          /* the request names the chain: a node asks */
    bool proven;         /* the request that runs gets proven pieces only */
    bool crowd;          /* its asker serves what it fetches, and others fetch it, too */
    bool followed;       /* last_piece is set */
    uint32_t last_piece; /* that a node was served of a whole file */
    /* a request that waits for a slot, what it asked for and since when */
    struct exchange *waits;
    int64_t first, length, since_ms;
    int status;
    bool is_download;
    struct deadline keep;
};

struct handout {
    struct server *server, *home;
    struct worker *worker;
    struct handout_shared *shared;
    const char *share;
    struct deadlines keeps;
    struct handout_ticket *line[HANDOUT_WAITING]; /* that wait, the first first */
    uint32_t line_count;
    struct loop_timer line_timer;
    /* A ticket has come home; on the home loop. */
    void (*back)(void *ctx, struct handout_ticket *ticket);
    void *ctx;
    struct loop *home_loop;
    uint8_t part[HANDOUT_PART];
    struct loop_post rename;
    bool renaming; /* home's: the post is away */
    char node[2 * P2P_ID_SIZE + 1];
};

/* With all up to ctx and home_loop set; makes the server. 0 or -P2P_EFULL. */
int handout_init(struct handout *handout, struct arena *arena, struct server_config *config);
/* After the workers have stopped. */
void handout_close(struct handout *handout);

extern const struct route handout_routes[];

#endif
