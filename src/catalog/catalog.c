/* SPDX-License-Identifier: MIT */
/* The one applier: transactions of nodes, and what goes on in slices after them. A line makes a
 * pending offer beside the old one; a commit lets the pending ones take the places, then frees what
 * was not confirmed; an abort frees the pending ones and puts the others back. Loop thread. */
#include "catalog/catalog.h"

#include "base/text.h"
#include "catalog/nodes.h"
#include "catalog/offers.h"
#include "catalog/relay.h"

#include <string.h>

enum {
    CATALOG_SLICE = 256
}; /* offers freed at once by a call that takes no max_work: about 0.1 ms */

static void catalog_tell(const struct catalog *catalog, const struct tables_node *node,
                         enum catalog_event event, uint32_t offer)
{
    if (!catalog->on_change)
        return;
    uint32_t left = node->count[TABLES_PENDINGS] + node->count[TABLES_OLD];
    struct catalog_change change = {.event = event,
                                    .node = &node->pub,
                                    .epoch = node->next.epoch,
                                    .seq = node->next.seq,
                                    .was_epoch = node->next.was_epoch,
                                    .was_seq = node->next.was_seq,
                                    .offer = offer,
                                    .nth = node->next.told,
                                    .refused = node->next.refused,
                                    .join =
                                        node->phase == TABLES_COMMIT_JOIN || node->next.described,
                                    .last = left == (event == CATALOG_DEL),
                                    .back = event == CATALOG_JOINED && node->next.back};
    catalog->on_change(catalog->change_ctx, &change);
}

static void catalog_tell_offer(const struct catalog *catalog, struct tables_node *node,
                               enum catalog_event event, uint32_t offer)
{
    catalog_tell(catalog, node, event, offer);
    node->next.told++;
}

static void catalog_set_phase(struct tables_node *node, enum tables_phase phase)
{
    node->phase = phase;
    node->pub.open = phase == TABLES_JOIN || phase == TABLES_UPDATE;
    node->pub.busy = phase > TABLES_UPDATE;
}

/* <0, 0, >0: as (epoch, seq) is older than, the same as, newer than what the node has, or will have
 * when its commit is through. */
static int catalog_order(const struct catalog_node *node, uint64_t epoch, uint64_t seq)
{
    uint64_t known_epoch, known_seq;
    catalog_known(node, &known_epoch, &known_seq);
    if (epoch != known_epoch)
        return epoch < known_epoch ? -1 : 1;
    return seq == known_seq ? 0 : seq < known_seq ? -1 : 1;
}

int catalog_join_begin(struct catalog *catalog, struct catalog_node *pub,
                       const struct record_join *join)
{
    struct tables_node *node = tables_of(pub);
    int order = catalog_order(pub, join->epoch, join->seq);
    if (order < 0 || (order == 0 && pub->state == RECORD_LEFT && !pub->lost))
        return -P2P_EGAP;
    if (node->phase != TABLES_IDLE)
        return -P2P_EBUSY;
    memset(&node->next, 0, sizeof(node->next));
    node->next.epoch = join->epoch;
    node->next.seq = join->seq;
    node->next.role = join->role;
    node->next.port = join->port;
    size_t len = join->name.len < P2P_NODE_NAME_MAX ? join->name.len : P2P_NODE_NAME_MAX;
    node->next.name_len = (uint8_t)len;
    if (len > 0)
        memcpy(node->next.name, join->name.ptr, len);
    node->mark ^= TABLES_MARK;
    offers_splice(catalog, node, TABLES_LIVE, TABLES_OLD);
    node->guess = node->ring[TABLES_OLD];
    catalog_set_phase(node, TABLES_JOIN);
    return 0;
}

int catalog_update_begin(struct catalog *catalog, struct catalog_node *pub, uint64_t epoch,
                         uint64_t seq)
{
    (void)catalog;
    struct tables_node *node = tables_of(pub);
    bool unknown = pub->state == RECORD_LEFT || (pub->epoch == 0 && pub->seq == 0);
    if (unknown || epoch != pub->epoch)
        return -P2P_EGAP;
    if (seq <= pub->seq)
        return 1;
    if (node->phase != TABLES_IDLE)
        return -P2P_EBUSY;
    if (seq != pub->seq + 1)
        return -P2P_EGAP;
    node->next.epoch = epoch;
    node->next.seq = seq;
    node->next.refused = node->next.told = 0;
    node->next.relayed = node->next.described = node->next.back = false;
    node->guess = 0;
    catalog_set_phase(node, TABLES_UPDATE);
    return 0;
}

