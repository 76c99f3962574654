/* SPDX-License-Identifier: MIT */
/* See world.h. Hashes for real; nothing here knows what the proof decides, only what is true. */
#include "test/sim/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wire/digest.h"

static uint32_t random_state;

uint32_t world_seed(void)
{
    return random_state;
}

int world_setup(void **state)
{
    (void)state;
    const char *seed = getenv("TEST_SEED");
    random_state = seed ? (uint32_t)strtoul(seed, NULL, 0) : (uint32_t)time(NULL);
    print_message("TEST_SEED=%" PRIu32 "\n", random_state);
    return 0;
}

uint32_t world_random(uint32_t end)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(random_state >> 4) * end >> 28);
}

static size_t piece_length(const struct world *w, uint32_t piece)
{
    return piece + 1 < w->pieces ? PIECE : w->size - (size_t)piece * PIECE;
}

static void piece_hash(const struct world *w, uint32_t piece, const uint8_t *start,
                       const uint8_t *bytes, uint8_t *end)
{
    struct digest digest;
    digest_resume(&digest, start, (uint64_t)piece * PIECE);
    digest_update(&digest, bytes, piece_length(w, piece));
    digest_piece_end(&digest, (int64_t)w->size, end);
}

/* What a holder sends for a piece; sets whether it is wrong. */
static bool make_bytes(const struct world *w, const struct holder *holder, uint32_t piece,
                       uint8_t out[static PIECE])
{
    memcpy(out, w->bytes + (size_t)piece * PIECE, PIECE);
    bool prefix = holder->lie == PREFIX || holder->lie == PREFIX2;
    bool wrong = holder->lie == BYTES || holder->lie == NOISE || (prefix && piece <= holder->at) ||
                 (holder->lie == SOME && piece % 3 == 1) ||
                 (holder->lie == ONCE && !holder->sent_wrong);
    if (wrong && piece_length(w, piece) > 0)
        out[0] = (uint8_t)(out[0] ^ (holder->lie == PREFIX2 ? 2 : 1));
    return wrong;
}

enum lie world_chain_of_lie(enum lie lie)
{
    return lie == BYTES || lie == SOME || lie == ONCE ? HONEST : lie;
}

void world_make_chain(struct world *w, int number, enum lie lie, uint32_t at)
{
    struct holder forger = {.lie = lie, .at = at};
    uint8_t(*states)[P2P_SHA256_SIZE] = w->chains[number].states;
    memcpy(states, w->truth, sizeof w->truth);
    w->chains[number].lie = lie;
    w->chains[number].at = at;
    w->chains[number].used = true;
    if (lie == STATE)
        states[at][0] ^= 1;
    for (uint32_t i = 0; (lie == PREFIX || lie == PREFIX2) && i < at; i++) {
        uint8_t bytes[PIECE];
        make_bytes(w, &forger, i, bytes);
        piece_hash(w, i, states[i], bytes, states[i + 1]);
    }
    for (uint32_t i = 1; lie == NOISE && i < w->pieces; i++)
        states[i][1] ^= (uint8_t)(1 + at);
}

static int read_states(void *ctx, unsigned chain, uint32_t first, uint32_t count, uint8_t *out)
{
    struct world *w = ctx;
    assert_true(chain < PROOF_CHAINS_MAX && first >= 1 && count >= 1 && first + count <= w->pieces);
    memcpy(out, w->chains[chain].states[first], (size_t)count * P2P_SHA256_SIZE);
    return w->read_fails ? -P2P_EIO : 0;
}

static void lose_piece(void *ctx, uint32_t piece)
{
    struct world *w = ctx;
    assert_false(proof_is_held(&w->proof, piece));
    w->lost++;
}

void world_make(struct world *w, uint32_t pieces, size_t last)
{
    memset(w, 0, sizeof *w);
    w->pieces = pieces;
    w->size = (size_t)(pieces - 1) * PIECE + last;
    for (size_t i = 0; i < w->size; i++)
        w->bytes[i] = (uint8_t)world_random(256);
    memcpy(w->truth[0], digest_initial, P2P_SHA256_SIZE);
    for (uint32_t i = 0; i < pieces; i++)
        piece_hash(w, i, w->truth[i], w->bytes + (size_t)i * PIECE, w->truth[i + 1]);
    assert_true(proof_memory(pieces) <= sizeof w->memory);
    memset(w->memory, 0xa5, sizeof w->memory);
    const struct proof_owner owner = {read_states, lose_piece, w};
    proof_init(&w->proof, w->truth[pieces], pieces, &owner, w->memory);
}

static bool is_honest(const struct world *w, int holder)
{
    return w->holders[holder].lie == HONEST;
}

