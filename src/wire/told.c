/* SPDX-License-Identifier: MIT */
/* Lines between indexes, both ways. Addresses stand last in a line, because which of them a reader
 * may have is found out when the line is sent. Pure. */
#include "wire/told.h"

#include "wire/record_fields.h"
#include "wire/record_scan.h"

#include <string.h>

static const char *const told_ops[] = {"put", "del", "join", "leave", "lost", "back", NULL};
static const char *const told_parts[] = {"", "first", "whole", "more", "last", NULL};

/* ---- writing ---- */

static void told_put_u64(struct buf *buf, const char *key, uint64_t value)
{
    json_put_key(buf, key);
    buf_put_u64(buf, value);
}

static void told_put_cstr(struct buf *buf, const char *key, const char *value)
{
    json_put_field_text(buf, key, text_from(value));
}

static void told_put_about(struct buf *buf, const struct told_node *node)
{
    json_put_field_text(buf, "name", node->name);
    told_put_cstr(buf, "role", record_role_text(node->role));
    json_put_field_hex(buf, "home", node->home.bytes, sizeof(node->home.bytes));
    json_put_field_i64(buf, "age_ms", node->age_ms);
    told_put_cstr(buf, "state", record_state_text(node->state));
    told_put_u64(buf, "offers", node->offers);
    json_put_field_bool(buf, "incomplete", node->incomplete);
    json_put_field_bool(buf, "reachable", node->reachable);
    told_put_u64(buf, "uploads", node->uploads);
    told_put_u64(buf, "rate", node->rate);
    told_put_u64(buf, "slots", node->slots);
}

void told_put_node(struct buf *buf, const struct told_node *node)
{
    buf_put_char(buf, '{');
    json_put_field_hex(buf, "node", node->id.bytes, sizeof(node->id.bytes));
    told_put_u64(buf, "epoch", node->epoch);
    told_put_u64(buf, "seq", node->seq);
    told_put_about(buf, node);
    if (node->lost)
        json_put_field_bool(buf, "lost", true);
}

/* The change as an update has it, without its first brace and its last. */
static void told_put_change(struct buf *buf, const struct record_change *change)
{
    size_t at = buf->len;
    record_put_change(buf, change);
    if (buf->full)
        return;
    buf->ptr[at] = ',';
    buf->len--;
}

void told_put(struct buf *buf, const struct told *told)
{
    buf_put_char(buf, '{');
    if (told->feed.len > 0) {
        json_put_field_text(buf, "feed", told->feed);
        told_put_u64(buf, "n", told->n);
    }
    json_put_field_hex(buf, "node", told->node.bytes, sizeof(told->node.bytes));
    bool offer = told->op == TOLD_PUT || told->op == TOLD_DEL;
    if (told->feed.len > 0 || !offer) {
        told_put_u64(buf, "epoch", told->epoch);
        told_put_u64(buf, "seq", told->seq);
    }
    if (told->has_was) {
        told_put_u64(buf, "was_epoch", told->was_epoch);
        told_put_u64(buf, "was_seq", told->was_seq);
    }
    if (told->part != TOLD_ALONE)
        told_put_cstr(buf, "part", told_parts[told->part]);
    if (offer) {
        told_put_change(buf, &told->change);
        return;
    }
    told_put_cstr(buf, "op", told_ops[told->op]);
    told_put_about(buf, &told->about);
}

void told_close(struct buf *buf, const struct plat_addr *address, int count)
{
    if (count > 0)
        record_put_addresses(buf, address, count);
    buf_put_char(buf, '}');
}

void told_put_end(struct buf *buf, struct str feed, uint64_t n)
{
    buf_put(buf, STR("{\"end\":true"));
    json_put_field_text(buf, "feed", feed);
    told_put_u64(buf, "n", n);
    buf_put_char(buf, '}');
}

/* ---- reading ---- */

