/* SPDX-License-Identifier: MIT */
/* The rules of proof.h. Chains are read through the owner in runs of a few states, never kept.
 * Costs: a result reads two states of each chain that differs; a new chain is read from its end to
 * its last difference; a false base is read whole. Decides nothing about time, order among holders
 * or retries: that is the plan's. Loop thread. */
#include "swarm/proof.h"

#include <assert.h>
#include <string.h>

#include "wire/digest.h"

enum {
    RUN = 32, /* states read at once: two runs are 2 KiB of stack */
    NO_CHAIN = 0xff
};

#define NO_PIECE UINT32_MAX

static bool bit_get(const uint8_t *bits, uint32_t i)
{
    return bits[i / 8] >> (7 - i % 8) & 1;
}

static void bit_flip(uint8_t *bits, uint32_t i)
{
    bits[i / 8] = (uint8_t)(bits[i / 8] ^ 0x80 >> i % 8);
}

static size_t bitmap_size(uint32_t pieces)
{
    return ((size_t)pieces + 7) / 8;
}

size_t proof_memory(uint32_t pieces)
{
    return 2 * bitmap_size(pieces);
}

void proof_init(struct proof *proof, const uint8_t name[static P2P_SHA256_SIZE], uint32_t pieces,
                const struct proof_owner *owner, void *memory)
{
    assert(pieces > 0);
    memset(proof, 0, sizeof *proof);
    memset(memory, 0, proof_memory(pieces));
    memcpy(proof->name, name, P2P_SHA256_SIZE);
    proof->owner = *owner;
    proof->held = memory;
    proof->doubtful = proof->held + bitmap_size(pieces);
    proof->pieces = proof->frontier = pieces;
    proof->base = -1;
    for (int i = 0; i < PROOF_HOLDERS_MAX; i++) {
        proof->holders[i].chain = NO_CHAIN;
        proof->holders[i].failed = NO_PIECE;
    }
    if (pieces == 1) {
        proof->base = 0;
        proof->chains[0].alive = true;
    }
}

/* --- states ---------------------------------------------------------------------------------- */

static int state_read(const struct proof *proof, unsigned chain, uint32_t boundary,
                      uint8_t out[static P2P_SHA256_SIZE])
{
    if (boundary > 0 && boundary < proof->pieces)
        return proof->owner.read(proof->owner.ctx, chain, boundary, 1, out);
    memcpy(out, boundary == 0 ? digest_initial : proof->name, P2P_SHA256_SIZE);
    return 0;
}

/* Two chains side by side: bit i says that boundary first + i is the same in both. */
static int runs_compare(const struct proof *proof, const unsigned chains[static 2], uint32_t first,
                        uint32_t count, uint32_t *out_same)
{
    uint8_t states[2][RUN * P2P_SHA256_SIZE];
    for (int i = 0; i < 2; i++) {
        int rc = proof->owner.read(proof->owner.ctx, chains[i], first, count, states[i]);
        if (rc < 0)
            return rc;
    }
    *out_same = 0;
    for (uint32_t i = 0; i < count; i++) {
        size_t at = (size_t)i * P2P_SHA256_SIZE;
        if (memcmp(states[0] + at, states[1] + at, P2P_SHA256_SIZE) == 0)
            *out_same |= UINT32_C(1) << i;
    }
    return 0;
}

/* The last boundary where two chains differ, 0 if nowhere. */
static int last_difference(const struct proof *proof, unsigned a, unsigned b, uint32_t *out)
{
    const unsigned chains[2] = {a, b};
    uint32_t end = proof->pieces; /* boundaries from here on are the same */
    *out = 0;
    while (end > 1) {
        uint32_t same, count = end - 1 < RUN ? end - 1 : RUN;
        int rc = runs_compare(proof, chains, end - count, count, &same);
        if (rc < 0)
            return rc;
        for (uint32_t i = count; i-- > 0;)
            if (!(same >> i & 1)) {
                *out = end - count + i;
                return 0;
            }
        end -= count;
    }
    return 0;
}

/* --- pieces ---------------------------------------------------------------------------------- */

