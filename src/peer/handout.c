/* SPDX-License-Identifier: MIT */
/* Begins with the ticket: does the request ask for its file? Then the file is opened and looked at,
 * and looked at again before each part and after the last; when it is not what the ticket says, the
 * connection is cut and home is told. The worker's thread. */
#include "peer/handout.h"

#include "base/addr.h"
#include "base/text.h"
#include "node/reach.h"
#include "peer/outlet.h"
#include "platform/plat.h"
#include "wire/digest.h"

#include <assert.h>
#include <string.h>

enum { KEEP_GRAIN_MS = 500 };

/* ---- tickets ---- */

static void ticket_home(void *ctx)
{
    struct handout_ticket *ticket = ctx;
    ticket->handout->back(ticket->handout->ctx, ticket);
}

static void file_close(struct handout_ticket *ticket)
{
    if (ticket->file >= 0)
        plat_close(ticket->file);
    ticket->file = -1;
}

/* The connection is gone, or has gone elsewhere. */
static void on_ticket_gone(void *context, void *item)
{
    struct handout *handout = context;
    struct handout_ticket *ticket = item;
    deadline_stop(&ticket->keep);
    file_close(ticket);
    ticket->post = (struct loop_post){.run = ticket_home, .ctx = ticket};
    loop_post(handout->home_loop, &ticket->post);
}

static void on_keep_late(void *ctx, struct deadline *deadline)
{
    struct handout_ticket *ticket =
        (struct handout_ticket *)((char *)deadline - offsetof(struct handout_ticket, keep));
    (void)ctx;
    if (!ticket->in_use && !ticket->held) /* what was opened at home cannot be opened here */
        file_close(ticket);
}

/* 0; -P2P_ECHANGED; or why it cannot be opened. */
static int file_open(struct handout *handout, struct handout_ticket *ticket)
{
    if (ticket->held) {
        ticket->first = ticket->length = 0; /* of the request before */
        return outlet_is_as_hashed(ticket) ? 0 : -P2P_ECHANGED;
    }
    if (ticket->file < 0) {
        int root = plat_open_folder(handout->share);
        ticket->file = root < 0 ? root : plat_open_beneath(root, ticket->path, PLAT_READ);
        if (root >= 0)
            plat_close(root);
    }
    if (ticket->file < 0)
        return ticket->file;
    return outlet_is_as_hashed(ticket) ? 0 : -P2P_ECHANGED;
}

/* What the cache says of its chain. A file of one piece needs none. */
static void chain_find(struct handout_ticket *ticket)
{
    char path[P2P_PATH_MAX + 1];
    struct cache_record record;
    if (ticket->ready)
        return;
    ticket->ready = true;
    ticket->states = digest_piece_count(ticket->size) - 1;
    ticket->has_chain = true;
    if (ticket->states == 0) {
        struct digest digest;
        digest_chain_id_begin(&digest, ticket->size);
        digest_chain_id_end(&digest, ticket->chain_id);
        return;
    }
    ticket->has_chain =
        cache_read(ticket->cache_file, ticket->record, &record, path) == 0 &&
        memcmp(record.content.bytes, ticket->content.bytes, sizeof record.content.bytes) == 0 &&
        record.states == ticket->states;
    if (!ticket->has_chain)
        return;
    memcpy(ticket->chain_id, record.chain_id, sizeof ticket->chain_id);
    ticket->chain_at = cache_chain_at(ticket->record, &record);
}

/* Who does not name the chain gets proven pieces only. */
static bool names_chain(const struct exchange *exchange, const struct handout_ticket *ticket)
{
    struct str named = exchange->head->header[HTTP_HEADER_P2P_CHAIN];
    uint8_t id[P2P_CHAIN_ID_SIZE];
    return named.ptr && text_hex_decode(text_trim(named), id, sizeof id) == 0 &&
           memcmp(id, ticket->chain_id, sizeof id) == 0;
}

/* ---- the request and the ticket ---- */

static void go_home(struct exchange *exchange, struct handout *handout)
{
    if (exchange_move(exchange, handout->home, NULL) < 0)
        exchange_busy(exchange, "the node has no connection to spare", "try again");
}

/* The file is not what the ticket promises. A fresh ticket is answered, so that nobody goes to and
 * fro while home does not know yet; the next request goes home, and the complaint with it. */
static void fail(struct exchange *exchange, struct handout *handout, int error)
{
    struct handout_ticket *ticket = exchange->ticket;
    file_close(ticket);
    ticket->complaint = error;
    if (ticket->served)
        go_home(exchange, handout);
    else
        exchange_busy(exchange, "the file has changed or gone", "ask again: it is looked at");
}

/* Notes an asker that serves the content, too. Where it serves is its own word, but at which
 * address is not. What it has got is of use to a download of the chain that it names. */
