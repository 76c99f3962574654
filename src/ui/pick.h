/* SPDX-License-Identifier: MIT */
/* What a WHAT means: a SHA-256, else an exact name, else NAME@NODE, else a glob, or a folder ending
 * in "/"; and who has the files. A search answers the first ones; a folder, and a glob with more
 * matches than a search gives, is walked through in portions. First thread. */
#ifndef PICK_H
#define PICK_H

#include "catalog/merge.h"
#include "catalog/pattern.h"
#include "swarm/wanted.h"
#include "ui/walk.h"

enum {
    PICK_FILES = 3072, /* of one portion: what a command's memory has room for beside a transfer */
    PICK_SOURCES = 256 /* nodes of one portion; a file whose holders found no room has none noted */
};

enum pick_kind { PICK_CONTENT, PICK_NAME, PICK_AT_NODE, PICK_GLOB, PICK_FOLDER };

struct pick_holders {
    uint8_t count;
    uint16_t source[WANTED_SOURCES];
};

struct pick {
    struct session *session;
    /* A portion is in merge: its files are those that pick_file gives. more: pick_on brings the
     * next one, when this is done with. status: an exit status, and the cause was said. */
    void (*done)(void *ctx, int status, bool more);
    void *ctx;
    struct merge *merge;
    struct pick_holders *holders; /* of each entry of merge */
    struct wanted_source *sources;
    uint32_t source_count;
    struct str what;
    enum pick_kind kind;
    /* of the pick */
    struct str name, node; /* NAME@NODE */
    struct query query;
    struct walk walk;
    struct pattern pattern;
    bool truncated, found;
    uint32_t asked, answered; /* super-peers */
};

/* session, done and ctx are set. 0 or -P2P_EFULL. */
int pick_init(struct pick *pick, struct arena *arena);
/* Begins with a WHAT, which stays the caller's. done may come before this returns. */
void pick_begin(struct pick *pick, struct str what);
void pick_on(struct pick *pick);
/* Forgets what is under way; done does not come. */
void pick_stop(struct pick *pick);

/* Entry i of the portion when it is a file that is meant, and the best of its name; NULL: it is
 * not. *out_other: true when it is another content of the name of a file that is meant. */
const struct merge_entry *pick_file(const struct pick *pick, uint32_t i, bool *out_other);
/* Its name beneath the target folder: the last part, or for a folder all from its own name on. */
struct str pick_place(const struct pick *pick, struct str path);

#endif
