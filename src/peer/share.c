/* SPDX-License-Identifier: MIT */
/* Walks, looks and events meet here. One walk and one look are under way at a time. Where folders
 * are watched, events lead to looks and a walk is only for what is new; where not, the whole share
 * is walked again and again, less often while nothing changes. A share that vanishes is withdrawn
 * as a whole and looked for. Loop thread. */
#include "peer/share.h"

#include "base/log.h"
#include "base/name.h"
#include "base/text.h"
#include "peer/compact.h"
#include "peer/folders.h"
#include "peer/hasher.h"
#include "peer/looks.h"
#include "peer/notice.h"
#include "peer/scan.h"
#include "peer/watch.h"
#include "platform/plat.h"

#include <assert.h>
#include <string.h>

enum {
    SHARE_DUTY = 4,         /* scanning pauses for so many times as long as it took */
    SHARE_TREE_SLACK = 4096 /* alignment of what is carved */
};

struct share {
    struct share_config config;
    struct entries entries;
    struct cache cache;
    struct hasher *hasher;
    struct watch watch;
    struct folders folders;
    struct scan_root root;
    struct scan_walk walk;
    struct looks looks;
    bool walking;
    uint32_t walk_folder;
    bool walk_deep;
    uint32_t walk_ended;    /* watches that had ended when it began */
    bool started, there;    /* there: the folder of the share was, when last looked */
    uint64_t device, inode; /* of it */
    bool reset_due;         /* when the walk is back */
    bool full;              /* the whole share is being walked */
    bool told_counts;       /* the first full scan is over */
    bool wants_watch, settings_due;
    int64_t scan_ms, idle_ms, interval_ms, began_ms;
    uint32_t news_before;
    struct loop_timer scan_timer, settle_timer;
    char ignore[SCAN_IGNORE_MAX]; /* to be taken over when no job is away */
    struct notice notice;
    struct compact compact;
};

static void pump(struct share *share);

/* ---- small things ---- */

static void timer_set(struct share *share, struct loop_timer *timer, int64_t wait_ms)
{
    int result =
        loop_set_timer(share->config.loop, timer, loop_now_ms(share->config.loop) + wait_ms);
    assert(result == 0);
    (void)result;
}

static struct tree *tree_of(struct share *share)
{
    return &share->entries.tree;
}

static bool is_same_root(const struct share *share, const struct plat_stat *stat)
{
    return stat->device == share->device && stat->inode == share->inode;
}

/* Warnings that come once for many: when nothing is to be walked or hashed any more. */
static void warn(struct share *share)
{
    uint32_t refused = share->entries.refused + share->folders.refused;
    notice_warn(&share->notice, share->entries.unreadable, &refused,
                tree_of(share)->counts.present);
    if (refused == 0)
        share->entries.refused = share->folders.refused = 0;
}

/* After anything that may have changed the queues. */
static void settle(struct share *share);

static void after(struct share *share)
{
    settle(share);
    hasher_wake(share->hasher);
}

/* ---- the share as a whole ---- */

static void full_scan(struct share *share)
{
    if (!share->full) {
        share->full = true;
        share->began_ms = plat_now_ms();
        share->news_before = share->entries.news;
        notice_scan(&share->notice);
    }
    folders_push(&share->folders, TREE_ROOT, true);
    pump(share);
}

static void watch_failed(struct share *share, int error)
{
    const char *cure = "";
    if (error == -P2P_EFULL)
        cure = "; raise it: sysctl fs.inotify.max_user_watches=524288";
    else if (error == -P2P_EMFILE)
        cure = "; raise it: sysctl fs.inotify.max_user_instances=512";
    watch_close(&share->watch);
    share->wants_watch = false;
    if (error == -P2P_ENOTSUP)
        log_line(LOG_INFO, "share", "this system cannot watch folders: scanning instead");
    else
        log_line(LOG_WARN, "share",
                 "a limit of the system on watches is reached (%s)%s; scanning "
                 "instead",
                 log_error(error), cure);
    share->interval_ms = share->scan_ms;
    timer_set(share, &share->scan_timer, share->scan_ms);
}

static void begin(struct share *share)
{
    int result = share->wants_watch ? watch_open(&share->watch) : 0;
    if (result < 0)
        watch_failed(share, result);
    full_scan(share);
}

/* Forgets folders and watches; no walk is away. */
static void reset(struct share *share)
{
    share->reset_due = share->full = false;
    watch_close(&share->watch);
    folders_clear(&share->folders);
    if (share->there) {
        begin(share);
        return;
    }
    entries_withdraw(&share->entries);
    folders_gone(&share->folders, TREE_ROOT);
    timer_set(share, &share->scan_timer, share->idle_ms);
    after(share);
}

