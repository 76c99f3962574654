/* SPDX-License-Identifier: MIT */
/* The choice of pieces. A choice walks the bitmaps by bytes: some microseconds for 2,048 pieces, a
 * third of a millisecond for 65,536 and more. There is no list per piece: who fetches what is found
 * in the small table of requests. Loop thread. */
#include "swarm/plan.h"

#include "swarm/pace.h"

#include <assert.h>
#include <string.h>

enum {
    WALK_BYTES = 256,     /* of a bitmap, compared in one choice: 2,048 pieces */
    LOOK_MS = 20,         /* between two looks for what others send that could be taken over */
    SPARE_MS = 100,       /* what a faster source must win to be asked for what another sends */
    PATIENCE_MS = 100,    /* before another's share is asked for, and */
    PATIENCE_PART = 50,   /* this part of the time that our own share took */
    SCARCE = 4,           /* for so many downloaders there is one source that has all, or none */
    LEVEL_ELSEWHERE = 256 /* more than any rank: another downloader has it */
};

#define NO_PIECE UINT32_MAX

static const struct plan_source nobody = {.part = -1, .shared_ms = -1, .spare_ms = -1};

static bool bit_get(const uint8_t *bits, uint32_t i)
{
    return bits[i / 8] >> (7 - i % 8) & 1;
}

static void bit_set(uint8_t *bits, uint32_t i, bool value)
{
    uint8_t mask = (uint8_t)(0x80 >> i % 8);
    bits[i / 8] = (uint8_t)(value ? bits[i / 8] | mask : bits[i / 8] & ~mask);
}

static uint32_t bitmap_size(uint32_t pieces)
{
    return pieces / 8 + (pieces % 8 != 0);
}

size_t plan_memory(uint32_t pieces, unsigned parts)
{
    return (size_t)pieces + rank_memory(pieces) + (3 + (size_t)parts) * bitmap_size(pieces);
}

void plan_init(struct plan *plan, const struct plan_shape *shape, void *memory)
{
    assert(shape->pieces > 0 && shape->piece_bytes > 0 && shape->parts <= PLAN_SOURCES_MAX);
    size_t bitmap = bitmap_size(shape->pieces);
    memset(plan, 0, sizeof *plan);
    memset(memory, 0, (size_t)shape->pieces + 3 * bitmap); /* a part is cleared when it is given */
    plan->shape = *shape;
    plan->done = memory;
    plan->asked = plan->done + bitmap;
    plan->out = plan->asked + bitmap;
    plan->rarity = plan->out + bitmap;
    rank_init(&plan->rank, shape->pieces, plan->rarity + shape->pieces);
    plan->parts = plan->rarity + shape->pieces + rank_memory(shape->pieces);
    for (int i = 0; i < PLAN_SOURCES_MAX; i++)
        plan->sources[i] = nobody;
}

/* --- sources --------------------------------------------------------------------------------- */

static uint8_t *part_of(const struct plan *plan, const struct plan_source *source)
{
    return plan->parts + (size_t)source->part * bitmap_size(plan->shape.pieces);
}

/* The byte of its bitmap; bits past the last piece are 0. */
static uint8_t has_byte(const struct plan *plan, const struct plan_source *source, uint32_t byte)
{
    if (source->part >= 0)
        return part_of(plan, source)[byte];
    if (!source->whole)
        return 0;
    uint32_t left = plan->shape.pieces - byte * 8;
    return (uint8_t)(left >= 8 ? 0xff : 0xff00 >> left);
}

static void bit_change(struct plan *plan, struct plan_source *source, uint32_t piece, int by)
{
    plan->rarity[piece] = (uint8_t)(plan->rarity[piece] + by);
    source->count = (uint32_t)((int64_t)source->count + by);
}

static void part_change(struct plan *plan, struct plan_source *source, uint32_t byte, uint8_t now)
{
    uint8_t *bits = part_of(plan, source) + byte;
    for (uint32_t i = 0, changed = *bits ^ now; i < 8; i++)
        if (changed >> (7 - i) & 1)
            bit_change(plan, source, byte * 8 + i, now >> (7 - i) & 1 ? 1 : -1);
    *bits = now;
}

