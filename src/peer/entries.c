/* SPDX-License-Identifier: MIT */
/* A file that was written to is looked at until it stays the same for a while, longer when that
 * happens again and again; closing settles it at once. Then it waits in the hash queue. A file that
 * is gone keeps its slot, its content and its place in the cache until the room is wanted, so that
 * what comes back need not be hashed. A slot is freed when no list and no worker has it. Loop
 * thread. */
#include "peer/entries.h"

#include "base/hash.h"
#include "platform/plat.h"
#include "wire/digest.h"

#include <assert.h>
#include <string.h>

enum {
    TRIES_FREE = 2,     /* changes in quick succession that cost a file nothing */
    TRIES_MAX = 9,      /* beyond that the wait does not grow */
    TRIES_FORGET_S = 60 /* a file at rest for so long begins anew */
};

/* A folder that is gone from the share stands here only for the files that it remembers. */
#define FOLDER_HELD (TREE_FOLDER_PENDING | TREE_FOLDER_WALKING)

int entries_init(struct entries *entries, struct arena *arena, size_t bytes)
{
    *entries = (struct entries){.settle_ms = 100};
    int result = tree_init(&entries->tree, arena, bytes);
    entries->absent_limit = entries->tree.files.count;
    return result;
}

uint64_t entries_print(const struct plat_stat *stat)
{
    uint64_t all[5] = {stat->device, stat->inode, (uint64_t)stat->size, (uint64_t)stat->mtime_ns,
                       (uint64_t)stat->ctime_ns};
    return hash_bytes(all, sizeof all);
}

static int64_t seconds(int64_t ns)
{
    int64_t whole = ns / 1000000000;
    return ns % 1000000000 < 0 ? whole - 1 : whole;
}

bool entries_is_racy(int64_t mtime_s, int64_t wall_s)
{
    return mtime_s >= wall_s - ENTRIES_RACY_S;
}

static struct tree_file *file_at(const struct entries *entries, uint32_t file)
{
    return tree_file(&entries->tree, file);
}

static void flags_set(struct tree_file *file, unsigned set, unsigned clear)
{
    file->flags = (uint16_t)((file->flags & ~clear) | set);
}

static void tell(struct entries *entries, uint32_t file)
{
    entries->news++;
    if (entries->changed)
        entries->changed(entries->ctx, file);
}

bool entries_is_offered(const struct entries *entries, uint32_t file)
{
    unsigned flags = file_at(entries, file)->flags;
    return (flags & TREE_PRESENT) != 0 && (flags & TREE_UNREADABLE) == 0;
}

/* ---- the cache's record of a file ---- */

static uint32_t record_units(const struct entries *entries, uint32_t slot)
{
    char path[P2P_PATH_MAX + 1];
    const struct tree_file *file = file_at(entries, slot);
    size_t len = tree_file_path(&entries->tree, slot, path).len;
    return cache_units(len, digest_piece_count(file->size) - 1);
}

static void record_drop(struct entries *entries, uint32_t slot)
{
    struct tree_file *file = file_at(entries, slot);
    if (file->record == 0)
        return;
    entries->cache->live -= record_units(entries, slot);
    file->record = 0;
}

static void record_keep(struct entries *entries, uint32_t slot, uint32_t record)
{
    record_drop(entries, slot);
    file_at(entries, slot)->record = record;
    if (record != 0)
        entries->cache->live += record_units(entries, slot);
}

/* ---- being forgotten ---- */

void entries_release_folder(struct entries *entries, uint32_t slot)
{
    struct tree *tree = &entries->tree;
    while (slot != TREE_ROOT) {
        const struct tree_folder *folder = tree_folder(tree, slot);
        uint32_t parent = folder->parent;
        if (folder->first_file != 0 || folder->first_folder != 0 ||
            (folder->flags & FOLDER_HELD) != 0 || (folder->flags & TREE_FOLDER_GONE) == 0)
            return;
        tree_remove_folder(tree, slot);
        slot = parent;
    }
}

static void forget(struct entries *entries, uint32_t slot)
{
    uint32_t folder = file_at(entries, slot)->folder;
    record_drop(entries, slot);
    tree_remove_file(&entries->tree, slot);
    entries_release_folder(entries, folder);
}

