/* SPDX-License-Identifier: MIT */
/* What a node offers is a function of (epoch, seq): so the later state always wins, a change is
 * applied only on the state right before it, and everything else means that the node is fetched
 * whole. Only a node's home says that it is lost, or that it still lives; what others tell of it
 * may be taken for as long as a lease. A leave is kept as a tombstone, so that no late word brings
 * the node back. Loop thread. */
#include "index/intake.h"

#include "catalog/relay.h"
#include "index/alive.h"

#include <string.h>

enum {
    INTAKE_WORK = 1000, /* offers that are committed at once: well under a millisecond */
    INTAKE_NODES = 64,  /* nodes in a slice */
    INTAKE_DENY_MS = 2 * INTAKE_COMPARE_MS
};

/* ---- small things ---- */

/* <0, 0, >0: as this state is older than, the same as, newer than what is known. */
static int intake_order(const struct catalog_node *node, uint64_t epoch, uint64_t seq)
{
    uint64_t known_epoch, known_seq;
    if (!node)
        return 1;
    catalog_known(node, &known_epoch, &known_seq);
    if (epoch != known_epoch)
        return epoch < known_epoch ? -1 : 1;
    return seq == known_seq ? 0 : seq < known_seq ? -1 : 1;
}

static bool intake_is_living(const struct catalog_node *node)
{
    return node && node->state != RECORD_LEFT && node->epoch > 0;
}

static bool intake_is_home(const struct intake *from, const struct record_id *home)
{
    return from->mirror >= 0 && record_id_equal(&from->index, home);
}

/* This index is followed, and so would say itself what is to be said of its nodes. */
static bool intake_hears(const struct index_role *role, const struct record_id *home)
{
    bool found = false;
    for (int i = 0; i < P2P_INDEXES_MAX; i++)
        found = found || ((role->following & 1u << i) && record_id_equal(&role->homes[i].id, home));
    return found;
}

/* It was given up at the very state that is told: its home takes that back, nobody else does. */
static bool intake_may_raise(const struct intake *from, const struct catalog_node *node)
{
    return node && node->state == RECORD_LEFT && node->lost && intake_is_home(from, &node->home);
}

/* The node's transaction is open, and is this one's. */
static bool intake_is_open(struct index_role *role, const struct intake *from,
                           struct catalog_node *node)
{
    return node && node->open && member_of(role, node)->teller == from->teller;
}

static struct catalog_node *intake_find(struct index_role *role, const struct record_id *id)
{
    return catalog_find_node(role->catalog, id);
}

/* Finds it or makes an unknown one; NULL: there is no room. How many one address may have is for
 * its home to say. */
static struct catalog_node *intake_add(struct index_role *role, const struct record_id *id,
                                       const struct told_node *about)
{
    static const struct plat_addr nowhere;
    struct catalog_node *node = NULL;
    bool has = about && about->address_count > 0;
    if (catalog_add_node(role->catalog, id, &nowhere, &node))
        return NULL;
    (void)member_of(role, node);
    if (node->epoch == 0 && has)
        catalog_set_source(role->catalog, node, &about->address[0]);
    else if (node->epoch == 0)
        node->address_count = 0;
    return node;
}

void intake_want(struct index_role *role, const struct intake *from, const struct record_id *id)
{
    struct catalog_node *node = from->mirror < 0 ? NULL : intake_add(role, id, NULL);
    if (!node)
        return;
    member_of(role, node)->wanted |= 1u << from->mirror;
    role->wanted |= 1u << from->mirror;
}

static void intake_abort(struct index_role *role, struct catalog_node *node)
{
    member_of(role, node)->teller = 0;
    catalog_abort(role->catalog, node);
    role_wake_catalog(role);
}

void intake_tidy(struct index_role *role, const struct record_id *id)
{
    struct catalog_node *node = intake_find(role, id);
    if (!node || node->open || node->busy || node->state == RECORD_LEFT || node->epoch > 0 ||
        node->seq > 0 || member_of(role, node)->wanted)
        return;
    member_forget(role, node);
}

