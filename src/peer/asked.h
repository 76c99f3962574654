/* SPDX-License-Identifier: MIT */
/* Which pieces of a whole file nodes have asked this one for lately, and which have left. They are
 * told to the others who fetch it, and who asks for one of them again is sent to those others until
 * each piece has left once: so all of it is out as soon as can be, whatever becomes of this node.
 * Of one file at a time: the one that is fetched now. Any thread, so a mutex: whichever worker a
 * request came to must know at once what the others have sent. */
#ifndef ASKED_H
#define ASKED_H

#include "base/buf.h"
#include "platform/plat.h"
#include "swarm/limits.h"

struct asked {
    struct plat_mutex mutex;
    uint8_t content[P2P_SHA256_SIZE];
    int64_t noted_ms, news_ms; /* news: when one was sent for the first time */
    uint32_t pace_us;          /* from one that leaves to the next, a mean; 0: none left yet */
    uint32_t out_count;
    /* Asked for; and sent, since something came after it on its connection. */
    uint8_t out[P2P_PIECES_AIM / 8], sure[P2P_PIECES_AIM / 8];
    uint32_t since_ms[P2P_PIECES_AIM]; /* asked for last */
    uint64_t begin, count;             /* of the pieces of this content: from begin on */
    uint32_t log[ASKED_LOG];
};

void asked_init(struct asked *asked);
/* Somebody asks for this piece. Another content is forgotten when nobody asks for it any more. */
void asked_note(struct asked *asked, const uint8_t content[static P2P_SHA256_SIZE], uint32_t piece,
                int64_t now_ms);
/* A piece was given to the kernel; pace_us: how long that took, over those that left beside it. */
void asked_left(struct asked *asked, const uint8_t content[static P2P_SHA256_SIZE],
                uint32_t pace_us);
/* It is on its way: another one was given to the kernel on the same connection. */
void asked_sure(struct asked *asked, const uint8_t content[static P2P_SHA256_SIZE], uint32_t piece,
                int64_t now_ms);
/* A request for a piece, and what else goes on when it comes. */
struct asked_look {
    uint32_t piece, pieces; /* of so many */
    uint32_t sending;       /* pieces under way at this moment */
    int64_t now_ms;
};
/* Others got this piece, or get it now, while others were not even asked for: who asks should have
 * it from them. Not where that would cost more than it saves, since all leave fast; not when
 * nothing new leaves any more; not near the end, when next to nothing is under way; not of one that
 * is late on its way. Never for more than P2P_PIECES_AIM pieces. */
bool asked_is_spared(struct asked *asked, const uint8_t content[static P2P_SHA256_SIZE],
                     const struct asked_look *look);
/* Appends the pieces after the first *told ones, the latest first, as many as there is room for, as
 * "40,18,17", and moves *told on. */
void asked_news(struct asked *asked, const uint8_t content[static P2P_SHA256_SIZE], uint64_t *told,
                struct buf *out);

#endif
