/* SPDX-License-Identifier: MIT */
/* The course of a download: what an earlier one left is hashed again, holders are asked, pieces are
 * fetched, and at the end the file gets its name. After each event advance() looks what is due;
 * there is no other place that decides. */
#include "swarm/transfer.h"

#include "base/log.h"
#include "base/text.h"
#include "platform/plat.h"
#include "platform/plat_file.h"
#include "swarm/contact.h"
#include "swarm/fetch.h"
#include "swarm/hints.h"
#include "swarm/memory.h"
#include "swarm/prospect.h"
#include "swarm/publish.h"
#include "swarm/report.h"
#include "swarm/resume.h"
#include "swarm/room.h"
#include "swarm/sources.h"
#include "swarm/stream.h"

#include <stdio.h>
#include <string.h>

enum {
    TICK_MS = 100,
    WINDOW_BYTES = 16 * 1024 * 1024, /* of a stream; in pieces: */
    WINDOW_LEAST = PLAN_RUN_MAX,
    WINDOW_MOST = 64
};

struct transfer {
    struct download download; /* first: changed() comes back with it */
    struct loop_timer tick;
    struct part_finish finish;
    struct worker_job reserve;
    int64_t sizes[DOWNLOAD_SIZES]; /* that were tried and led nowhere */
    int size_count, result, reserve_result;
    int64_t started_ms, ended_ms, useful_ms, next_size;
    int64_t wait_ms;  /* what is left of the patience while nobody can be asked */
    uint32_t nowhere; /* missing pieces that nobody has */
    bool reserving, reserved, finishing, keep, advancing, again, stuck;
    char reason[256];
};

static void advance(struct transfer *transfer);

static void on_changed(struct download *download)
{
    advance((struct transfer *)download);
}

static void on_tick(void *ctx)
{
    struct transfer *transfer = ctx;
    const struct plan *plan = &transfer->download.plan;
    struct proof_wish wish;

    /* Of the missing pieces that may be asked for nobody has any. Costs too much to be looked at
     * after each event. */
    if (transfer->download.phase == TRANSFER_RUNNING) {
        proof_wish(&transfer->download.proof, &wish);
        transfer->nowhere = plan_nowhere(plan, wish.floor);
        transfer->stuck = transfer->nowhere >= plan->shape.pieces - plan->done_count;
    }
    advance(transfer);
}

int transfer_init(struct transfer **out, struct arena *arena, const struct transfer_config *config)
{
    size_t before = arena_left(arena);
    struct transfer *transfer = arena_carve(arena, sizeof *transfer, 8);

    if (transfer == NULL) {
        return -P2P_EFULL;
    }
    struct download *download = &transfer->download;
    download->config = *config;
    download->changed = on_changed;
    if (memory_carve(download, arena) != 0 || sources_init(download, arena) != 0 ||
        resume_init(download, arena) != 0) {
        return -P2P_EFULL;
    }
    download->part.file = download->chains.file = -1;
    held_init(&download->held);
    lane_limit_init(&download->limit, config->download_limit);
    hash_random_seed(&download->random, (uint64_t)plat_now_us());
    transfer->tick = (struct loop_timer){.on_time = on_tick, .ctx = transfer};
    size_t used = before - arena_left(arena);
    *out = transfer;
    return used < config->memory ? memory_crews(download, arena, config->memory - used)
                                 : -P2P_EFULL;
}

struct lane_crew *const *transfer_crews(const struct transfer *transfer)
{
    return transfer->download.crews;
}

/* --- the end ------------------------------------------------------------------------------- */

static void end(struct transfer *transfer)
{
    struct download *download = &transfer->download;
    bool is_some = download->part.found > 0 || download->held_bytes > 0;
    bool useless = transfer->result == -P2P_EVERIFY ||
                   (transfer->result == -P2P_ECHANGED && !download->want.constant);
    bool keep = transfer->keep && is_some && !useless;

    loop_stop_timer(download->config.loop, &transfer->tick);
    if (download->want.unnamed) {
        download->part.file = -1; /* the caller's */
    }
    part_close(&download->part, keep || transfer->result == 0);
    chains_close(&download->chains);
    transfer->ended_ms = loop_now_ms(download->config.loop);
    download->phase = TRANSFER_IDLE;
    download->want.done(download->want.ctx, transfer->result,
                        transfer->result == 0 ? NULL : transfer->reason);
}

