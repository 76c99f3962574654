/* SPDX-License-Identifier: MIT */
/* Sharing: several downloaders with a plan each, one seed, no word between them. What must hold:
 * each piece is asked of the seed once; a piece that a downloader has is not asked of the seed
 * while the seed has others to give; who does nothing, goes or is unknown holds nobody up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "swarm/plan.h"
#include "test/sim/world.h"

enum {
    PIECES_MAX = 100,
    NODES = 5,
    CROWDED = PLAN_CROWD + 2,
    SEED = 0,
    PIECE_SIZE = 16384,
    LATER = 20000
};

static struct plan plans[CROWDED];
static uint8_t memory[CROWDED][4096];
static uint8_t ids[CROWDED][P2P_ID_SIZE];
static const uint8_t nothing[(PIECES_MAX + 7) / 8];
static struct proof_wish any;

static uint32_t random_number(void *ctx)
{
    (void)ctx;
    return world_random(1u << 28);
}

/* To each node the seed is source 0 and node i is source i + 1; its own number is left out. */
static unsigned source_of(int node)
{
    return (unsigned)node + 1;
}

static void add_full(struct plan *plan, unsigned source)
{
    plan_has_all(plan, source);
    plan_trust(plan, source, PROOF_YES, 0);
}

static void add_downloader(struct plan *plan, int node)
{
    uint32_t size = (plan->shape.pieces + 7) / 8;
    assert_int_equal(plan_has(plan, source_of(node), nothing, size), 0);
    plan_trust(plan, source_of(node), PROOF_YES, 0);
    plan_downloader(plan, source_of(node), ids[node]);
}

static void make(uint32_t pieces, int nodes)
{
    const struct plan_shape shape = {pieces, PIECE_SIZE, PLAN_SOURCES_MAX / 4, random_number, NULL};
    assert_true(plan_memory(pieces, shape.parts) <= sizeof memory[0]);
    any = (struct proof_wish){.first = pieces};
    for (int i = 0; i < nodes; i++)
        for (size_t k = 0; k < P2P_ID_SIZE; k++)
            ids[i][k] = (uint8_t)world_random(256);
    for (int i = 0; i < nodes; i++) {
        plan_init(&plans[i], &shape, memory[i]);
        plan_self(&plans[i], ids[i]);
        add_full(&plans[i], SEED);
        for (int k = 0; k < nodes; k++)
            if (k != i)
                add_downloader(&plans[i], k);
    }
}

static bool is_done(const struct plan *plan, uint32_t piece)
{
    return plan->done[piece / 8] >> (7 - piece % 8) & 1;
}

/* All that the source is asked for at that time, one after the other. Counts each piece. */
static uint32_t take(struct plan *plan, unsigned source, int64_t now_ms, uint8_t *counts)
{
    uint32_t taken = 0;
    int request;
    while ((request = plan_ask(plan, source, &any, 2, now_ms)) >= 0) {
        uint32_t first = plan->requests[request].first, count = plan->requests[request].count;
        for (uint32_t i = first; i < first + count; i++) {
            plan_judged(plan, request, i, true);
            counts[i]++;
        }
        plan_end(plan, request);
        taken += count;
    }
    assert_int_equal(request, -P2P_EAGAIN);
    return taken;
}

static void assert_each(const uint8_t *counts, uint32_t pieces, uint8_t expected)
{
    for (uint32_t i = 0; i < pieces; i++)
        assert_int_equal(counts[i], expected);
}

static void test_seed_sends_each_once(void **state)
{
    (void)state;
    for (int nodes = 2; nodes <= NODES; nodes++) {
        for (uint32_t pieces = 1; pieces <= PIECES_MAX; pieces++) {
            uint8_t counts[PIECES_MAX] = {0}, others[PIECES_MAX] = {0};
            make(pieces, nodes);
            for (int i = 0; i < nodes; i++)
                take(&plans[i], SEED, 0, counts);
            assert_each(counts, pieces, 1);
            for (int i = 0; i < nodes; i++)
                for (int k = 0; k < nodes; k++)
                    for (uint32_t p = 0; k != i && p < pieces; p++)
                        if (is_done(&plans[k], p) && rank_of(&plans[k].rank, p) == 0)
                            plan_has_piece(&plans[i], source_of(k), p);
            for (int i = 0; i < nodes; i++)
                for (int k = 0; k < nodes; k++)
                    if (k != i)
                        take(&plans[i], source_of(k), 0, others);
            assert_each(others, pieces, (uint8_t)(nodes - 1));
            for (int i = 0; i < nodes; i++)
                assert_true(plan_is_finished(&plans[i]));
        }
    }
}

