/* SPDX-License-Identifier: MIT */
/* Three indexes as state machines, without sockets: nodes join, change, move, restart and leave
 * here and there, while links between the indexes break and heal, lines come late, rings overflow
 * and fetched nodes change under way. When all is delivered each of them must know exactly what the
 * nodes have. MIRRORS_SEED repeats a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/log.h"
#include "catalog/check.h"
#include "catalog/lookup.h"
#include "catalog/snapshot.h"
#include "index/about.h"
#include "index/changes.h"
#include "index/dump.h"
#include "index/intake.h"
#include "platform/plat.h"

enum {
    HUBS = 3,
    NODES = 12,
    PATHS = 14,
    ROUNDS = 6,   /* of chaos, then peace */
    STEPS = 1500, /* of chaos */
    LINKS = HUBS * HUBS
};

/* What a node has, and where it is. offers: a version for each path, 0: not there. */
struct truth {
    struct record_id id;
    uint64_t epoch, seq;
    uint32_t offers[PATHS];
    int home; /* -1: it has left, or never was */
};

struct hub {
    struct index_role *role;
};

/* From one hub to another: what a follower does, step by step. */
struct link {
    int from, to;
    bool up, open; /* open: greeted and compared */
    struct feed_place place;
    struct intake feed, whole;
    bool fetching;
    struct record_id id;
    struct snapshot snapshot;
    uint32_t *slots;
    uint32_t scan;
};

struct sim {
    struct arena arena;
    struct loop *loop;
    struct client_pool *pool;
    struct hub hub[HUBS];
    struct truth node[NODES];
    struct link link[LINKS];
    struct hash_random random;
    uint32_t version;
    uint64_t fetches, lines, overflows;
};

static uint32_t below(struct sim *sim, uint32_t bound)
{
    return hash_random_below(&sim->random, bound);
}

/* ---- hubs ---- */

static void hub_open(struct sim *sim, int i)
{
    struct index_config config = {.loop = sim->loop,
                                  .pool = sim->pool,
                                  .name = STR("hub"),
                                  .role = RECORD_ROLE_INDEX,
                                  .bytes = (size_t)6 << 20,
                                  .connections = 16,
                                  .lease_ms = 3600000};
    memset(config.id.bytes, 0xa0 + i, sizeof(config.id.bytes));
    assert_int_equal(index_init(&sim->hub[i].role, &sim->arena, &config), 0);
    struct index_role *role = sim->hub[i].role;
    role->lines.size = FEED_SIZE_MIN; /* about fifty lines */
}

static void hub_settle(struct index_role *role)
{
    while (catalog_step(role->catalog, UINT32_MAX))
        ;
}

/* ---- nodes ---- */

static struct plat_addr node_address(int node)
{
    return (struct plat_addr){.family = 4, .port = (uint16_t)(7000 + node), .ip = {10, 0, 0, 9}};
}

static void path_of(int path, char out[static 32])
{
    snprintf(out, 32, "f%d/p%d", path % 3, path);
}

static void offer_of(uint32_t version, const char *path, struct record_change *out)
{
    *out = (struct record_change){.op = version ? RECORD_PUT : RECORD_DEL};
    out->offer.path = text_from(path);
    if (!version)
        return;
    out->offer.size = version;
    out->offer.mtime = (int64_t)version * 10;
    out->offer.have = 100;
    out->offer.hashed = version % 3 != 0;
    if (out->offer.hashed)
        memcpy(out->offer.content.bytes, &version, sizeof(version));
}

static void apply(struct index_role *role, struct catalog_node *node, int path, uint32_t version)
{
    struct record_change change;
    char text[32];
    path_of(path, text);
    offer_of(version, text, &change);
    assert_int_equal(catalog_apply(role->catalog, node, &change), 0);
}