static void doubt_set(struct proof *proof, uint32_t piece, bool doubtful)
{
    if (bit_get(proof->doubtful, piece) == doubtful)
        return;
    bit_flip(proof->doubtful, piece);
    if (doubtful)
        proof->doubtful_count++;
    else
        proof->doubtful_count--;
}

static bool piece_hold(struct proof *proof, uint32_t piece)
{
    doubt_set(proof, piece, false);
    if (bit_get(proof->held, piece))
        return false;
    bit_flip(proof->held, piece);
    proof->held_count++;
    while (proof->frontier > 0 && bit_get(proof->held, proof->frontier - 1))
        proof->frontier--;
    while (proof->prefix < proof->pieces && bit_get(proof->held, proof->prefix))
        proof->prefix++;
    return true;
}

static void piece_drop(struct proof *proof, uint32_t piece)
{
    bit_flip(proof->held, piece);
    proof->held_count--;
    proof->prefix = piece < proof->prefix ? piece : proof->prefix;
    proof->frontier = piece < proof->frontier ? proof->frontier : piece + 1;
}

static void piece_lose(struct proof *proof, uint32_t piece, struct proof_news *news)
{
    if (!bit_get(proof->held, piece))
        return;
    piece_drop(proof, piece);
    news->lost++;
    proof->owner.lost(proof->owner.ctx, piece);
}

/* --- holders and chains ---------------------------------------------------------------------- */

static bool chain_has_holders(const struct proof *proof, unsigned chain)
{
    for (int i = 0; i < PROOF_HOLDERS_MAX; i++)
        if (proof->holders[i].chain == chain)
            return true;
    return false;
}

static void chain_free(struct proof *proof, unsigned chain, struct proof_news *news)
{
    proof->chains[chain].alive = false;
    proof->chains[chain].serial++;
    news->dropped |= (uint8_t)(1u << chain);
}

/* A chain that nobody gives any more is forgotten, but for the base, which the held pieces stand
 * on. */
static void holder_unbind(struct proof *proof, unsigned holder, struct proof_news *news)
{
    unsigned chain = proof->holders[holder].chain;
    proof->holders[holder].chain = NO_CHAIN;
    if (chain != NO_CHAIN && (int)chain != proof->base && !chain_has_holders(proof, chain))
        chain_free(proof, chain, news);
}

static void holder_put_out(struct proof *proof, unsigned holder, struct proof_news *news)
{
    proof->holders[holder].out = true;
    news->out |= UINT64_C(1) << holder;
    holder_unbind(proof, holder, news);
}

static void holder_strike(struct proof *proof, unsigned holder, struct proof_news *news)
{
    if (++proof->holders[holder].strikes >= PROOF_STRIKES_MAX)
        holder_put_out(proof, holder, news);
}

/* It failed a piece between states that are proven now, with bytes of somebody else. */
static void blame_proven(struct proof *proof, struct proof_news *news)
{
    for (unsigned i = 0; i < PROOF_HOLDERS_MAX; i++) {
        struct proof_holder *holder = &proof->holders[i];
        if (holder->failed == NO_PIECE || holder->failed < proof->frontier || holder->blamed)
            continue;
        holder->blamed = true;
        news->blamed |= UINT64_C(1) << i;
        holder_put_out(proof, i, news);
    }
}

/* The chain was shown to be false. Its holders may have been deceived, so they may state another
 * one. */
static void chain_drop(struct proof *proof, unsigned chain, struct proof_news *news)
{
    proof->failures++;
    for (unsigned i = 0; i < PROOF_HOLDERS_MAX; i++) {
        if (proof->holders[i].chain != chain)
            continue;
        proof->holders[i].chain = NO_CHAIN;
        news->unbound |= UINT64_C(1) << i;
        holder_strike(proof, i, news);
    }
    chain_free(proof, chain, news);
}

static uint32_t conflict(const struct proof *proof)
{
    uint32_t last = 0;
    for (int i = 0; i < PROOF_CHAINS_MAX; i++)
        if (proof->chains[i].alive && proof->chains[i].differs > last)
            last = proof->chains[i].differs;
    return last;
}

