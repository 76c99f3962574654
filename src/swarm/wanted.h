/* SPDX-License-Identifier: MIT */
/* A file that is to be fetched: what it is, where it goes, who has it, and how it ended. Whoever
 * decides what is fetched fills it in; survey, batch and transfer take it from there. */
#ifndef WANTED_H
#define WANTED_H

#include "wire/record.h"

enum {
    WANTED_SOURCES = 4, /* holders noted for one file; a transfer finds more by itself */
    WANTED_OPEN = 1     /* the result of a file that is not decided yet */
};

/* A node that has some of the files. */
struct wanted_source {
    struct record_id id;
    char name[P2P_NODE_NAME_MAX + 1];
    struct plat_addr addr[P2P_ADDRESSES_MAX];
    int addr_count;
    uint64_t bytes; /* of files that it gave and that were right; counted by batch */
    bool blamed;    /* it sent wrong bytes */
    bool silent;    /* it could not be reached */
};

struct wanted {
    struct record_content content;
    int64_t size, mtime;
    struct str path; /* beneath the target folder; obeys the name rule; the owner's */
    bool executable;
    bool hashed; /* content is known; what has to be so before anything here is asked */
    uint8_t source_count;
    uint16_t source[WANTED_SOURCES]; /* numbers in the owner's table of sources */
    int result;                      /* WANTED_OPEN, 0, or what went wrong */
    bool was_there;                  /* result 0: the very bytes lay there already */
    const char *reason;              /* of an error: the system's words, or our own; may be NULL */
    int giver;                       /* whose bytes they are, in the owner's table; -1: unknown */
    /* of the batch */
    uint8_t state, tried; /* tried: sources that have not got it, by bit */
    uint32_t next;        /* in a list */
};

/* What others are told of it: a copy of origin's, under path (which stays the caller's). */
void wanted_offer(const struct wanted *file, struct str path, const struct record_id *origin,
                  struct record_offer *out);
/* A holder of all of it, as the index would name it; the name stays the source's. */
void wanted_holder(const struct wanted_source *source, struct record_result *out);

#endif