/* What announce.c does when a node has spoken; the commit goes on bit by bit. */
static void speak_end(struct sim *sim, struct index_role *role, struct catalog_node *node,
                      const struct truth *truth)
{
    struct plat_addr source = node_address((int)(truth - sim->node));
    struct member *member = member_of(role, node);
    if (!role_is_home(role, node))
        member->rehomed = true;
    catalog_set_source(role->catalog, node, &source);
    node->address_count = 1;
    node->home = role->config.id;
    member_hear(role, node);
    (void)catalog_commit(role->catalog, node, below(sim, 6));
}

static bool speak_may(struct index_role *role, const struct record_id *id)
{
    struct catalog_node *node = catalog_find_node(role->catalog, id);
    if (node)
        intake_yield(role, node);
    return !node || (!node->open && !node->busy);
}

static void change_offers(struct sim *sim, struct truth *truth)
{
    for (uint32_t i = 0, count = below(sim, 5); i < count; i++)
        truth->offers[below(sim, PATHS)] = below(sim, 3) == 0 ? 0 : ++sim->version;
}

static void node_join(struct sim *sim, struct truth *truth, int at)
{
    struct index_role *role = sim->hub[at].role;
    struct plat_addr source = node_address((int)(truth - sim->node));
    struct catalog_node *node;
    char name[16];
    if (!speak_may(role, &truth->id))
        return;
    assert_int_equal(catalog_add_node(role->catalog, &truth->id, &source, &node), 0);
    (void)member_of(role, node);
    if (below(sim, 3) == 0) {
        truth->epoch++;
        truth->seq = 0;
    }
    truth->seq++;
    snprintf(name, sizeof(name), "n%d-%d", (int)(truth - sim->node), (int)(truth->epoch % 10));
    struct record_join join = {
        .epoch = truth->epoch, .seq = truth->seq, .port = source.port, .name = text_from(name)};
    assert_int_equal(catalog_join_begin(role->catalog, node, &join), 0);
    change_offers(sim, truth);
    for (int path = 0; path < PATHS; path++) {
        if (truth->offers[path])
            apply(role, node, path, truth->offers[path]);
    }
    truth->home = at;
    speak_end(sim, role, node, truth);
}

/* At its home, or at another index, which takes it only if it knows the state before. */
static void node_update(struct sim *sim, struct truth *truth, int at)
{
    struct index_role *role = sim->hub[at].role;
    struct catalog_node *node = catalog_find_node(role->catalog, &truth->id);
    uint32_t before[PATHS];
    if (!node || node->state == RECORD_LEFT || !speak_may(role, &truth->id) ||
        catalog_update_begin(role->catalog, node, truth->epoch, truth->seq + 1) != 0)
        return;
    truth->seq++;
    memcpy(before, truth->offers, sizeof(before));
    change_offers(sim, truth);
    for (int path = 0; path < PATHS; path++) {
        if (truth->offers[path] != before[path])
            apply(role, node, path, truth->offers[path]);
    }
    truth->home = at;
    speak_end(sim, role, node, truth);
}

static void node_leave(struct sim *sim, struct truth *truth)
{
    struct index_role *role = sim->hub[truth->home].role;
    struct catalog_node *node = catalog_find_node(role->catalog, &truth->id);
    int64_t now = loop_now_ms(sim->loop);
    if (!speak_may(role, &truth->id))
        return;
    truth->seq++;
    assert_int_equal(catalog_leave(role->catalog, node, truth->epoch, truth->seq, now), 0);
    member_left(role, node);
    truth->home = -1;
    memset(truth->offers, 0, sizeof(truth->offers));
}

/* An index gives up a node that, for all it knows, has its home there. */
static void node_lose(struct sim *sim, struct truth *truth, int at)
{
    struct index_role *role = sim->hub[at].role;
    struct catalog_node *node = catalog_find_node(role->catalog, &truth->id);
    if (!node || node->state == RECORD_LEFT || node->open || node->busy ||
        !role_is_home(role, node))
        return;
    member_lose(role, node, "a test says so");
    if (truth->home == at)
        truth->home = -1;
}