int proof_free_chain(const struct proof *proof)
{
    for (int i = 0; i < PROOF_CHAINS_MAX; i++)
        if (!proof->chains[i].alive)
            return i;
    return -P2P_EFULL;
}

int proof_add_chain(struct proof *proof, int chain, uint32_t states)
{
    assert(chain >= 0 && chain < PROOF_CHAINS_MAX && !proof->chains[chain].alive);
    if (states != proof->pieces - 1)
        return -P2P_EPROTO;
    uint32_t differs = 0;
    if (proof->base >= 0) {
        int rc = last_difference(proof, (unsigned)proof->base, (unsigned)chain, &differs);
        if (rc < 0)
            return rc;
        if (differs > 0 && bit_get(proof->held, differs)) {
            proof->failures++;
            return -P2P_EVERIFY;
        }
    } else {
        proof->base = chain;
    }
    proof->chains[chain].alive = true;
    proof->chains[chain].differs = differs;
    return 0;
}

int proof_join(struct proof *proof, unsigned holder, int chain, struct proof_news *out_news)
{
    assert(holder < PROOF_HOLDERS_MAX && chain >= 0 && proof->chains[chain].alive);
    *out_news = (struct proof_news){0};
    if (proof->holders[holder].out)
        return -P2P_EDENIED;
    if (proof->holders[holder].chain == chain)
        return 0;
    holder_unbind(proof, holder, out_news);
    proof->holders[holder].chain = (uint8_t)chain;
    return 0;
}

void proof_leave(struct proof *proof, unsigned holder, struct proof_news *out_news)
{
    *out_news = (struct proof_news){0};
    holder_unbind(proof, holder, out_news);
}

void proof_forget(struct proof *proof, unsigned holder, struct proof_news *out_news)
{
    proof_leave(proof, holder, out_news);
    struct proof_holder *slot = &proof->holders[holder];
    *slot = (struct proof_holder){
        .failed = NO_PIECE, .serial = (uint16_t)(slot->serial + 1), .chain = NO_CHAIN};
}

/* --- what to fetch --------------------------------------------------------------------------- */

/* By bytes, since this is asked before each request while a failure is not settled. */
static uint32_t last_doubtful(const struct proof *proof)
{
    size_t byte = bitmap_size(proof->pieces);
    while (proof->doubtful[--byte] == 0)
        assert(byte > 0);
    uint32_t piece = (uint32_t)byte * 8 + 7;
    while (piece >= proof->pieces || !bit_get(proof->doubtful, piece))
        piece--;
    return piece;
}

/* Below a failed link there may be nothing but forgery; of two givers that did not fail one may go
 * on there. */
void proof_wish(const struct proof *proof, struct proof_wish *out)
{
    int givers = 0;
    for (unsigned i = 0; i < PROOF_HOLDERS_MAX; i++)
        givers += proof_may_ask(proof, i) == PROOF_YES;
    uint32_t doubtful = proof->doubtful_count > 0 ? last_doubtful(proof) : 0;
    uint32_t differs = conflict(proof);
    out->backwards = givers < 2 || proof->doubtful_count > 0;
    out->floor = givers < 2 && doubtful > differs ? doubtful : differs;
    out->each_chain = out->floor > 0 && out->floor == differs;
    out->first = proof->pieces;
    if (out->floor > 0)
        out->first = out->floor;
    else if (proof->doubtful_count > 0)
        out->first = doubtful;
    else if (!proof_has_size(proof))
        out->first = proof->pieces - 1;
}

enum proof_may proof_may_ask(const struct proof *proof, unsigned holder)
{
    const struct proof_holder *slot = &proof->holders[holder];
    if (slot->chain == NO_CHAIN)
        return PROOF_NO;
    return slot->strikes > 0 ? PROOF_LAST_RESORT : PROOF_YES;
}

bool proof_is_doubtful(const struct proof *proof, uint32_t piece)
{
    return bit_get(proof->doubtful, piece);
}

/* --- results --------------------------------------------------------------------------------- */

