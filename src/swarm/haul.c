/* SPDX-License-Identifier: MIT */
/* One step after the other; what a step decides the next one leaves alone. Loop thread. */
#include "swarm/haul.h"

#include "base/name.h"
#include "base/text.h"
#include "platform/plat.h"
#include "platform/plat_file.h"
#include "swarm/batch.h"
#include "swarm/survey.h"

#include <string.h>

struct haul {
    struct transfer_config config;
    struct haul_want want;
    enum haul_stage stage;
    struct survey survey;
    struct batch *batch;
    struct transfer *transfer;
    struct transfer_want transfer_want;
    struct transfer_progress progress;
    struct loop_post over;
    struct loop_timer again;
    char name[P2P_PART_MAX + 1];
    uint32_t next, decided; /* next: to be looked at for a transfer */
    uint64_t bytes, size;
    int64_t kept;
    int synced;
    bool stopping, gave_up; /* gave_up: no holder of some file could be reached */
};

enum { HAUL_AGAIN_MS = 250 }; /* looks whether another get has ended */

static void transfer_next(struct haul *haul);

static void tell_over(void *ctx)
{
    struct haul *haul = ctx;

    haul->want.done(haul->want.ctx, haul->synced);
}

static void end(struct haul *haul)
{
    haul->stage = HAUL_IDLE;
    haul->over = (struct loop_post){.run = tell_over, .ctx = haul};
    loop_defer(haul->config.loop, &haul->over);
}

static void decided(struct haul *haul, struct wanted *file,
                    const struct transfer_progress *transfer)
{
    haul->decided++;
    haul->bytes += file->result == 0 ? (uint64_t)file->size : 0;
    haul->want.on_file(haul->want.ctx, file, transfer);
}

/* --- one by one ---------------------------------------------------------------------------- */

/* What another get has brought meanwhile counts as here; else it is ours to fetch now. */
static void on_looked(void *ctx)
{
    struct haul *haul = ctx;
    struct wanted *file = &haul->want.files[haul->next];

    if (haul->stopping) {
        end(haul);
        return;
    }
    if (file->result != WANTED_OPEN) {
        haul->next++;
        decided(haul, file, NULL);
    }
    transfer_next(haul);
}

static void on_again(void *ctx)
{
    struct haul *haul = ctx;

    if (haul->stopping) {
        end(haul);
        return;
    }
    haul->survey.files = &haul->want.files[haul->next];
    haul->survey.count = 1;
    haul->survey.done = on_looked;
    survey_start(&haul->survey, haul->config.background, haul->config.loop);
}

/* Somebody else fetches the same into the same folder, or was faster. */
static bool waits(struct haul *haul, int result)
{
    struct loop *loop = haul->config.loop;

    if (haul->stopping || (result != -P2P_EINUSE && result != -P2P_EEXIST)) {
        return false;
    }
    haul->stage = HAUL_WAITING;
    haul->again = (struct loop_timer){.on_time = on_again, .ctx = haul};
    return loop_set_timer(loop, &haul->again,
                          loop_now_ms(loop) + (result == -P2P_EINUSE ? HAUL_AGAIN_MS : 0)) == 0;
}

static void on_transfer_done(void *ctx, int result, const char *reason)
{
    struct haul *haul = ctx;
    struct wanted *file = &haul->want.files[haul->next];

    transfer_progress(haul->transfer, &haul->progress);
    plat_close(haul->transfer_want.folder);
    if (result == -P2P_EAGAIN) {
        end(haul);
        return;
    }
    if (waits(haul, result)) {
        return;
    }
    file->result = result;
    file->reason = reason;
    file->size = haul->progress.size; /* what the index said may have been wrong */
    haul->gave_up |= result == -P2P_EUNREACH;
    haul->next++;
    decided(haul, file, &haul->progress);
    transfer_next(haul);
}

/* Opens the folder that the file goes into, which is made when it is not there. */
static int open_folder(const struct haul *haul, struct wanted *file)
{
    struct str folder = name_folder(file->path);
    char path[P2P_PATH_MAX + 1];
    int error = text_copy(folder, path, sizeof path);

    if (error == 0 && folder.len > 0) {
        error = plat_make_folders_beneath(haul->want.root, path);
    }
    int fd = error != 0 ? error : plat_open_folder_beneath(haul->want.root, path);
    if (fd < 0) {
        file->reason =
            fd == -P2P_EEXIST ? "a folder is needed where there is a file" : plat_reason();
    }
    return fd;
}