static void node_act(struct sim *sim)
{
    struct truth *truth = &sim->node[below(sim, NODES)];
    uint32_t dice = below(sim, 20);
    int other = (int)below(sim, HUBS);
    if (truth->home < 0 || dice == 0)
        node_join(sim, truth, other);
    else if (dice == 1)
        node_leave(sim, truth);
    else if (dice == 2)
        node_lose(sim, truth, other);
    else if (dice < 5)
        node_update(sim, truth, other); /* it moves */
    else
        node_update(sim, truth, truth->home);
}

/* ---- links ---- */

static void link_close(struct sim *sim, struct link *link)
{
    struct index_role *role = sim->hub[link->to].role;
    if (!link->open)
        return;
    role->following &= ~(1u << link->from);
    intake_stop(role, &link->feed);
    intake_stop(role, &link->whole);
    link->open = link->fetching = false;
}

/* A line as it goes over the wire. */
static void link_read(struct index_role *to, struct buf *buf, struct told *out)
{
    struct str line = text_first(buf_str(buf), buf->len - 1);
    assert_false(buf->full);
    assert_true(line.len <= P2P_LINE_MAX);
    if (told_read(&to->reader, line, out))
        fail_msg("%s: %.*s", to->reader.fault, (int)line.len, line.ptr);
}

static void link_compare(struct sim *sim, struct link *link)
{
    struct index_role *from = sim->hub[link->from].role, *to = sim->hub[link->to].role;
    struct catalog_node *node = NULL;
    while ((node = catalog_next_node(from->catalog, node ? node->slot : 0))) {
        char text[P2P_LINE_MAX];
        struct buf buf = buf_on(text, sizeof(text));
        struct told_node about;
        bool end;
        if (node->epoch == 0)
            continue;
        about_node(from, node, &about);
        told_put_node(&buf, &about);
        about_close(&buf, NULL, &about);
        assert_int_equal(told_read_node(&to->reader, buf_str(&buf), &about, &end), 0);
        intake_compare(to, &link->feed, &about);
    }
}

static void link_open(struct sim *sim, struct link *link)
{
    struct index_role *from = sim->hub[link->from].role, *to = sim->hub[link->to].role;
    uint32_t number = 2 * (uint32_t)link->from;
    changes_want(from, CHANGES_KEEP_MS);
    link->place = feed_end(&from->lines);
    link->feed = (struct intake){.teller = number + 1, .mirror = link->from};
    link->feed.index = from->config.id;
    link->whole = link->feed;
    link->whole.teller++;
    to->homes[link->from] = (struct role_home){from->config.id, loop_now_ms(sim->loop)};
    to->following |= 1u << link->from;
    link->open = true;
    link->scan = 0;
    link_compare(sim, link);
}

static void link_line(struct sim *sim, struct link *link)
{
    struct index_role *from = sim->hub[link->from].role, *to = sim->hub[link->to].role;
    char text[2 * P2P_LINE_MAX];
    struct buf buf = buf_on(text, sizeof(text));
    struct feed_line line;
    struct told told;
    changes_want(from, CHANGES_KEEP_MS);
    int result = feed_next(&from->lines, &link->place, &line);
    if (result < 0) {
        sim->overflows++;
        link_close(sim, link);
        return;
    }
    if (result == 0)
        return;
    sim->lines++;
    changes_put_line(&buf, &line, NULL);
    link_read(to, &buf, &told);
    intake_line(to, &link->feed, &told);
}

static bool link_fetch_begin(struct sim *sim, struct link *link)
{
    struct index_role *from = sim->hub[link->from].role, *to = sim->hub[link->to].role;
    uint32_t bit = 1u << link->from;
    struct catalog_node *node = link->scan ? intake_take(to, link->from, link->scan) : NULL;
    if (!node && to->wanted & bit) {
        to->wanted &= ~bit;
        node = intake_take(to, link->from, 0);
    }
    link->scan = node ? node->slot : 0;
    if (!node)
        return false;
    link->id = node->id;
    link->fetching = true;
    sim->fetches++;
    snapshot_begin(&link->snapshot, from->catalog, &from->lines, &link->id, link->slots);
    return true;
}

