/* SPDX-License-Identifier: MIT */
/* Redirects of plain clients (curl, browsers) to a holder. Of several contents under a name the
 * newest owned one wins; where nobody who can be reached has that whole, the newest that somebody
 * has under that very name. The target carries own=1, so that a holder that lost the file says so
 * instead of sending the client back here. Loop thread. */
#include "index/redirect.h"

#include "base/addr.h"
#include "base/name.h"
#include "index/source.h"
#include "platform/plat.h"

enum {
    REDIRECT_URL_MAX = 64 + 3 * P2P_PATH_MAX + 16,
    REDIRECT_LOOK_MAX = 1000, /* offers of one name that are looked at */
    REDIRECT_DAY_S = 86400
};

/* False: it has no address that is of use to this client. */
static bool redirect_to(struct exchange *exchange, const struct catalog_node *node,
                        const struct lookup_offer *offer)
{
    char text[REDIRECT_URL_MAX], host[ADDR_TEXT_MAX];
    struct buf url = buf_on(text, sizeof(text));
    struct plat_addr address[P2P_ADDRESSES_MAX];
    struct reach_asker asker = role_asker(exchange);
    if (reach_addresses(&asker, node->address, node->address_count, address) == 0)
        return false;
    buf_put(&url, STR("http://"));
    buf_put_text(&url, addr_format(&address[0], host));
    buf_put(&url, STR("/download/"));
    buf_put_url_path(&url, (struct str){offer->path, offer->offer.path.len});
    buf_put(&url, STR("?own=1"));
    exchange_begin(exchange, 307, NULL);
    exchange_header(exchange, "Location", buf_str(&url));
    exchange_end(exchange);
    return true;
}

/* The offer of that content by that node. */
static uint32_t redirect_offer_of(const struct index_role *role, uint32_t node,
                                  const struct record_content *content)
{
    uint32_t offer = lookup_first_holder(role->catalog, content);
    uint8_t have = 0;
    while (offer && (lookup_holder(role->catalog, offer, &have)->slot != node || have < 100))
        offer = lookup_next_holder(role->catalog, offer);
    return offer;
}

/* To the first good holder of a content, in the order of the load balance. */
static bool redirect_to_content(struct index_role *role, struct exchange *exchange,
                                const struct record_content *content)
{
    struct lookup_offer offer;
    uint32_t count = source_collect(role, exchange, content);
    for (uint32_t i = 0; i < count; i++) {
        const struct rank_holder *holder = &role->holders[i];
        uint32_t found = redirect_offer_of(role, holder->node, content);
        if (!holder->reachable || holder->suspect || !found)
            continue;
        lookup_read(role->catalog, found, &offer);
        if (redirect_to(exchange, offer.node, &offer))
            return true;
    }
    return false;
}

static int64_t redirect_age_key(const struct lookup_offer *offer, int64_t wall_s)
{
    bool future = offer->offer.mtime > wall_s + REDIRECT_DAY_S;
    return future ? INT64_MIN : offer->offer.mtime;
}

static bool redirect_is_better(const struct lookup_offer *a, const struct lookup_offer *b)
{
    int64_t wall_s = plat_wall_s();
    if (a->offer.copy != b->offer.copy)
        return !a->offer.copy;
    return redirect_age_key(a, wall_s) > redirect_age_key(b, wall_s);
}

/* The best offer of that name that is hashed, whole and within reach; 0: none. */
static uint32_t redirect_best_in_reach(const struct index_role *role, struct str path)
{
    struct lookup_offer best = {.node = NULL}, offer;
    uint32_t found = 0, at = lookup_first_named(role->catalog, path);
    for (int i = 0; at && i < REDIRECT_LOOK_MAX; i++, at = lookup_next_named(role->catalog, at)) {
        lookup_read(role->catalog, at, &offer);
        if (!offer.offer.hashed || offer.offer.have < 100 || !offer.node->reachable ||
            offer.node->state != RECORD_ACTIVE || (found && !redirect_is_better(&offer, &best)))
            continue;
        found = at;
        best = offer;
    }
    return found;
}

void redirect_download(struct exchange *exchange, void *context)
{
    struct index_role *role = context;
    struct str path = exchange->tail;
    struct lookup_offer offer;
    const char *fault = name_fault(path);
    uint32_t best = fault ? 0 : lookup_best_named(role->catalog, path, plat_wall_s());
    if (!best) {
        role_refuse(role, exchange, 404, fault ? fault : "no such file in the network",
                    "search for a part of its name");
        return;
    }
    role->counters.redirects++;
    lookup_read(role->catalog, best, &offer);
    if (offer.offer.hashed && redirect_to_content(role, exchange, &offer.offer.content))
        return;
    best = redirect_best_in_reach(role, path);
    if (best) {
        lookup_read(role->catalog, best, &offer);
        if (redirect_to_content(role, exchange, &offer.offer.content))
            return;
    }
    exchange_busy(exchange,
                  offer.offer.hashed ? "nobody has it whole and within reach"
                                     : "its holders still hash it",
                  "come again, or use p2p get");
}

void redirect_begin(struct exchange *exchange, void *role)
{
    char own[8];
    ptrdiff_t length = http_query(exchange->head->query, "own", own, sizeof(own));
    if (length == 1 && own[0] == '1')
        role_refuse(role, exchange, 404, "an index has no files of its own", "leave out own=1");
    else
        redirect_download(exchange, role);
}