/* Nothing of the download is under way on another thread. */
static bool is_quiet(const struct transfer *transfer)
{
    return fetch_open(&transfer->download) == 0 && !resume_is_busy(&transfer->download) &&
           !transfer->reserving && !transfer->finishing && !transfer->download.stream.giving;
}

static void conclude(struct transfer *transfer, int result, const char *reason)
{
    struct download *download = &transfer->download;

    if (download->phase == TRANSFER_STOPPING) {
        return;
    }
    download->phase = TRANSFER_STOPPING;
    transfer->result = result;
    if (result != 0) {
        publish_stop(download);
    }
    if (reason != transfer->reason) {
        text_copy(text_first(text_from(reason), sizeof transfer->reason - 1), transfer->reason,
                  sizeof transfer->reason);
    }
    sources_stop(download);
    contact_stop(download);
    fetch_stop(download);
}

static void on_finished(void *ctx, struct part_finish *finish)
{
    struct transfer *transfer = ctx;
    char reason[sizeof transfer->reason];

    transfer->finishing = false;
    publish_settle(&transfer->download);
    if (finish->result == -P2P_EEXIST) {
        snprintf(reason, sizeof reason, "there is a file of that name by now; --force replaces it");
    } else {
        snprintf(reason, sizeof reason, "%s (%s)", log_error(finish->result), finish->reason);
    }
    conclude(transfer, finish->result, reason);
    advance(transfer);
}

static void begin_finish(struct transfer *transfer)
{
    struct download *download = &transfer->download;

    download->phase = TRANSFER_FINISHING;
    transfer->finishing = true;
    transfer->finish = (struct part_finish){.part = &download->part,
                                            .name = download->want.name,
                                            .size = download->want.size,
                                            .mtime = download->want.mtime,
                                            .executable = download->want.executable,
                                            .replace = download->want.replace,
                                            .done = on_finished,
                                            .ctx = transfer};
    part_finish(&transfer->finish, download->config.background, download->config.loop);
}

void transfer_stop(struct transfer *transfer, bool keep)
{
    if (transfer->download.phase == TRANSFER_IDLE) {
        return;
    }
    transfer->keep = keep;
    conclude(transfer, -P2P_EAGAIN, "stopped");
    advance(transfer);
}

/* --- space --------------------------------------------------------------------------------- */

static struct transfer *of_reserve(struct worker_job *job)
{
    return (struct transfer *)((char *)job - offsetof(struct transfer, reserve));
}

static void reserve_work(struct worker_job *job)
{
    struct transfer *transfer = of_reserve(job);

    transfer->reserve_result =
        plat_reserve(transfer->download.part.file, transfer->download.want.size);
}

static void reserve_done(struct worker_job *job)
{
    struct transfer *transfer = of_reserve(job);

    transfer->reserving = false;
    if (transfer->reserve_result != 0) {
        transfer->download.fatal = transfer->reserve_result;
    }
    advance(transfer);
}

/* The last piece is right, so the size is: take the space before the rest comes. */
static void reserve(struct transfer *transfer)
{
    struct download *download = &transfer->download;

    transfer->reserved = transfer->reserving = true;
    transfer->reserve = (struct worker_job){
        .work = reserve_work, .done = reserve_done, .home = download->config.loop};
    worker_submit(download->config.background, &transfer->reserve);
}

static bool has_space(struct transfer *transfer)
{
    return room_is_there(&transfer->download, transfer->reason, sizeof transfer->reason);
}

/* --- begin --------------------------------------------------------------------------------- */

