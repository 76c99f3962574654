/* SPDX-License-Identifier: MIT */
/* Members: attaching and dropping of connections, the lease, and connecting back. All decisions
 * about liveness are in lease.c; this file collects the facts and acts. One node is connected back
 * to at a time, ROLE_CHECKS nodes at once, those whose connection dropped before those that joined.
 * Loop thread. */
#include "index/member.h"

#include "base/addr.h"
#include "index/lease.h"
#include "index/probe.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum {
    MEMBER_GRAIN_MS = 100, /* leases end late by this at most */
    MEMBER_RETRY_MS = 100, /* a process that ends may close its connections before its port */
    MEMBER_RETRIES = 20    /* so for two seconds: on a busy board dying takes its time */
};

/* A connection's ticket: which member it belongs to. */
struct member_link {
    uint32_t slot, generation;
};

/* A node that is being connected back to. */
struct check {
    struct index_role *role;
    struct probe probe; /* free when its client is NULL and slot is 0 */
    uint32_t slot, generation;
    int step; /* 0: where it speaks from; then its claims */
};

static void member_on_late(void *ctx, struct deadline *deadline);

int member_init(struct index_role *role, struct arena *arena)
{
    role->member_count = catalog_budget(role->catalog).nodes;
    role->members = arena_carve(arena, (role->member_count + 1) * sizeof(struct member),
                                _Alignof(struct member));
    role->checks = arena_carve(arena, ROLE_CHECKS * sizeof(struct check), _Alignof(struct check));
    if (!role->members || !role->checks)
        return -P2P_EFULL;
    for (int i = 0; i < ROLE_CHECKS; i++)
        role->checks[i].role = role;
    deadlines_init(&role->leases, role->config.loop, MEMBER_GRAIN_MS);
    role->leases.on_late = member_on_late;
    role->leases.ctx = role;
    return pool_init(&role->links, arena, sizeof(struct member_link), role->config.connections);
}

void member_close(struct index_role *role)
{
    for (int i = 0; i < ROLE_CHECKS; i++)
        probe_cancel(&role->checks[i].probe);
    deadlines_close(&role->leases);
}

/* ---- the member beside a node ---- */

/* Takes a node that goes out of the queue of those that wait for their check. */
static void member_unqueue(struct index_role *role, uint32_t slot)
{
    uint32_t before = 0, at = role->check_head;
    while (at && at != slot) {
        before = at;
        at = role->members[at].check_next;
    }
    if (!at)
        return;
    if (before)
        role->members[before].check_next = role->members[at].check_next;
    else
        role->check_head = role->members[at].check_next;
    if (role->check_tail == slot)
        role->check_tail = before;
}

static void member_clear(struct index_role *role, struct member *member)
{
    uint32_t generation = member->generation;
    if (member->checking)
        member_unqueue(role, (uint32_t)(member - role->members));
    deadline_stop(&member->lease);
    deadline_stop(&member->hold);
    *member = (struct member){.generation = generation + 1};
}

struct member *member_of(struct index_role *role, struct catalog_node *node)
{
    struct member *member = &role->members[node->slot];
    assert(node->slot > 0 && node->slot <= role->member_count);
    if (node->mark == 0) {
        member_clear(role, member);
        node->mark = 1;
    }
    return member;
}

/* The node that a link or check was made for, or NULL when its slot has another since. */
static struct catalog_node *member_node(struct index_role *role, uint32_t slot, uint32_t generation)
{
    struct catalog_node *node = role_node(role, slot);
    return node && member_of(role, node)->generation == generation ? node : NULL;
}

struct member *member_of_hold(struct deadline *deadline)
{
    return (struct member *)((char *)deadline - offsetof(struct member, hold));
}

/* ---- the lease ---- */

/* Nobody could be heard while this index stood still. */
static int64_t member_since(struct index_role *role, int64_t at_ms)
{
    int64_t awake_ms = loop_awake_ms(role->config.loop);
    return at_ms > awake_ms ? at_ms : awake_ms;
}

static struct lease_facts member_facts(struct index_role *role, struct catalog_node *node)
{
    const struct member *member = member_of(role, node);
    int64_t dropped_ms = member->dropped_ms;
    return (struct lease_facts){
        .state = node->state,
        .attached = member->links > 0,
        .answered = member->answered,
        .busy = node->open || node->busy,
        .heard_ms = member_since(role, role_heard_ms(role, node)),
        .dropped_ms = dropped_ms > 0 ? member_since(role, dropped_ms) : 0,
        .left_ms = node->left_ms,
        .denied_ms = member->denied_ms,
    };
}