static void link_fetch_end(struct sim *sim, struct link *link, bool good)
{
    struct index_role *to = sim->hub[link->to].role;
    link->fetching = false;
    intake_end(to, &link->whole, &link->id, good);
    if (!good) {
        link_close(sim, link);
        return;
    }
    intake_tidy(to, &link->id);
}

static void link_fetch(struct sim *sim, struct link *link, uint32_t items)
{
    struct index_role *from = sim->hub[link->from].role, *to = sim->hub[link->to].role;
    struct snapshot_item item;
    uint64_t n;
    while (link->fetching && items-- > 0) {
        char text[2 * P2P_LINE_MAX];
        struct buf buf = buf_on(text, sizeof(text));
        struct told told;
        uint32_t work = 1000;
        int result = snapshot_next(&link->snapshot, &work, &item, &n);
        if (result == -P2P_EAGAIN)
            return;
        if (result != 1) {
            sim->overflows += result < 0;
            link_fetch_end(sim, link, result == 0);
            return;
        }
        dump_put(from, &buf, NULL, &item);
        link_read(to, &buf, &told);
        intake_whole(to, &link->whole, &told);
    }
}

static void link_act(struct sim *sim, struct link *link)
{
    if (!link->up)
        link_close(sim, link);
    else if (!link->open)
        link_open(sim, link);
    else if (link->fetching && below(sim, 2) == 0)
        link_fetch(sim, link, below(sim, 6));
    else if (!link->fetching && below(sim, 3) == 0 && link_fetch_begin(sim, link))
        link_fetch(sim, link, below(sim, 6));
    else
        for (uint32_t i = 0, count = below(sim, 6); i < count && link->open; i++)
            link_line(sim, link);
}

/* ---- the whole ---- */

static void chaos(struct sim *sim)
{
    for (int step = 0; step < STEPS; step++) {
        struct link *link = &sim->link[below(sim, LINKS)];
        uint32_t dice = below(sim, 100);
        if (dice < 25)
            node_act(sim);
        else if (dice < 27 && link->from != link->to)
            link->up = !link->up;
        else if (dice < 40)
            (void)catalog_step(sim->hub[below(sim, HUBS)].role->catalog, below(sim, 8));
        else if (link->from != link->to)
            link_act(sim, link);
    }
}

static bool link_is_done(struct sim *sim, const struct link *link)
{
    const struct index_role *from = sim->hub[link->from].role, *to = sim->hub[link->to].role;
    return link->open && !link->fetching && link->place.n > from->lines.last &&
           !(to->wanted & 1u << link->from) && link->scan == 0;
}

/* Everything that is on its way arrives. */
static void peace(struct sim *sim)
{
    bool done = false;
    for (int turn = 0; !done; turn++) {
        done = true;
        assert_true(turn < 100000);
        for (int i = 0; i < HUBS; i++)
            hub_settle(sim->hub[i].role);
        for (int i = 0; i < LINKS; i++) {
            struct link *link = &sim->link[i];
            if (link->from == link->to)
                continue;
            link->up = true;
            link_act(sim, link);
            done = done && link_is_done(sim, link);
        }
    }
}

/* What everybody thinks of a node, of which one is wrong. */
static void tell(const struct sim *sim, const struct truth *truth, int at)
{
    print_message("node %d is (%d, %d) at home %d\n", (int)(truth - sim->node), (int)truth->epoch,
                  (int)truth->seq, truth->home);
    for (int i = 0; i < HUBS; i++) {
        struct catalog_node *node = catalog_find_node(sim->hub[i].role->catalog, &truth->id);
        if (node)
            print_message("hub %d: (%d, %d) %s%s home %02x\n", i, (int)node->epoch, (int)node->seq,
                          record_state_text(node->state), node->lost ? " lost" : "",
                          node->home.bytes[0]);
    }
    fail_msg("hub %d is wrong", at);
}