/* Only what the tables rely on; the reader of records has checked the rest of the name rule. */
static bool catalog_good(enum record_op op, const struct record_offer *offer)
{
    struct str path = offer->path;
    if (path.len == 0 || path.len > P2P_PATH_MAX || path.ptr[path.len - 1] == '/' ||
        text_find(path, '\0') >= 0)
        return false;
    if (op == RECORD_DEL)
        return true;
    return offer->size >= 0 && offer->size <= P2P_FILE_MAX && offer->have <= 100;
}

static bool catalog_is_old(const struct catalog *catalog, uint32_t offer)
{
    const struct tables_offer *at = tables_offer(catalog, offer);
    return (at->packed & TABLES_MARK) != tables_node(catalog, at->node)->mark;
}

/* Puts a committed offer in the live or the old ring. */
static void catalog_confirm(struct catalog *catalog, uint32_t offer, bool live)
{
    if (catalog_is_old(catalog, offer) != live)
        return;
    tables_offer(catalog, offer)->packed ^= TABLES_MARK;
    offers_move(catalog, offer, live ? TABLES_OLD : TABLES_LIVE, live ? TABLES_LIVE : TABLES_OLD);
}

static void catalog_apply_del(struct catalog *catalog, struct tables_node *node, struct str path)
{
    uint32_t old, pending, name = names_find(&catalog->names, path);
    if (name == 0)
        return;
    offers_find(catalog, node->pub.slot, name, &old, &pending);
    if (pending)
        offers_free(catalog, pending, TABLES_PENDINGS);
    if (old)
        catalog_confirm(catalog, old, false);
}

static bool catalog_node_full(const struct catalog *catalog, const struct tables_node *node)
{
    uint32_t max = catalog->offers_per_node;
    return max && node->count[TABLES_LIVE] + node->count[TABLES_PENDINGS] >= max;
}

/* Room is scarce: frees some of what only waits to be freed. */
static bool catalog_reclaim(struct catalog *catalog)
{
    struct tables_node *node =
        catalog->busy_first ? tables_node(catalog, catalog->busy_first) : NULL;
    uint32_t freed = 0;
    while (node && node->ring[TABLES_DROPPED] && freed++ < CATALOG_SLICE)
        offers_free(catalog, node->ring[TABLES_DROPPED], TABLES_DROPPED);
    return freed > 0;
}

/* A line of a join that says again, in the same order as last time, what is known: no look-up at
 * all. */
static bool catalog_repeats(struct catalog *catalog, struct tables_node *node,
                            const struct record_offer *record)
{
    uint32_t old, pending = 0, offer = node->guess;
    if (offer == 0 || !catalog_is_old(catalog, offer))
        return false;
    const struct tables_offer *at = tables_offer(catalog, offer);
    if (!names_is(&catalog->names, at->name, record->path) || catalog_node_full(catalog, node) ||
        !offers_same(catalog, offer, record))
        return false;
    if (node->ring[TABLES_PENDINGS])
        offers_find(catalog, at->node, at->name, &old, &pending);
    if (pending)
        return false;
    node->guess = at->node_next;
    catalog_confirm(catalog, offer, true);
    return true;
}

/* A put as it goes through the tables: what was hashed once is not hashed again. */
struct catalog_put {
    const struct record_offer *record;
    struct names_key key;
    uint32_t content_hash;
};

static uint32_t catalog_add(struct catalog *catalog, const struct tables_node *node,
                            const struct catalog_put *put)
{
    uint32_t name = names_find_key(&catalog->names, &put->key);
    if (name == 0)
        name = names_add(&catalog->names, &put->key);
    return name ? offers_add(catalog, node->pub.slot, name, put->record, put->content_hash) : 0;
}

static uint32_t catalog_make(struct catalog *catalog, const struct tables_node *node,
                             struct catalog_put *put)
{
    uint32_t added = catalog_add(catalog, node, put);
    if (added == 0 && catalog_reclaim(catalog)) {
        put->key = names_key(&catalog->names, put->record->path);
        added = catalog_add(catalog, node, put);
    }
    return added;
}

