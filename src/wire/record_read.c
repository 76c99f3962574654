/* SPDX-License-Identifier: MIT */
/* Records from JSON lines. Each record is a list of its fields; the first that is missing or wrong
 * ends the list, and its name and what it must be are the reader's fault. Nothing from a stranger
 * reaches a struct unchecked. Pure. */
#include "wire/record_fields.h"

#include "base/name.h"
#include "wire/record_scan.h"

#include <string.h>

struct record_reader record_open(struct json_reader *json, struct str line)
{
    struct record_reader in = {.json = json, .object = json_parse(json, line)};
    in.error = in.object ? 0 : -P2P_EINVAL;
    return in;
}

/* The getters' "absent" is an error like any other here. */
static void record_note(struct record_reader *in, int error)
{
    if (error != 0)
        in->error = -P2P_EINVAL;
}

void record_refuse(struct record_reader *in, const char *key, const char *what)
{
    in->error = json_fault(in->json, key, what);
}

int64_t record_int(struct record_reader *in, const char *key, int64_t min, int64_t max)
{
    struct json_range range = {min, max};
    int64_t value = 0;
    if (in->error == 0)
        record_note(in, json_get_int(in->json, in->object, key, range, &value));
    return value;
}

uint64_t record_number(struct record_reader *in, const char *key)
{
    return (uint64_t)record_int(in, key, 0, RECORD_NUMBER_MAX);
}

uint32_t record_count(struct record_reader *in, const char *key)
{
    return (uint32_t)record_int(in, key, 0, UINT32_MAX);
}

struct str record_text(struct record_reader *in, const char *key)
{
    struct str text = {0};
    if (in->error == 0)
        record_note(in, json_get_text(in->json, in->object, key, &text));
    return text;
}

bool record_bool(struct record_reader *in, const char *key)
{
    bool value = false;
    if (in->error == 0)
        record_note(in, json_get_bool(in->json, in->object, key, &value));
    return value;
}

void record_hex(struct record_reader *in, const char *key, uint8_t *out, size_t size)
{
    if (in->error == 0)
        record_note(in, json_get_hex(in->json, in->object, key, out, size));
}

bool record_has(const struct record_reader *in, const char *key)
{
    return in->error == 0 && json_has(in->object, key);
}

int record_choice(struct record_reader *in, const char *key, const char *const *words,
                  const char *what)
{
    struct str text = record_text(in, key);
    for (int i = 0; in->error == 0 && words[i]; i++) {
        if (text_is(text, words[i]))
            return i;
    }
    if (in->error == 0)
        record_refuse(in, key, what);
    return 0;
}

struct str record_path(struct record_reader *in)
{
    struct str path = record_text(in, "path");
    const char *fault = in->error == 0 ? name_fault(path) : NULL;
    if (fault)
        record_refuse(in, "path", fault);
    return path;
}

struct str record_node_name(struct record_reader *in)
{
    struct str name = record_text(in, "name");
    const char *fault = in->error == 0 ? name_node_fault(name) : NULL;
    if (fault)
        record_refuse(in, "name", fault);
    return name;
}

/* The array behind key, of at most max items. */
static const struct json_value *record_array(struct record_reader *in, const char *key, int max,
                                             int *out_count)
{
    size_t length = 0;
    *out_count = 0;
    if (in->error != 0)
        return NULL;
    const struct json_value *array = json_get_array(in->object, key, &length);
    if (!array)
        record_refuse(in, key, json_has(in->object, key) ? "must be a list" : "missing");
    else if (length > (size_t)max)
        record_refuse(in, key, "too many");
    else
        *out_count = (int)length;
    return array;
}

int record_addresses(struct record_reader *in, struct plat_addr *out, int max)
{
    int count;
    const struct json_value *array = record_array(in, "addresses", max, &count);
    for (int i = 0; i < count; i++) {
        struct str text = json_item_text(json_item(array, (size_t)i));
        if (addr_parse(text, 0, &out[i]) != 0 || out[i].port == 0) {
            record_refuse(in, "addresses", "must be ADDRESS:PORT");
            return 0;
        }
    }
    return count;
}