int proof_job_begin(const struct proof *proof, uint32_t piece, unsigned sender,
                    struct proof_job *out_job)
{
    int chain = sender < PROOF_HOLDERS_MAX ? proof_chain_of(proof, sender) : proof->base;
    if (chain < 0 || piece >= proof->pieces)
        return -P2P_EINVAL;
    out_job->piece = piece;
    out_job->chain = (uint8_t)chain;
    out_job->chain_serial = proof->chains[chain].serial;
    out_job->sender = (uint8_t)sender;
    out_job->sender_serial = sender < PROOF_HOLDERS_MAX ? proof->holders[sender].serial : 0;
    int rc = state_read(proof, (unsigned)chain, piece, out_job->start);
    return rc < 0 ? rc : state_read(proof, (unsigned)chain, piece + 1, out_job->end);
}

/* The holder to thank or to strike; NULL for our own disk, for several, and for one whose slot is
 * another's now. */
static struct proof_holder *job_holder(struct proof *proof, const struct proof_job *job)
{
    if (job->sender >= PROOF_HOLDERS_MAX ||
        proof->holders[job->sender].serial != job->sender_serial)
        return NULL;
    return &proof->holders[job->sender];
}

/* Where a chain stands to a piece that closed: does it state the same after it, and before it? */
static int chain_compare(const struct proof *proof, const struct proof_job *job, unsigned chain,
                         bool out_same[static 2])
{
    out_same[0] = out_same[1] = true;
    if (chain == job->chain)
        return 0;
    uint8_t state[P2P_SHA256_SIZE];
    int rc = state_read(proof, chain, job->piece, state);
    if (rc < 0)
        return rc;
    out_same[0] = memcmp(state, job->start, sizeof state) == 0;
    rc = state_read(proof, chain, job->piece + 1, state);
    out_same[1] = memcmp(state, job->end, sizeof state) == 0;
    return rc;
}

/* Keeps of the held pieces those that the new base states too. */
static int pieces_move(struct proof *proof, unsigned base, struct proof_news *news)
{
    const unsigned chains[2] = {(unsigned)proof->base, base};
    uint32_t first = 1;
    bool before = true; /* the same at the boundary before the next one to see */
    while (first < proof->pieces) {
        uint32_t same, count = proof->pieces - first < RUN ? proof->pieces - first : RUN;
        int rc = runs_compare(proof, chains, first, count, &same);
        if (rc < 0)
            return rc;
        for (uint32_t i = 0; i < count; i++) {
            bool after = same >> i & 1;
            if (!before || !after)
                piece_lose(proof, first + i - 1, news);
            before = after;
        }
        first += count;
    }
    if (!before)
        piece_lose(proof, proof->pieces - 1, news);
    return 0;
}

/* The base is false; the pieces go over to another chain, and the others are measured by it.
 * Failures that could have become proof are forgotten, since the states they were measured by may
 * be gone. */
static int base_move(struct proof *proof, unsigned base, struct proof_news *news)
{
    uint32_t differs[PROOF_CHAINS_MAX] = {0};
    for (unsigned i = 0; i < PROOF_CHAINS_MAX; i++) {
        if (!proof->chains[i].alive || i == base || (int)i == proof->base)
            continue;
        int rc = last_difference(proof, base, i, &differs[i]);
        if (rc < 0)
            return rc;
    }
    int rc = pieces_move(proof, base, news);
    if (rc < 0)
        return rc;
    unsigned old = (unsigned)proof->base;
    proof->base = (int)base;
    for (int i = 0; i < PROOF_CHAINS_MAX; i++)
        proof->chains[i].differs = differs[i];
    for (int i = 0; i < PROOF_HOLDERS_MAX; i++)
        proof->holders[i].failed = NO_PIECE;
    chain_drop(proof, old, news);
    for (unsigned i = 0; i < PROOF_CHAINS_MAX; i++)
        if (proof->chains[i].alive && differs[i] > 0 && bit_get(proof->held, differs[i]))
            chain_drop(proof, i, news);
    return 0;
}