static void downloader_end(struct plan *plan, struct plan_source *source)
{
    if (source->downloader)
        rank_remove(&plan->rank, source->key);
    source->downloader = false;
}

static bool is_full(const struct plan *plan, const struct plan_source *source)
{
    return source->whole || (source->part >= 0 && source->count == plan->shape.pieces);
}

static void part_free(struct plan *plan, struct plan_source *source)
{
    if (source->part < 0)
        return;
    for (uint32_t byte = 0; byte < bitmap_size(plan->shape.pieces); byte++)
        part_change(plan, source, byte, 0);
    plan->parts_used &= ~(UINT64_C(1) << source->part);
    source->part = -1;
}

static bool part_take(struct plan *plan, struct plan_source *source)
{
    for (unsigned i = 0; source->part < 0 && i < plan->shape.parts; i++) {
        if (plan->parts_used >> i & 1)
            continue;
        plan->parts_used |= UINT64_C(1) << i;
        source->part = (int16_t)i;
        memset(part_of(plan, source), 0, bitmap_size(plan->shape.pieces));
    }
    return source->part >= 0;
}

void plan_has_all(struct plan *plan, unsigned source)
{
    struct plan_source *slot = &plan->sources[source];
    part_free(plan, slot);
    downloader_end(plan, slot);
    slot->whole = true;
}

int plan_has(struct plan *plan, unsigned source, const uint8_t *bits, size_t size)
{
    struct plan_source *slot = &plan->sources[source];
    if (size != bitmap_size(plan->shape.pieces))
        return -P2P_EPROTO;
    slot->whole = false;
    if (!part_take(plan, slot))
        return -P2P_EFULL;
    uint32_t left = plan->shape.pieces % 8;
    for (uint32_t byte = 0; byte < size; byte++) {
        bool last = byte + 1 == size && left > 0;
        part_change(plan, slot, byte, (uint8_t)(last ? bits[byte] & 0xff00 >> left : bits[byte]));
    }
    if (is_full(plan, slot))
        downloader_end(plan, slot);
    return 0;
}

void plan_has_piece(struct plan *plan, unsigned source, uint32_t piece)
{
    struct plan_source *slot = &plan->sources[source];
    if (slot->whole)
        bit_set(plan->out, piece, true);
    if (slot->part < 0)
        return;
    uint8_t byte = part_of(plan, slot)[piece / 8];
    part_change(plan, slot, piece / 8, (uint8_t)(byte | 0x80 >> piece % 8));
    if (is_full(plan, slot))
        downloader_end(plan, slot);
}

void plan_self(struct plan *plan, const uint8_t id[static P2P_ID_SIZE])
{
    rank_self(&plan->rank, rank_key(id));
    plan->shares = true;
}

void plan_downloader(struct plan *plan, unsigned source, const uint8_t id[static P2P_ID_SIZE])
{
    struct plan_source *slot = &plan->sources[source];
    if (!plan->shares || slot->part < 0 || is_full(plan, slot))
        return;
    downloader_end(plan, slot);
    slot->key = rank_key(id);
    slot->downloader = true;
    rank_add(&plan->rank, slot->key);
}

void plan_trust(struct plan *plan, unsigned source, enum proof_may may, int chain)
{
    plan->sources[source].may = may;
    plan->sources[source].chain = (uint8_t)chain;
}

void plan_leave(struct plan *plan, unsigned source)
{
    assert(source < PLAN_SOURCES_MAX);
    for (int i = 0; i < PLAN_REQUESTS_MAX; i++)
        if (plan->requests[i].count > 0 && plan->requests[i].source == source)
            plan_end(plan, i);
    part_free(plan, &plan->sources[source]);
    downloader_end(plan, &plan->sources[source]);
    plan->sources[source] = nobody;
}

/* --- requests -------------------------------------------------------------------------------- */