void member_lose(struct index_role *role, struct catalog_node *node, const char *why)
{
    char label[ROLE_LABEL_MAX];
    role->counters.lost++;
    log_line(LOG_INFO, "index", "%s lost with %u offers: %s", role_label(node, label),
             (unsigned)node->offers, why);
    node->reachable = false;
    catalog_lose(role->catalog, node, loop_now_ms(role->config.loop));
    role_wake_catalog(role);
    member_left(role, node);
}

static void member_judge(struct index_role *role, struct catalog_node *node)
{
    struct member *member = member_of(role, node);
    if (member->retry) {
        member->retry = false;
        member_check(role, node);
    }
    struct lease_facts facts = member_facts(role, node);
    int64_t now = loop_now_ms(role->config.loop), next = 0;
    switch (lease_judge(&facts, role->config.lease_ms, now, &next)) {
    case LEASE_LOST:
        member_lose(role, node, "no word for a whole lease");
        return;
    case LEASE_FORGET:
        member_forget(role, node);
        return;
    case LEASE_SUSPECT:
        catalog_set_state(role->catalog, node, RECORD_SUSPECT);
        break;
    case LEASE_KEEP:
        break;
    }
    deadline_set(&role->leases, &member->lease, next);
}

static void member_on_late(void *ctx, struct deadline *deadline)
{
    struct index_role *role = ctx;
    struct member *member = (struct member *)((char *)deadline - offsetof(struct member, lease));
    struct catalog_node *node = role_node(role, (uint32_t)(member - role->members));
    if (node && node->mark)
        member_judge(role, node);
}

void member_hear(struct index_role *role, struct catalog_node *node)
{
    struct member *member = member_of(role, node);
    node->heard_ms = loop_now_ms(role->config.loop);
    if (node->state == RECORD_SUSPECT || node->state == RECORD_HEARSAY)
        catalog_set_state(role->catalog, node, RECORD_ACTIVE);
    deadline_set(&role->leases, &member->lease, node->heard_ms + role->config.lease_ms);
}

void member_watch(struct index_role *role, struct catalog_node *node)
{
    deadline_set(&role->leases, &member_of(role, node)->lease,
                 role_heard_ms(role, node) + role->config.lease_ms);
}

void member_left(struct index_role *role, struct catalog_node *node)
{
    struct member *member = member_of(role, node);
    member->dropped_ms = member->denied_ms = 0;
    deadline_set(&role->leases, &member->lease,
                 loop_now_ms(role->config.loop) + 2 * role->config.lease_ms);
}

void member_forget(struct index_role *role, struct catalog_node *node)
{
    member_clear(role, member_of(role, node));
    catalog_forget(role->catalog, node);
}

/* ---- connecting back ---- */

static void member_pump(struct index_role *role);

static void member_enqueue(struct index_role *role, uint32_t slot, bool first)
{
    struct member *members = role->members;
    if (first) {
        members[slot].check_next = role->check_head;
        role->check_head = slot;
        role->check_tail = role->check_tail ? role->check_tail : slot;
        return;
    }
    members[slot].check_next = 0;
    if (role->check_tail)
        members[role->check_tail].check_next = slot;
    else
        role->check_head = slot;
    role->check_tail = slot;
}

static uint32_t member_dequeue(struct index_role *role)
{
    uint32_t slot = role->check_head;
    role->check_head = slot ? role->members[slot].check_next : 0;
    if (!role->check_head)
        role->check_tail = 0;
    return slot;
}

/* Dropped ones go first: a killed node is to vanish within a second. */
void member_check(struct index_role *role, struct catalog_node *node)
{
    struct member *member = member_of(role, node);
    if (member->checking) {
        member->check_again = true;
        return;
    }
    member->checking = true;
    member_enqueue(role, node->slot, member->dropped_ms > 0);
    member_pump(role);
}

/* Connected, but cut without a word: the next time tells more. */
static void member_retry(struct index_role *role, struct member *member)
{
    if (member->retries++ >= MEMBER_RETRIES)
        return;
    member->retry = true;
    deadline_set(&role->leases, &member->lease, loop_now_ms(role->config.loop) + MEMBER_RETRY_MS);
}

static void member_check_source(struct index_role *role, struct catalog_node *node, int result)
{
    struct member *member = member_of(role, node);
    bool was_reachable = node->reachable;
    bool is_ours = result == -P2P_EFULL || result == -P2P_EMFILE; /* says nothing about the node */
    if (is_ours)
        return;
    node->reachable = result == 0;
    member->checked_ms = loop_now_ms(role->config.loop);
    bool speaks = member->links > 0 || node->open;
    if (member->dropped_ms == 0 || speaks || node->state == RECORD_LEFT ||
        !role_is_home(role, node))
        return;
    enum lease_verdict verdict = lease_after_drop(result, was_reachable);
    if (verdict == LEASE_LOST)
        member_lose(role, node, "its connection is gone and nobody answers for it");
    else if (verdict == LEASE_KEEP)
        member->answered = true;
    else if (result == -P2P_ECLOSED)
        member_retry(role, member);
}