/* It was given up in the very state that is told. */
static bool intake_is_lost(const struct catalog_node *node, const struct told_node *about)
{
    return node && node->state == RECORD_LEFT && node->lost &&
           intake_order(node, about->epoch, about->seq) == 0;
}

/* A living node of which the mirror knows more. One that was given up is raised by its home alone.
 * A node of our own that we do not know any more has gone, unless we have just begun and forgot it
 * ourselves. */
static bool intake_is_credible(const struct index_role *role, const struct intake *from,
                               const struct catalog_node *node, const struct told_node *about)
{
    bool young = about->age_ms < role->config.lease_ms;
    int64_t uptime = loop_now_ms(role->config.loop) - role->started_ms;
    if (intake_is_home(from, &about->home))
        return true;
    if (!record_id_equal(&about->home, &role->config.id))
        return young && !intake_is_lost(node, about);
    if (!node || node->epoch == 0)
        return young && uptime < 2 * role->config.lease_ms;
    return intake_order(node, about->epoch, about->seq) > 0;
}

/* Somebody still says that a node lives which was given up in that state: its tombstone stays until
 * he has had time to say otherwise, or the node would come back when it is forgotten. */
static void intake_deny(struct index_role *role, struct catalog_node *node)
{
    member_of(role, node)->denied_ms = loop_now_ms(role->config.loop) + INTAKE_DENY_MS;
}

/* When the node spoke at the latest, as is told: only its home makes it younger in the same state.
 */
static int64_t intake_heard(struct index_role *role, const struct intake *from,
                            const struct catalog_node *node, const struct told_node *about)
{
    int64_t now = loop_now_ms(role->config.loop), told = now - about->age_ms;
    if (from->mirror < 0)
        return now;
    bool is_older = node->heard_ms < told && intake_order(node, about->epoch, about->seq) == 0;
    return is_older && !intake_is_home(from, &about->home) ? node->heard_ms : told;
}

/* ---- the record of a node ---- */

static struct record_join intake_join(const struct told_node *about)
{
    return (struct record_join){.epoch = about->epoch,
                                .seq = about->seq,
                                .port = about->address_count > 0 ? about->address[0].port : 0,
                                .role = about->role,
                                .name = about->name};
}

/* Address, liveness and load, as its home knows them. */
static void intake_place(struct index_role *role, const struct intake *from,
                         struct catalog_node *node, const struct told_node *about)
{
    struct member *member = member_of(role, node);
    node->heard_ms = intake_heard(role, from, node, about);
    node->home = about->home;
    catalog_set_source(role->catalog, node, &about->address[0]);
    memcpy(node->address, about->address, sizeof(node->address));
    node->address_count = about->address_count;
    node->reachable = about->reachable;
    node->uploads = about->uploads;
    node->slots = about->slots;
    node->rate = about->rate;
    member->claim_count = 0;
    member->dropped_ms = 0;
    member->rehomed = false;
}

/* After its commit has begun. Of a node whose home is not heard here others tell hearsay. */
static void intake_believe(struct index_role *role, const struct intake *from,
                           struct catalog_node *node, enum record_state state)
{
    if (node->state == RECORD_LEFT)
        return;
    bool heard = from->mirror >= 0 && intake_hears(role, &node->home);
    if (!intake_is_home(from, &node->home) || state == RECORD_LEFT)
        state = heard ? RECORD_ACTIVE : RECORD_HEARSAY;
    catalog_set_state(role->catalog, node, state);
    member_watch(role, node);
}

/* The home tells of a node whose state is known already. */
static void intake_refresh(struct index_role *role, const struct intake *from,
                           struct catalog_node *node, const struct told_node *about)
{
    if (!intake_is_home(from, &about->home) || node->open || node->busy)
        return;
    intake_place(role, from, node, about);
    intake_believe(role, from, node, about->state);
}

