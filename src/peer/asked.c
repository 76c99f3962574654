/* SPDX-License-Identifier: MIT */
/* A ring of numbers and two bitmaps under a mutex: some hundred nanoseconds for each request. Who
 * is told too late misses the older ones: those have come round by then. */
#include "peer/asked.h"

#include <string.h>

enum {
    ASKED_IDLE_MS = 1000,  /* after which another content takes the place */
    ASKED_OVER_MS = 10000, /* after which those who ask are others than those who did */
    ASKED_LONGEST = 12     /* bytes of a number with its comma, and one that printf needs */
};

void asked_init(struct asked *asked)
{
    memset(asked, 0, sizeof *asked);
    plat_mutex_init(&asked->mutex);
}

static bool is_of(const struct asked *asked, const uint8_t content[static P2P_SHA256_SIZE])
{
    return memcmp(asked->content, content, P2P_SHA256_SIZE) == 0;
}

static bool bit_get(const uint8_t *bits, uint32_t piece)
{
    return bits[piece / 8] >> (7 - piece % 8) & 1;
}

static void bit_set(uint8_t *bits, uint32_t piece)
{
    bits[piece / 8] = (uint8_t)(bits[piece / 8] | 0x80 >> piece % 8);
}

void asked_gone(struct asked *asked, const uint8_t content[static P2P_SHA256_SIZE], uint32_t piece)
{
    plat_mutex_lock(&asked->mutex);
    if (is_of(asked, content) && piece < P2P_PIECES_AIM && !bit_get(asked->gone, piece)) {
        bit_set(asked->gone, piece);
        asked->gone_count++;
    }
    plat_mutex_unlock(&asked->mutex);
}

bool asked_is_out(struct asked *asked, const uint8_t content[static P2P_SHA256_SIZE],
                  uint32_t piece, uint32_t pieces)
{
    plat_mutex_lock(&asked->mutex);
    bool out = piece < pieces && pieces <= P2P_PIECES_AIM && is_of(asked, content) &&
               asked->gone_count < pieces && bit_get(asked->out, piece);
    plat_mutex_unlock(&asked->mutex);
    return out;
}

void asked_note(struct asked *asked, const uint8_t content[static P2P_SHA256_SIZE], uint32_t piece,
                int64_t now_ms)
{
    plat_mutex_lock(&asked->mutex);
    int64_t idle_ms = now_ms - asked->noted_ms;
    if (idle_ms >= (is_of(asked, content) ? ASKED_OVER_MS : ASKED_IDLE_MS)) {
        memcpy(asked->content, content, P2P_SHA256_SIZE);
        memset(asked->out, 0, sizeof asked->out);
        memset(asked->gone, 0, sizeof asked->gone);
        asked->gone_count = 0;
        asked->begin = asked->count;
    }
    if (is_of(asked, content)) {
        if (piece < P2P_PIECES_AIM)
            bit_set(asked->out, piece);
        asked->log[asked->count++ % ASKED_LOG] = piece;
        asked->noted_ms = now_ms;
    }
    plat_mutex_unlock(&asked->mutex);
}

void asked_news(struct asked *asked, const uint8_t content[static P2P_SHA256_SIZE], uint64_t *told,
                struct buf *out)
{
    plat_mutex_lock(&asked->mutex);
    if (is_of(asked, content)) {
        uint64_t at = asked->count, first = *told > asked->begin ? *told : asked->begin;
        *told = at;
        while (at-- > first && *told - at <= ASKED_LOG && out->size - out->len >= ASKED_LONGEST)
            buf_printf(out, "%s%u", out->len > 0 ? "," : "", (unsigned)asked->log[at % ASKED_LOG]);
    }
    plat_mutex_unlock(&asked->mutex);
}
