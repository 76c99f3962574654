/* SPDX-License-Identifier: MIT */
/* POST /v1/leave. The node's offers vanish at once; a tombstone with its (epoch, seq) stays for two
 * leases, so that no late word of others brings it back. Loop thread. */
#include "index/leave.h"

#include "index/alive.h"

void leave_begin(struct exchange *exchange, void *context)
{
    struct index_role *role = context;
    struct record_id id;
    if (role_bearer(role, exchange, &id) && role->loading)
        role_refuse(role, exchange, 503, "the directory is being read from disk", "come again");
}

/* NULL, or why not: that is said at the end of the body, so that the connection lives on. */
static const char *leave_apply(struct index_role *role, struct catalog_node *node, uint64_t epoch,
                               uint64_t seq)
{
    char label[ROLE_LABEL_MAX];
    unsigned offers = node->offers;
    bool was_left = node->state == RECORD_LEFT;
    int error = catalog_leave(role->catalog, node, epoch, seq, loop_now_ms(role->config.loop));
    if (error == -P2P_EGAP)
        return "older than what is known of this node";
    if (!was_left && error == 0) {
        role->counters.leaves++;
        log_line(LOG_INFO, "index", "%s left with %u offers", role_label(node, label), offers);
        member_left(role, node);
        alive_release(role, member_of(role, node));
        role_wake_catalog(role);
    }
    return NULL;
}

/* exchange->user_number 1: a line was read; user: the text of a refusal. */
void leave_line(struct exchange *exchange, void *context, struct str line)
{
    struct index_role *role = context;
    uint64_t epoch, seq;
    struct record_id id;
    if (exchange->user_number || exchange_is_answered(exchange) ||
        !role_bearer(role, exchange, &id))
        return;
    if (record_read_seq(&role->reader, line, &epoch, &seq)) {
        role_refuse(role, exchange, 400, role->reader.fault, "send {\"epoch\",\"seq\"}");
        member_let_go(role, exchange);
        return;
    }
    struct catalog_node *node = catalog_find_node(role->catalog, &id);
    const char *fault = node ? leave_apply(role, node, epoch, seq) : "not a member";
    exchange->user = (void *)(uintptr_t)fault;
    exchange->user_number = 1;
}

void leave_end(struct exchange *exchange, void *context)
{
    struct index_role *role = context;
    struct record_id id;
    if (exchange_is_answered(exchange))
        return;
    if (!exchange->user_number) {
        role_refuse(role, exchange, 400, "the body is empty", "send {\"epoch\",\"seq\"}");
    } else if (!exchange->user) {
        exchange_begin(exchange, 200, "application/json");
        buf_put(exchange_body(exchange), STR("{\"left\":true}\n"));
        exchange_end(exchange);
    } else if (role_bearer(role, exchange, &id)) {
        role_refuse_seq(role, exchange, exchange->user, catalog_find_node(role->catalog, &id));
    }
}