/* about NULL: it says what it said before. */
static void intake_commit(struct index_role *role, const struct intake *from,
                          struct catalog_node *node, const struct told_node *about)
{
    enum record_state state = node->state;
    if (about) {
        struct record_join join = intake_join(about);
        relay_describe(node, &join);
        if (about->incomplete)
            relay_confess(node);
        intake_place(role, from, node, about);
        state = about->state;
    } else if (intake_is_home(from, &node->home)) {
        node->heard_ms = loop_now_ms(role->config.loop);
        state = RECORD_ACTIVE;
    }
    member_of(role, node)->teller = 0;
    (void)catalog_commit(role->catalog, node, INTAKE_WORK);
    intake_believe(role, from, node, state);
    role_wake_catalog(role);
}

/* ---- leave and loss ---- */

/* A later state is on its way in: from the node itself, or from somebody who knows more. */
static bool intake_is_overtaken(struct index_role *role, struct catalog_node *node,
                                const struct told_node *about)
{
    if (!node || !node->open)
        return false;
    const struct member *member = member_of(role, node);
    bool later = member->told_epoch > about->epoch ||
                 (member->told_epoch == about->epoch && member->told_seq > about->seq);
    return member->announce || (member->teller && later);
}

static void intake_leave(struct index_role *role, const struct intake *from,
                         const struct told_node *about)
{
    int64_t now = loop_now_ms(role->config.loop), age = from->mirror < 0 ? 0 : about->age_ms;
    struct catalog_node *node = intake_find(role, &about->id);
    bool was_living = intake_is_living(node);
    if (age >= 2 * role->config.lease_ms || intake_order(node, about->epoch, about->seq) < 0 ||
        intake_is_overtaken(role, node, about))
        return;
    if (!node)
        node = intake_add(role, &about->id, about);
    if (!node)
        return;
    struct record_join join = intake_join(about);
    if (node->name_len == 0)
        relay_describe(node, &join);
    if (catalog_leave(role->catalog, node, about->epoch, about->seq, now - age) != 0)
        return;
    member_of(role, node)->teller = 0;
    role->counters.leaves += was_living;
    node->home = about->home;
    member_left(role, node);
    alive_release(role, member_of(role, node));
    role_wake_catalog(role);
}

/* Also of a node that is not here: nobody else shall say that it lives. */
static void intake_lose(struct index_role *role, const struct intake *from,
                        const struct told_node *about)
{
    int64_t now = loop_now_ms(role->config.loop);
    struct catalog_node *node = intake_find(role, &about->id);
    int order = intake_order(node, about->epoch, about->seq);
    bool same = order == 0 && intake_is_living(node) && intake_is_home(from, &node->home);
    if (!intake_is_home(from, &about->home) || intake_is_overtaken(role, node, about) ||
        about->age_ms >= 2 * role->config.lease_ms || (order <= 0 && !same))
        return;
    if (!node)
        node = intake_add(role, &about->id, about);
    if (!node)
        return;
    struct record_join join = intake_join(about);
    if (node->name_len == 0)
        relay_describe(node, &join);
    role->counters.lost += intake_is_living(node);
    node->home = about->home;
    node->reachable = false;
    relay_lose(role->catalog, node, &join, now - about->age_ms);
    member_of(role, node)->teller = 0;
    member_left(role, node);
    role_wake_catalog(role);
}

/* ---- the feed ---- */

/* A change whose base is not here. Known already: nothing. */
static void intake_miss(struct index_role *role, const struct intake *from, const struct told *told)
{
    if (intake_order(intake_find(role, &told->node), told->epoch, told->seq) > 0)
        intake_want(role, from, &told->node);
}

/* Notes whose transaction is open, and what it leads to; or what hindered it. */
static bool intake_opened(struct index_role *role, const struct intake *from,
                          const struct told *told, int result)
{
    struct catalog_node *node = intake_find(role, &told->node);
    struct member *member = member_of(role, node);
    if (result == 0) {
        member->teller = from->teller;
        member->told_epoch = told->epoch;
        member->told_seq = told->seq;
        member->told_half = false;
        return true;
    }
    bool same = member->teller && member->told_epoch == told->epoch &&
                member->told_seq == told->seq; /* another mirror is telling just this */
    if (result != 1 && !same)
        intake_miss(role, from, told);
    return false;
}

