/* SPDX-License-Identifier: MIT */
/* A bitmap, a list of the latest pieces, and a number that changes when anything is withdrawn. Who
 * sends notes the number first; an upload under which it changes is cut. That is rare: a piece is
 * withdrawn when a chain turned out false. */
#include "swarm/held.h"

#include "base/text.h"
#include "platform/plat_file.h"
#include "wire/digest.h"

#include <string.h>

void held_init(struct held *held)
{
    memset(held, 0, sizeof *held);
    held->file = held->chain_file = -1;
    plat_mutex_init(&held->mutex);
    askers_init(&held->askers);
}

static size_t bits_size(const struct held *held)
{
    return ((size_t)held->pieces + 7) / 8;
}

/* All that were here are withdrawn. Under the mutex. */
static void empty(struct held *held)
{
    held->serial++;
    held->count = 0;
    held->logged = 0;
    held->frontier = held->pieces;
    memset(held->bits, 0, bits_size(held));
}

void held_open(struct held *held, const struct held_source *source)
{
    held_close(held);
    held->content = *source->content;
    held->size = source->size;
    held->file = source->file;
    held->chain_file = source->chain_file;
    plat_mutex_lock(&held->mutex);
    held->open = true;
    held->settled = false;
    held->bits = source->bits;
    held->pieces = digest_piece_count(source->size);
    empty(held);
    plat_mutex_unlock(&held->mutex);
}

void held_close(struct held *held)
{
    plat_mutex_lock(&held->mutex);
    held->open = false;
    held->serial++;
    plat_mutex_unlock(&held->mutex);
    if (held->file >= 0) {
        plat_close(held->file);
    }
    if (held->chain_file >= 0) {
        plat_close(held->chain_file);
    }
    held->file = held->chain_file = -1;
}

void held_bind(struct held *held, const uint8_t id[static P2P_CHAIN_ID_SIZE], int64_t chain_at)
{
    memcpy(held->chain_id, id, sizeof held->chain_id);
    held->chain_at = chain_at;
    plat_mutex_lock(&held->mutex);
    empty(held);
    plat_mutex_unlock(&held->mutex);
}

static bool bit_get(const struct held *held, uint32_t piece)
{
    return held->bits[piece / 8] >> (7 - piece % 8) & 1;
}

bool held_has_piece(const struct held *held, uint32_t piece)
{
    return bit_get(held, piece);
}

void held_add(struct held *held, uint32_t piece)
{
    plat_mutex_lock(&held->mutex);
    held->bits[piece / 8] = (uint8_t)(held->bits[piece / 8] | 0x80 >> piece % 8);
    held->count++;
    held->log[held->logged++ % HELD_LOG] = piece;
    plat_mutex_unlock(&held->mutex);
}

void held_drop(struct held *held, uint32_t piece)
{
    plat_mutex_lock(&held->mutex);
    held->bits[piece / 8] = (uint8_t)(held->bits[piece / 8] & ~(0x80 >> piece % 8));
    held->count--;
    held->serial++;
    plat_mutex_unlock(&held->mutex);
}

void held_prove(struct held *held, uint32_t frontier)
{
    plat_mutex_lock(&held->mutex);
    held->frontier = frontier;
    plat_mutex_unlock(&held->mutex);
}

void held_settle(struct held *held)
{
    struct plat_stat stat;
    int error = plat_fstat(held->file, &stat);

    plat_mutex_lock(&held->mutex);
    held->settled = true;
    held->mtime_ns = error == 0 ? stat.mtime_ns : -1;
    plat_mutex_unlock(&held->mutex);
}

bool held_is_of(const struct held *held, const uint8_t content[static P2P_SHA256_SIZE])
{
    return held->file >= 0 && memcmp(held->content.bytes, content, P2P_SHA256_SIZE) == 0;
}

unsigned held_percent(const struct held *held)
{
    return held->file < 0 ? 0 : (unsigned)((uint64_t)held->count * 100 / held->pieces);
}

/* Under the mutex. */
static bool has_all_of(const struct held *held, const struct held_ask *ask)
{
    int64_t piece_size = digest_piece_size(held->size);

    for (int64_t at = ask->first; at < ask->first + ask->length;
         at += piece_size - at % piece_size) {
        uint32_t piece = (uint32_t)(at / piece_size);
        if (piece >= held->pieces || !bit_get(held, piece) ||
            (ask->proven && piece < held->frontier)) {
            return false;
        }
    }
    return true;
}

bool held_has(struct held *held, const struct held_ask *ask)
{
    struct plat_stat stat;

    plat_mutex_lock(&held->mutex);
    bool has = held->open && held->serial == ask->serial && has_all_of(held, ask);
    bool settled = held->settled;
    int64_t mtime_ns = held->mtime_ns;
    plat_mutex_unlock(&held->mutex);
    return has && (!settled || (plat_fstat(ask->file, &stat) == 0 && stat.mtime_ns == mtime_ns));
}

bool held_copy(struct held *held, const struct held_ask *ask, size_t offset, uint8_t *out,
               size_t size)
{
    plat_mutex_lock(&held->mutex);
    bool good = held->open && held->serial == ask->serial && offset + size <= bits_size(held);
    if (good) {
        memcpy(out, held->bits + offset, size);
    }
    for (size_t i = 0; good && ask->proven && i < size; i++) {
        size_t first = (offset + i) * 8;
        if (first < held->frontier) {
            size_t before = held->frontier - first;
            out[i] = (uint8_t)(before >= 8 ? 0 : out[i] & 0xff >> before);
        }
    }
    plat_mutex_unlock(&held->mutex);
    return good;
}

uint64_t held_logged(struct held *held)
{
    plat_mutex_lock(&held->mutex);
    uint64_t logged = held->logged;
    plat_mutex_unlock(&held->mutex);
    return logged;
}

void held_news(struct held *held, uint64_t *told, struct buf *out)
{
    enum { LONGEST = 11 }; /* a comma and a piece's number */

    plat_mutex_lock(&held->mutex);
    if (*told > held->logged) {
        *told = 0; /* it began anew */
    }
    if (held->logged - *told > HELD_LOG) {
        *told = held->logged - HELD_LOG;
    }
    while (*told < held->logged && out->size - out->len >= LONGEST) {
        buf_printf(out, "%s%u", out->len > 0 ? "," : "", (unsigned)held->log[*told % HELD_LOG]);
        ++*told;
    }
    plat_mutex_unlock(&held->mutex);
}

bool held_next_news(struct str *list, uint32_t pieces, uint32_t *out_piece)
{
    struct str item;
    uint64_t piece;

    while (text_split(list, ',', &item)) {
        if (text_to_u64(text_trim(item), UINT32_MAX, &piece) == 0 && piece < pieces) {
            *out_piece = (uint32_t)piece;
            return true;
        }
    }
    return false;
}
