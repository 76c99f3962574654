/* SPDX-License-Identifier: MIT */
/* Walks, looks and events meet here. One walk and one look are under way at a time. Where folders
 * are watched, events lead to looks and a walk is only for what is new; where not, the whole share
 * is walked again and again, less often while nothing changes. A share that vanishes is withdrawn
 * as a whole and looked for. Loop thread. */
#include "peer/survey.h"

#include "base/log.h"
#include "base/name.h"
#include "base/text.h"
#include "platform/plat.h"

#include <assert.h>
#include <string.h>

enum {
    SHARE_DUTY = 4,       /* scanning pauses for so many times as long as it took */
    SHARE_WITHDRAW = 1000 /* files in a slice */
};

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

void survey_warn(struct share *share)
{
    uint32_t refused = share->entries.refused + share->folders.refused;
    notice_warn(&share->notice, share->entries.unreadable, &refused,
                tree_of(share)->counts.present);
    if (refused == 0)
        share->entries.refused = share->folders.refused = 0;
}

void survey_after(struct share *share)
{
    survey_settle(share);
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
    survey_pump(share);
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

void survey_begin(struct share *share)
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
    loop_remove_task(share->config.loop, &share->withdraw);
    watch_close(&share->watch);
    folders_clear(&share->folders);
    if (share->there) {
        survey_begin(share);
        return;
    }
    share->withdrawn = 0;
    loop_add_task(share->config.loop, &share->withdraw);
    timer_set(share, &share->scan_timer, share->idle_ms);
}

static bool withdraw_step(void *ctx)
{
    struct share *share = ctx;
    if (entries_withdraw(&share->entries, &share->withdrawn, SHARE_WITHDRAW))
        return true;
    folders_gone(&share->folders, TREE_ROOT);
    survey_after(share);
    return false;
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

bool survey_is_hashed(const struct share *share)
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
    share->config.quiet(share->config.ctx, survey_is_hashed(share));
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
            survey_warn(share);
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
    survey_after(share);
    survey_pump(share);
}

/* The walk is back for nothing. */
static void walk_void(struct share *share)
{
    scan_walk_close(&share->walk);
    share->walking = false;
    folders_done(&share->folders, share->walk_folder);
    reset(share);
}

/* A folder that goes while it is walked is freed when the walk ends. */
static bool walk_is_gone(struct share *share)
{
    return (tree_folder(tree_of(share), share->walk_folder)->flags & TREE_FOLDER_GONE) != 0;
}

/* The watch of one that is gone stays only when the folder is in the share at another place. */
static void walk_bind(struct share *share)
{
    watch_bind(&share->watch, share->walk_folder, share->walk.watch_id);
    if (walk_is_gone(share)) {
        watch_unbind(&share->watch, share->walk_folder);
        share->walk.watch = NULL;
    } else if (share->watch.ended != share->walk_ended) {
        folders_push(&share->folders, share->walk_folder, false);
    }
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
    for (size_t at = 0; !walk_is_gone(share) && scan_walk_item(walk, &at, &item);)
        found(share, share->walk_folder, (struct str){item.name, item.name_len}, &item.stat,
              ENTRIES_SCANNED);
    share->notice.skipped += walk->skipped;
    if (walk->end) {
        walk_end(share);
        return;
    }
    scan_walk_go_on(walk);
    survey_after(share);
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
    if (result->error == 0 && result->cause == ENTRIES_REMOVED) {
        /* FAT has one file for all spellings of a name: the folder tells which there is now */
        folders_push(&share->folders, parent, false);
        return;
    }
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
    survey_after(share);
    survey_pump(share);
}

void survey_settle(struct share *share)
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

void survey_pump(struct share *share)
{
    if (share->settings_due && !share->walking && !share->looks.away) {
        share->settings_due = false;
        memcpy(share->root.ignore, share->ignore, sizeof share->ignore);
        watch_close(&share->watch);
        share->interval_ms = share->scan_ms;
        survey_begin(share);
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
    if (atomic_load(&share->cache.broken))
        compact_leave(&share->compact); /* there may be room by now */
    if (share->there && !share->watch.open) {
        full_scan(share);
        return;
    }
    timer_set(share, &share->scan_timer, share->idle_ms);
    looks_send(&share->looks, true);
}

static void on_settle_time(void *ctx)
{
    survey_settle(ctx);
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
    enum entries_cause cause = (what & PLAT_WATCH_SETTLED) != 0   ? ENTRIES_SETTLED
                               : (what & PLAT_WATCH_CHANGED) != 0 ? ENTRIES_CHANGED
                                                                  : ENTRIES_REMOVED;
    if (!buf.full && !looks_add(&share->looks, buf_str(&buf), cause))
        folders_push(&share->folders, folder, false);
    survey_pump(share);
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
    survey_pump(share);
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

/* ---- making ---- */

void survey_init(struct share *share)
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
    share->withdraw = (struct loop_task){.step = withdraw_step, .ctx = share};
    share->scan_timer = (struct loop_timer){.on_time = on_scan_time, .ctx = share};
    share->settle_timer = (struct loop_timer){.on_time = on_settle_time, .ctx = share};
}

void survey_close(struct share *share)
{
    loop_stop_timer(share->config.loop, &share->scan_timer);
    loop_stop_timer(share->config.loop, &share->settle_timer);
    loop_remove_task(share->config.loop, &share->withdraw);
    scan_walk_close(&share->walk);
    watch_close(&share->watch);
}
