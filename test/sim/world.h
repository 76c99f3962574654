/* SPDX-License-Identifier: MIT */
/* The world of a proof in tests: content of pieces of 64 bytes, holders who lie in each way, their
 * chains, jobs in flight, and the owner, which checks at each step what must always hold: an honest
 * holder is never struck or blamed, what is held closes, what is proven is true. */
#ifndef WORLD_H
#define WORLD_H

#include "swarm/proof.h"

enum { PIECE = 64, PIECES = 80, HOLDERS = 12, JOBS = 24 };

/* What a holder states and what it sends. */
enum lie {
    HONEST,  /* true chain, true bytes */
    BYTES,   /* true chain, wrong bytes */
    SOME,    /* true chain, wrong bytes in every third piece */
    ONCE,    /* true chain, wrong bytes the first time */
    PREFIX,  /* forged pieces up to at, true states after it: the link of piece at is broken */
    PREFIX2, /* the same with other forged pieces */
    STATE,   /* true bytes, true chain but for the state at `at` */
    NOISE,   /* no true state */
    LIES
};

struct holder {
    enum lie lie;
    uint32_t at;
    bool partial; /* lacks the pieces whose number is odd */
    bool sent_wrong;
};

struct world {
    struct proof proof;
    uint32_t pieces;
    size_t size;
    struct holder holders[HOLDERS];
    int holder_count;
    uint8_t bytes[PIECES * PIECE], disk[PIECES * PIECE];
    uint8_t truth[PIECES + 1][P2P_SHA256_SIZE];
    struct {
        enum lie lie; /* HONEST, PREFIX, PREFIX2, STATE or NOISE */
        uint32_t at;
        bool used;
        uint8_t states[PIECES + 1][P2P_SHA256_SIZE];
    } chains[PROOF_CHAINS_MAX];
    struct {
        struct proof_job job;
        uint8_t bytes[PIECE];
    } jobs[JOBS];
    int job_count, fetched, lost;
    bool read_fails;
    uint8_t memory[PIECES];
};

/* A random number below end; the seed is TEST_SEED= of the environment, else the time, and is
 * printed. */
uint32_t world_random(uint32_t end);
uint32_t world_seed(void);
/* For cmocka: sets the seed. */
int world_setup(void **state);

/* New random content, no holder. last: bytes of the last piece. */
void world_make(struct world *w, uint32_t pieces, size_t last);
void world_make_chain(struct world *w, int number, enum lie lie, uint32_t at);
enum lie world_chain_of_lie(enum lie lie);

/* Adds a holder and binds it; or binds one, as when its answers name its chain. 0 or the error of
 * the proof. */
int world_add(struct world *w, enum lie lie, uint32_t at);
int world_bind(struct world *w, int holder);
void world_take_news(struct world *w, const struct proof_news *news);

/* A holder sends a piece; its bytes are hashed; both at once; or from our own disk. */
void world_start(struct world *w, uint32_t piece, int holder);
struct proof_news world_end(struct world *w, int job);
struct proof_news world_fetch(struct world *w, uint32_t piece, int holder);
struct proof_news world_fetch_local(struct world *w, uint32_t piece, bool right);
void world_check(const struct world *w);

#endif
