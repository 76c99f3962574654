/* SPDX-License-Identifier: MIT */
/* Walks and looks, on a background worker. A walk's folder stays open from part to part, so that it
 * is read once; what is found is packed one after the other. Decides what is never offered, and
 * nothing else. begin, go_on and item on the loop thread, the rest on the worker. */
#include "peer/scan.h"

#include "base/name.h"
#include "base/text.h"
#include "platform/plat.h"

#include <string.h>

/* Bytes of an item before its name, kept aligned. */
enum { ITEM_HEAD = (offsetof(struct scan_item, name) + 7) / 8 * 8 };

static size_t item_size(size_t name_len)
{
    return (ITEM_HEAD + name_len + 7) / 8 * 8;
}

static bool size_is_good(const struct plat_stat *stat)
{
    return stat->size >= 0 && stat->size <= P2P_FILE_MAX;
}

/* ---- walks ---- */

/* The path of an entry in out, which has P2P_PATH_MAX + 1 bytes. False: it is too long. */
static bool entry_path(const struct scan_walk *walk, struct str name, char *out, struct str *path)
{
    struct buf buf = buf_on(out, P2P_PATH_MAX);
    buf_put(&buf, (struct str){walk->path, walk->path_len});
    if (walk->path_len > 0)
        buf_put_char(&buf, '/');
    buf_put(&buf, name);
    *path = buf_str(&buf);
    return !buf.full;
}

/* True for what is offered, or looked into. */
static bool entry_counts(struct scan_walk *walk, struct str name)
{
    char out[P2P_PATH_MAX + 1];
    struct str path;
    if (name.len == 0 || name.ptr[0] == '.')
        return false;
    if (!entry_path(walk, name, out, &path) || name_fault(path)) {
        walk->skipped++;
        return false;
    }
    return !name_is_ignored(text_from(walk->root->ignore), path);
}

/* Stat of an entry that may be a file or folder. False: it is neither, or gone. */
static bool entry_stat(struct scan_walk *walk, const char *name, struct plat_stat *out)
{
    if (plat_stat_beneath(walk->dir.fd, name, out) < 0)
        return false;
    return (out->kind == PLAT_KIND_FILE && size_is_good(out)) || out->kind == PLAT_KIND_FOLDER;
}

static void walk_add(struct scan_walk *walk, struct str name, const struct plat_stat *stat)
{
    struct scan_item item = {.stat = *stat, .name_len = (uint16_t)name.len};
    memcpy(walk->bytes + walk->used, &item, ITEM_HEAD);
    memcpy(walk->bytes + walk->used + ITEM_HEAD, name.ptr, name.len);
    walk->used += item_size(name.len);
}

static void walk_read(struct scan_walk *walk)
{
    int64_t until_ms = plat_now_ms() + SCAN_PART_MS;
    char name[P2P_PART_MAX + 1];
    enum plat_kind kind;
    while (walk->used + item_size(P2P_PART_MAX) <= SCAN_PART && plat_now_ms() < until_ms) {
        int result = plat_dir_next(&walk->dir, name, &kind);
        if (result <= 0) {
            walk->error = result;
            walk->end = true;
            return;
        }
        struct str text = text_from(name);
        struct plat_stat stat;
        bool odd = kind == PLAT_KIND_LINK;
        if (!odd && entry_counts(walk, text) && entry_stat(walk, name, &stat))
            walk_add(walk, text, &stat);
    }
}

/* Opens the folder, and watches it before it is read, so that nothing is missed. */
static void walk_open(struct scan_walk *walk)
{
    int root = plat_open_folder(walk->root->path);
    walk->error = root;
    if (root < 0)
        return;
    walk->error = plat_fstat(root, &walk->root_stat);
    if (walk->error == 0)
        walk->error = plat_dir_open_beneath(&walk->dir, root, walk->path);
    plat_close(root);
    walk->open = walk->error == 0;
    if (walk->open && walk->watch)
        walk->watch_id = plat_watch_add(walk->watch, walk->dir.fd);
}