static void member_check_claim(struct index_role *role, struct catalog_node *node, int step)
{
    struct plat_addr *claimed = &member_of(role, node)->claimed[step - 1];
    for (int i = 0; i < node->address_count; i++) {
        if (addr_equal(&node->address[i], claimed))
            return;
    }
    if (node->address_count < P2P_ADDRESSES_MAX)
        node->address[node->address_count++] = *claimed;
}

static void member_check_finish(struct check *check, struct catalog_node *node)
{
    struct index_role *role = check->role;
    check->slot = 0;
    if (node) {
        struct member *member = member_of(role, node);
        member->checking = false;
        if (member->check_again) {
            member->check_again = false;
            member_check(role, node);
        }
    }
}

static void member_on_probe(void *ctx, int result);

/* Begins the next step that can be begun; those that fail at once are done with at once. */
static void member_check_go(struct check *check)
{
    struct index_role *role = check->role;
    for (;;) {
        struct catalog_node *node = member_node(role, check->slot, check->generation);
        struct member *member = node ? member_of(role, node) : NULL;
        if (!node || node->state == RECORD_LEFT || check->step > member->claim_count) {
            member_check_finish(check, node);
            return;
        }
        const struct plat_addr *addr =
            check->step == 0 ? &node->address[0] : &member->claimed[check->step - 1];
        check->probe.id = node->id;
        check->probe.done = member_on_probe;
        check->probe.ctx = check;
        int error = probe_begin(&check->probe, role->config.pool, addr);
        if (!error)
            return;
        if (check->step++ == 0)
            member_check_source(role, node, error);
    }
}

static void member_on_probe(void *ctx, int result)
{
    struct check *check = ctx;
    struct index_role *role = check->role;
    struct catalog_node *node = member_node(role, check->slot, check->generation);
    int step = check->step++;
    if (node && step == 0)
        member_check_source(role, node, result);
    else if (node && result == 0 && step <= member_of(role, node)->claim_count)
        member_check_claim(role, node, step);
    member_check_go(check);
    member_pump(role);
}

static struct check *member_free_check(struct index_role *role)
{
    for (int i = 0; i < ROLE_CHECKS; i++) {
        if (role->checks[i].slot == 0)
            return &role->checks[i];
    }
    return NULL;
}

static void member_pump(struct index_role *role)
{
    struct check *check;
    while (role->check_head && (check = member_free_check(role))) {
        check->slot = member_dequeue(role);
        check->generation = role->members[check->slot].generation;
        check->step = 0;
        member_check_go(check);
    }
}

/* ---- connections ---- */

bool member_has_other(struct index_role *role, struct catalog_node *node,
                      const struct exchange *exchange)
{
    const struct member *member = member_of(role, node);
    const struct member_link *link = exchange->ticket;
    bool own = link && link->slot == node->slot && link->generation == member->generation;
    return member->links > (own ? 1 : 0);
}

void member_attach(struct index_role *role, struct catalog_node *node, struct exchange *exchange)
{
    struct member *member = member_of(role, node);
    struct member_link *link = exchange->ticket;
    if (link && link->slot == node->slot && link->generation == member->generation)
        return;
    if (link)
        member_detach(role, link);
    exchange->ticket = NULL;
    uint32_t slot = pool_take(&role->links);
    if (!slot)
        return; /* the lease alone tells when it goes */
    link = pool_at(&role->links, slot);
    *link = (struct member_link){node->slot, member->generation};
    exchange->ticket = link;
    member->links++;
    member->dropped_ms = 0;
    member->answered = false;
}

void member_let_go(struct index_role *role, struct exchange *exchange)
{
    struct member_link *link = exchange->ticket;
    if (!link || !exchange_is_answered(exchange))
        return;
    struct catalog_node *node = member_node(role, link->slot, link->generation);
    exchange->ticket = NULL;
    pool_give(&role->links, pool_slot(&role->links, link));
    if (node)
        member_of(role, node)->links--;
}

void member_detach(struct index_role *role, void *ticket)
{
    struct member_link link = *(struct member_link *)ticket;
    struct catalog_node *node = member_node(role, link.slot, link.generation);
    pool_give(&role->links, pool_slot(&role->links, ticket));
    if (!node)
        return;
    struct member *member = member_of(role, node);
    if (--member->links > 0 || node->state == RECORD_LEFT || role->stopped ||
        !role_is_home(role, node))
        return;
    member->dropped_ms = loop_now_ms(role->config.loop);
    member->answered = false;
    member->retries = 0;
    member_check(role, node);
    if (node->state == RECORD_ACTIVE)
        member_judge(role, node);
}
