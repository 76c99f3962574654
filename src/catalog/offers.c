/* SPDX-License-Identifier: MIT */
/* Single offers and what they stand in: by (node, name), their node's ring, their content's list,
 * their name's list. A content, an origin, a name live as long as an offer points to them. Loop
 * thread. */
#include "catalog/offers.h"

#include "base/hash.h"

#include <assert.h>
#include <string.h>

static uint32_t offers_hash(uint32_t node, uint32_t name)
{
    return (uint32_t)hash_u64((uint64_t)node << 32 | name);
}

uint32_t offers_hash_content(const struct record_content *content)
{
    return (uint32_t)hash_bytes(content->bytes, sizeof(content->bytes));
}

int offers_init(struct catalog *catalog, struct arena *arena)
{
    int rc = linear_init(&catalog->by_offer, arena, catalog->offers.count);
    if (rc == 0)
        rc = linear_init(&catalog->by_content, arena, catalog->contents.count);
    return rc != 0 ? rc : linear_init(&catalog->by_origin, arena, catalog->origins.count);
}

void offers_find(const struct catalog *catalog, uint32_t node, uint32_t name, uint32_t *out_old,
                 uint32_t *out_pending)
{
    uint32_t offer = names_at(&catalog->names, name)->offers;
    bool alone = tables_offer(catalog, offer)->name_next == 0;
    uint32_t next = alone ? 0 : linear_first(&catalog->by_offer, offers_hash(node, name));
    *out_old = *out_pending = 0;
    while (offer) {
        const struct tables_offer *at = tables_offer(catalog, offer);
        if (at->node == node && at->name == name)
            *(at->packed & TABLES_PENDING ? out_pending : out_old) = offer;
        offer = next;
        next = next ? linear_next(&catalog->by_offer, next) : 0;
    }
}

static uint32_t offers_find_hashed(const struct catalog *catalog,
                                   const struct record_content *content, uint32_t hash)
{
    uint32_t slot = linear_first(&catalog->by_content, hash);
    while (slot && memcmp(&tables_content(catalog, slot)->sha256, content, sizeof(*content)) != 0)
        slot = linear_next(&catalog->by_content, slot);
    return slot;
}

uint32_t offers_find_content(const struct catalog *catalog, const struct record_content *content)
{
    return offers_find_hashed(catalog, content, offers_hash_content(content));
}

static uint32_t offers_add_content(struct catalog *catalog, const struct record_content *content,
                                   uint32_t hash)
{
    uint32_t slot = offers_find_hashed(catalog, content, hash);
    if (slot == 0)
        slot = pool_take(&catalog->contents);
    if (slot && tables_content(catalog, slot)->first == 0) {
        tables_content(catalog, slot)->sha256 = *content;
        linear_add(&catalog->by_content, slot, hash);
    }
    return slot;
}

static void offers_drop_content(struct catalog *catalog, uint32_t slot)
{
    struct tables_content *content = tables_content(catalog, slot);
    if (content->first != 0)
        return;
    assert(content->offers == 0);
    linear_remove(&catalog->by_content, slot);
    pool_give(&catalog->contents, slot);
}

static uint32_t offers_add_origin(struct catalog *catalog, const struct record_id *id)
{
    uint32_t hash = (uint32_t)hash_bytes(id, sizeof(*id));
    uint32_t slot = linear_first(&catalog->by_origin, hash);
    while (slot && memcmp(&tables_origin(catalog, slot)->id, id, sizeof(*id)) != 0)
        slot = linear_next(&catalog->by_origin, slot);
    if (slot == 0 && (slot = pool_take(&catalog->origins)) != 0) {
        tables_origin(catalog, slot)->id = *id;
        linear_add(&catalog->by_origin, slot, hash);
    }
    return slot;
}

static void offers_drop_origin(struct catalog *catalog, uint32_t slot)
{
    struct tables_origin *origin = tables_origin(catalog, slot);
    if (origin->uses != 0)
        return;
    linear_remove(&catalog->by_origin, slot);
    pool_give(&catalog->origins, slot);
}

bool offers_same(const struct catalog *catalog, uint32_t offer, const struct record_offer *record)
{
    const struct tables_offer *at = tables_offer(catalog, offer);
    bool copy = at->packed & TABLES_COPY, executable = at->packed & TABLES_EXECUTABLE;
    if (offers_size(at) != record->size || at->mtime != record->mtime ||
        offers_have(at) != record->have || copy != record->copy ||
        executable != record->executable || (at->content != 0) != record->hashed)
        return false;
    if (at->content && memcmp(&tables_content(catalog, at->content)->sha256, &record->content,
                              sizeof(record->content)) != 0)
        return false;
    return !at->origin || memcmp(&tables_origin(catalog, at->origin)->id, &record->origin,
                                 sizeof(record->origin)) == 0;
}