/* Drops each chain that states the same after this piece and something else before it. */
static int drop_contradicted(struct proof *proof, const struct proof_job *job,
                             struct proof_news *news)
{
    if (job->piece > conflict(proof))
        return 0;
    for (unsigned i = 0; i < PROOF_CHAINS_MAX; i++) {
        bool same[2];
        if (!proof->chains[i].alive || i == job->chain)
            continue;
        int rc = chain_compare(proof, job, i, same);
        if (rc < 0)
            return rc;
        if (!same[1] || same[0])
            continue;
        if ((int)i != proof->base)
            chain_drop(proof, i, news);
        else if ((rc = base_move(proof, job->chain, news)) < 0)
            return rc;
    }
    return 0;
}

static int piece_closed(struct proof *proof, const struct proof_job *job, struct proof_news *news)
{
    struct proof_holder *holder = job_holder(proof, job);
    if (holder != NULL && holder->failed == job->piece)
        holder->failed = NO_PIECE; /* the second time it sent the right bytes */
    int rc = drop_contradicted(proof, job, news);
    if (rc < 0)
        return rc;
    bool same[2];
    rc = chain_compare(proof, job, (unsigned)proof->base, same);
    if (rc < 0)
        return rc;
    news->same = same[0] && same[1];
    if (news->same)
        news->taken = piece_hold(proof, job->piece);
    blame_proven(proof, news);
    return 0;
}

static int piece_failed(struct proof *proof, const struct proof_job *job, struct proof_news *news)
{
    if (job->sender == PROOF_LOCAL)
        return 0;
    proof->failures++;
    if (!bit_get(proof->held, job->piece))
        doubt_set(proof, job->piece, true);
    struct proof_holder *holder = job_holder(proof, job);
    if (holder == NULL || holder->out)
        return 0;
    bool same[2];
    int rc = chain_compare(proof, job, (unsigned)proof->base, same);
    if (rc < 0)
        return rc;
    if (same[0] && same[1] && (holder->failed == NO_PIECE || holder->failed < job->piece))
        holder->failed = job->piece;
    holder_strike(proof, job->sender, news);
    blame_proven(proof, news);
    return 0;
}

int proof_job_end(struct proof *proof, const struct proof_job *job,
                  const uint8_t end[static P2P_SHA256_SIZE], struct proof_news *out_news)
{
    *out_news = (struct proof_news){0};
    int rc = 0;
    const struct proof_chain *chain = &proof->chains[job->chain];
    if (chain->alive && chain->serial == job->chain_serial) {
        bool closed = memcmp(end, job->end, P2P_SHA256_SIZE) == 0;
        rc = closed ? piece_closed(proof, job, out_news) : piece_failed(proof, job, out_news);
    }
    out_news->held = bit_get(proof->held, job->piece);
    return rc;
}

void proof_spoil(struct proof *proof, uint32_t piece)
{
    if (bit_get(proof->held, piece))
        piece_drop(proof, piece);
}

/* --- questions ------------------------------------------------------------------------------- */

bool proof_is_held(const struct proof *proof, uint32_t piece)
{
    return bit_get(proof->held, piece);
}

bool proof_is_proven(const struct proof *proof, uint32_t piece)
{
    return piece >= proof->frontier;
}

bool proof_has_size(const struct proof *proof)
{
    return proof->frontier < proof->pieces;
}

bool proof_is_finished(const struct proof *proof)
{
    return proof->frontier == 0;
}

bool proof_is_hopeless(const struct proof *proof)
{
    if (proof_is_finished(proof) || proof->failures == 0)
        return false;
    for (int i = 0; i < PROOF_HOLDERS_MAX; i++)
        if (proof->holders[i].chain != NO_CHAIN)
            return false;
    return true;
}

int proof_chain_of(const struct proof *proof, unsigned holder)
{
    unsigned chain = proof->holders[holder].chain;
    return chain == NO_CHAIN ? -1 : (int)chain;
}

void proof_have(const struct proof *proof, bool proven, size_t offset, uint8_t *out, size_t size)
{
    assert(offset + size <= bitmap_size(proof->pieces));
    memcpy(out, proof->held + offset, size);
    if (!proven)
        return;
    for (size_t i = 0; i < size && (offset + i) * 8 < proof->frontier; i++) {
        size_t before = proof->frontier - (offset + i) * 8;
        out[i] = (uint8_t)(before >= 8 ? 0 : out[i] & 0xff >> before);
    }
}
