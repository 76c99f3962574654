/* SPDX-License-Identifier: MIT */
/* The share as its owner sees it: made, given settings, asked, closed; and what hashing leads to.
 * How the folder is looked at is in survey.c. Loop thread. */
#include "peer/share.h"

#include "base/log.h"
#include "base/text.h"
#include "peer/survey.h"

#include <string.h>

enum { SHARE_TREE_SLACK = 4096 }; /* alignment of what is carved */

/* ---- hashing ---- */

static bool hash_next(void *ctx, bool asked_for, struct entries_task *out, char *path)
{
    struct share *share = ctx;
    if (!share->there || !entries_next(&share->entries, asked_for, out, path))
        return false;
    notice_hashing(&share->notice);
    return true;
}

static void hash_end(struct share *share)
{
    if (atomic_load(&share->cache.broken))
        compact_leave(&share->compact);
    notice_hashed_all(&share->notice);
    if (!share->walking)
        survey_warn(share);
    if (share->notice.told_counts)
        share->config.quiet(share->config.ctx, survey_is_hashed(share));
    compact_begin(&share->compact);
}

static void on_hashed(void *ctx, const struct entries_result *result)
{
    struct share *share = ctx;
    char path[P2P_PATH_MAX + 1];
    uint32_t unreadable = share->entries.unreadable;
    struct str name = tree_file_path(share_tree(share), result->file, path);
    if (result->result == 0)
        notice_hashed(&share->notice, tree_file(share_tree(share), result->file)->size);
    entries_hashed(&share->entries, result);
    if (share->entries.unreadable > unreadable)
        notice_unreadable(&share->notice, name, result->result);
    survey_settle(share);
    if (share->notice.since_ms != 0 && hasher_is_idle(share->hasher) && share->entries.queued == 0)
        hash_end(share);
}

bool share_want(struct share *share, uint32_t file, int64_t *out_done)
{
    *out_done = 0;
    if (hasher_progress(share->hasher, file, out_done))
        return true;
    bool wanted = entries_want(&share->entries, file);
    hasher_wake(share->hasher);
    return wanted;
}

void share_rehash(struct share *share, struct str path)
{
    uint32_t file = tree_find_path(share_tree(share), path);
    if (file == 0 || atomic_load(&share->cache.broken))
        return;
    entries_rehash(&share->entries, file);
    hasher_wake(share->hasher);
}

void share_look_again(struct share *share, struct str path)
{
    (void)looks_add(&share->looks, path, ENTRIES_CHANGED);
    survey_after(share);
    looks_send(&share->looks, false);
}

/* ---- making and ending ---- */

static void settings_read(struct share *share, const struct config *settings)
{
    struct str ignore = config_text(settings, "share.ignore");
    share->scan_ms = (int64_t)config_number(settings, "share.scan");
    share->idle_ms = (int64_t)config_number(settings, "share.scan_idle");
    if (share->idle_ms < share->scan_ms)
        share->idle_ms = share->scan_ms;
    share->interval_ms = share->scan_ms;
    share->entries.settle_ms = share->scan_ms;
    share->wants_watch = config_is(settings, "share.watch", "auto");
    if (text_copy(ignore, share->ignore, sizeof share->ignore) < 0)
        log_line(LOG_WARN, "share", "ignore in [share] is too long: nothing is ignored");
    hasher_set_rate(share->hasher, config_number(settings, "share.hash_rate"));
}

void share_reload(struct share *share, const struct config *settings)
{
    settings_read(share, settings);
    share->settings_due = share->there;
    if (!share->there)
        memcpy(share->root.ignore, share->ignore, sizeof share->ignore);
    survey_pump(share);
}

/* Table and cache, in what the rest has left of the memory. */
static int tables_init(struct share *share, struct arena *arena, size_t bytes)
{
    size_t places = (size_t)tree_budget(bytes) * sizeof(uint32_t);
    int result = entries_init(&share->entries, arena, bytes - places);
    if (result < 0)
        return result;
    share->entries.cache = &share->cache;
    share->compact.entries = &share->entries;
    share->compact.cache = &share->cache;
    share->compact.hasher = share->hasher;
    share->compact.worker = &share->config.background[0];
    share->compact.home = share->config.loop;
    result = compact_init(&share->compact, arena);
    if (result < 0)
        return result;
    struct cache_open how = {.folder = share->config.state_folder,
                             .span = share->walk.bytes,
                             .found = entries_loaded,
                             .ctx = &share->entries};
    result = cache_open(&share->cache, &how);
    if (result < 0)
        log_line(LOG_WARN, "share", "the hash cache cannot be kept: %s", log_error(result));
    compact_now(&share->compact);
    share->entries.changed = share->config.changed;
    share->entries.ctx = share->config.ctx;
    return 0;
}

int share_init(struct share **out, struct arena *arena, const struct share_config *config,
               size_t bytes)
{
    size_t before = arena_left(arena);
    struct share *share = arena_carve(arena, sizeof *share, 64);
    struct plat_stat stat;
    if (!share)
        return -P2P_EFULL;
    if (plat_stat(config->path, &stat) < 0 || stat.kind != PLAT_KIND_FOLDER)
        return -P2P_ENOTFOUND;
    share->config = *config;
    share->there = true;
    share->device = stat.device;
    share->inode = stat.inode;
    survey_init(share);
    struct hasher_config hashing = {.loop = config->loop,
                                    .workers = config->background,
                                    .worker_count = config->background_count,
                                    .share = config->path,
                                    .cache = &share->cache,
                                    .next = hash_next,
                                    .hashed = on_hashed,
                                    .ctx = share};
    int result = hasher_init(&share->hasher, arena, &hashing);
    size_t used = before - arena_left(arena) + SHARE_TREE_SLACK;
    if (result == 0)
        result = used < bytes ? tables_init(share, arena, bytes - used) : -P2P_EFULL;
    if (result < 0)
        return result;
    settings_read(share, config->settings);
    memcpy(share->root.ignore, share->ignore, sizeof share->ignore);
    *out = share;
    return 0;
}

void share_start(struct share *share)
{
    survey_begin(share);
}

void share_close(struct share *share)
{
    survey_close(share);
    hasher_close(share->hasher);
    compact_close(&share->compact);
    cache_close(&share->cache);
}

struct tree *share_tree(struct share *share)
{
    return &share->entries.tree;
}

struct entries *share_entries(struct share *share)
{
    return &share->entries;
}

struct cache *share_cache(struct share *share)
{
    return &share->cache;
}

const char *share_path(const struct share *share)
{
    return share->config.path;
}

void share_stats(const struct share *share, struct share_stats *out)
{
    *out = (struct share_stats){
        .counts = share->entries.tree.counts,
        .waiting = share->entries.queued + share->entries.settle_count,
        .read = hasher_read(share->hasher),
        .unreadable = share->entries.unreadable,
        .watching = share->watch.open,
        .there = share->there,
        .scanning = share->full && share->there,
    };
    hasher_total(share->hasher, &out->hashing_done, &out->hashing_size);
}
