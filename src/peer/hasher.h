/* SPDX-License-Identifier: MIT */
/* Hashing on background workers: SHA-256 and chain in one reading, two files at a time on each
 * worker, interleaved, since that is nearly twice as fast where there are SHA instructions. What is
 * found goes into the hash cache on the worker and then to the owner. A file that changes meanwhile
 * is told, not hashed. The loop's thread; lanes are the workers'. */
#ifndef HASHER_H
#define HASHER_H

#include "base/bucket.h"
#include "peer/entries.h"
#include "run/worker.h"

struct hasher;

struct hasher_config {
    struct loop *loop;
    struct worker *workers; /* a lane on each */
    int worker_count;
    const char *share; /* real path */
    struct cache *cache;
    /* The next file to hash, of those that are asked for or of all; its path in path
     * (P2P_PATH_MAX + 1 bytes). False: none now. */
    bool (*next)(void *ctx, bool asked_for, struct entries_task *out, char *path);
    void (*hashed)(void *ctx, const struct entries_result *result);
    void *ctx;
};

/* 0 or -P2P_EFULL. */
int hasher_init(struct hasher **out, struct arena *arena, const struct hasher_config *config);
/* Bytes a second in all; 0: no limit. */
void hasher_set_rate(struct hasher *hasher, uint64_t rate);
/* There may be something to hash. */
void hasher_wake(struct hasher *hasher);
/* No new work is begun until hasher_go_on; paused(ctx) when none is under way. */
void hasher_pause(struct hasher *hasher, void (*paused)(void *ctx), void *ctx);
void hasher_go_on(struct hasher *hasher);
/* No file is being hashed. */
bool hasher_is_idle(const struct hasher *hasher);
/* How far the hashing of a file is, in bytes. False: it is not being hashed. */
bool hasher_progress(const struct hasher *hasher, uint32_t file, int64_t *out_done);
/* Of all files being hashed. */
void hasher_total(const struct hasher *hasher, int64_t *out_done, int64_t *out_size);
/* Bytes read since the start. */
uint64_t hasher_read(const struct hasher *hasher);
/* After the workers have stopped: closes files. */
void hasher_close(struct hasher *hasher);

#endif