/* A change of the state that is here. A join is one too, as far as its differences go. */
static bool intake_begin_update(struct index_role *role, const struct intake *from,
                                const struct told *told)
{
    struct catalog_node *node = intake_find(role, &told->node);
    bool fits = intake_is_living(node) &&
                (!told->has_was || (intake_order(node, told->was_epoch, told->was_seq) == 0 &&
                                    intake_order(node, told->epoch, told->seq) > 0));
    if (!fits) {
        intake_miss(role, from, told);
        return false;
    }
    uint64_t epoch = told->has_was ? node->epoch : told->epoch;
    uint64_t seq = told->has_was ? node->seq + 1 : told->seq;
    int result = catalog_update_begin(role->catalog, node, epoch, seq);
    if (result == 0)
        relay_lead(node, told->epoch, told->seq);
    return intake_opened(role, from, told, result);
}

static bool intake_begin_whole(struct index_role *role, const struct intake *from,
                               const struct told *told)
{
    struct record_join join = {
        .epoch = told->epoch, .seq = told->seq, .port = 1, .name = STR("node")};
    struct catalog_node *node = intake_find(role, &told->node);
    int order = intake_order(node, told->epoch, told->seq);
    if (order < 0 || (order == 0 && !intake_may_raise(from, node)))
        return false;
    node = intake_add(role, &told->node, NULL);
    return node && intake_opened(role, from, told, relay_begin(role->catalog, node, &join));
}

static bool intake_goes_on(struct index_role *role, const struct intake *from,
                           const struct told *told)
{
    struct catalog_node *node = intake_find(role, &told->node);
    if (!intake_is_open(role, from, node))
        return false;
    const struct member *member = member_of(role, node);
    bool same = member->told_epoch == told->epoch && member->told_seq == told->seq;
    if (same && (told->part == TOLD_MORE || told->part == TOLD_LAST))
        return true;
    intake_abort(role, node);
    intake_want(role, from, &told->node);
    return false;
}

static void intake_change(struct index_role *role, const struct intake *from,
                          const struct told *told)
{
    bool open = intake_goes_on(role, from, told);
    if (!open && (told->part == TOLD_MORE || told->part == TOLD_LAST))
        intake_miss(role, from, told);
    else if (!open && told->part == TOLD_WHOLE)
        open = intake_begin_whole(role, from, told);
    else if (!open)
        open = intake_begin_update(role, from, told);
    if (!open)
        return;
    struct catalog_node *node = intake_find(role, &told->node);
    (void)catalog_apply(role->catalog, node, &told->change); /* no room: it is incomplete then */
    if (told->part == TOLD_ALONE || told->part == TOLD_LAST)
        intake_commit(role, from, node, NULL);
}

static void intake_joined(struct index_role *role, const struct intake *from,
                          const struct told *told)
{
    struct catalog_node *node = intake_find(role, &told->node);
    int order = intake_order(node, told->epoch, told->seq);
    if (intake_goes_on(role, from, told)) {
        intake_commit(role, from, node, &told->about);
    } else if (order > 0 && told->part == TOLD_ALONE && intake_is_living(node)) {
        if (intake_begin_update(role, from, told))
            intake_commit(role, from, node, &told->about);
    } else if (order > 0 || (order == 0 && intake_may_raise(from, node))) {
        intake_want(role, from, &told->node);
    } else if (order == 0 && intake_is_living(node)) {
        intake_refresh(role, from, node, &told->about);
    }
}

void intake_line(struct index_role *role, const struct intake *from, const struct told *told)
{
    switch (told->op) {
    case TOLD_PUT:
    case TOLD_DEL:
        intake_change(role, from, told);
        break;
    case TOLD_JOIN:
    case TOLD_BACK:
        intake_joined(role, from, told);
        break;
    case TOLD_LEAVE:
        intake_leave(role, from, &told->about);
        break;
    case TOLD_LOST:
        intake_lose(role, from, &told->about);
        break;
    }
}

/* ---- comparing ---- */

