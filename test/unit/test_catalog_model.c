/* SPDX-License-Identifier: MIT */
/* Thousands of random joins, updates, aborts, leaves, losses and steps against a catalog that is
 * nearly always full, compared with a plain model; a follower of the change callback must end up
 * with the same. The seed is printed; CATALOG_SEED repeats a run. */
#include "catalog_world.h"

#include "base/hash.h"

#include <stdio.h>
#include <time.h>

enum { NODES = 8, NAMES = 60, VARIANTS = 6, CONTENTS = 40, OPERATIONS = 12000 };

/* What a node offers under each name: 0 nothing, else a variant. */
struct model_node {
    bool known, tomb, lost;
    uint64_t epoch, seq;
    uint8_t offer[NAMES];
    enum { CLOSED, OPEN_JOIN, OPEN_UPDATE, COMMITTING } phase;
    uint64_t next_epoch, next_seq;
    uint8_t next[NAMES];
};

struct model {
    struct world world;
    struct hash_random random;
    struct model_node node[NODES];
    uint8_t follower[NODES][NAMES];
    char path[NAMES][40];
    uint64_t refused, cap;
};

static uint32_t below(struct model *model, uint32_t bound)
{
    return hash_random_below(&model->random, bound);
}

static void make_paths(struct model *model)
{
    static const char *const folders[] = {"",       "a/",        "a/b/",
                                          "Music/", "docs/old/", "\xc3\xa9t\xc3\xa9/"};
    for (uint32_t i = 0; i < NAMES; i++)
        snprintf(model->path[i], sizeof(model->path[i]), "%sfile%u%s", folders[i % 6], (unsigned)i,
                 i % 5 == 0 ? "-\xc3\x9c" : ".TXT");
}

static uint32_t content_of(uint32_t name, uint8_t variant)
{
    return variant == 1 ? 0 : 1 + (name * 7 + variant * 13) % CONTENTS;
}

static struct record_change change_of(const struct model *model, uint32_t name, uint8_t variant)
{
    struct record_change change =
        world_put(model->path[name], content_of(name, variant), 100 + variant);
    change.offer.size = 10 * variant;
    change.offer.copy = variant > 3;
    if (change.offer.copy)
        change.offer.origin = world_id(500 + variant);
    return change;
}

static bool same_offer(const struct record_offer *a, const struct record_offer *b)
{
    return text_equal(a->path, b->path) && a->size == b->size && a->mtime == b->mtime &&
           a->hashed == b->hashed && a->copy == b->copy && a->have == b->have &&
           memcmp(&a->content, &b->content, sizeof(a->content)) == 0 &&
           memcmp(&a->origin, &b->origin, sizeof(a->origin)) == 0;
}

static uint32_t number_of(const struct catalog_node *node)
{
    uint32_t number;
    memcpy(&number, node->id.bytes, sizeof(number));
    return number;
}

/* The follower of changes. */
static void follow(void *ctx, const struct catalog_change *change)
{
    struct model *model = ctx;
    uint8_t *mine = model->follower[number_of(change->node)];
    if (change->event == CATALOG_LEFT || change->event == CATALOG_LOST)
        memset(mine, 0, NAMES);
    if (!change->offer)
        return;
    struct record_offer offer;
    char path[P2P_PATH_MAX];
    relay_offer(model->world.catalog, change, &offer, path);
    uint32_t name = 0;
    while (!text_is(offer.path, model->path[name]))
        assert_true(++name < NAMES);
    uint8_t variant = 0;
    if (change->event == CATALOG_PUT) {
        struct record_change wanted;
        do {
            assert_true(++variant <= VARIANTS);
            wanted = change_of(model, name, variant);
        } while (!same_offer(&wanted.offer, &offer));
    }
    assert_true(change->event != CATALOG_DEL || mine[name] != 0);
    mine[name] = variant;
}

static struct catalog_node *node_of(const struct model *model, uint32_t i)
{
    struct record_id id = world_id(i);
    return catalog_find_node(model->world.catalog, &id);
}

