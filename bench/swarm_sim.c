/* SPDX-License-Identifier: MIT */
/* The table of docs/simulation.md: swarms of 8 to 1,000 nodes with the real plan on simulated links
 * (test/sim/swarm.h says how). Each row is run with several seeds of the random numbers; a figure
 * is their median, and the worst of them where two stand there. usage: swarm_sim [NODES [MIB [ROW
 * [SEEDS]]]]: swarms of so many nodes (0: 8, 50 and 200), contents of so many MiB (0: 128), only
 * one row (0: all), so many seeds (5) */
#include <stdio.h>
#include <stdlib.h>

#include "test/sim/swarm.h"

enum { SEEDS_MAX = 25 };

static const struct swarm_setup rows[] = {
    {.name = "all links 50 Mbit/s"},
    {.name = "seed 100, others 50", .seed_rate = 100 * SWARM_MBIT},
    {.name = "5 to 100 Mbit/s", .least = 5 * SWARM_MBIT, .most = 100 * SWARM_MBIT},
    {.name = "joins over 10 s", .join_ms = 10000},
    {.name = "10 % come late", .late = 10},
    {.name = "10 % send 1 kB/s", .slow = 10},
    {.name = "seed dies early", .seed_dies = true},
    {.name = "10 % killed", .deaths = 10},
    {.name = "seed dies after 1.1", .seed_sends = 1.1},
    {.name = "the same, 5 to 100 Mbit/s",
     .least = 5 * SWARM_MBIT,
     .most = 100 * SWARM_MBIT,
     .seed_sends = 1.1},
    {.name = "without shares", .alone = true},
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* "median / worst" */
static void print_two(double *figures, int count)
{
    qsort(figures, (size_t)count, sizeof *figures, compare);
    printf("%.2f / %.2f | ", figures[count / 2], figures[count - 1]);
}

static void run(struct swarm_setup setup, int seeds)
{
    double median[SEEDS_MAX], p99[SEEDS_MAX], last[SEEDS_MAX], sent[SEEDS_MAX], wasted = 0;
    int living = 0, finished = 0;
    for (int i = 0; i < seeds; i++) {
        struct swarm_result r;
        setup.random = (uint64_t)i + 1;
        struct swarm_setup usual = swarm_usual(setup);
        if (!swarm_run(&usual, &r)) {
            fprintf(stderr, "swarm_sim: no memory\n");
            exit(1);
        }
        if (r.out < setup.pieces)
            fprintf(stderr, "swarm_sim: %s: the seed sent %u pieces only\n", setup.name, r.out);
        median[i] = r.median;
        p99[i] = r.p99;
        last[i] = r.last;
        sent[i] = r.seed_sent;
        wasted = r.wasted / setup.nodes > wasted ? r.wasted / setup.nodes : wasted;
        living += r.living;
        finished += r.finished;
    }
    printf("| %s | %u | %d | ", setup.name, setup.pieces / 16, setup.nodes);
    print_two(median, seeds);
    print_two(p99, seeds);
    print_two(last, seeds);
    print_two(sent, seeds);
    printf("%.4f | %d of %d |\n", wasted, finished, living);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const int sizes[] = {8, 50, 200};
    int only = argc > 1 ? atoi(argv[1]) : 0;
    uint32_t mib = argc > 2 && atoi(argv[2]) > 0 ? (uint32_t)atoi(argv[2]) : 128;
    size_t row = argc > 3 ? (size_t)atoi(argv[3]) : 0;
    int seeds = argc > 4 && atoi(argv[4]) > 0 ? atoi(argv[4]) : 5;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            struct swarm_setup setup = rows[i];
            setup.nodes = only > 0 ? only : sizes[k];
            setup.pieces = mib * 16;
            if ((only == 0 || k == 0) && (row == 0 || row == i + 1))
                run(setup, seeds < SEEDS_MAX ? seeds : SEEDS_MAX);
        }
    }
    return 0;
}
