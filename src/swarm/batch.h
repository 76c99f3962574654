/* SPDX-License-Identifier: MIT */
/* Many small files (of one piece each) from the holders that a search named: several are under way
 * in each connection, each is checked by its SHA-256 alone, they wait in a stage and get their
 * names a thousand at a time after one sync. No chain, no bitmap, no look for further holders: a
 * file that none of its holders gave stays open, for a transfer. Loop thread; bytes on transfer
 * workers, names on a background worker. */
#ifndef BATCH_H
#define BATCH_H

#include "swarm/lane.h"
#include "swarm/wanted.h"

enum {
    BATCH_SIZE_MAX = P2P_PIECE_MIN, /* larger files have a chain */
    BATCH_SOURCES_MAX = 256         /* of one run: a search names a thousand lines at most */
};

struct batch;

struct batch_config {
    struct loop *loop;
    struct lane_crew *const *crews; /* of the transfer workers; stay */
    int crew_count;
    struct worker *background;
};

/* One run. All of it stays the caller's, and in place, until done. */
struct batch_want {
    int root;
    bool replace;
    struct wanted *files; /* those that are open and small enough are fetched */
    uint32_t count;
    struct wanted_source *sources;
    uint32_t source_count;
    void (*on_file)(void *ctx, struct wanted *file); /* its result is decided */
    /* All that could be had is decided. synced: 0, or an error when it is not sure that all names
     * are on the disk. */
    void (*done)(void *ctx, int synced);
    void *ctx;
};

struct batch_progress {
    uint32_t files, staged; /* that have their names; that came and wait for them */
    uint64_t bytes, wasted;
};

/* Bytes of arena that it takes. */
size_t batch_size(void);
int batch_init(struct batch **out, struct arena *arena, const struct batch_config *config);
/* One run at a time. What a killed process staged in the root goes, also when there is nothing to
 * fetch. */
void batch_start(struct batch *batch, const struct batch_want *want);
/* Ends a run early; what has no name yet is dropped and stays open. done comes. */
void batch_stop(struct batch *batch);
void batch_progress(const struct batch *batch, struct batch_progress *out);
/* When the workers have stopped, perhaps in the middle of a run. Blocks. */
void batch_close(struct batch *batch);

#endif
