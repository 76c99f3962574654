/* SPDX-License-Identifier: MIT */
/* What is told may be a lie that shall make this node bother a third one, or fill its table. So a
 * hint obeys the rules for addresses that hold at an index, few are taken in a second, each is
 * asked one fixed question a few times at most, and who told too many that led nowhere is not
 * listened to any more. What the index says always goes before. Loop thread. */
#include "swarm/hints.h"

#include "base/addr.h"
#include "base/text.h"
#include "node/reach.h"
#include "swarm/sources.h"

#include <string.h>

void hints_reset(struct download *download)
{
    bucket_init(&download->sources.hints, HINTS_RATE, HINTS_BURST, plat_now_us());
}

void hints_put_self(const struct download *download, struct buf *buf)
{
    struct asker self = {.id = download->config.self,
                         .addr = {.family = 4, .port = download->config.port}};

    if (self.addr.port != 0 && download->want.window == 0 && download->pieces > 1) {
        buf_put_text(buf, "P2P-Peers: ");
        askers_put(buf, &self);
        buf_put_text(buf, "\r\n");
    }
}

/* A place for one more: free, or that of one that led nowhere. -1: none. */
static int place(struct download *download)
{
    int hints = 0, failed = -1;

    for (int i = 0; i < TRANSFER_HOLDERS_MAX; i++) {
        const struct holder *holder = &download->holders[i];
        hints += holder->state != HOLDER_NONE && holder->hint;
        failed = holder->hint && holder->state == HOLDER_OUT ? i : failed;
    }
    return hints < HINTS_MAX ? sources_free(download) : failed;
}

/* teller -1: it spoke for itself. */
static void take(struct download *download, const struct asker *who, int teller)
{
    int number = sources_find(download, &who->id);
    int64_t now_us = plat_now_us();

    if (record_id_equal(&who->id, &download->config.self) ||
        bucket_allow(&download->sources.hints, 1, now_us) == 0) {
        return;
    }
    if (number >= 0) { /* known; but one that led nowhere may be somewhere else */
        const struct holder *known = &download->holders[number];
        bool astray = known->hint && known->state == HOLDER_OUT;
        number = astray && !addr_equal(&known->addr[0], &who->addr) ? number : -1;
    } else {
        number = place(download);
    }
    if (number < 0) {
        return;
    }
    bucket_take(&download->sources.hints, 1);
    struct holder *holder = &download->holders[number];
    *holder = (struct holder){.state = HOLDER_NEW,
                              .id = who->id,
                              .addr = {who->addr},
                              .addr_count = 1,
                              .hint = true,
                              .teller = (int8_t)teller,
                              .round = download->sources.round};
    bound_meter_init(&holder->meter, loop_now_ms(download->config.loop));
}

static bool is_at(const struct holder *holder, const struct plat_addr *addr)
{
    for (int i = 0; i < holder->addr_count; i++) {
        if (addr_same_ip(&holder->addr[i], addr)) {
            return true;
        }
    }
    return false;
}

/* Who tells of pieces has begun, and need not be asked for some time. */
static void heard(const struct download *download, struct holder *holder)
{
    int64_t now = loop_now_ms(download->config.loop);
    int64_t most = holder->said_ms + HOLDER_SILENT_MS;

    if (holder->state == HOLDER_READY) {
        holder->have_ms = now + HOLDER_AGAIN_MS < most ? now + HOLDER_AGAIN_MS : most;
    } else if (holder->state == HOLDER_NEW && holder->hint) {
        holder->retry_ms = 0;
    } else if (holder->state == HOLDER_OUT && holder->hint) {
        holder->state = HOLDER_NEW;
        holder->fails = DOWNLOAD_FAILS_MAX - 1;
        holder->retry_ms = 0;
    }
}

static void take_news(struct download *download, int number, const struct askers_entry *entry)
{
    struct holder *holder = &download->holders[number];

    if (entry->news_count == 0 || !is_at(holder, &entry->who.addr)) {
        return;
    }
    heard(download, holder);
    if (holder->state != HOLDER_READY ||
        proof_chain_of(&download->proof, (unsigned)number) != download->held_chain) {
        return;
    }
    for (uint32_t i = 0; i < entry->news_count; i++) {
        if (entry->news[i] < download->pieces) {
            plan_has_piece(&download->plan, (unsigned)number, entry->news[i]);
        }
    }
}

void hints_hear(struct download *download)
{
    struct askers_entry entry;

    for (int at = 0;
         (at = askers_take(&download->held.askers, &download->want.content, at, &entry)) > 0;) {
        int number = sources_find(download, &entry.who.id);
        if (number < 0) {
            take(download, &entry.who, -1);
        } else {
            take_news(download, number, &entry);
        }
    }
}

void hints_read(struct download *download, int teller, struct str list)
{
    const struct holder *holder = &download->holders[teller];
    const struct plat_addr *source = &holder->addr[holder->addr_now];
    struct asker told[ASKERS_TOLD];
    int count = holder->misled < HINTS_MISLED ? askers_read(list, told, ASKERS_TOLD) : 0;

    for (int i = 0; i < count; i++) {
        bool linked = addr_is_link_local(&told[i].addr);
        told[i].addr.scope = linked ? source->scope : 0;
        if (reach_may_claim(source, &told[i].addr) && (!linked || addr_is_link_local(source))) {
            take(download, &told[i], teller);
        }
    }
}

bool hints_is_true(const struct download *download, int number, const struct http_head *head)
{
    const struct holder *holder = &download->holders[number];
    struct str node = head->header[HTTP_HEADER_P2P_NODE];
    struct record_id id;

    return !holder->hint ||
           (node.ptr != NULL && text_hex_decode(text_trim(node), id.bytes, sizeof id.bytes) == 0 &&
            record_id_equal(&id, &holder->id));
}

void hints_confirm(struct download *download, int number)
{
    struct holder *holder = &download->holders[number];

    if (holder->hint && holder->teller >= 0) {
        download->holders[holder->teller].misled = 0;
    }
    holder->hint = false;
}

void hints_drop(struct download *download, int number)
{
    struct holder *holder = &download->holders[number];
    struct holder *teller = holder->teller >= 0 ? &download->holders[holder->teller] : NULL;

    holder->state = HOLDER_OUT;
    if (teller != NULL && teller->misled < HINTS_MISLED) {
        teller->misled++;
    }
}
