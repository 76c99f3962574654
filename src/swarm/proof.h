/* SPDX-License-Identifier: MIT */
/* What states from strangers are worth: which pieces are consistent, which proven, who lied. Pure:
 * no socket, no clock, no file; the owner brings results. Loop thread.
 * A content has pieces 0..count-1 and boundaries 0..count: state(0) is SHA-256's initial value,
 * state(count) the name; a chain states the others. A piece is consistent (held) when it leads from
 * one state of the base, a chain, to the next; those from the last one on without gap are proven.
 *
 * A chain is dropped when a piece led from a to b and it states b after that piece but not a before
 * it: were it true, two pieces would lead into one true state. So no vote: where chains differ
 * last, that piece decides. A holder is measured by the chain that it states itself and by no
 * other: an honest one cannot fail there, however many liars agree. */
#ifndef PROOF_H
#define PROOF_H

#include "p2p.h"

enum {
    PROOF_CHAINS_MAX = 8,   /* different chains of one content at once; honest holders have one */
    PROOF_HOLDERS_MAX = 64, /* givers of bytes known to one download: the bits of a word */
    PROOF_STRIKES_MAX = 3,  /* failed pieces and dropped chains that put a holder out */
    PROOF_LOCAL = 0xfe,     /* a sender: our disk, never blamed; what fails there is just missing */
    PROOF_SEVERAL = 0xff    /* a sender: the piece was mixed */
};

/* What the owner does. read gives a chain's states at boundaries first..first+count-1, all within
 * 1..pieces-1; 0 or an error. lost: a held piece is missing again, its chain was false. */
struct proof_owner {
    int (*read)(void *ctx, unsigned chain, uint32_t first, uint32_t count, uint8_t *out);
    void (*lost)(void *ctx, uint32_t piece);
    void *ctx;
};

/* The owner may read held_count, prefix, frontier, failures and base. */
struct proof {
    struct proof_owner owner;
    uint8_t name[P2P_SHA256_SIZE];
    uint8_t *held, *doubtful; /* bitmaps, piece 0 in the highest bit of the first byte */
    uint32_t pieces, held_count, doubtful_count;
    uint32_t prefix;   /* pieces before this one are held */
    uint32_t frontier; /* pieces from here on are proven */
    uint32_t failures; /* failed pieces and false chains */
    int base;          /* the chain that held pieces belong to; -1 before the first */
    struct proof_chain {
        uint32_t differs; /* last boundary where it differs from the base; 0: nowhere */
        uint16_t serial;  /* counts the chains that had this number */
        bool alive;
    } chains[PROOF_CHAINS_MAX];
    struct proof_holder {
        uint32_t failed; /* last piece that failed and may become proof, or none */
        uint16_t serial;
        uint8_t chain, strikes;
        bool out, blamed;
    } holders[PROOF_HOLDERS_MAX];
};

/* A piece to hash: start must lead to end. The owner sets sender to SEVERAL when others helped. */
struct proof_job {
    uint32_t piece;
    uint16_t chain_serial, sender_serial;
    uint8_t chain, sender, start[P2P_SHA256_SIZE], end[P2P_SHA256_SIZE];
};

struct proof_news {         /* what a call changed; sets of holders and chains are bits by number */
    uint64_t blamed;        /* proven to have sent wrong bytes; also in out */
    uint64_t out;           /* not to be asked again in this download */
    uint64_t unbound;       /* their chain was dropped: ask them which they state now */
    uint32_t lost;          /* pieces told to owner.lost */
    uint8_t dropped;        /* chains whose numbers are free again */
    bool taken, held, same; /* the piece is held from now on; at all; these are its bytes */
};

struct proof_wish {
    uint32_t first;  /* fetch it before all others; the count of pieces: none */
    uint32_t floor;  /* nothing below this piece */
    bool backwards;  /* the last ones first; else in any order */
    bool each_chain; /* ask one holder of each chain for first: a silent liar cannot hold it up */
};
enum proof_may { PROOF_NO, PROOF_LAST_RESORT, PROOF_YES };

/* Bytes of memory for so many pieces: two bits each. */
size_t proof_memory(uint32_t pieces);
/* pieces: 1 or more; memory: proof_memory() bytes, lent for good. */
void proof_init(struct proof *proof, const uint8_t name[static P2P_SHA256_SIZE], uint32_t pieces,
                const struct proof_owner *owner, void *memory);

/* -P2P_EFULL: none free. Content of one piece has chain 0 from the start and no other. */
int proof_free_chain(const struct proof *proof);
/* Takes the chain that owner.read finds under a free number. -P2P_EPROTO: wrong count of states;
 * -P2P_EVERIFY: a held piece speaks against it; or read's error. The number then stays free. */
int proof_add_chain(struct proof *proof, int chain, uint32_t states);
/* Binds a holder, a slot of the owner's choice, to the chain it states. -P2P_EDENIED: it is out.
 * leave: it is away, not forgotten; forget: the slot will be another's. */
int proof_join(struct proof *proof, unsigned holder, int chain, struct proof_news *out_news);
void proof_leave(struct proof *proof, unsigned holder, struct proof_news *out_news);
void proof_forget(struct proof *proof, unsigned holder, struct proof_news *out_news);

void proof_wish(const struct proof *proof, struct proof_wish *out);
/* LAST_RESORT: it failed before; ask it only for what no other has. */
enum proof_may proof_may_ask(const struct proof *proof, unsigned holder);
/* A piece that failed must come whole from one sender. */
bool proof_is_doubtful(const struct proof *proof, uint32_t piece);
/* By the sender's chain; LOCAL and SEVERAL: the base. -P2P_EINVAL: not bound; or read's error.
 * end: where the bytes led. A job whose chain is gone changes nothing. 0 or read's error. */
int proof_job_begin(const struct proof *proof, uint32_t piece, unsigned sender,
                    struct proof_job *out_job);
int proof_job_end(struct proof *proof, const struct proof_job *job,
                  const uint8_t end[static P2P_SHA256_SIZE], struct proof_news *out_news);

/* The bytes of a held piece were written over: missing again, without a call of owner.lost. */
void proof_spoil(struct proof *proof, uint32_t piece);
bool proof_is_held(const struct proof *proof, uint32_t piece);
bool proof_is_proven(const struct proof *proof, uint32_t piece);
bool proof_has_size(const struct proof *proof);    /* the size is right: space may be taken */
bool proof_is_finished(const struct proof *proof); /* all is proven: the bytes have the name */
bool proof_is_hopeless(const struct proof *proof); /* something failed, nobody is left to ask */
int proof_chain_of(const struct proof *proof, unsigned holder); /* -1: none */
/* Copies a part of the `have` bitmap, in bytes: held pieces, or proven ones only. */
void proof_have(const struct proof *proof, bool proven, size_t offset, uint8_t *out, size_t size);

#endif