/* Its file is the caller's, and nothing can be in its way. */
static void open_unnamed(struct transfer *transfer)
{
    struct download *download = &transfer->download;

    download->part = (struct part){.folder = download->want.folder, .file = download->want.file};
    if (!has_space(transfer)) {
        conclude(transfer, -P2P_ENOSPC, transfer->reason);
    }
}

/* What stands in the way before the first byte. */
static int refuse(struct transfer *transfer)
{
    struct download *download = &transfer->download;
    const struct transfer_want *want = &download->want;
    struct plat_stat stat;
    int error = want->unnamed ? 0 : plat_stat_beneath(want->folder, want->name, &stat);

    if (want->unnamed) {
        open_unnamed(transfer);
    } else if (error == 0 && stat.kind == PLAT_KIND_FOLDER) {
        conclude(transfer, -P2P_EEXIST, "there is a folder of that name");
    } else if (error == 0 && !want->replace) {
        conclude(transfer, -P2P_EEXIST, "there is a file of that name; --force replaces it");
    } else if ((error = part_open(&download->part, want->folder, &want->content)) == -P2P_EINUSE) {
        conclude(transfer, error, "another download of it goes into this folder already");
    } else if (error != 0) {
        snprintf(transfer->reason, sizeof transfer->reason, "cannot write here: %s", plat_reason());
        conclude(transfer, error, transfer->reason);
    } else if (!has_space(transfer)) {
        conclude(transfer, -P2P_ENOSPC, transfer->reason);
    }
    return download->phase == TRANSFER_STOPPING ? 1 : 0;
}

int transfer_start(struct transfer *transfer, const struct transfer_want *want)
{
    struct download *download = &transfer->download;

    transfer->size_count = 0;
    transfer->result = 0;
    transfer->stuck = false;
    transfer->wait_ms = 0;
    transfer->reserving = transfer->reserved = transfer->finishing = false;
    transfer->keep = true;
    transfer->next_size = -1;
    download->want = *want;
    download->fatal = 0;
    download->wasted = 0;
    download->retries = 0;
    memset(download->holders, 0, sizeof download->holders);
    text_hex_encode(want->content.bytes, sizeof want->content, download->hex);
    bucket_meter_init(&download->meter, plat_now_us());
    sources_reset(download);
    hints_reset(download);
    transfer->started_ms = transfer->useful_ms = loop_now_ms(download->config.loop);
    bound_meter_init(&download->downlink, transfer->started_ms);
    download->phase = TRANSFER_RUNNING;
    int error = refuse(transfer) ? 0 : memory_set_up(download);
    if (error != 0 && want->unnamed) {
        download->part.file = -1;
    }
    if (error != 0) {
        part_close(&download->part, false);
        download->phase = TRANSFER_IDLE;
        return error;
    }
    return loop_set_timer(download->config.loop, &transfer->tick, transfer->started_ms);
}

void transfer_add_holder(struct transfer *transfer, const struct record_result *holder)
{
    sources_add(&transfer->download, holder);
}

/* --- the course ---------------------------------------------------------------------------- */

/* All who said this size are of no use. Somebody states another one: begin again with that. */
static bool try_other_size(struct transfer *transfer)
{
    struct download *download = &transfer->download;

    if (transfer->size_count == DOWNLOAD_SIZES) {
        return false;
    }
    transfer->sizes[transfer->size_count++] = download->want.size;
    for (int i = 0; i < TRANSFER_HOLDERS_MAX; i++) {
        const struct holder *holder = &download->holders[i];
        bool is_new = holder->state == HOLDER_OTHER;
        for (int k = 0; k < transfer->size_count && is_new; k++) {
            is_new = holder->size != transfer->sizes[k];
        }
        if (is_new) {
            transfer->next_size = holder->size;
            fetch_stop(download);
            contact_stop(download);
            return true;
        }
    }
    return false;
}