static void offers_ring_add(struct catalog *catalog, uint32_t offer, enum tables_ring ring)
{
    struct tables_offer *at = tables_offer(catalog, offer);
    struct tables_node *node = tables_node(catalog, at->node);
    uint32_t first = node->ring[ring];
    if (first == 0) {
        node->ring[ring] = at->node_next = at->node_prev = offer;
    } else {
        uint32_t last = tables_offer(catalog, first)->node_prev;
        at->node_next = first;
        at->node_prev = last;
        tables_offer(catalog, first)->node_prev = offer;
        tables_offer(catalog, last)->node_next = offer;
    }
    node->count[ring]++;
}

static void offers_ring_remove(struct catalog *catalog, uint32_t offer, enum tables_ring ring)
{
    struct tables_offer *at = tables_offer(catalog, offer);
    struct tables_node *node = tables_node(catalog, at->node);
    if (node->ring[ring] == offer)
        node->ring[ring] = at->node_next == offer ? 0 : at->node_next;
    tables_offer(catalog, at->node_prev)->node_next = at->node_next;
    tables_offer(catalog, at->node_next)->node_prev = at->node_prev;
    node->count[ring]--;
}

void offers_move(struct catalog *catalog, uint32_t offer, enum tables_ring from,
                 enum tables_ring to)
{
    offers_ring_remove(catalog, offer, from);
    offers_ring_add(catalog, offer, to);
}

void offers_splice(struct catalog *catalog, struct tables_node *node, enum tables_ring from,
                   enum tables_ring to)
{
    uint32_t first = node->ring[to], other = node->ring[from];
    node->count[to] += node->count[from];
    node->ring[from] = node->count[from] = 0;
    if (first == 0) {
        node->ring[to] = other;
    } else if (other != 0) {
        uint32_t last = tables_offer(catalog, first)->node_prev;
        uint32_t end = tables_offer(catalog, other)->node_prev;
        tables_offer(catalog, last)->node_next = other;
        tables_offer(catalog, other)->node_prev = last;
        tables_offer(catalog, end)->node_next = first;
        tables_offer(catalog, first)->node_prev = end;
    }
}

static void offers_link_content(struct catalog *catalog, uint32_t offer)
{
    struct tables_offer *at = tables_offer(catalog, offer);
    struct tables_content *content = tables_content(catalog, at->content);
    at->content_next = content->first;
    if (content->first)
        tables_offer(catalog, content->first)->content_prev = offer;
    content->first = offer;
}

static void offers_unlink_content(struct catalog *catalog, const struct tables_offer *at)
{
    struct tables_content *content = tables_content(catalog, at->content);
    if (at->content_prev)
        tables_offer(catalog, at->content_prev)->content_next = at->content_next;
    else
        content->first = at->content_next;
    if (at->content_next)
        tables_offer(catalog, at->content_next)->content_prev = at->content_prev;
    if (!(at->packed & TABLES_PENDING))
        content->offers--;
    offers_drop_content(catalog, at->content);
}

void offers_drop_name(struct catalog *catalog, uint32_t name)
{
    if (names_at(&catalog->names, name)->offers == 0)
        names_remove(&catalog->names, name);
}

/* The first offer of a name is found by the name, so that only the others need by_offer: most names
 * have one. New ones stand behind it. */
static void offers_link_name(struct catalog *catalog, uint32_t offer)
{
    struct tables_offer *at = tables_offer(catalog, offer);
    struct names_name *name = names_at(&catalog->names, at->name);
    if (name->offers == 0) {
        name->offers = offer;
        return;
    }
    struct tables_offer *first = tables_offer(catalog, name->offers);
    at->name_prev = name->offers;
    at->name_next = first->name_next;
    first->name_next = offer;
    if (at->name_next)
        tables_offer(catalog, at->name_next)->name_prev = offer;
    linear_add(&catalog->by_offer, offer, offers_hash(at->node, at->name));
}

static void offers_unlink_name(struct catalog *catalog, uint32_t offer)
{
    const struct tables_offer *at = tables_offer(catalog, offer);
    struct names_name *name = names_at(&catalog->names, at->name);
    uint32_t listed = at->name_prev ? offer : at->name_next; /* whose entry goes */
    if (at->name_prev)
        tables_offer(catalog, at->name_prev)->name_next = at->name_next;
    else
        name->offers = at->name_next;
    if (at->name_next)
        tables_offer(catalog, at->name_next)->name_prev = at->name_prev;
    if (listed)
        linear_remove(&catalog->by_offer, listed);
    offers_drop_name(catalog, at->name);
}