void haul_add_holders(struct transfer *transfer, const struct wanted *file,
                      const struct wanted_source *sources)
{
    for (int i = 0; i < file->source_count; i++) {
        struct record_result holder;
        wanted_holder(&sources[file->source[i]], &holder);
        transfer_add_holder(transfer, &holder);
    }
}

static int start_transfer(struct haul *haul, struct wanted *file)
{
    struct transfer_want *want = &haul->transfer_want;

    *want = (struct transfer_want){.content = file->content,
                                   .size = file->size,
                                   .mtime = file->mtime,
                                   .executable = file->executable,
                                   .folder = open_folder(haul, file),
                                   .name = haul->name,
                                   .replace = haul->want.replace,
                                   .constant = haul->want.constant,
                                   .lasting = haul->want.lasting,
                                   .done = on_transfer_done,
                                   .ctx = haul};
    if (want->folder < 0) {
        return want->folder;
    }
    text_copy(name_base(file->path), haul->name, sizeof haul->name);
    int error = transfer_start(haul->transfer, want);
    if (error != 0) {
        plat_close(want->folder);
        file->reason = transfer_start_reason(error);
        return error;
    }
    haul_add_holders(haul->transfer, file, haul->want.sources);
    return 0;
}

/* None of the holders that are known could be reached a moment ago: no second patience for them. */
static bool is_out_of_reach(const struct haul *haul, const struct wanted *file)
{
    bool silent = haul->gave_up && file->source_count > 0;

    for (int i = 0; i < file->source_count && silent; i++) {
        silent = haul->want.sources[file->source[i]].silent;
    }
    return silent;
}

/* True when a transfer runs; else its result is decided. */
static bool try_transfer(struct haul *haul, struct wanted *file)
{
    int error;

    if (is_out_of_reach(haul, file)) {
        error = -P2P_EUNREACH;
        file->reason = "none of its holders can be reached";
    } else {
        error = start_transfer(haul, file);
    }
    if (error == 0) {
        return true;
    }
    file->result = error == -P2P_ENOTFOUND ? -P2P_EIO : error; /* a folder, not a holder */
    return false;
}

static void transfer_next(struct haul *haul)
{
    haul->stage = HAUL_IN_TRANSFER;
    for (; haul->next < haul->want.count; haul->next++) {
        struct wanted *file = &haul->want.files[haul->next];
        if (file->result != WANTED_OPEN) {
            continue;
        }
        if (try_transfer(haul, file)) {
            return;
        }
        decided(haul, file, NULL);
    }
    end(haul);
}

/* --- in a batch ---------------------------------------------------------------------------- */

static void on_file(void *ctx, struct wanted *file)
{
    struct haul *haul = ctx;

    if (file->result == -P2P_ENOTFOUND) {
        file->result = -P2P_EIO; /* the folder has gone; nothing was asked of anybody */
    }
    decided(haul, file, NULL);
}

static void on_batch_done(void *ctx, int synced)
{
    struct haul *haul = ctx;

    haul->synced = synced;
    if (haul->stopping) {
        end(haul);
    } else {
        transfer_next(haul);
    }
}

/* The files of a batch together may be too much, where each alone is not. */
static bool has_room(const struct haul *haul)
{
    int64_t free_bytes = plat_free_space(haul->want.root), needed = 0;

    for (uint32_t i = 0; i < haul->want.count; i++) {
        const struct wanted *file = &haul->want.files[i];
        bool small = file->result == WANTED_OPEN && file->size <= BATCH_SIZE_MAX;
        needed += small ? file->size : 0;
    }
    return free_bytes < 0 || needed == 0 ||
           (uint64_t)needed + haul->config.min_free <= (uint64_t)free_bytes;
}

/* What is served on has to come by a transfer. */
static bool is_lasting(const struct haul *haul)
{
    return haul->want.lasting && haul->want.count == 1 && haul->want.files[0].size > 0;
}

static void begin_batch(struct haul *haul)
{
    struct batch_want want = {.root = haul->want.root,
                              .replace = haul->want.replace,
                              .files = haul->want.files,
                              .count = haul->want.count,
                              .sources = haul->want.sources,
                              .source_count = haul->want.source_count,
                              .on_file = on_file,
                              .done = on_batch_done,
                              .ctx = haul};

    haul->stage = HAUL_IN_BATCH;
    if (has_room(haul) && !is_lasting(haul)) {
        batch_start(haul->batch, &want);
    } else {
        transfer_next(haul); /* which says how much is missing for each */
    }
}

