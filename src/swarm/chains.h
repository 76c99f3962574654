/* SPDX-License-Identifier: MIT */
/* The chains that holders of one content state, on disk in an unnamed file: fetched from a holder,
 * told apart by their ids, read by boundary. What they are worth is proof's affair. Loop thread. */
#ifndef CHAINS_H
#define CHAINS_H

#include "run/client.h"
#include "swarm/proof.h"
#include "wire/digest.h"

struct chains {
    int file;        /* -1: none */
    int64_t size;    /* of the content */
    uint32_t states; /* pieces - 1 */
    bool taken[PROOF_CHAINS_MAX], ready[PROOF_CHAINS_MAX];
    uint8_t id[PROOF_CHAINS_MAX][P2P_CHAIN_ID_SIZE];
};

/* folder: where the unnamed file is made. 0, or an error of the disk. */
int chains_open(struct chains *chains, int folder, int64_t size);
void chains_close(struct chains *chains);
/* The number of the chain with this id that is here whole, or -P2P_ENOTFOUND. */
int chains_find(const struct chains *chains, const uint8_t id[static P2P_CHAIN_ID_SIZE]);
void chains_free(struct chains *chains, unsigned chain);
/* The `read` of struct proof_owner; ctx is the struct chains. */
int chains_read(void *ctx, unsigned chain, uint32_t first, uint32_t count, uint8_t *out);

/* One fetch, in memory of the owner. */
struct chains_fetch {
    struct chains *chains;
    int chain;                         /* the number it gets */
    uint8_t stated[P2P_CHAIN_ID_SIZE]; /* the id that the holder named */
    struct digest digest;
    int64_t received;
    void (*done)(void *ctx, int result);
    void *ctx;
};
/* Asks for the chain over an open client. target is "/v1/chain/HEX". done (the owner then closes
 * the client): 0: it has the stated id and is kept under fetch->chain; -P2P_EPROTO: it has not;
 * -P2P_EFULL: no number free; else what went wrong. */
int chains_get(struct chains_fetch *fetch, struct chains *chains, struct client *client,
               struct str target);
/* Forgets a fetch whose client was closed. */
void chains_cancel(struct chains_fetch *fetch);

#endif
