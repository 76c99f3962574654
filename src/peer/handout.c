/* SPDX-License-Identifier: MIT */
/* Begins with the ticket: does the request ask for its file? Then the file is opened and looked at,
 * and looked at again before each part and after the last; when it is not what the ticket says, the
 * connection is cut and home is told. The worker's thread. */
#include "peer/handout.h"

#include "base/name.h"
#include "base/addr.h"
#include "base/text.h"
#include "node/reach.h"
#include "peer/entries.h"
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

static struct held_ask held_ask_of(const struct handout_ticket *ticket)
{
    return (struct held_ask){.serial = ticket->held_serial,
                             .file = ticket->file,
                             .first = ticket->first,
                             .length = ticket->length,
                             .proven = ticket->proven};
}

static bool is_as_hashed(const struct handout_ticket *ticket)
{
    struct plat_stat stat;
    if (ticket->held) {
        struct held_ask ask = held_ask_of(ticket);
        return held_has(ticket->held, &ask);
    }
    return plat_fstat(ticket->file, &stat) == 0 && entries_print(&stat) == ticket->print;
}

/* 0; -P2P_ECHANGED; or why it cannot be opened. */
static int file_open(struct handout *handout, struct handout_ticket *ticket)
{
    if (ticket->held) {
        ticket->first = ticket->length = 0; /* of the request before */
        return is_as_hashed(ticket) ? 0 : -P2P_ECHANGED;
    }
    if (ticket->file < 0) {
        int root = plat_open_folder(handout->share);
        ticket->file = root < 0 ? root : plat_open_beneath(root, ticket->path, PLAT_READ);
        if (root >= 0)
            plat_close(root);
    }
    if (ticket->file < 0)
        return ticket->file;
    return is_as_hashed(ticket) ? 0 : -P2P_ECHANGED;
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

/* ---- headers ---- */

static void put_chain_headers(struct exchange *exchange, const struct handout_ticket *ticket)
{
    char hex[2 * P2P_CHAIN_ID_SIZE + 1];
    exchange_header_i64(exchange, "P2P-Size", ticket->size);
    exchange_header_i64(exchange, "P2P-Piece", digest_piece_size(ticket->size));
    if (!ticket->has_chain)
        return;
    text_hex_encode(ticket->chain_id, sizeof ticket->chain_id, hex);
    exchange_header(exchange, "P2P-Chain", (struct str){hex, sizeof hex - 1});
}

/* The pieces that came since the last answer on this connection, so that nobody has to ask; of a
 * whole file those that others asked for, so that nobody asks for them too. */
static void put_news(struct exchange *exchange, struct handout_ticket *ticket)
{
    char text[HELD_HEADER];
    struct buf buf = buf_on(text, sizeof text);
    if (ticket->held)
        held_news(ticket->held, &ticket->told, &buf);
    else if (ticket->named)
        asked_news(&ticket->handout->shared->asked, ticket->content.bytes, &ticket->told, &buf);
    if (buf.len > 0)
        exchange_header(exchange, "P2P-Have", buf_str(&buf));
}

/* Who does not name the chain gets proven pieces only. */
static bool names_chain(const struct exchange *exchange, const struct handout_ticket *ticket)
{
    struct str named = exchange->head->header[HTTP_HEADER_P2P_CHAIN];
    uint8_t id[P2P_CHAIN_ID_SIZE];
    return named.ptr && text_hex_decode(text_trim(named), id, sizeof id) == 0 &&
           memcmp(id, ticket->chain_id, sizeof id) == 0;
}

static struct str etag_of(const struct handout_ticket *ticket, char out[2 * P2P_SHA256_SIZE + 3])
{
    out[0] = '"';
    text_hex_encode(ticket->content.bytes, P2P_SHA256_SIZE, out + 1);
    out[2 * P2P_SHA256_SIZE + 1] = '"';
    return (struct str){out, 2 * P2P_SHA256_SIZE + 2};
}

/* RFC 9110, 13.1.2: a list of tags, compared weakly. */
static bool tags_have(struct str tags, struct str etag)
{
    struct str tag;
    if (text_is(text_trim(tags), "*"))
        return true;
    while (text_split(&tags, ',', &tag)) {
        tag = text_trim(tag);
        if (text_begins(tag, STR("W/")))
            tag = text_from_byte(tag, 2);
        if (text_equal(tag, etag))
            return true;
    }
    return false;
}

static void put_download_headers(struct exchange *exchange, const struct handout_ticket *ticket)
{
    char text[8 * P2P_PART_MAX];
    struct buf buf = buf_on(text, sizeof text);
    struct str path = {ticket->path, ticket->path_len};
    buf_put_text(&buf, "attachment; ");
    buf_put_disposition(&buf, name_base(path));
    exchange_header(exchange, "Content-Disposition", buf.full ? STR("attachment") : buf_str(&buf));
}

/* RFC 9530: of the whole file, whatever part of it is sent. */
static void put_digest(struct exchange *exchange, const struct handout_ticket *ticket)
{
    char text[64];
    struct buf buf = buf_on(text, sizeof text);
    buf_put_text(&buf, "sha-256=:");
    buf_put_base64(&buf, ticket->content.bytes, sizeof ticket->content.bytes);
    buf_put_char(&buf, ':');
    exchange_header(exchange, "Repr-Digest", buf_str(&buf));
}

/* ---- bytes ---- */

static bool still(struct exchange *exchange, void *role)
{
    struct handout_ticket *ticket = exchange->ticket;
    (void)role;
    if (is_as_hashed(ticket))
        return true;
    ticket->complaint = -P2P_ECHANGED;
    return false;
}

static void begin_file(struct exchange *exchange, int status, bool is_download)
{
    struct handout_ticket *ticket = exchange->ticket;
    char etag[2 * P2P_SHA256_SIZE + 3];
    exchange_begin(exchange, status, status == 304 ? NULL : "application/octet-stream");
    exchange_header(exchange, "ETag", etag_of(ticket, etag));
    exchange_header(exchange, "Accept-Ranges", STR("bytes"));
    exchange_header(exchange, "Content-Security-Policy", STR("sandbox; default-src 'none'"));
    put_chain_headers(exchange, ticket);
    put_news(exchange, ticket);
    if (is_download)
        put_download_headers(exchange, ticket);
    if (is_download && (status == 200 || status == 206))
        put_digest(exchange, ticket);
}

static void put_content_range(struct exchange *exchange, int64_t first, int64_t length,
                              int64_t size)
{
    char text[80];
    struct buf buf = buf_on(text, sizeof text);
    if (length < 0)
        buf_printf(&buf, "bytes */%lld", (long long)size);
    else
        buf_printf(&buf, "bytes %lld-%lld/%lld", (long long)first, (long long)(first + length - 1),
                   (long long)size);
    exchange_header(exchange, "Content-Range", buf_str(&buf));
}

/* Which bytes are asked for: a status of 200, 206, 304 or 416. */
static int wanted(const struct exchange *exchange, int64_t *out_first, int64_t *out_length)
{
    const struct handout_ticket *ticket = exchange->ticket;
    const struct str *header = exchange->head->header;
    char text[2 * P2P_SHA256_SIZE + 3];
    struct str etag = etag_of(ticket, text), if_range = header[HTTP_HEADER_IF_RANGE];
    *out_first = 0;
    *out_length = ticket->size;
    if (header[HTTP_HEADER_IF_NONE_MATCH].ptr && tags_have(header[HTTP_HEADER_IF_NONE_MATCH], etag))
        return 304;
    if (!header[HTTP_HEADER_RANGE].ptr || (if_range.ptr && !text_equal(text_trim(if_range), etag)))
        return 200;
    int result = http_parse_range(header[HTTP_HEADER_RANGE], ticket->size, out_first, out_length);
    if (result == 1) {
        *out_first = 0;
        *out_length = ticket->size;
    }
    return result == 0 ? 206 : result == 1 ? 200 : 416;
}

/* ---- slots ---- */

static bool slot_take(struct handout_shared *shared)
{
    if (atomic_fetch_add(&shared->active, 1) < atomic_load(&shared->most))
        return true;
    atomic_fetch_sub(&shared->active, 1);
    return false;
}

static uint32_t piece_of(const struct handout_ticket *ticket)
{
    return (uint32_t)(ticket->first / digest_piece_size(ticket->size));
}

/* A piece of a whole file has left to a node, as far as can be told: the one before it on this
 * connection surely has, while this one may lie in the kernel. */
static void note_left(struct handout_ticket *ticket, uint32_t beside)
{
    struct asked *asked = &ticket->handout->shared->asked;
    int64_t now_ms = loop_now_ms(ticket->handout->worker->loop);
    uint32_t took_us = (uint32_t)(now_ms - ticket->since_ms) * 1000;
    if (ticket->followed)
        asked_sure(asked, ticket->content.bytes, ticket->last_piece, now_ms);
    ticket->followed = true;
    ticket->last_piece = piece_of(ticket);
    asked_left(asked, ticket->content.bytes, took_us / beside);
}

static void slot_give(struct handout_ticket *ticket, bool aborted)
{
    uint32_t active = atomic_fetch_sub(&ticket->handout->shared->active, 1);
    if (!aborted && ticket->named && !ticket->held)
        note_left(ticket, active);
}

static void answer_later(struct exchange *exchange, struct str body)
{
    exchange_begin(exchange, 503, "application/json");
    exchange_header(exchange, "Retry-After", STR("1"));
    put_news(exchange, exchange->ticket);
    buf_put(exchange_body(exchange), body);
    exchange_end(exchange);
}

static void answer_busy(struct exchange *exchange)
{
    answer_later(exchange, STR("{\"error\":\"all upload slots are taken\",\"hint\":\"try again\","
                               "\"retry_ms\":200}\n"));
}

/* Another downloader has it, and this node still has what nobody has. */
static bool is_spared(const struct handout_ticket *ticket)
{
    struct handout *handout = ticket->handout;
    return ticket->crowd && ticket->named && !ticket->held &&
           asked_is_spared(&handout->shared->asked, ticket->content.bytes, piece_of(ticket),
                           ticket->states + 1, loop_now_ms(handout->worker->loop));
}

/* In the slot that was taken for it. */
static void send_bytes(struct exchange *exchange, struct handout_ticket *ticket)
{
    exchange->user_number = 1;
    ticket->since_ms = loop_now_ms(ticket->handout->worker->loop);
    begin_file(exchange, ticket->status, ticket->is_download);
    if (ticket->status == 206)
        put_content_range(exchange, ticket->first, ticket->length, ticket->size);
    exchange_file(exchange, ticket->file, ticket->first, ticket->length, still);
}

static void line_take(struct handout *handout, uint32_t at)
{
    handout->line[at]->waits = NULL;
    handout->line_count--;
    atomic_fetch_sub(&handout->shared->waiting, 1);
    memmove(handout->line + at, handout->line + at + 1,
            (handout->line_count - at) * sizeof handout->line[0]);
}

/* Those at the front go on as slots are free; those that waited too long are told so. */
static void line_move(struct handout *handout)
{
    int64_t now_ms = loop_now_ms(handout->worker->loop);
    while (handout->line_count > 0) {
        struct handout_ticket *ticket = handout->line[0];
        struct exchange *exchange = ticket->waits;
        bool late = now_ms - ticket->since_ms >= HANDOUT_WAIT_MS;
        if (!late && !slot_take(handout->shared))
            break;
        line_take(handout, 0);
        if (late)
            answer_busy(exchange);
        else
            send_bytes(exchange, ticket);
    }
    if (handout->line_count == 0)
        loop_stop_timer(handout->worker->loop, &handout->line_timer);
    else
        (void)loop_set_timer(handout->worker->loop, &handout->line_timer, now_ms + HANDOUT_POLL_MS);
}

static void on_line_time(void *ctx)
{
    line_move(ctx);
}

/* What a node is served of a whole file; what is refused has not left. */
static void note_asked(const struct handout_ticket *ticket, struct handout *handout)
{
    if (ticket->named && !ticket->held)
        asked_note(&handout->shared->asked, ticket->content.bytes, piece_of(ticket),
                   loop_now_ms(handout->worker->loop));
}

/* Who comes later stands behind those that wait, so that a connection that asks again and again
 * does not keep its slot for ever. */
static void serve_in_turn(struct exchange *exchange, struct handout *handout)
{
    struct handout_ticket *ticket = exchange->ticket;
    uint32_t nodes = ticket->named ? HANDOUT_NODES : UINT32_MAX;
    uint32_t waiting = atomic_load(&handout->shared->waiting);
    if (is_spared(ticket)) {
        answer_later(exchange, STR("{\"error\":\"another asked for it before\",\"hint\":\"ask that "
                                   "one\",\"retry_ms\":200}\n"));
        return;
    }
    if (waiting == 0 && slot_take(handout->shared)) {
        note_asked(ticket, handout);
        send_bytes(exchange, ticket);
        return;
    }
    if (handout->line_count == HANDOUT_WAITING || waiting >= nodes) {
        answer_busy(exchange);
        return;
    }
    note_asked(ticket, handout);
    ticket->waits = exchange;
    ticket->since_ms = loop_now_ms(handout->worker->loop);
    handout->line[handout->line_count++] = ticket;
    atomic_fetch_add(&handout->shared->waiting, 1);
    line_move(handout);
}

static void serve_bytes(struct exchange *exchange, struct handout *handout, bool is_download)
{
    struct handout_ticket *ticket = exchange->ticket;
    int status = wanted(exchange, &ticket->first, &ticket->length);
    bool has_bytes = status == 200 || status == 206;
    ticket->status = status;
    ticket->is_download = is_download;
    if (ticket->held && has_bytes && !is_as_hashed(ticket)) {
        exchange_error(exchange, 404, "these bytes are not here yet",
                       "ask /v1/have which pieces are, and name their chain in P2P-Chain");
        return;
    }
    if (has_bytes && exchange->head->method == HTTP_METHOD_GET) {
        serve_in_turn(exchange, handout);
        return;
    }
    begin_file(exchange, status, is_download);
    if (status == 206)
        put_content_range(exchange, ticket->first, ticket->length, ticket->size);
    if (status == 416)
        put_content_range(exchange, 0, -1, ticket->size);
    if (status == 304 || status == 416)
        exchange_end(exchange);
    else
        exchange_file(exchange, ticket->file, ticket->first, ticket->length, still);
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
        serve_bytes(exchange, role, false);
}

static void download_begin(struct exchange *exchange, void *role)
{
    const struct handout_ticket *ticket = exchange->ticket;
    if (!ticket || ticket->complaint != 0 ||
        !text_equal(exchange->tail, (struct str){ticket->path, ticket->path_len}))
        go_home(exchange, role);
    else if (prepare(exchange, role))
        serve_bytes(exchange, role, true);
}

static void begin_chain(struct exchange *exchange)
{
    exchange_begin(exchange, 200, "application/octet-stream");
    put_chain_headers(exchange, exchange->ticket);
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
                      ticket->held ? still : NULL);
}

/* The bits of a download's pieces. */
static void have_copy(struct exchange *exchange, struct buf *room)
{
    struct handout_ticket *ticket = exchange->ticket;
    struct held_ask ask = held_ask_of(ticket);
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
    if (exchange->user_number != 0)
        slot_give(ticket, aborted);
    exchange->user_number = 0;
    for (uint32_t i = 0; ticket && ticket->waits && i < handout->line_count; i++)
        if (handout->line[i] == ticket)
            line_take(handout, i);
    if (handout->line_count > 0) /* not at once: nobody may be answered in here */
        (void)loop_set_timer(handout->worker->loop, &handout->line_timer,
                             loop_now_ms(handout->worker->loop));
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
    handout->line_timer = (struct loop_timer){.on_time = on_line_time, .ctx = handout};
    int result = server_init(&handout->server, handout->worker->loop, arena, config);
    return result < 0 ? result : server_add_routes(handout->server, handout_routes, handout);
}

void handout_close(struct handout *handout)
{
    server_close(handout->server);
    deadlines_close(&handout->keeps);
    loop_stop_timer(handout->worker->loop, &handout->line_timer);
}
