/* SPDX-License-Identifier: MIT */
/* What others may have of a download: the pieces of its file that are consistent and that nobody
 * writes to any more, and the chain that they belong to. The download's loop opens, fills and
 * closes it; upload workers ask, before each part they send and after the last, whether what they
 * send still stands. Nothing is read from the disk under its lock. */
#ifndef HELD_H
#define HELD_H

#include "base/buf.h"
#include "platform/plat.h"
#include "swarm/askers.h"
#include "wire/record.h"

enum {
    HELD_LOG = 256,   /* new pieces that are told one by one; who missed more asks for the bitmap */
    HELD_AGAIN = 16,  /* of them told to a new connection, whose asker may have missed them */
    HELD_HEADER = 120 /* bytes of a header with new pieces */
};

struct held {
    /* Of the loop. */
    int file, chain_file; /* -1: closed */
    int64_t size, chain_at;
    struct record_content content;
    uint8_t chain_id[P2P_CHAIN_ID_SIZE];
    /* Of everybody, under the mutex. */
    struct plat_mutex mutex;
    bool open, settled;
    uint32_t serial; /* another one whenever something that was here is not here any more */
    uint32_t pieces, count, frontier;
    int64_t mtime_ns; /* of the file, once it has settled */
    uint8_t *bits;    /* piece 0 in the highest bit of the first byte */
    uint64_t logged;
    uint32_t log[HELD_LOG];
    struct askers askers; /* of any content that this node serves */
};

struct held_source {
    const struct record_content *content;
    int64_t size;
    int file, chain_file; /* are held's own from now on */
    uint8_t *bits;        /* lent until held_close: a bit for each piece */
};

/* ---- the loop that downloads ---- */

void held_init(struct held *held);
void held_open(struct held *held, const struct held_source *source);
/* Nothing is here any more. */
void held_close(struct held *held);
/* The pieces belong to this chain, whose states lie there; none is here yet. */
void held_bind(struct held *held, const uint8_t id[static P2P_CHAIN_ID_SIZE], int64_t chain_at);
bool held_has_piece(const struct held *held, uint32_t piece);
void held_add(struct held *held, uint32_t piece);
void held_drop(struct held *held, uint32_t piece);
/* Pieces from here on are proven. */
void held_prove(struct held *held, uint32_t frontier);
/* The file has its name and is not written by us any more: another mtime is another file. */
void held_settle(struct held *held);

/* ---- the loop of the uploads, which is the same one ---- */

bool held_is_of(const struct held *held, const uint8_t content[static P2P_SHA256_SIZE]);
unsigned held_percent(const struct held *held);

/* ---- any thread ---- */

struct held_ask {
    uint32_t serial;
    int file;
    int64_t first, length; /* bytes; length 0: nothing but that the serial still holds */
    bool proven;           /* they have to be that */
};
bool held_has(struct held *held, const struct held_ask *ask);
/* Copies a part of the bitmap, in bytes. False: the serial is another one. */
bool held_copy(struct held *held, const struct held_ask *ask, size_t offset, uint8_t *out,
               size_t size);
/* Appends the numbers of pieces that came after the first *told ones, as "17,18,40", and moves
 * *told on. Appends nothing when there are none. */
void held_news(struct held *held, uint64_t *told, struct buf *out);
uint64_t held_logged(struct held *held);
/* The other side: takes the next number off such a list, as strangers send it. What is no piece of
 * so many is passed over. False: no more. */
bool held_next_news(struct str *list, uint32_t pieces, uint32_t *out_piece);

#endif
