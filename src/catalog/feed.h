/* SPDX-License-Identifier: MIT */
/* The feed: an index's changes as ready-made lines, each with a number, in a ring of bytes. The
 * oldest lines give way to new ones; nobody is waited for. A line may have a gap, where each reader
 * puts what depends on himself. Pure; loop thread. */
#ifndef FEED_H
#define FEED_H

#include "base/arena.h"
#include "wire/record.h"

enum {
    FEED_LINE_MAX = 3072, /* the longest path, escaped, is 2,048: what goes into a gap, and a
                             newline, fit into P2P_LINE_MAX with it */
    FEED_EXTRA_MAX = 128,
    FEED_SIZE_MIN = 4 * (FEED_LINE_MAX + FEED_EXTRA_MAX), /* a few of the longest lines */
    FEED_STRIDE = 64                                      /* lines for each mark */
};

struct feed {
    uint8_t *ring;
    uint32_t *marks; /* where each line with a number n % FEED_STRIDE == 0 stands */
    uint32_t size, mark_count;
    uint32_t head, tail;  /* where the next line goes; the oldest one */
    uint64_t first, last; /* numbers of the lines that are there; last + 1 == first: none */
    uint64_t zero;        /* the line at the ring's beginning */
};

/* A line. extra: bytes that belong into it at gap (at the end of the line: no gap); 4-byte aligned.
 */
struct feed_line {
    uint64_t n;
    struct record_id node;
    struct str text, extra;
    uint32_t gap;
};
/* Where a reader goes on. */
struct feed_place {
    uint64_t n;  /* of the next line */
    uint32_t at; /* feed's own */
};

/* size bytes (FEED_SIZE_MIN at least) and their marks. 0 or -P2P_EFULL. */
int feed_init(struct feed *feed, struct arena *arena, uint32_t size);
/* Bytes of arena for it. */
size_t feed_size(uint32_t size);
/* Room for a line of at most FEED_LINE_MAX bytes; feed_append keeps what was written there. */
char *feed_room(struct feed *feed);
/* Adds the line that stands in feed_room: length bytes, of node, with extra copied behind it. The
 * line's n and text are set here. length, extra and gap as in feed_line. */
void feed_append(struct feed *feed, struct feed_line *line);
/* Forgets all lines and leaves out a number: readers of before are told that theirs are gone. */
void feed_cut(struct feed *feed);

/* The place behind line n. 0, or -P2P_ENOTFOUND: lines after n have gone, or n is not yet. */
int feed_find(const struct feed *feed, uint64_t n, struct feed_place *out);
/* The end: behind the last line. */
struct feed_place feed_end(const struct feed *feed);
/* 1 and the line, with the place moved behind it (views live until the next feed_room); 0: there
 * is none yet; -P2P_ENOTFOUND: it has gone. */
int feed_next(const struct feed *feed, struct feed_place *place, struct feed_line *out);

#endif
