/* SPDX-License-Identifier: MIT */
/* A small table that is walked as a whole, under its mutex. Whoever is in it is named by what it
 * said of itself and the address that it came from; nobody here has looked whether that is true. */
#include "swarm/askers.h"

#include "base/addr.h"
#include "base/text.h"

#include <string.h>

/* ---- the headers ---- */

int askers_read(struct str list, struct asker *out, int max)
{
    enum { HEX = 2 * P2P_ID_SIZE };
    struct str item;
    int count = 0;

    while (count < max && text_split(&list, ',', &item)) {
        item = text_trim(item);
        if (item.len <= HEX || item.ptr[HEX] != '@' ||
            text_hex_decode(text_first(item, HEX), out[count].id.bytes, P2P_ID_SIZE) != 0 ||
            addr_parse(text_from_byte(item, HEX + 1), 0, &out[count].addr) != 0 ||
            out[count].addr.port == 0) {
            break;
        }
        count++;
    }
    return count;
}

void askers_put(struct buf *buf, const struct asker *who)
{
    char text[ADDR_TEXT_MAX];

    buf_put_hex(buf, who->id.bytes, sizeof who->id.bytes);
    buf_put_char(buf, '@');
    buf_put_text(buf, addr_format(&who->addr, text));
}

void askers_put_have(struct buf *headers, struct str list)
{
    if (list.len == 0) {
        return;
    }
    buf_put_text(headers, "P2P-Have: ");
    buf_put(headers, list);
    buf_put_text(headers, "\r\n");
}

bool askers_next_piece(struct str *list, uint32_t pieces, uint32_t *out)
{
    struct str item;
    uint64_t piece;

    while (text_split(list, ',', &item)) {
        if (text_to_u64(text_trim(item), pieces - 1, &piece) == 0) {
            *out = (uint32_t)piece;
            return true;
        }
    }
    return false;
}

/* ---- the table ---- */

void askers_init(struct askers *askers)
{
    memset(askers, 0, sizeof *askers);
    plat_mutex_init(&askers->mutex);
}

static bool is_of(const struct askers_entry *entry, const struct record_content *content)
{
    return entry->heard_ms > 0 && memcmp(&entry->content, content, sizeof *content) == 0;
}

/* The entry of this one, else the one that is to make way for it. */
static struct askers_entry *place_of(struct askers *askers, const struct record_content *content,
                                     const struct asker *who)
{
    struct askers_entry *oldest = askers->entries, *oldest_here = NULL;
    int here = 0;

    for (int i = 0; i < ASKERS_MAX; i++) {
        struct askers_entry *entry = &askers->entries[i];
        bool same = entry->heard_ms > 0 && addr_same_ip(&entry->who.addr, &who->addr);
        if (same && is_of(entry, content) && record_id_equal(&entry->who.id, &who->id)) {
            return entry;
        }
        here += same;
        if (same && (oldest_here == NULL || entry->heard_ms < oldest_here->heard_ms)) {
            oldest_here = entry;
        }
        if (entry->heard_ms < oldest->heard_ms) {
            oldest = entry;
        }
    }
    if (oldest_here != NULL && here >= ASKERS_PER_ADDRESS && !addr_is_loopback(&who->addr)) {
        oldest = oldest_here;
    }
    memset(oldest, 0, sizeof *oldest);
    return oldest;
}

void askers_note(struct askers *askers, const struct record_content *content,
                 const struct asker *who, struct str news, int64_t now_ms)
{
    plat_mutex_lock(&askers->mutex);
    struct askers_entry *entry = place_of(askers, content, who);
    entry->who = *who;
    entry->content = *content;
    entry->heard_ms = now_ms;
    entry->fresh = true;
    while (entry->news_count < ASKERS_NEWS &&
           askers_next_piece(&news, UINT32_MAX, &entry->news[entry->news_count])) {
        entry->news_count++;
    }
    plat_mutex_unlock(&askers->mutex);
}

int askers_name(struct askers *askers, const struct record_content *content,
                const struct record_id *but, int64_t now_ms, struct asker out[static ASKERS_TOLD])
{
    int count = 0;

    plat_mutex_lock(&askers->mutex);
    uint32_t first = askers->turn++;
    for (uint32_t i = 0; i < ASKERS_MAX && count < ASKERS_TOLD; i++) {
        const struct askers_entry *entry = &askers->entries[(first + i) % ASKERS_MAX];
        if (is_of(entry, content) && now_ms - entry->heard_ms < ASKERS_KEEP_MS &&
            !record_id_equal(&entry->who.id, but)) {
            out[count++] = entry->who;
        }
    }
    plat_mutex_unlock(&askers->mutex);
    return count;
}

int askers_take(struct askers *askers, const struct record_content *content, int at,
                struct askers_entry *out)
{
    int next = 0;

    plat_mutex_lock(&askers->mutex);
    for (; at < ASKERS_MAX && next == 0; at++) {
        struct askers_entry *entry = &askers->entries[at];
        if (entry->fresh && is_of(entry, content)) {
            *out = *entry;
            entry->fresh = false;
            entry->news_count = 0;
            next = at + 1;
        }
    }
    plat_mutex_unlock(&askers->mutex);
    return next;
}
