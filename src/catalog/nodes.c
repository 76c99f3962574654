/* SPDX-License-Identifier: MIT */
/* The table of nodes: by id, by source address, tombstones in the order in which they died. Knows
 * nothing of offers; a node is given back when its offers have gone. Implements part of catalog.h.
 * Loop thread. */
#include "catalog/nodes.h"

#include "base/addr.h"
#include "base/hash.h"

#include <assert.h>
#include <string.h>

static uint32_t nodes_hash(const struct record_id *id)
{
    return (uint32_t)hash_bytes(id, sizeof(*id));
}

int nodes_init(struct catalog *catalog, struct arena *arena)
{
    int rc = linear_init(&catalog->by_node, arena, catalog->nodes.count);
    return rc != 0 ? rc : linear_init(&catalog->by_ip, arena, catalog->nodes.count);
}

struct catalog_node *catalog_find_node(const struct catalog *catalog, const struct record_id *id)
{
    uint32_t node = linear_first(&catalog->by_node, nodes_hash(id));
    while (node && memcmp(&tables_node(catalog, node)->pub.id, id, sizeof(*id)) != 0)
        node = linear_next(&catalog->by_node, node);
    return node ? &tables_node(catalog, node)->pub : NULL;
}

struct catalog_node *catalog_next_node(const struct catalog *catalog, uint32_t after)
{
    for (uint32_t node = after + 1; node <= catalog->nodes.fresh; node++) {
        if (tables_node(catalog, node)->taken)
            return &tables_node(catalog, node)->pub;
    }
    return NULL;
}

/* Living nodes of one address, up to max. */
static uint32_t nodes_count_ip(const struct catalog *catalog, const struct plat_addr *ip,
                               uint32_t max)
{
    uint32_t count = 0;
    uint32_t node = linear_first(&catalog->by_ip, (uint32_t)addr_hash_ip(ip));
    for (; node && count < max; node = linear_next(&catalog->by_ip, node)) {
        const struct catalog_node *pub = &tables_node(catalog, node)->pub;
        count += pub->state != RECORD_LEFT && addr_same_ip(&pub->address[0], ip);
    }
    return count;
}

/* Those of whom only others speak have no address yet, and their home has let them in. */
static bool nodes_address_full(const struct catalog *catalog, const struct plat_addr *source)
{
    uint32_t max = catalog->nodes_per_ip;
    return max && source->family != 0 && !addr_is_loopback(source) &&
           nodes_count_ip(catalog, source, max) >= max;
}

/* The oldest tombstone whose offers have all gone is forgotten. */
static void nodes_make_room(struct catalog *catalog)
{
    uint32_t node = catalog->tomb_first;
    while (node && tables_node(catalog, node)->phase != TABLES_IDLE)
        node = tables_node(catalog, node)->tomb_next;
    if (node)
        nodes_remove(catalog, node);
}

int catalog_add_node(struct catalog *catalog, const struct record_id *id,
                     const struct plat_addr *source, struct catalog_node **out)
{
    *out = catalog_find_node(catalog, id);
    if (*out)
        return 0;
    if (nodes_address_full(catalog, source))
        return -P2P_EBUSY;
    if (catalog->nodes.used == catalog->nodes.count)
        nodes_make_room(catalog);
    uint32_t slot = pool_take(&catalog->nodes);
    if (slot == 0)
        return -P2P_EFULL;
    struct tables_node *node = tables_node(catalog, slot);
    node->taken = true;
    node->pub.id = *id;
    node->pub.slot = slot;
    node->pub.state = RECORD_HEARSAY;
    node->pub.address[0] = *source;
    node->pub.address_count = 1;
    linear_add(&catalog->by_node, slot, nodes_hash(id));
    linear_add(&catalog->by_ip, slot, (uint32_t)addr_hash_ip(source));
    *out = &node->pub;
    return 0;
}

void catalog_set_source(struct catalog *catalog, struct catalog_node *node,
                        const struct plat_addr *source)
{
    linear_remove(&catalog->by_ip, node->slot);
    node->address[0] = *source;
    if (node->address_count == 0)
        node->address_count = 1;
    linear_add(&catalog->by_ip, node->slot, (uint32_t)addr_hash_ip(source));
}

void catalog_set_state(struct catalog *catalog, struct catalog_node *node, enum record_state state)
{
    (void)catalog;
    assert(state != RECORD_LEFT && node->state != RECORD_LEFT);
    node->state = state;
}

void nodes_bury(struct catalog *catalog, uint32_t slot)
{
    struct tables_node *node = tables_node(catalog, slot);
    node->pub.state = RECORD_LEFT;
    node->tomb_next = 0;
    node->tomb_prev = catalog->tomb_last;
    if (catalog->tomb_last)
        tables_node(catalog, catalog->tomb_last)->tomb_next = slot;
    else
        catalog->tomb_first = slot;
    catalog->tomb_last = slot;
}

void nodes_raise(struct catalog *catalog, uint32_t slot)
{
    struct tables_node *node = tables_node(catalog, slot);
    if (node->tomb_prev)
        tables_node(catalog, node->tomb_prev)->tomb_next = node->tomb_next;
    else
        catalog->tomb_first = node->tomb_next;
    if (node->tomb_next)
        tables_node(catalog, node->tomb_next)->tomb_prev = node->tomb_prev;
    else
        catalog->tomb_last = node->tomb_prev;
    node->tomb_next = node->tomb_prev = 0;
    node->pub.lost = false;
    node->pub.state = RECORD_ACTIVE;
}

void nodes_remove(struct catalog *catalog, uint32_t slot)
{
    struct tables_node *node = tables_node(catalog, slot);
    assert(node->phase == TABLES_IDLE && node->pub.offers == 0);
    if (node->pub.state == RECORD_LEFT)
        nodes_raise(catalog, slot);
    linear_remove(&catalog->by_node, slot);
    linear_remove(&catalog->by_ip, slot);
    node->taken = false;
    pool_give(&catalog->nodes, slot);
}

void catalog_known(const struct catalog_node *node, uint64_t *out_epoch, uint64_t *out_seq)
{
    const struct tables_node *at = tables_of(node);
    bool commits = at->phase == TABLES_COMMIT_JOIN || at->phase == TABLES_COMMIT_UPDATE;
    *out_epoch = commits ? at->next.epoch : node->epoch;
    *out_seq = commits ? at->next.seq : node->seq;
}
