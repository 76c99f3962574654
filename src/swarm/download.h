/* SPDX-License-Identifier: MIT */
/* What the parts of a download share: contact.c asks holders what they have, fetch.c asks them for
 * pieces, publish.c lets others have them, transfer.c begins and ends it all. Only these include
 * this. Each changes the state and calls changed(); the transfer then looks what is due, so that no
 * part needs to know who comes after it. Loop thread. */
#ifndef DOWNLOAD_H
#define DOWNLOAD_H

#include "base/bucket.h"
#include "base/hash.h"
#include "swarm/held.h"
#include "swarm/holder.h"
#include "swarm/lane.h"
#include "swarm/limits.h"
#include "swarm/part.h"
#include "swarm/plan.h"
#include "swarm/transfer.h"

enum {
    DOWNLOAD_LANES = 32,    /* connections in all */
    DOWNLOAD_CONTACTS = 8,  /* holders that are asked for bitmap and chain at the same time */
    DOWNLOAD_PARTS = 64,    /* holders with a part only, at the same time; */
    DOWNLOAD_PARTS_MIN = 16 /* of a file of very many pieces */
};

/* One piece under way in a lane. */
struct fetch {
    struct lane_job job;
    struct proof_job proof;
    int request, holder; /* of the plan */
    bool busy, tainted;  /* tainted: another wrote wrong bytes over its place meanwhile */
};

struct download_lane {
    struct lane lane;
    struct download *download;
    int holder, worker; /* holder -1: free */
    int jobs;
    bool closing;
    uint64_t told; /* of our pieces, to its holder */
    struct fetch fetches[LANE_JOBS_MAX];
};

/* Asking the index for holders. */
struct sources {
    struct directory_call call;
    struct json_reader json;
    int64_t asked_ms, pause_ms; /* pause: until it is asked again */
    int status;
    bool asking, answered, alone; /* answered: or it cannot be asked; alone: no index answers */
    struct bucket hints;          /* that may be taken now */
    uint32_t round, told;         /* of asking; the last one that was answered whole */
    char target[96];
};

/* Hashing again what an earlier download left. */
struct resume {
    struct part_check checks[2 * P2P_WORKERS_MAX];
    struct proof_job jobs[2 * P2P_WORKERS_MAX];
    bool busy[2 * P2P_WORKERS_MAX];
    int count;
    uint32_t next; /* piece */
    int64_t right; /* bytes that may stay */
    bool done;
};

/* Giving pieces in order. */
struct stream {
    uint32_t next; /* the piece to give */
    bool giving;   /* the caller has it */
    bool broken;   /* what was given turned out wrong */
};

struct download {
    struct transfer_config config;
    struct transfer_want want;
    enum transfer_phase phase;
    void (*changed)(struct download *download);
    struct part part;
    struct chains chains;
    struct proof proof;
    struct plan plan;
    uint8_t *tables; /* memory of proof, plan and bitmaps */
    size_t tables_size;
    uint32_t pieces, run;
    struct lane_crew *crews[P2P_WORKERS_MAX];
    struct lane_limit limit;
    struct holder holders[TRANSFER_HOLDERS_MAX];
    struct contact contacts[DOWNLOAD_CONTACTS];
    struct download_lane *lanes;
    struct sources sources;
    struct resume resume;
    struct stream stream;
    struct held held; /* what others may have of it */
    uint8_t *held_bits;
    int held_chain; /* the pieces there belong to it */
    unsigned held_serial;
    char hex[2 * P2P_SHA256_SIZE + 1];
    struct hash_random random;
    struct bucket_meter meter;
    struct bound_meter downlink;
    int64_t held_bytes, chain_ms; /* chain_ms: since when a chain is known */
    uint64_t wasted;
    uint32_t retries;
    int fatal; /* our own disk failed: the error */
};

int64_t download_piece_offset(const struct download *download, uint32_t piece);
uint32_t download_piece_length(const struct download *download, uint32_t piece);
/* Where the piece lies in the file: in a stream its places are used over and over. */
int64_t download_piece_place(const struct download *download, uint32_t piece);
/* A holder is left alone for so long and up to half as long again, so that many who were refused at
 * the same time do not come back at the same time. */
void download_rest(struct download *download, int holder, int64_t rest_ms);
/* A holder leaves plan and proof, for a while or for good; what its lanes still bring counts for
 * nobody's request. */
void download_leave(struct download *download, int holder);

#endif