static unsigned senders(const struct plan *plan, uint32_t piece)
{
    unsigned count = 0;
    for (int i = 0; i < PLAN_REQUESTS_MAX; i++)
        count += pace_is_sent(&plan->requests[i], piece);
    return count;
}

static void piece_over(struct plan *plan, struct plan_request *request, uint32_t piece)
{
    request->over = (uint8_t)(request->over | 1u << (piece - request->first));
    if (senders(plan, piece) == 0)
        bit_set(plan->asked, piece, false);
}

void plan_end(struct plan *plan, int request)
{
    struct plan_request *slot = &plan->requests[request];
    assert(slot->count > 0);
    for (uint32_t i = 0; i < slot->count; i++)
        piece_over(plan, slot, slot->first + i);
    plan->sources[slot->source].in_flight--;
    plan->request_count--;
    slot->count = 0;
}

void plan_judged(struct plan *plan, int request, uint32_t piece, bool held)
{
    struct plan_request *slot = &plan->requests[request];
    assert(piece >= slot->first && piece - slot->first < slot->count);
    if (held)
        plan_done(plan, piece);
    piece_over(plan, slot, piece);
}

bool plan_is_needed(const struct plan *plan, int request)
{
    const struct plan_request *slot = &plan->requests[request];
    for (uint32_t i = 0; i < slot->count; i++)
        if (!(slot->over >> i & 1) && !bit_get(plan->done, slot->first + i))
            return true;
    return false;
}

void plan_bytes(struct plan *plan, int request, uint32_t bytes, int64_t now_ms)
{
    struct plan_request *slot = &plan->requests[request];
    struct plan_source *source = &plan->sources[slot->source];
    if (slot->bytes == 0 && slot->alone) {
        uint32_t delay = (uint32_t)(now_ms - slot->asked_ms);
        source->delay_ms = source->rate == 0 ? delay : (3 * source->delay_ms + delay) / 4;
    }
    slot->bytes += bytes;
    pace_count(source, bytes, now_ms);
}

unsigned plan_window(const struct plan *plan, unsigned source, uint32_t run)
{
    const struct plan_source *slot = &plan->sources[source];
    uint64_t pipe = (uint64_t)slot->rate * slot->delay_ms / 1000;
    uint64_t window = 2 + 2 * pipe / ((uint64_t)plan->shape.piece_bytes * run);
    return window < PLAN_WINDOW_MAX ? (unsigned)window : PLAN_WINDOW_MAX;
}

/* --- the choice ------------------------------------------------------------------------------ */

struct choice {
    const struct plan *plan;
    const struct plan_source *source;
    const struct proof_wish *wish;
    bool last_resort;  /* only what no other has that may be asked gladly */
    bool shared;       /* by share: the least level first */
    uint32_t patience; /* ranks that we have waited for */
};

/* Sources that have all are few: each piece should leave them once. */
static bool is_scarce(const struct plan *plan)
{
    uint32_t full = 0;
    for (int i = 0; i < PLAN_SOURCES_MAX; i++)
        full += plan->sources[i].may == PROOF_YES && is_full(plan, &plan->sources[i]);
    return plan->rank.count > 0 && (full == 1 || full * SCARCE <= plan->rank.count + 1);
}

static bool is_shared(const struct plan *plan, const struct plan_source *source,
                      const struct proof_wish *wish)
{
    return plan->shares && source->may == PROOF_YES && !wish->backwards && !wish->each_chain &&
           wish->floor == 0 && is_full(plan, source) && is_scarce(plan);
}

static bool is_idle(const struct plan *plan)
{
    for (int i = 0; i < PLAN_SOURCES_MAX; i++)
        if (plan->sources[i].in_flight > 0)
            return false;
    return true;
}

/* Each time of waiting doubles the ranks from which others' pieces may be asked for. Who has
 * nothing under way waits little: the others may have all, and have gone. */
