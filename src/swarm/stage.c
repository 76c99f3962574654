/* SPDX-License-Identifier: MIT */
/* The folder is ".p2p-get", or with a number behind it when others are at work beside us. Its lock
 * is a file in it; who ends removes lock and folder, so whoever locks looks whether the lock still
 * has its name. Workers. */
#include "swarm/stage.h"

#include "base/name.h"
#include "base/text.h"
#include "platform/plat.h"
#include "platform/plat_file.h"
#include "swarm/part.h"

#include <stdio.h>
#include <string.h>

enum {
    STAGE_FOLDERS = 8, /* gets into one folder at the same time */
    STAGE_TRIES = 8    /* each lost to one that ended in that instant */
};

#define STAGE_LOCK "lock"

void stage_init(struct stage *stage)
{
    *stage = (struct stage){.folder = -1, .lock = -1, .last = -1};
}

static void close_both(struct stage *stage)
{
    if (stage->lock >= 0) {
        plat_close(stage->lock);
    }
    if (stage->folder >= 0) {
        plat_close(stage->folder);
    }
    stage->lock = stage->folder = -1;
}

static int lock(struct stage *stage)
{
    struct plat_stat mine, named;

    stage->lock =
        plat_open_beneath(stage->folder, STAGE_LOCK, PLAT_READ | PLAT_WRITE | PLAT_CREATE);
    if (stage->lock < 0) {
        return stage->lock == -P2P_ENOTFOUND ? -P2P_ECHANGED : stage->lock;
    }
    int error = plat_lock(stage->lock);
    if (error == 0) {
        error = plat_fstat(stage->lock, &mine);
    }
    if (error == 0) {
        error = plat_stat_beneath(stage->folder, STAGE_LOCK, &named);
        bool same = error == 0 && named.inode == mine.inode && named.device == mine.device;
        error = same ? 0 : -P2P_ECHANGED;
    }
    return error;
}

/* -P2P_ECHANGED: another process removed it meanwhile. */
static int take(struct stage *stage)
{
    int error = plat_make_folders_beneath(stage->root, stage->name);

    if (error != 0) {
        return error;
    }
    stage->folder = plat_open_folder_beneath(stage->root, stage->name);
    if (stage->folder < 0) {
        return stage->folder == -P2P_ENOTFOUND ? -P2P_ECHANGED : stage->folder;
    }
    error = lock(stage);
    if (error != 0) {
        close_both(stage);
    }
    return error;
}

static void empty(const struct stage *stage)
{
    char name[P2P_PART_MAX + 1];
    enum plat_kind kind;
    struct plat_dir dir;

    if (plat_dir_open_beneath(&dir, stage->folder, "") != 0) {
        return;
    }
    while (plat_dir_next(&dir, name, &kind) == 1) {
        if (kind != PLAT_KIND_FOLDER && strcmp(name, STAGE_LOCK) != 0) {
            plat_unlink_beneath(stage->folder, name);
        }
    }
    plat_dir_close(&dir);
}

static void begin(struct stage *stage, int root, int i)
{
    stage_init(stage);
    stage->root = root;
    snprintf(stage->name, sizeof stage->name, i == 0 ? ".p2p-get" : ".p2p-get-%d", i);
}

int stage_open(struct stage *stage, int root)
{
    int error = -P2P_EINUSE;

    for (int i = 0; i < STAGE_FOLDERS; i++) {
        begin(stage, root, i);
        error = -P2P_ECHANGED;
        for (int tries = 0; tries < STAGE_TRIES && error == -P2P_ECHANGED; tries++) {
            error = take(stage);
        }
        if (error == 0) {
            empty(stage);
        }
        if (error != -P2P_EINUSE && error != -P2P_ECHANGED) {
            return error;
        }
    }
    return -P2P_EINUSE;
}

static void put_number(uint32_t number, char out[16])
{
    snprintf(out, 16, "%lu", (unsigned long)number);
}

int stage_put(const struct stage *stage, uint32_t number, const struct wanted *file,
              const void *bytes)
{
    char name[16];

    put_number(number, name);
    int fd = plat_open_beneath(stage->folder, name, PLAT_WRITE | PLAT_CREATE | PLAT_TRUNCATE);
    if (fd < 0) {
        return fd;
    }
    int error = file->size > 0 ? plat_pwrite(fd, bytes, (size_t)file->size, 0) : 0;
    if (error == 0) {
        error = plat_set_attributes(fd, file->mtime, file->executable);
    }
    plat_close(fd);
    return error;
}

int stage_sync(struct stage *stage)
{
    return plat_sync(stage->folder, &stage->all);
}

/* --- names --------------------------------------------------------------------------------- */

static int leave_last(struct stage *stage)
{
    int error = 0;

    if (stage->last >= 0) {
        error = stage->all ? 0 : plat_fsync(stage->last);
        plat_close(stage->last);
        stage->last = -1;
    }
    return error;
}

/* The folder that a file goes to. Files come by folder, so the last one is kept open. */
static int enter(struct stage *stage, struct str path)
{
    if (path.len == 0) {
        return stage->root;
    }
    if (stage->last >= 0 && text_is(path, stage->last_path)) {
        return stage->last;
    }
    leave_last(stage);
    int error = text_copy(path, stage->last_path, sizeof stage->last_path);
    if (error == 0) {
        error = plat_make_folders_beneath(stage->root, stage->last_path);
    }
    if (error != 0) {
        return error;
    }
    stage->last = plat_open_folder_beneath(stage->root, stage->last_path);
    return stage->last;
}

/* Words that a person understands without knowing what a rename is. */
static const char *reason_of(int *error, bool entering)
{
    if (*error == -P2P_EEXIST) {
        return entering ? "a folder is needed where there is a file"
                        : "there is a file of that name by now; --force replaces it";
    }
    return part_reason(error);
}

int stage_name(struct stage *stage, const struct stage_name *name, const char **out_reason)
{
    char from[16], to[P2P_PART_MAX + 1];
    int folder = enter(stage, name_folder(name->file->path));
    int error = folder < 0 ? folder : text_copy(name_base(name->file->path), to, sizeof to);

    put_number(name->number, from);
    if (error == 0) {
        error = plat_rename_beneath(stage->folder, from, folder, to, name->replace);
    }
    *out_reason = error != 0 ? reason_of(&error, folder < 0) : NULL;
    if (error != 0) {
        plat_unlink_beneath(stage->folder, from);
    }
    return error;
}

void stage_drop(const struct stage *stage, uint32_t number)
{
    char name[16];

    put_number(number, name);
    plat_unlink_beneath(stage->folder, name);
}

/* The lock goes last, but where FUSE is between the folder has it until it is closed. */
static void remove_folder(struct stage *stage)
{
    empty(stage);
    plat_unlink_beneath(stage->folder, STAGE_LOCK);
    int error = plat_remove_folder_beneath(stage->root, stage->name);
    close_both(stage);
    if (error != 0) {
        plat_remove_folder_beneath(stage->root, stage->name);
    }
}

void stage_sweep(int root)
{
    struct stage stage;
    struct plat_stat stat;

    for (int i = 0; i < STAGE_FOLDERS; i++) {
        begin(&stage, root, i);
        if (plat_stat_beneath(root, stage.name, &stat) == 0 && take(&stage) == 0) {
            remove_folder(&stage);
        }
    }
}

int stage_close(struct stage *stage)
{
    if (stage->folder < 0) {
        return 0;
    }
    int error = leave_last(stage);
    if (error == 0) {
        error = stage->all ? plat_sync(stage->folder, &stage->all) : plat_fsync(stage->root);
    }
    remove_folder(stage);
    return error;
}