/* What the catalog goes by: a commit that goes on counts as through. */
static void known_of(const struct model_node *mine, uint64_t *out_epoch, uint64_t *out_seq)
{
    *out_epoch = mine->phase == COMMITTING ? mine->next_epoch : mine->epoch;
    *out_seq = mine->phase == COMMITTING ? mine->next_seq : mine->seq;
}

static bool is_older(const struct model_node *mine, uint64_t epoch, uint64_t seq)
{
    uint64_t known_epoch, known_seq;
    known_of(mine, &known_epoch, &known_seq);
    return epoch < known_epoch || (epoch == known_epoch && seq < known_seq);
}

static void do_begin(struct model *model, uint32_t i, bool join)
{
    struct model_node *mine = &model->node[i];
    struct catalog_node *node = world_node(&model->world, i);
    mine->known = true;
    uint64_t epoch = mine->epoch ? mine->epoch : 1, seq = mine->seq + 1;
    if (join && below(model, 4) == 0) {
        epoch++;
        seq = 1;
    }
    int rc = join ? world_begin(&model->world, node, epoch, seq)
                  : catalog_update_begin(model->world.catalog, node, epoch, seq);
    if (join ? is_older(mine, epoch, seq) : mine->tomb || mine->epoch == 0) {
        assert_int_equal(rc, -P2P_EGAP);
        return;
    }
    if (node->busy || mine->phase != CLOSED) {
        assert_int_equal(rc, -P2P_EBUSY);
        return;
    }
    assert_int_equal(rc, 0);
    mine->phase = join ? OPEN_JOIN : OPEN_UPDATE;
    mine->next_epoch = epoch;
    mine->next_seq = seq;
    if (join)
        memset(mine->next, 0, NAMES);
    else
        memcpy(mine->next, mine->offer, NAMES);
}

/* A refusal needs a reason: some table is full, or the node has as much as it may. */
static void check_refusal(struct model *model, const struct model_node *mine)
{
    struct catalog_counts counts = catalog_counts(model->world.catalog);
    struct catalog_budget budget = catalog_budget(model->world.catalog);
    uint32_t offers = 0;
    for (uint32_t name = 0; name < NAMES; name++)
        offers += mine->next[name] != 0;
    bool full = counts.used.offers == budget.offers || counts.used.names == budget.names ||
                counts.used.contents == budget.contents;
    assert_true(full || (model->cap && offers >= model->cap));
    model->refused++;
}

static void do_line(struct model *model, uint32_t i)
{
    struct model_node *mine = &model->node[i];
    struct catalog_node *node = node_of(model, i);
    uint32_t name = below(model, NAMES);
    if (mine->phase == OPEN_UPDATE && below(model, 3) == 0) {
        assert_int_equal(world_del(&model->world, node, model->path[name]), 0);
        mine->next[name] = 0;
        return;
    }
    uint8_t variant = (uint8_t)(1 + below(model, VARIANTS));
    if (below(model, 2) && mine->offer[name])
        variant = mine->offer[name];
    struct record_change change = change_of(model, name, variant);
    mine->next[name] = 0;
    int rc = catalog_apply(model->world.catalog, node, &change);
    if (rc == 0)
        mine->next[name] = variant;
    else
        check_refusal(model, mine);
    assert_true(rc == 0 || rc == -P2P_EFULL);
}

static void committed(struct model *model, uint32_t i)
{
    struct model_node *mine = &model->node[i];
    memcpy(mine->offer, mine->next, NAMES);
    mine->epoch = mine->next_epoch;
    mine->seq = mine->next_seq;
    mine->phase = CLOSED;
    struct catalog_node *node = node_of(model, i);
    assert_true(node->epoch == mine->epoch && node->seq == mine->seq);
}

static void do_commit(struct model *model, uint32_t i)
{
    struct model_node *mine = &model->node[i];
    mine->tomb = mine->lost = false;
    mine->phase = COMMITTING;
    if (catalog_commit(model->world.catalog, node_of(model, i), below(model, 40)) == 0)
        committed(model, i);
}