static bool is_held(const struct tree_file *file)
{
    unsigned held = TREE_PRESENT | TREE_DIRTY | TREE_QUEUED | TREE_BUSY | TREE_WAITING;
    return (file->flags & held) != 0;
}

void entries_release(struct entries *entries, uint32_t slot)
{
    const struct tree_file *file = file_at(entries, slot);
    if (!is_held(file) && (file->flags & TREE_HASHED) == 0)
        forget(entries, slot);
}

/* Forgets one that is only remembered. They go in slot order, which costs a step for each slot that
 * is passed, but no memory. False: there is none. */
static bool forget_one(struct entries *entries)
{
    struct tree *tree = &entries->tree;
    for (uint32_t i = 0; i < tree->files.fresh && tree->counts.absent > 0; i++) {
        entries->hand = entries->hand < tree->files.fresh ? entries->hand + 1 : 1;
        const struct tree_file *file = file_at(entries, entries->hand);
        if ((file->flags & TREE_USED) != 0 && !is_held(file)) {
            forget(entries, entries->hand);
            return true;
        }
    }
    return false;
}

void entries_trim(struct entries *entries, bool whole)
{
    uint32_t usual = entries->tree.counts.present / 4;
    if (whole)
        entries->absent_limit = usual > ENTRIES_ABSENT_MIN ? usual : ENTRIES_ABSENT_MIN;
    while (entries->tree.counts.absent > entries->absent_limit && forget_one(entries))
        ;
}

/* ---- queues ---- */

static void queue_push(struct entries *entries, uint32_t slot)
{
    struct tree_file *file = file_at(entries, slot);
    if ((file->flags & TREE_QUEUED) != 0)
        return;
    flags_set(file, TREE_QUEUED, 0);
    file->queue_next = 0;
    if (entries->queue_last != 0)
        file_at(entries, entries->queue_last)->queue_next = slot;
    else
        entries->queue_first = slot;
    entries->queue_last = slot;
    entries->queued++;
}

static uint32_t queue_pop(struct entries *entries)
{
    uint32_t slot = entries->queue_first;
    if (slot == 0)
        return 0;
    struct tree_file *file = file_at(entries, slot);
    flags_set(file, 0, TREE_QUEUED);
    entries->queue_first = file->queue_next;
    if (entries->queue_first == 0)
        entries->queue_last = 0;
    entries->queued--;
    return slot;
}

/* Waits for it to settle; where there is no room for that, the hasher finds out. */
static void settle_push(struct entries *entries, uint32_t slot)
{
    if (entries->settle_count == ENTRIES_SETTLE_MAX) {
        flags_set(file_at(entries, slot), 0, TREE_UNSETTLED);
        queue_push(entries, slot);
        return;
    }
    uint32_t at = (entries->settle_first + entries->settle_count) % ENTRIES_SETTLE_MAX;
    flags_set(file_at(entries, slot), TREE_UNSETTLED | TREE_WAITING, 0);
    entries->settle[at] = (struct entries_wait){slot, plat_now_ms() + entries->settle_ms};
    entries->settle_count++;
}

/* It is in the ring from before: its wait begins anew. */
static void settle_renew(struct entries *entries, uint32_t slot)
{
    flags_set(file_at(entries, slot), TREE_UNSETTLED, 0);
    for (uint32_t i = 0; i < entries->settle_count; i++) {
        uint32_t at = (entries->settle_first + i) % ENTRIES_SETTLE_MAX;
        if (entries->settle[at].file == slot)
            entries->settle[at].due_ms = plat_now_ms() + entries->settle_ms;
    }
}

static void unsettle(struct entries *entries, uint32_t slot)
{
    struct tree_file *file = file_at(entries, slot);
    if ((file->flags & TREE_UNSETTLED) != 0)
        return;
    file->age = 0;
    if ((file->flags & TREE_WAITING) != 0)
        settle_renew(entries, slot);
    else
        settle_push(entries, slot);
}

