/* SPDX-License-Identifier: MIT */
/* Which piece to ask of which source next: rarest first and random among equals, or backwards where
 * the proof wants it; neighbours to one source, but one piece at a time where many fetch it; what a
 * slow source has is asked of a faster one when nothing else is left. Where few have all, each
 * downloader asks them for its own share of the pieces (rank.h). Pure: no socket, no clock (times
 * are handed in, in ms, and never go back). Memory is handed in: two bytes and three bits a piece,
 * and a bit for each part. Loop thread. */
#ifndef PLAN_H
#define PLAN_H

#include "swarm/proof.h"
#include "swarm/rank.h"

enum {
    PLAN_SOURCES_MAX = PROOF_HOLDERS_MAX,
    PLAN_REQUESTS_MAX = 256, /* 64 sources with four in flight: what a 1-Gbit LAN can need */
    PLAN_RUN_MAX = 8,        /* pieces of one request: an aligned group, a byte of the bitmaps */
    PLAN_WINDOW_MAX = 16,    /* requests in flight at one source; */
    PLAN_CROWD = 8           /* other downloaders, from which on it is one piece: queues go stale */
};

struct plan_shape {
    uint32_t pieces, piece_bytes;
    unsigned parts; /* sources that may have less than all at the same time */
    uint32_t (*random)(void *ctx);
    void *ctx;
};

struct plan_source {
    enum proof_may may;
    bool whole;
    bool downloader; /* key is in the ranks */
    uint8_t chain, in_flight;
    int16_t part;      /* its bitmap, -1: none */
    uint32_t count;    /* pieces in it */
    uint32_t rate;     /* bytes/s, a mean over some seconds; 0: nothing came yet */
    uint32_t delay_ms; /* from asking an idle source to its first byte, a mean */
    uint32_t counted;  /* bytes since counted_ms, not yet in rate */
    int64_t counted_ms, heard_ms;
    int64_t shared_ms; /* since when it is asked by share, -1: it was not */
    int64_t spare_ms;  /* since when it has nothing left of our share, -1: it has */
    int64_t busy_ms;   /* since when something is in flight */
    int64_t look_ms;   /* not before: asked for what others are sending */
    uint64_t key;
};

struct plan_request {
    uint32_t first;
    uint8_t count; /* 0: the slot is free */
    uint8_t over;  /* bit i: piece first + i was judged */
    uint8_t source;
    bool alone; /* its source had nothing else in flight: its first byte tells the delay */
    uint32_t bytes;
    int64_t asked_ms;
};

struct plan {
    struct plan_shape shape;
    uint8_t *done, *asked; /* bitmaps, piece 0 in the highest bit of the first byte */
    uint8_t *out;          /* pieces that a source that has all was asked for by others */
    uint8_t *rarity;       /* sources with a part that have the piece */
    uint8_t *parts;        /* their bitmaps */
    uint64_t parts_used;
    uint32_t done_count, request_count;
    bool shares; /* plan_self was called */
    struct rank rank;
    struct plan_source sources[PLAN_SOURCES_MAX];
    struct plan_request requests[PLAN_REQUESTS_MAX];
};

/* Bytes of memory for so many pieces and so many (at most 64) sources with a part. */
size_t plan_memory(uint32_t pieces, unsigned parts);
/* Nothing is done, nobody has joined. memory: plan_memory() bytes, lent for good. */
void plan_init(struct plan *plan, const struct plan_shape *shape, void *memory);

/* A source, whose number is the holder's in the proof, has all pieces, or these (a `have` bitmap,
 * size bytes). -P2P_EFULL: no room for one more part; -P2P_EPROTO: the wrong size. The former is
 * forgotten. */
void plan_has_all(struct plan *plan, unsigned source);
int plan_has(struct plan *plan, unsigned source, const uint8_t *bits, size_t size);
/* It has this piece too; or it has all and others were served it: the rest is asked first. */
void plan_has_piece(struct plan *plan, unsigned source, uint32_t piece);
/* Sharing. A source that has less than all (after plan_has, which may have been an empty bitmap) is
 * another downloader of this id. While there are some, and sources that have all are few, those are
 * asked first for the pieces that nobody else has and that are ours by rank; then for what others
 * should have asked for and did not for some time, the sooner the higher we rank; then for any
 * piece. It is a downloader no more when it has all or leaves. plan_self: our own id, as others
 * see it; once, right after plan_init; without it there is no sharing. */
void plan_self(struct plan *plan, const uint8_t id[static P2P_ID_SIZE]);
void plan_downloader(struct plan *plan, unsigned source, const uint8_t id[static P2P_ID_SIZE]);
/* What the proof says of it: whether it may be asked, and its chain (-1: none). */
void plan_trust(struct plan *plan, unsigned source, enum proof_may may, int chain);
/* It is gone: its requests are over, what they did not bring is missing again. */
void plan_leave(struct plan *plan, unsigned source);

/* A request for 1..run neighbouring pieces; run is 1, 2, 4 or 8. Its number, or -P2P_EAGAIN:
 * nothing for this source; -P2P_EFULL: too many requests. Find the pieces in
 * plan->requests[number]. */
int plan_ask(struct plan *plan, unsigned source, const struct proof_wish *wish, uint32_t run,
             int64_t now_ms);
/* How many requests of run pieces keep the source busy: 2..PLAN_WINDOW_MAX, twice rate x delay. */
unsigned plan_window(const struct plan *plan, unsigned source, uint32_t run);

/* Bytes of a request arrived. */
void plan_bytes(struct plan *plan, int request, uint32_t bytes, int64_t now_ms);
/* A piece of a request was hashed: it is held, or it is missing again. */
void plan_judged(struct plan *plan, int request, uint32_t piece, bool held);
/* The request is over; what it did not bring is missing again. */
void plan_end(struct plan *plan, int request);
/* Is a piece of it still missing? If not, cancel it: another source was faster. */
bool plan_is_needed(const struct plan *plan, int request);

/* A piece is held without a request (resume), or no more (its chain was false). */
void plan_done(struct plan *plan, uint32_t piece);
void plan_lost(struct plan *plan, uint32_t piece);
bool plan_is_finished(const struct plan *plan);
/* Missing pieces below the floor, or that no source has that may be asked. Walks over all. */
uint32_t plan_nowhere(const struct plan *plan, uint32_t floor);

#endif
