/* SPDX-License-Identifier: MIT */
/* The list is linked through the files, each in it once. A join goes through the slots, and the
 * share goes on changing meanwhile. A file that is gone stays in the table until its line was
 * written. Loop thread. */
#include "peer/changes.h"

static struct tree *tree_of(const struct changes *changes)
{
    return share_tree(changes->share);
}

static struct entries *entries_of(const struct changes *changes)
{
    return share_entries(changes->share);
}

static uint32_t list_pop(struct changes *changes)
{
    uint32_t slot = changes->first;
    if (slot == 0)
        return 0;
    struct tree_file *file = tree_file(tree_of(changes), slot);
    changes->first = file->change_next;
    if (changes->first == 0)
        changes->last = 0;
    file->flags = (uint16_t)(file->flags & ~TREE_DIRTY);
    return slot;
}

bool changes_add(struct changes *changes, uint32_t slot)
{
    struct tree_file *file = tree_file(tree_of(changes), slot);
    bool matters =
        (file->flags & TREE_OFFERED) != 0 || entries_is_offered(entries_of(changes), slot);
    if (!matters || (file->flags & TREE_DIRTY) != 0)
        return false;
    file->flags |= TREE_DIRTY;
    file->change_next = 0;
    if (changes->last != 0)
        tree_file(tree_of(changes), changes->last)->change_next = slot;
    else
        changes->first = slot;
    changes->last = slot;
    return true;
}

void changes_clear(struct changes *changes)
{
    uint32_t slot;
    while ((slot = list_pop(changes)) != 0)
        entries_release(entries_of(changes), slot);
}

bool changes_any(const struct changes *changes)
{
    return changes->first != 0;
}

/* ---- lines ---- */

static void offered_set(struct changes *changes, uint32_t slot, bool offered)
{
    struct tree_file *file = tree_file(tree_of(changes), slot);
    file->flags = (uint16_t)((file->flags & ~TREE_OFFERED) | (offered ? TREE_OFFERED : 0));
}

static void put_offer(const struct changes *changes, struct buf *room, uint32_t slot,
                      bool is_update)
{
    char path[P2P_PATH_MAX + 1];
    const struct tree *tree = tree_of(changes);
    struct record_change change = {.op = RECORD_PUT};
    tree_offer(tree, slot, tree_file_path(tree, slot, path), &change.offer);
    if (is_update)
        record_put_change(room, &change);
    else
        record_put_offer(room, &change.offer);
    buf_put_char(room, '\n');
}

static void put_gone(const struct changes *changes, struct buf *room, uint32_t slot)
{
    char path[P2P_PATH_MAX + 1];
    struct record_change change = {.op = RECORD_DEL};
    change.offer.path = tree_file_path(tree_of(changes), slot, path);
    record_put_change(room, &change);
    buf_put_char(room, '\n');
}

static bool has_room(const struct buf *room)
{
    return room->size - room->len >= P2P_LINE_MAX;
}

void changes_join(struct changes *changes)
{
    changes_clear(changes);
    changes->walked = 0;
}

bool changes_put_join(struct changes *changes, struct buf *room)
{
    while (has_room(room)) {
        changes->walked = tree_next_file(tree_of(changes), changes->walked);
        if (changes->walked == 0)
            return true;
        bool offered = entries_is_offered(entries_of(changes), changes->walked);
        offered_set(changes, changes->walked, offered);
        if (offered)
            put_offer(changes, room, changes->walked, false);
        else
            entries_release(entries_of(changes), changes->walked);
    }
    return false;
}

void changes_update(struct changes *changes, uint32_t lines)
{
    changes->left = lines;
}

bool changes_put_update(struct changes *changes, struct buf *room)
{
    while (has_room(room)) {
        uint32_t slot = changes->left > 0 ? list_pop(changes) : 0;
        if (slot == 0)
            return true;
        bool offered = entries_is_offered(entries_of(changes), slot);
        if (offered)
            put_offer(changes, room, slot, true);
        else if ((tree_file(tree_of(changes), slot)->flags & TREE_OFFERED) != 0)
            put_gone(changes, room, slot);
        changes->left--;
        offered_set(changes, slot, offered);
        entries_release(entries_of(changes), slot);
    }
    return false;
}