void world_take_news(struct world *w, const struct proof_news *news)
{
    for (int i = 0; i < PROOF_CHAINS_MAX; i++)
        if (news->dropped >> i & 1)
            w->chains[i].used = false;
    for (int i = 0; i < w->holder_count; i++) {
        uint64_t bit = UINT64_C(1) << i;
        if (is_honest(w, i))
            assert_true(((news->blamed | news->out | news->unbound) & bit) == 0);
        if (news->blamed & bit)
            assert_true(w->holders[i].sent_wrong);
    }
    assert_int_equal(news->blamed & ~news->out, 0);
}

/* States a holder's chain to the proof, as it would when its answers name it. */
int world_bind(struct world *w, int holder)
{
    const struct holder *h = &w->holders[holder];
    enum lie lie = world_chain_of_lie(h->lie);
    int number = -1;
    for (int i = 0; i < PROOF_CHAINS_MAX && w->pieces > 1; i++)
        if (w->chains[i].used && w->chains[i].lie == lie && w->chains[i].at == h->at)
            number = i;
    if (w->pieces == 1)
        number = 0;
    if (number < 0) {
        number = proof_free_chain(&w->proof);
        if (number < 0)
            return number;
        assert_false(w->chains[number].used);
        world_make_chain(w, number, lie, h->at);
        int rc = proof_add_chain(&w->proof, number, w->pieces - 1);
        if (rc < 0) {
            w->chains[number].used = false;
            assert_false(is_honest(w, holder) && rc == -P2P_EVERIFY);
            return rc;
        }
    }
    struct proof_news news;
    int rc = proof_join(&w->proof, (unsigned)holder, number, &news);
    world_take_news(w, &news);
    return rc;
}

int world_add(struct world *w, enum lie lie, uint32_t at)
{
    w->holders[w->holder_count] = (struct holder){.lie = lie, .at = at};
    return world_bind(w, w->holder_count++);
}

void world_start(struct world *w, uint32_t piece, int holder)
{
    assert_true(w->job_count < JOBS);
    struct holder *h = &w->holders[holder];
    int job = w->job_count++;
    assert_int_equal(proof_job_begin(&w->proof, piece, (unsigned)holder, &w->jobs[job].job), 0);
    h->sent_wrong |= make_bytes(w, h, piece, w->jobs[job].bytes);
    w->fetched++;
}

struct proof_news world_end(struct world *w, int job)
{
    struct proof_job *j = &w->jobs[job].job;
    uint8_t end[P2P_SHA256_SIZE];
    struct proof_news news;
    piece_hash(w, j->piece, j->start, w->jobs[job].bytes, end);
    assert_int_equal(proof_job_end(&w->proof, j, end, &news), 0);
    if (news.taken)
        memcpy(w->disk + (size_t)j->piece * PIECE, w->jobs[job].bytes, PIECE);
    w->jobs[job] = w->jobs[--w->job_count];
    world_take_news(w, &news);
    return news;
}

struct proof_news world_fetch(struct world *w, uint32_t piece, int holder)
{
    world_start(w, piece, holder);
    return world_end(w, w->job_count - 1);
}

struct proof_news world_fetch_local(struct world *w, uint32_t piece, bool right)
{
    struct proof_job job;
    uint8_t end[P2P_SHA256_SIZE], bytes[PIECE];
    struct proof_news news;
    struct holder disk = {.lie = right ? HONEST : BYTES};
    assert_int_equal(proof_job_begin(&w->proof, piece, PROOF_LOCAL, &job), 0);
    make_bytes(w, &disk, piece, bytes);
    piece_hash(w, piece, job.start, bytes, end);
    assert_int_equal(proof_job_end(&w->proof, &job, end, &news), 0);
    return news;
}

/* What is held closes in the base; what is proven is true; the figures agree. */
void world_check(const struct world *w)
{
    const struct proof *proof = &w->proof;
    uint32_t held = 0, prefix = 0;
    for (uint32_t i = 0; i < w->pieces; i++) {
        held += proof_is_held(proof, i);
        prefix += prefix == i && proof_is_held(proof, i);
        const uint8_t *at = w->disk + (size_t)i * PIECE;
        if (proof_is_proven(proof, i)) {
            assert_true(proof_is_held(proof, i));
            assert_memory_equal(at, w->bytes + (size_t)i * PIECE, piece_length(w, i));
        }
        if (!proof_is_held(proof, i) || w->pieces == 1)
            continue;
        uint8_t(*states)[P2P_SHA256_SIZE] = (void *)w->chains[proof->base].states;
        uint8_t end[P2P_SHA256_SIZE];
        piece_hash(w, i, states[i], at, end);
        assert_memory_equal(end, states[i + 1], sizeof end);
    }
    for (int i = 0; i < w->holder_count; i++)
        assert_false(is_honest(w, i) && proof->holders[i].strikes > 0);
    assert_int_equal(held, proof->held_count);
    assert_int_equal(prefix, proof->prefix);
    assert_true(proof->frontier == 0 || !proof_is_held(proof, proof->frontier - 1));
}