struct catalog_hint catalog_foresee(struct catalog *catalog, const struct record_offer *offer)
{
    uint32_t content = offer->hashed ? offers_hash_content(&offer->content) : 0;
    linear_expect(&catalog->by_content, content);
    return (struct catalog_hint){content, names_key(&catalog->names, offer->path)};
}

static int catalog_apply_put(struct catalog *catalog, struct tables_node *node,
                             const struct record_offer *record, const struct catalog_hint *hint)
{
    struct catalog_hint own;
    if (catalog_repeats(catalog, node, record))
        return 0;
    if (!hint) {
        own = catalog_foresee(catalog, record);
        hint = &own;
    }
    struct catalog_put put = {.record = record, .key = hint->key, .content_hash = hint->content};
    names_key_again(&catalog->names, &put.key, record->path);
    linear_expect_first(&catalog->by_content, put.content_hash);
    linear_expect_first(&catalog->names.by_name, put.key.hash);
    uint32_t old = 0, pending = 0, name = names_find_key(&catalog->names, &put.key);
    if (name)
        offers_find(catalog, node->pub.slot, name, &old, &pending);
    if (pending) {
        offers_free(catalog, pending, TABLES_PENDINGS);
        put.key = names_key(&catalog->names, record->path);
    }
    bool same = old && offers_same(catalog, old, record);
    if (old && node->phase == TABLES_JOIN && catalog_is_old(catalog, old))
        node->guess = tables_offer(catalog, old)->node_next;
    if (old)
        catalog_confirm(catalog, old, false);
    uint32_t added = 0;
    if (!catalog_node_full(catalog, node)) {
        if (same) {
            catalog_confirm(catalog, old, true);
            return 0;
        }
        added = catalog_make(catalog, node, &put);
    }
    if (added && old)
        tables_offer(catalog, added)->packed |= TABLES_MARK;
    if (added == 0) {
        node->next.refused++;
        catalog->refused++;
    }
    return added ? 0 : -P2P_EFULL;
}

void catalog_foresee_more(const struct catalog *catalog, const struct catalog_hint *hint)
{
    linear_expect_first(&catalog->by_content, hint->content);
    linear_expect_first(&catalog->names.by_name, hint->key.hash);
}

bool catalog_apply_again(struct catalog *catalog, struct catalog_node *pub,
                         const struct record_offer *offer)
{
    return pub->open && catalog_repeats(catalog, tables_of(pub), offer);
}

int catalog_apply_foreseen(struct catalog *catalog, struct catalog_node *pub,
                           const struct record_offer *offer, const struct catalog_hint *hint)
{
    if (!pub->open)
        return -P2P_ECLOSED;
    if (!catalog_good(RECORD_PUT, offer))
        return -P2P_EINVAL;
    return catalog_apply_put(catalog, tables_of(pub), offer, hint);
}

int catalog_apply(struct catalog *catalog, struct catalog_node *pub,
                  const struct record_change *change)
{
    struct tables_node *node = tables_of(pub);
    bool may_del = node->phase == TABLES_UPDATE || node->next.relayed;
    if (change->op != RECORD_DEL)
        return catalog_apply_foreseen(catalog, pub, &change->offer, NULL);
    if (!pub->open)
        return -P2P_ECLOSED;
    if (!catalog_good(RECORD_DEL, &change->offer) || !may_del)
        return -P2P_EINVAL;
    catalog_apply_del(catalog, node, change->offer.path);
    return 0;
}

static void catalog_settle(struct catalog *catalog, struct tables_node *node)
{
    uint32_t old = 0, pending, offer = node->ring[TABLES_PENDINGS];
    const struct tables_offer *at = tables_offer(catalog, offer);
    if (at->packed & TABLES_MARK)
        offers_find(catalog, at->node, at->name, &old, &pending);
    if (old)
        offers_free(catalog, old, TABLES_OLD);
    offers_settle(catalog, offer);
    catalog_tell_offer(catalog, node, CATALOG_PUT, offer);
}

