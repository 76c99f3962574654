/* SPDX-License-Identifier: MIT */
/* The choice of pieces: by steps, and whole downloads from simulated sources with rates, delays,
 * parts, deaths and failures (random, the seed is printed). What must hold: nothing done is asked,
 * nobody is asked for what it lacks, no piece is lost, it ends, near the bound of the rates, and
 * little is sent twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "swarm/pace.h"
#include "swarm/plan.h"
#include "test/sim/world.h"
#include "wire/digest.h"

enum { PLAN_PIECES = 1024, BIG = 1 << 20, BYTES_MAX = 16384 };

static struct plan plan;
static uint8_t *memory;
static struct proof_wish any;

static uint32_t random_number(void *ctx)
{
    (void)ctx;
    return world_random(1u << 28);
}

static uint32_t random_zero(void *ctx)
{
    (void)ctx;
    return 0;
}

static void make(uint32_t pieces, unsigned parts, uint32_t (*random)(void *ctx))
{
    const struct plan_shape shape = {pieces, BYTES_MAX, parts, random, NULL};
    memory = realloc(memory, plan_memory(pieces, parts));
    assert_non_null(memory);
    memset(memory, 0xa5, plan_memory(pieces, parts));
    plan_init(&plan, &shape, memory);
    any = (struct proof_wish){.first = pieces};
}

static void add_whole(unsigned source)
{
    plan_has_all(&plan, source);
    plan_trust(&plan, source, PROOF_YES, 0);
}

static void add_part(unsigned source, const char *bits, size_t size)
{
    assert_int_equal(plan_has(&plan, source, (const uint8_t *)bits, size), 0);
    plan_trust(&plan, source, PROOF_YES, 0);
}

static void assert_ask(unsigned source, uint32_t run, uint32_t first, uint32_t count)
{
    int request = plan_ask(&plan, source, &any, run, 0);
    assert_true(request >= 0);
    assert_int_equal(plan.requests[request].first, first);
    assert_int_equal(plan.requests[request].count, count);
}

static void assert_nothing(unsigned source)
{
    assert_int_equal(plan_ask(&plan, source, &any, 1, 0), -P2P_EAGAIN);
}

/* --- by steps -------------------------------------------------------------------------------- */

static void test_rarest_first(void **state)
{
    (void)state;
    make(10, 4, random_zero);
    add_whole(0);
    add_part(1, "\xff\x80", 2); /* 9 is rare */
    add_part(2, "\xef\x00", 2); /* 3 and 8 less so */
    assert_ask(0, 1, 9, 1);
    assert_ask(0, 1, 3, 1);
    assert_ask(0, 1, 8, 1);
    assert_ask(0, 8, 0, 3);
    assert_ask(0, 8, 4, 4);
    plan_has_piece(&plan, 2, 3);
    assert_int_equal(plan.rarity[3], 2);
    plan_leave(&plan, 2);
    assert_int_equal(plan.rarity[3], 1);
    assert_int_equal(plan.rarity[9], 0);
}

static void test_random_among_equals(void **state)
{
    (void)state;
    bool seen[64] = {false};
    int different = 0;
    for (int i = 0; i < 2000; i++) {
        make(64, 1, random_number);
        add_whole(0);
        int request = plan_ask(&plan, 0, &any, 1, 0);
        uint32_t piece = plan.requests[request].first;
        different += !seen[piece];
        seen[piece] = true;
    }
    assert_int_equal(different, 64);
}

