/* SPDX-License-Identifier: MIT */
/* One download at a time: holders, chains, plan and proof on the loop thread; bytes on transfer
 * workers (lane.h), which receive, hash and write pieces and post back where they led. It ends with
 * the file whole under its name, or with nothing under it. Loop thread. */
#ifndef TRANSFER_H
#define TRANSFER_H

#include "node/directory.h"
#include "run/worker.h"
#include "wire/record.h"

enum { TRANSFER_HOLDERS_MAX = 64 };

struct transfer;
struct lane_crew;
struct held;

struct transfer_config {
    struct loop *loop;
    struct client_pool *pool;    /* of the loop: chains, bitmaps */
    struct directory *directory; /* asked for holders, again and again while it runs */
    struct worker
        *workers; /* for transfers; initialised, not started yet: buffers are carved for them */
    int worker_count;
    struct worker *background; /* fsync, rename */
    int connections;           /* most connections to one holder */
    uint64_t download_limit;   /* bytes/s for all connections together; 0: none */
    uint64_t min_free;         /* bytes that must stay free on the disk */
    struct record_id self;     /* a holder with this id is left out */
    uint16_t port;             /* where what is here is served to others; 0: it is not */
    int patience_ms; /* without any holder that can be asked; 0: PATIENCE_MS of limits.h */
    size_t memory;   /* bytes of the arena, for buffers and tables */
};

struct transfer_want {
    struct record_content content;
    int64_t size; /* as the index says; unproven */
    int64_t mtime;
    bool executable;
    int folder;       /* where the file goes; stays the caller's */
    const char *name; /* its name there, checked by the name rule; stays the caller's */
    bool replace;     /* an existing file of that name may go */
    bool constant;    /* nothing but this content will do: a part of it is kept even when those who
                         had it have changed it */
    bool lasting;     /* it will be served on: also when it is but one piece */
    /* Instead of a name: the bytes go into this open file of the caller's, which is empty; folder
     * is then only where chains lie meanwhile. */
    bool unnamed;
    int file;
    /* Not 0: a stream. Pieces come in order, as soon as they are consistent, and the file holds so
     * many of them at most: on_piece says where the next one lies, and transfer_given that it may
     * be written over. What was given is proven only when done comes with 0. */
    uint32_t window;
    void (*on_piece)(void *ctx, int64_t place, uint32_t length);
    /* Once, when nothing of the download is in use any more. result: 0; -P2P_ENOTFOUND: no holder;
     * -P2P_EVERIFY: bytes failed from every holder; -P2P_ECHANGED: those who had it have it no
     * more; -P2P_EUNREACH, -P2P_ENOSPC, -P2P_EEXIST, -P2P_EINUSE …; -P2P_EAGAIN: stopped by
     * transfer_stop. reason: a sentence for people, NULL after 0. */
    void (*done)(void *ctx, int result, const char *reason);
    void *ctx;
};

enum transfer_phase {
    TRANSFER_IDLE,
    TRANSFER_FINDING,
    TRANSFER_RUNNING,
    TRANSFER_FINISHING,
    TRANSFER_STOPPING,
    TRANSFER_WAITING, /* for another get, which fetches the same: told by a haul */
    TRANSFER_STUCK,   /* nobody who answers has what is missing */
    TRANSFER_SILENT   /* those who have it sent no piece for some time */
};

struct transfer_source {
    struct record_id id;
    char name[P2P_NODE_NAME_MAX + 1];
    struct plat_addr addr;
    uint64_t bytes; /* of pieces that were right */
    uint64_t rate;  /* its best mean, bytes/s */
    bool blamed, failed;
};

struct transfer_progress {
    enum transfer_phase phase;
    int64_t size, done;           /* bytes consistent and written */
    int64_t found, resumed;       /* bytes that an earlier download left; those that were right */
    uint64_t wasted;              /* bytes received for nothing */
    uint32_t retries;             /* pieces asked for again */
    double rate;                  /* bytes/s over the last seconds */
    int64_t elapsed_ms, bound_ms; /* bound: what it could have been at best, see bound.h */
    uint32_t nowhere, pieces;     /* while it is stuck: missing ones that nobody has, and all; */
    int64_t wait_ms;              /* and how long it still waits for them; silent: since when */
    int sources;                  /* that gave bytes, or were blamed */
    struct transfer_source source[TRANSFER_HOLDERS_MAX];
};

/* Carves buffers and tables. 0 or -P2P_EFULL. */
int transfer_init(struct transfer **out, struct arena *arena, const struct transfer_config *config);
/* What lanes share on each of the workers, for a batch beside the transfer. */
struct lane_crew *const *transfer_crews(const struct transfer *transfer);
/* What others may have of the download that runs, or of the last one when it ended well. */
struct held *transfer_held(struct transfer *transfer);
/* Starts a download; none may be under way. 0: done will come; else it could not begin
 * (-P2P_ETOOBIG: more pieces than the memory has room for) and done does not come. */
int transfer_start(struct transfer *transfer, const struct transfer_want *want);
/* Why it could not start, for the user. */
const char *transfer_start_reason(int error);
/* Adds a holder (a line of sources or of search). Left out when known, blamed, self, or one too
 * many. */
void transfer_add_holder(struct transfer *transfer, const struct record_result *holder);
/* The piece that on_piece told of last was used. */
void transfer_given(struct transfer *transfer);
/* Pieces that a stream of a content of this size may hold: a few MiB of them. */
uint32_t transfer_window(int64_t size);
void transfer_progress(struct transfer *transfer, struct transfer_progress *out);
/* Ends it early: done comes with -P2P_EAGAIN when connections and buffers are free again. keep: the
 * .part stays for a later download. */
void transfer_stop(struct transfer *transfer, bool keep);

#endif