static bool told_flag(struct record_reader *in, const char *key)
{
    return record_has(in, key) && record_bool(in, key);
}

static void told_about(struct record_reader *in, struct told_node *out)
{
    static const char *const roles[] = {"peer", "index", "both", NULL};
    static const char *const states[] = {"active", "suspect", "hearsay", "left", NULL};
    out->name = record_node_name(in);
    out->role = (enum record_role)record_choice(in, "role", roles, "must be peer, index or both");
    out->state = (enum record_state)record_choice(in, "state", states, "not a state of a node");
    record_hex(in, "home", out->home.bytes, sizeof(out->home.bytes));
    out->age_ms = record_int(in, "age_ms", 0, RECORD_NUMBER_MAX);
    out->lost = told_flag(in, "lost");
    out->incomplete = told_flag(in, "incomplete");
    out->reachable = told_flag(in, "reachable");
    if (record_has(in, "offers"))
        out->offers = record_count(in, "offers");
    if (record_has(in, "uploads"))
        out->uploads = record_count(in, "uploads");
    if (record_has(in, "slots"))
        out->slots = record_count(in, "slots");
    if (record_has(in, "rate"))
        out->rate = record_number(in, "rate");
    if (record_has(in, "addresses"))
        out->address_count = record_addresses(in, out->address, P2P_ADDRESSES_MAX);
}

static void told_state(struct record_reader *in, struct told_node *out)
{
    record_hex(in, "node", out->id.bytes, sizeof(out->id.bytes));
    out->epoch = record_number(in, "epoch");
    out->seq = record_number(in, "seq");
}

int told_read_node(struct json_reader *reader, struct str line, struct told_node *out,
                   bool *out_end)
{
    struct record_reader in = record_open(reader, line);
    memset(out, 0, sizeof(*out));
    *out_end = told_flag(&in, "end");
    if (!*out_end) {
        told_state(&in, out);
        told_about(&in, out);
    }
    return in.error;
}

static void told_change(struct record_reader *in, struct told *out)
{
    out->change.op = out->op == TOLD_DEL ? RECORD_DEL : RECORD_PUT;
    if (out->op == TOLD_DEL)
        out->change.offer.path = record_path(in);
    else
        record_offer(in, &out->change.offer);
}

static void told_line(struct record_reader *in, struct told *out)
{
    record_hex(in, "node", out->node.bytes, sizeof(out->node.bytes));
    out->op = (enum told_op)record_choice(in, "op", told_ops, "not a change");
    bool offer = out->op == TOLD_PUT || out->op == TOLD_DEL;
    if (out->feed.len > 0 || !offer) {
        out->epoch = record_number(in, "epoch");
        out->seq = record_number(in, "seq");
    }
    out->has_was = record_has(in, "was_epoch");
    if (out->has_was) {
        out->was_epoch = record_number(in, "was_epoch");
        out->was_seq = record_number(in, "was_seq");
    }
    if (record_has(in, "part"))
        out->part = (enum told_part)record_choice(in, "part", told_parts, "not a part");
    if (in->error != 0)
        return;
    if (offer) {
        told_change(in, out);
        return;
    }
    told_about(in, &out->about);
    out->about.id = out->node;
    out->about.epoch = out->epoch;
    out->about.seq = out->seq;
    out->about.lost = out->op == TOLD_LOST;
}

int told_read(struct json_reader *reader, struct str line, struct told *out)
{
    memset(out, 0, sizeof(*out));
    if (record_scan_told(line, &out->node, &out->change.offer))
        return 0; /* TOLD_PUT, TOLD_ALONE, RECORD_PUT: all zero */
    memset(out, 0, sizeof(*out));
    struct record_reader in = record_open(reader, line);
    out->is_end = told_flag(&in, "end");
    if (record_has(&in, "feed")) {
        out->feed = record_text(&in, "feed");
        out->n = record_number(&in, "n");
    }
    if (!out->is_end)
        told_line(&in, out);
    return in.error;
}