static void hear(struct exchange *exchange, struct handout *handout)
{
    struct handout_ticket *ticket = exchange->ticket;
    const struct str *header = exchange->head->header;
    struct str news = ticket->held && !ticket->proven ? header[HTTP_HEADER_P2P_HAVE] : STR("");
    struct asker who, others[ASKERS_TOLD];
    int64_t now_ms = loop_now_ms(handout->worker->loop);
    ticket->crowd = false;
    if (!ticket->askers || askers_read(header[HTTP_HEADER_P2P_PEERS], &who, 1) != 1)
        return;
    uint16_t port = who.addr.port;
    who.addr = exchange->peer;
    who.addr.port = port;
    askers_note(ticket->askers, &ticket->content, &who, news, now_ms);
    ticket->crowd = askers_name(ticket->askers, &ticket->content, &who.id, now_ms, others) > 0;
}

/* Names others who fetch it, under addresses that are of use to this asker. */
static void put_askers(struct exchange *exchange, const struct handout *handout)
{
    const struct handout_ticket *ticket = exchange->ticket;
    struct reach_asker asker = {exchange->peer, exchange->local};
    struct plat_addr addr[P2P_ADDRESSES_MAX];
    struct asker others[ASKERS_TOLD], self = {.addr = {.family = 0}};
    char text[ASKERS_TOLD * (2 * P2P_ID_SIZE + 2 + ADDR_TEXT_MAX)];
    struct buf buf = buf_on(text, sizeof text);
    if (!ticket->askers)
        return;
    (void)askers_read(exchange->head->header[HTTP_HEADER_P2P_PEERS], &self, 1);
    int count = askers_name(ticket->askers, &ticket->content, &self.id,
                            loop_now_ms(handout->worker->loop), others);
    for (int i = 0; i < count; i++) {
        if (reach_addresses(&asker, &others[i].addr, 1, addr) == 0)
            continue;
        others[i].addr = addr[0];
        if (buf.len > 0)
            buf_put_char(&buf, ',');
        askers_put(&buf, &others[i]);
    }
    if (buf.len > 0)
        exchange_header(exchange, "P2P-Peers", buf_str(&buf));
}

/* The file is open, and as it was hashed. */
static bool prepare(struct exchange *exchange, struct handout *handout)
{
    struct handout_ticket *ticket = exchange->ticket;
    int error = file_open(handout, ticket);
    if (error < 0) {
        fail(exchange, handout, error);
        return false;
    }
    deadline_stop(&ticket->keep);
    ticket->in_use = true;
    ticket->served = true;
    exchange->user = ticket;
    chain_find(ticket);
    ticket->named = ticket->has_chain && names_chain(exchange, ticket);
    ticket->proven = ticket->held && !ticket->named;
    hear(exchange, handout);
    return true;
}

static bool asks_content(const struct exchange *exchange)
{
    const struct handout_ticket *ticket = exchange->ticket;
    uint8_t content[P2P_SHA256_SIZE];
    return ticket && ticket->complaint == 0 &&
           text_hex_decode(exchange->tail, content, sizeof content) == 0 &&
           memcmp(content, ticket->content.bytes, sizeof content) == 0;
}

static void content_begin(struct exchange *exchange, void *role)
{
    if (!asks_content(exchange))
        go_home(exchange, role);
    else if (prepare(exchange, role))
        outlet_serve(exchange, role, false);
}

static void download_begin(struct exchange *exchange, void *role)
{
    const struct handout_ticket *ticket = exchange->ticket;
    if (!ticket || ticket->complaint != 0 ||
        !text_equal(exchange->tail, (struct str){ticket->path, ticket->path_len}))
        go_home(exchange, role);
    else if (prepare(exchange, role))
        outlet_serve(exchange, role, true);
}

static void begin_chain(struct exchange *exchange)
{
    exchange_begin(exchange, 200, "application/octet-stream");
    outlet_put_chain(exchange, exchange->ticket);
}

static void chain_begin(struct exchange *exchange, void *role)
{
    struct handout *handout = role;
    struct handout_ticket *ticket = exchange->ticket;
    struct cache_record record;
    char path[P2P_PATH_MAX + 1];
    if (!asks_content(exchange)) {
        go_home(exchange, role);
        return;
    }
    if (!prepare(exchange, role))
        return;
    bool good = ticket->has_chain;
    if (good && ticket->states > 0 && !ticket->held)
        good = cache_read(ticket->cache_file, ticket->record, &record, path) == 0 &&
               cache_check_chain(ticket->cache_file, ticket->record, &record, handout->part,
                                 sizeof handout->part) == 0;
    if (!good) {
        ticket->complaint = -P2P_EVERIFY;
        exchange_busy(exchange, "the chain is not at hand", "the file is hashed again: ask later");
        return;
    }
    begin_chain(exchange);
    int64_t length = (int64_t)ticket->states * P2P_SHA256_SIZE;
    if (length == 0)
        exchange_end(exchange);
    else
        exchange_file(exchange, ticket->cache_file, ticket->chain_at, length,
                      ticket->held ? outlet_still : NULL);
}

