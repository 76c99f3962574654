/* SPDX-License-Identifier: MIT */
/* A ring of numbers and some bitmaps under a mutex: some hundred nanoseconds for each request. Who
 * is told too late misses the older ones: those have come round by then. */
#include "peer/asked.h"

#include <string.h>

enum {
    ASKED_MEAN = 8,    /* pieces that the pace is a mean of, about */
    ASKED_LONGEST = 12 /* bytes of a number with its comma, and one that printf needs */
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

/* Sets it. False: it was set, or there is no bit for it. */
static bool set_first(uint8_t *bits, uint32_t piece)
{
    if (piece >= P2P_PIECES_AIM || bit_get(bits, piece))
        return false;
    bit_set(bits, piece);
    return true;
}

void asked_left(struct asked *asked, const uint8_t content[static P2P_SHA256_SIZE],
                uint32_t pace_us)
{
    plat_mutex_lock(&asked->mutex);
    if (is_of(asked, content)) {
        uint32_t mean = asked->pace_us;
        asked->pace_us = mean == 0 ? pace_us : mean - mean / ASKED_MEAN + pace_us / ASKED_MEAN;
    }
    plat_mutex_unlock(&asked->mutex);
}

void asked_sure(struct asked *asked, const uint8_t content[static P2P_SHA256_SIZE], uint32_t piece,
                int64_t now_ms)
{
    plat_mutex_lock(&asked->mutex);
    if (is_of(asked, content) && set_first(asked->sure, piece))
        asked->news_ms = now_ms;
    plat_mutex_unlock(&asked->mutex);
}

static bool is_worth_it(const struct asked *asked, uint32_t pieces)
{
    return asked->pace_us >= SPARE_PACE_US &&
           (uint64_t)asked->pace_us * pieces >= (uint64_t)SPARE_FROM_MS * 1000;
}

static bool is_spared(const struct asked *asked, const struct asked_look *look)
{
    uint32_t late_ms = asked->pace_us / 1000 * SPARE_LATE;
    late_ms = late_ms > SPARE_LATE_MS ? late_ms : SPARE_LATE_MS;
    bool late = asked->out_count >= look->pieces - look->pieces / SPARE_PART;
    bool over = asked->out_count >= look->pieces || (late && look->sending < SPARE_SENDING);
    if (!bit_get(asked->out, look->piece) || over || !is_worth_it(asked, look->pieces))
        return false;
    return bit_get(asked->sure, look->piece)
               ? look->now_ms - asked->news_ms < SPARE_MS
               : (uint32_t)look->now_ms - asked->since_ms[look->piece] < late_ms;
}

bool asked_is_spared(struct asked *asked, const uint8_t content[static P2P_SHA256_SIZE],
                     const struct asked_look *look)
{
    plat_mutex_lock(&asked->mutex);
    bool spared = look->piece < look->pieces && look->pieces <= P2P_PIECES_AIM &&
                  is_of(asked, content) && is_spared(asked, look);
    plat_mutex_unlock(&asked->mutex);
    return spared;
}

void asked_note(struct asked *asked, const uint8_t content[static P2P_SHA256_SIZE], uint32_t piece,
                int64_t now_ms)
{
    plat_mutex_lock(&asked->mutex);
    int64_t idle_ms = now_ms - asked->noted_ms;
    if (idle_ms >= (is_of(asked, content) ? ASKED_OVER_MS : ASKED_IDLE_MS)) {
        memcpy(asked->content, content, P2P_SHA256_SIZE);
        memset(asked->out, 0, sizeof asked->out);
        memset(asked->sure, 0, sizeof asked->sure);
        asked->out_count = asked->pace_us = 0;
        asked->begin = asked->count;
    }
    if (is_of(asked, content)) {
        if (piece < P2P_PIECES_AIM) {
            asked->out_count += set_first(asked->out, piece);
            asked->since_ms[piece] = (uint32_t)now_ms;
        }
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
