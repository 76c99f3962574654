/* SPDX-License-Identifier: MIT */
/* The file of a download on its way: hidden in the target folder under a name made from the
 * content, locked while it grows, renamed at the end. Nothing beside it says which of its pieces
 * are good: whoever goes on with one hashes it again. */
#ifndef PART_H
#define PART_H

#include "run/worker.h"
#include "wire/record.h"

struct part {
    int folder;    /* the caller's */
    int file;      /* -1: not open */
    int64_t found; /* bytes that an earlier download left; they may be anything */
    char name[48];
};

/* Opens or makes it. 0; -P2P_EINUSE: another download of this content goes into this folder;
 * -P2P_EREADONLY … */
int part_open(struct part *part, int folder, const struct record_content *content);
/* Closes it; keep: it stays for a later download. */
void part_close(struct part *part, bool keep);

/* Why a file that is there could not have its name, in words. FAT refuses names with : or ?, and
 * says "not found" or "invalid": *error is -P2P_EINVAL then. */
const char *part_reason(int *error);

/* The last step, on a background worker: attributes, fsync, rename, fsync of the folder. */
struct part_finish {
    struct worker_job job;
    struct part *part;
    const char *name;
    int64_t size, mtime;
    bool executable, replace;
    int result;                                          /* 0, -P2P_EEXIST, -P2P_ENOSPC, … */
    char reason[128];                                    /* the system's words */
    void (*done)(void *ctx, struct part_finish *finish); /* on the home loop */
    void *ctx;
};
/* home, done, ctx and the block above are set by the caller. The part is closed afterwards, and
 * gone when result is 0. */
void part_finish(struct part_finish *finish, struct worker *background, struct loop *home);

/* Hashes a piece of the file again, on a worker. bytes is a buffer of size bytes for the reading, a
 * multiple of 64. */
struct part_check {
    struct worker_job job;
    struct part *part;
    int64_t offset;
    uint32_t length, number; /* number: the owner's own */
    bool last;
    uint8_t start[P2P_SHA256_SIZE], end[P2P_SHA256_SIZE];
    uint8_t *bytes;
    size_t size;
    int result; /* 0, or an error of the disk; -P2P_ENOTFOUND: nothing but zeros there, so it was
                   never written */
    void (*done)(void *ctx, struct part_check *check);
    void *ctx;
};
void part_check(struct part_check *check, struct worker *worker, struct loop *home);

#endif
