/* SPDX-License-Identifier: MIT */
/* Two pages: the loop fills one while the worker writes the other. The worker opens, hashes,
 * writes, and at the end adds the line with the hash of all bytes before it. A failure anywhere
 * leaves the old file as it is. Loop thread, but for saving_work. */
#include "index/saving.h"

#include "base/state.h"
#include "index/changes.h"
#include "index/dump.h"
#include "platform/plat_file.h"
#include "run/worker.h"
#include "wire/told.h"

#include <stdio.h>

enum { SAVING_WORK = 1500 /* units of the walk in a slice: lines are made along with them */ };
#define SAVING_NEW SAVING_NAME ".new"

size_t saving_head(const struct record_id *id, char out[static SAVING_HEAD_MAX])
{
    struct buf buf = buf_on(out, SAVING_HEAD_MAX);
    buf_put(&buf, STR("{\"p2p\":\"" SAVING_NAME "\",\"v\":1"));
    json_put_field_hex(&buf, "id", id->bytes, sizeof(id->bytes));
    buf_put(&buf, STR("}\n"));
    return buf.len;
}

/* ---- the worker ---- */

static int saving_write(struct saving *saving, struct str bytes)
{
    int error = plat_write(saving->fd, bytes.ptr, bytes.len);
    saving->bytes += error ? 0 : bytes.len;
    return error;
}

static int saving_write_tail(struct saving *saving)
{
    char text[SAVING_TAIL_MAX];
    uint8_t hash[P2P_SHA256_SIZE];
    struct buf buf = buf_on(text, sizeof(text));
    digest_final(&saving->digest, hash);
    told_put_end(&buf, text_from(saving->role->feed), saving->n);
    buf.len--; /* the brace */
    json_put_field_hex(&buf, "sha256", hash, sizeof(hash));
    buf_put(&buf, STR("}\n"));
    int error = saving_write(saving, buf_str(&buf));
    return error ? error : plat_fsync(saving->fd);
}

static void saving_work(struct worker_job *job)
{
    struct saving *saving = (struct saving *)(void *)job;
    int folder = saving->role->config.folder;
    if (saving->fd < 0 && !saving->error) {
        saving->fd = plat_open_beneath(folder, SAVING_NEW,
                                       PLAT_WRITE | PLAT_CREATE | PLAT_TRUNCATE | PLAT_PRIVATE);
        saving->error = saving->fd < 0 ? saving->fd : 0;
    }
    if (!saving->error) {
        digest_update(&saving->digest, saving->batch.ptr, saving->batch.len);
        saving->error = saving_write(saving, saving->batch);
    }
    if (!saving->error && saving->last)
        saving->error = saving_write_tail(saving);
    if (saving->fd >= 0 && (saving->last || saving->error)) {
        plat_close(saving->fd);
        saving->fd = -1;
        if (!saving->error)
            saving->error = plat_rename_beneath(folder, SAVING_NEW, folder, SAVING_NAME, true);
        if (!saving->error)
            saving->error = plat_fsync(folder);
        if (saving->error)
            (void)plat_unlink_beneath(folder, SAVING_NEW);
        state_count_written(saving->bytes);
    }
}

/* ---- the loop ---- */

static void saving_finish(struct saving *saving, int error)
{
    if (loop_has_task(&saving->task))
        loop_remove_task(saving->role->config.loop, &saving->task);
    saving->under_way = false;
    saving->done(saving->role, error);
}

static void saving_wake(struct saving *saving)
{
    if (!loop_has_task(&saving->task))
        loop_add_task(saving->role->config.loop, &saving->task);
}

static void saving_written(struct worker_job *job)
{
    struct saving *saving = (struct saving *)(void *)job;
    saving->writing = false;
    if (saving->error || saving->last)
        saving_finish(saving, saving->failed ? saving->failed : saving->error);
    else
        saving_wake(saving);
}

/* Hands the page that was filled to the worker and takes the other. */
static void saving_hand_over(struct saving *saving)
{
    struct buf *page = &saving->page[saving->filling];
    saving->batch = buf_str(page);
    saving->last = saving->ended;
    saving->writing = true;
    saving->filling ^= 1;
    saving->page[saving->filling].len = 0;
    saving->job = (struct worker_job){
        .work = saving_work, .done = saving_written, .home = saving->role->config.loop};
    worker_submit(saving->role->config.background, &saving->job);
}

/* Half a file is of no use: the worker takes it away. */
static void saving_fail(struct saving *saving, int error)
{
    saving->failed = error;
    saving->error = error;
    saving->ended = true;
    saving->page[saving->filling].len = 0;
}

static bool saving_has_room(const struct saving *saving)
{
    const struct buf *page = &saving->page[saving->filling];
    return page->size - page->len >= P2P_LINE_MAX;
}

static bool saving_step(void *context)
{
    struct saving *saving = context;
    struct buf *page = &saving->page[saving->filling];
    struct snapshot_item item;
    uint32_t work = SAVING_WORK;
    int result = 1;
    changes_want(saving->role, CHANGES_SAVE_MS);
    while (!saving->ended && result == 1 && saving_has_room(saving)) {
        result = snapshot_next(&saving->snapshot, &work, &item, &saving->n);
        if (result == 1)
            dump_put(saving->role, page, NULL, &item);
        saving->ended = result == 0;
    }
    if (result < 0 && result != -P2P_EAGAIN && !saving->writing)
        saving_fail(saving, -P2P_EBUSY);
    if (!saving->ended && saving_has_room(saving))
        return true;
    if (saving->writing)
        return false; /* goes on when that is written */
    saving_hand_over(saving);
    return !saving->ended;
}

void saving_begin(struct saving *saving)
{
    struct index_role *role = saving->role;
    changes_want(role, CHANGES_SAVE_MS);
    snapshot_begin(&saving->snapshot, role->catalog, &role->lines, NULL, NULL);
    saving->filling = saving->failed = saving->error = 0;
    saving->ended = saving->last = saving->writing = false;
    saving->under_way = true;
    saving->fd = -1;
    saving->bytes = 0;
    digest_init(&saving->digest);
    saving->page[0].len = saving_head(&role->config.id, saving->page[0].ptr);
    saving->task = (struct loop_task){.step = saving_step, .ctx = saving};
    saving_wake(saving);
}

void saving_stop(struct saving *saving)
{
    if (!saving->under_way)
        return;
    if (loop_has_task(&saving->task))
        loop_remove_task(saving->role->config.loop, &saving->task);
    if (saving->fd >= 0)
        plat_close(saving->fd);
    saving->fd = -1;
    saving->under_way = false;
    (void)plat_unlink_beneath(saving->role->config.folder, SAVING_NEW);
}
