/* SPDX-License-Identifier: MIT */
/* Prints the speed of each SHA-256 twin that this machine can run, in MB/s (10^6), for one stream
 * and for two interleaved ones: the best of five runs over 64 MiB of a 1 MiB buffer each. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "platform/plat_sha256.h"

enum { BUFFER = 1 << 20, TURNS = 64, RUNS = 5 };

static uint8_t buffer[2][BUFFER];
static uint32_t state[2][8];

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void run_one(const struct plat_sha256_twin *twin)
{
    twin->blocks(state[0], buffer[0], BUFFER / 64);
}

static void run_two(const struct plat_sha256_twin *twin)
{
    twin->blocks2(state[0], buffer[0], state[1], buffer[1], BUFFER / 64);
}

static double best_mb_s(const struct plat_sha256_twin *twin,
                        void (*run)(const struct plat_sha256_twin *), double streams)
{
    double best = 1e9;
    for (int i = 0; i < RUNS; i++) {
        double start = seconds();
        for (int turn = 0; turn < TURNS; turn++)
            run(twin);
        double took = seconds() - start;
        best = took < best ? took : best;
    }
    return streams * BUFFER * TURNS / best / 1e6;
}

int main(void)
{
    memset(buffer, 0x5a, sizeof buffer);
    printf("twin\tone MB/s\ttwo MB/s\n");
    for (const struct plat_sha256_twin *twin = plat_sha256_twins; twin->name != NULL; twin++)
        if (twin->usable())
            printf("%s\t%.0f\t%.0f\n", twin->name, best_mb_s(twin, run_one, 1),
                   best_mb_s(twin, run_two, 2));
    return 0;
}
