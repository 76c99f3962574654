/* SPDX-License-Identifier: MIT */
/* Swarms of 8 to 200 nodes: all get all, near the bound, and the same seed gives the same swarm.
 * The long table is bench/swarm_sim. TEST_SEED= of the environment changes all of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "test/sim/swarm.h"

static uint64_t seed = 1;

static void test_near_the_bound(void **state)
{
    (void)state;
    static const struct {
        struct swarm_setup setup;
        double most; /* times the bound, for the last one */
    } rows[] = {
        {{.name = "8 equal", .nodes = 8, .pieces = 1024}, 1.15},
        {{.name = "50 equal", .nodes = 50, .pieces = 512}, 1.30},
        {{.name = "50 mixed",
          .nodes = 50,
          .pieces = 512,
          .least = 5 * SWARM_MBIT,
          .most = 100 * SWARM_MBIT},
         1.60},
        {{.name = "50 that join over 5 s", .nodes = 50, .pieces = 512, .join_ms = 5000}, 1.50},
        {{.name = "seed dies", .nodes = 50, .pieces = 512, .seed_dies = true}, 1.35},
        {{.name = "10 % killed", .nodes = 50, .pieces = 512, .deaths = 10}, 1.50},
        {{.name = "10 % late", .nodes = 50, .pieces = 512, .late = 10}, 1.50},
        {{.name = "10 % send 1 kB/s", .nodes = 50, .pieces = 512, .slow = 10}, 2.00},
        {{.name = "200 equal", .nodes = 200, .pieces = 256}, 1.70},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct swarm_setup setup = swarm_usual(rows[i].setup);
        struct swarm_result r;
        setup.random = seed;
        assert_true(swarm_run(&setup, &r));
        print_message("%s: bound %.1f s; median %.2f, p99 %.2f, last %.2f times; seed sent %.2f\n",
                      setup.name, r.bound, r.median, r.p99, r.last, r.seed_sent);
        assert_int_equal(r.out, setup.pieces);
        if (r.finished != r.living || r.last > rows[i].most || r.wasted > setup.nodes / 20.0)
            fail_msg("%s: %d of %d, wasted %.2f", setup.name, r.finished, r.living, r.wasted);
    }
}

/* What the shares are for: the seed sends less, and all have the file sooner. */
static void test_shares_help(void **state)
{
    (void)state;
    struct swarm_setup setup = swarm_usual((struct swarm_setup){.nodes = 24, .pieces = 512});
    struct swarm_result with, without, again;
    setup.random = seed;
    assert_true(swarm_run(&setup, &with));
    assert_true(swarm_run(&setup, &again));
    assert_memory_equal(&with, &again, sizeof with);
    setup.alone = true;
    assert_true(swarm_run(&setup, &without));
    print_message("24 nodes: last %.2f times the bound with shares, %.2f without\n", with.last,
                  without.last);
    assert_true(with.last < without.last && with.seed_sent < without.seed_sent);
}

static int setup_seed(void **state)
{
    (void)state;
    const char *text = getenv("TEST_SEED");
    seed = text ? strtoull(text, NULL, 0) : seed;
    print_message("TEST_SEED=%llu\n", (unsigned long long)seed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_near_the_bound),
        cmocka_unit_test(test_shares_help),
    };
    return cmocka_run_group_tests(tests, setup_seed, NULL);
}
