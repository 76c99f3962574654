/* SPDX-License-Identifier: MIT */
/* Cuts a byte stream into lines without copying those that lie whole in one span. Pure. */
#ifndef LINES_H
#define LINES_H

#include "p2p.h"

struct lines {
    size_t len;                   /* of the unfinished line kept in bytes */
    char bytes[P2P_LINE_MAX + 1]; /* a longest line and the "\r" behind it */
};

void lines_init(struct lines *lines);
/* Takes the next whole line off *rest (without its "\n" or "\r\n"). 1: *out_line is valid until the
 * next call; 0: rest is used up, its last part kept; -P2P_ETOOBIG: a line over P2P_LINE_MAX, after
 * which the stream cannot go on. */
int lines_next(struct lines *lines, struct str *rest, struct str *out_line);
/* The last line, when the stream ended without a newline. 1 or 0. */
int lines_last(struct lines *lines, struct str *out_line);

#endif