/* The bits of a download's pieces. */
static void have_copy(struct exchange *exchange, struct buf *room)
{
    struct handout_ticket *ticket = exchange->ticket;
    struct held_ask ask = outlet_held_ask(ticket);
    uint64_t left = ((uint64_t)ticket->states + 8) / 8 - ticket->have_next;
    uint8_t bits[512];
    size_t size = left < sizeof bits ? (size_t)left : sizeof bits;
    if (!held_copy(ticket->held, &ask, (size_t)ticket->have_next, bits, size)) {
        exchange_cut(exchange);
        return;
    }
    buf_put_bytes(room, bits, size);
    ticket->have_next += size;
    if (size == left)
        exchange_end(exchange);
}

/* All bits are set but those behind the last piece. */
static void have_produce(struct exchange *exchange, void *role, struct buf *room)
{
    struct handout_ticket *ticket = exchange->ticket;
    uint64_t pieces = (uint64_t)ticket->states + 1, bytes = (pieces + 7) / 8;
    (void)role;
    if (ticket->held) {
        have_copy(exchange, room);
        return;
    }
    while (ticket->have_next < bytes && room->len < room->size) {
        uint64_t left = pieces - ticket->have_next * 8;
        buf_put_char(room, (char)(left >= 8 ? 0xff : 0xff << (8 - left)));
        ticket->have_next++;
    }
    if (ticket->have_next == bytes)
        exchange_end(exchange);
}

static void have_begin(struct exchange *exchange, void *role)
{
    struct handout_ticket *ticket = exchange->ticket;
    if (!asks_content(exchange)) {
        go_home(exchange, role);
        return;
    }
    if (!prepare(exchange, role))
        return;
    ticket->have_next = 0;
    begin_chain(exchange);
    put_askers(exchange, role);
    exchange_stream(exchange, ((int64_t)ticket->states + 8) / 8, have_produce);
}

/* The slot is free again, and the file stays open for a moment. */
static void on_gone(struct exchange *exchange, void *role, bool aborted)
{
    struct handout *handout = role;
    struct handout_ticket *ticket = exchange->user;
    outlet_gone(exchange, handout, aborted);
    if (!ticket)
        return;
    ticket->in_use = false;
    deadline_set(&handout->keeps, &ticket->keep,
                 loop_now_ms(handout->worker->loop) + HANDOUT_KEEP_MS);
}

const struct route handout_routes[] = {
    {SERVER_GET, 0, "/v1/content/", SERVER_TRANSFER, content_begin, NULL, NULL, NULL, on_gone},
    {SERVER_GET, 0, "/v1/chain/", SERVER_TRANSFER, chain_begin, NULL, NULL, NULL, on_gone},
    {SERVER_GET, 0, "/v1/have/", SERVER_TRANSFER, have_begin, NULL, NULL, NULL, on_gone},
    {SERVER_GET, 0, "/download/", SERVER_TRANSFER, download_begin, NULL, NULL, NULL, on_gone},
    {0, 0, NULL, SERVER_CLIENT, NULL, NULL, NULL, NULL, NULL},
};

/* ---- the server ---- */

static size_t on_pace(void *context, size_t wanted_size, int *out_wait_ms)
{
    struct handout_shared *shared = ((struct handout *)context)->shared;
    int64_t now_us = plat_now_us();
    plat_mutex_lock(&shared->mutex);
    size_t granted = (size_t)bucket_allow(&shared->bucket, wanted_size, now_us);
    bucket_take(&shared->bucket, granted);
    shared->sent += granted;
    *out_wait_ms = granted > 0 ? 0 : (int)bucket_wait_ms(&shared->bucket, now_us);
    plat_mutex_unlock(&shared->mutex);
    return granted;
}

int handout_init(struct handout *handout, struct arena *arena, struct server_config *config)
{
    config->listener = -1;
    config->home = handout->home;
    config->context = handout;
    config->ticket_gone = on_ticket_gone;
    config->pace = on_pace;
    deadlines_init(&handout->keeps, handout->worker->loop, KEEP_GRAIN_MS);
    handout->keeps.on_late = on_keep_late;
    handout->keeps.ctx = handout;
    handout->line_timer = (struct loop_timer){.on_time = outlet_on_time, .ctx = handout};
    int result = server_init(&handout->server, handout->worker->loop, arena, config);
    return result < 0 ? result : server_add_routes(handout->server, handout_routes, handout);
}

void handout_close(struct handout *handout)
{
    server_close(handout->server);
    deadlines_close(&handout->keeps);
    loop_stop_timer(handout->worker->loop, &handout->line_timer);
}