static void record_content(struct record_reader *in, struct record_offer *out)
{
    if (in->error != 0 || json_is_null(in->object, "sha256"))
        return;
    record_hex(in, "sha256", out->content.bytes, sizeof(out->content.bytes));
    out->hashed = in->error == 0;
}

/* path, size, mtime, sha256: what every line that speaks of a file has. */
static void record_file(struct record_reader *in, struct record_offer *out)
{
    memset(out, 0, sizeof(*out));
    out->have = 100;
    out->path = record_path(in);
    out->size = record_int(in, "size", 0, P2P_FILE_MAX);
    out->mtime = record_int(in, "mtime", -RECORD_NUMBER_MAX, RECORD_NUMBER_MAX);
    record_content(in, out);
}

static void record_kind(struct record_reader *in, struct record_offer *out)
{
    static const char *const kinds[] = {"owned", "copy", NULL};
    out->copy = record_choice(in, "kind", kinds, "must be owned or copy") == 1;
    if (record_has(in, "have"))
        out->have = (uint8_t)record_int(in, "have", 0, 100);
}

static void record_mode(struct record_reader *in, struct record_offer *out)
{
    static const char *const modes[] = {"", "x", NULL};
    out->executable = record_choice(in, "mode", modes, "must be \"x\" or empty") == 1;
}

void record_offer(struct record_reader *in, struct record_offer *out)
{
    record_file(in, out);
    record_mode(in, out);
    record_kind(in, out);
    if (out->copy)
        record_hex(in, "origin", out->origin.bytes, sizeof(out->origin.bytes));
}

int record_read_join(struct json_reader *reader, struct str line, struct record_join *out)
{
    static const char *const roles[] = {"peer", "index", "both", NULL};
    struct record_reader in = record_open(reader, line);
    memset(out, 0, sizeof(*out));
    int64_t version = record_int(&in, "v", 0, INT64_MAX);
    if (in.error == 0 && version != 1)
        record_refuse(&in, "v", "only 1 is spoken here; upgrade the older of the two programs");
    out->epoch = record_number(&in, "epoch");
    out->seq = record_number(&in, "seq");
    out->port = (uint16_t)record_int(&in, "port", 1, UINT16_MAX);
    out->name = record_node_name(&in);
    out->role = (enum record_role)record_choice(&in, "role", roles, "must be peer, index or both");
    out->address_count = record_addresses(&in, out->address, P2P_ADDRESSES_MAX - 1);
    return in.error;
}

int record_read_offer(struct json_reader *reader, struct str line, struct record_offer *out)
{
    if (record_scan_offer(line, out))
        return 0;
    struct record_reader in = record_open(reader, line);
    record_offer(&in, out);
    return in.error;
}

int record_read_change(struct json_reader *reader, struct str line, struct record_change *out)
{
    static const char *const ops[] = {"put", "del", NULL};
    if (record_scan_put(line, out))
        return 0;
    struct record_reader in = record_open(reader, line);
    memset(out, 0, sizeof(*out));
    out->op = record_choice(&in, "op", ops, "must be put or del") == 1 ? RECORD_DEL : RECORD_PUT;
    if (out->op == RECORD_DEL)
        out->offer.path = record_path(&in);
    else
        record_offer(&in, &out->offer);
    return in.error;
}

int record_read_seq(struct json_reader *reader, struct str line, uint64_t *out_epoch,
                    uint64_t *out_seq)
{
    if (record_scan_seq(line, out_epoch, out_seq))
        return 0;
    struct record_reader in = record_open(reader, line);
    *out_epoch = record_number(&in, "epoch");
    *out_seq = record_number(&in, "seq");
    return in.error;
}

int record_read_alive(struct json_reader *reader, struct str line, struct record_alive *out)
{
    if (record_scan_alive(line, out))
        return 0;
    struct record_reader in = record_open(reader, line);
    memset(out, 0, sizeof(*out));
    out->epoch = record_number(&in, "epoch");
    out->seq = record_number(&in, "seq");
    out->uploads = record_count(&in, "uploads");
    out->rate = record_number(&in, "rate");
    out->slots = record_count(&in, "slots");
    return in.error;
}

