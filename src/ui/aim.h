/* SPDX-License-Identifier: MIT */
/* Where a get writes: the folder that -o names, or the one that the file of -o is in, or the
 * current one; and how its files are called when they are shown. */
#ifndef AIM_H
#define AIM_H

#include "p2p.h"

enum { AIM_SHOWN_MAX = 3 * P2P_PATH_MAX };

struct aim {
    int root;                      /* -1: not open */
    bool is_file;                  /* -o names a file: only one can be fetched */
    bool is_stdout;                /* -o is "-": also only one, and no root */
    char name[P2P_PART_MAX + 1];   /* of that file */
    char prefix[2 * P2P_PATH_MAX]; /* before the names of files in root: "there/" */
};

/* output: -o, or NULL. 0, or an error whose words are in plat_reason(). A folder that ends in "/"
 * is made when it is not there. */
int aim_open(struct aim *aim, const char *output);
void aim_close(struct aim *aim);
/* path as a person finds it again; cut when it is too long to be shown. Returns out. */
const char *aim_shown(const struct aim *aim, struct str path, char out[static AIM_SHOWN_MAX]);

#endif
