/* SPDX-License-Identifier: MIT */
/* Bitmaps, rates and results of sources as strangers choose them, and any order of what an owner
 * does with a plan. After each step the plan's books must be right: who fetches what, how rare each
 * piece is, what is done. */
#include "swarm/plan.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PIECES_MAX = 40, SOURCES = 6, PARTS = 4 };

struct fuzz {
    const uint8_t *data;
    size_t size;
    int64_t now_ms;
    struct plan plan;
    uint8_t memory[8 * PIECES_MAX + (4 + PARTS) * (PIECES_MAX / 8 + 1)];
};

static uint32_t fuzz_byte(struct fuzz *fuzz)
{
    if (fuzz->size == 0)
        return 0;
    fuzz->size--;
    return *fuzz->data++;
}

static uint32_t fuzz_random(void *ctx)
{
    return fuzz_byte(ctx) * 0x01010101u;
}

static bool bit(const uint8_t *bits, uint32_t i)
{
    return bits[i / 8] >> (7 - i % 8) & 1;
}

static bool wants(const struct plan_request *request, uint32_t piece)
{
    uint32_t at = piece - request->first;
    return piece >= request->first && at < request->count && !(request->over >> at & 1);
}

static bool has(const struct plan *plan, unsigned source, uint32_t piece)
{
    const struct plan_source *slot = &plan->sources[source];
    size_t bitmap = (plan->shape.pieces + 7) / 8;
    return slot->part < 0 ? slot->whole : bit(plan->parts + (size_t)slot->part * bitmap, piece);
}

static void fuzz_has(struct fuzz *fuzz, unsigned source)
{
    uint8_t bits[PIECES_MAX / 8 + 2];
    uint32_t size = (fuzz->plan.shape.pieces + 7) / 8 + (fuzz_byte(fuzz) == 0);
    for (uint32_t i = 0; i < size; i++)
        bits[i] = (uint8_t)fuzz_byte(fuzz);
    plan_has(&fuzz->plan, source, bits, size);
}

static void fuzz_ask(struct fuzz *fuzz, unsigned source)
{
    struct plan *plan = &fuzz->plan;
    uint32_t how = fuzz_byte(fuzz);
    struct proof_wish wish = {.first = how & 1 ? fuzz_byte(fuzz) : plan->shape.pieces,
                              .floor = how & 2 ? fuzz_byte(fuzz) % plan->shape.pieces : 0,
                              .backwards = how & 4,
                              .each_chain = how & 8};
    int number = plan_ask(plan, source, &wish, 1u << (how >> 4 & 3), fuzz->now_ms);
    if (number < 0)
        return;
    const struct plan_request *request = &plan->requests[number];
    if (request->count == 0 || plan->sources[source].may == PROOF_NO)
        abort();
    for (uint32_t i = request->first; i < request->first + request->count; i++)
        if (i >= plan->shape.pieces || i < wish.floor || bit(plan->done, i) ||
            !has(plan, source, i))
            abort();
}

static void fuzz_result(struct fuzz *fuzz)
{
    int number = (int)fuzz_byte(fuzz);
    uint32_t how = fuzz_byte(fuzz);
    const struct plan_request *request = &fuzz->plan.requests[number];
    if (request->count == 0)
        return;
    plan_bytes(&fuzz->plan, number, how * 977, fuzz->now_ms);
    if (how & 1)
        plan_judged(&fuzz->plan, number, request->first + (how >> 4) % request->count, how & 2);
    if (how & 4)
        plan_end(&fuzz->plan, number);
}

static void check_piece(const struct plan *plan, uint32_t piece)
{
    unsigned rarity = 0;
    bool asked = false;
    for (unsigned i = 0; i < PLAN_SOURCES_MAX; i++)
        rarity += plan->sources[i].part >= 0 && has(plan, i, piece);
    for (int i = 0; i < PLAN_REQUESTS_MAX; i++)
        asked |= wants(&plan->requests[i], piece);
    if (rarity != plan->rarity[piece] || asked != bit(plan->asked, piece))
        abort();
}

static void fuzz_check(const struct plan *plan)
{
    uint32_t done = 0;
    unsigned in_flight[PLAN_SOURCES_MAX] = {0};
    for (uint32_t i = 0; i < plan->shape.pieces; i++) {
        done += bit(plan->done, i);
        check_piece(plan, i);
    }
    for (int i = 0; i < PLAN_REQUESTS_MAX; i++)
        in_flight[plan->requests[i].source] += plan->requests[i].count > 0;
    for (unsigned i = 0; i < PLAN_SOURCES_MAX; i++) {
        unsigned window = plan_window(plan, i, 1);
        if (in_flight[i] != plan->sources[i].in_flight || window < 2 || window > PLAN_WINDOW_MAX)
            abort();
    }
    if (done != plan->done_count ||
        plan_nowhere(plan, plan->done_count) > plan->shape.pieces - done)
        abort();
}

static void fuzz_step(struct fuzz *fuzz)
{
    uint32_t what = fuzz_byte(fuzz);
    unsigned source = what / 8 % SOURCES;
    fuzz->now_ms += what;
    switch (what % 8) {
    case 0:
        fuzz_has(fuzz, source);
        break;
    case 1:
        plan_has_all(&fuzz->plan, source);
        break;
    case 2:
        plan_has_piece(&fuzz->plan, source, fuzz_byte(fuzz) % fuzz->plan.shape.pieces);
        break;
    case 3:
        plan_trust(&fuzz->plan, source, (enum proof_may)(fuzz_byte(fuzz) % 3), (int)what % 3 - 1);
        break;
    case 4:
        plan_leave(&fuzz->plan, source);
        break;
    case 5:
        plan_lost(&fuzz->plan, fuzz_byte(fuzz) % fuzz->plan.shape.pieces);
        break;
    case 6:
        fuzz_result(fuzz);
        break;
    default:
        fuzz_ask(fuzz, source);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzz fuzz;
    memset(&fuzz, 0, sizeof fuzz);
    fuzz.data = data;
    fuzz.size = size < 1024 ? size : 1024;
    uint32_t pieces = 1 + fuzz_byte(&fuzz) % PIECES_MAX;
    const struct plan_shape shape = {pieces, 65536, PARTS, fuzz_random, &fuzz};
    if (plan_memory(shape.pieces, shape.parts) > sizeof(fuzz.memory))
        abort();
    plan_init(&fuzz.plan, &shape, fuzz.memory);
    while (fuzz.size > 0) {
        fuzz_step(&fuzz);
        fuzz_check(&fuzz.plan);
    }
    return 0;
}
