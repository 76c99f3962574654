/* SPDX-License-Identifier: MIT */
/* A holder as a download sees it, and the one question that is put to it. Part of download.h. */
#ifndef HOLDER_H
#define HOLDER_H

#include "swarm/bound.h"
#include "swarm/chains.h"
#include "wire/record.h"

struct download;

enum holder_state {
    HOLDER_NONE,  /* free */
    HOLDER_NEW,   /* to be asked what it has */
    HOLDER_ASKED, /* bitmap or chain under way */
    HOLDER_READY, /* bound to a chain; pieces can be asked for */
    HOLDER_OTHER, /* states another size */
    HOLDER_OUT    /* of no use any more: it failed too often, or the proof is against it */
};

struct holder {
    enum holder_state state;
    struct record_id id;
    char name[P2P_NODE_NAME_MAX + 1];
    struct plat_addr addr[P2P_ADDRESSES_MAX];
    int addr_count, addr_now;
    bool whole, blamed;
    bool partial;    /* ready with a part only: asked now and then what it has got since, */
    int64_t have_ms; /* not before that, */
    int64_t said_ms; /* and when it said so last */
    uint64_t told;   /* of our pieces, to it, in these questions */
    bool hint;       /* another downloader spoke of it, and it has not said yet that it is so */
    int8_t teller;   /* of the hint, -1: itself */
    uint8_t misled;  /* hints of it that led nowhere, one after the other */
    bool ask_first;  /* bytes went wrong without a contact: learn its size */
    bool lacks;      /* it said last that it has it not */
    uint32_t round;  /* of the index's answers: the last one that named it */
    int fails, lanes;
    int64_t retry_ms, size; /* size: as it states */
    uint64_t bytes;
    struct bound_meter meter; /* of them */
};

/* One holder being asked. */
struct contact {
    struct download *download;
    int holder; /* -1: free */
    struct client *client;
    uint8_t *bits; /* its bitmap as it comes */
    size_t received;
    bool whole;
    bool again;       /* the holder is ready; what has it got since? */
    bool named_chain; /* in the question: the bitmap has all consistent pieces */
    uint8_t id[P2P_CHAIN_ID_SIZE];
    struct chains_fetch chain;
};

#endif