static void adopt_size(struct transfer *transfer)
{
    struct download *download = &transfer->download;

    download->want.size = transfer->next_size;
    transfer->next_size = -1;
    transfer->reserved = false;
    for (int i = 0; i < TRANSFER_HOLDERS_MAX; i++) {
        struct holder *holder = &download->holders[i];
        if (holder->state != HOLDER_NONE && !holder->blamed) {
            holder->state = HOLDER_NEW;
            holder->ask_first = true;
            holder->fails = 0;
        }
    }
    int error = memory_set_up(download);
    if (error != 0) {
        conclude(transfer, error, log_error(error));
    } else if (!has_space(transfer)) {
        conclude(transfer, -P2P_ENOSPC, transfer->reason);
    }
}

/* How long to wait while nobody has the rest who can be asked. */
static int64_t patience_of(const struct transfer *transfer, enum prospect_end end, bool others)
{
    const struct download *download = &transfer->download;
    int64_t unit = download->config.patience_ms != 0 ? download->config.patience_ms : PATIENCE_MS;
    bool may_return = download->held_bytes > 0 && !(others && end == PROSPECT_GONE);

    return others && end == PROSPECT_OVER ? PATIENCE_OVER_MS
           : may_return                   ? unit * PATIENCE_HALF
                                          : unit;
}

/* Why it ends, when it does so since nobody came. */
static void explain(struct transfer *transfer, bool others, int known)
{
    const struct download *download = &transfer->download;

    if (others) {
        snprintf(transfer->reason, sizeof transfer->reason,
                 "%u of %u pieces %s with nobody that answers; try again later",
                 (unsigned)transfer->nowhere, (unsigned)download->pieces,
                 transfer->nowhere == 1 ? "is" : "are");
    } else {
        snprintf(transfer->reason, sizeof transfer->reason,
                 "%d%% are here, and none of %d holders can be reached; try again later",
                 (int)(download->held_bytes * 100 / (download->want.size + 1)), known);
    }
}

/* Nobody can be asked. Wait for somebody to come, go on with another size, or give up. */
static void look_for_help(struct transfer *transfer)
{
    struct download *download = &transfer->download;
    int known = TRANSFER_HOLDERS_MAX - prospect_count(download, HOLDER_NONE);
    int64_t waited = loop_now_ms(download->config.loop) - transfer->useful_ms;
    bool others = prospect_count(download, HOLDER_READY) > 0;
    int64_t patience = patience_of(transfer, prospect_end(download), others);

    transfer->wait_ms = patience - waited;
    if (!download->sources.answered || transfer->next_size >= 0 || (others && waited <= patience) ||
        try_other_size(transfer)) {
        return;
    }
    transfer->size_count--;
    if (prospect_is_changed(download)) {
        conclude(transfer, -P2P_ECHANGED, "it was changed or removed while it was fetched");
    } else if (proof_is_hopeless(&download->proof) || download->proof.failures > 0) {
        conclude(transfer, -P2P_EVERIFY,
                 "no holder sent bytes with that SHA-256; nothing was kept");
    } else if (known == 0) {
        conclude(transfer, -P2P_ENOTFOUND, "nobody has it any more");
    } else if (waited > patience) {
        explain(transfer, others, known);
        conclude(transfer, -P2P_EUNREACH, transfer->reason);
    }
}

/* All pieces are proven. The name comes when no lane can write any more. */
static void wind_up(struct transfer *transfer)
{
    contact_stop(&transfer->download);
    sources_stop(&transfer->download);
    fetch_stop(&transfer->download);
    if (transfer->download.want.unnamed) {
        conclude(transfer, 0, "");
    } else if (is_quiet(transfer)) {
        begin_finish(transfer);
    }
}

/* What makes all that follows needless. */
static bool has_failed(struct transfer *transfer)
{
    struct download *download = &transfer->download;

    if (download->fatal == -P2P_ETOOBIG) {
        transfer->keep = false;
        conclude(transfer, download->fatal, "the disk takes no file of that size");
    } else if (download->fatal != 0) {
        snprintf(transfer->reason, sizeof transfer->reason, "%s%s", log_error(download->fatal),
                 download->want.unnamed ? "" : "; the .part is kept");
        conclude(transfer, download->fatal, transfer->reason);
    } else if (download->stream.broken || (transfer->next_size >= 0 && download->stream.next > 0)) {
        conclude(transfer, -P2P_EVERIFY, "bytes that were given out already turned out wrong");
    }
    return download->phase == TRANSFER_STOPPING;
}

