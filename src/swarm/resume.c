/* SPDX-License-Identifier: MIT */
/* Two pieces for each worker are under way, so that none waits for the loop. */
#include "swarm/resume.h"

#include <string.h>

enum { CHECKS_EACH = 2, CHECK_BUFFER = 64 * 1024 };

int resume_init(struct download *download, struct arena *arena)
{
    struct resume *resume = &download->resume;

    resume->count = CHECKS_EACH * download->config.worker_count;
    for (int i = 0; i < resume->count; i++) {
        resume->checks[i].size = CHECK_BUFFER;
        resume->checks[i].bytes = arena_carve(arena, CHECK_BUFFER, 4096);
        if (resume->checks[i].bytes == NULL) {
            return -P2P_EFULL;
        }
    }
    return 0;
}

void resume_reset(struct download *download)
{
    download->resume.next = 0;
    download->resume.right = 0;
    download->resume.done = download->part.found == 0;
}

bool resume_is_busy(const struct download *download)
{
    for (int i = 0; i < download->resume.count; i++) {
        if (download->resume.busy[i]) {
            return true;
        }
    }
    return false;
}

static void on_checked(void *ctx, struct part_check *check)
{
    struct download *download = ctx;
    struct resume *resume = &download->resume;
    size_t i = (size_t)(check - resume->checks);
    struct proof_news news;

    resume->busy[i] = false;
    if (check->result == 0 && download->phase == TRANSFER_RUNNING &&
        proof_job_end(&download->proof, &resume->jobs[i], check->end, &news) == 0) {
        if (news.taken) {
            plan_done(&download->plan, check->number);
            download->held_bytes += check->length;
            resume->right += check->length;
        }
        fetch_news(download, &news);
    }
    download->changed(download);
}

/* True while there are more pieces to hand out. */
static bool start(struct download *download, int i)
{
    struct resume *resume = &download->resume;
    struct part_check *check = &resume->checks[i];
    uint32_t piece = resume->next;

    if (piece >= download->pieces ||
        download_piece_offset(download, piece) >= download->part.found) {
        return false;
    }
    resume->next++;
    if (proof_job_begin(&download->proof, piece, PROOF_LOCAL, &resume->jobs[i]) != 0) {
        return true;
    }
    check->part = &download->part;
    check->offset = download_piece_offset(download, piece);
    check->length = download_piece_length(download, piece);
    check->number = piece;
    check->last = piece + 1 == download->pieces;
    check->done = on_checked;
    check->ctx = download;
    memcpy(check->start, resume->jobs[i].start, sizeof check->start);
    resume->busy[i] = true;
    int worker = i % download->config.worker_count;
    part_check(check, &download->config.workers[worker], download->config.loop);
    return true;
}

bool resume_pump(struct download *download)
{
    struct resume *resume = &download->resume;
    bool more = true;

    if (resume->done) {
        return true;
    }
    if (download->proof.base < 0 && download->chains.states > 0) {
        return false; /* no chain yet */
    }
    while (more) {
        more = false;
        for (int i = 0; i < resume->count; i++) {
            more |= !resume->busy[i] && start(download, i);
        }
    }
    resume->done = !resume_is_busy(download);
    return resume->done;
}