void intake_compare(struct index_role *role, const struct intake *from,
                    const struct told_node *about)
{
    struct catalog_node *node = intake_find(role, &about->id);
    int order = intake_order(node, about->epoch, about->seq);
    if (about->state == RECORD_LEFT) {
        if (about->lost)
            intake_lose(role, from, about);
        else
            intake_leave(role, from, about);
        return;
    }
    bool lost = intake_is_lost(node, about);
    bool better = node && intake_is_living(node) && node->incomplete && !about->incomplete;
    if (order > 0 || (order == 0 && (lost || better))) {
        if (intake_is_credible(role, from, node, about))
            intake_want(role, from, &about->id);
        else if (lost)
            intake_deny(role, node);
    } else if (order == 0 && intake_is_living(node)) {
        intake_refresh(role, from, node, about);
    }
}

/* ---- whole states ---- */

static void intake_keep(struct intake *from, const struct told_node *about)
{
    from->about = *about;
    (void)text_copy(about->name, from->name, sizeof(from->name));
    from->about.name = text_from(from->name);
}

/* From the disk all nodes are new, and there are many: each is placed at once. */
static void intake_whole_about(struct index_role *role, struct intake *from,
                               struct catalog_node *node, const struct told_node *about)
{
    if (from->mirror < 0)
        intake_place(role, from, node, about);
    else
        intake_keep(from, about);
}

/* about NULL: its record comes later. */
static struct catalog_node *intake_whole_begin(struct index_role *role, struct intake *from,
                                               const struct told *told,
                                               const struct told_node *about)
{
    struct record_join join = {.port = 1, .name = STR("node")};
    struct catalog_node *node = intake_find(role, &told->node);
    int order = intake_order(node, told->epoch, told->seq);
    if (from->mirror >= 0 && from->begun)
        return NULL;
    bool better = intake_is_living(node) && node->incomplete && !(about && about->incomplete);
    bool credible = !about || from->mirror < 0 || intake_is_credible(role, from, node, about);
    if (order < 0 || !credible ||
        (order == 0 && !better && (!node || node->state != RECORD_LEFT || !node->lost)))
        return NULL;
    node = intake_add(role, &told->node, about);
    if (about)
        join = intake_join(about);
    int error = node ? relay_begin(role->catalog, node, &join) : -P2P_EFULL;
    if (error == -P2P_EBUSY && !member_of(role, node)->announce)
        intake_want(role, from, &told->node); /* again, when what goes on is through */
    if (error)
        return NULL;
    struct member *member = member_of(role, node);
    member->teller = from->teller;
    member->told_epoch = join.epoch;
    member->told_seq = join.seq;
    member->told_half = about == NULL;
    if (about)
        intake_whole_about(role, from, node, about);
    if (about && about->incomplete)
        relay_confess(node);
    return node;
}

static void intake_whole_lead(struct member *member, struct catalog_node *node,
                              const struct told *told)
{
    bool later = told->epoch > member->told_epoch ||
                 (told->epoch == member->told_epoch && told->seq > member->told_seq);
    if (!later)
        return;
    member->told_epoch = told->epoch;
    member->told_seq = told->seq;
    relay_lead(node, told->epoch, told->seq);
}

static void intake_whole_change(struct index_role *role, struct intake *from,
                                const struct told *told)
{
    struct catalog_node *node = intake_find(role, &told->node);
    if (!intake_is_open(role, from, node)) {
        bool unknown = !node || (node->epoch == 0 && !node->open && node->state != RECORD_LEFT);
        node = unknown ? intake_whole_begin(role, from, told, NULL) : NULL;
    }
    if (!node)
        return;
    struct member *member = member_of(role, node);
    (void)catalog_apply(role->catalog, node, &told->change); /* no room: it is incomplete then */
    if (told->n == 0)
        return;
    member->told_half = told->part != TOLD_ALONE && told->part != TOLD_LAST;
    if (!member->told_half)
        intake_whole_lead(member, node, told);
}

