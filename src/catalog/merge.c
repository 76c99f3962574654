/* SPDX-License-Identifier: MIT */
/* Two hash tables in one carve: lines by path, so that the contents of a name stand in one run, and
 * who was counted by (line, node). Open addressing, never more than half full. What a merged line
 * shows comes from its best offer, so that the order of answers changes nothing. */
#include "catalog/merge.h"

#include "base/hash.h"
#include "base/text.h"

#include <assert.h>
#include <string.h>

enum {
    TEXT_PER_ENTRY = 64,
    HOLDERS_PER_ENTRY =
        8, /* on average; a content on every board of a fleet may use the room of many */
    FUTURE_S = 24 * 60 * 60 /* clocks of boards are wrong, but not by more than a day on purpose */
};

struct holder {
    uint32_t entry; /* + 1; 0: free */
    struct record_id node;
};

struct merge {
    struct merge_entry *entries;
    uint32_t *table; /* entry + 1 */
    struct holder *holders;
    char *text;
    uint32_t count, max, table_mask, holder_mask, holder_count;
    size_t text_used, text_size;
};

static uint32_t power_above(uint32_t value)
{
    uint32_t power = 16;

    while (power < value) {
        power *= 2;
    }
    return power;
}

int merge_init(struct merge **out, struct arena *arena, uint32_t entries)
{
    uint32_t table = power_above(2 * entries);
    uint32_t holders = power_above(2 * HOLDERS_PER_ENTRY * entries);
    struct merge *merge = arena_carve(arena, sizeof *merge, _Alignof(struct merge));

    if (merge == NULL) {
        return -P2P_EFULL;
    }
    merge->max = entries;
    merge->table_mask = table - 1;
    merge->holder_mask = holders - 1;
    merge->text_size = (size_t)entries * TEXT_PER_ENTRY + P2P_PATH_MAX;
    merge->entries = arena_carve(arena, entries * sizeof *merge->entries, 8);
    merge->table = arena_carve(arena, table * sizeof *merge->table, 8);
    merge->holders = arena_carve(arena, holders * sizeof *merge->holders, 8);
    merge->text = arena_carve(arena, merge->text_size, 1);
    if (merge->entries == NULL || merge->table == NULL || merge->holders == NULL ||
        merge->text == NULL) {
        return -P2P_EFULL;
    }
    *out = merge;
    return 0;
}

void merge_clear(struct merge *merge)
{
    memset(merge->table, 0, (merge->table_mask + 1) * sizeof *merge->table);
    memset(merge->holders, 0, (merge->holder_mask + 1) * sizeof *merge->holders);
    merge->count = merge->holder_count = 0;
    merge->text_used = 0;
}

static bool same_line(const struct merge_entry *entry, const struct record_offer *offer)
{
    return entry->hashed == offer->hashed && text_equal(entry->path, offer->path) &&
           (!offer->hashed || memcmp(&entry->content, &offer->content, sizeof offer->content) == 0);
}

static uint32_t path_place(const struct merge *merge, struct str path)
{
    return (uint32_t)hash_bytes(path.ptr, path.len) & merge->table_mask;
}

/* The place of a line in the table: its own, or the free one where it would go. */
static uint32_t *find_line(const struct merge *merge, const struct record_offer *offer)
{
    uint32_t at = path_place(merge, offer->path);

    while (merge->table[at] != 0 && !same_line(&merge->entries[merge->table[at] - 1], offer)) {
        at = (at + 1) & merge->table_mask;
    }
    return &merge->table[at];
}

static struct holder *find_holder(struct merge *merge, uint32_t entry, const struct record_id *node)
{
    uint64_t hash = hash_bytes(node, sizeof *node) ^ hash_u64(entry);
    uint32_t at = (uint32_t)hash & merge->holder_mask;

    while (merge->holders[at].entry != 0 && (merge->holders[at].entry != entry + 1 ||
                                             !record_id_equal(&merge->holders[at].node, node))) {
        at = (at + 1) & merge->holder_mask;
    }
    return &merge->holders[at];
}