static void record_indexes(struct record_reader *in, struct record_answer *out)
{
    const struct json_value *array =
        record_array(in, "indexes", P2P_INDEXES_MAX, &out->index_count);
    char host[P2P_HOST_MAX + 1];
    uint16_t port;
    for (int i = 0; i < out->index_count; i++) {
        out->indexes[i] = json_item_text(json_item(array, (size_t)i));
        if (addr_split_host(out->indexes[i], 0, host, &port) != 0 || port == 0) {
            record_refuse(in, "indexes", "must be HOST:PORT");
            return;
        }
    }
}

int record_read_answer(struct json_reader *reader, struct str line, struct record_answer *out)
{
    struct record_reader in = record_open(reader, line);
    memset(out, 0, sizeof(*out));
    if (record_has(&in, "id"))
        record_hex(&in, "id", out->id.bytes, sizeof(out->id.bytes));
    if (record_has(&in, "lease_ms"))
        out->lease_ms = record_int(&in, "lease_ms", 1, RECORD_NUMBER_MAX);
    if (record_has(&in, "accepted"))
        out->accepted = record_number(&in, "accepted");
    if (record_has(&in, "refused"))
        out->refused = record_number(&in, "refused");
    if (record_has(&in, "epoch"))
        out->epoch = record_number(&in, "epoch");
    if (record_has(&in, "seq"))
        out->seq = record_number(&in, "seq");
    if (record_has(&in, "incomplete"))
        out->incomplete = record_bool(&in, "incomplete");
    if (record_has(&in, "indexes"))
        record_indexes(&in, out);
    return in.error;
}

static void record_holder(struct record_reader *in, struct record_result *out)
{
    record_hex(in, "node", out->node.bytes, sizeof(out->node.bytes));
    out->name = record_node_name(in);
    out->address_count = record_addresses(in, out->address, P2P_ADDRESSES_MAX);
}

static void record_search_line(struct record_reader *in, struct record_result *out)
{
    record_file(in, &out->offer);
    if (record_has(in, "mode"))
        record_mode(in, &out->offer);
    record_kind(in, &out->offer);
    if (record_has(in, "origin"))
        record_hex(in, "origin", out->offer.origin.bytes, sizeof(out->offer.origin.bytes));
    record_holder(in, out);
    out->hops = record_count(in, "hops");
    record_hex(in, "index", out->index.bytes, sizeof(out->index.bytes));
    out->have = out->offer.have;
}

static void record_list_line(struct record_reader *in, struct record_result *out)
{
    record_file(in, &out->offer);
    out->holders = record_count(in, "holders");
}

static void record_source_line(struct record_reader *in, struct record_result *out)
{
    record_holder(in, out);
    out->have = (uint32_t)record_int(in, "have", 0, 100);
    out->uploads = record_count(in, "uploads");
    out->rate = record_number(in, "rate");
    out->slots = record_count(in, "slots");
    out->reachable = record_bool(in, "reachable");
}

static void record_end_line(struct record_reader *in, enum record_stream stream,
                            struct record_end *out)
{
    if (stream == RECORD_SEARCH) {
        out->asked = record_count(in, "asked");
        out->answered = record_count(in, "answered");
        out->truncated = record_bool(in, "truncated");
    } else if (stream == RECORD_LIST && in->error == 0 && !json_is_null(in->object, "next")) {
        out->next = record_text(in, "next");
    }
}

int record_read_result(struct json_reader *reader, struct str line, enum record_stream stream,
                       struct record_result *out, struct record_end *out_end)
{
    struct record_reader in = record_open(reader, line);
    memset(out, 0, sizeof(*out));
    memset(out_end, 0, sizeof(*out_end));
    out_end->is_end = record_has(&in, "end") && record_bool(&in, "end");
    if (out_end->is_end)
        record_end_line(&in, stream, out_end);
    else if (stream == RECORD_SEARCH)
        record_search_line(&in, out);
    else if (stream == RECORD_LIST)
        record_list_line(&in, out);
    else
        record_source_line(&in, out);
    return in.error;
}

void record_read_error(struct json_reader *reader, struct str line, struct str *out_error,
                       struct str *out_hint)
{
    const struct json_value *object = json_parse(reader, line);
    *out_error = *out_hint = (struct str){0};
    if (!object)
        return;
    json_get_text(reader, object, "error", out_error);
    json_get_text(reader, object, "hint", out_hint);
}