static void catalog_finish(struct catalog *catalog, struct tables_node *node)
{
    bool join = node->phase == TABLES_COMMIT_JOIN;
    struct catalog_node *pub = &node->pub;
    pub->epoch = node->next.epoch;
    pub->seq = node->next.seq;
    pub->refused = node->next.refused;
    pub->incomplete = pub->refused > 0 || (pub->incomplete && !join);
    bool described = join || node->next.described;
    if (described) {
        pub->role = node->next.role;
        pub->port = node->next.port;
        pub->name_len = node->next.name_len;
        memcpy(pub->name, node->next.name, sizeof(pub->name));
    }
    catalog_set_phase(node, TABLES_IDLE);
    catalog_tell(catalog, node, described ? CATALOG_JOINED : CATALOG_UPDATED, 0);
}

static void catalog_work_commit(struct catalog *catalog, struct tables_node *node, uint32_t *work)
{
    for (; node->ring[TABLES_PENDINGS] && *work; (*work)--)
        catalog_settle(catalog, node);
    for (; node->ring[TABLES_OLD] && *work; (*work)--) {
        catalog_tell_offer(catalog, node, CATALOG_DEL, node->ring[TABLES_OLD]);
        offers_free(catalog, node->ring[TABLES_OLD], TABLES_OLD);
    }
    if (!node->ring[TABLES_PENDINGS] && !node->ring[TABLES_OLD])
        catalog_finish(catalog, node);
}

/* An aborted join puts back what it had confirmed, an aborted update what it had not. */
static void catalog_work_abort(struct catalog *catalog, struct tables_node *node, uint32_t *work)
{
    bool join = node->phase == TABLES_ABORT_JOIN;
    enum tables_ring from = join ? TABLES_LIVE : TABLES_OLD;
    enum tables_ring to = join ? TABLES_OLD : TABLES_LIVE;
    for (; node->ring[from] && *work; (*work)--) {
        tables_offer(catalog, node->ring[from])->packed ^= TABLES_MARK;
        offers_move(catalog, node->ring[from], from, to);
    }
    if (node->ring[from])
        return;
    if (join)
        offers_splice(catalog, node, TABLES_OLD, TABLES_LIVE);
    catalog_set_phase(node, TABLES_DROP);
}

static void catalog_work_drop(struct catalog *catalog, struct tables_node *node, uint32_t *work)
{
    for (; node->ring[TABLES_DROPPED] && *work; (*work)--)
        offers_free(catalog, node->ring[TABLES_DROPPED], TABLES_DROPPED);
    if (!node->ring[TABLES_DROPPED])
        catalog_set_phase(node, TABLES_IDLE);
}

static void catalog_work(struct catalog *catalog, struct tables_node *node, uint32_t *work)
{
    if (node->phase == TABLES_COMMIT_JOIN || node->phase == TABLES_COMMIT_UPDATE)
        catalog_work_commit(catalog, node, work);
    if (node->phase == TABLES_ABORT_JOIN || node->phase == TABLES_ABORT_UPDATE)
        catalog_work_abort(catalog, node, work);
    if (node->phase == TABLES_DROP)
        catalog_work_drop(catalog, node, work);
}

/* Works on a node; what is left stays for catalog_step. True: something is left. */
static bool catalog_begin_work(struct catalog *catalog, struct tables_node *node, uint32_t work)
{
    catalog_work(catalog, node, &work);
    if (!node->pub.busy || node->queued)
        return node->pub.busy;
    node->queued = true;
    node->busy_next = 0;
    if (catalog->busy_last)
        tables_node(catalog, catalog->busy_last)->busy_next = node->pub.slot;
    else
        catalog->busy_first = node->pub.slot;
    catalog->busy_last = node->pub.slot;
    return true;
}

static void catalog_dequeue(struct catalog *catalog, struct tables_node *node)
{
    uint32_t before = 0, slot = node->pub.slot;
    for (uint32_t at = catalog->busy_first; at != slot; at = tables_node(catalog, at)->busy_next)
        before = at;
    if (before)
        tables_node(catalog, before)->busy_next = node->busy_next;
    else
        catalog->busy_first = node->busy_next;
    if (catalog->busy_last == slot)
        catalog->busy_last = before;
    node->queued = false;
}

bool catalog_step(struct catalog *catalog, uint32_t max_work)
{
    uint32_t work = max_work;
    while (catalog->busy_first && work) {
        struct tables_node *node = tables_node(catalog, catalog->busy_first);
        catalog_work(catalog, node, &work);
        if (node->pub.busy)
            break;
        catalog_dequeue(catalog, node);
    }
    return catalog->busy_first != 0;
}