static void do_abort(struct model *model, uint32_t i)
{
    model->node[i].phase = CLOSED;
    catalog_abort(model->world.catalog, node_of(model, i));
}

static void do_end(struct model *model, uint32_t i)
{
    struct model_node *mine = &model->node[i];
    struct catalog_node *node = node_of(model, i);
    if (!node)
        return;
    uint32_t choice = below(model, 4);
    if (choice == 0 && !mine->tomb) {
        catalog_lose(model->world.catalog, node, 1);
        mine->lost = mine->tomb = true;
    } else if (choice == 1) {
        known_of(mine, &mine->epoch, &mine->seq);
        mine->seq++;
        assert_int_equal(catalog_leave(model->world.catalog, node, mine->epoch, mine->seq, 1), 0);
        mine->tomb = true;
        mine->lost = false;
    } else if (choice == 2) {
        catalog_forget(model->world.catalog, node);
        *mine = (struct model_node){.known = false};
        memset(model->follower[i], 0, NAMES);
    } else {
        return;
    }
    memset(mine->offer, 0, NAMES);
    mine->phase = CLOSED;
}

static void do_step(struct model *model)
{
    catalog_step(model->world.catalog, below(model, 60));
    for (uint32_t i = 0; i < NODES; i++) {
        if (model->node[i].phase == COMMITTING && !node_of(model, i)->busy)
            committed(model, i);
    }
}

static void check_offers(const struct model *model, uint32_t i, const struct catalog_node *node)
{
    const struct model_node *mine = &model->node[i];
    uint32_t count = 0;
    for (uint32_t name = 0; name < NAMES; name++) {
        uint32_t offer =
            lookup_find_offer(model->world.catalog, node, text_from(model->path[name]));
        assert_true(!offer == !mine->offer[name]);
        if (!offer)
            continue;
        struct record_change wanted = change_of(model, name, mine->offer[name]);
        struct lookup_offer read;
        lookup_read(model->world.catalog, offer, &read);
        assert_true(same_offer(&wanted.offer, &read.offer));
        count++;
    }
    assert_true(node->offers == count || mine->tomb);
}

static void check_nodes(const struct model *model)
{
    for (uint32_t i = 0; i < NODES; i++) {
        const struct model_node *mine = &model->node[i];
        struct catalog_node *node = node_of(model, i);
        assert_true(!node == !mine->known);
        if (!node || mine->phase == COMMITTING)
            continue;
        assert_true(node->epoch == mine->epoch && node->seq == mine->seq);
        assert_true((node->state == RECORD_LEFT) == mine->tomb && node->lost == mine->lost);
        check_offers(model, i, node);
        assert_memory_equal(mine->offer, model->follower[i], NAMES);
    }
}

static bool all_closed(const struct model *model)
{
    for (uint32_t i = 0; i < NODES; i++) {
        if (model->node[i].phase == COMMITTING)
            return false;
    }
    return true;
}

/* Holders of each content by list, look-up and model. */
static void check_contents(const struct model *model)
{
    uint32_t holders[CONTENTS + 1] = {0}, unhashed = 0;
    for (uint32_t i = 0; i < NODES; i++) {
        bool has[CONTENTS + 1] = {false};
        for (uint32_t name = 0; name < NAMES; name++) {
            uint8_t variant = model->node[i].offer[name];
            uint32_t content = variant ? content_of(name, variant) : 0;
            unhashed += variant && content == 0;
            holders[content] += content && !has[content];
            has[content] = true;
        }
    }
    struct list list;
    struct lookup_offer read;
    int rc;
    list_init(&list, model->world.catalog, STR(""), STR(""), 1000);
    for (uint32_t work = 3; (rc = list_next(&list, &work, &read)) != 0; work = 3) {
        if (rc != 1)
            continue;
        uint32_t content = 0;
        memcpy(&content, read.offer.content.bytes + 7, sizeof(content));
        if (!read.offer.hashed)
            unhashed--;
        else
            assert_int_equal(holders[content], read.holders);
        holders[content] = 0;
    }
    assert_int_equal(unhashed, 0);
    for (uint32_t content = 1; content <= CONTENTS; content++) {
        struct record_content sha256 = world_content(content);
        assert_int_equal(holders[content], 0);
        uint32_t offer = lookup_first_holder(model->world.catalog, &sha256);
        for (; offer; offer = lookup_next_holder(model->world.catalog, offer)) {
            lookup_read(model->world.catalog, offer, &read);
            assert_memory_equal(&read.offer.content, &sha256, sizeof(sha256));
        }
    }
}