static uint32_t patience_of(const struct plan *plan, const struct plan_source *source,
                            int64_t now_ms)
{
    if (source->spare_ms < 0)
        return 0;
    int64_t took = source->spare_ms - source->shared_ms;
    int64_t each = PATIENCE_MS + (is_idle(plan) ? 0 : took / PATIENCE_PART);
    int64_t times = (now_ms - source->spare_ms) / each;
    return times < 8 ? (1u << times) - 1 : LEVEL_ELSEWHERE - 1;
}

/* The least is asked first. */
static uint32_t level_of(const struct choice *choice, uint32_t piece)
{
    uint32_t rarity = choice->plan->rarity[piece];
    if (!choice->shared)
        return rarity;
    if (rarity > 0 || bit_get(choice->plan->out, piece))
        return LEVEL_ELSEWHERE + rarity;
    return rank_of(&choice->plan->rank, piece);
}

/* Pieces of a byte that others have whom we would rather ask. */
static uint8_t others_byte(const struct plan *plan, uint32_t byte)
{
    uint8_t bits = 0;
    for (int i = 0; i < PLAN_SOURCES_MAX; i++)
        if (plan->sources[i].may == PROOF_YES)
            bits |= has_byte(plan, &plan->sources[i], byte);
    return bits;
}

/* Pieces of a byte that are not below the floor. */
static uint8_t above_byte(uint32_t floor, uint32_t byte)
{
    return (uint8_t)(byte * 8 >= floor ? 0xff : floor >= byte * 8 + 8 ? 0 : 0xff >> floor % 8);
}

static uint8_t allowed_byte(const struct choice *choice, uint32_t byte)
{
    const struct plan *plan = choice->plan;
    uint8_t bits = (uint8_t)(has_byte(plan, choice->source, byte) & ~plan->done[byte]);
    bits &= above_byte(choice->wish->floor, byte);
    if (bits != 0 && choice->last_resort)
        bits = (uint8_t)(bits & ~others_byte(plan, byte));
    return bits;
}

static uint8_t missing_byte(const struct choice *choice, uint32_t byte)
{
    if ((choice->plan->done[byte] | choice->plan->asked[byte]) == 0xff)
        return 0; /* most bytes of a long download, soon */
    return (uint8_t)(allowed_byte(choice, byte) & ~choice->plan->asked[byte]);
}

static uint32_t pick_last(const struct choice *choice)
{
    for (uint32_t byte = bitmap_size(choice->plan->shape.pieces); byte-- > 0;) {
        uint8_t bits = missing_byte(choice, byte);
        for (uint32_t i = 8; bits != 0 && i-- > 0;)
            if (bits >> (7 - i) & 1)
                return byte * 8 + i;
    }
    return NO_PIECE;
}

/* Of eight bytes none has a missing piece. */
static bool is_word_empty(const struct choice *choice, uint32_t byte)
{
    const struct plan *plan = choice->plan;
    uint64_t done, asked, bits = UINT64_MAX;
    memcpy(&done, plan->done + byte, sizeof done);
    memcpy(&asked, plan->asked + byte, sizeof asked);
    if (choice->source->part >= 0)
        memcpy(&bits, part_of(plan, choice->source) + byte, sizeof bits);
    return (bits & ~(done | asked)) == 0;
}

/* The first byte from here on in which a piece may be missing; end: none. Words are compared where
 * there are enough, since a choice walks far and finds little. */
static uint32_t next_byte(const struct choice *choice, uint32_t byte, uint32_t end)
{
    const uint32_t word = sizeof(uint64_t);
    while (byte < end) {
        if (byte % word == 0 && byte + word <= end && is_word_empty(choice, byte))
            byte += word;
        else if (missing_byte(choice, byte) == 0)
            byte++;
        else
            break;
    }
    return byte;
}

struct walk {
    uint32_t from, end; /* bytes of the bitmaps */
    uint32_t level;     /* the least */
    uint32_t count;     /* pieces of it */
};