static void check_node(const struct sim *sim, const struct truth *truth, int at)
{
    const struct index_role *role = sim->hub[at].role;
    struct catalog_node *node = catalog_find_node(role->catalog, &truth->id);
    struct lookup_offer found;
    uint32_t count = 0;
    char text[32];
    if (truth->home < 0) {
        if (node && node->state != RECORD_LEFT)
            tell(sim, truth, at);
        return;
    }
    bool same = node && node->state == RECORD_ACTIVE && node->epoch == truth->epoch &&
                node->seq == truth->seq;
    if (!same)
        tell(sim, truth, at);
    assert_true(record_id_equal(&node->home, &sim->hub[truth->home].role->config.id));
    assert_true(node->name[0] == 'n' && node->address[0].port == 7000 + (truth - sim->node));
    for (int path = 0; path < PATHS; path++) {
        path_of(path, text);
        uint32_t offer = lookup_find_offer(role->catalog, node, text_from(text));
        found.offer.size = 0;
        if (offer)
            lookup_read(role->catalog, offer, &found);
        if (found.offer.size != truth->offers[path]) {
            print_message("%s: %u, not %u\n", text, (unsigned)found.offer.size,
                          (unsigned)truth->offers[path]);
            tell(sim, truth, at);
        }
        count += offer != 0;
    }
    assert_int_equal(node->offers, count);
}

static void check_all(const struct sim *sim)
{
    for (int at = 0; at < HUBS; at++) {
        const char *fault = check_catalog(sim->hub[at].role->catalog);
        if (fault)
            fail_msg("hub %d: %s", at, fault);
        for (int i = 0; i < NODES; i++)
            check_node(sim, &sim->node[i], at);
    }
}

static void sim_open(struct sim *sim, uint64_t seed)
{
    memset(sim, 0, sizeof(*sim));
    hash_random_seed(&sim->random, seed);
    assert_int_equal(arena_init(&sim->arena, (size_t)32 << 20), 0);
    assert_int_equal(loop_init(&sim->loop, &sim->arena, 64, 32), 0);
    assert_int_equal(client_pool_init(&sim->pool, sim->loop, &sim->arena, 4, 4), 0);
    for (int i = 0; i < HUBS; i++)
        hub_open(sim, i);
    for (int i = 0; i < NODES; i++) {
        sim->node[i] = (struct truth){.epoch = 1, .home = -1};
        memset(sim->node[i].id.bytes, i + 1, sizeof(sim->node[i].id.bytes));
    }
    size_t slots = snapshot_slots(sim->hub[0].role->catalog) * sizeof(uint32_t);
    for (int i = 0; i < LINKS; i++) {
        sim->link[i] = (struct link){.from = i / HUBS, .to = i % HUBS};
        sim->link[i].slots = arena_carve(&sim->arena, slots, sizeof(uint32_t));
        assert_non_null(sim->link[i].slots);
    }
}

static void sim_close(struct sim *sim)
{
    for (int i = 0; i < HUBS; i++) {
        index_stop(sim->hub[i].role);
        index_close(sim->hub[i].role);
    }
    loop_close(sim->loop);
    arena_free(&sim->arena);
}

static uint64_t given_seed(void)
{
    const char *given = getenv("MIRRORS_SEED");
    uint64_t seed = (uint64_t)plat_now_us();
    if (given)
        assert_int_equal(text_to_u64(text_from(given), UINT64_MAX, &seed), 0);
    print_message("MIRRORS_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

static void mirrors_agree_with_the_nodes(void **state)
{
    (void)state;
    static struct sim sim;
    log_set_level(LOG_ERROR);
    sim_open(&sim, given_seed());
    for (int round = 0; round < ROUNDS; round++) {
        chaos(&sim);
        peace(&sim);
        check_all(&sim);
    }
    print_message("%llu lines, %llu fetches, %llu overflows\n", (unsigned long long)sim.lines,
                  (unsigned long long)sim.fetches, (unsigned long long)sim.overflows);
    assert_true(sim.lines > 0 && sim.fetches > 0);
    sim_close(&sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mirrors_agree_with_the_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
