/* SPDX-License-Identifier: MIT */
/* A lane is a job that goes to its worker for a few milliseconds, with some files to hash, and
 * comes back with results; two of its files are open at a time. So whoever waits for the worker
 * waits shortly, what is asked for comes next, and the rate needs no lock. Loop thread, but for
 * what begins with lane_. */
#include "peer/hasher.h"

#include "base/state.h"
#include "base/text.h"
#include "platform/plat.h"
#include "wire/digest.h"

#include <assert.h>
#include <string.h>

enum {
    HASHER_TASKS = 24,         /* files that a lane takes along: small ones go by quickly */
    HASHER_HELD = 4,           /* of any size: two that are open, two that follow them at once */
    HASHER_AHEAD = 256 * 1024, /* bytes of files behind these */
    HASHER_ASKED = 2,          /* the slot of a file that is asked for */
    HASHER_SLOTS = 3,
    HASHER_BUFFER = 128 * 1024,     /* read at once: stays in the second-level cache */
    HASHER_STATES = P2P_PIECES_AIM, /* of a chain that are kept in memory; more go to a file */
    HASHER_OUT = 12 * 1024,         /* records written at once */
    HASHER_TURN_MS = 20,
    HASHER_TURN_IDLE_MS = 5 /* a wait for the rate is not shorter */
};
_Static_assert(HASHER_BUFFER <= P2P_PIECE_MIN * 2, "a read ends at most at the second boundary");

enum hasher_phase { TASK_WAITS, TASK_OPEN, TASK_DONE };

struct hasher_task {
    enum hasher_phase phase;
    bool asked; /* before others */
    int64_t size;
    struct entries_result result;
    uint32_t out_at; /* of its record in out, plus 1; 0: none there */
    char path[P2P_PATH_MAX + 1];
};

/* A file that a lane reads. While one is asked for, the other two rest. */
struct hasher_slot {
    struct hasher_task *task; /* NULL: free */
    int file, spill;          /* spill: states that found no room, -1: none */
    int64_t done;
    uint32_t states, states_crc, piece;
    struct digest digest, chain;
    struct plat_stat stat;
    size_t have, used; /* bytes in buffer, and those hashed */
    uint8_t *buffer;
    uint8_t *chain_states;
};

struct hasher_lane {
    struct worker_job job;
    struct hasher *hasher;
    struct worker *worker;
    bool away; /* at the worker */
    uint64_t allowance, read;
    struct hasher_slot slot[HASHER_SLOTS];
    struct hasher_shown {
        uint32_t file;
        int64_t done, size;
    } shown[HASHER_SLOTS]; /* as the lane last came back */
    struct hasher_task tasks[HASHER_TASKS];
    size_t out_used;
    _Alignas(8) uint8_t out[HASHER_OUT];
};

struct hasher {
    struct hasher_config config;
    struct bucket bucket;
    struct loop_timer timer;
    uint32_t asked; /* files that were asked for, on all lanes */
    bool pausing;
    void (*paused)(void *ctx);
    void *paused_ctx;
    uint64_t read;
    int lane_count;
    struct hasher_lane *lanes;
};

/* ---- one file, on the worker ---- */

static void lane_give(struct hasher_slot *slot, int result)
{
    slot->task->result.result = result;
    slot->task->phase = TASK_DONE;
    slot->task = NULL;
    if (slot->file >= 0)
        plat_close(slot->file);
    if (slot->spill >= 0)
        plat_close(slot->spill);
    slot->file = slot->spill = -1;
}

static void lane_open(struct hasher_lane *lane, struct hasher_slot *slot, struct hasher_task *task)
{
    int root = plat_open_folder(lane->hasher->config.share);
    slot->task = task;
    slot->spill = -1;
    slot->file = root < 0 ? root : plat_open_beneath(root, task->path, PLAT_READ);
    if (root >= 0)
        plat_close(root);
    int result = slot->file < 0 ? slot->file : plat_fstat(slot->file, &slot->stat);
    if (result >= 0 && entries_print(&slot->stat) != task->result.print)
        result = -P2P_ECHANGED;
    if (result < 0) {
        lane_give(slot, result);
        return;
    }
    task->phase = TASK_OPEN;
    plat_read_ahead(slot->file);
    slot->done = 0;
    slot->states = slot->states_crc = 0;
    slot->have = slot->used = 0;
    slot->piece = digest_piece_size(task->size);
    digest_init(&slot->digest);
    digest_chain_id_begin(&slot->chain, task->size);
}

