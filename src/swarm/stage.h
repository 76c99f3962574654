/* SPDX-License-Identifier: MIT */
/* A hidden folder in the target folder where small files wait for their names: they are written
 * there, put on the disk all at once, then renamed. It is locked while it is used; what a killed
 * process left in one goes when the next takes it over. Calls block on the disk: workers. put may
 * be called on several at once, all else on one at a time. */
#ifndef STAGE_H
#define STAGE_H

#include "swarm/wanted.h"

struct stage {
    int root;   /* the caller's */
    int folder; /* -1: not open */
    int lock;
    bool all;      /* the last sync took the whole file system */
    char name[24]; /* of the folder, in the root */
    int last; /* the folder that the last file went to; -1: none, the root has none of its own */
    char last_path[P2P_PATH_MAX + 1];
};

/* Not open; stage_close does nothing. */
void stage_init(struct stage *stage);
/* Takes or makes the folder and empties it. 0; -P2P_EREADONLY, -P2P_EDENIED …; -P2P_EINUSE: eight
 * others are at work in this root. */
int stage_open(struct stage *stage, int root);
/* Writes file's bytes (file->size of them) under a number, with its attributes. */
int stage_put(const struct stage *stage, uint32_t number, const struct wanted *file,
              const void *bytes);
/* All that was put is on the disk. */
int stage_sync(struct stage *stage);
/* Gives the file its name, making folders as needed. 0; -P2P_EEXIST: something of that name is
 * there; the file is gone from the stage then, and *out_reason says what went wrong. */
struct stage_name {
    uint32_t number;
    const struct wanted *file;
    bool replace;
};
int stage_name(struct stage *stage, const struct stage_name *name, const char **out_reason);
void stage_drop(const struct stage *stage, uint32_t number);
/* Removes what killed processes left in this root, where nothing is to be staged. */
void stage_sweep(int root);
/* Empties and removes the folder. 0, or an error when the names given may not be on the disk. */
int stage_close(struct stage *stage);

#endif
