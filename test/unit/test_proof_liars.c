/* SPDX-License-Identifier: MIT */
/* Whole downloads from liars of each kind: as tables, and as random runs. One honest holder of
 * everything is enough, the waste is bounded, and an honest one is never struck (the world checks
 * that at each step). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>
#include <string.h>

#include "test/sim/world.h"

static struct world world;

static bool has_piece(const struct world *w, int holder, uint32_t piece)
{
    return !w->holders[holder].partial || piece % 2 == 0;
}

static bool in_flight(const struct world *w, uint32_t piece, int chain)
{
    for (int i = 0; i < w->job_count; i++)
        if (w->jobs[i].job.piece == piece && (chain < 0 || w->jobs[i].job.chain == chain))
            return true;
    return false;
}

static bool others_can(const struct world *w, uint32_t piece)
{
    for (int i = 0; i < w->holder_count; i++)
        if (has_piece(w, i, piece) && proof_may_ask(&w->proof, (unsigned)i) == PROOF_YES)
            return true;
    return false;
}

static bool may_ask(const struct world *w, int holder, uint32_t piece)
{
    enum proof_may may = proof_may_ask(&w->proof, (unsigned)holder);
    return has_piece(w, holder, piece) && !proof_is_held(&w->proof, piece) &&
           (may == PROOF_YES || (may == PROOF_LAST_RESORT && !others_can(w, piece)));
}

/* The simplest plan: the first one once, or once a chain; else the last, or any, that nobody
 * fetches. */
static bool ask(struct world *w, int holder)
{
    struct proof_wish wish;
    proof_wish(&w->proof, &wish);
    int chain = wish.each_chain ? proof_chain_of(&w->proof, (unsigned)holder) : -1;
    if (wish.first < w->pieces && may_ask(w, holder, wish.first) &&
        !in_flight(w, wish.first, chain)) {
        world_start(w, wish.first, holder);
        return true;
    }
    uint32_t offset = wish.backwards ? 0 : world_random(w->pieces);
    for (uint32_t i = 0; i < w->pieces; i++) {
        uint32_t piece = (2 * w->pieces - 1 - i - offset) % w->pieces;
        if (piece < wish.floor || in_flight(w, piece, -1) || !may_ask(w, holder, piece))
            continue;
        world_start(w, piece, holder);
        return true;
    }
    return false;
}

/* Downloads until it is finished or nothing moves. Holders come in their order, a random while
 * apart. */
static void download(struct world *w, int window)
{
    int joined = 0, idle = 0;
    bool away[HOLDERS] = {false};
    for (int step = 0; idle < 200 && !proof_is_finished(&w->proof); step++) {
        assert_true(step < 200000);
        bool moved = false;
        if (joined < w->holder_count && (world_random(20) == 0 || w->job_count == 0))
            away[joined++] = true;
        for (int i = 0; i < joined; i++)
            if (away[i] && proof_chain_of(&w->proof, (unsigned)i) < 0 && world_bind(w, i) == 0)
                moved = true;
        if (joined > 0 && w->job_count < window)
            moved |= ask(w, (int)world_random((uint32_t)joined));
        if (w->job_count > 0 && world_random((uint32_t)window) < (uint32_t)w->job_count) {
            world_end(w, (int)world_random((uint32_t)w->job_count));
            moved = true;
        }
        bool waits = moved || w->job_count > 0 || joined < w->holder_count;
        idle = waits ? 0 : idle + 1;
        world_check(w);
    }
}

static void assert_finished(const struct world *w)
{
    assert_true(proof_is_finished(&w->proof));
    assert_memory_equal(w->disk, w->bytes, w->size);
}

/* A forged beginning before a true end, broken at any one link: alone it gets no further than that
 * link, and costs what was in flight; beside an honest holder it costs no more. */
static void test_prefix_at_every_link(void **state)
{
    (void)state;
    enum { N = 20 };
    for (uint32_t at = 1; at < N; at++) {
        struct world *w = &world;
        world_make(w, N, PIECE - at);
        w->holders[0] = (struct holder){.lie = PREFIX, .at = at};
        w->holder_count = 1;
        download(w, 1);
        assert_true(proof_is_hopeless(&w->proof));
        assert_int_equal(w->proof.frontier, at + 1);
        assert_int_equal(w->fetched, N - at - 1 + PROOF_STRIKES_MAX);
        w->job_count = 0;
        world_add(w, HONEST, 0);
        download(w, 4);
        assert_finished(w);
    }
}

/* The name is the only thing known: with a forged length no last piece closes, and nothing is
 * proven. */
static void test_forged_length(void **state)
{
    (void)state;
    for (uint32_t pieces = 9; pieces <= 11; pieces++) {
        struct world *w = &world;
        world_make(w, pieces, pieces == 10 ? PIECE - 1 : PIECE);
        memset(w->proof.name, 0x77, P2P_SHA256_SIZE); /* the name of content of another size */
        w->holders[0] = (struct holder){.lie = PREFIX, .at = 5};
        w->holders[1] = (struct holder){.lie = NOISE};
        w->holder_count = 2;
        download(w, 3);
        assert_false(proof_has_size(&w->proof));
        assert_true(proof_is_hopeless(&w->proof));
    }
}