/* States beyond those that fit go to a file; the first that does, takes all along. */
static int lane_spill(struct hasher_lane *lane, struct hasher_slot *slot)
{
    struct cache *cache = lane->hasher->config.cache;
    uint32_t kept = slot->states % HASHER_STATES;
    if (slot->states == 0 || kept != 0)
        return 0;
    if (slot->spill < 0)
        slot->spill = cache->folder >= 0 ? plat_open_unnamed(cache->folder) : -P2P_ENOSPC;
    if (slot->spill < 0)
        return slot->spill;
    size_t size = (size_t)HASHER_STATES * P2P_SHA256_SIZE;
    return plat_pwrite(slot->spill, slot->chain_states, size,
                       (int64_t)(slot->states - HASHER_STATES) * P2P_SHA256_SIZE);
}

/* At a boundary inside the file. */
static int lane_state(struct hasher_lane *lane, struct hasher_slot *slot)
{
    int result = lane_spill(lane, slot);
    uint8_t *out = slot->chain_states + (size_t)(slot->states % HASHER_STATES) * P2P_SHA256_SIZE;
    digest_state(&slot->digest, out);
    digest_update(&slot->chain, out, P2P_SHA256_SIZE);
    slot->states_crc = state_crc32(slot->states_crc, out, P2P_SHA256_SIZE);
    slot->states++;
    return result;
}

/* ---- its record ---- */

static void lane_flush(struct hasher_lane *lane)
{
    struct cache *cache = lane->hasher->config.cache;
    if (lane->out_used == 0)
        return;
    uint32_t place = cache_append(cache, lane->out, lane->out_used);
    for (int i = 0; i < HASHER_TASKS; i++) {
        struct hasher_task *task = &lane->tasks[i];
        if (task->out_at != 0 && place != 0)
            task->result.record = place + (task->out_at - 1) / CACHE_UNIT;
        task->out_at = 0;
    }
    lane->out_used = 0;
}

/* A chain of any length, of which the last part is in memory and the rest in the spill. */
static uint32_t lane_append_spilt(struct hasher_lane *lane, struct hasher_slot *slot, size_t size)
{
    uint32_t kept =
        slot->states % HASHER_STATES == 0 ? HASHER_STATES : slot->states % HASHER_STATES;
    int64_t at = (int64_t)(slot->states - kept) * P2P_SHA256_SIZE;
    if (plat_pwrite(slot->spill, slot->chain_states, (size_t)kept * P2P_SHA256_SIZE, at) < 0)
        return 0;
    return cache_append_file(lane->hasher->config.cache, lane->out, size, slot->spill,
                             slot->states);
}

static void lane_record(struct hasher_lane *lane, struct hasher_slot *slot)
{
    struct hasher_task *task = slot->task;
    struct cache_record record = {.path = text_from(task->path),
                                  .stat = slot->stat,
                                  .racy = task->result.racy,
                                  .content = task->result.content,
                                  .states = slot->states,
                                  .states_crc = slot->states_crc};
    size_t size = (size_t)cache_units(record.path.len, 0) * CACHE_UNIT;
    digest_chain_id_end(&slot->chain, record.chain_id);
    if (slot->states > 0 || size > HASHER_OUT - lane->out_used)
        lane_flush(lane);
    cache_encode(&record, lane->out + lane->out_used);
    if (slot->spill >= 0) {
        task->result.record = lane_append_spilt(lane, slot, size);
    } else if (slot->states > 0) {
        task->result.record = cache_append_chain(lane->hasher->config.cache, lane->out, size,
                                                 slot->chain_states, slot->states);
    } else {
        task->out_at = (uint32_t)lane->out_used + 1;
        lane->out_used += size;
    }
}

/* All bytes are in: was it the same file to the end? */
static void lane_finish(struct hasher_lane *lane, struct hasher_slot *slot)
{
    struct hasher_task *task = slot->task;
    struct plat_stat now;
    uint8_t more;
    int result = plat_fstat(slot->file, &now);
    if (result == 0 && (entries_print(&now) != task->result.print ||
                        plat_pread(slot->file, &more, 1, task->size) != 0))
        result = -P2P_ECHANGED;
    if (result == 0) {
        digest_final(&slot->digest, task->result.content.bytes);
        task->result.racy = entries_is_racy(slot->stat.mtime_ns / 1000000000, plat_wall_s());
        lane_record(lane, slot);
    }
    lane_give(slot, result);
}