static void check_search(struct model *model)
{
    static const struct {
        const char *text;
        const char *part; /* of the path as it is written */
    } rows[] = {{"file1", "file1"},
                {"A/B/", "a/b/"},
                {"music/FILE", "Music/file"},
                {"\xc3\x9ct\xc3\xa9", "\xc3\xa9t\xc3\xa9"},
                {"old/file5", "old/file5"},
                {"-\xc3\xbc", "-\xc3\x9c"},
                {"", ""}};
    uint32_t row = below(model, sizeof(rows) / sizeof(rows[0]));
    bool skip = row == 3; /* \xc3\x9ct\xc3\xa9 is another word */
    uint32_t wanted = 0, found = 0;
    struct search *search;
    struct lookup_offer read;
    const char *fault;
    for (uint32_t i = 0; i < NODES; i++) {
        for (uint32_t name = 0; name < NAMES; name++)
            wanted +=
                !skip && model->node[i].offer[name] && strstr(model->path[name], rows[row].part);
    }
    assert_int_equal(search_open(model->world.catalog,
                                 &(struct search_request){text_from(rows[row].text), 1000, 1000},
                                 &search, &fault),
                     0);
    while (search_step(search, 5)) {
    }
    while (search_next(search, &read))
        found++;
    search_close(search);
    assert_int_equal(found, wanted);
}

static void do_one(struct model *model)
{
    uint32_t i = below(model, NODES), choice = below(model, 100);
    bool open = model->node[i].phase == OPEN_JOIN || model->node[i].phase == OPEN_UPDATE;
    if (choice < 12) {
        do_begin(model, i, choice < 7);
    } else if (choice < 80 && open) {
        for (uint32_t lines = below(model, 25); lines > 0; lines--)
            do_line(model, i);
    } else if (choice < 88 && open) {
        do_commit(model, i);
    } else if (choice < 91 && open) {
        do_abort(model, i);
    } else if (choice == 99) {
        do_end(model, i);
    } else {
        do_step(model);
    }
}

static void agrees_with_the_model(void **state)
{
    (void)state;
    const char *given = getenv("CATALOG_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    static struct model model;
    print_message("CATALOG_SEED=%llu\n", (unsigned long long)seed);
    hash_random_seed(&model.random, seed);
    world_open(&model.world, 120 * 1024);
    assert_in_range(catalog_budget(model.world.catalog).offers, NAMES * 2, NAMES * NODES);
    catalog_watch(model.world.catalog, follow, &model);
    make_paths(&model);
    for (int i = 0; i < OPERATIONS; i++) {
        if (i == OPERATIONS / 2)
            catalog_set_limits(model.world.catalog, (uint32_t)(model.cap = 20), 0);
        do_one(&model);
        if (i % 8 == 0)
            world_check(&model.world);
        if (i % 16 == 0)
            check_nodes(&model);
        if (i % 32 == 0 && all_closed(&model)) {
            check_contents(&model);
            check_search(&model);
        }
    }
    assert_true(model.refused > 100);
    for (uint32_t i = 0; i < NODES; i++) {
        if (model.node[i].known)
            catalog_forget(model.world.catalog, node_of(&model, i));
    }
    struct catalog_counts counts = catalog_counts(model.world.catalog);
    assert_true(counts.used.offers == 0 && counts.used.names == 0 && counts.used.contents == 0 &&
                counts.folders == 0 && counts.text_used == 0);
    world_close(&model.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_the_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