static void reset_soon(struct share *share)
{
    share->reset_due = true;
    if (!share->walking)
        reset(share);
}

static void root_lost(struct share *share, int error)
{
    if (!share->there) {
        timer_set(share, &share->scan_timer, share->idle_ms);
        return;
    }
    share->there = false;
    log_line(LOG_WARN, "share",
             "%s cannot be read (%s): its %u files are withdrawn until it is back",
             share->config.path, log_error(error), (unsigned)tree_of(share)->counts.present);
    reset_soon(share);
}

/* Another folder stands there: unmounted, mounted, or replaced. */
static void root_found(struct share *share, const struct plat_stat *stat)
{
    bool was_there = share->there;
    share->there = true;
    share->device = stat->device;
    share->inode = stat->inode;
    log_line(LOG_INFO, "share",
             was_there ? "%s is another folder now: looking at all of it" : "%s is back",
             share->config.path);
    reset_soon(share);
}

/* False: the share is not what it was, and all is looked at anew. */
static bool root_check(struct share *share, int error, const struct plat_stat *stat)
{
    if (error < 0)
        root_lost(share, error);
    else if (!share->there || !is_same_root(share, stat))
        root_found(share, stat);
    else
        return true;
    return false;
}

/* ---- walks ---- */

static bool is_hashed(const struct share *share)
{
    return entries_is_idle(&share->entries) && hasher_is_idle(share->hasher);
}

static void scan_end(struct share *share)
{
    int64_t took_ms = plat_now_ms() - share->began_ms;
    const struct tree_counts *counts = &tree_of(share)->counts;
    bool changed = share->entries.news != share->news_before;
    share->full = false;
    entries_trim(&share->entries, true);
    notice_found(&share->notice, counts->present, counts->bytes, counts->present - counts->hashed,
                 took_ms);
    share->config.quiet(share->config.ctx, is_hashed(share));
    if (share->watch.open) {
        timer_set(share, &share->scan_timer, share->idle_ms);
        return;
    }
    share->interval_ms = changed ? share->scan_ms : share->interval_ms * 2;
    if (share->interval_ms > share->idle_ms)
        share->interval_ms = share->idle_ms;
    int64_t least = took_ms * SHARE_DUTY;
    timer_set(share, &share->scan_timer, share->interval_ms > least ? share->interval_ms : least);
}

static void pump_walk(struct share *share)
{
    uint32_t slot = share->walking || !share->there ? 0 : folders_pop(&share->folders);
    if (slot == 0) {
        if (share->full && !share->walking && share->there)
            scan_end(share);
        if (!share->walking && entries_is_idle(&share->entries))
            warn(share);
        return;
    }
    share->walking = true;
    share->walk_folder = slot;
    share->walk_deep = (tree_folder(tree_of(share), slot)->flags & TREE_FOLDER_DEEP) != 0;
    share->walk.watch = share->watch.open ? &share->watch.plat : NULL;
    share->walk_ended = share->watch.ended;
    (void)tree_folder_path(tree_of(share), slot, share->walk.path);
    scan_walk_begin(&share->walk);
}

/* What a walk or look found at a place. */
static void found(struct share *share, uint32_t parent, struct str name,
                  const struct plat_stat *stat, enum entries_cause cause)
{
    struct tree *tree = tree_of(share);
    bool walking = (tree_folder(tree, parent)->flags & TREE_FOLDER_WALKING) != 0;
    if (stat->kind == PLAT_KIND_FOLDER) {
        /* after an event it may be another folder than the one of that name before */
        bool deep = cause != ENTRIES_SCANNED || (walking && share->walk_deep);
        folders_seen(&share->folders, parent, name, deep);
        return;
    }
    uint32_t folder = tree_find_folder(tree, parent, name);
    if (folder != 0 && (tree_folder(tree, folder)->flags & TREE_FOLDER_GONE) == 0)
        folders_gone(&share->folders, folder);
    uint32_t file = entries_seen(&share->entries, parent, name, stat, cause);
    if (file != 0 && walking)
        tree_file(tree, file)->flags |= TREE_SEEN;
}

static void walk_end(struct share *share)
{
    struct scan_walk *walk = &share->walk;
    uint32_t slot = share->walk_folder;
    share->walking = false;
    if (walk->error == -P2P_EDENIED) {
        share->notice.dark++;
        notice_unreadable(&share->notice, text_from(walk->path), walk->error);
    }
    if (walk->error == -P2P_ENOTFOUND)
        folders_gone(&share->folders, slot);
    else if (walk->error != -P2P_EIO && walk->error != -P2P_EMFILE)
        folders_sweep(&share->folders, slot);
    folders_done(&share->folders, slot);
    entries_trim(&share->entries, false);
    after(share);
    pump(share);
}