/* ---- two files, on the worker ---- */

/* Reads more when all was hashed. False: this file is done with. */
static bool lane_fill(struct hasher_lane *lane, struct hasher_slot *slot)
{
    int64_t left = slot->task->size - slot->done;
    if (slot->used < slot->have)
        return true;
    if (left == 0) {
        lane_finish(lane, slot);
        return false;
    }
    size_t want = left < HASHER_BUFFER ? (size_t)left : HASHER_BUFFER;
    int64_t got = plat_pread(slot->file, slot->buffer, want, slot->done);
    if (got != (int64_t)want) {
        lane_give(slot, got < 0 ? (int)got : -P2P_ECHANGED);
        return false;
    }
    slot->have = want;
    slot->used = 0;
    lane->read += want;
    return true;
}

/* Bytes of the buffer up to the next boundary. */
static size_t lane_span(const struct hasher_slot *slot)
{
    int64_t piece_left = slot->piece - slot->done % slot->piece;
    size_t left = slot->have - slot->used;
    return (int64_t)left < piece_left ? left : (size_t)piece_left;
}

static void lane_advance(struct hasher_lane *lane, struct hasher_slot *slot, size_t size)
{
    slot->used += size;
    slot->done += (int64_t)size;
    if (slot->done % slot->piece == 0 && slot->done < slot->task->size) {
        int result = lane_state(lane, slot);
        if (result < 0)
            lane_give(slot, result == -P2P_EIO ? -P2P_ENOSPC : result);
    }
}

static void lane_hash_one(struct hasher_lane *lane, struct hasher_slot *slot)
{
    size_t size = lane_span(slot);
    digest_update(&slot->digest, slot->buffer + slot->used, size);
    lane_advance(lane, slot, size);
}

static void lane_hash(struct hasher_lane *lane)
{
    struct hasher_slot *a = &lane->slot[0], *b = &lane->slot[1];
    struct hasher_slot *asked = &lane->slot[HASHER_ASKED];
    if (asked->task || !a->task || !b->task) {
        lane_hash_one(lane, asked->task ? asked : a->task ? a : b);
        return;
    }
    size_t size_a = lane_span(a), size_b = lane_span(b);
    size_t size = size_a < size_b ? size_a : size_b;
    digest_update2(&a->digest, a->buffer + a->used, &b->digest, b->buffer + b->used, size);
    lane_advance(lane, a, size);
    lane_advance(lane, b, size);
}

static struct hasher_task *lane_waiting(struct hasher_lane *lane, bool asked)
{
    for (int i = 0; i < HASHER_TASKS; i++) {
        struct hasher_task *task = &lane->tasks[i];
        if (task->phase == TASK_WAITS && task->result.file != 0 && task->asked == asked)
            return task;
    }
    return NULL;
}

/* The slot has bytes to hash, as long as there are files. */
static bool lane_load_slot(struct hasher_lane *lane, struct hasher_slot *slot, bool asked)
{
    for (;;) {
        struct hasher_task *task = slot->task ? NULL : lane_waiting(lane, asked);
        if (task)
            lane_open(lane, slot, task);
        else if (!slot->task)
            return false;
        if (slot->task && lane_fill(lane, slot))
            return true;
    }
}

/* False: there is nothing to hash. */
static bool lane_load(struct hasher_lane *lane)
{
    if (lane_load_slot(lane, &lane->slot[HASHER_ASKED], true))
        return true;
    bool a = lane_load_slot(lane, &lane->slot[0], false);
    bool b = lane_load_slot(lane, &lane->slot[1], false);
    return a || b;
}

static void lane_work(struct worker_job *job)
{
    struct hasher_lane *lane = (struct hasher_lane *)job;
    int64_t until_ms = plat_now_ms() + HASHER_TURN_MS;
    lane->read = 0;
    while (lane->read <= lane->allowance && lane_load(lane)) {
        lane_hash(lane);
        if (plat_now_ms() >= until_ms)
            break;
    }
    lane_flush(lane);
}