static void test_liars(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum lie lies[5];
        uint32_t at[5];
        int count;
        unsigned blamed; /* who may be blamed, by bit */
        int waste;       /* pieces fetched for nothing, at most */
    } rows[] = {
        {"one honest", {HONEST}, {0}, 1, 0, 0},
        {"two liars agree, one honest", {PREFIX, PREFIX, HONEST}, {9, 9}, 3, 0, 80},
        {"honest first", {HONEST, PREFIX, PREFIX}, {0, 9, 9}, 3, 0, 12},
        {"two chains of liars", {PREFIX, PREFIX2, HONEST}, {9, 30}, 3, 0, 80},
        {"one false state, true bytes", {STATE, HONEST}, {20}, 2, 0, 80},
        {"right chain, wrong bytes", {BYTES, HONEST}, {0}, 2, 1, 6},
        {"right chain, some wrong bytes", {SOME, HONEST}, {0}, 2, 1, 6},
        {"two with wrong bytes", {BYTES, BYTES, HONEST}, {0}, 3, 3, 12},
        {"each kind", {NOISE, PREFIX, SOME, STATE, HONEST}, {1, 30, 0, 3}, 5, 4, 90},
        {"all lie: wrong bytes", {BYTES, BYTES}, {0}, 2, 0, 9},
        {"all lie: prefix", {PREFIX, PREFIX}, {9, 9}, 2, 0, 80},
        {"all lie: noise", {NOISE, NOISE, NOISE}, {1, 2, 3}, 3, 0, 12},
        {"all lie: chains differ", {PREFIX, PREFIX2, NOISE}, {9, 30}, 3, 0, 80},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world *w = &world;
        world_make(w, 40, PIECE);
        w->holder_count = rows[i].count;
        bool honest = false;
        unsigned blamed = 0;
        for (int h = 0; h < w->holder_count; h++) {
            w->holders[h] = (struct holder){.lie = rows[i].lies[h], .at = rows[i].at[h]};
            honest |= rows[i].lies[h] == HONEST;
        }
        download(w, 3);
        for (int h = 0; h < w->holder_count; h++)
            blamed |= (unsigned)w->proof.holders[h].blamed << h;
        if (proof_is_finished(&w->proof) != honest || (blamed & ~rows[i].blamed))
            fail_msg("%s: finished %d, blamed %x", rows[i].name, !honest, blamed);
        if (honest)
            assert_finished(w);
        else
            assert_true(proof_is_hopeless(&w->proof));
        if (w->fetched - (int)w->proof.held_count > rows[i].waste)
            fail_msg("%s: %d fetched for %u", rows[i].name, w->fetched, w->proof.held_count);
    }
}

static void test_wrong_senders_are_named(void **state)
{
    (void)state;
    struct world *w = &world;
    for (int round = 0; round < 50; round++) {
        world_make(w, PIECES, PIECE);
        for (int i = 0; i < 10; i++)
            w->holders[i].lie = i == round % 10 ? BYTES : HONEST;
        w->holder_count = 10;
        download(w, 8);
        assert_finished(w);
        const struct proof_holder *liar = &w->proof.holders[round % 10];
        assert_int_equal(liar->blamed, w->holders[round % 10].sent_wrong);
        assert_true(w->fetched <= PIECES + 16);
    }
}

static void test_random(void **state)
{
    (void)state;
    int finished = 0;
    for (int round = 0; round < 1500; round++) {
        struct world *w = &world;
        uint32_t seed = world_seed();
        uint32_t pieces = 1 + world_random(world_random(2) ? 8 : PIECES - 1);
        world_make(w, pieces, 1 + world_random(PIECE));
        bool honest = false;
        w->holder_count = 1 + (int)world_random(HOLDERS);
        for (int i = 0; i < w->holder_count; i++) {
            struct holder *h = &w->holders[i];
            h->lie = (enum lie)world_random(LIES);
            h->at = world_chain_of_lie(h->lie) == HONEST
                        ? 0
                        : 1 + world_random(pieces - 1 ? pieces - 1 : 1);
            h->partial = world_random(3) == 0;
            if (pieces == 1 && world_chain_of_lie(h->lie) != HONEST)
                h->lie = BYTES;
            honest |= h->lie == HONEST && !h->partial;
        }
        download(w, 1 + (int)world_random(JOBS - 1));
        if (honest && !proof_is_finished(&w->proof))
            fail_msg("not finished: TEST_SEED=%" PRIu32, seed);
        if (proof_is_finished(&w->proof))
            assert_finished(w);
        finished += proof_is_finished(&w->proof);
    }
    assert_true(finished > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prefix_at_every_link),
        cmocka_unit_test(test_forged_length),
        cmocka_unit_test(test_liars),
        cmocka_unit_test(test_wrong_senders_are_named),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, world_setup, NULL);
}