/* The walk is back for nothing. */
static void walk_void(struct share *share)
{
    scan_walk_close(&share->walk);
    share->walking = false;
    folders_done(&share->folders, share->walk_folder);
    reset(share);
}

static void walk_bind(struct share *share)
{
    watch_bind(&share->watch, share->walk_folder, share->walk.watch_id);
    if (share->watch.ended != share->walk_ended)
        folders_push(&share->folders, share->walk_folder, false);
    share->walk_ended = share->watch.ended;
}

static void on_part(void *ctx, struct scan_walk *walk)
{
    struct share *share = ctx;
    struct scan_item item;
    bool root_open = walk->root_stat.kind == PLAT_KIND_FOLDER;
    int root_error = root_open && walk->path_len > 0 ? 0 : walk->error;
    if (!share->reset_due && !root_check(share, root_error, &walk->root_stat))
        share->reset_due = true;
    if (share->reset_due) {
        walk_void(share);
        return;
    }
    if (walk->watch && walk->watch_id >= 0)
        walk_bind(share);
    else if (walk->watch && walk->open && share->watch.open)
        watch_failed(share, walk->watch_id);
    if (!share->watch.open)
        walk->watch = NULL;
    for (size_t at = 0; scan_walk_item(walk, &at, &item);)
        found(share, share->walk_folder, (struct str){item.name, item.name_len}, &item.stat,
              ENTRIES_SCANNED);
    share->notice.skipped += walk->skipped;
    if (walk->end) {
        walk_end(share);
        return;
    }
    scan_walk_go_on(walk);
    after(share);
}

/* ---- looks ---- */

static void look_found(struct share *share, const struct scan_look *look,
                       const struct scan_found *result)
{
    struct tree *tree = tree_of(share);
    struct str path = {look->paths + result->path, result->path_len}, name = name_base(path);
    uint32_t parent = folders_find(&share->folders, name_folder(path));
    if (parent == 0)
        return;
    if (result->error == 0) {
        found(share, parent, name, &result->stat, (enum entries_cause)result->cause);
        return;
    }
    if (result->error == -P2P_EIO || result->error == -P2P_EMFILE)
        return;
    uint32_t file = tree_find_file(tree, parent, name);
    uint32_t folder = tree_find_folder(tree, parent, name);
    if (file != 0)
        entries_gone(&share->entries, file);
    if (folder != 0 && (tree_folder(tree, folder)->flags & TREE_FOLDER_GONE) == 0)
        folders_gone(&share->folders, folder);
}

static void on_look(void *ctx, struct scan_look *look)
{
    struct share *share = ctx;
    bool good = !share->reset_due && root_check(share, look->error, &look->root_stat);
    for (uint32_t i = 0; good && i < look->count; i++)
        look_found(share, look, &look->found[i]);
    looks_back(&share->looks, look);
    entries_trim(&share->entries, false);
    after(share);
    pump(share);
}

/* Looks at files that may have settled by now. */
static void settle(struct share *share)
{
    char path[P2P_PATH_MAX + 1];
    int64_t wait_ms = -1;
    uint32_t file;
    while (share->there && !looks_is_busy(&share->looks) &&
           (file = entries_due(&share->entries, loop_now_ms(share->config.loop), &wait_ms)) != 0)
        (void)looks_add(&share->looks, tree_file_path(tree_of(share), file, path), ENTRIES_CHANGED);
    looks_send(&share->looks, false);
    if (share->entries.settle_count == 0)
        loop_stop_timer(share->config.loop, &share->settle_timer);
    else
        timer_set(share, &share->settle_timer, wait_ms > 0 ? wait_ms : share->entries.settle_ms);
}

static void pump(struct share *share)
{
    if (share->settings_due && !share->walking && !share->looks.away) {
        share->settings_due = false;
        memcpy(share->root.ignore, share->ignore, sizeof share->ignore);
        watch_close(&share->watch);
        share->interval_ms = share->scan_ms;
        begin(share);
        return;
    }
    if (share->settings_due)
        return;
    looks_send(&share->looks, false);
    pump_walk(share);
}

static void on_scan_time(void *ctx)
{
    struct share *share = ctx;
    if (share->there && !share->watch.open) {
        full_scan(share);
        return;
    }
    timer_set(share, &share->scan_timer, share->idle_ms);
    looks_send(&share->looks, true);
}

static void on_settle_time(void *ctx)
{
    settle(ctx);
}

/* ---- events ---- */