/* ---- lanes, on the loop ---- */

static void lane_done(struct worker_job *job);

/* Fills a place of the lane. False: there is no file for it. */
static bool take_task(struct hasher *hasher, struct hasher_task *task, bool asked)
{
    struct entries_task next;
    if (hasher->pausing || !hasher->config.next(hasher->config.ctx, asked, &next, task->path))
        return false;
    task->phase = TASK_WAITS;
    task->asked = asked;
    task->size = next.size;
    task->out_at = 0;
    task->result = (struct entries_result){.file = next.file, .print = next.print};
    hasher->asked += asked;
    return true;
}

static struct hasher_task *free_task(struct hasher_lane *lane)
{
    for (int i = 0; i < HASHER_TASKS; i++)
        if (lane->tasks[i].result.file == 0)
            return &lane->tasks[i];
    return NULL;
}

/* Gives a lane what is asked for, some files of any size, and small ones behind these. */
static void hand_out(struct hasher *hasher, struct hasher_lane *lane)
{
    struct hasher_task *task;
    int64_t ahead = 0;
    int count = 0;
    bool asked = false;
    for (int i = 0; i < HASHER_TASKS; i++) {
        task = &lane->tasks[i];
        if (task->result.file == 0)
            continue;
        asked = asked || task->asked;
        if (!task->asked && ++count > HASHER_HELD)
            ahead += task->size;
    }
    if (!asked && (task = free_task(lane)) != NULL)
        take_task(hasher, task, true);
    while ((count < HASHER_HELD || ahead < HASHER_AHEAD) && (task = free_task(lane)) != NULL &&
           take_task(hasher, task, false))
        if (++count > HASHER_HELD)
            ahead += task->size;
}

static bool lane_has(const struct hasher_lane *lane, bool asked)
{
    for (int i = 0; i < HASHER_TASKS; i++)
        if (lane->tasks[i].result.file != 0 && (lane->tasks[i].asked || !asked))
            return true;
    return false;
}

/* Where the rate is limited, all of it is for what is asked for. */
static bool lane_may_go(struct hasher *hasher, struct hasher_lane *lane)
{
    if (lane->away)
        return false;
    hand_out(hasher, lane);
    bool rests = hasher->bucket.rate != 0 && hasher->asked > 0;
    return lane_has(lane, rests);
}

/* Sends it off, when it has files and the rate allows. */
static void lane_send(struct hasher *hasher, struct hasher_lane *lane)
{
    int64_t now_us = plat_now_us();
    if (!lane_may_go(hasher, lane))
        return;
    lane->allowance = bucket_allow(&hasher->bucket, UINT32_MAX, now_us);
    if (lane->allowance == 0) {
        int64_t wait_ms = bucket_wait_ms(&hasher->bucket, now_us);
        if (wait_ms < HASHER_TURN_IDLE_MS)
            wait_ms = HASHER_TURN_IDLE_MS;
        int result = loop_set_timer(hasher->config.loop, &hasher->timer, plat_now_ms() + wait_ms);
        assert(result == 0);
        (void)result;
        return;
    }
    lane->away = true;
    lane->job.work = lane_work;
    lane->job.done = lane_done;
    lane->job.home = hasher->config.loop;
    worker_submit(lane->worker, &lane->job);
}

static void take_results(struct hasher *hasher, struct hasher_lane *lane)
{
    for (int i = 0; i < HASHER_TASKS; i++) {
        struct hasher_task *task = &lane->tasks[i];
        if (task->result.file == 0 || task->phase != TASK_DONE)
            continue;
        struct entries_result result = task->result;
        task->result.file = 0;
        hasher->asked -= task->asked;
        hasher->config.hashed(hasher->config.ctx, &result);
    }
}

static void lane_done(struct worker_job *job)
{
    struct hasher_lane *lane = (struct hasher_lane *)job;
    struct hasher *hasher = lane->hasher;
    lane->away = false;
    hasher->read += lane->read;
    bucket_take(&hasher->bucket, lane->read);
    for (int i = 0; i < HASHER_SLOTS; i++) {
        const struct hasher_slot *slot = &lane->slot[i];
        lane->shown[i] = (struct hasher_shown){0};
        if (slot->task)
            lane->shown[i] =
                (struct hasher_shown){slot->task->result.file, slot->done, slot->task->size};
    }
    take_results(hasher, lane);
    hasher_wake(hasher);
}