static uint64_t offers_pack(const struct record_offer *record)
{
    return (uint64_t)record->size | (uint64_t)record->have << 53 |
           (record->copy ? TABLES_COPY : 0) | (record->executable ? TABLES_EXECUTABLE : 0) |
           TABLES_PENDING;
}

/* Frees what a failed addition made and nobody else uses. */
static void offers_undo(struct catalog *catalog, uint32_t name, uint32_t content, uint32_t origin)
{
    if (origin)
        offers_drop_origin(catalog, origin);
    if (content)
        offers_drop_content(catalog, content);
    offers_drop_name(catalog, name);
}

static void offers_link(struct catalog *catalog, uint32_t offer)
{
    struct tables_offer *at = tables_offer(catalog, offer);
    offers_link_name(catalog, offer);
    if (at->content)
        offers_link_content(catalog, offer);
    if (at->origin)
        tables_origin(catalog, at->origin)->uses++;
    offers_ring_add(catalog, offer, TABLES_PENDINGS);
}

uint32_t offers_add(struct catalog *catalog, uint32_t node, uint32_t name,
                    const struct record_offer *record, uint32_t content_hash)
{
    uint32_t content = 0, origin = 0, offer = 0;
    if (record->hashed)
        content = offers_add_content(catalog, &record->content, content_hash);
    bool room = content || !record->hashed;
    if (room && record->copy)
        origin = offers_add_origin(catalog, &record->origin);
    if (room && (origin || !record->copy))
        offer = pool_take(&catalog->offers);
    if (offer == 0) {
        offers_undo(catalog, name, content, origin);
        return 0;
    }
    struct tables_offer *at = tables_offer(catalog, offer);
    at->name = name;
    at->node = node;
    at->content = content;
    at->origin = origin;
    at->mtime = record->mtime;
    at->packed = offers_pack(record);
    offers_link(catalog, offer);
    return offer;
}

void offers_settle(struct catalog *catalog, uint32_t offer)
{
    struct tables_offer *at = tables_offer(catalog, offer);
    at->packed &= ~(TABLES_PENDING | TABLES_MARK);
    at->packed |= tables_node(catalog, at->node)->mark;
    if (at->content)
        tables_content(catalog, at->content)->offers++;
    tables_node(catalog, at->node)->pub.offers++;
    offers_move(catalog, offer, TABLES_PENDINGS, TABLES_LIVE);
}

void offers_free(struct catalog *catalog, uint32_t offer, enum tables_ring ring)
{
    struct tables_offer *at = tables_offer(catalog, offer);
    if (!(at->packed & TABLES_PENDING))
        tables_node(catalog, at->node)->pub.offers--;
    offers_ring_remove(catalog, offer, ring);
    if (at->content)
        offers_unlink_content(catalog, at);
    if (at->origin) {
        tables_origin(catalog, at->origin)->uses--;
        offers_drop_origin(catalog, at->origin);
    }
    offers_unlink_name(catalog, offer);
    at->name = 0;
    pool_give(&catalog->offers, offer);
    catalog->freed++;
}

uint32_t offers_holders(struct catalog *catalog, uint32_t content)
{
    uint32_t count = 0, now = ++catalog->seen_now;
    if (now == 0) {
        memset(catalog->seen, 0, sizeof(uint32_t) * (catalog->nodes.count + 1));
        now = catalog->seen_now = 1;
    }
    for (uint32_t offer = tables_content(catalog, content)->first; offer;) {
        const struct tables_offer *at = tables_offer(catalog, offer);
        if (offers_shown(catalog, at) && catalog->seen[at->node] != now) {
            catalog->seen[at->node] = now;
            count++;
        }
        offer = at->content_next;
    }
    return count;
}

void offers_record(const struct catalog *catalog, uint32_t offer, struct record_offer *out,
                   char path[static P2P_PATH_MAX])
{
    const struct tables_offer *at = tables_offer(catalog, offer);
    *out = (struct record_offer){.path = names_path(&catalog->names, at->name, path),
                                 .size = offers_size(at),
                                 .mtime = at->mtime,
                                 .executable = at->packed & TABLES_EXECUTABLE,
                                 .copy = at->packed & TABLES_COPY,
                                 .hashed = at->content != 0,
                                 .have = offers_have(at)};
    if (at->content)
        out->content = tables_content(catalog, at->content)->sha256;
    if (at->origin)
        out->origin = tables_origin(catalog, at->origin)->id;
}