static void walk_work(struct worker_job *job)
{
    struct scan_walk *walk = (struct scan_walk *)job;
    walk->used = 0;
    walk->skipped = 0;
    if (walk->open) {
        walk_read(walk);
    } else {
        walk_open(walk);
        if (walk->open && !walk->watch)
            walk_read(walk);
    }
    if (walk->error < 0)
        walk->end = true;
    if (walk->end)
        scan_walk_close(walk);
}

static void walk_done(struct worker_job *job)
{
    struct scan_walk *walk = (struct scan_walk *)job;
    walk->part(walk->ctx, walk);
}

void scan_walk_go_on(struct scan_walk *walk)
{
    walk->job.work = walk_work;
    walk->job.done = walk_done;
    walk->job.home = walk->root->home;
    worker_submit(walk->root->worker, &walk->job);
}

void scan_walk_begin(struct scan_walk *walk)
{
    walk->path_len = strlen(walk->path);
    walk->error = 0;
    walk->watch_id = -1;
    walk->end = walk->open = false;
    walk->root_stat = (struct plat_stat){0};
    scan_walk_go_on(walk);
}

bool scan_walk_item(const struct scan_walk *walk, size_t *at, struct scan_item *out)
{
    if (*at >= walk->used)
        return false;
    memcpy(out, walk->bytes + *at, ITEM_HEAD);
    memcpy(out->name, walk->bytes + *at + ITEM_HEAD, out->name_len);
    out->name[out->name_len] = '\0';
    *at += item_size(out->name_len);
    return true;
}

void scan_walk_close(struct scan_walk *walk)
{
    if (walk->open)
        plat_dir_close(&walk->dir);
    walk->open = false;
}

/* ---- looks ---- */

void scan_look_clear(struct scan_look *look)
{
    look->count = 0;
    look->used = 0;
}

bool scan_look_add(struct scan_look *look, struct str path, uint8_t cause)
{
    if (look->count == SCAN_LOOKS_MAX || path.len >= SCAN_PATHS - look->used)
        return false;
    struct scan_found *found = &look->found[look->count++];
    *found = (struct scan_found){
        .path = (uint16_t)look->used, .path_len = (uint16_t)path.len, .cause = cause};
    memcpy(look->paths + look->used, path.ptr, path.len);
    look->paths[look->used + path.len] = '\0';
    look->used += path.len + 1;
    return true;
}

static int look_at(const struct scan_look *look, int root, const char *path, struct plat_stat *out)
{
    struct str text = text_from(path);
    if (name_fault(text) || name_is_ignored(text_from(look->root->ignore), text))
        return -P2P_ENOTFOUND;
    int result = plat_stat_beneath(root, path, out);
    if (result < 0)
        return result;
    bool good = (out->kind == PLAT_KIND_FILE && size_is_good(out)) || out->kind == PLAT_KIND_FOLDER;
    return good ? 0 : -P2P_ENOTFOUND;
}

static void look_work(struct worker_job *job)
{
    struct scan_look *look = (struct scan_look *)job;
    int root = plat_open_folder(look->root->path);
    look->error = root < 0 ? root : plat_fstat(root, &look->root_stat);
    for (uint32_t i = 0; look->error == 0 && i < look->count; i++) {
        struct scan_found *found = &look->found[i];
        found->error = look_at(look, root, look->paths + found->path, &found->stat);
    }
    if (root >= 0)
        plat_close(root);
}

static void look_done(struct worker_job *job)
{
    struct scan_look *look = (struct scan_look *)job;
    look->done(look->ctx, look);
}

void scan_look_begin(struct scan_look *look)
{
    look->job.work = look_work;
    look->job.done = look_done;
    look->job.home = look->root->home;
    worker_submit(look->root->worker, &look->job);
}