static void walk_count(const struct choice *choice, struct walk *walk)
{
    uint32_t byte = next_byte(choice, walk->from, walk->end);
    for (; byte < walk->end; byte = next_byte(choice, byte + 1, walk->end)) {
        uint8_t bits = missing_byte(choice, byte);
        for (uint32_t piece = byte * 8; bits != 0; bits = (uint8_t)(bits << 1), piece++) {
            uint32_t level = bits & 0x80 ? level_of(choice, piece) : UINT32_MAX;
            if (!(bits & 0x80) || level > walk->level)
                continue;
            walk->count = level < walk->level ? 1 : walk->count + 1;
            walk->level = level;
        }
    }
}

/* The one of them after so many others. */
static uint32_t walk_find(const struct choice *choice, const struct walk *walk, uint32_t skip)
{
    uint32_t byte = next_byte(choice, walk->from, walk->end);
    for (; byte < walk->end; byte = next_byte(choice, byte + 1, walk->end)) {
        uint8_t bits = missing_byte(choice, byte);
        for (uint32_t piece = byte * 8; bits != 0; bits = (uint8_t)(bits << 1), piece++)
            if ((bits & 0x80) && level_of(choice, piece) == walk->level && skip-- == 0)
                return piece;
    }
    return NO_PIECE;
}

/* Of our share, what is most surely ours: others, unknown to us, may have a higher hash for a piece
 * where ours is low, and then it has left the source by the time we come to it. */
static uint32_t walk_own(const struct choice *choice, const struct walk *walk)
{
    uint32_t best = NO_PIECE;
    uint64_t most = 0;
    uint32_t byte = next_byte(choice, walk->from, walk->end);
    for (; byte < walk->end; byte = next_byte(choice, byte + 1, walk->end)) {
        uint8_t bits = missing_byte(choice, byte);
        for (uint32_t piece = byte * 8; bits != 0; bits = (uint8_t)(bits << 1), piece++) {
            if (!(bits & 0x80) || level_of(choice, piece) != 0)
                continue;
            uint64_t weight = rank_weight(&choice->plan->rank, piece);
            best = best == NO_PIECE || weight > most ? piece : best;
            most = weight > most ? weight : most;
        }
    }
    return best;
}

/* Of more than WALK_BYTES x 8 pieces only so many are compared, from a random place on; but what is
 * ours is looked for everywhere. */
static uint32_t pick_rarest(const struct choice *choice, uint32_t *out_level)
{
    const struct plan_shape *shape = &choice->plan->shape;
    uint32_t bytes = bitmap_size(shape->pieces), walks = (bytes + WALK_BYTES - 1) / WALK_BYTES;
    uint32_t number = shape->random(shape->ctx), best = NO_PIECE;
    *out_level = UINT32_MAX;
    for (uint32_t i = 0; i < walks; i++) {
        struct walk walk = {.from = (number % walks + i) % walks * WALK_BYTES, .level = *out_level};
        walk.end = bytes - walk.from < WALK_BYTES ? bytes : walk.from + WALK_BYTES;
        walk_count(choice, &walk);
        if (walk.level == *out_level)
            continue;
        best = walk_find(choice, &walk, number / walks % walk.count);
        *out_level = walk.level;
        if (choice->shared && walk.level == 0)
            return walk_own(choice, &walk);
        if (!choice->shared)
            break;
    }
    return best;
}

static bool is_allowed(const struct choice *choice, uint32_t piece)
{
    return allowed_byte(choice, piece / 8) >> (7 - piece % 8) & 1;
}

/* The piece wanted before all others: once, or where chains differ once for each chain. */
static bool may_ask_first(const struct choice *choice, uint32_t piece)
{
    const struct plan *plan = choice->plan;
    if (piece >= plan->shape.pieces || !is_allowed(choice, piece))
        return false;
    if (choice->shared && level_of(choice, piece) != 0)
        return false;
    if (!choice->wish->each_chain)
        return !bit_get(plan->asked, piece);
    for (int i = 0; i < PLAN_REQUESTS_MAX; i++)
        if (pace_is_sent(&plan->requests[i], piece) &&
            plan->sources[plan->requests[i].source].chain == choice->source->chain)
            return false;
    return true;
}

