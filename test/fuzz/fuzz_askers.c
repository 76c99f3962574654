/* SPDX-License-Identifier: MIT */
/* P2P-Peers and P2P-Have as strangers write them, into the table and out of it again: what is named
 * can be read, nobody has more places than he may, and no piece is told that was not there. */
#include "base/addr.h"
#include "base/text.h"
#include "swarm/askers.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PIECES = 100 };

static void check_list(struct str list)
{
    struct asker who[ASKERS_TOLD], again[ASKERS_TOLD];
    char text[ASKERS_TOLD * 128];
    struct buf buf = buf_on(text, sizeof text);
    int count = askers_read(list, who, ASKERS_TOLD);
    for (int i = 0; i < count; i++) {
        if (who[i].addr.port == 0)
            abort();
        if (i > 0)
            buf_put_char(&buf, ',');
        askers_put(&buf, &who[i]);
    }
    if (buf.full || askers_read(buf_str(&buf), again, ASKERS_TOLD) != count)
        abort();
    for (int i = 0; i < count; i++)
        if (!addr_equal(&who[i].addr, &again[i].addr) || !record_id_equal(&who[i].id, &again[i].id))
            abort();
}

static void check_pieces(struct str list)
{
    uint32_t piece;
    while (askers_next_piece(&list, PIECES, &piece))
        if (piece >= PIECES)
            abort();
}

static void check_table(struct askers *askers, int64_t now_ms)
{
    static const struct record_content content;
    static const struct record_id nobody;
    struct asker out[ASKERS_TOLD];
    struct askers_entry entry;
    if (askers_name(askers, &content, &nobody, now_ms, out) > ASKERS_TOLD)
        abort();
    for (int at = 0; (at = askers_take(askers, &content, at, &entry)) > 0;)
        if (entry.news_count > ASKERS_NEWS || at > ASKERS_MAX)
            abort();
    for (int i = 0; i < ASKERS_MAX; i++) {
        const struct askers_entry *one = &askers->entries[i];
        int here = 0;
        for (int k = 0; k < ASKERS_MAX; k++)
            here += askers->entries[k].heard_ms > 0 && one->heard_ms > 0 &&
                    addr_same_ip(&one->who.addr, &askers->entries[k].who.addr);
        if (here > ASKERS_PER_ADDRESS && !addr_is_loopback(&one->who.addr))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct record_content content;
    static struct askers askers;
    struct str rest = {(const char *)data, size}, line, peers;
    int64_t now_ms = 1;
    askers_init(&askers);
    while (text_split(&rest, '\n', &line)) {
        struct asker who;
        check_list(line);
        check_pieces(line);
        if (text_split(&line, ';', &peers) && askers_read(peers, &who, 1) == 1)
            askers_note(&askers, &content, &who, line, now_ms += 500);
        check_table(&askers, now_ms);
    }
    return 0;
}
