/* SPDX-License-Identifier: MIT */
/* Look-ups that walk one list. Offers that are not shown are passed over. Loop thread. */
#include "catalog/lookup.h"

#include "catalog/offers.h"

enum { LOOKUP_DAY_S = 24 * 60 * 60 };

/* The tables are the catalog's own; const promises that look-ups change nothing that can be seen.
 */
static struct catalog *lookup_mutable(const struct catalog *catalog)
{
    return (struct catalog *)(uintptr_t)catalog;
}

static uint32_t lookup_holder_from(const struct catalog *catalog, uint32_t offer)
{
    while (offer && !offers_shown(catalog, tables_offer(catalog, offer)))
        offer = tables_offer(catalog, offer)->content_next;
    return offer;
}

static uint32_t lookup_named_from(const struct catalog *catalog, uint32_t offer)
{
    while (offer && !offers_shown(catalog, tables_offer(catalog, offer)))
        offer = tables_offer(catalog, offer)->name_next;
    return offer;
}

uint32_t lookup_first_holder(const struct catalog *catalog, const struct record_content *content)
{
    uint32_t slot = offers_find_content(catalog, content);
    return slot ? lookup_holder_from(catalog, tables_content(catalog, slot)->first) : 0;
}

uint32_t lookup_next_holder(const struct catalog *catalog, uint32_t offer)
{
    return lookup_holder_from(catalog, tables_offer(catalog, offer)->content_next);
}

uint32_t lookup_first_named(const struct catalog *catalog, struct str path)
{
    uint32_t name = names_find(&lookup_mutable(catalog)->names, path);
    return name ? lookup_named_from(catalog, names_at(&catalog->names, name)->offers) : 0;
}

uint32_t lookup_next_named(const struct catalog *catalog, uint32_t offer)
{
    return lookup_named_from(catalog, tables_offer(catalog, offer)->name_next);
}

const struct catalog_node *lookup_holder(const struct catalog *catalog, uint32_t offer,
                                         uint8_t *out_have)
{
    const struct tables_offer *at = tables_offer(catalog, offer);
    *out_have = offers_have(at);
    return &tables_node(catalog, at->node)->pub;
}

uint32_t lookup_next_offer(const struct catalog *catalog, uint32_t after)
{
    for (uint32_t offer = after + 1; offer <= catalog->offers.fresh; offer++) {
        const struct tables_offer *at = tables_offer(catalog, offer);
        if (at->name && offers_shown(catalog, at))
            return offer;
    }
    return 0;
}

uint32_t lookup_find_offer(const struct catalog *catalog, const struct catalog_node *node,
                           struct str path)
{
    uint32_t old = 0, pending, name = names_find(&lookup_mutable(catalog)->names, path);
    if (name && node->state != RECORD_LEFT)
        offers_find(catalog, node->slot, name, &old, &pending);
    return old;
}

bool lookup_is_better(const struct catalog *catalog, uint32_t offer, uint32_t best, int64_t wall_s)
{
    if (best == 0)
        return true;
    const struct tables_offer *a = tables_offer(catalog, offer), *b = tables_offer(catalog, best);
    bool a_copy = a->packed & TABLES_COPY, b_copy = b->packed & TABLES_COPY;
    if (a_copy != b_copy)
        return b_copy;
    return lookup_age_rank(a->mtime, wall_s) > lookup_age_rank(b->mtime, wall_s);
}

int64_t lookup_age_rank(int64_t mtime, int64_t wall_s)
{
    return mtime > wall_s + LOOKUP_DAY_S ? INT64_MIN : mtime;
}

uint32_t lookup_best_named(const struct catalog *catalog, struct str path, int64_t wall_s)
{
    uint32_t best = 0, offer = lookup_first_named(catalog, path);
    for (; offer; offer = lookup_next_named(catalog, offer)) {
        if (lookup_is_better(catalog, offer, best, wall_s))
            best = offer;
    }
    return best;
}

uint32_t lookup_best_holder(const struct catalog *catalog, const struct record_content *content,
                            int64_t wall_s)
{
    uint32_t best = 0, offer = lookup_first_holder(catalog, content);
    for (; offer; offer = lookup_next_holder(catalog, offer)) {
        if (lookup_is_better(catalog, offer, best, wall_s))
            best = offer;
    }
    return best;
}

void lookup_read(const struct catalog *catalog, uint32_t offer, struct lookup_offer *out)
{
    const struct tables_offer *at = tables_offer(catalog, offer);
    offers_record(catalog, offer, &out->offer, out->path);
    out->node = &tables_node(catalog, at->node)->pub;
    out->holders = 1;
    if (at->content && tables_content(catalog, at->content)->offers > 1)
        out->holders = offers_holders(lookup_mutable(catalog), at->content);
}
