/* SPDX-License-Identifier: MIT */
/* The rules of proof step by step, with real SHA-256 over pieces of 64 bytes. Whole downloads among
 * liars are in test_proof_liars.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "test/sim/world.h"

static struct world world;

static void test_one_giver(void **state)
{
    (void)state;
    struct world *w = &world;
    world_make(w, 5, 10);
    struct proof_wish wish;
    proof_wish(&w->proof, &wish);
    assert_int_equal(wish.first, 4);
    assert_int_equal(proof_may_ask(&w->proof, 0), PROOF_NO);
    assert_int_equal(world_add(w, HONEST, 0), 0);
    assert_int_equal(proof_may_ask(&w->proof, 0), PROOF_YES);
    for (uint32_t piece = 5; piece-- > 0;) {
        proof_wish(&w->proof, &wish);
        assert_true(wish.backwards);
        assert_int_equal(wish.floor, 0);
        assert_false(proof_is_finished(&w->proof));
        assert_int_equal(proof_has_size(&w->proof), piece < 4);
        assert_true(world_fetch(w, piece, 0).held);
        assert_true(proof_is_proven(&w->proof, piece));
        world_check(w);
    }
    assert_true(proof_is_finished(&w->proof));
    proof_wish(&w->proof, &wish);
    assert_int_equal(wish.first, 5);
    assert_false(proof_is_hopeless(&w->proof));
}

static void test_givers_agree(void **state)
{
    (void)state;
    struct world *w = &world;
    world_make(w, 6, PIECE);
    world_add(w, HONEST, 0);
    world_add(w, HONEST, 0);
    struct proof_wish wish;
    proof_wish(&w->proof, &wish);
    assert_false(wish.backwards);
    static const uint32_t order[] = {0, 3, 1, 5, 2, 4};
    static const uint32_t frontier[] = {6, 6, 6, 5, 5, 0}, prefix[] = {1, 1, 2, 2, 4, 6};
    for (int i = 0; i < 6; i++) {
        assert_true(world_fetch(w, order[i], i % 2).held);
        assert_int_equal(w->proof.frontier, frontier[i]);
        assert_int_equal(w->proof.prefix, prefix[i]);
        world_check(w);
    }
    assert_true(proof_is_finished(&w->proof));
}

/* The last piece is 1..64 bytes, 0 only in the empty content; no chain is needed, and none is
 * taken. */
static void test_one_piece(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 55, 56, 63, 64};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct world *w = &world;
        world_make(w, 1, sizes[i]);
        assert_int_equal(world_add(w, HONEST, 0), 0);
        assert_true(world_fetch(w, 0, 0).held);
        assert_true(proof_is_finished(&w->proof));
        world_check(w);
    }
}

static void test_chain_count(void **state)
{
    (void)state;
    struct world *w = &world;
    world_make(w, 5, PIECE);
    world_make_chain(w, 0, HONEST, 0);
    assert_int_equal(proof_add_chain(&w->proof, 0, 3), -P2P_EPROTO);
    assert_int_equal(proof_add_chain(&w->proof, 0, 5), -P2P_EPROTO);
    assert_int_equal(proof_add_chain(&w->proof, 0, 0), -P2P_EPROTO);
    assert_int_equal(proof_add_chain(&w->proof, 0, 4), 0);
}

static void test_chains_full(void **state)
{
    (void)state;
    struct world *w = &world;
    world_make(w, 20, PIECE);
    for (uint32_t i = 0; i < PROOF_CHAINS_MAX; i++)
        assert_int_equal(world_add(w, NOISE, i), 0);
    assert_int_equal(world_add(w, HONEST, 0), -P2P_EFULL);
    struct proof_news news;
    proof_leave(&w->proof, 1, &news);
    assert_int_equal(news.dropped, 1u << 1);
    world_take_news(w, &news);
    assert_int_equal(world_bind(w, 8), 0);
    proof_leave(&w->proof, 0, &news); /* the base stays */
    assert_int_equal(news.dropped, 0);
}

