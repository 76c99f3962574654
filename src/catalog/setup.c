/* SPDX-License-Identifier: MIT */
/* How the catalog's memory is shared out: the largest number of offers for which all tables fit,
 * each of them with a content and a name of its own. Implements part of catalog.h. Loop thread, at
 * start. */
#include "catalog/nodes.h"
#include "catalog/offers.h"
#include "catalog/relay.h"
#include "catalog/search.h"

#include "base/hash.h"

enum {
    SETUP_OFFERS_MIN = 64,
    SETUP_OFFERS_PER_NODE =
        32, /* what a node slot and its hash buckets cost is a few bytes an offer then */
    SETUP_NODES_MIN = 16,
    SETUP_TEXT =
        52, /* bytes of base and shared folder for a name: 58 of path on a real disk take 40 */
    SETUP_PAGES_MIN = 4,   /* bases and folders each have an open page */
    SETUP_SLACK = 64 * 24, /* alignment of so many tables */
};

struct setup_plan {
    uint32_t offers, nodes, searches;
    struct names_budget names;
};

static struct setup_plan setup_plan(uint32_t offers)
{
    struct setup_plan plan = {.offers = offers};
    uint32_t nodes = offers / SETUP_OFFERS_PER_NODE;
    plan.nodes = nodes > SETUP_NODES_MIN ? nodes : SETUP_NODES_MIN;
    plan.names.names = offers;
    plan.names.folders = offers / 2 + 1;
    plan.names.pages = (uint32_t)((uint64_t)offers * SETUP_TEXT / TEXTS_PAGE) + SETUP_PAGES_MIN;
    uint32_t searches = 2 + offers / 4096;
    plan.searches = searches < SEARCH_OPEN_MAX ? searches : SEARCH_OPEN_MAX;
    return plan;
}

static uint64_t setup_size(const struct setup_plan *plan)
{
    uint64_t offer = sizeof(struct tables_offer) + sizeof(struct tables_content);
    uint64_t node = sizeof(struct tables_node) + sizeof(struct tables_origin) + sizeof(uint32_t);
    return sizeof(struct catalog) + SETUP_SLACK + TEXTS_PAGE + plan->offers * offer +
           (plan->nodes + 1) * node + 2 * (uint64_t)linear_size(plan->offers) +
           3 * (uint64_t)linear_size(plan->nodes) + names_size(plan->names) +
           plan->searches * (uint64_t)search_size();
}

/* The largest plan that takes at most bytes. */
static struct setup_plan setup_fit(size_t bytes)
{
    size_t most = bytes / sizeof(struct tables_offer);
    uint32_t low = 0, high = most < LINEAR_SLOTS_MAX ? (uint32_t)most : LINEAR_SLOTS_MAX;
    while (low < high) {
        uint32_t middle = high - (high - low) / 2;
        struct setup_plan plan = setup_plan(middle);
        if (setup_size(&plan) <= bytes)
            low = middle;
        else
            high = middle - 1;
    }
    return setup_plan(low);
}

static int setup_pools(struct catalog *catalog, struct arena *arena, const struct setup_plan *plan)
{
    const struct {
        struct pool *pool;
        size_t size;
        uint32_t count;
    } pools[] = {
        {&catalog->offers, sizeof(struct tables_offer), plan->offers},
        {&catalog->contents, sizeof(struct tables_content), plan->offers},
        {&catalog->origins, sizeof(struct tables_origin), plan->nodes},
        {&catalog->nodes, sizeof(struct tables_node), plan->nodes},
        {&catalog->searches, search_size(), plan->searches},
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof(pools) / sizeof(pools[0]); i++)
        rc = pool_init(pools[i].pool, arena, (uint32_t)pools[i].size, pools[i].count);
    if (rc == 0)
        pool_ahead(&catalog->offers);
    if (rc == 0)
        pool_ahead(&catalog->contents);
    return rc;
}

int catalog_init(struct catalog **out, struct arena *arena, size_t bytes)
{
    struct setup_plan plan = setup_fit(bytes);
    *out = NULL;
    if (plan.offers < SETUP_OFFERS_MIN)
        return -P2P_EFULL;
    struct catalog *catalog = arena_carve(arena, sizeof(*catalog), 64);
    if (!catalog)
        return -P2P_EFULL;
    *catalog = (struct catalog){.instance = (uint32_t)hash_u64(0)};
    int rc = setup_pools(catalog, arena, &plan);
    if (rc == 0)
        rc = offers_init(catalog, arena);
    if (rc == 0)
        rc = nodes_init(catalog, arena);
    if (rc == 0)
        rc = names_init(&catalog->names, arena, plan.names);
    catalog->seen = arena_carve(arena, sizeof(uint32_t) * (plan.nodes + 1), sizeof(uint32_t));
    if (rc != 0 || !catalog->seen)
        return -P2P_EFULL;
    *out = catalog;
    return 0;
}

void catalog_watch(struct catalog *catalog,
                   void (*on_change)(void *ctx, const struct catalog_change *change), void *ctx)
{
    catalog->on_change = on_change;
    catalog->change_ctx = ctx;
}

void catalog_expect(struct catalog *catalog, uint32_t offers)
{
    linear_reserve(&catalog->by_content, offers);
    linear_reserve(&catalog->names.by_name, offers);
}

void catalog_set_limits(struct catalog *catalog, uint32_t offers_per_node, uint32_t nodes_per_ip)
{
    catalog->offers_per_node = offers_per_node;
    catalog->nodes_per_ip = nodes_per_ip;
}

struct catalog_budget catalog_budget(const struct catalog *catalog)
{
    return (struct catalog_budget){.nodes = catalog->nodes.count,
                                   .offers = catalog->offers.count,
                                   .names = catalog->names.names.count,
                                   .contents = catalog->contents.count};
}

struct catalog_counts catalog_counts(const struct catalog *catalog)
{
    const struct names *names = &catalog->names;
    return (struct catalog_counts){.used = {.nodes = catalog->nodes.used,
                                            .offers = catalog->offers.used,
                                            .names = names->names.used,
                                            .contents = catalog->contents.used},
                                   .peak = {.nodes = catalog->nodes.peak,
                                            .offers = catalog->offers.peak,
                                            .names = names->names.peak,
                                            .contents = catalog->contents.peak},
                                   .refused = catalog->refused,
                                   .text_used = names->texts.used,
                                   .text_size = (uint64_t)names->texts.page_count * TEXTS_PAGE,
                                   .names_memory = names_memory(names),
                                   .folders = names->folders.used};
}
