/* SPDX-License-Identifier: MIT */
/* The .part file. What blocks on the disk runs on workers; the loop only opens and closes. A power
 * cut leaves either the .part or the whole file: the bytes are on the disk before the name is. */
#include "swarm/part.h"

#include "base/buf.h"
#include "base/text.h"
#include "platform/plat.h"
#include "platform/plat_file.h"
#include "wire/digest.h"

#include <stdio.h>
#include <string.h>

enum { OPEN_TRIES = 8 }; /* each lost to a download that ended in that instant */

/* Opens and locks. -P2P_ECHANGED: between the two another download ended and renamed what we hold.
 */
static int open_locked(struct part *part)
{
    struct plat_stat mine, named;

    part->file = plat_open_beneath(part->folder, part->name, PLAT_READ | PLAT_WRITE | PLAT_CREATE);
    if (part->file < 0) {
        return part->file;
    }
    int error = plat_lock(part->file);
    if (error == 0) {
        error = plat_fstat(part->file, &mine);
    }
    if (error == 0) {
        error = plat_stat_beneath(part->folder, part->name, &named);
        bool same = error == 0 && named.inode == mine.inode && named.device == mine.device;
        error = same ? 0 : -P2P_ECHANGED;
    }
    if (error != 0) {
        plat_close(part->file);
        part->file = -1;
        return error;
    }
    part->found = mine.size;
    return 0;
}

int part_open(struct part *part, int folder, const struct record_content *content)
{
    struct buf buf = buf_on(part->name, sizeof part->name - 1);

    memset(part, 0, sizeof *part);
    part->folder = folder;
    buf_put_text(&buf, ".p2p-");
    buf_put_hex(&buf, content->bytes, sizeof content->bytes / 2);
    buf_put_text(&buf, ".part");
    part->name[buf.len] = 0;
    for (int tries = 0; tries < OPEN_TRIES; tries++) {
        int error = open_locked(part);
        if (error != -P2P_ECHANGED) {
            return error;
        }
    }
    return -P2P_EINUSE;
}

void part_close(struct part *part, bool keep)
{
    if (part->file < 0) {
        return;
    }
    if (!keep) {
        plat_unlink_beneath(part->folder, part->name);
    }
    plat_close(part->file);
    part->file = -1;
}

static int finish(struct part_finish *finish)
{
    struct part *part = finish->part;
    int error = plat_truncate(part->file, finish->size);

    if (error == 0) {
        error = plat_set_attributes(part->file, finish->mtime, finish->executable);
    }
    if (error == 0) {
        error = plat_fsync(part->file);
    }
    if (error == 0) {
        error = plat_rename_beneath(part->folder, part->name, part->folder, finish->name,
                                    finish->replace);
    }
    if (error == 0) {
        error = plat_fsync(part->folder);
    }
    return error;
}

const char *part_reason(int *error)
{
    if (*error != -P2P_ENOTFOUND && *error != -P2P_EINVAL) {
        return plat_reason();
    }
    *error = -P2P_EINVAL;
    return "the disk takes no such name; -o gives it another";
}

static void finish_work(struct worker_job *job)
{
    struct part_finish *self = (struct part_finish *)job;

    self->result = finish(self);
    if (self->result != 0) {
        snprintf(self->reason, sizeof self->reason, "%s", part_reason(&self->result));
    }
}

static void finish_done(struct worker_job *job)
{
    struct part_finish *self = (struct part_finish *)job;

    part_close(self->part, true);
    self->done(self->ctx, self);
}

void part_finish(struct part_finish *finish, struct worker *background, struct loop *home)
{
    finish->job = (struct worker_job){.work = finish_work, .done = finish_done, .home = home};
    worker_submit(background, &finish->job);
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

static int check(struct part_check *check)
{
    struct digest digest;
    bool zero = true;

    digest_resume(&digest, check->start, (uint64_t)check->offset);
    for (uint32_t done = 0; done < check->length;) {
        size_t want = check->length - done < check->size ? check->length - done : check->size;
        int64_t got = plat_pread(check->part->file, check->bytes, want, check->offset + done);
        if (got < 0) {
            return (int)got;
        }
        if ((size_t)got < want) {
            return -P2P_ENOTFOUND;
        }
        zero = zero && is_zero(check->bytes, want);
        digest_update(&digest, check->bytes, want);
        done += (uint32_t)want;
    }
    if (check->last) {
        digest_final(&digest, check->end);
    } else {
        digest_state(&digest, check->end);
    }
    return zero ? -P2P_ENOTFOUND : 0;
}

static void check_work(struct worker_job *job)
{
    struct part_check *self = (struct part_check *)job;

    self->result = check(self);
}

static void check_done(struct worker_job *job)
{
    struct part_check *self = (struct part_check *)job;

    self->done(self->ctx, self);
}

void part_check(struct part_check *check, struct worker *worker, struct loop *home)
{
    check->job = (struct worker_job){.work = check_work, .done = check_done, .home = home};
    worker_submit(worker, &check->job);
}