int catalog_commit(struct catalog *catalog, struct catalog_node *pub, uint32_t max_work)
{
    struct tables_node *node = tables_of(pub);
    if (pub->open) {
        bool was = pub->state != RECORD_LEFT;
        node->next.was_epoch = was ? pub->epoch : 0;
        node->next.was_seq = was ? pub->seq : 0;
        node->next.back = pub->lost && catalog_order(pub, node->next.epoch, node->next.seq) == 0;
        if (pub->state == RECORD_LEFT)
            nodes_raise(catalog, pub->slot);
        if (pub->state == RECORD_HEARSAY)
            pub->state = RECORD_ACTIVE;
        catalog_set_phase(node,
                          node->phase == TABLES_JOIN ? TABLES_COMMIT_JOIN : TABLES_COMMIT_UPDATE);
    }
    bool commits = node->phase == TABLES_COMMIT_JOIN || node->phase == TABLES_COMMIT_UPDATE;
    if (!commits)
        return pub->state == RECORD_LEFT ? -P2P_ECLOSED : 0;
    return catalog_begin_work(catalog, node, max_work) ? 1 : 0;
}

void catalog_abort(struct catalog *catalog, struct catalog_node *pub)
{
    struct tables_node *node = tables_of(pub);
    if (!pub->open)
        return;
    bool join = node->phase == TABLES_JOIN;
    if (join)
        node->mark ^= TABLES_MARK;
    offers_splice(catalog, node, TABLES_PENDINGS, TABLES_DROPPED);
    catalog_set_phase(node, join ? TABLES_ABORT_JOIN : TABLES_ABORT_UPDATE);
    catalog_begin_work(catalog, node, CATALOG_SLICE);
}

/* All of the node's offers wait to be freed, whatever went on. */
static void catalog_drop(struct catalog *catalog, struct tables_node *node)
{
    for (enum tables_ring ring = TABLES_LIVE; ring < TABLES_DROPPED; ring++)
        offers_splice(catalog, node, ring, TABLES_DROPPED);
    catalog_set_phase(node, TABLES_DROP);
}

static void catalog_bury(struct catalog *catalog, struct tables_node *node, bool lost,
                         int64_t now_ms)
{
    if (node->pub.state != RECORD_LEFT)
        nodes_bury(catalog, node->pub.slot);
    node->pub.lost = lost;
    node->pub.left_ms = now_ms;
    node->next.epoch = node->pub.epoch;
    node->next.seq = node->pub.seq;
    node->next.told = 0;
    catalog_tell(catalog, node, lost ? CATALOG_LOST : CATALOG_LEFT, 0);
    catalog_drop(catalog, node);
    catalog_begin_work(catalog, node, CATALOG_SLICE);
}

int catalog_leave(struct catalog *catalog, struct catalog_node *pub, uint64_t epoch, uint64_t seq,
                  int64_t now_ms)
{
    struct tables_node *node = tables_of(pub);
    int order = catalog_order(pub, epoch, seq);
    if (order < 0)
        return -P2P_EGAP;
    if (order == 0 && pub->state == RECORD_LEFT && !pub->lost)
        return 1;
    pub->epoch = epoch;
    pub->seq = seq;
    catalog_bury(catalog, node, false, now_ms);
    return 0;
}

void catalog_lose(struct catalog *catalog, struct catalog_node *pub, int64_t now_ms)
{
    if (pub->state != RECORD_LEFT)
        catalog_bury(catalog, tables_of(pub), true, now_ms);
}

void relay_lose(struct catalog *catalog, struct catalog_node *pub, const struct record_join *join,
                int64_t lost_ms)
{
    pub->epoch = join->epoch;
    pub->seq = join->seq;
    catalog_bury(catalog, tables_of(pub), true, lost_ms);
}

void catalog_forget(struct catalog *catalog, struct catalog_node *pub)
{
    struct tables_node *node = tables_of(pub);
    uint32_t work = UINT32_MAX;
    catalog_drop(catalog, node);
    catalog_work(catalog, node, &work);
    if (node->queued)
        catalog_dequeue(catalog, node);
    nodes_remove(catalog, pub->slot);
}
