/* SPDX-License-Identifier: MIT */
/* Looking into the share: a walk reads one folder, in parts; a look asks for a few paths. Both are
 * jobs that go to a background worker and come back with what was found; what to make of it is the
 * owner's affair. The share is opened for each part and closed again, but for the folder that is
 * being read. Skips what is never offered: hidden names, symlinks and special files, what the
 * ignore patterns name, names that break the name rule (counted). */
#ifndef SCAN_H
#define SCAN_H

#include "platform/plat_file.h"
#include "platform/plat_watch.h"
#include "run/worker.h"

enum {
    SCAN_PART = 48 * 1024,  /* bytes of what is found that come back at once */
    SCAN_LOOKS_MAX = 64,    /* paths of one look */
    SCAN_PATHS = 16 * 1024, /* bytes of their paths */
    SCAN_IGNORE_MAX = 1024,
    SCAN_PART_MS = 10 /* a worker has other work too */
};

/* The share as the worker opens it. */
struct scan_root {
    const char *path;
    struct worker *worker;
    struct loop *home;
    char ignore[SCAN_IGNORE_MAX]; /* patterns with blanks between; changed only between jobs */
};

/* An entry that a walk found; stat.kind is FILE or FOLDER (then only the kind is set). */
struct scan_item {
    struct plat_stat stat;
    uint16_t name_len;
    char name[P2P_PART_MAX + 1];
};

struct scan_walk {
    struct worker_job job;
    const struct scan_root *root;
    struct plat_watch *watch;    /* NULL: the folder is not to be watched */
    char path[P2P_PATH_MAX + 1]; /* of the folder, "" for the share itself */
    size_t path_len;
    void (*part)(void *ctx, struct scan_walk *walk);
    void *ctx;
    /* what came back */
    int error;                  /* 0, or why the folder cannot be read */
    int watch_id;               /* -1: not watched (yet); or why not */
    bool end;                   /* the folder is read */
    uint32_t skipped;           /* names in this part that break the name rule */
    struct plat_stat root_stat; /* of the share: whether it is the same as before */
    /* the worker's */
    struct plat_dir dir;
    bool open;
    size_t used;
    _Alignas(8) uint8_t bytes[SCAN_PART];
};

/* Begins to read walk->path (set before, with part, ctx, root and watch). part is called on the
 * home loop, first without entries when the folder is to be watched, so that its owner knows the
 * watch before anything is read; then again for each part until end or error. */
void scan_walk_begin(struct scan_walk *walk);
/* Asks for the next part; from part, or later. */
void scan_walk_go_on(struct scan_walk *walk);
/* The entry at *at (begin with 0) of this part; false: no more. */
bool scan_walk_item(const struct scan_walk *walk, size_t *at, struct scan_item *out);
/* After the workers have stopped: closes what is open. */
void scan_walk_close(struct scan_walk *walk);

struct scan_look {
    struct worker_job job;
    const struct scan_root *root;
    void (*done)(void *ctx, struct scan_look *look);
    void *ctx;
    uint32_t count;
    size_t used;
    int error; /* of the share itself; then nothing was looked at */
    struct plat_stat root_stat;
    struct scan_found {
        uint16_t path, path_len; /* in paths; each with a NUL */
        uint8_t cause;           /* the owner's */
        int error;               /* 0; -P2P_ENOTFOUND: nothing there that could be offered */
        struct plat_stat stat;
    } found[SCAN_LOOKS_MAX];
    char paths[SCAN_PATHS];
};

/* Empties it. */
void scan_look_clear(struct scan_look *look);
/* Adds a path. False: it is full. */
bool scan_look_add(struct scan_look *look, struct str path, uint8_t cause);
/* Looks at all of them, and at the share itself; then done(ctx). */
void scan_look_begin(struct scan_look *look);

#endif
