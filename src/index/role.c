/* SPDX-License-Identifier: MIT */
/* Small things for the routes of the index: who asks, what is refused and how it is said. Decides
 * nothing about membership or answers. Loop thread. */
#include "index/role.h"

#include "base/addr.h"

#include <stdio.h>
#include <string.h>

void role_wake_catalog(struct index_role *role)
{
    if (!loop_has_task(&role->task))
        loop_add_task(role->config.loop, &role->task);
}

struct catalog_node *role_node(const struct index_role *role, uint32_t slot)
{
    struct catalog_node *node = slot > 0 ? catalog_next_node(role->catalog, slot - 1) : NULL;
    return node && node->slot == slot ? node : NULL;
}

bool role_is_home(const struct index_role *role, const struct catalog_node *node)
{
    return record_id_equal(&node->home, &role->config.id);
}

int64_t role_heard_ms(const struct index_role *role, const struct catalog_node *node)
{
    int64_t heard_ms = node->heard_ms;
    if (role_is_home(role, node))
        return heard_ms;
    for (int i = 0; i < P2P_INDEXES_MAX; i++) {
        const struct role_home *home = &role->homes[i];
        if (home->heard_ms > heard_ms && record_id_equal(&home->id, &node->home))
            heard_ms = home->heard_ms;
    }
    return heard_ms;
}

struct reach_asker role_asker(const struct exchange *exchange)
{
    return (struct reach_asker){exchange->peer, exchange->local};
}

const char *role_label(const struct catalog_node *node, char out[static ROLE_LABEL_MAX])
{
    const uint8_t *id = node->id.bytes;
    snprintf(out, ROLE_LABEL_MAX, "%s %02x%02x%02x%02x", node->name, id[0], id[1], id[2], id[3]);
    return out;
}

/* Senders that fall into one gate share its line a second: that loses lines, never their count. */
static void role_log_refusal(struct index_role *role, const struct exchange *exchange,
                             const char *error)
{
    char from[ADDR_TEXT_MAX];
    struct log_gate *gate = &role->gates[addr_hash_ip(&exchange->peer) % ROLE_GATES];
    role->counters.refused++;
    if (log_pass(gate, ROLE_GATE_MS))
        log_line(LOG_WARN, "index", "refused %s: %s", addr_format_ip(&exchange->peer, from), error);
}

void role_refuse(struct index_role *role, struct exchange *exchange, int status, const char *error,
                 const char *hint)
{
    role_log_refusal(role, exchange, error);
    if (status == 503)
        exchange_busy(exchange, error, hint);
    else
        exchange_error(exchange, status, error, hint);
}

void role_refuse_seq(struct index_role *role, struct exchange *exchange, const char *error,
                     const struct catalog_node *node)
{
    role_log_refusal(role, exchange, error);
    exchange_begin(exchange, 409, "application/json");
    struct buf *buf = exchange_body(exchange);
    buf_put_char(buf, '{');
    json_put_field_text(buf, "error", text_from(error));
    json_put_field_text(buf, "hint", STR("join again, at a later epoch or seq than these"));
    json_put_field_i64(buf, "epoch", node ? (int64_t)node->epoch : 0);
    json_put_field_i64(buf, "seq", node ? (int64_t)node->seq : 0);
    buf_put(buf, STR("}\n"));
    exchange_end(exchange);
}

/* It is a secret: no byte is looked at less than the others. */
static bool role_is_last_token(const struct role_token *last, struct str text)
{
    unsigned differ = text.len != sizeof(last->text) || !last->known;
    for (size_t i = 0; i < sizeof(last->text) && i < text.len; i++)
        differ |= (unsigned)(uint8_t)(text.ptr[i] ^ last->text[i]);
    return differ == 0;
}

bool role_bearer(struct index_role *role, struct exchange *exchange, struct record_id *out)
{
    struct str value = exchange->head->header[HTTP_HEADER_AUTHORIZATION];
    struct role_token *last = &role->token;
    uint8_t token[P2P_TOKEN_SIZE];
    bool is_bearer = text_is_nocase(text_first(value, 7), "Bearer ");
    struct str text = text_trim(text_from_byte(value, 7));
    if (is_bearer && role_is_last_token(last, text)) {
        *out = last->id;
        return true;
    }
    if (!is_bearer || text_hex_decode(text, token, sizeof(token))) {
        role_refuse(role, exchange, 401, "no token",
                    "send Authorization: Bearer TOKEN, 64 hex digits that only this node knows");
        return false;
    }
    record_id_of_token(token, out);
    memcpy(last->text, text.ptr, sizeof(last->text));
    last->id = *out;
    last->known = true;
    return true;
}

int role_query_number(const struct exchange *exchange, const struct role_number *number,
                      uint32_t *out)
{
    char text[24];
    uint64_t value = 0;
    ptrdiff_t length = http_query(exchange->head->query, number->key, text, sizeof(text));
    *out = number->preset;
    if (length == -P2P_ENOTFOUND)
        return 0;
    if (length < 0 || text_to_u64((struct str){text, (size_t)length}, number->max, &value) ||
        value < number->min)
        return -P2P_EINVAL;
    *out = (uint32_t)value;
    return 0;
}
