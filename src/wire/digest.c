/* SPDX-License-Identifier: MIT */
/* SHA-256 (FIPS 180-4) over the block function of the platform, with a state that can leave and
 * enter at any multiple of 64 bytes, and the arithmetic of pieces. Pure: no memory of its own, no
 * file. Any thread, one digest per thread. */
#include "wire/digest.h"

#include <assert.h>
#include <string.h>

#include "platform/plat_sha256.h"

enum { BLOCK = 64, LENGTH_AT = BLOCK - 8 };

/* FIPS 180-4, 5.3.3: the first 32 bits of the fractional parts of the square roots of the first 8
 * primes. */
const uint8_t digest_initial[P2P_SHA256_SIZE] = {
    0x6a, 0x09, 0xe6, 0x67, 0xbb, 0x67, 0xae, 0x85, 0x3c, 0x6e, 0xf3, 0x72, 0xa5, 0x4f, 0xf5, 0x3a,
    0x51, 0x0e, 0x52, 0x7f, 0x9b, 0x05, 0x68, 0x8c, 0x1f, 0x83, 0xd9, 0xab, 0x5b, 0xe0, 0xcd, 0x19,
};

static void store_be64(uint8_t *out, uint64_t value)
{
    for (int i = 7; i >= 0; i--, value >>= 8)
        out[i] = (uint8_t)value;
}

static void words_store(const uint32_t state[static 8], uint8_t out[static P2P_SHA256_SIZE])
{
    for (unsigned i = 0; i < P2P_SHA256_SIZE; i++)
        out[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
}

void digest_resume(struct digest *digest, const uint8_t state[static P2P_SHA256_SIZE],
                   uint64_t offset)
{
    assert(offset % BLOCK == 0);
    for (unsigned i = 0; i < 8; i++, state += 4)
        digest->state[i] = (uint32_t)state[0] << 24 | (uint32_t)state[1] << 16 |
                           (uint32_t)state[2] << 8 | state[3];
    digest->done = offset;
}

void digest_init(struct digest *digest)
{
    digest_resume(digest, digest_initial, 0);
}

/* Takes bytes into a begun block; returns how many. */
static size_t tail_fill(struct digest *digest, const uint8_t *bytes, size_t size)
{
    size_t used = digest->done % BLOCK;
    if (used == 0)
        return 0;
    size_t part = size < BLOCK - used ? size : BLOCK - used;
    memcpy(digest->tail + used, bytes, part);
    digest->done += part;
    if (used + part == BLOCK)
        plat_sha256_blocks(digest->state, digest->tail, 1);
    return part;
}

/* Keeps less than a block, where none is begun. */
static void tail_keep(struct digest *digest, const uint8_t *bytes, size_t size)
{
    if (size > 0)
        memcpy(digest->tail, bytes, size);
    digest->done += size;
}

void digest_update(struct digest *digest, const void *bytes, size_t size)
{
    if (size == 0)
        return; /* bytes may be NULL, which memcpy may not see */
    const uint8_t *at = bytes;
    size_t part = tail_fill(digest, at, size);
    at += part;
    size -= part;
    if (size == 0)
        return;
    size_t blocks = size / BLOCK;
    plat_sha256_blocks(digest->state, at, blocks);
    digest->done += blocks * BLOCK;
    tail_keep(digest, at + blocks * BLOCK, size % BLOCK);
}

void digest_update2(struct digest *a, const void *bytes_a, struct digest *b, const void *bytes_b,
                    size_t size)
{
    size_t blocks = a->done % BLOCK == 0 && b->done % BLOCK == 0 ? size / BLOCK : 0;
    if (blocks > 0) {
        plat_sha256_blocks2(a->state, bytes_a, b->state, bytes_b, blocks);
        a->done += blocks * BLOCK;
        b->done += blocks * BLOCK;
    }
    size -= blocks * BLOCK;
    if (size == 0)
        return;
    digest_update(a, (const uint8_t *)bytes_a + blocks * BLOCK, size);
    digest_update(b, (const uint8_t *)bytes_b + blocks * BLOCK, size);
}

void digest_state(const struct digest *digest, uint8_t out[static P2P_SHA256_SIZE])
{
    assert(digest->done % BLOCK == 0);
    words_store(digest->state, out);
}

void digest_final(struct digest *digest, uint8_t out[static P2P_SHA256_SIZE])
{
    size_t used = digest->done % BLOCK;
    digest->tail[used++] = 0x80;
    if (used > LENGTH_AT) {
        memset(digest->tail + used, 0, BLOCK - used);
        plat_sha256_blocks(digest->state, digest->tail, 1);
        used = 0;
    }
    memset(digest->tail + used, 0, LENGTH_AT - used);
    store_be64(digest->tail + LENGTH_AT, digest->done * 8);
    plat_sha256_blocks(digest->state, digest->tail, 1);
    words_store(digest->state, out);
}

void digest_piece_end(struct digest *digest, int64_t size, uint8_t out[static P2P_SHA256_SIZE])
{
    if (digest->done == (uint64_t)size)
        digest_final(digest, out);
    else
        digest_state(digest, out);
}

void digest_of(const void *bytes, size_t size, uint8_t out[static P2P_SHA256_SIZE])
{
    struct digest digest;
    digest_init(&digest);
    digest_update(&digest, bytes, size);
    digest_final(&digest, out);
}

void digest_chain_id_begin(struct digest *digest, int64_t size)
{
    uint8_t head[8];
    store_be64(head, (uint64_t)size);
    digest_init(digest);
    digest_update(digest, head, sizeof head);
}

void digest_chain_id_end(struct digest *digest, uint8_t out[static P2P_CHAIN_ID_SIZE])
{
    uint8_t whole[P2P_SHA256_SIZE];
    digest_final(digest, whole);
    memcpy(out, whole, P2P_CHAIN_ID_SIZE);
}

/* Pieces of this size, rounded up, without the sum that could overflow. */
static int64_t pieces_of(int64_t size, int64_t piece)
{
    return size / piece + (size % piece != 0);
}

uint32_t digest_piece_size(int64_t size)
{
    uint32_t piece = P2P_PIECE_MIN;
    while (piece < P2P_PIECE_MAX && pieces_of(size, piece) > P2P_PIECES_AIM)
        piece *= 2;
    return piece;
}

uint32_t digest_piece_count(int64_t size)
{
    assert(size >= 0 && size <= P2P_FILE_MAX);
    return size == 0 ? 1 : (uint32_t)pieces_of(size, digest_piece_size(size));
}

uint32_t digest_piece_length(int64_t size, uint32_t piece)
{
    uint32_t whole = digest_piece_size(size);
    assert(piece < digest_piece_count(size));
    int64_t left = size - (int64_t)piece * whole;
    return left < whole ? (uint32_t)left : whole;
}
