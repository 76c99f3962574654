/* SPDX-License-Identifier: MIT */
/* The spool lies where temporary files of any size may: $TMPDIR, else /var/tmp, else /tmp. First
 * thread, but for the job. */
#include "ui/live.h"

#include "base/text.h"
#include "platform/plat.h"
#include "platform/plat_file.h"
#include "swarm/haul.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIVE_BUFFER = 32 * 1024, LIVE_STDOUT = 1 };

static void finish(struct live *live, int result, const char *reason)
{
    if (live->spool >= 0) {
        plat_close(live->spool);
    }
    if (live->folder >= 0) {
        plat_close(live->folder);
    }
    live->spool = live->folder = -1;
    live->file->result = result;
    live->file->reason = reason;
    live->done(live->ctx, live->file, &live->progress);
}

/* --- writing, on the worker ---------------------------------------------------------------- */

static struct live *of_job(struct worker_job *job)
{
    return (struct live *)((char *)job - offsetof(struct live, job));
}

static int copy(struct live *live)
{
    uint8_t bytes[LIVE_BUFFER];
    uint64_t done = 0;

    while (done < live->length) {
        uint64_t left = live->length - done;
        size_t want = left < sizeof bytes ? (size_t)left : sizeof bytes;
        int64_t got = plat_pread(live->spool, bytes, want, live->place + (int64_t)done);
        if (got <= 0) {
            return got < 0 ? (int)got : -P2P_EIO;
        }
        int error = plat_write(LIVE_STDOUT, bytes, (size_t)got);
        if (error != 0) {
            return error;
        }
        done += (uint64_t)got;
    }
    return 0;
}

static void write_work(struct worker_job *job)
{
    struct live *live = of_job(job);

    live->result = copy(live);
    if (live->result != 0) {
        snprintf(live->reason, sizeof live->reason, "cannot write to standard output: %s",
                 plat_reason());
    }
}

static void begin_writing(struct live *live, int64_t place, uint64_t length,
                          void (*written)(struct worker_job *job))
{
    live->writing = true;
    live->place = place;
    live->length = length;
    live->job =
        (struct worker_job){.work = write_work, .done = written, .home = live->session->loop};
    worker_submit(&live->session->background, &live->job);
}

/* --- a stream ------------------------------------------------------------------------------ */

static void on_given(struct worker_job *job)
{
    struct live *live = of_job(job);

    live->writing = false;
    if (live->result != 0) {
        transfer_stop(live->transfer, false);
    }
    transfer_given(live->transfer);
}

static void on_piece(void *ctx, int64_t place, uint32_t length)
{
    begin_writing(ctx, place, length, on_given);
}

/* --- all at once --------------------------------------------------------------------------- */

static void on_written(struct worker_job *job)
{
    struct live *live = of_job(job);

    live->writing = false;
    finish(live, live->stopped ? -P2P_EAGAIN : live->result, live->reason);
}

static void on_transfer_done(void *ctx, int result, const char *reason)
{
    struct live *live = ctx;

    transfer_progress(live->transfer, &live->progress);
    live->file->size = live->progress.size;
    if (live->result != 0 && !live->stopped) { /* the reader has gone, not the holders */
        finish(live, live->result, live->reason);
    } else if (result != 0 || live->stream) {
        finish(live, result, reason);
    } else {
        begin_writing(live, 0, (uint64_t)live->file->size, on_written);
    }
}

/* --- from outside -------------------------------------------------------------------------- */

static int open_spool(struct live *live)
{
    const char *folders[] = {getenv("TMPDIR"), "/var/tmp", "/tmp", "."};
    int error = -P2P_ENOTFOUND;

    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        live->folder = folders[i] != NULL ? plat_open_folder(folders[i]) : -1;
        live->spool = live->folder >= 0 ? plat_open_unnamed(live->folder) : live->folder;
        if (live->spool >= 0) {
            return 0;
        }
        error = live->spool;
        if (live->folder >= 0) {
            plat_close(live->folder);
        }
    }
    live->folder = -1;
    return error;
}

void live_begin(struct live *live, struct wanted *file, const struct wanted_source *sources)
{
    live->file = file;
    live->result = 0;
    live->writing = live->stopped = false;
    if (open_spool(live) != 0) {
        snprintf(live->reason, sizeof live->reason,
                 "no folder for temporary files: %s; name one with TMPDIR", plat_reason());
        finish(live, -P2P_EREADONLY, live->reason);
        return;
    }
    struct transfer_want want = {.content = file->content,
                                 .size = file->size,
                                 .folder = live->folder,
                                 .unnamed = true,
                                 .file = live->spool,
                                 .window = live->stream ? transfer_window(file->size) : 0,
                                 .on_piece = on_piece,
                                 .done = on_transfer_done,
                                 .ctx = live};
    int error = transfer_start(live->transfer, &want);
    if (error != 0) {
        finish(live, error, transfer_start_reason(error));
        return;
    }
    haul_add_holders(live->transfer, file, sources);
}

void live_stop(struct live *live)
{
    live->stopped = true;
    if (live->stream || !live->writing) {
        transfer_stop(live->transfer, false);
    }
}
