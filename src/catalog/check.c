/* SPDX-License-Identifier: MIT */
/* The invariants, each told in words when it does not hold. Loop thread; only tests call it. */
#include "catalog/check.h"

#include "catalog/offers.h"

static const char *check_offer(const struct catalog *catalog, uint32_t slot)
{
    const struct tables_offer *at = tables_offer(catalog, slot);
    bool pending = at->packed & TABLES_PENDING;
    uint32_t old, other;
    if (!tables_node(catalog, at->node)->taken)
        return "an offer's node is not taken";
    if (names_at(&catalog->names, at->name)->folder == 0)
        return "an offer's name is not taken";
    if (at->content && tables_content(catalog, at->content)->first == 0)
        return "an offer's content is not taken";
    offers_find(catalog, at->node, at->name, &old, &other);
    if ((pending ? other : old) != slot && tables_node(catalog, at->node)->phase != TABLES_DROP)
        return "an offer is not found by node and name";
    if (!at->name_prev != (names_at(&catalog->names, at->name)->offers == slot))
        return "an offer is not in its name's list";
    if (at->name_next && tables_offer(catalog, at->name_next)->name_prev != slot)
        return "a name's list of offers is broken";
    if (at->content && !at->content_prev != (tables_content(catalog, at->content)->first == slot))
        return "an offer is not in its content's list";
    if (at->content_next && tables_offer(catalog, at->content_next)->content_prev != slot)
        return "a content's list of offers is broken";
    return NULL;
}

static const char *check_offers(const struct catalog *catalog)
{
    const char *fault = NULL;
    uint32_t taken = 0, listed = 0, behind = 0;
    for (uint32_t slot = 1; !fault && slot <= catalog->offers.fresh; slot++) {
        if (tables_offer(catalog, slot)->name) {
            taken++;
            behind += tables_offer(catalog, slot)->name_prev != 0;
            fault = check_offer(catalog, slot);
        }
    }
    for (uint32_t slot = 1; slot <= catalog->nodes.fresh; slot++) {
        const struct tables_node *node = tables_node(catalog, slot);
        for (int ring = 0; node->taken && ring < TABLES_RINGS; ring++)
            listed += node->count[ring];
    }
    if (fault)
        return fault;
    return taken == catalog->offers.used && taken == listed && behind == catalog->by_offer.count
               ? NULL
               : "the count of offers is wrong";
}

static const char *check_contents(const struct catalog *catalog)
{
    uint32_t taken = 0;
    for (uint32_t slot = 1; slot <= catalog->contents.fresh; slot++) {
        const struct tables_content *content = tables_content(catalog, slot);
        uint32_t count = 0;
        for (uint32_t offer = content->first; offer;) {
            const struct tables_offer *at = tables_offer(catalog, offer);
            if (at->content != slot)
                return "a foreign offer is in a content's list";
            count += !(at->packed & TABLES_PENDING);
            offer = at->content_next;
        }
        if (content->first && count != content->offers)
            return "a content's count of offers is wrong";
        if (content->first && offers_find_content(catalog, &content->sha256) != slot)
            return "a content is not found by its hash";
        taken += content->first != 0;
    }
    return taken == catalog->contents.used && taken == catalog->by_content.count
               ? NULL
               : "the count of contents is wrong";
}

static const char *check_ring(const struct catalog *catalog, const struct tables_node *node,
                              enum tables_ring ring, uint32_t *shown)
{
    uint32_t count = 0, first = node->ring[ring], offer = first;
    bool aborts = node->phase == TABLES_ABORT_JOIN;
    while (offer && (count == 0 || offer != first)) {
        const struct tables_offer *at = tables_offer(catalog, offer);
        bool pending = at->packed & TABLES_PENDING;
        bool marked = (at->packed & TABLES_MARK) == node->mark;
        if (at->node != node->pub.slot || tables_offer(catalog, at->node_next)->node_prev != offer)
            return "a ring of offers is broken";
        if (ring != TABLES_DROPPED && pending != (ring == TABLES_PENDINGS))
            return "a pending offer is in the wrong ring";
        if (ring <= TABLES_OLD && marked != ((ring == TABLES_LIVE) != aborts))
            return "an offer's mark does not tell its ring";
        *shown += !pending;
        count++;
        offer = at->node_next;
    }
    return count == node->count[ring] ? NULL : "a ring's count is wrong";
}

static const char *check_node(const struct catalog *catalog, const struct tables_node *node)
{
    const char *fault = NULL;
    uint32_t shown = 0;
    for (enum tables_ring ring = TABLES_LIVE; !fault && ring < TABLES_RINGS; ring++)
        fault = check_ring(catalog, node, ring, &shown);
    if (fault)
        return fault;
    if (shown != node->pub.offers)
        return "a node's count of offers is wrong";
    if (node->phase == TABLES_IDLE &&
        (node->ring[TABLES_OLD] || node->ring[TABLES_PENDINGS] || node->ring[TABLES_DROPPED]))
        return "an idle node has offers in hand";
    if (node->phase > TABLES_UPDATE && !node->queued)
        return "a busy node is not queued";
    if (catalog_find_node(catalog, &node->pub.id) != &node->pub)
        return "a node is not found by its id";
    return NULL;
}

static const char *check_nodes(const struct catalog *catalog)
{
    const char *fault = NULL;
    uint32_t taken = 0, left = 0, tombs = 0, queued = 0, busy = 0;
    for (uint32_t slot = 1; !fault && slot <= catalog->nodes.fresh; slot++) {
        const struct tables_node *node = tables_node(catalog, slot);
        if (!node->taken)
            continue;
        taken++;
        left += node->pub.state == RECORD_LEFT;
        queued += node->queued;
        fault = check_node(catalog, node);
    }
    for (uint32_t slot = catalog->tomb_first; slot; slot = tables_node(catalog, slot)->tomb_next)
        tombs++;
    for (uint32_t slot = catalog->busy_first; slot; slot = tables_node(catalog, slot)->busy_next)
        busy++;
    if (fault)
        return fault;
    if (taken != catalog->nodes.used || taken != catalog->by_node.count ||
        taken != catalog->by_ip.count)
        return "the count of nodes is wrong";
    return tombs == left && busy == queued ? NULL : "the queue or the list of tombstones is wrong";
}

const char *check_catalog(const struct catalog *catalog)
{
    const char *fault = check_nodes(catalog);
    if (!fault)
        fault = check_offers(catalog);
    if (!fault)
        fault = check_contents(catalog);
    return fault ? fault : names_check(&catalog->names);
}