/* A chain is a liar's if a piece closed against it; the piece where chains differ last decides. */
static void test_arbitration(void **state)
{
    (void)state;
    struct world *w = &world;
    world_make(w, 40, PIECE);
    world_add(w, PREFIX, 36);
    world_add(w, PREFIX, 36);
    for (uint32_t i = 38; i >= 30; i--)
        if (i != 36 && i != 34)
            assert_true(world_fetch(w, i, 0).held);
    struct proof_wish wish;
    world_add(w, HONEST, 0);
    proof_wish(&w->proof, &wish);
    assert_int_equal(wish.first, 36);
    assert_int_equal(wish.floor, 36);
    assert_true(wish.each_chain);
    world_start(w, 34, 0); /* in flight when the chain goes */
    assert_false(world_fetch(w, 36, 1).held);
    struct proof_news news = world_fetch(w, 36, 2);
    assert_true(news.held);
    assert_int_equal(news.unbound, 3);
    assert_int_equal(news.lost, 5);
    assert_int_equal(w->lost, 5);
    assert_int_equal(w->proof.held_count, 3);
    assert_int_equal(proof_chain_of(&w->proof, 0), -1);
    world_check(w);
    news = world_end(w, 0);
    assert_false(news.held);
    assert_int_equal(w->proof.held_count, 3);
    assert_true(world_fetch(w, 39, 2).held);
    assert_int_equal(w->proof.frontier, 36);
    assert_int_equal(world_bind(w, 0), -P2P_EVERIFY);
}

/* In flight below the difference when another chain came: held in the base, or nowhere. */
static void test_result_below_difference(void **state)
{
    (void)state;
    struct world *w = &world;
    world_make(w, 20, PIECE);
    world_add(w, HONEST, 0);
    world_add(w, PREFIX, 10);
    world_start(w, 3, 0);
    world_start(w, 4, 1);
    assert_false(world_end(w, 1).held);
    assert_true(world_end(w, 0).held);
    assert_true(world_fetch(w, 10, 0).held);
    assert_int_equal(proof_chain_of(&w->proof, 1), -1);
    assert_int_equal(w->lost, 0);
    world_check(w);
}

static void test_blame_waits_for_proof(void **state)
{
    (void)state;
    struct world *w = &world;
    world_make(w, 4, PIECE);
    world_add(w, HONEST, 0);
    world_add(w, BYTES, 0);
    world_add(w, HONEST, 0);
    struct proof_news news = world_fetch(w, 2, 1);
    assert_false(news.held);
    assert_int_equal(news.blamed, 0);
    assert_true(proof_is_doubtful(&w->proof, 2));
    assert_int_equal(proof_may_ask(&w->proof, 1), PROOF_LAST_RESORT);
    struct proof_wish wish;
    proof_wish(&w->proof, &wish);
    assert_int_equal(wish.first, 2);
    assert_true(wish.backwards);
    assert_int_equal(wish.floor, 0); /* two givers are left who agree */
    news = world_fetch(w, 2, 0);
    assert_true(news.held);
    assert_int_equal(news.blamed, 0); /* the piece after it may still be false */
    assert_false(proof_is_doubtful(&w->proof, 2));
    proof_wish(&w->proof, &wish);
    assert_false(wish.backwards);
    assert_int_equal(wish.first, 3);
    news = world_fetch(w, 3, 2);
    assert_int_equal(news.blamed, 2);
    assert_int_equal(news.out, 2);
    assert_int_equal(proof_may_ask(&w->proof, 1), PROOF_NO);
    assert_int_equal(world_bind(w, 1), -P2P_EDENIED);
}

/* A duplicate that comes late and wrong is proof at once. */
static void test_blame_of_duplicate(void **state)
{
    (void)state;
    struct world *w = &world;
    world_make(w, 4, PIECE);
    world_add(w, HONEST, 0);
    world_add(w, BYTES, 0);
    world_start(w, 3, 1);
    assert_true(world_fetch(w, 3, 0).held);
    struct proof_news news = world_end(w, 0);
    assert_true(news.held);
    assert_int_equal(news.blamed, 2);
    assert_false(proof_is_doubtful(&w->proof, 3));
}