/* Is a piece missing that nobody sends? */
static bool is_some_left(const struct plan *plan)
{
    uint32_t bytes = bitmap_size(plan->shape.pieces), rest = plan->shape.pieces % 8;
    for (uint32_t byte = 0; byte + 1 < bytes; byte++)
        if ((plan->done[byte] | plan->asked[byte]) != 0xff)
            return true;
    uint8_t all = (uint8_t)(rest > 0 ? 0xff00 >> rest : 0xff);
    return ((plan->done[bytes - 1] | plan->asked[bytes - 1]) & all) != all;
}

static bool is_asked_of(const struct choice *choice, uint32_t piece)
{
    const struct plan *plan = choice->plan;
    for (int i = 0; i < PLAN_REQUESTS_MAX; i++)
        if (pace_is_sent(&plan->requests[i], piece) &&
            &plan->sources[plan->requests[i].source] == choice->source)
            return true;
    return false;
}

/* Nothing is left to ask: of what others are sending, the piece that this source would save most
 * time on. Twice as fast as the quickest of them is what makes up for bytes sent twice. */
static uint32_t pick_duplicate(const struct choice *choice, int64_t now_ms)
{
    const struct plan *plan = choice->plan;
    uint32_t best = NO_PIECE;
    int64_t most = 2 * pace_source_left(plan, choice->source, now_ms) + SPARE_MS;
    if (is_some_left(plan))
        most = 4 * most + PACE_SLOW_MS;
    for (int i = 0; i < PLAN_REQUESTS_MAX; i++) {
        const struct plan_request *request = &plan->requests[i];
        if (request->count == 0 || &plan->sources[request->source] == choice->source)
            continue;
        if (pace_request_left(plan, request, now_ms) <= most)
            continue;
        for (uint32_t at = request->count; at-- > 0;) {
            uint32_t piece = request->first + at;
            if (!pace_is_sent(request, piece) || !is_allowed(choice, piece) ||
                is_asked_of(choice, piece))
                continue;
            int64_t left = pace_piece_left(plan, piece, now_ms);
            best = left > most ? piece : best;
            most = left > most ? left : most;
        }
    }
    return best;
}

/* The neighbours of a piece in its aligned group that are missing too, and of its level. */
static void run_around(const struct choice *choice, uint32_t piece, uint32_t run,
                       struct plan_request *out)
{
    uint8_t bits = missing_byte(choice, piece / 8);
    bool any = choice->wish->backwards;
    uint32_t begin = piece - piece % run, first = piece, end = piece + 1;
    uint32_t level = level_of(choice, piece);
    while (first > begin && bits >> (7 - (first - 1) % 8) & 1 &&
           (any || level_of(choice, first - 1) == level))
        first--;
    while (end < begin + run && bits >> (7 - end % 8) & 1 &&
           (any || level_of(choice, end) == level))
        end++;
    out->first = first;
    out->count = (uint8_t)(end - first);
}

/* The piece to begin with when nothing is wanted first. */
static uint32_t pick(const struct choice *choice, struct plan_source *source, int64_t now_ms)
{
    uint32_t level;
    if (choice->wish->backwards)
        return pick_last(choice);
    uint32_t piece = pick_rarest(choice, &level);
    if (choice->shared && source->shared_ms < 0)
        source->shared_ms = now_ms;
    if (!choice->shared || level == 0)
        source->spare_ms = -1;
    else if (source->spare_ms < 0 && source->in_flight < 2)
        source->spare_ms = now_ms;
    bool waits = choice->shared && level < LEVEL_ELSEWHERE && level > choice->patience;
    return waits ? NO_PIECE : piece;
}

