/* SPDX-License-Identifier: MIT */
/* Fetches a list of files into a folder: looks what lies there, gets the small ones in a batch, and
 * one by one those that are not small or that the batch did not get. For the command get, and for a
 * peer that fetches. Loop thread. */
#ifndef HAUL_H
#define HAUL_H

#include "swarm/transfer.h"
#include "swarm/wanted.h"

struct haul;

/* One run. All of it stays the caller's, and in place, until done. */
struct haul_want {
    int root;               /* the target folder */
    bool replace, constant; /* as in transfer_want; */
    bool lasting;           /* likewise, where there is one file */
    struct wanted *files;   /* those that are open are fetched; all of them are hashed */
    uint32_t count;
    struct wanted_source *sources;
    uint32_t source_count;
    /* A file's result is decided; its reason lives until this returns. transfer: it came (or not)
     * in pieces, with these figures; NULL: in a batch, or not at all. */
    void (*on_file)(void *ctx, struct wanted *file, const struct transfer_progress *transfer);
    /* All are decided, but those that haul_stop left open. synced: 0, or an error when it is not
     * sure that all names are on the disk. */
    void (*done)(void *ctx, int synced);
    void *ctx;
};

enum { HAUL_KEEP = 1 << 20 }; /* bytes of a .part that a stop leaves: less is soon fetched again */

/* WAITING: another get brings the same content into the same folder. */
enum haul_stage { HAUL_IDLE, HAUL_SURVEYING, HAUL_IN_BATCH, HAUL_IN_TRANSFER, HAUL_WAITING };

struct haul_progress {
    enum haul_stage stage;
    uint32_t done, count;      /* files that are decided; of this run */
    uint32_t staged;           /* that wait for their names */
    uint64_t bytes, size;      /* that are here; of all files of this run */
    const struct wanted *file; /* in transfer, or waiting; else NULL */
    struct transfer_progress transfer;
};

/* What transfer_init takes; the workers are not started yet. 0 or -P2P_EFULL. */
int haul_init(struct haul **out, struct arena *arena, const struct transfer_config *config);
void haul_start(struct haul *haul, const struct haul_want *want);
/* Ends a run early; done comes. A .part of more than HAUL_KEEP stays for the next time, and
 * haul_kept says how large it is (0: nothing stays). */
void haul_stop(struct haul *haul);
/* Tells a transfer of the holders that are known already; it asks for more by itself. */
void haul_add_holders(struct transfer *transfer, const struct wanted *file,
                      const struct wanted_source *sources);
/* Its transfer, to be used by itself while no run is under way. */
struct transfer *haul_transfer(const struct haul *haul);
/* What others may have of what it fetches. */
struct held *haul_held(const struct haul *haul);
int64_t haul_kept(const struct haul *haul);
void haul_progress(const struct haul *haul, struct haul_progress *out);
/* When the workers have stopped, perhaps in the middle of a run. Blocks. */
void haul_close(struct haul *haul);

#endif