uint32_t entries_due(struct entries *entries, int64_t now_ms, int64_t *out_wait_ms)
{
    *out_wait_ms = -1;
    while (entries->settle_count > 0) {
        struct entries_wait wait = entries->settle[entries->settle_first];
        struct tree_file *file = file_at(entries, wait.file);
        if (wait.due_ms > now_ms) {
            *out_wait_ms = wait.due_ms - now_ms;
            return 0;
        }
        entries->settle_first = (entries->settle_first + 1) % ENTRIES_SETTLE_MAX;
        entries->settle_count--;
        flags_set(file, 0, TREE_WAITING);
        if ((file->flags & TREE_UNSETTLED) == 0) {
            entries_release(entries, wait.file);
            continue;
        }
        if (file->age < ENTRIES_AGE_MAX)
            file->age++;
        settle_push(entries, wait.file); /* until what is found says that it has settled */
        *out_wait_ms = 0;
        return wait.file;
    }
    return 0;
}

/* Looks that a file has to stay the same for. */
static unsigned looks_wanted(const struct tree_file *file)
{
    return file->tries <= TRIES_FREE ? 1u : 1u << (file->tries - TRIES_FREE);
}

static void settled(struct entries *entries, uint32_t slot)
{
    flags_set(file_at(entries, slot), 0, TREE_UNSETTLED);
    queue_push(entries, slot);
}

bool entries_want(struct entries *entries, uint32_t slot)
{
    for (uint32_t i = 0; i < entries->urgent_count; i++)
        if (entries->urgent[i] == slot)
            return true;
    if ((file_at(entries, slot)->flags & TREE_BUSY) != 0)
        return true;
    if (entries->urgent_count == ENTRIES_URGENT_MAX)
        return false;
    entries->urgent[entries->urgent_count++] = slot;
    return true;
}

static bool is_to_hash(const struct tree_file *file)
{
    unsigned flags = file->flags;
    return (flags & TREE_PRESENT) != 0 && (flags & (TREE_BUSY | TREE_UNREADABLE)) == 0 &&
           ((flags & TREE_HASHED) == 0 || (flags & TREE_RACY) != 0);
}

static uint32_t urgent_pop(struct entries *entries)
{
    while (entries->urgent_count > 0) {
        uint32_t slot = entries->urgent[0];
        entries->urgent_count--;
        memmove(entries->urgent, entries->urgent + 1, entries->urgent_count * sizeof(uint32_t));
        const struct tree_file *file = file_at(entries, slot);
        if ((file->flags & TREE_USED) != 0 && is_to_hash(file))
            return slot;
    }
    return 0;
}

static uint32_t next_in_order(struct entries *entries)
{
    uint32_t slot;
    while ((slot = queue_pop(entries)) != 0) {
        const struct tree_file *file = file_at(entries, slot);
        if (is_to_hash(file) && (file->flags & TREE_UNSETTLED) == 0)
            break;
        entries_release(entries, slot);
    }
    return slot;
}

bool entries_next(struct entries *entries, bool wanted, struct entries_task *out, char *path)
{
    uint32_t slot = wanted ? urgent_pop(entries) : next_in_order(entries);
    if (slot == 0)
        return false;
    struct tree_file *file = file_at(entries, slot);
    flags_set(file, TREE_BUSY, TREE_UNSETTLED);
    *out = (struct entries_task){.file = slot,
                                 .print = file->print,
                                 .size = file->size,
                                 .path = tree_file_path(&entries->tree, slot, path)};
    return true;
}

bool entries_is_idle(const struct entries *entries)
{
    return entries->queued == 0 && entries->settle_count == 0 && entries->urgent_count == 0;
}

/* ---- what was found ---- */

static void copy_stat(struct entries *entries, uint32_t slot, const struct plat_stat *stat)
{
    struct tree_file *file = file_at(entries, slot);
    tree_set_size(&entries->tree, slot, stat->size);
    file->mtime_s = seconds(stat->mtime_ns);
    file->print = entries_print(stat);
    flags_set(file, stat->executable ? TREE_EXECUTABLE : 0, TREE_EXECUTABLE);
}