static void test_runs(void **state)
{
    (void)state;
    static const struct {
        uint32_t pieces, run;
        bool backwards;
        uint32_t done, first, count;
    } rows[] = {
        {16, 2, true, 99, 14, 2}, {15, 2, true, 99, 14, 1}, {16, 4, true, 14, 15, 1},
        {16, 8, true, 99, 8, 8},  {9, 8, true, 99, 8, 1},   {16, 2, false, 0, 1, 1},
        {16, 4, false, 2, 0, 2},  {1, 8, false, 99, 0, 1},  {1, 8, true, 99, 0, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        make(rows[i].pieces, 1, random_zero);
        add_whole(0);
        any.backwards = rows[i].backwards;
        if (rows[i].done < rows[i].pieces)
            plan_done(&plan, rows[i].done);
        assert_ask(0, rows[i].run, rows[i].first, rows[i].count);
    }
}

/* The piece that decides between chains is asked once of each chain, others once at all. */
static void test_first(void **state)
{
    (void)state;
    make(20, 1, random_zero);
    for (unsigned i = 0; i < 4; i++)
        add_whole(i);
    plan_trust(&plan, 2, PROOF_YES, 1);
    plan_trust(&plan, 3, PROOF_YES, 1);
    any = (struct proof_wish){.first = 7, .floor = 7, .each_chain = true};
    assert_ask(0, 2, 7, 1);
    assert_ask(1, 2, 8, 2);
    assert_ask(2, 2, 7, 1);
    assert_ask(3, 2, 10, 2);
    assert_true(plan_is_needed(&plan, 2));
    plan_judged(&plan, 0, 7, true);
    assert_false(plan_is_needed(&plan, 0));
    assert_false(plan_is_needed(&plan, 2));
    assert_true(plan_is_needed(&plan, 3));
    any = (struct proof_wish){.first = 5, .backwards = true};
    assert_ask(0, 1, 5, 1);
    assert_ask(0, 1, 19, 1);
}

static void test_floor(void **state)
{
    (void)state;
    for (uint32_t floor = 0; floor <= 20; floor++) {
        make(20, 1, random_number);
        add_whole(0);
        any.floor = floor;
        for (uint32_t i = floor; i < 20; i++) {
            int request = plan_ask(&plan, 0, &any, 1, 0);
            assert_true(request >= 0 && plan.requests[request].first >= floor);
            plan_judged(&plan, request, plan.requests[request].first, true);
            plan_end(&plan, request);
        }
        assert_nothing(0);
    }
}

static void test_last_resort(void **state)
{
    (void)state;
    make(9, 2, random_zero);
    add_whole(0);
    plan_trust(&plan, 0, PROOF_LAST_RESORT, 0);
    add_part(1, "\xfb\x80", 2);
    assert_ask(0, 8, 5, 1);
    assert_nothing(0);
    plan_trust(&plan, 1, PROOF_LAST_RESORT, 0);
    assert_ask(0, 1, 0, 1);
    plan_trust(&plan, 0, PROOF_NO, -1);
    assert_nothing(0);
    assert_int_equal(plan_nowhere(&plan, 0), 1);
    plan_has_piece(&plan, 1, 5);
    assert_int_equal(plan_nowhere(&plan, 0), 0);
}

/* What may not be asked for is nowhere, though somebody has it. */
static void test_nowhere_below_the_floor(void **state)
{
    (void)state;
    make(20, 2, random_zero);
    add_part(0, "\xff\xf7\xf0", 3);
    plan_done(&plan, 3);
    plan_done(&plan, 14);
    assert_int_equal(plan_nowhere(&plan, 0), 1);
    assert_int_equal(plan_nowhere(&plan, 3), 4);
    assert_int_equal(plan_nowhere(&plan, 4), 4);
    assert_int_equal(plan_nowhere(&plan, 7), 7);
    assert_int_equal(plan_nowhere(&plan, 8), 8);
    assert_int_equal(plan_nowhere(&plan, 9), 9);
    assert_int_equal(plan_nowhere(&plan, 12), 12);
    assert_int_equal(plan_nowhere(&plan, 13), 12);
    assert_int_equal(plan_nowhere(&plan, 19), 17);
    assert_int_equal(plan_nowhere(&plan, 20), 18);
}

static void test_has_sizes(void **state)
{
    (void)state;
    for (uint32_t pieces = 1; pieces < 20; pieces++) {
        uint32_t size = (pieces + 7) / 8;
        make(pieces, 1, random_zero);
        assert_int_equal(plan_has(&plan, 0, (const uint8_t *)"\xff\xff\xff\xff", size - 1),
                         -P2P_EPROTO);
        assert_int_equal(plan_has(&plan, 0, (const uint8_t *)"\xff\xff\xff\xff", size + 1),
                         -P2P_EPROTO);
        add_part(0, "\xff\xff\xff\xff", size); /* bits past the end are not pieces */
        assert_int_equal(plan_has(&plan, 1, (const uint8_t *)"\xff\xff\xff\xff", size), -P2P_EFULL);
        for (uint32_t i = 0; i < pieces; i++) {
            int request = plan_ask(&plan, 0, &any, 1, 0);
            assert_true(request >= 0);
            plan_judged(&plan, request, plan.requests[request].first, true);
            plan_end(&plan, request);
        }
        assert_nothing(0);
        assert_true(plan_is_finished(&plan));
        plan_leave(&plan, 0);
        add_part(1, "\x00\x00\x00\x00", size);
        plan_lost(&plan, pieces - 1);
        assert_false(plan_is_finished(&plan));
        assert_nothing(1);
    }
}

/* What a source does not bring is missing again, unless another is at it too. */
static void test_pieces_come_back(void **state)
{
    (void)state;
    make(8, 1, random_zero);
    add_whole(0);
    assert_ask(0, 8, 0, 8);
    plan_judged(&plan, 0, 2, true);
    plan_judged(&plan, 0, 5, false);
    assert_ask(0, 8, 5, 1);
    plan_end(&plan, 0);
    assert_ask(0, 8, 0, 2);
    assert_ask(0, 8, 3, 2);
    assert_ask(0, 8, 6, 2);
    assert_nothing(0);
    plan_leave(&plan, 0);
    add_whole(1);
    assert_ask(1, 2, 0, 2);
    assert_int_equal(plan.sources[0].in_flight, 0);
    assert_int_equal(plan.sources[1].in_flight, 1);
}

static void test_limits(void **state)
{
    (void)state;
    make(PLAN_PIECES, 1, random_zero);
    add_whole(0);
    for (int i = 0; i < PLAN_WINDOW_MAX; i++)
        assert_true(plan_ask(&plan, 0, &any, 1, 0) >= 0);
    assert_int_equal(plan_ask(&plan, 0, &any, 1, 0), -P2P_EFULL);
    for (int i = PLAN_WINDOW_MAX; i < PLAN_REQUESTS_MAX; i++) {
        add_whole((unsigned)i / PLAN_WINDOW_MAX);
        assert_true(plan_ask(&plan, (unsigned)i / PLAN_WINDOW_MAX, &any, 1, 0) >= 0);
    }
    add_whole(63);
    assert_int_equal(plan_ask(&plan, 63, &any, 1, 0), -P2P_EFULL);
    plan_leave(&plan, 5);
    assert_true(plan_ask(&plan, 63, &any, 1, 0) >= 0);
}

static void test_window(void **state)
{
    (void)state;
    static const struct {
        uint32_t delay_ms, bytes_per_ms, run;
        unsigned window;
    } rows[] = {{0, 1000, 2, 2}, {1, 10000, 2, 2}, {20, 3000, 2, 5}, {200, 12500, 2, 16}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        make(PLAN_PIECES, 1, random_zero);
        add_whole(0);
        assert_int_equal(plan_window(&plan, 0, 2), 2);
        int request = plan_ask(&plan, 0, &any, 8, 0);
        for (uint32_t ms = rows[i].delay_ms + 1; ms < rows[i].delay_ms + 2000; ms++)
            plan_bytes(&plan, request, rows[i].bytes_per_ms, ms);
        unsigned window = plan_window(&plan, 0, rows[i].run);
        assert_in_range(window, rows[i].window - (window > 2), rows[i].window + (window > 2));
    }
}

/* Sizes of a sparse terabyte and more; each piece is asked once though there is no list of them. */
static void test_big(void **state)
{
    (void)state;
    assert_true(plan_memory(BIG, 4) < (size_t)BIG * 2 + 8);
    make(BIG, 1, random_number);
    add_whole(0);
    any.backwards = true;
    for (uint32_t left = BIG; left > BIG - 4096; left -= 8) {
        int request = plan_ask(&plan, 0, &any, 8, 0);
        assert_int_equal(plan.requests[request].first, left - 8);
        for (uint32_t i = 0; i < 8; i++)
            plan_judged(&plan, request, left - 8 + i, true);
        plan_end(&plan, request);
    }
    assert_int_equal(plan.done_count, 4096);
    any.backwards = false;
    for (uint32_t i = 0; i < BIG; i++)
        if (i != 7 && i != BIG / 2 && i != BIG - 5000)
            plan_done(&plan, i);
    for (int left = 3; left > 0; left--) /* wherever the choice begins, it finds them */
        assert_true(plan_ask(&plan, 0, &any, 8, 0) >= 0);
    assert_nothing(0);
    assert_true(plan.asked[0] == 1 && plan.asked[BIG / 16] == 0x80);
}

/* A TiB from as many sources as there can be: the memory is as told, and it ends. */
static void test_tebibyte(void **state)
{
    (void)state;
    enum { TIB_PIECES = 1 << 16, TIB_PART = TIB_PIECES / 8 };
    static uint8_t bits[TIB_PART];
    uint32_t asks = 0;
    assert_int_equal(digest_piece_count((int64_t)1 << 40), TIB_PIECES);
    assert_true(plan_memory(TIB_PIECES, PLAN_SOURCES_MAX) <= 640 * 1024);
    make(TIB_PIECES, PLAN_SOURCES_MAX, random_number);
    for (size_t i = 0; i < sizeof bits; i++)
        bits[i] = (uint8_t)world_random(256);
    for (unsigned i = 0; i < PLAN_SOURCES_MAX - 1; i++)
        add_part(i, (const char *)bits, sizeof bits);
    add_whole(PLAN_SOURCES_MAX - 1);
    for (uint32_t i = 0; i < TIB_PIECES; i++) /* three of four stretches are there already */
        if (i / 4096 % 4 > 0)
            plan_done(&plan, i);
    while (!plan_is_finished(&plan)) { /* the last source has what no other has */
        int request = plan_ask(&plan, asks % PLAN_SOURCES_MAX, &any, 8, asks);
        assert_true(asks++ < TIB_PIECES * PLAN_SOURCES_MAX);
        if (request < 0)
            continue;
        const struct plan_request *asked = &plan.requests[request];
        for (uint32_t i = 0; i < asked->count; i++)
            plan_judged(&plan, request, asked->first + i, true);
        plan_end(&plan, request);
    }
}

/* What others have asked the only full source for is left to them while there is a choice. */
static void test_asked_by_others(void **state)
{
    (void)state;
    static const uint8_t self[P2P_ID_SIZE] = {1}, other[P2P_ID_SIZE] = {2};
    make(16, 1, random_zero);
    plan_self(&plan, self);
    add_whole(0);
    add_part(1, "\0\0", 2);
    plan_downloader(&plan, 1, other);
    uint32_t ours = 0;
    while (rank_of(&plan.rank, ours) != 0)
        ours++;
    for (uint32_t i = 0; i < 16; i++)
        if (i != ours)
            plan_has_piece(&plan, 0, i);
    assert_ask(0, 1, ours, 1);
    for (uint32_t i = 1; i < PLAN_WINDOW_MAX; i++) /* then the rest, rather than nothing */
        assert_true(plan_ask(&plan, 0, &any, 1, 0) >= 0);
}

/* --- whole downloads ------------------------------------------------------------------------- */

struct sim_source {
    uint32_t rate; /* bytes per ms */
    int64_t delay, dies, stalls;
    uint32_t part;  /* per cent of the pieces that it has; 100: whole */
    uint32_t fails; /* per cent of its pieces that do not close */
    int queue[PLAN_WINDOW_MAX], queued;
    double credit;
    uint32_t sent; /* of the request at the head */
    bool dead;
};

struct sim {
    struct sim_source sources[8];
    int count;
    uint32_t run;
    bool backwards;
    int64_t now;
    uint64_t wasted;
    int asked_pieces, paired_pieces;
};

static struct sim sim;

static bool sim_has(unsigned source, uint32_t piece)
{
    const struct plan_source *slot = &plan.sources[source];
    size_t size = (plan.shape.pieces + 7) / 8;
    if (slot->part < 0)
        return slot->whole;
    return plan.parts[(size_t)slot->part * size + piece / 8] >> (7 - piece % 8) & 1;
}

static void sim_join(unsigned source)
{
    struct sim_source *s = &sim.sources[source];
    uint8_t bits[PLAN_PIECES / 8] = {0};
    plan_trust(&plan, source, PROOF_YES, 0);
    if (s->part == 100) {
        plan_has_all(&plan, source);
        return;
    }
    for (uint32_t i = 0; i < plan.shape.pieces; i++)
        if (world_random(100) < s->part)
            bits[i / 8] = (uint8_t)(bits[i / 8] | 0x80 >> i % 8);
    assert_int_equal(plan_has(&plan, source, bits, (plan.shape.pieces + 7) / 8), 0);
}

/* Two send a piece at most, but for those that crawl; and a second or third saves time. */
static void check_senders(int request, uint32_t piece)
{
    int64_t own = pace_request_left(&plan, &plan.requests[request], sim.now);
    int others = 0;
    for (int i = 0; i < PLAN_REQUESTS_MAX; i++) {
        if (i == request || !pace_is_sent(&plan.requests[i], piece))
            continue;
        int64_t left = pace_request_left(&plan, &plan.requests[i], sim.now);
        assert_true(left > 2 * own);
        others += left < PACE_SLOW_MS;
    }
    assert_true(others <= 1);
}

static void sim_ask(unsigned source)
{
    struct sim_source *s = &sim.sources[source];
    struct proof_wish wish = {.first = plan.shape.pieces, .backwards = sim.backwards};
    while (s->queued < (int)plan_window(&plan, source, sim.run)) {
        int request = plan_ask(&plan, source, &wish, sim.run, sim.now);
        if (request < 0)
            return;
        const struct plan_request *r = &plan.requests[request];
        for (uint32_t i = 0; i < r->count; i++) {
            assert_true(sim_has(source, r->first + i) && r->first + i < plan.shape.pieces);
            assert_false(plan.done[(r->first + i) / 8] >> (7 - (r->first + i) % 8) & 1);
            check_senders(request, r->first + i);
        }
        sim.asked_pieces += r->count;
        sim.paired_pieces += r->count > 1 ? r->count : 0;
        s->queue[s->queued++] = request;
    }
}

static void sim_unqueue(struct sim_source *s, int at)
{
    if (at == 0)
        s->sent = 0;
    s->queued--;
    memmove(&s->queue[at], &s->queue[at + 1], (size_t)(s->queued - at) * sizeof *s->queue);
}

/* A source sends a ms of bytes of the request at its head. */
static void sim_send(unsigned source)
{
    struct sim_source *s = &sim.sources[source];
    s->credit += s->rate;
    while (s->queued > 0 && s->credit >= 1 && sim.now < s->stalls) {
        const struct plan_request *r = &plan.requests[s->queue[0]];
        if (sim.now < r->asked_ms + s->delay)
            break;
        uint32_t left = BYTES_MAX - s->sent % BYTES_MAX;
        uint32_t part = s->credit < left ? (uint32_t)s->credit : left;
        plan_bytes(&plan, s->queue[0], part, sim.now);
        s->credit -= part;
        s->sent += part;
        if (s->sent % BYTES_MAX > 0)
            continue;
        uint32_t piece = r->first + s->sent / BYTES_MAX - 1;
        bool held = world_random(100) >= s->fails;
        if (!held || plan.done[piece / 8] >> (7 - piece % 8) & 1)
            sim.wasted += BYTES_MAX;
        plan_judged(&plan, s->queue[0], piece, held);
        if (s->sent == (uint32_t)r->count * BYTES_MAX) {
            plan_end(&plan, s->queue[0]);
            sim_unqueue(s, 0);
        }
    }
    if (s->queued == 0)
        s->credit = 0;
}

static void sim_cancel(unsigned source)
{
    struct sim_source *s = &sim.sources[source];
    for (int i = s->queued; i-- > 0;) {
        if (plan_is_needed(&plan, s->queue[i]))
            continue;
        sim.wasted += i == 0 ? s->sent % BYTES_MAX : 0;
        plan_end(&plan, s->queue[i]);
        sim_unqueue(s, i);
    }
}

static void sim_step(unsigned source)
{
    struct sim_source *s = &sim.sources[source];
    if (s->dead)
        return;
    if (sim.now >= s->dies || sim.now >= s->stalls + 5000) { /* the owner's patience with silence */
        s->dead = true;
        s->queued = 0;
        plan_leave(&plan, source);
        return;
    }
    sim_cancel(source);
    sim_ask(source);
    sim_send(source);
}

/* ms until all is done; fails if it does not end in limit ms. */
static int64_t sim_run(uint32_t pieces, int64_t limit)
{
    make(pieces, 8, random_number);
    for (int i = 0; i < sim.count; i++)
        sim_join((unsigned)i);
    for (sim.now = 0; !plan_is_finished(&plan); sim.now++) {
        assert_true(sim.now < limit);
        for (int i = 0; i < sim.count; i++)
            sim_step((unsigned)i);
    }
    for (int i = 0; i < sim.count; i++)
        sim_cancel((unsigned)i);
    for (int i = 0; i < PLAN_REQUESTS_MAX; i++)
        assert_int_equal(plan.requests[i].count, 0);
    for (int i = 0; i < PLAN_SOURCES_MAX; i++)
        assert_int_equal(plan.sources[i].in_flight, 0);
    return sim.now;
}

static void sim_clear(uint32_t run, bool backwards)
{
    memset(&sim, 0, sizeof sim);
    sim.run = run;
    sim.backwards = backwards;
}

static void sim_add(uint32_t rate, int64_t delay)
{
    sim.sources[sim.count++] = (struct sim_source){
        .rate = rate, .delay = delay, .dies = INT64_MAX, .stalls = INT64_MAX / 2, .part = 100};
}

/* Sources of any mixture of rates, one that stops, one that crawls: the time is near what the rates
 * allow, and little is sent twice. */
static void test_near_the_bound(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t rates[5];
        int64_t delay;
        int count, stalls; /* the number of the source that stalls after 300 ms, -1: none */
    } rows[] = {
        {"one", {6000}, 1, 1, -1},
        {"two equal", {3000, 3000}, 1, 2, -1},
        {"four equal, far", {800, 800, 800, 800}, 40, 4, -1},
        {"mixed", {3000, 1500, 300, 150}, 2, 4, -1},
        {"fast and crawling", {3000, 3000, 1}, 1, 3, -1},
        {"one stalls", {2000, 2000, 2000}, 1, 3, 1},
        {"far and near", {2000, 150, 150, 150, 150}, 60, 5, -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int order = 0; order < 2; order++) {
            sim_clear(2, order == 1);
            double sum = 0, size = (double)PLAN_PIECES * BYTES_MAX;
            for (int s = 0; s < rows[i].count; s++) {
                sim_add(rows[i].rates[s], rows[i].delay);
                if (s == rows[i].stalls)
                    sim.sources[s].stalls = 300;
                else
                    sum += rows[i].rates[s];
            }
            int64_t took = sim_run(PLAN_PIECES, 100000);
            double bound = size / sum + (double)(2 * rows[i].delay);
            if ((double)took > 1.05 * bound || (double)sim.wasted > 0.01 * size)
                fail_msg("%s: %.0f ms, bound %.0f, wasted %.4f", rows[i].name, (double)took, bound,
                         (double)sim.wasted / size);
        }
    }
}

