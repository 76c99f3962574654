/* SPDX-License-Identifier: MIT */
/* SHA-256 (FIPS 180-4) whose state can be taken out and put in at any multiple of 64 bytes, the
 * sizes of pieces, and the chain: the states at the piece boundaries. Pure. A state is written as
 * 32 bytes, big-endian words, like a digest. */
#ifndef DIGEST_H
#define DIGEST_H

#include "p2p.h"

struct digest {
    uint32_t state[8];
    uint64_t done; /* bytes fed so far */
    uint8_t tail[64];
};

/* Starts a message, or goes on at byte offset (a multiple of 64) from a stated state. */
void digest_init(struct digest *digest);
void digest_resume(struct digest *digest, const uint8_t state[static P2P_SHA256_SIZE],
                   uint64_t offset);
void digest_update(struct digest *digest, const void *bytes, size_t size);
/* Feeds size bytes to both, interleaved where both stand on a block boundary; else one after the
 * other. */
void digest_update2(struct digest *a, const void *bytes_a, struct digest *b, const void *bytes_b,
                    size_t size);
/* The state now; the bytes fed must be a multiple of 64. */
void digest_state(const struct digest *digest, uint8_t out[static P2P_SHA256_SIZE]);
/* Ends the message: padding with the length done. The digest is spent. */
void digest_final(struct digest *digest, uint8_t out[static P2P_SHA256_SIZE]);

/* What the link of the piece just fed has to be compared with, for a content of size bytes: at its
 * end the digest with the padding (the digest is then spent), before it the plain state. */
void digest_piece_end(struct digest *digest, int64_t size, uint8_t out[static P2P_SHA256_SIZE]);

/* SHA-256 of one buffer. */
void digest_of(const void *bytes, size_t size, uint8_t out[static P2P_SHA256_SIZE]);

/* HMAC-free: the chain id of a content, SHA-256(size as 8 bytes big-endian || chain), cut to 16
 * bytes. Fed in parts. */
void digest_chain_id_begin(struct digest *digest, int64_t size);
void digest_chain_id_end(struct digest *digest, uint8_t out[static P2P_CHAIN_ID_SIZE]);

/* Bytes of a piece of a content of this size: the smallest power of two >= 64 KiB that makes at
 * most 2,048 pieces, never over 16 MiB. */
uint32_t digest_piece_size(int64_t size);
/* Pieces: ceil(size / piece); 1 for the empty content. The chain has one state fewer. */
uint32_t digest_piece_count(int64_t size);
/* Bytes of piece i (the last one is shorter, and empty only for the empty content). */
uint32_t digest_piece_length(int64_t size, uint32_t piece);

/* state(0): SHA-256's initial value, as 32 bytes. */
extern const uint8_t digest_initial[P2P_SHA256_SIZE];

#endif
