/* SPDX-License-Identifier: MIT */
/* Shares by rendezvous: several nodes count by themselves and agree, whatever came and went. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "swarm/rank.h"
#include "test/sim/world.h"

enum { NODES = 24, MOST = 20000 };

static struct rank ranks[NODES];
static uint8_t memory[NODES][MOST];
static uint64_t keys[NODES];

static void make(uint32_t pieces, int nodes)
{
    assert_true(rank_memory(pieces) <= MOST);
    for (int i = 0; i < nodes; i++) {
        uint8_t id[P2P_ID_SIZE];
        for (size_t k = 0; k < sizeof id; k++)
            id[k] = (uint8_t)world_random(256);
        keys[i] = rank_key(id);
    }
    for (int i = 0; i < nodes; i++) {
        memset(memory[i], 0xa5, MOST);
        rank_init(&ranks[i], pieces, memory[i]);
        rank_self(&ranks[i], keys[i]);
        for (int k = 0; k < nodes; k++)
            if (k != i)
                rank_add(&ranks[i], keys[k]);
        assert_int_equal(memory[i][rank_memory(pieces)], 0xa5);
    }
}

/* Of each piece one is the first, one the second, and so on. */
static void test_all_agree(void **state)
{
    (void)state;
    static const uint32_t rows[] = {1, 7, 8, 9, 1024, 2048, 8191, 8192, 8193, 20000};
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        make(rows[row], NODES);
        uint32_t least = UINT32_MAX, own[NODES] = {0};
        for (uint32_t piece = 0; piece < rows[row]; piece++) {
            uint32_t seen = 0;
            for (int i = 0; i < NODES; i++) {
                seen |= 1u << rank_of(&ranks[i], piece);
                own[i] += rank_of(&ranks[i], piece) == 0;
            }
            assert_int_equal(seen, (1u << NODES) - 1);
        }
        for (int i = 0; i < NODES; i++)
            least = own[i] < least ? own[i] : least;
        if (rows[row] >= 1024 && rows[row] <= 8192)
            assert_true(least > rows[row] / NODES / 3);
    }
}

/* When one goes its pieces fall to the next of each, and to no other. */
static void test_leave(void **state)
{
    (void)state;
    make(1000, 5);
    for (uint32_t piece = 0; piece < 1000; piece++)
        memory[NODES - 1][piece] = (uint8_t)rank_of(&ranks[0], piece);
    rank_remove(&ranks[0], keys[3]);
    for (uint32_t piece = 0; piece < 1000; piece++) {
        unsigned was = memory[NODES - 1][piece], gone = rank_of(&ranks[3], piece);
        assert_int_equal(rank_of(&ranks[0], piece), gone < was ? was - 1 : was);
    }
    rank_add(&ranks[0], keys[3]);
    for (uint32_t piece = 0; piece < 1000; piece++)
        assert_int_equal(rank_of(&ranks[0], piece), memory[NODES - 1][piece]);
    for (int i = 1; i < 5; i++)
        rank_remove(&ranks[0], keys[i]);
    for (uint32_t piece = 0; piece < 1000; piece++)
        assert_int_equal(rank_of(&ranks[0], piece), 0);
}

static void test_key(void **state)
{
    (void)state;
    static const uint8_t id[P2P_ID_SIZE] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    assert_true(rank_key(id) == UINT64_C(0x0102030405060708)); /* the same on all machines */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_agree),
        cmocka_unit_test(test_leave),
        cmocka_unit_test(test_key),
    };
    return cmocka_run_group_tests(tests, world_setup, NULL);
}