static void test_neighbours_go_together(void **state)
{
    (void)state;
    for (int order = 0; order < 2; order++) {
        sim_clear(2, order == 1);
        for (int i = 0; i < 4; i++)
            sim_add(6000, 1);
        sim_run(PLAN_PIECES, 100000);
        assert_true(sim.paired_pieces > sim.asked_pieces * 98 / 100);
    }
}

static void test_random_failures(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        uint32_t pieces = 1 + world_random(world_random(2) ? 20 : 200);
        sim_clear(1u << world_random(4), world_random(2));
        sim_add(500 + world_random(5000),
                world_random(20)); /* this one stays, and is right at times */
        sim.sources[0].fails = world_random(50);
        for (uint32_t i = world_random(7); i > 0; i--) {
            struct sim_source *s = &sim.sources[sim.count];
            sim_add(100 + world_random(20000), world_random(100));
            s->part = world_random(101);
            s->fails = world_random(2) ? 0 : world_random(101);
            s->dies = world_random(2) ? world_random(1000) : INT64_MAX;
            s->stalls = world_random(3) == 0 ? world_random(1000) : INT64_MAX / 2;
        }
        sim_run(pieces, 100000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rarest_first),
        cmocka_unit_test(test_random_among_equals),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_first),
        cmocka_unit_test(test_floor),
        cmocka_unit_test(test_last_resort),
        cmocka_unit_test(test_nowhere_below_the_floor),
        cmocka_unit_test(test_has_sizes),
        cmocka_unit_test(test_pieces_come_back),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_big),
        cmocka_unit_test(test_tebibyte),
        cmocka_unit_test(test_asked_by_others),
        cmocka_unit_test(test_near_the_bound),
        cmocka_unit_test(test_neighbours_go_together),
        cmocka_unit_test(test_random_failures),
    };
    int failed = cmocka_run_group_tests(tests, world_setup, NULL);
    free(memory);
    return failed;
}