static void test_one_bad_bit_is_forgiven(void **state)
{
    (void)state;
    struct world *w = &world;
    world_make(w, 3, PIECE);
    world_add(w, ONCE, 0);
    assert_false(world_fetch(w, 2, 0).held);
    assert_false(proof_is_hopeless(&w->proof));
    assert_int_equal(proof_may_ask(&w->proof, 0), PROOF_LAST_RESORT);
    for (uint32_t i = 3; i-- > 0;) {
        struct proof_news news = world_fetch(w, i, 0);
        assert_true(news.held);
        assert_int_equal(news.blamed | news.out, 0);
    }
    assert_true(proof_is_finished(&w->proof));
}

static void test_mixed_piece_blames_nobody(void **state)
{
    (void)state;
    struct world *w = &world;
    world_make(w, 3, PIECE);
    world_add(w, HONEST, 0);
    world_add(w, BYTES, 0);
    world_start(w, 2, 1);
    w->jobs[0].job.sender = PROOF_SEVERAL;
    struct proof_news news = world_end(w, 0);
    assert_false(news.held);
    assert_true(proof_is_doubtful(&w->proof, 2));
    news = world_fetch(w, 2, 0);
    assert_true(news.held);
    assert_int_equal(news.blamed | news.out, 0);
    assert_int_equal(proof_may_ask(&w->proof, 1), PROOF_YES);
}

static void test_slot_of_another(void **state)
{
    (void)state;
    struct world *w = &world;
    world_make(w, 3, PIECE);
    world_add(w, BYTES, 0);
    world_add(w, HONEST, 0);
    world_start(w, 2, 0);
    struct proof_news news;
    proof_forget(&w->proof, 0, &news);
    assert_int_equal(news.dropped, 0);
    w->holders[0].lie = HONEST; /* take_news now checks that the newcomer is not struck */
    assert_int_equal(world_bind(w, 0), 0);
    assert_false(world_end(w, 0).held);
    assert_int_equal(proof_may_ask(&w->proof, 0), PROOF_YES);
    proof_leave(&w->proof, 0, &news);
    assert_int_equal(proof_may_ask(&w->proof, 0), PROOF_NO);
}

/* A file changed at its owner: it cuts, nobody else has it, and nothing failed: not hopeless, just
 * alone. */
static void test_holder_leaves(void **state)
{
    (void)state;
    struct world *w = &world;
    world_make(w, 4, PIECE);
    world_add(w, HONEST, 0);
    world_fetch(w, 3, 0);
    struct proof_news news;
    proof_leave(&w->proof, 0, &news);
    assert_false(proof_is_hopeless(&w->proof));
    assert_int_equal(w->proof.held_count, 1);
    assert_int_equal(world_bind(w, 0), 0);
    assert_true(world_fetch(w, 2, 0).held);
}

static void test_resume(void **state)
{
    (void)state;
    struct world *w = &world;
    world_make(w, 6, PIECE);
    world_make_chain(w, 0, HONEST, 0);
    assert_int_equal(proof_add_chain(&w->proof, 0, 5), 0);
    for (uint32_t i = 0; i < 6; i++) {
        struct proof_news news = world_fetch_local(w, i, i != 2);
        assert_int_equal(news.held, i != 2);
    }
    assert_false(proof_is_doubtful(&w->proof, 2));
    assert_int_equal(w->proof.frontier, 3);
    assert_int_equal(w->proof.failures, 0);
    memcpy(w->disk, w->bytes, sizeof w->disk);
    assert_int_equal(world_add(w, PREFIX, 4), -P2P_EVERIFY); /* what is held speaks against it */
    assert_int_equal(world_add(w, HONEST, 0), 0);
    assert_true(world_fetch(w, 2, 1).held);
    assert_true(proof_is_finished(&w->proof));
}

