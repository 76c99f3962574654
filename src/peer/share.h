/* SPDX-License-Identifier: MIT */
/* The share: a folder whose files are known by name at once, by content as they are hashed, and
 * told when they change. Composes table, hash cache, scanner, watch and hasher. Loop thread. */
#ifndef SHARE_H
#define SHARE_H

#include "base/config.h"
#include "peer/entries.h"
#include "run/worker.h"

struct share;

struct share_config {
    struct loop *loop;
    struct worker *background;
    int background_count;
    const char *path; /* real; stays */
    int state_folder; /* -1: none can be written */
    const struct config *settings;
    /* The network has to hear of this file (TREE_DIRTY is the owner's). */
    void (*changed)(void *ctx, uint32_t file);
    /* The whole share was walked, or what was to be hashed is. */
    void (*quiet)(void *ctx, bool all_hashed);
    void *ctx;
};

/* Takes at most bytes of the arena, reads the hash cache. 0, -P2P_EFULL, -P2P_ENOTFOUND (no such
 * folder). */
int share_init(struct share **out, struct arena *arena, const struct share_config *config,
               size_t bytes);
/* Begins to scan. The workers run. */
void share_start(struct share *share);
void share_reload(struct share *share, const struct config *settings);
/* After the workers have stopped. */
void share_close(struct share *share);

struct tree *share_tree(struct share *share);
struct entries *share_entries(struct share *share);
struct cache *share_cache(struct share *share);
const char *share_path(const struct share *share);

/* Looks at a path again, because what was there is not what was promised. */
void share_look_again(struct share *share, struct str path);
/* Its chain is not in the cache: hashes it again, if the cache can be written. */
void share_rehash(struct share *share, struct str path);
/* Wants the file hashed before others; how far that is. False: too many are wanted. */
bool share_want(struct share *share, uint32_t file, int64_t *out_done);

struct share_stats {
    struct tree_counts counts;
    int64_t hashing_done, hashing_size; /* of the files that are being hashed */
    uint32_t waiting;                   /* for their hash */
    uint64_t read;                      /* bytes, since the start */
    uint32_t unreadable;
    bool watching, there;
    bool scanning; /* the whole share is being walked */
};
void share_stats(const struct share *share, struct share_stats *out);

#endif
