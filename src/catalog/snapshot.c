/* SPDX-License-Identifier: MIT */
/* The walk. An offer stays in its slot as long as it lives, so slot order misses nothing that was
 * there from begin to end; what came, went or changed in between is in the feed. A node that is in
 * the middle of a commit when the walk ends would be half of each state: the end waits for that.
 * Loop thread. */
#include "catalog/snapshot.h"

#include "catalog/offers.h"
#include "catalog/tables.h"

enum snapshot_phase { PHASE_NODES, PHASE_SLOTS, PHASE_OFFERS, PHASE_LINES };
enum {
    SNAPSHOT_SLOTS_MIN = 256,
    SNAPSHOT_SHARE = 64, /* of all offers: at most so many nodes can have more than slots take */
    SNAPSHOT_ITEM = 4    /* units of work that an item costs */
};

uint32_t snapshot_slots(const struct catalog *catalog)
{
    uint32_t share = catalog->offers.count / SNAPSHOT_SHARE;
    return share > SNAPSHOT_SLOTS_MIN ? share : SNAPSHOT_SLOTS_MIN;
}

static bool snapshot_commits(const struct tables_node *node)
{
    return node->phase == TABLES_COMMIT_JOIN || node->phase == TABLES_COMMIT_UPDATE;
}

/* ---- one node's offers, when they are few ---- */

static void snapshot_collect(struct snapshot *snapshot, const struct tables_node *node,
                             enum tables_ring ring)
{
    uint32_t offer = node->ring[ring];
    for (uint32_t i = 0; i < node->count[ring]; i++) {
        snapshot->slots[snapshot->count++] = offer;
        offer = tables_offer(snapshot->catalog, offer)->node_next;
    }
}

static void snapshot_begin_one(struct snapshot *snapshot)
{
    const struct catalog_node *pub = catalog_find_node(snapshot->catalog, &snapshot->id);
    snapshot->phase = PHASE_LINES;
    if (!pub)
        return;
    const struct tables_node *node = tables_of(pub);
    snapshot->node = pub->slot - 1;
    snapshot->phase = PHASE_NODES;
    if (node->count[TABLES_LIVE] + node->count[TABLES_OLD] > snapshot_slots(snapshot->catalog))
        return;
    snapshot->few = true;
    snapshot_collect(snapshot, node, TABLES_LIVE);
    snapshot_collect(snapshot, node, TABLES_OLD);
}

void snapshot_begin(struct snapshot *snapshot, const struct catalog *catalog,
                    const struct feed *feed, const struct record_id *id, uint32_t *slots)
{
    *snapshot = (struct snapshot){
        .catalog = catalog, .feed = feed, .place = feed_end(feed), .one = id != NULL};
    if (!id)
        return;
    snapshot->id = *id;
    snapshot->slots = slots;
    snapshot_begin_one(snapshot);
}

/* ---- the phases ---- */

/* A node whose first join is not through yet has no state to be told; its lines come later. */
static bool snapshot_node(struct snapshot *snapshot, struct snapshot_item *out)
{
    const struct catalog_node *node;
    while ((node = catalog_next_node(snapshot->catalog, snapshot->node))) {
        snapshot->node = node->slot;
        if (snapshot->one && !record_id_equal(&node->id, &snapshot->id))
            break;
        if (node->epoch == 0 && node->seq == 0)
            continue;
        out->kind = SNAPSHOT_NODE;
        out->node = node;
        if (snapshot->one)
            snapshot->phase = snapshot->few ? PHASE_SLOTS : PHASE_OFFERS;
        return true;
    }
    snapshot->phase = snapshot->one ? PHASE_LINES : PHASE_OFFERS;
    return false;
}

static void snapshot_read(struct snapshot *snapshot, uint32_t offer, struct snapshot_item *out)
{
    const struct tables_offer *at = tables_offer(snapshot->catalog, offer);
    offers_record(snapshot->catalog, offer, &out->offer, out->path);
    out->kind = SNAPSHOT_OFFER;
    out->node = &tables_node(snapshot->catalog, at->node)->pub;
}

/* A slot that has changed its owner since, or went, is the feed's affair. */
static bool snapshot_slot(struct snapshot *snapshot, struct snapshot_item *out)
{
    const struct catalog *catalog = snapshot->catalog;
    while (snapshot->at < snapshot->count) {
        uint32_t offer = snapshot->slots[snapshot->at++];
        const struct tables_offer *at = tables_offer(catalog, offer);
        if (at->name == 0 || !offers_shown(catalog, at) ||
            !record_id_equal(&tables_node(catalog, at->node)->pub.id, &snapshot->id))
            continue;
        snapshot_read(snapshot, offer, out);
        return true;
    }
    snapshot->phase = PHASE_LINES;
    return false;
}

static bool snapshot_offer(struct snapshot *snapshot, uint32_t *work, struct snapshot_item *out)
{
    const struct catalog *catalog = snapshot->catalog;
    while (*work > 0 && snapshot->offer < catalog->offers.fresh) {
        const struct tables_offer *at = tables_offer(catalog, ++snapshot->offer);
        (*work)--;
        if (at->name == 0 || !offers_shown(catalog, at))
            continue;
        if (snapshot->one &&
            !record_id_equal(&tables_node(catalog, at->node)->pub.id, &snapshot->id))
            continue;
        snapshot_read(snapshot, snapshot->offer, out);
        return true;
    }
    if (snapshot->offer >= catalog->offers.fresh)
        snapshot->phase = PHASE_LINES;
    return false;
}

static bool snapshot_waits(const struct snapshot *snapshot)
{
    const struct catalog *catalog = snapshot->catalog;
    if (snapshot->one) {
        const struct catalog_node *node = catalog_find_node(catalog, &snapshot->id);
        return node && snapshot_commits(tables_of(node));
    }
    uint32_t node = catalog->busy_first;
    while (node && !snapshot_commits(tables_node(catalog, node)))
        node = tables_node(catalog, node)->busy_next;
    return node != 0;
}

/* 1, 0, -P2P_EAGAIN, -P2P_ENOTFOUND, as snapshot_next. */
static int snapshot_line(struct snapshot *snapshot, uint32_t *work, struct snapshot_item *out)
{
    for (; *work > 0; (*work)--) {
        int result = feed_next(snapshot->feed, &snapshot->place, &out->line);
        if (result < 0)
            return result;
        if (result == 0)
            return snapshot_waits(snapshot) ? -P2P_EAGAIN : 0;
        if (snapshot->one && !record_id_equal(&out->line.node, &snapshot->id))
            continue;
        out->kind = SNAPSHOT_LINE;
        return 1;
    }
    return -P2P_EAGAIN;
}

int snapshot_next(struct snapshot *snapshot, uint32_t *work, struct snapshot_item *out,
                  uint64_t *out_n)
{
    bool found = false;
    *work -= *work < SNAPSHOT_ITEM ? *work : SNAPSHOT_ITEM;
    while (!found && *work > 0 && snapshot->phase != PHASE_LINES) {
        if (snapshot->phase == PHASE_NODES)
            found = snapshot_node(snapshot, out);
        else if (snapshot->phase == PHASE_SLOTS)
            found = snapshot_slot(snapshot, out);
        else
            found = snapshot_offer(snapshot, work, out);
    }
    if (found)
        return 1;
    if (*work == 0)
        return -P2P_EAGAIN;
    int result = snapshot_line(snapshot, work, out);
    if (result == 0)
        *out_n = snapshot->place.n - 1;
    return result;
}