static void test_read_error(void **state)
{
    (void)state;
    struct world *w = &world;
    world_make(w, 6, PIECE);
    world_add(w, HONEST, 0);
    world_start(w, 4, 0);
    w->read_fails = true;
    assert_int_equal(proof_job_begin(&w->proof, 3, 0, &w->jobs[1].job), -P2P_EIO);
    world_make_chain(w, 1, STATE, 3);
    assert_int_equal(proof_add_chain(&w->proof, 1, 5), -P2P_EIO);
    w->read_fails = false;
    assert_int_equal(proof_add_chain(&w->proof, 1, 5), 0);
    assert_true(world_end(w, 0).held);
    assert_int_equal(proof_job_begin(&w->proof, 6, 0, &w->jobs[1].job), -P2P_EINVAL);
    assert_int_equal(proof_job_begin(&w->proof, 5, 9, &w->jobs[1].job), -P2P_EINVAL);
}

/* What was written over is missing again, with the proof of what lies before it; fetched again, all
 * is proven. */
static void test_spoiled_piece(void **state)
{
    (void)state;
    struct world *w = &world;
    world_make(w, 6, PIECE);
    world_add(w, HONEST, 0);
    for (uint32_t i = 6; i-- > 1;)
        world_fetch(w, i, 0);
    proof_spoil(&w->proof, 3);
    proof_spoil(&w->proof, 0); /* was not held */
    assert_int_equal(w->proof.frontier, 4);
    assert_int_equal(w->proof.held_count, 4);
    assert_int_equal(w->lost, 0);
    world_check(w);
    world_fetch(w, 3, 0);
    assert_int_equal(w->proof.frontier, 1);
    world_fetch(w, 0, 0);
    assert_true(proof_is_finished(&w->proof));
    assert_int_equal(w->proof.prefix, 6);
    proof_spoil(&w->proof, 5);
    assert_false(proof_has_size(&w->proof));
    assert_int_equal(w->proof.prefix, 5);
    world_check(w);
}

static void test_have(void **state)
{
    (void)state;
    struct world *w = &world;
    for (uint32_t pieces = 1; pieces < 20; pieces++) {
        world_make(w, pieces, PIECE);
        world_add(w, HONEST, 0);
        for (uint32_t frontier = pieces; frontier-- > 0;) {
            world_fetch(w, frontier, 0);
            uint8_t bits[2][3] = {{0}};
            proof_have(&w->proof, false, 0, bits[0], (pieces + 7) / 8);
            for (uint32_t i = 0; i < (pieces + 7) / 8; i++)
                proof_have(&w->proof, true, i, &bits[1][i], 1);
            assert_memory_equal(bits[0], bits[1], 3);
            for (uint32_t i = 0; i < 24; i++)
                assert_int_equal(bits[0][i / 8] >> (7 - i % 8) & 1, i >= frontier && i < pieces);
        }
    }
    world_make(w, 20, PIECE);
    world_add(w, HONEST, 0);
    static const uint32_t held[] = {0, 8, 9, 17, 19};
    for (int i = 0; i < 5; i++)
        world_fetch(w, held[i], 0);
    uint8_t bits[3];
    proof_have(&w->proof, false, 0, bits, 3);
    assert_memory_equal(bits, "\x80\xc0\x50", 3);
    proof_have(&w->proof, true, 0, bits, 3);
    assert_memory_equal(bits, "\x00\x00\x10", 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_giver),
        cmocka_unit_test(test_givers_agree),
        cmocka_unit_test(test_one_piece),
        cmocka_unit_test(test_chain_count),
        cmocka_unit_test(test_chains_full),
        cmocka_unit_test(test_arbitration),
        cmocka_unit_test(test_result_below_difference),
        cmocka_unit_test(test_blame_waits_for_proof),
        cmocka_unit_test(test_blame_of_duplicate),
        cmocka_unit_test(test_one_bad_bit_is_forgiven),
        cmocka_unit_test(test_mixed_piece_blames_nobody),
        cmocka_unit_test(test_slot_of_another),
        cmocka_unit_test(test_holder_leaves),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_read_error),
        cmocka_unit_test(test_spoiled_piece),
        cmocka_unit_test(test_have),
    };
    return cmocka_run_group_tests(tests, world_setup, NULL);
}