static bool choose(const struct choice *choice, struct plan_source *source, uint32_t run,
                   int64_t now_ms, struct plan_request *out)
{
    uint32_t piece = choice->wish->first;
    out->count = 1;
    if (may_ask_first(choice, piece)) {
        out->first = piece;
        return true;
    }
    piece = pick(choice, source, now_ms);
    if (piece != NO_PIECE) {
        run_around(choice, piece, run, out);
        return true;
    }
    if (now_ms < source->look_ms)
        return false;
    out->first = pick_duplicate(choice, now_ms);
    if (out->first == NO_PIECE)
        source->look_ms = now_ms + LOOK_MS;
    return out->first != NO_PIECE;
}

/* Backwards all downloaders that do not know each other yet ask for the same pieces: a slow start
 * lets them meet before much has left the source twice. */
static uint32_t run_alone(const struct plan *plan, uint32_t run)
{
    while (run > 1 && run > plan->done_count)
        run /= 2;
    return run;
}

int plan_ask(struct plan *plan, unsigned source, const struct proof_wish *wish, uint32_t run,
             int64_t now_ms)
{
    assert(run >= 1 && run <= PLAN_RUN_MAX && (run & (run - 1)) == 0);
    struct plan_source *slot = &plan->sources[source];
    const struct choice choice = {.plan = plan,
                                  .source = slot,
                                  .wish = wish,
                                  .last_resort = slot->may == PROOF_LAST_RESORT,
                                  .shared = is_shared(plan, slot, wish),
                                  .patience = patience_of(plan, slot, now_ms)};
    struct plan_request request = {
        .source = (uint8_t)source, .alone = slot->in_flight == 0, .asked_ms = now_ms};
    if (plan->request_count == PLAN_REQUESTS_MAX || slot->in_flight >= PLAN_WINDOW_MAX)
        return -P2P_EFULL;
    if (wish->backwards && plan->shares) {
        if (slot->in_flight > 0 && plan->done_count == 0)
            return -P2P_EAGAIN;
        run = run_alone(plan, run);
    }
    if (plan->rank.count >= PLAN_CROWD && (slot->downloader || choice.shared)) {
        if (slot->in_flight > 0)
            return -P2P_EAGAIN;
        run = 1;
    }
    if (slot->may == PROOF_NO || !choose(&choice, slot, run, now_ms, &request))
        return -P2P_EAGAIN;
    int number = 0;
    while (plan->requests[number].count > 0)
        number++;
    plan->request_count++;
    for (uint32_t i = 0; i < request.count; i++)
        bit_set(plan->asked, request.first + i, true);
    slot->busy_ms = slot->in_flight == 0 ? now_ms : slot->busy_ms;
    slot->in_flight++;
    /* A time without requests says nothing about its rate. */
    if (now_ms - slot->heard_ms > PACE_MEAN_MS) {
        slot->counted = 0;
        slot->counted_ms = now_ms;
    }
    plan->requests[number] = request;
    return number;
}

/* --- pieces ---------------------------------------------------------------------------------- */

void plan_done(struct plan *plan, uint32_t piece)
{
    if (bit_get(plan->done, piece))
        return;
    bit_set(plan->done, piece, true);
    plan->done_count++;
}

void plan_lost(struct plan *plan, uint32_t piece)
{
    if (!bit_get(plan->done, piece))
        return;
    bit_set(plan->done, piece, false);
    plan->done_count--;
}

bool plan_is_finished(const struct plan *plan)
{
    return plan->done_count == plan->shape.pieces;
}

uint32_t plan_nowhere(const struct plan *plan, uint32_t floor)
{
    uint32_t nowhere = 0;
    for (uint32_t byte = 0; byte < bitmap_size(plan->shape.pieces); byte++) {
        uint8_t somewhere = plan->done[byte], above = above_byte(floor, byte);
        for (int i = 0; i < PLAN_SOURCES_MAX; i++)
            if (plan->sources[i].may != PROOF_NO)
                somewhere |= has_byte(plan, &plan->sources[i], byte) & above;
        for (uint32_t i = byte * 8; i < byte * 8 + 8 && i < plan->shape.pieces; i++)
            nowhere += !(somewhere >> (7 - i % 8) & 1);
    }
    return nowhere;
}
