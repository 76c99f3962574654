/* SPDX-License-Identifier: MIT */
/* Where plain clients (curl, browsers, Metalink clients) find the bytes. Of several contents under
 * a name the newest owned one wins; where nobody who can be reached has that whole, the newest that
 * somebody has under that very name. The target carries own=1, so that a holder that lost the file
 * says so instead of sending the client back here. Loop thread. */
#include "index/redirect.h"

#include "base/addr.h"
#include "base/name.h"
#include "index/mirrors.h"
#include "index/reply.h"
#include "index/source.h"
#include "platform/plat.h"

#include <string.h>

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

/* That node's offer of what was asked for under the very name. False: it has none. */
static bool redirect_read_named(const struct index_role *role, uint32_t node, struct str path,
                                const struct record_content *content, struct lookup_offer *out)
{
    uint32_t offer = lookup_find_offer(role->catalog, role_node(role, node), path);
    if (!offer)
        return false;
    lookup_read(role->catalog, offer, out);
    return out->offer.hashed && out->offer.have >= 100 &&
           memcmp(out->offer.content.bytes, content->bytes, sizeof(content->bytes)) == 0;
}

/* The offer of that content by that node, under any name. */
static uint32_t redirect_offer_of(const struct index_role *role, uint32_t node,
                                  const struct record_content *content)
{
    uint32_t offer = lookup_first_holder(role->catalog, content);
    uint8_t have = 0;
    while (offer && (lookup_holder(role->catalog, offer, &have)->slot != node || have < 100))
        offer = lookup_next_holder(role->catalog, offer);
    return offer;
}

/* The holders of a content that a plain client can be sent to, whole and within reach, into
 * role->holders, best first. Returns how many. */
static uint32_t redirect_collect(struct index_role *role, const struct exchange *exchange,
                                 const struct record_content *content)
{
    uint32_t good = 0, count = source_collect(role, exchange, content);
    for (uint32_t i = 0; i < count; i++) {
        const struct rank_holder *holder = &role->holders[i];
        if (holder->reachable && !holder->suspect && holder->have >= 100)
            role->holders[good++] = *holder;
    }
    return good;
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

/* What that name means, and who has it: the first count of role->holders. 0: nobody good, and found
 * is what nobody has whole within reach. Negative: answered 404 or 503. */
static int redirect_find(struct index_role *role, struct exchange *exchange,
                         struct lookup_offer *found)
{
    if (mirrors_are_awaited(role, exchange))
        return -P2P_EAGAIN;
    const char *fault = name_fault(exchange->tail);
    uint32_t count = 0,
             best = fault ? 0 : lookup_best_named(role->catalog, exchange->tail, plat_wall_s());
    if (!best) {
        role_refuse(role, exchange, 404, fault ? fault : "no such file in the network",
                    "search for a part of its name");
        return -P2P_ENOTFOUND;
    }
    role->counters.redirects++;
    lookup_read(role->catalog, best, found);
    if (found->offer.hashed)
        count = redirect_collect(role, exchange, &found->offer.content);
    best = count > 0 ? 0 : redirect_best_in_reach(role, exchange->tail);
    if (best) {
        lookup_read(role->catalog, best, found);
        count = redirect_collect(role, exchange, &found->offer.content);
    }
    return (int)count;
}

static void redirect_refuse(struct exchange *exchange, const struct lookup_offer *found)
{
    exchange_busy(exchange,
                  found->offer.hashed ? "nobody has it whole and within reach"
                                      : "its holders still hash it",
                  "come again, or use p2p get");
}

/* To one of the first count holders: rather to one that has it under this name, since the client
 * gets the name from there too. */
static bool redirect_to_holder(const struct index_role *role, struct exchange *exchange,
                               const struct record_content *content, int count)
{
    struct lookup_offer offer;
    for (int i = 0; i < count; i++) {
        if (redirect_read_named(role, role->holders[i].node, exchange->tail, content, &offer) &&
            redirect_to(exchange, offer.node, &offer))
            return true;
    }
    for (int i = 0; i < count; i++) {
        uint32_t at = redirect_offer_of(role, role->holders[i].node, content);
        if (!at)
            continue;
        lookup_read(role->catalog, at, &offer);
        if (redirect_to(exchange, offer.node, &offer))
            return true;
    }
    return false;
}

/* A holder that still hashes it says how far that is, and does it first. */
void redirect_download(struct exchange *exchange, void *context)
{
    struct index_role *role = context;
    struct lookup_offer found;
    int count = redirect_find(role, exchange, &found);
    if (count < 0 || redirect_to_holder(role, exchange, &found.offer.content, count))
        return;
    bool asks_hasher = !found.offer.hashed && found.node->reachable &&
                       found.node->state == RECORD_ACTIVE &&
                       redirect_to(exchange, found.node, &found);
    if (!asks_hasher)
        redirect_refuse(exchange, &found);
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

void redirect_metalink(struct exchange *exchange, void *role)
{
    struct lookup_offer found;
    int count = redirect_find(role, exchange, &found);
    if (count > 0)
        reply_metalink(role, exchange, &found, (uint32_t)count);
    else if (count == 0)
        redirect_refuse(exchange, &found);
}
