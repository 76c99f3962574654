/* SPDX-License-Identifier: MIT */
/* The answer with the bytes: which of them a request means, what the head says of them, and the
 * slot that it waits for. Slots are shared by all workers; each has a line of its own. Whether the
 * file is still what was hashed is asked before each part. The worker's thread. */
#include "peer/outlet.h"

#include "base/name.h"
#include "base/text.h"
#include "peer/entries.h"
#include "platform/plat.h"
#include "wire/digest.h"

#include <string.h>

struct held_ask outlet_held_ask(const struct handout_ticket *ticket)
{
    return (struct held_ask){.serial = ticket->held_serial,
                             .file = ticket->file,
                             .first = ticket->first,
                             .length = ticket->length,
                             .proven = ticket->proven};
}

bool outlet_is_as_hashed(const struct handout_ticket *ticket)
{
    struct plat_stat stat;
    if (ticket->held) {
        struct held_ask ask = outlet_held_ask(ticket);
        return held_has(ticket->held, &ask);
    }
    return plat_fstat(ticket->file, &stat) == 0 && entries_print(&stat) == ticket->print;
}

/* ---- headers ---- */

void outlet_put_chain(struct exchange *exchange, const struct handout_ticket *ticket)
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

bool outlet_still(struct exchange *exchange, void *role)
{
    struct handout_ticket *ticket = exchange->ticket;
    (void)role;
    if (outlet_is_as_hashed(ticket))
        return true;
    ticket->complaint = -P2P_ECHANGED;
    return false;
}

/* For everybody but a node that asks for a piece: it knows all of that, and the heads of a swarm
 * are a hundredth of its bytes. */
static void put_about(struct exchange *exchange, const struct handout_ticket *ticket)
{
    char etag[2 * P2P_SHA256_SIZE + 3];
    exchange_header(exchange, "ETag", etag_of(ticket, etag));
    exchange_header(exchange, "Accept-Ranges", STR("bytes"));
    exchange_header(exchange, "Content-Security-Policy", STR("sandbox; default-src 'none'"));
    outlet_put_chain(exchange, ticket);
}

static void begin_file(struct exchange *exchange, int status, bool is_download)
{
    struct handout_ticket *ticket = exchange->ticket;
    exchange_begin(exchange, status, status == 304 ? NULL : "application/octet-stream");
    if (!ticket->named || status != 206)
        put_about(exchange, ticket);
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
    const struct asked_look look = {.piece = piece_of(ticket),
                                    .pieces = ticket->states + 1,
                                    .sending = atomic_load(&handout->shared->active),
                                    .now_ms = loop_now_ms(handout->worker->loop)};
    return ticket->crowd && ticket->named && !ticket->held &&
           asked_is_spared(&handout->shared->asked, ticket->content.bytes, &look);
}

/* In the slot that was taken for it. */
static void send_bytes(struct exchange *exchange, struct handout_ticket *ticket)
{
    exchange->user_number = 1;
    ticket->since_ms = loop_now_ms(ticket->handout->worker->loop);
    begin_file(exchange, ticket->status, ticket->is_download);
    if (ticket->status == 206)
        put_content_range(exchange, ticket->first, ticket->length, ticket->size);
    exchange_file(exchange, ticket->file, ticket->first, ticket->length, outlet_still);
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

void outlet_on_time(void *ctx)
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

void outlet_serve(struct exchange *exchange, struct handout *handout, bool is_download)
{
    struct handout_ticket *ticket = exchange->ticket;
    int status = wanted(exchange, &ticket->first, &ticket->length);
    bool has_bytes = status == 200 || status == 206;
    ticket->status = status;
    ticket->is_download = is_download;
    if (ticket->held && has_bytes && !outlet_is_as_hashed(ticket)) {
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
        exchange_file(exchange, ticket->file, ticket->first, ticket->length, outlet_still);
}

void outlet_gone(struct exchange *exchange, struct handout *handout, bool aborted)
{
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
}
