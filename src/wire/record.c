/* SPDX-License-Identifier: MIT */
/* Records to JSON lines, and what ids, roles and states are in words. Reading is record_read.c.
 * Pure; any thread. */
#include "wire/record.h"

#include "wire/digest.h"

#include <string.h>

static void record_put_u64(struct buf *buf, const char *key, uint64_t value)
{
    json_put_key(buf, key);
    buf_put_u64(buf, value);
}

static void record_put_id(struct buf *buf, const char *key, const struct record_id *id)
{
    json_put_field_hex(buf, key, id->bytes, sizeof(id->bytes));
}

static void record_put_cstr(struct buf *buf, const char *key, const char *value)
{
    json_put_field_text(buf, key, text_from(value));
}

static void record_put_file(struct buf *buf, const struct record_offer *offer)
{
    json_put_field_text(buf, "path", offer->path);
    json_put_field_i64(buf, "size", offer->size);
    json_put_field_i64(buf, "mtime", offer->mtime);
    json_put_field_hex(buf, "sha256", offer->hashed ? offer->content.bytes : NULL,
                       sizeof(offer->content.bytes));
}

static void record_put_offer_fields(struct buf *buf, const struct record_offer *offer)
{
    record_put_file(buf, offer);
    record_put_cstr(buf, "mode", offer->executable ? "x" : "");
    record_put_cstr(buf, "kind", offer->copy ? "copy" : "owned");
    if (offer->copy)
        record_put_id(buf, "origin", &offer->origin);
    if (offer->have < 100)
        json_put_field_i64(buf, "have", offer->have);
}

void record_put_addresses(struct buf *buf, const struct plat_addr *address, int count)
{
    json_put_key(buf, "addresses");
    buf_put_char(buf, '[');
    for (int i = 0; i < count; i++) {
        char text[ADDR_TEXT_MAX];
        if (i > 0)
            buf_put_char(buf, ',');
        json_put_text(buf, text_from(addr_format(&address[i], text)));
    }
    buf_put_char(buf, ']');
}

void record_put_join(struct buf *buf, const struct record_join *join)
{
    buf_put_text(buf, "{\"v\":1");
    record_put_u64(buf, "epoch", join->epoch);
    record_put_u64(buf, "seq", join->seq);
    json_put_field_i64(buf, "port", join->port);
    json_put_field_text(buf, "name", join->name);
    record_put_cstr(buf, "role", record_role_text(join->role));
    record_put_addresses(buf, join->address, join->address_count);
    buf_put_char(buf, '}');
}

void record_put_offer(struct buf *buf, const struct record_offer *offer)
{
    buf_put_char(buf, '{');
    record_put_offer_fields(buf, offer);
    buf_put_char(buf, '}');
}

void record_put_change(struct buf *buf, const struct record_change *change)
{
    buf_put_char(buf, '{');
    record_put_cstr(buf, "op", change->op == RECORD_DEL ? "del" : "put");
    if (change->op == RECORD_DEL)
        json_put_field_text(buf, "path", change->offer.path);
    else
        record_put_offer_fields(buf, &change->offer);
    buf_put_char(buf, '}');
}

static void record_put_seq_fields(struct buf *buf, uint64_t epoch, uint64_t seq)
{
    buf_put_char(buf, '{');
    record_put_u64(buf, "epoch", epoch);
    record_put_u64(buf, "seq", seq);
}

void record_put_seq(struct buf *buf, uint64_t epoch, uint64_t seq)
{
    record_put_seq_fields(buf, epoch, seq);
    buf_put_char(buf, '}');
}

void record_put_alive(struct buf *buf, const struct record_alive *alive)
{
    record_put_seq_fields(buf, alive->epoch, alive->seq);
    record_put_u64(buf, "uploads", alive->uploads);
    record_put_u64(buf, "rate", alive->rate);
    record_put_u64(buf, "slots", alive->slots);
    buf_put_char(buf, '}');
}

static void record_put_holder(struct buf *buf, const struct record_result *result)
{
    record_put_id(buf, "node", &result->node);
    json_put_field_text(buf, "name", result->name);
    record_put_addresses(buf, result->address, result->address_count);
}

/* mode and origin are there only when they say something: a reader that does not know them loses
 * nothing else. */
static void record_put_search_fields(struct buf *buf, const struct record_result *result)
{
    static const struct record_id none;
    record_put_file(buf, &result->offer);
    record_put_cstr(buf, "kind", result->offer.copy ? "copy" : "owned");
    json_put_field_i64(buf, "have", result->offer.have);
    if (result->offer.executable)
        record_put_cstr(buf, "mode", "x");
    if (result->offer.copy && !record_id_equal(&result->offer.origin, &none))
        record_put_id(buf, "origin", &result->offer.origin);
    record_put_holder(buf, result);
    record_put_u64(buf, "hops", result->hops);
    record_put_id(buf, "index", &result->index);
}

static void record_put_source_fields(struct buf *buf, const struct record_result *result)
{
    record_put_holder(buf, result);
    record_put_u64(buf, "have", result->have);
    record_put_u64(buf, "uploads", result->uploads);
    record_put_u64(buf, "rate", result->rate);
    record_put_u64(buf, "slots", result->slots);
    json_put_field_bool(buf, "reachable", result->reachable);
}

void record_put_result(struct buf *buf, enum record_stream stream,
                       const struct record_result *result)
{
    buf_put_char(buf, '{');
    if (stream == RECORD_SEARCH) {
        record_put_search_fields(buf, result);
    } else if (stream == RECORD_LIST) {
        record_put_file(buf, &result->offer);
        record_put_u64(buf, "holders", result->holders);
    } else {
        record_put_source_fields(buf, result);
    }
    buf_put_char(buf, '}');
}

void record_put_end(struct buf *buf, enum record_stream stream, const struct record_end *end)
{
    buf_put_text(buf, "{\"end\":true");
    if (stream == RECORD_SEARCH) {
        record_put_u64(buf, "asked", end->asked);
        record_put_u64(buf, "answered", end->answered);
        json_put_field_bool(buf, "truncated", end->truncated);
    } else if (stream == RECORD_LIST && end->next.len > 0) {
        json_put_field_text(buf, "next", end->next);
    } else if (stream == RECORD_LIST) {
        json_put_key(buf, "next");
        buf_put_text(buf, "null");
    }
    buf_put_char(buf, '}');
}

void record_put_error(struct buf *buf, struct str error, struct str hint)
{
    buf_put_char(buf, '{');
    json_put_field_text(buf, "error", error);
    json_put_field_text(buf, "hint", hint);
    buf_put_char(buf, '}');
}

const char *record_role_text(enum record_role role)
{
    static const char *const words[] = {"peer", "index", "both"};
    return words[role];
}

const char *record_state_text(enum record_state state)
{
    static const char *const words[] = {"active", "suspect", "hearsay", "left"};
    return words[state];
}

bool record_id_equal(const struct record_id *a, const struct record_id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

void record_id_of_token(const uint8_t token[static P2P_TOKEN_SIZE], struct record_id *out)
{
    uint8_t digest[P2P_SHA256_SIZE];
    digest_of(token, P2P_TOKEN_SIZE, digest);
    memcpy(out->bytes, digest, sizeof(out->bytes));
}