static struct merge_entry *add_line(struct merge *merge, uint32_t *place,
                                    const struct record_offer *offer)
{
    if (merge->count == merge->max || merge->text_size - merge->text_used < offer->path.len) {
        return NULL;
    }
    assert(merge->entries != NULL);
    struct merge_entry *entry = &merge->entries[merge->count++];
    char *path = merge->text + merge->text_used;
    memcpy(path, offer->path.ptr, offer->path.len);
    merge->text_used += offer->path.len;
    *entry = (struct merge_entry){.content = offer->content,
                                  .hashed = offer->hashed,
                                  .size = offer->size,
                                  .path = {path, offer->path.len}};
    *place = merge->count;
    return entry;
}

/* Owned beats copy, newer beats older; equal times are settled by the id, so that all askers agree.
 */
static bool is_better(const struct merge_entry *entry, const struct record_result *result)
{
    bool owned = !result->offer.copy;

    if (entry->holders == 0) {
        return true;
    }
    if (owned != entry->owned) {
        return owned;
    }
    if (result->offer.mtime != entry->mtime) {
        return result->offer.mtime > entry->mtime;
    }
    return memcmp(&result->node, &entry->origin, sizeof result->node) < 0;
}

int merge_add(struct merge *merge, const struct record_result *result)
{
    uint32_t *place = find_line(merge, &result->offer);
    struct merge_entry *entry = *place != 0 ? &merge->entries[*place - 1] : NULL;

    if (merge->holder_count > merge->holder_mask / 2) {
        return -P2P_EFULL;
    }
    if (entry == NULL) {
        entry = add_line(merge, place, &result->offer);
        if (entry == NULL) {
            return -P2P_EFULL;
        }
    }
    uint32_t number = (uint32_t)(entry - merge->entries);
    struct holder *holder = find_holder(merge, number, &result->node);
    if (holder->entry != 0) {
        return 1;
    }
    *holder = (struct holder){number + 1, result->node};
    merge->holder_count++;
    if (is_better(entry, result)) {
        entry->owned = !result->offer.copy;
        entry->mtime = result->offer.mtime;
        entry->executable = result->offer.executable;
        entry->origin = result->node;
        entry->owner = result->offer.copy ? result->offer.origin : result->node;
    }
    entry->holders += result->holders > 0 ? result->holders : 1;
    return 0;
}

uint32_t merge_count(const struct merge *merge)
{
    return merge->count;
}

const struct merge_entry *merge_at(const struct merge *merge, uint32_t i)
{
    return i < merge->count ? &merge->entries[i] : NULL;
}

uint32_t merge_number(const struct merge *merge, const struct record_offer *offer)
{
    return *find_line(merge, offer) - 1;
}

uint32_t merge_room(const struct merge *merge)
{
    uint32_t entries = merge->max - merge->count;
    uint32_t holders = merge->holder_mask / 2 - merge->holder_count;

    return merge->holder_count > merge->holder_mask / 2 ? 0 : entries < holders ? entries : holders;
}

/* The rank of an entry among those of its name: known before unknown, owned before copies, then the
 * time. */
static int compare(const struct merge_entry *a, const struct merge_entry *b, int64_t wall_s)
{
    int64_t a_time = a->mtime > wall_s + FUTURE_S ? INT64_MIN : a->mtime;
    int64_t b_time = b->mtime > wall_s + FUTURE_S ? INT64_MIN : b->mtime;

    if (a->owned != b->owned) {
        return a->owned ? 1 : -1;
    }
    if (a_time != b_time) {
        return a_time > b_time ? 1 : -1;
    }
    if (a->hashed != b->hashed) {
        return a->hashed ? 1 : -1;
    }
    return memcmp(&a->content, &b->content, sizeof a->content);
}

const struct merge_entry *merge_best(const struct merge *merge, struct str path, int64_t wall_s)
{
    const struct merge_entry *best = NULL;

    for (uint32_t at = path_place(merge, path); merge->table[at] != 0;
         at = (at + 1) & merge->table_mask) {
        const struct merge_entry *entry = &merge->entries[merge->table[at] - 1];
        if (text_equal(entry->path, path) && (best == NULL || compare(entry, best, wall_s) > 0)) {
            best = entry;
        }
    }
    return best;
}