/* The others never say that they have anything: after some time, the nearest in rank first, all is
 * asked of the seed. */
static void test_patience(void **state)
{
    (void)state;
    uint8_t counts[PIECES_MAX] = {0};
    make(PIECES_MAX, NODES);
    struct plan *plan = &plans[0];
    uint32_t had = take(plan, SEED, 1000, counts);
    unsigned highest = 0;
    assert_true(had > 0 && had < PIECES_MAX / 2);
    for (int64_t now = 1000; !plan_is_finished(plan); now += 10) {
        uint8_t more[PIECES_MAX] = {0};
        unsigned now_highest = highest;
        take(plan, SEED, now, more);
        for (uint32_t i = 0; i < PIECES_MAX; i++) {
            unsigned rank = rank_of(&plan->rank, i);
            assert_true(!more[i] || rank > highest);
            now_highest = more[i] && rank > now_highest ? rank : now_highest;
        }
        highest = now_highest;
        assert_true(now < LATER);
    }
    assert_int_equal(highest, NODES - 1);
}

/* One goes: its share is asked for at once by those who come next. */
static void test_leave(void **state)
{
    (void)state;
    uint8_t counts[PIECES_MAX] = {0};
    make(PIECES_MAX, NODES);
    for (int i = 0; i < NODES; i++) {
        if (i != 2)
            plan_leave(&plans[i], source_of(2));
        if (i != 2)
            take(&plans[i], SEED, 0, counts);
    }
    assert_each(counts, PIECES_MAX, 1);
}

/* While others' shares have not left the seed it is not asked for what a downloader has; then it
 * is, so that it never stands idle. */
static void test_what_others_have(void **state)
{
    (void)state;
    uint8_t counts[PIECES_MAX] = {0}, rest[PIECES_MAX] = {0};
    make(PIECES_MAX, 2);
    struct plan *plan = &plans[0];
    uint32_t own = take(plan, SEED, 0, counts), last = PIECES_MAX;
    for (uint32_t i = 0; i < PIECES_MAX; i++)
        last = counts[i] ? last : i;
    for (uint32_t i = 0; i < last; i++)
        plan_has_piece(plan, source_of(1), i);
    assert_int_equal(take(plan, SEED, 1, rest), 0);
    plan_has_piece(plan, source_of(1), last);
    assert_int_equal(take(plan, SEED, 2, rest), PIECES_MAX - own);
}

/* No share where there is no word of who we are, where sources are many, or where the proof wants
 * another order. */
static void test_when(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int full, downloaders;
        bool backwards, each_chain, last_resort;
        uint32_t floor;
        bool shared;
    } rows[] = {
        {"alone", 1, 0, false, false, false, 0, false},
        {"two", 1, 1, false, false, false, 0, true},
        {"two sources for seven", 2, 6, false, false, false, 0, false},
        {"two sources for eight", 2, 7, false, false, false, 0, true},
        {"three sources for eleven", 3, 10, false, false, false, 0, false},
        {"three sources for twelve", 3, 11, false, false, false, 0, true},
        {"backwards", 1, 3, true, false, false, 0, false},
        {"each chain", 1, 3, false, true, false, 0, false},
        {"last resort", 1, 3, false, false, true, 0, false},
        {"floor", 1, 3, false, false, false, 1, false},
    };
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        uint8_t counts[PIECES_MAX] = {0};
        struct plan *plan = &plans[0];
        make(PIECES_MAX, 1);
        for (unsigned i = 0; i < (unsigned)rows[row].full; i++)
            add_full(plan, 20 + i);
        plan_leave(plan, SEED);
        for (int i = 0; i < rows[row].downloaders; i++) {
            uint8_t id[P2P_ID_SIZE];
            for (size_t k = 0; k < sizeof id; k++)
                id[k] = (uint8_t)world_random(256);
            assert_int_equal(plan_has(plan, source_of(i), nothing, sizeof nothing), 0);
            plan_downloader(plan, source_of(i), id);
        }
        any.backwards = rows[row].backwards;
        any.each_chain = rows[row].each_chain;
        any.floor = rows[row].floor;
        if (rows[row].last_resort)
            plan_trust(plan, 20, PROOF_LAST_RESORT, 0);
        uint32_t taken = take(plan, 20, 0, counts);
        if ((taken < PIECES_MAX - rows[row].floor) != rows[row].shared)
            fail_msg("%s: %u pieces", rows[row].name, taken);
    }
}

/* Only one of all asks the seed for the piece that is wanted first; the others get it from there.
 */