static void on_entry(void *ctx, uint32_t folder, struct str name, unsigned what)
{
    struct share *share = ctx;
    struct tree *tree = tree_of(share);
    char out[P2P_PATH_MAX + 1];
    if (!share->there || name.len == 0 || name.ptr[0] == '.')
        return;
    if ((tree_folder(tree, folder)->flags & TREE_FOLDER_WALKING) != 0)
        folders_push(&share->folders, folder, false);
    uint32_t file = tree_find_file(tree, folder, name);
    bool watched = file != 0 && (tree_file(tree, file)->flags & TREE_UNSETTLED) != 0;
    if (watched && (what & ~(unsigned)PLAT_WATCH_FOLDER) == PLAT_WATCH_CHANGED)
        return; /* it is looked at until it settles */
    struct str above = tree_folder_path(tree, folder, out);
    struct buf buf = buf_on(out, P2P_PATH_MAX);
    buf.len = above.len;
    if (above.len > 0)
        buf_put_char(&buf, '/');
    buf_put(&buf, name);
    enum entries_cause cause = (what & PLAT_WATCH_SETTLED) != 0 ? ENTRIES_SETTLED : ENTRIES_CHANGED;
    if (!buf.full && !looks_add(&share->looks, buf_str(&buf), cause))
        folders_push(&share->folders, folder, false);
    pump(share);
}

static void on_gone(void *ctx, uint32_t folder)
{
    struct share *share = ctx;
    if (!share->there)
        return;
    /* it may be there even so, and then has to be watched again */
    folders_push(&share->folders, folder, true);
    if (folder == TREE_ROOT)
        looks_send(&share->looks, true);
    else
        folders_push(&share->folders, tree_folder(tree_of(share), folder)->parent, false);
    pump(share);
}

/* Most likely of the folder whose watch is on its way to us: it is being walked. */
static void on_unknown(void *ctx)
{
    struct share *share = ctx;
    if (share->walking && !share->reset_due)
        folders_push(&share->folders, share->walk_folder, false);
}

static void on_overflow(void *ctx)
{
    struct share *share = ctx;
    log_line(LOG_DEBUG, "share", "more changes than the system could tell: looking at all of it");
    if (share->there && !share->reset_due)
        full_scan(share);
}

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
    notice_hashed_all(&share->notice);
    if (!share->walking)
        warn(share);
    if (share->notice.told_counts)
        share->config.quiet(share->config.ctx, is_hashed(share));
    compact_begin(&share->compact);
}

static void on_hashed(void *ctx, const struct entries_result *result)
{
    struct share *share = ctx;
    char path[P2P_PATH_MAX + 1];
    uint32_t unreadable = share->entries.unreadable;
    struct str name = tree_file_path(tree_of(share), result->file, path);
    if (result->result == 0)
        notice_hashed(&share->notice, tree_file(tree_of(share), result->file)->size);
    entries_hashed(&share->entries, result);
    if (share->entries.unreadable > unreadable)
        notice_unreadable(&share->notice, name, result->result);
    settle(share);
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

void share_look_again(struct share *share, struct str path, bool distrust)
{
    uint32_t file = tree_find_path(tree_of(share), path);
    if (file != 0 && distrust)
        entries_distrust(&share->entries, file);
    (void)looks_add(&share->looks, path, ENTRIES_CHANGED);
    after(share);
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
    pump(share);
}

static void handlers_set(struct share *share)
{
    share->watch.loop = share->config.loop;
    share->watch.tree = tree_of(share);
    share->watch.on_entry = on_entry;
    share->watch.on_gone = on_gone;
    share->watch.on_unknown = on_unknown;
    share->watch.on_overflow = on_overflow;
    share->watch.ctx = share;
    share->folders = (struct folders){.entries = &share->entries, .watch = &share->watch};
    share->root.path = share->config.path;
    share->root.worker = &share->config.background[0];
    share->root.home = share->config.loop;
    share->walk.root = &share->root;
    share->walk.part = on_part;
    share->walk.ctx = share;
    looks_init(&share->looks, &share->root, on_look, share);
    share->scan_timer = (struct loop_timer){.on_time = on_scan_time, .ctx = share};
    share->settle_timer = (struct loop_timer){.on_time = on_settle_time, .ctx = share};
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
    handlers_set(share);
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
    share->started = true;
    begin(share);
}

void share_close(struct share *share)
{
    loop_stop_timer(share->config.loop, &share->scan_timer);
    loop_stop_timer(share->config.loop, &share->settle_timer);
    scan_walk_close(&share->walk);
    watch_close(&share->watch);
    hasher_close(share->hasher);
    compact_close(&share->compact);
    cache_close(&share->cache);
}

struct tree *share_tree(struct share *share)
{
    return tree_of(share);
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