static void intake_whole_joined(struct index_role *role, struct intake *from,
                                const struct told *told)
{
    struct catalog_node *node = intake_find(role, &told->node);
    if (!intake_is_open(role, from, node)) {
        (void)intake_whole_begin(role, from, told, &told->about);
        return;
    }
    struct record_join join = intake_join(&told->about);
    relay_describe(node, &join);
    intake_whole_lead(member_of(role, node), node, told);
    intake_whole_about(role, from, node, &told->about);
    member_of(role, node)->told_half = false;
}

static void intake_whole_gone(struct index_role *role, struct intake *from, const struct told *told)
{
    struct catalog_node *node = intake_find(role, &told->node);
    if (intake_is_open(role, from, node))
        intake_abort(role, node);
    if (told->op == TOLD_LEAVE)
        intake_leave(role, from, &told->about);
    else
        intake_lose(role, from, &told->about);
}

void intake_whole(struct index_role *role, struct intake *from, const struct told *told)
{
    if (told->op == TOLD_PUT || told->op == TOLD_DEL)
        intake_whole_change(role, from, told);
    else if (told->op == TOLD_JOIN || told->op == TOLD_BACK)
        intake_whole_joined(role, from, told);
    else
        intake_whole_gone(role, from, told);
    from->begun = true;
}

static void intake_end_node(struct index_role *role, struct intake *from, struct catalog_node *node,
                            bool good)
{
    const struct member *member = member_of(role, node);
    struct record_id id = node->id;
    bool is_state = member->told_epoch > 0 && !member->told_half;
    if (!good || !is_state) {
        intake_abort(role, node);
        intake_tidy(role, &id);
    } else if (from->mirror >= 0) {
        intake_commit(role, from, node, &from->about);
    } else {
        member_of(role, node)->teller = 0;
        (void)catalog_commit(role->catalog, node, INTAKE_WORK);
        intake_believe(role, from, node, RECORD_HEARSAY);
        role_wake_catalog(role);
    }
}

void intake_end(struct index_role *role, struct intake *from, const struct record_id *id, bool good)
{
    struct catalog_node *node = intake_find(role, id);
    from->begun = false;
    if (intake_is_open(role, from, node))
        intake_end_node(role, from, node, good);
}

bool intake_end_some(struct index_role *role, struct intake *from, uint32_t *at, bool good)
{
    for (int i = 0; i < INTAKE_NODES; i++) {
        struct catalog_node *node = catalog_next_node(role->catalog, *at);
        if (!node)
            return false;
        *at = node->slot;
        if (intake_is_open(role, from, node))
            intake_end_node(role, from, node, good);
    }
    return true;
}

/* ---- the end of a teller ---- */

static void intake_forget(struct index_role *role, const struct intake *from,
                          struct catalog_node *node)
{
    struct member *member = member_of(role, node);
    struct record_id id = node->id;
    if (from->mirror >= 0)
        member->wanted &= ~(1u << from->mirror);
    if (intake_is_open(role, from, node)) {
        intake_abort(role, node);
        member->wanted |= role->following; /* others may have been telling the same */
        role->wanted |= role->following;
    }
    intake_tidy(role, &id);
}

void intake_stop(struct index_role *role, const struct intake *from)
{
    uint32_t at = 0;
    struct catalog_node *node;
    while ((node = catalog_next_node(role->catalog, at))) {
        at = node->slot;
        intake_forget(role, from, node);
    }
    if (from->mirror >= 0)
        role->wanted &= ~(1u << from->mirror);
}

void intake_yield(struct index_role *role, struct catalog_node *node)
{
    struct member *member = member_of(role, node);
    if (!node->open || !member->teller)
        return;
    intake_abort(role, node);
    member->wanted |= role->following; /* in case that it breaks off */
    role->wanted |= role->following;
}

struct catalog_node *intake_take(struct index_role *role, int mirror, uint32_t after)
{
    struct catalog_node *node;
    while ((node = catalog_next_node(role->catalog, after))) {
        struct member *member = member_of(role, node);
        after = node->slot;
        if (!(member->wanted & 1u << mirror))
            continue;
        member->wanted &= ~(1u << mirror);
        return node;
    }
    return NULL;
}