bool hasher_is_idle(const struct hasher *hasher)
{
    for (int i = 0; i < hasher->lane_count; i++)
        for (int k = 0; k < HASHER_TASKS; k++)
            if (hasher->lanes[i].tasks[k].result.file != 0)
                return false;
    return true;
}

void hasher_wake(struct hasher *hasher)
{
    for (int i = 0; i < hasher->lane_count; i++)
        lane_send(hasher, &hasher->lanes[i]);
    if (hasher->pausing && hasher->paused && hasher_is_idle(hasher)) {
        void (*paused)(void *ctx) = hasher->paused;
        hasher->paused = NULL;
        paused(hasher->paused_ctx);
    }
}

void hasher_pause(struct hasher *hasher, void (*paused)(void *ctx), void *ctx)
{
    hasher->pausing = true;
    hasher->paused = paused;
    hasher->paused_ctx = ctx;
    hasher_wake(hasher);
}

void hasher_go_on(struct hasher *hasher)
{
    hasher->pausing = false;
    hasher_wake(hasher);
}

static void on_time(void *ctx)
{
    hasher_wake(ctx);
}

void hasher_set_rate(struct hasher *hasher, uint64_t rate)
{
    bucket_init(&hasher->bucket, rate, rate / 10 > HASHER_BUFFER ? rate / 10 : HASHER_BUFFER,
                plat_now_us());
}

static int lane_init(struct hasher_lane *lane, struct arena *arena)
{
    for (int i = 0; i < HASHER_SLOTS; i++) {
        struct hasher_slot *slot = &lane->slot[i];
        slot->file = slot->spill = -1;
        slot->buffer = arena_carve(arena, HASHER_BUFFER, 4096);
        slot->chain_states = arena_carve(arena, (size_t)HASHER_STATES * P2P_SHA256_SIZE, 4096);
        if (!slot->buffer || !slot->chain_states)
            return -P2P_EFULL;
    }
    return 0;
}

int hasher_init(struct hasher **out, struct arena *arena, const struct hasher_config *config)
{
    struct hasher *hasher = arena_carve(arena, sizeof *hasher, 8);
    size_t size = (size_t)config->worker_count * sizeof(struct hasher_lane);
    struct hasher_lane *lanes = arena_carve(arena, size, 64);
    int result = hasher && lanes ? 0 : -P2P_EFULL;
    if (result < 0)
        return result;
    hasher->config = *config;
    hasher->lanes = lanes;
    hasher->timer = (struct loop_timer){.on_time = on_time, .ctx = hasher};
    hasher_set_rate(hasher, 0);
    for (int i = 0; result == 0 && i < config->worker_count; i++) {
        lanes[i].hasher = hasher;
        lanes[i].worker = &config->workers[i];
        result = lane_init(&lanes[i], arena);
        hasher->lane_count++;
    }
    *out = hasher;
    return result;
}

bool hasher_progress(const struct hasher *hasher, uint32_t file, int64_t *out_done)
{
    for (int i = 0; i < hasher->lane_count * HASHER_SLOTS; i++) {
        const struct hasher_shown *shown = &hasher->lanes[i / HASHER_SLOTS].shown[i % HASHER_SLOTS];
        if (shown->file != file)
            continue;
        *out_done = shown->done;
        return true;
    }
    return false;
}

void hasher_total(const struct hasher *hasher, int64_t *out_done, int64_t *out_size)
{
    *out_done = *out_size = 0;
    for (int i = 0; i < hasher->lane_count * HASHER_SLOTS; i++) {
        const struct hasher_shown *shown = &hasher->lanes[i / HASHER_SLOTS].shown[i % HASHER_SLOTS];
        *out_done += shown->done;
        *out_size += shown->size;
    }
}

uint64_t hasher_read(const struct hasher *hasher)
{
    return hasher->read;
}

void hasher_close(struct hasher *hasher)
{
    loop_stop_timer(hasher->config.loop, &hasher->timer);
    for (int i = 0; i < hasher->lane_count; i++) {
        for (int k = 0; k < HASHER_SLOTS; k++) {
            struct hasher_slot *slot = &hasher->lanes[i].slot[k];
            if (slot->task)
                lane_give(slot, -P2P_ECLOSED);
        }
    }
}
