/* SPDX-License-Identifier: MIT */
/* Transactions on the word of another index: an open one can be led on to a later state. All else
 * is catalog.c's. Loop thread. */
#include "catalog/relay.h"

#include "catalog/offers.h"
#include "catalog/tables.h"

#include <assert.h>
#include <string.h>

int relay_begin(struct catalog *catalog, struct catalog_node *node, const struct record_join *join)
{
    int error = catalog_join_begin(catalog, node, join);
    if (!error)
        tables_of(node)->next.relayed = true;
    return error;
}

void relay_lead(struct catalog_node *node, uint64_t epoch, uint64_t seq)
{
    struct tables_node *at = tables_of(node);
    assert(node->open);
    at->next.epoch = epoch;
    at->next.seq = seq;
}

static uint8_t relay_name(const struct record_join *join, char out[static P2P_NODE_NAME_MAX + 1])
{
    size_t len = join->name.len < P2P_NODE_NAME_MAX ? join->name.len : P2P_NODE_NAME_MAX;
    memset(out, 0, P2P_NODE_NAME_MAX + 1);
    if (len > 0)
        memcpy(out, join->name.ptr, len);
    return (uint8_t)len;
}

void relay_describe(struct catalog_node *node, const struct record_join *join)
{
    struct tables_node *at = tables_of(node);
    if (!node->open) {
        node->role = join->role;
        node->port = join->port;
        node->name_len = relay_name(join, node->name);
        return;
    }
    at->next.described = true;
    at->next.role = join->role;
    at->next.port = join->port;
    at->next.name_len = relay_name(join, at->next.name);
}

void relay_offer(const struct catalog *catalog, const struct catalog_change *change,
                 struct record_offer *out, char path[static P2P_PATH_MAX])
{
    offers_record(catalog, change->offer, out, path);
    if (change->event == CATALOG_DEL)
        *out = (struct record_offer){.path = out->path};
}

void relay_confess(struct catalog_node *node)
{
    assert(node->open);
    tables_of(node)->next.refused++;
}
