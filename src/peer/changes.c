/* SPDX-License-Identifier: MIT */
/* The list is linked through the files, each in it once. A join goes through the slots, and the
 * share goes on changing meanwhile. A file that is gone stays in the table until its line was
 * written. Loop thread. */
#include "peer/changes.h"

#include "base/text.h"

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
    return changes->first != 0 || changes->extra.dirty;
}

void changes_set_extra(struct changes *changes, const struct record_offer *offer)
{
    struct changes_extra *extra = &changes->extra;
    extra->any = offer && text_copy(offer->path, extra->path, sizeof extra->path) == 0;
    extra->dirty = extra->any || extra->told[0] != '\0';
    if (!extra->any)
        return;
    extra->offer = *offer;
    extra->offer.path = text_from(extra->path);
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

/* A file of the share has that name: what the index knows of it is the file's affair. */
static bool is_in_share(const struct changes *changes, struct str path)
{
    uint32_t slot = changes->share ? tree_find_path(tree_of(changes), path) : 0;
    return slot != 0 && entries_is_offered(entries_of(changes), slot);
}

/* One line of an update, or of a join: what was told under another path goes first. */
static void put_extra(struct changes *changes, struct buf *room, bool is_update)
{
    struct changes_extra *extra = &changes->extra;
    struct record_change change = {.op = RECORD_DEL};
    struct str told = text_from(extra->told);
    bool offers = extra->any && !is_in_share(changes, extra->offer.path);
    bool moved = told.len > 0 && (!offers || !text_equal(told, extra->offer.path));
    change.offer.path = told;
    if (is_update && moved && !is_in_share(changes, told)) {
        record_put_change(room, &change);
    } else if (offers) {
        change = (struct record_change){.op = RECORD_PUT, .offer = extra->offer};
        if (is_update)
            record_put_change(room, &change);
        else
            record_put_offer(room, &change.offer);
        moved = false;
    } else {
        extra->dirty = false;
        extra->told[0] = '\0';
        return;
    }
    buf_put_char(room, '\n');
    extra->dirty = moved && offers;
    (void)text_copy(moved ? STR("") : extra->offer.path, extra->told, sizeof extra->told);
}

static bool has_room(const struct buf *room)
{
    return room->size - room->len >= P2P_LINE_MAX;
}

void changes_join(struct changes *changes)
{
    changes_clear(changes);
    changes->walked = 0;
    changes->joins_extra = true;
}

bool changes_put_join(struct changes *changes, struct buf *room)
{
    if (changes->joins_extra && has_room(room)) {
        changes->joins_extra = false;
        changes->extra.told[0] = '\0';
        put_extra(changes, room, false);
    }
    while (has_room(room)) {
        if (!changes->share)
            return !changes->joins_extra;
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
    while (changes->extra.dirty && has_room(room))
        put_extra(changes, room, true);
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
