/* SPDX-License-Identifier: MIT */
/* Which pieces of a whole file nodes have asked this one for lately. They are told to the others
 * who fetch it, so that each piece leaves a lone source once before any leaves it twice. Of one
 * file at a time: the one that is fetched now. Any thread. */
#ifndef ASKED_H
#define ASKED_H

#include "base/buf.h"
#include "p2p.h"
#include "platform/plat.h"

enum { ASKED_LOG = 32 }; /* pieces that are told: as many numbers as fit into the header */

struct asked {
    struct plat_mutex mutex;
    uint8_t content[P2P_SHA256_SIZE];
    int64_t noted_ms;
    uint32_t gone_count;                                       /* pieces that were sent, */
    uint8_t out[P2P_PIECES_AIM / 8], gone[P2P_PIECES_AIM / 8]; /* asked for, and sent */
    uint64_t begin, count; /* of the pieces of this content: from begin on */
    uint32_t log[ASKED_LOG];
};

void asked_init(struct asked *asked);
/* Somebody asks for this piece. Another content is forgotten when nobody asks for it any more. */
void asked_note(struct asked *asked, const uint8_t content[static P2P_SHA256_SIZE], uint32_t piece,
                int64_t now_ms);
/* It was sent. */
void asked_gone(struct asked *asked, const uint8_t content[static P2P_SHA256_SIZE], uint32_t piece);
/* Somebody has asked for this one of so many pieces, and others were not sent to anybody yet. Never
 * for more than P2P_PIECES_AIM pieces. */
bool asked_is_out(struct asked *asked, const uint8_t content[static P2P_SHA256_SIZE],
                  uint32_t piece, uint32_t pieces);
/* Appends the pieces after the first *told ones, the latest first, as many as there is room for, as
 * "40,18,17", and moves *told on. */
void asked_news(struct asked *asked, const uint8_t content[static P2P_SHA256_SIZE], uint64_t *told,
                struct buf *out);

#endif
