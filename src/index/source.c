/* SPDX-License-Identifier: MIT */
/* Exact look-ups by content. This is the path that is asked most: no path is put together, nothing
 * is allocated. The order is rank.c's, the addresses are reach.c's. Loop thread. */
#include "index/source.h"

static void source_fill_holder(const struct exchange *exchange, const struct catalog_node *node,
                               struct rank_holder *out)
{
    *out = (struct rank_holder){
        .node = node->slot,
        .slots = node->slots,
        .rate = node->rate,
        .reachable = node->reachable,
        .suspect = node->state != RECORD_ACTIVE,
        .leaving = node->state == RECORD_LEFT,
        .near = reach_is_near(&node->address[0], &exchange->peer),
    };
}

/* A node that has the content under several names is one holder, with the most that any of them
 * says. Those names mostly stand together, and holders are few: looking back over them is cheap. */
static bool source_is_known(struct index_role *role, uint32_t count, uint32_t node, uint8_t have)
{
    for (uint32_t i = count; i-- > 0;) {
        if (role->holders[i].node != node)
            continue;
        if (role->holders[i].have < have)
            role->holders[i].have = have;
        return true;
    }
    return false;
}

uint32_t source_collect(struct index_role *role, const struct exchange *exchange,
                        const struct record_content *content)
{
    uint32_t count = 0, offer = lookup_first_holder(role->catalog, content);
    while (offer && count < ROLE_HOLDERS_MAX) {
        uint8_t have = 0;
        const struct catalog_node *node = lookup_holder(role->catalog, offer, &have);
        if (!source_is_known(role, count, node->slot, have)) {
            source_fill_holder(exchange, node, &role->holders[count]);
            role->holders[count++].have = have;
        }
        offer = lookup_next_holder(role->catalog, offer);
    }
    return rank_order(role->holders, count, &role->random);
}

void source_put_node(const struct index_role *role, const struct catalog_node *node,
                     const struct reach_asker *asker, struct record_result *out)
{
    out->node = node->id;
    out->index = role->config.id;
    out->name = (struct str){node->name, node->name_len};
    out->address_count = reach_addresses(asker, node->address, node->address_count, out->address);
    out->uploads = node->uploads;
    out->slots = node->slots;
    out->rate = node->rate;
    out->reachable = node->reachable && node->state == RECORD_ACTIVE;
}