/* Nobody may write to the piece's place while it is read. */
static void give(struct download *download)
{
    if (stream_is_due(download) && fetch_leave_piece(download, download->stream.next)) {
        stream_give(download);
    }
}

static void run(struct transfer *transfer)
{
    struct download *download = &transfer->download;

    if (has_failed(transfer)) {
        return;
    }
    give(download);
    publish_pump(download);
    if (transfer->next_size >= 0) {
        if (is_quiet(transfer)) {
            adopt_size(transfer);
            transfer->again = true;
        }
    } else if (proof_is_finished(&download->proof) && stream_is_over(download)) {
        wind_up(transfer);
    } else {
        sources_pump(download);
        hints_hear(download);
        contact_pump(download);
        if (resume_pump(download)) {
            fetch_pump(download);
        }
        if (!transfer->reserved && download->pieces > 1 && download->want.window == 0 &&
            proof_has_size(&download->proof)) {
            reserve(transfer);
        }
        if (prospect_is_useful(download, transfer->stuck)) {
            transfer->useful_ms = loop_now_ms(download->config.loop);
            transfer->wait_ms = 0;
        } else {
            look_for_help(transfer);
        }
    }
}

/* Looks what is due. Parts call it back while it runs: then it runs once more. */
static void advance(struct transfer *transfer)
{
    struct download *download = &transfer->download;
    struct loop *loop = download->config.loop;

    if (transfer->advancing) {
        transfer->again = true;
        return;
    }
    transfer->advancing = true;
    do {
        transfer->again = false;
        if (download->phase == TRANSFER_RUNNING) {
            run(transfer);
        }
    } while (transfer->again);
    transfer->advancing = false;
    if (download->phase == TRANSFER_STOPPING && is_quiet(transfer)) {
        end(transfer);
    } else if (download->phase != TRANSFER_IDLE) {
        loop_set_timer(loop, &transfer->tick, loop_now_ms(loop) + TICK_MS);
    }
}

struct held *transfer_held(struct transfer *transfer)
{
    return &transfer->download.held;
}

const char *transfer_start_reason(int error)
{
    return error == -P2P_EMFILE ? "out of file descriptors; allow more with ulimit -n"
                                : "larger than the memory has room for; give more with --memory";
}

void transfer_given(struct transfer *transfer)
{
    stream_given(&transfer->download);
    advance(transfer);
}

uint32_t transfer_window(int64_t size)
{
    uint32_t pieces = WINDOW_BYTES / digest_piece_size(size);

    return pieces < WINDOW_LEAST ? WINDOW_LEAST : pieces > WINDOW_MOST ? WINDOW_MOST : pieces;
}

void transfer_progress(struct transfer *transfer, struct transfer_progress *out)
{
    struct download *download = &transfer->download;
    int64_t now = loop_now_ms(download->config.loop);
    bool over = download->phase == TRANSFER_IDLE;

    *out = (struct transfer_progress){
        .phase = download->phase,
        .size = download->want.size,
        .done = over && transfer->result == 0 ? download->want.size : download->held_bytes,
        .found = download->part.found,
        .resumed = download->resume.right,
        .wasted = download->wasted,
        .retries = download->retries,
        .rate = bucket_meter_rate(&download->meter, plat_now_us()),
        .elapsed_ms = (over ? transfer->ended_ms : now) - transfer->started_ms};
    if (download->phase == TRANSFER_RUNNING && prospect_count(download, HOLDER_READY) == 0) {
        out->phase = TRANSFER_FINDING;
    } else if (download->phase == TRANSFER_RUNNING && transfer->wait_ms > 0) {
        out->phase = TRANSFER_STUCK;
        out->nowhere = transfer->nowhere;
        out->pieces = download->pieces;
        out->wait_ms = transfer->wait_ms;
    }
    report_silence(download, now, out);
    report_sources(download, transfer->started_ms, out);
}