void entries_loaded(void *ctx, const struct cache_record *record, uint32_t place)
{
    struct entries *entries = ctx;
    uint32_t slot = tree_add_path(&entries->tree, record->path);
    if (slot == 0)
        return;
    record_drop(entries, slot);
    copy_stat(entries, slot, &record->stat);
    tree_set_content(&entries->tree, slot, &record->content);
    flags_set(file_at(entries, slot), record->racy ? TREE_RACY : 0, TREE_RACY);
    record_keep(entries, slot, place);
    for (uint32_t f = file_at(entries, slot)->folder; f != TREE_ROOT;
         f = tree_folder(&entries->tree, f)->parent)
        tree_folder(&entries->tree, f)->flags |= TREE_FOLDER_GONE; /* until it is seen */
}

static void unreadable_set(struct entries *entries, uint32_t slot, bool unreadable)
{
    struct tree_file *file = file_at(entries, slot);
    bool was = (file->flags & TREE_UNREADABLE) != 0;
    entries->unreadable += (uint32_t)unreadable - (uint32_t)was;
    flags_set(file, unreadable ? TREE_UNREADABLE : 0, TREE_UNREADABLE);
}

/* The old content holds no more. */
static void content_drop(struct entries *entries, uint32_t slot, int64_t mtime_s)
{
    struct tree_file *file = file_at(entries, slot);
    bool rested = mtime_s - file->mtime_s > TRIES_FORGET_S || mtime_s < file->mtime_s;
    if (rested)
        file->tries = 0;
    else if (file->tries < TRIES_MAX)
        file->tries++;
    record_drop(entries, slot);
    tree_set_content(&entries->tree, slot, NULL);
    flags_set(file, 0, TREE_RACY);
}

/* A file that is new, back, or another than before. */
static void seen_changed(struct entries *entries, uint32_t slot, const struct plat_stat *stat,
                         enum entries_cause cause)
{
    struct tree_file *file = file_at(entries, slot);
    bool was_there = (file->flags & TREE_PRESENT) != 0, had = (file->flags & TREE_HASHED) != 0;
    bool fresh = entries_is_racy(seconds(stat->mtime_ns), plat_wall_s());
    if (had)
        content_drop(entries, slot, seconds(stat->mtime_ns));
    unreadable_set(entries, slot, false);
    copy_stat(entries, slot, stat);
    tree_set_present(&entries->tree, slot, true);
    if (cause == ENTRIES_SETTLED && file->tries <= TRIES_FREE)
        settled(entries, slot);
    else if (cause == ENTRIES_SCANNED && !fresh && !was_there)
        settled(entries, slot);
    else
        unsettle(entries, slot);
    if (had || !was_there)
        tell(entries, slot);
    else
        entries->news++;
}

/* It is as it was. */
static void seen_again(struct entries *entries, uint32_t slot, enum entries_cause cause)
{
    struct tree_file *file = file_at(entries, slot);
    if ((file->flags & TREE_UNSETTLED) != 0) {
        bool closed = cause == ENTRIES_SETTLED && file->tries <= TRIES_FREE;
        if (closed || file->age >= looks_wanted(file))
            settled(entries, slot);
    } else if ((file->flags & TREE_RACY) != 0 && cause != ENTRIES_SCANNED) {
        unsettle(entries, slot); /* it may have been written to even so */
    } else if ((file->flags & TREE_RACY) != 0) {
        if (!entries_is_racy(file->mtime_s, plat_wall_s()))
            queue_push(entries, slot); /* from now on a change would show: once more, for good */
    } else if (is_to_hash(file) && (file->flags & TREE_HASHED) == 0) {
        queue_push(entries, slot);
    }
}

/* A remembered file is back as it was. */
static void seen_back(struct entries *entries, uint32_t slot, enum entries_cause cause)
{
    struct tree_file *file = file_at(entries, slot);
    if ((file->flags & TREE_RACY) != 0) {
        record_drop(entries, slot);
        tree_set_content(&entries->tree, slot, NULL);
        flags_set(file, 0, TREE_RACY);
    }
    tree_set_present(&entries->tree, slot, true);
    if ((file->flags & TREE_HASHED) == 0) {
        if (cause == ENTRIES_CHANGED)
            unsettle(entries, slot);
        else
            settled(entries, slot);
    }
    tell(entries, slot);
}

