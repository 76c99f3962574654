/* SPDX-License-Identifier: MIT */
/* Goes through the table in slot order, some records at a time. A record that is dropped meanwhile
 * leaves a hole that the next compaction takes out; none is added, since nothing is hashed. Loop
 * thread, but for work. */
#include "peer/compact.h"

#include "base/log.h"
#include "platform/plat_file.h"
#include "wire/digest.h"

enum { COMPACT_AGAIN_MS = 600000 }; /* the same trouble is said again */

static struct tree *tree_of(const struct compact *compact)
{
    return &compact->entries->tree;
}

int compact_init(struct compact *compact, struct arena *arena)
{
    size_t size = ((size_t)tree_of(compact)->files.count + 1) * sizeof(uint32_t);
    compact->moved = arena_carve(arena, size, sizeof(uint32_t));
    compact->job.compact = compact;
    return compact->moved ? 0 : -P2P_EFULL;
}

/* Takes the next records into the job. */
static void job_fill(struct compact *compact)
{
    struct compact_job *job = &compact->job;
    job->count = 0;
    job->last = true;
    while ((compact->slot = tree_next_file(tree_of(compact), compact->slot)) != 0) {
        uint32_t record = tree_file(tree_of(compact), compact->slot)->record;
        compact->moved[compact->slot] = 0;
        if (record == 0)
            continue;
        job->slots[job->count] = compact->slot;
        job->from[job->count++] = record;
        if (job->count == COMPACT_BATCH) {
            job->last = false;
            return;
        }
    }
}

static void job_move(struct compact_job *job)
{
    struct compact *compact = job->compact;
    for (uint32_t i = 0; i < job->count; i++)
        job->to[i] = cache_move(&compact->move, job->from[i]);
    if (job->last)
        job->result = cache_move_end(&compact->move);
}

static void job_take(struct compact_job *job)
{
    struct compact *compact = job->compact;
    for (uint32_t i = 0; i < job->count; i++)
        compact->moved[job->slots[i]] = job->to[i];
}

/* What could not be kept before is hashed again, for its chain. */
static void rehash_lost(struct compact *compact)
{
    for (uint32_t slot = 0; (slot = tree_next_file(tree_of(compact), slot)) != 0;) {
        const struct tree_file *file = tree_file(tree_of(compact), slot);
        if (file->record == 0 && digest_piece_count(file->size) > 1)
            entries_rehash(compact->entries, slot);
    }
}

/* When the new file is in its place, so are the records, as far as they still count. */
static void switch_over(struct compact *compact)
{
    struct cache *cache = compact->cache;
    compact->open = false;
    if (compact->job.result < 0)
        return;
    for (uint32_t slot = 0; (slot = tree_next_file(tree_of(compact), slot)) != 0;) {
        struct tree_file *file = tree_file(tree_of(compact), slot);
        if (file->record != 0)
            file->record = compact->moved[slot];
    }
    cache_move_switch(&compact->move);
    if (compact->leaving) {
        atomic_store(&cache->broken, false);
        rehash_lost(compact);
    }
    log_line(LOG_DEBUG, "share", "hash cache compacted from %u to %u KiB",
             (unsigned)(compact->before / (1024 / CACHE_UNIT)),
             (unsigned)(atomic_load(&cache->end) / (1024 / CACHE_UNIT)));
}

static bool open_new(struct compact *compact)
{
    compact->before = atomic_load(&compact->cache->end);
    compact->slot = 0;
    if (compact->leaving)
        compact->cache->folder = -1;
    compact->open = (compact->leaving || cache_is_wasteful(compact->cache)) &&
                    cache_move_begin(&compact->move, compact->cache) == 0;
    return compact->open;
}

void compact_now(struct compact *compact)
{
    if (!open_new(compact))
        return;
    do {
        job_fill(compact);
        job_move(&compact->job);
        job_take(&compact->job);
    } while (!compact->job.last);
    switch_over(compact);
}

/* ---- while the rest goes on ---- */

static void job_work(struct worker_job *item)
{
    job_move((struct compact_job *)item);
}

static void job_send(struct compact *compact);

static void job_done(struct worker_job *item)
{
    struct compact_job *job = (struct compact_job *)item;
    struct compact *compact = job->compact;
    job_take(job);
    if (!job->last) {
        job_send(compact);
        return;
    }
    switch_over(compact);
    compact->busy = compact->leaving = false;
    hasher_go_on(compact->hasher);
}

static void job_send(struct compact *compact)
{
    struct compact_job *job = &compact->job;
    job_fill(compact);
    job->job.work = job_work;
    job->job.done = job_done;
    job->job.home = compact->home;
    worker_submit(compact->worker, &job->job);
}

static void on_paused(void *ctx)
{
    struct compact *compact = ctx;
    if (open_new(compact)) {
        job_send(compact);
        return;
    }
    compact->busy = compact->leaving = false;
    hasher_go_on(compact->hasher);
}

void compact_begin(struct compact *compact)
{
    if (compact->busy || !cache_is_wasteful(compact->cache))
        return;
    compact->busy = true;
    hasher_pause(compact->hasher, on_paused, compact);
}

void compact_leave(struct compact *compact)
{
    if (compact->busy || compact->cache->fd < 0)
        return;
    if (log_pass(&compact->gate, COMPACT_AGAIN_MS))
        log_line(LOG_WARN, "share",
                 "the hash cache cannot be written: what is hashed from now on is hashed again "
                 "after the next start");
    compact->busy = compact->leaving = true;
    hasher_pause(compact->hasher, on_paused, compact);
}

void compact_close(struct compact *compact)
{
    if (compact->open)
        cache_move_abort(&compact->move);
    compact->open = compact->busy = false;
}
