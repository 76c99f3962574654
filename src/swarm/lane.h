/* SPDX-License-Identifier: MIT */
/* A lane is one connection to one holder, on a transfer worker: it asks for pieces, receives them
 * into the worker's buffers, hashes them (two at a time where it can), writes those that lead where
 * they should, and posts back where they led. It knows nothing of plan and proof. lane_* are called
 * on the home loop; the rest happens on the worker. */
#ifndef LANE_H
#define LANE_H

#include "base/bucket.h"
#include "run/client.h"
#include "run/worker.h"
#include "wire/digest.h"

enum {
    LANE_JOBS_MAX = 16,     /* requests under way in one connection: what run/client takes */
    LANE_BIG = 1024 * 1024, /* a buffer that holds a whole piece of a file up to 2 GiB */
    LANE_HAVE = 120,        /* bytes of a P2P-Have that are sent and read */
    LANE_SMALL = 64 * 1024  /* when all big ones are in use by other connections */
};

/* What all lanes together may receive: shared by the crews of all workers. Any thread. */
struct lane_limit {
    struct plat_mutex mutex;
    struct bucket bucket;
};
/* rate in bytes/s; 0: no limit. */
void lane_limit_init(struct lane_limit *limit, uint64_t rate);

/* The part of a worker that lanes share: HTTP clients and buffers. */
struct lane_crew;

/* connections, I/O buffers, and small buffers for pieces. */
struct lane_room {
    uint32_t clients, buffers;
    int small;
};
/* Before the worker starts. 0 or -P2P_EFULL. */
int lane_crew_init(struct lane_crew **out, struct arena *arena, struct worker *worker,
                   const struct lane_room *room);
/* All its lanes keep to this limit. Before the worker starts. */
void lane_crew_limit(struct lane_crew *crew, struct lane_limit *limit);
/* Adds big buffers. */
int lane_crew_add(struct lane_crew *crew, struct arena *arena, int big);

/* One piece to fetch. The owner fills the first block and lends the job until on_result. */
struct lane_job {
    /* The name (SHA-256) of another content than the lane's, to be fetched whole; NULL: a piece of
     * the lane's. */
    const uint8_t *content;
    int64_t offset;  /* of the piece in the content */
    int64_t place;   /* and in the file */
    uint32_t length; /* not 0 */
    bool last;       /* the piece that ends the content: its end is the digest, with the padding */
    uint8_t start[P2P_SHA256_SIZE], expected[P2P_SHA256_SIZE];
    uint32_t piece, number;   /* the owner's own */
    char have[LANE_HAVE + 1]; /* P2P-Have: new pieces of ours, told in the request (empty: none);
                                 then those of the holder, from its answer */
    /* the result: 0: the bytes came, end says where they led, and they are written if it is as
     * expected; -P2P_EBUSY: ask again after retry_ms; -P2P_ENOTFOUND: it has not got that;
     * -P2P_EPROTO: a wrong answer; -P2P_ENOSPC, -P2P_ETOOBIG, -P2P_EIO: our disk; -P2P_ECLOSED and
     * the like: the connection, and all jobs behind this one come back with -P2P_ECLOSED */
    int result, retry_ms;
    uint8_t end[P2P_SHA256_SIZE];
    uint32_t received; /* bytes */
    bool wrote;        /* bytes reached the file, whatever they are worth by now */
    /* of the lane */
    struct digest digest;
    int http_status;
    struct loop_post post;
    struct lane *lane;
    struct lane_job *next;
};

struct lane_config {
    struct lane_crew *crew;
    struct loop *home;
    struct plat_addr addr;
    struct str target;  /* "/v1/content/HEX"; empty when each job names its content */
    struct str headers; /* whole lines for each request, such as P2P-Chain; at most 120 bytes */
    int64_t size;       /* of the content */
    int file;           /* where pieces go, by offset; stays the owner's */
    /* Instead of the file: takes the bytes of a piece that is right, on the worker. 0, or what the
     * job's result becomes. NULL: the file. */
    int (*keep)(void *ctx, struct lane_job *job, const void *bytes);
    void (*on_result)(void *ctx,
                      struct lane_job *job); /* on the home loop, in the order of fetching */
    void (*on_closed)(void *ctx); /* on the home loop: nothing of the lane is in use any more */
    void *ctx;
};

/* In memory of the owner. */
struct lane {
    struct lane_config config;
    char target[96], headers[208];
    struct loop_post message; /* closing, then closed */
    /* of the worker */
    struct client *client;
    struct lane_job *first, *last; /* waiting for their bytes, in order */
    struct lane_slot *filling,
        *parked; /* parked: a whole piece that waits for a second one to be hashed beside */
    struct loop_timer pause;   /* until the limit lets more in */
    size_t granted;            /* bytes that the limit has let in and that have not come yet */
    struct lane *next_waiting; /* for a buffer */
    bool waiting;
};

void lane_open(struct lane *lane, const struct lane_config *config);
void lane_fetch(struct lane *lane, struct lane_job *job);
/* Closes the connection: jobs under way come back with -P2P_ECLOSED, then on_closed. Once. */
void lane_close(struct lane *lane);

#endif
