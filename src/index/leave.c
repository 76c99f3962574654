/* SPDX-License-Identifier: MIT */
/* POST /v1/leave. The node's offers vanish at once; a tombstone with its (epoch, seq) stays for two
 * leases, so that no late word of others brings it back. Loop thread. */
#include "index/leave.h"

#include "index/alive.h"

void leave_begin(struct exchange *exchange, void *role)
{
    struct record_id id;
    (void)role_bearer(role, exchange, &id);
}

static void leave_apply(struct index_role *role, struct exchange *exchange,
                        struct catalog_node *node, uint64_t seqs[static 2])
{
    char label[ROLE_LABEL_MAX];
    unsigned offers = node->offers;
    bool was_left = node->state == RECORD_LEFT;
    int error =
        catalog_leave(role->catalog, node, seqs[0], seqs[1], loop_now_ms(role->config.loop));
    if (error == -P2P_EGAP) {
        role_refuse_seq(role, exchange, "older than what is known of this node", node);
        return;
    }
    if (!was_left && error == 0) {
        role->counters.leaves++;
        log_line(LOG_INFO, "index", "%s left with %u offers", role_label(node, label), offers);
        member_left(role, node);
        alive_release(role, member_of(role, node));
        role_wake_catalog(role);
    }
    exchange_begin(exchange, 200, "application/json");
    buf_put(exchange_body(exchange), STR("{\"left\":true}\n"));
    exchange_end(exchange);
}

void leave_line(struct exchange *exchange, void *context, struct str line)
{
    struct index_role *role = context;
    uint64_t seqs[2];
    struct record_id id;
    if (exchange_is_answered(exchange) || !role_bearer(role, exchange, &id))
        return;
    struct catalog_node *node = catalog_find_node(role->catalog, &id);
    if (record_read_seq(&role->reader, line, &seqs[0], &seqs[1]))
        role_refuse(role, exchange, 400, role->reader.fault, "send {\"epoch\",\"seq\"}");
    else if (!node)
        role_refuse_seq(role, exchange, "not a member", NULL);
    else
        leave_apply(role, exchange, node, seqs);
}

void leave_end(struct exchange *exchange, void *role)
{
    if (!exchange_is_answered(exchange))
        role_refuse(role, exchange, 400, "the body is empty", "send {\"epoch\",\"seq\"}");
}
