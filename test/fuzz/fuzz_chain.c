/* SPDX-License-Identifier: MIT */
/* Chains and results as strangers choose them: each byte of the input chooses what happens to a
 * proof of a few pieces next. States are single letters, so that chains agree and differ anywhere,
 * and pieces close as the input likes, even where SHA-256 would not let them. After each step what
 * the owner relies on must hold. */
#include "swarm/proof.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PIECES_MAX = 70, JOBS = 8 };

struct fuzz {
    const uint8_t *data;
    size_t size;
    uint32_t pieces, lost;
    struct proof proof;
    struct proof_job jobs[JOBS];
    bool busy[JOBS];
    uint8_t chains[PROOF_CHAINS_MAX][PIECES_MAX + 1];
    uint8_t memory[2 * (PIECES_MAX / 8 + 1)];
};

static uint32_t fuzz_byte(struct fuzz *fuzz)
{
    if (fuzz->size == 0)
        return 0;
    fuzz->size--;
    return *fuzz->data++;
}

static int fuzz_read(void *ctx, unsigned chain, uint32_t first, uint32_t count, uint8_t *out)
{
    const struct fuzz *fuzz = ctx;
    if (chain >= PROOF_CHAINS_MAX || first == 0 || first + count > fuzz->pieces)
        abort();
    for (uint32_t i = 0; i < count; i++)
        memset(out + (size_t)i * P2P_SHA256_SIZE, fuzz->chains[chain][first + i], P2P_SHA256_SIZE);
    return fuzz->chains[chain][0] == 0xee ? -P2P_EIO : 0;
}

static void fuzz_lost(void *ctx, uint32_t piece)
{
    struct fuzz *fuzz = ctx;
    fuzz->lost++;
    if (proof_is_held(&fuzz->proof, piece))
        abort();
}

static void fuzz_add(struct fuzz *fuzz)
{
    int chain = proof_free_chain(&fuzz->proof);
    if (chain < 0)
        return;
    uint8_t letter = (uint8_t)fuzz_byte(fuzz);
    memset(fuzz->chains[chain], letter & 3, sizeof fuzz->chains[chain]);
    for (uint32_t i = letter >> 4; i > 0; i--)
        fuzz->chains[chain][fuzz_byte(fuzz) % (PIECES_MAX + 1)] = (uint8_t)fuzz_byte(fuzz);
    proof_add_chain(&fuzz->proof, chain, letter & 8 ? fuzz_byte(fuzz) : fuzz->pieces - 1);
}

static void fuzz_join(struct fuzz *fuzz, struct proof_news *news)
{
    unsigned chain = fuzz_byte(fuzz) % PROOF_CHAINS_MAX,
             holder = fuzz_byte(fuzz) % PROOF_HOLDERS_MAX;
    if (fuzz->proof.chains[chain].alive)
        proof_join(&fuzz->proof, holder, (int)chain, news);
}

static void fuzz_begin(struct fuzz *fuzz)
{
    static const unsigned others[2] = {PROOF_LOCAL, PROOF_SEVERAL};
    unsigned sender = fuzz_byte(fuzz), job = fuzz_byte(fuzz) % JOBS;
    sender = sender < 128 ? sender % PROOF_HOLDERS_MAX : others[sender % 2];
    int rc = proof_job_begin(&fuzz->proof, fuzz_byte(fuzz) % (fuzz->pieces + 1), sender,
                             &fuzz->jobs[job]);
    fuzz->busy[job] = rc == 0;
}

static void fuzz_end(struct fuzz *fuzz, struct proof_news *news)
{
    uint32_t how = fuzz_byte(fuzz);
    struct proof_job *job = &fuzz->jobs[how % JOBS];
    if (!fuzz->busy[how % JOBS])
        return;
    fuzz->busy[how % JOBS] = false;
    uint8_t end[P2P_SHA256_SIZE];
    memcpy(end, job->end, sizeof end);
    if (how & 0x80)
        end[how & 31] ^= 1;
    if (how & 0x40)
        job->sender = PROOF_SEVERAL;
    uint32_t lost = fuzz->lost;
    int rc = proof_job_end(&fuzz->proof, job, end, news);
    if (rc == 0 && (fuzz->lost - lost != news->lost || (news->taken && !news->held)))
        abort();
}

static void fuzz_check(const struct fuzz *fuzz)
{
    const struct proof *proof = &fuzz->proof;
    struct proof_wish wish;
    uint32_t held = 0, doubtful = 0, prefix = 0, frontier = fuzz->pieces;
    for (uint32_t i = 0; i < fuzz->pieces; i++) {
        held += proof_is_held(proof, i);
        doubtful += proof_is_doubtful(proof, i);
        prefix += prefix == i && proof_is_held(proof, i);
        if (proof_is_held(proof, i) && proof_is_doubtful(proof, i))
            abort();
    }
    while (frontier > 0 && proof_is_held(proof, frontier - 1))
        frontier--;
    if (held != proof->held_count || doubtful != proof->doubtful_count || prefix != proof->prefix ||
        frontier != proof->frontier)
        abort();
    for (unsigned i = 0; i < PROOF_HOLDERS_MAX; i++) {
        int chain = proof_chain_of(proof, i);
        if (chain >= 0 && (!proof->chains[chain].alive || proof->holders[i].out))
            abort();
    }
    proof_wish(proof, &wish);
    if (wish.floor > wish.first || wish.floor >= fuzz->pieces || wish.first > fuzz->pieces)
        abort();
    if (wish.first < fuzz->pieces && proof_is_held(proof, wish.first))
        abort();
}

static void fuzz_step(struct fuzz *fuzz)
{
    struct proof_news news = {0};
    switch (fuzz_byte(fuzz) % 8) {
    case 0:
        fuzz_add(fuzz);
        break;
    case 1:
        fuzz_join(fuzz, &news);
        break;
    case 2:
        proof_leave(&fuzz->proof, fuzz_byte(fuzz) % PROOF_HOLDERS_MAX, &news);
        break;
    case 3:
        proof_forget(&fuzz->proof, fuzz_byte(fuzz) % PROOF_HOLDERS_MAX, &news);
        break;
    case 4:
        proof_spoil(&fuzz->proof, fuzz_byte(fuzz) % fuzz->pieces);
        break;
    case 5:
        fuzz_begin(fuzz);
        break;
    default:
        fuzz_end(fuzz, &news);
    }
    if ((news.blamed & ~news.out) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzz fuzz;
    const uint8_t name[P2P_SHA256_SIZE] = {1};
    const struct proof_owner owner = {fuzz_read, fuzz_lost, &fuzz};
    memset(&fuzz, 0, sizeof fuzz);
    fuzz.data = data;
    fuzz.size = size < 2048 ? size : 2048;
    fuzz.pieces = 1 + fuzz_byte(&fuzz) % PIECES_MAX;
    proof_init(&fuzz.proof, name, fuzz.pieces, &owner, fuzz.memory);
    while (fuzz.size > 0) {
        fuzz_step(&fuzz);
        fuzz_check(&fuzz);
    }
    return 0;
}