static void test_first(void **state)
{
    (void)state;
    int asked = 0;
    make(PIECES_MAX, NODES);
    any.first = PIECES_MAX - 1;
    for (int i = 0; i < NODES; i++) {
        int request = plan_ask(&plans[i], SEED, &any, 1, 0);
        assert_true(request >= 0);
        asked += plans[i].requests[request].first == any.first;
        assert_true(plans[i].requests[request].first == any.first ||
                    rank_of(&plans[i].rank, any.first) != 0);
        int owner = (i + 1) % NODES;
        plan_has_piece(&plans[i], source_of(owner), any.first);
        request = plan_ask(&plans[i], source_of(owner), &any, 1, 0);
        assert_true((request >= 0) == (rank_of(&plans[i].rank, any.first) != 0));
    }
    assert_int_equal(asked, 1);
}

/* Each source is asked for one piece at a time, the seed too, and again when that has come. */
static void test_crowd(void **state)
{
    static const struct {
        int others;
        bool crowd;
    } rows[] = {{PLAN_CROWD - 1, false}, {PLAN_CROWD, true}, {PLAN_CROWD + 1, true}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        make(PIECES_MAX, rows[i].others + 1);
        struct plan *plan = &plans[0];
        for (uint32_t piece = 0; piece < PLAN_RUN_MAX; piece++)
            plan_has_piece(plan, source_of(1), PLAN_RUN_MAX + piece);
        const unsigned sources[] = {source_of(1), SEED};
        for (size_t k = 0; k < 2; k++) {
            int first = plan_ask(plan, sources[k], &any, 4, 0);
            assert_true(first >= 0);
            if (rows[i].crowd)
                assert_int_equal(plan->requests[first].count, 1);
            else if (k == 0)
                assert_int_equal(plan->requests[first].count, 4);
            assert_int_equal(plan_ask(plan, sources[k], &any, 4, 0) >= 0, !rows[i].crowd);
            plan_judged(plan, first, plan->requests[first].first, true);
            plan_end(plan, first);
            assert_true(plan_ask(plan, sources[k], &any, 4, 0) >= 0);
        }
    }
}

/* Who knows nobody yet asks the seed backwards: one piece, and when that has come two, then four.
 */
static void test_slow_start(void **state)
{
    static const struct {
        uint32_t done, first, count;
    } rows[] = {{0, 63, 1}, {1, 62, 1}, {2, 60, 2}, {3, 60, 1}, {4, 56, 4}, {7, 56, 1}, {8, 48, 8}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        make(64, 1);
        any.backwards = true;
        for (uint32_t k = 0; k < rows[i].done; k++)
            plan_done(&plans[0], 63 - k);
        int request = plan_ask(&plans[0], SEED, &any, 8, 1);
        assert_true(request >= 0);
        assert_int_equal(plans[0].requests[request].count, rows[i].count);
        assert_int_equal(plans[0].requests[request].first, rows[i].first);
        int more = plan_ask(&plans[0], SEED, &any, 8, 1);
        assert_int_equal(more >= 0, rows[i].done > 0);
    }
}

/* Whoever has all, by pieces or at once, has no share any more; nor one without our own id. */
static void test_no_downloader(void **state)
{
    (void)state;
    make(PIECES_MAX, NODES);
    struct plan *plan = &plans[0];
    assert_int_equal(plan->rank.count, NODES - 1);
    plan_downloader(plan, source_of(1), ids[1]); /* told again */
    assert_int_equal(plan->rank.count, NODES - 1);
    for (uint32_t i = 0; i < PIECES_MAX; i++)
        plan_has_piece(plan, source_of(1), i);
    assert_int_equal(plan->rank.count, NODES - 2);
    plan_has_all(plan, source_of(2));
    assert_int_equal(plan->rank.count, NODES - 3);
    plan_leave(plan, source_of(1));
    plan_leave(plan, source_of(2));
    assert_int_equal(plan->rank.count, NODES - 3);
    plan_downloader(plan, SEED, ids[1]);
    plan_downloader(plan, source_of(1), ids[1]);
    assert_int_equal(plan->rank.count, NODES - 3);
    const struct plan_shape shape = plan->shape;
    plan_init(plan, &shape, memory[0]);
    add_downloader(plan, 1);
    assert_int_equal(plan->rank.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seed_sends_each_once),
        cmocka_unit_test(test_patience),
        cmocka_unit_test(test_leave),
        cmocka_unit_test(test_what_others_have),
        cmocka_unit_test(test_when),
        cmocka_unit_test(test_first),
        cmocka_unit_test(test_slow_start),
        cmocka_unit_test(test_no_downloader),
        cmocka_unit_test(test_crowd),
    };
    return cmocka_run_group_tests(tests, world_setup, NULL);
}