/* --- the look before ------------------------------------------------------------------------ */

static void on_surveyed(void *ctx)
{
    struct haul *haul = ctx;

    if (haul->stopping) {
        end(haul);
        return;
    }
    for (uint32_t i = 0; i < haul->want.count; i++) {
        struct wanted *file = &haul->want.files[i];
        if (file->state == 1 && file->result != WANTED_OPEN) {
            decided(haul, file, NULL);
        }
    }
    begin_batch(haul);
}

void haul_start(struct haul *haul, const struct haul_want *want)
{
    haul->want = *want;
    haul->stage = HAUL_SURVEYING;
    haul->stopping = haul->gave_up = false;
    haul->next = haul->decided = 0;
    haul->bytes = haul->size = 0;
    haul->kept = 0;
    haul->synced = 0;
    for (uint32_t i = 0; i < want->count; i++) {
        struct wanted *file = &want->files[i];
        file->state = file->result == WANTED_OPEN; /* ours to decide */
        haul->decided += !file->state;
        haul->size += file->state ? (uint64_t)file->size : 0;
    }
    haul->survey.root = want->root;
    haul->survey.replace = want->replace;
    haul->survey.files = want->files;
    haul->survey.count = want->count;
    haul->survey.done = on_surveyed;
    haul->survey.ctx = haul;
    atomic_store(&haul->survey.stop, false);
    survey_start(&haul->survey, haul->config.background, haul->config.loop);
}

/* --- from outside -------------------------------------------------------------------------- */

void haul_stop(struct haul *haul)
{
    struct transfer_progress *progress = &haul->progress;

    haul->stopping = true;
    switch (haul->stage) {
    case HAUL_SURVEYING:
    case HAUL_WAITING:
        atomic_store(&haul->survey.stop, true);
        break;
    case HAUL_IN_BATCH:
        batch_stop(haul->batch);
        break;
    case HAUL_IN_TRANSFER:
        transfer_progress(haul->transfer, progress);
        haul->kept = progress->done > progress->found ? progress->done : progress->found;
        haul->kept = haul->kept > HAUL_KEEP ? haul->kept : 0;
        transfer_stop(haul->transfer, haul->kept > 0);
        break;
    case HAUL_IDLE:
        break;
    }
}

struct transfer *haul_transfer(const struct haul *haul)
{
    return haul->transfer;
}

struct held *haul_held(const struct haul *haul)
{
    return transfer_held(haul->transfer);
}

int64_t haul_kept(const struct haul *haul)
{
    return haul->kept;
}

void haul_progress(const struct haul *haul, struct haul_progress *out)
{
    struct batch_progress batch;

    *out = (struct haul_progress){.stage = haul->stage,
                                  .done = haul->decided,
                                  .count = haul->want.count,
                                  .bytes = haul->bytes,
                                  .size = haul->size};
    if (haul->stage == HAUL_IN_BATCH) {
        batch_progress(haul->batch, &batch);
        out->staged = batch.staged;
    } else if (haul->stage >= HAUL_IN_TRANSFER && haul->next < haul->want.count) {
        out->file = &haul->want.files[haul->next];
        transfer_progress(haul->transfer, &out->transfer);
        if (haul->stage == HAUL_WAITING) {
            out->transfer.phase = TRANSFER_WAITING;
        }
        out->bytes += (uint64_t)out->transfer.done;
    }
}

void haul_close(struct haul *haul)
{
    batch_close(haul->batch);
}

int haul_init(struct haul **out, struct arena *arena, const struct transfer_config *config)
{
    struct transfer_config transfer = *config;
    size_t before = arena_left(arena);
    struct haul *haul = arena_carve(arena, sizeof *haul, 8);
    struct batch_config batch = {
        .loop = config->loop, .crew_count = config->worker_count, .background = config->background};

    size_t used = before - arena_left(arena) + batch_size();
    if (haul == NULL || config->memory <= used) {
        return -P2P_EFULL;
    }
    haul->config = *config;
    transfer.memory -= used;
    int error = transfer_init(&haul->transfer, arena, &transfer);
    if (error == 0) {
        batch.crews = transfer_crews(haul->transfer);
        error = batch_init(&haul->batch, arena, &batch);
    }
    *out = haul;
    return error;
}
