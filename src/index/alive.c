/* SPDX-License-Identifier: MIT */
/* The heartbeat. It renews the lease when it comes, not while it is held; its answer is held for a
 * third of the lease, or until the next request arrives behind it. One is held for a node: a second
 * connection's takes the place of the first's. Loop thread. */
#include "index/alive.h"

#include "base/addr.h"

#include <string.h>

enum {
    ALIVE_GRAIN_MS = 100,    /* answers go out late by this at most */
    ALIVE_RECHECK_MS = 60000 /* a node that could not be reached is tried again */
};

static void alive_on_late(void *ctx, struct deadline *deadline);

void alive_init(struct index_role *role)
{
    deadlines_init(&role->holds, role->config.loop, ALIVE_GRAIN_MS);
    role->holds.on_late = alive_on_late;
    role->holds.ctx = role;
}

void alive_close(struct index_role *role)
{
    deadlines_close(&role->holds);
}

/* ---- the answer ---- */

void alive_release(struct index_role *role, struct member *member)
{
    struct exchange *exchange = member->held;
    if (!exchange)
        return;
    member->held = NULL;
    deadline_stop(&member->hold);
    exchange_begin(exchange, 200, "application/json");
    struct buf *buf = exchange_body(exchange);
    buf_put_char(buf, '{');
    json_put_field_i64(buf, "lease_ms", role->config.lease_ms);
    json_put_key(buf, "hints");
    buf_put(buf, STR("[]}\n"));
    exchange_end(exchange);
}

static void alive_on_late(void *ctx, struct deadline *deadline)
{
    alive_release(ctx, member_of_hold(deadline));
}

/* ---- the request ---- */

void alive_begin(struct exchange *exchange, void *context)
{
    struct index_role *role = context;
    struct record_id id;
    if (role_bearer(context, exchange, &id) && role->loading)
        role_refuse(role, exchange, 503, "the directory is being read from disk", "come again");
}

/* What the node says has to be what is known of it: else its offers here are not those it has. An
 * index that is ahead only means that the answer to an update was lost. */
static const char *alive_fault(const struct index_role *role, const struct catalog_node *node,
                               const struct record_alive *alive, const struct exchange *exchange)
{
    if (!node || node->state == RECORD_LEFT)
        return "not a member";
    if (node->epoch != alive->epoch || node->seq < alive->seq)
        return "another state is known of this node";
    if (!role_is_home(role, node))
        return "this node has joined another index";
    if (!addr_same_ip(&node->address[0], &exchange->peer))
        return "this node joined from another address";
    return NULL;
}

static void alive_accept(struct index_role *role, struct catalog_node *node,
                         const struct record_alive *alive)
{
    const struct member *member = member_of(role, node);
    int64_t now = loop_now_ms(role->config.loop);
    node->uploads = alive->uploads;
    node->slots = alive->slots;
    node->rate = alive->rate;
    role->counters.alives++;
    member_hear(role, node);
    if (!node->reachable && now - member->checked_ms > ALIVE_RECHECK_MS)
        member_check(role, node);
}

/* Until the end exchange->user is the member, or with user_number 0 the text of a refusal: that
 * waits for the end of the body, so that the connection lives on. */
void alive_line(struct exchange *exchange, void *context, struct str line)
{
    struct index_role *role = context;
    struct record_alive alive;
    struct record_id id;
    if (exchange->user || exchange_is_answered(exchange) || !role_bearer(role, exchange, &id))
        return;
    if (record_read_alive(&role->reader, line, &alive)) {
        role_refuse(role, exchange, 400, role->reader.fault,
                    "send {\"epoch\",\"seq\",\"uploads\",\"rate\",\"slots\"}");
        member_let_go(role, exchange);
        return;
    }
    struct catalog_node *node = catalog_find_node(role->catalog, &id);
    const char *fault = alive_fault(role, node, &alive, exchange);
    if (fault) {
        exchange->user = (void *)(uintptr_t)fault;
        return;
    }
    alive_accept(role, node, &alive);
    member_attach(role, node, exchange);
    exchange->user = member_of(role, node);
    exchange->user_number = member_of(role, node)->generation;
}

static void alive_refuse(struct index_role *role, struct exchange *exchange, const char *fault)
{
    struct record_id id;
    exchange->user = NULL;
    if (role_bearer(role, exchange, &id))
        role_refuse_seq(role, exchange, fault, catalog_find_node(role->catalog, &id));
}

void alive_end(struct exchange *exchange, void *context)
{
    struct index_role *role = context;
    struct member *member = exchange->user;
    if (exchange_is_answered(exchange))
        return;
    if (!member) {
        role_refuse(role, exchange, 400, "the body is empty", "send one line");
    } else if (exchange->user_number == 0) {
        alive_refuse(role, exchange, exchange->user);
    } else if (member->generation != exchange->user_number) {
        alive_refuse(role, exchange, "not a member");
    } else {
        alive_release(role, member);
        member->held = exchange;
        deadline_set(&role->holds, &member->hold,
                     loop_now_ms(role->config.loop) + role->config.lease_ms / 3);
    }
}

void alive_next(struct exchange *exchange, void *context)
{
    struct member *member = exchange->user;
    if (exchange->user_number && member->held == exchange)
        alive_release(context, member);
}

void alive_gone(struct exchange *exchange, void *context, bool aborted)
{
    struct member *member = exchange->user;
    (void)context;
    (void)aborted;
    if (exchange->user_number && member->held == exchange) {
        member->held = NULL;
        deadline_stop(&member->hold);
    }
}
