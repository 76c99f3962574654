/* SPDX-License-Identifier: MIT */
/* The table of docs/simulation.md: swarms of 8 to 1,000 nodes with the real plan on simulated links
 * (test/sim/swarm.h says how); 128 MiB in pieces of 64 KiB.
 * usage: swarm_sim [NODES [SEED [ROW]]]: only swarms of so many nodes (0: all), only one row */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "test/sim/swarm.h"

#define MBIT 125000.0

static const struct swarm_setup rows[] = {
    {.name = "all links 50 Mbit/s", .least = 50 * MBIT, .most = 50 * MBIT, .seed_rate = 50 * MBIT},
    {.name = "seed 100, others 50", .least = 50 * MBIT, .most = 50 * MBIT, .seed_rate = 100 * MBIT},
    {.name = "5 to 100 Mbit/s", .least = 5 * MBIT, .most = 100 * MBIT, .seed_rate = 50 * MBIT},
    {.name = "joins over 10 s",
     .least = 50 * MBIT,
     .most = 50 * MBIT,
     .seed_rate = 50 * MBIT,
     .join_ms = 10000},
    {.name = "seed killed after 1.1",
     .least = 50 * MBIT,
     .most = 50 * MBIT,
     .seed_rate = 50 * MBIT,
     .seed_sends = 1.1},
    {.name = "10 % killed",
     .least = 50 * MBIT,
     .most = 50 * MBIT,
     .seed_rate = 50 * MBIT,
     .deaths = 10},
    {.name = "without shares",
     .least = 50 * MBIT,
     .most = 50 * MBIT,
     .seed_rate = 50 * MBIT,
     .alone = true},
};

static void run(struct swarm_setup setup, int nodes, uint64_t seed)
{
    struct swarm_result r;
    setup.nodes = nodes;
    setup.pieces = P2P_PIECES_AIM;
    setup.piece_bytes = P2P_PIECE_MIN;
    setup.run = 8;
    setup.neighbours = 62;
    setup.latency_ms = 1;
    setup.silent_ms = 250;
    setup.askers = 8;
    setup.random = seed;
    if (!swarm_run(&setup, &r)) {
        fprintf(stderr, "swarm_sim: no memory\n");
        exit(1);
    }
    printf("| %s | %d | %.1f s | %.2f | %.2f | %.2f | %.2f | %.4f | %d of %d |\n", setup.name,
           nodes, r.bound, r.median / r.bound, r.p99 / r.bound, r.last / r.bound, r.seed_sent,
           r.wasted / nodes, r.finished, r.living);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const int sizes[] = {8, 50, 200, 1000};
    int only = argc > 1 ? atoi(argv[1]) : 0;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    size_t row = argc > 3 ? (size_t)strtoull(argv[3], NULL, 0) : 0;
    printf("seed %" PRIu64 "; times over the bound\n\n", seed);
    printf("| swarm | nodes | bound | median | p99 | last | seed sent | wasted | finished |\n");
    printf("|---|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
            if ((only == 0 || sizes[k] == only) && (row == 0 || row == i + 1))
                run(rows[i], sizes[k], seed);
    return 0;
}