uint32_t entries_seen(struct entries *entries, uint32_t folder, struct str name,
                      const struct plat_stat *stat, enum entries_cause cause)
{
    uint32_t slot = tree_add_file(&entries->tree, folder, name);
    while (slot == 0 && forget_one(entries))
        slot = tree_add_file(&entries->tree, folder, name);
    if (slot == 0) {
        entries->refused++;
        return 0;
    }
    struct tree_file *file = file_at(entries, slot);
    bool same = file->print == entries_print(stat);
    bool executable = (file->flags & TREE_EXECUTABLE) != 0;
    if (same && executable != stat->executable) /* what the cache does not know */
        flags_set(file, stat->executable ? TREE_EXECUTABLE : 0, TREE_EXECUTABLE);
    if (!same && (file->flags & TREE_UNSETTLED) != 0 && file->age >= ENTRIES_AGE_MAX) {
        copy_stat(entries, slot, stat);
        settled(entries, slot); /* it never rests: as it is now */
    } else if (!same || (file->flags & (TREE_PRESENT | TREE_HASHED)) == 0) {
        seen_changed(entries, slot, stat, cause);
    } else if ((file->flags & TREE_PRESENT) == 0) {
        seen_back(entries, slot, cause);
    } else {
        seen_again(entries, slot, cause);
    }
    return slot;
}

void entries_gone(struct entries *entries, uint32_t slot)
{
    struct tree_file *file = file_at(entries, slot);
    if ((file->flags & TREE_PRESENT) == 0)
        return;
    tree_set_present(&entries->tree, slot, false);
    unreadable_set(entries, slot, false);
    flags_set(file, 0, TREE_UNSETTLED | TREE_SEEN);
    tell(entries, slot);
    entries_release(entries, slot);
}

bool entries_withdraw(struct entries *entries, uint32_t *at, uint32_t max)
{
    const struct tree *tree = &entries->tree;
    if (*at == 0) {
        *at = tree->files.fresh + 1;
        entries->absent_limit = tree->counts.absent + tree->counts.present;
    }
    /* backwards: the last that came is the first in its content's chain */
    while (*at > 1 && max-- > 0)
        if ((file_at(entries, --*at)->flags & TREE_USED) != 0)
            entries_gone(entries, *at);
    return *at > 1;
}

void entries_rehash(struct entries *entries, uint32_t slot)
{
    struct tree_file *file = file_at(entries, slot);
    if ((file->flags & TREE_HASHED) == 0)
        return;
    flags_set(file, TREE_RACY, 0);
    queue_push(entries, slot);
}

/* ---- what the hasher found ---- */

static bool is_final(int result)
{
    return result == -P2P_EDENIED || result == -P2P_EIO || result == -P2P_EINVAL ||
           result == -P2P_ETOOBIG;
}

static void hashed_well(struct entries *entries, const struct entries_result *result)
{
    struct tree_file *file = file_at(entries, result->file);
    bool same = (file->flags & TREE_HASHED) != 0 &&
                memcmp(file->content, result->content.bytes, sizeof file->content) == 0;
    record_keep(entries, result->file, result->record);
    tree_set_content(&entries->tree, result->file, &result->content);
    flags_set(file, result->racy ? TREE_RACY : 0, TREE_RACY);
    if (!same && (file->flags & TREE_PRESENT) != 0)
        tell(entries, result->file);
}

void entries_hashed(struct entries *entries, const struct entries_result *result)
{
    struct tree_file *file = file_at(entries, result->file);
    flags_set(file, 0, TREE_BUSY);
    if (result->result == 0 && result->print == file->print) {
        hashed_well(entries, result);
    } else if ((file->flags & TREE_PRESENT) == 0) {
        entries_release(entries, result->file);
    } else if (is_final(result->result)) {
        if ((file->flags & TREE_HASHED) != 0)
            content_drop(entries, result->file, file->mtime_s);
        unreadable_set(entries, result->file, true);
        tell(entries, result->file);
    } else {
        if (file->tries < TRIES_MAX)
            file->tries++;
        unsettle(entries, result->file);
    }
}
