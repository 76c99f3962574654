/* SPDX-License-Identifier: MIT */
/* A ring of numbers under a mutex: some hundred nanoseconds for each request. Who is told too late
 * misses the older ones: those have come round by then. */
#include "peer/asked.h"

#include <string.h>

enum {
    ASKED_IDLE_MS = 1000, /* after which another content takes the place */
    ASKED_LONGEST = 12    /* bytes of a number with its comma, and one that printf needs */
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

void asked_note(struct asked *asked, const uint8_t content[static P2P_SHA256_SIZE], uint32_t piece,
                int64_t now_ms)
{
    plat_mutex_lock(&asked->mutex);
    if (!is_of(asked, content) && now_ms - asked->noted_ms >= ASKED_IDLE_MS) {
        memcpy(asked->content, content, P2P_SHA256_SIZE);
        asked->begin = asked->count;
    }
    if (is_of(asked, content)) {
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
