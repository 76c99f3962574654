/* SPDX-License-Identifier: MIT */
/* Tables lie one behind the other in one block; how many holders may have a part is what gives way
 * when a content has very many pieces. Buffers for pieces get what the rest leaves. Loop thread. */
#include "swarm/memory.h"

#include "swarm/contact.h"
#include "swarm/publish.h"
#include "swarm/resume.h"
#include "swarm/stream.h"

enum {
    TABLES_SIZE = 1280 * 1024,      /* 400,000 pieces: 6 TiB */
    TABLES_SMALL = 384 * 1024,      /* 120,000 pieces: 1.8 TiB */
    MEMORY_SMALL = 5 * 1024 * 1024, /* with less than that the smaller figures hold */
    BIG_BUFFERS_MAX = 6,
    RUN_BYTES = 2 * 1024 * 1024 /* a request of the plan: two pieces of the files that matter,
                                   hashed at once */
};

/* Of each worker. */
static const struct lane_room room = {.clients = 32, .buffers = 40, .small = 8};
static const struct lane_room small_room = {.clients = 16, .buffers = 20, .small = 4};

static bool is_small(const struct download *download)
{
    return download->config.memory < MEMORY_SMALL;
}

int memory_carve(struct download *download, struct arena *arena)
{
    download->tables_size = is_small(download) ? TABLES_SMALL : TABLES_SIZE;
    download->tables = arena_carve(arena, download->tables_size, 8);
    download->lanes = arena_carve(arena, DOWNLOAD_LANES * sizeof *download->lanes, 8);
    if (download->tables == NULL || download->lanes == NULL) {
        return -P2P_EFULL;
    }
    for (int i = 0; i < DOWNLOAD_LANES; i++) {
        download->lanes[i].holder = -1;
    }
    return 0;
}

int memory_crews(struct download *download, struct arena *arena, size_t memory)
{
    int count = download->config.worker_count;
    size_t each = memory / (size_t)count;

    for (int i = 0; i < count; i++) {
        size_t before = arena_left(arena);
        struct worker *worker = &download->config.workers[i];
        int error = lane_crew_init(&download->crews[i], arena, worker,
                                   is_small(download) ? &small_room : &room);
        size_t used = before - arena_left(arena);
        if (error != 0 || used >= each) {
            return -P2P_EFULL;
        }
        lane_crew_limit(download->crews[i], &download->limit);
        size_t big = (each - used) / (LANE_BIG + 4096 + 64);
        error = lane_crew_add(download->crews[i], arena,
                              big < BIG_BUFFERS_MAX ? (int)big : BIG_BUFFERS_MAX);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

/* --- a content ----------------------------------------------------------------------------- */

static uint32_t next_random(void *ctx)
{
    return (uint32_t)hash_random_next(ctx);
}

static int read_states(void *ctx, unsigned chain, uint32_t first, uint32_t count, uint8_t *out)
{
    return chains_read(&((struct download *)ctx)->chains, chain, first, count, out);
}

static void on_lost(void *ctx, uint32_t piece)
{
    struct download *download = ctx;

    plan_lost(&download->plan, piece);
    stream_lost(download, piece);
    download->held_bytes -= download_piece_length(download, piece);
}

/* The empty content needs no holder: its hash is known. */
static void take_empty(struct download *download)
{
    struct proof_job job;
    struct proof_news news;
    uint8_t hash[P2P_SHA256_SIZE];

    digest_of("", 0, hash);
    if (proof_job_begin(&download->proof, 0, PROOF_LOCAL, &job) == 0 &&
        proof_job_end(&download->proof, &job, hash, &news) == 0 && news.held) {
        plan_done(&download->plan, 0);
    }
}

static uint32_t run_of(uint32_t piece_size)
{
    uint32_t run = RUN_BYTES / piece_size;

    return run < 1 ? 1 : run > PLAN_RUN_MAX ? PLAN_RUN_MAX : run;
}

/* How many holders may have a part, in the memory there is; 0: too many pieces. */
static unsigned fitting_parts(const struct download *download, uint32_t pieces)
{
    size_t bits = (pieces + 7) / 8;
    size_t others = proof_memory(pieces) + (DOWNLOAD_CONTACTS + 1) * bits;
    unsigned parts = DOWNLOAD_PARTS;

    while (parts > DOWNLOAD_PARTS_MIN &&
           others + plan_memory(pieces, parts) > download->tables_size) {
        parts /= 2;
    }
    return others + plan_memory(pieces, parts) > download->tables_size ? 0 : parts;
}

int memory_set_up(struct download *download)
{
    int64_t size = download->want.size;
    uint32_t pieces = digest_piece_count(size);
    size_t bits = (pieces + 7) / 8;
    unsigned parts = fitting_parts(download, pieces);
    size_t proof_size = proof_memory(pieces), plan_size = plan_memory(pieces, parts);
    uint8_t *at = download->tables;

    publish_stop(download);
    if (parts == 0) {
        return -P2P_ETOOBIG;
    }
    download->pieces = pieces;
    download->run = run_of(digest_piece_size(size));
    download->held_bytes = 0;
    chains_close(&download->chains);
    int error = chains_open(&download->chains, download->want.folder, size);
    struct proof_owner owner = {.read = read_states, .lost = on_lost, .ctx = download};
    struct plan_shape shape = {.pieces = pieces,
                               .piece_bytes = digest_piece_size(size),
                               .parts = parts,
                               .random = next_random,
                               .ctx = &download->random};
    proof_init(&download->proof, download->want.content.bytes, pieces, &owner, at);
    plan_init(&download->plan, &shape, at + proof_size);
    if (download->want.window == 0) {
        plan_self(&download->plan, download->config.self.bytes);
    }
    contact_init(download, at + proof_size + plan_size, bits);
    download->held_bits = at + proof_size + plan_size + DOWNLOAD_CONTACTS * bits;
    resume_reset(download);
    stream_reset(download);
    if (size == 0) {
        take_empty(download);
    }
    return error;
}
