/* SPDX-License-Identifier: MIT */
/* The life of a file of the share: seen, written to, settled, hashed, gone, kept for what the hash
 * cache knows of it, forgotten. Decides what is hashed next and tells when the network has to hear
 * of a file. Opens nothing and knows no thread: scanner and hasher bring what they found. Loop
 * thread. */
#ifndef ENTRIES_H
#define ENTRIES_H

#include "peer/cache.h"
#include "peer/tree.h"

enum {
    ENTRIES_URGENT_MAX = 16,  /* files asked for before they are hashed; others wait in order */
    ENTRIES_SETTLE_MAX = 512, /* files watched until they settle; more are hashed as they are */
    ENTRIES_AGE_MAX = 255,    /* looks at a file that never settles, then it is hashed even so */
    ENTRIES_RACY_S = 2,       /* clocks of file systems are as coarse as that (FAT) */
    ENTRIES_ABSENT_MIN = 1024 /* files that are gone and remembered, at least */
};

struct entries {
    struct tree tree;
    struct cache *cache;
    int64_t settle_ms; /* how long a file has to stay the same; the caller's */
    void (*changed)(void *ctx, uint32_t file);
    void *ctx;
    uint32_t queue_first, queue_last, queued;
    uint32_t urgent[ENTRIES_URGENT_MAX];
    uint32_t urgent_count;
    struct entries_wait {
        uint32_t file;
        int64_t due_ms;
    } settle[ENTRIES_SETTLE_MAX]; /* a ring, the earliest first */
    uint32_t settle_first, settle_count;
    uint32_t absent_limit, hand;
    uint32_t news;       /* counts changes seen: a scan looks whether it moved */
    uint32_t unreadable; /* files that could not be opened, as of now */
    uint32_t refused;    /* files that found no room in the table since the last look */
};

/* A file to hash. path is out's. */
struct entries_task {
    uint32_t file;
    uint64_t print;
    int64_t size;
    struct str path;
};
/* What came of it. result: 0; -P2P_ECHANGED; or why it could not be read. */
struct entries_result {
    uint32_t file;
    int result;
    uint64_t print;
    struct record_content content;
    uint32_t record; /* in the cache; 0: it could not be written */
    bool racy;
};

enum entries_cause {
    ENTRIES_SCANNED, /* by a walk: settled when it was written a while ago */
    ENTRIES_REMOVED, /* it was said to be gone, and nothing else since */
    ENTRIES_CHANGED, /* maybe being written right now */
    ENTRIES_SETTLED  /* closed, or moved in */
};

/* Takes at most bytes of the arena. 0 or -P2P_EFULL. */
int entries_init(struct entries *entries, struct arena *arena, size_t bytes);
/* A number that is another when anything of a file differs that its content may depend on. */
uint64_t entries_print(const struct plat_stat *stat);
/* True when a change at wall_s could leave the file's mtime as it is. */
bool entries_is_racy(int64_t mtime_s, int64_t wall_s);

/* For cache_open, with the entries: what the last run knew. */
void entries_loaded(void *ctx, const struct cache_record *record, uint32_t place);
/* A regular file is there. Its slot, or 0: there was no room. */
uint32_t entries_seen(struct entries *entries, uint32_t folder, struct str name,
                      const struct plat_stat *stat, enum entries_cause cause);
/* The file is there no more. Its slot may be free afterwards. */
void entries_gone(struct entries *entries, uint32_t file);
/* A present file that is not refused to others: it is offered, hashed or not. */
bool entries_is_offered(const struct entries *entries, uint32_t file);
/* The network was told of it (TREE_DIRTY was taken off): a file that is gone may be forgotten. */
void entries_release(struct entries *entries, uint32_t file);
/* Its record is lost or damaged: hashed again, though nothing speaks against its content. */
void entries_rehash(struct entries *entries, uint32_t file);

/* The next file whose wait is over, to be looked at: entries_seen or entries_gone follow, and what
 * is settled by now enters the hash queue. 0: none now; *out_wait_ms until the next, -1: never. */
uint32_t entries_due(struct entries *entries, int64_t now_ms, int64_t *out_wait_ms);
/* Wants a file hashed before others. False: too many are. */
bool entries_want(struct entries *entries, uint32_t file);
/* The next file to hash: of those that are wanted before others, or (else) of all in order; path
 * has P2P_PATH_MAX + 1 bytes. False: none. */
bool entries_next(struct entries *entries, bool wanted, struct entries_task *out, char *path);
void entries_hashed(struct entries *entries, const struct entries_result *result);
/* Files that wait for their hash or for settling, and those being hashed. */
bool entries_is_idle(const struct entries *entries);

/* All files are gone, and remembered: about max of them at a time, from *at (begin with 0) on.
 * False: that was all. */
bool entries_withdraw(struct entries *entries, uint32_t *at, uint32_t max);
/* Forgets some of what is gone and remembered, down to the limit; whole: the share was seen as a
 * whole, so that the limit is the usual one again. Slots of files that are gone may be free
 * afterwards. */
void entries_trim(struct entries *entries, bool whole);
/* The share is empty of that folder's file or folder: frees the folder when nothing is in it. */
void entries_release_folder(struct entries *entries, uint32_t folder);

#endif
