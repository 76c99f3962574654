/* SPDX-License-Identifier: MIT */
/* Mark and sweep, a folder at a time: what is seen in a folder is marked, the rest goes when the
 * folder is read. A change in a folder that is being walked has it walked again, so that no order
 * of events and parts can leave something wrong. Loop thread. */
#include "peer/folders.h"

#include "base/text.h"

static struct tree *tree_of(const struct folders *folders)
{
    return &folders->entries->tree;
}

static void flags_set(struct tree_folder *folder, unsigned set, unsigned clear)
{
    folder->flags = (uint16_t)((folder->flags & ~clear) | set);
}

uint32_t folders_find(const struct folders *folders, struct str path)
{
    struct tree *tree = tree_of(folders);
    uint32_t slot = TREE_ROOT;
    struct str part;
    while (slot != 0 && text_split(&path, '/', &part))
        slot = tree_find_folder(tree, slot, part);
    if (slot != 0 && (tree_folder(tree, slot)->flags & TREE_FOLDER_GONE) != 0)
        slot = 0;
    return slot;
}

void folders_push(struct folders *folders, uint32_t slot, bool deep)
{
    struct tree *tree = tree_of(folders);
    struct tree_folder *folder = tree_folder(tree, slot);
    flags_set(folder, deep ? TREE_FOLDER_DEEP : 0, 0);
    if ((folder->flags & TREE_FOLDER_WALKING) != 0)
        flags_set(folder, TREE_FOLDER_AGAIN, 0);
    if ((folder->flags & (TREE_FOLDER_PENDING | TREE_FOLDER_WALKING)) != 0)
        return;
    flags_set(folder, TREE_FOLDER_PENDING, 0);
    folder->queue_next = 0;
    if (folders->last != 0)
        tree_folder(tree, folders->last)->queue_next = slot;
    else
        folders->first = slot;
    folders->last = slot;
}

static uint32_t pop_any(struct folders *folders)
{
    uint32_t slot = folders->first;
    if (slot == 0)
        return 0;
    struct tree_folder *folder = tree_folder(tree_of(folders), slot);
    folders->first = folder->queue_next;
    if (folders->first == 0)
        folders->last = 0;
    flags_set(folder, 0, TREE_FOLDER_PENDING);
    return slot;
}

uint32_t folders_pop(struct folders *folders)
{
    uint32_t slot;
    while ((slot = pop_any(folders)) != 0) {
        struct tree_folder *folder = tree_folder(tree_of(folders), slot);
        if ((folder->flags & TREE_FOLDER_GONE) == 0) {
            flags_set(folder, TREE_FOLDER_WALKING, TREE_FOLDER_AGAIN);
            return slot;
        }
        entries_release_folder(folders->entries, slot);
    }
    return 0;
}

void folders_clear(struct folders *folders)
{
    uint32_t slot;
    while ((slot = pop_any(folders)) != 0) {
        flags_set(tree_folder(tree_of(folders), slot), 0, TREE_FOLDER_DEEP);
        entries_release_folder(folders->entries, slot);
    }
}

void folders_seen(struct folders *folders, uint32_t parent, struct str name, bool deep)
{
    struct tree *tree = tree_of(folders);
    uint32_t slot = tree_find_folder(tree, parent, name), file = tree_find_file(tree, parent, name);
    bool is_new = slot == 0 || (tree_folder(tree, slot)->flags & TREE_FOLDER_GONE) != 0;
    if (file != 0)
        entries_gone(folders->entries, file);
    if (slot == 0)
        slot = tree_add_folder(tree, parent, name);
    if (slot == 0) {
        folders->refused++;
        return;
    }
    unsigned walking = tree_folder(tree, parent)->flags & TREE_FOLDER_WALKING;
    flags_set(tree_folder(tree, slot), walking != 0 ? TREE_FOLDER_SEEN : 0, TREE_FOLDER_GONE);
    if (is_new || deep)
        folders_push(folders, slot, true);
}

/* Descends into its folders: at most as deep as a path has parts. */
void folders_gone(struct folders *folders, uint32_t slot)
{
    struct tree *tree = tree_of(folders);
    uint32_t next;
    watch_unbind(folders->watch, slot);
    for (uint32_t at = tree_folder(tree, slot)->first_file; at != 0; at = next) {
        next = tree_file(tree, at)->next;
        entries_gone(folders->entries, at);
    }
    for (uint32_t at = tree_folder(tree, slot)->first_folder; at != 0; at = next) {
        next = tree_folder(tree, at)->next;
        folders_gone(folders, at);
    }
    /* only now: it must not be freed under our feet */
    if (slot == TREE_ROOT)
        return;
    flags_set(tree_folder(tree, slot), TREE_FOLDER_GONE,
              TREE_FOLDER_DEEP | TREE_FOLDER_AGAIN | TREE_FOLDER_SEEN);
    entries_release_folder(folders->entries, slot);
}

void folders_sweep(struct folders *folders, uint32_t slot)
{
    struct tree *tree = tree_of(folders);
    uint32_t next;
    for (uint32_t at = tree_folder(tree, slot)->first_file; at != 0; at = next) {
        struct tree_file *file = tree_file(tree, at);
        next = file->next;
        if ((file->flags & TREE_SEEN) != 0)
            file->flags = (uint16_t)(file->flags & ~TREE_SEEN);
        else
            entries_gone(folders->entries, at);
    }
    for (uint32_t at = tree_folder(tree, slot)->first_folder; at != 0; at = next) {
        struct tree_folder *folder = tree_folder(tree, at);
        next = folder->next;
        if ((folder->flags & TREE_FOLDER_SEEN) != 0)
            flags_set(folder, 0, TREE_FOLDER_SEEN);
        else if ((folder->flags & TREE_FOLDER_GONE) == 0)
            folders_gone(folders, at);
    }
}

void folders_done(struct folders *folders, uint32_t slot)
{
    struct tree_folder *folder = tree_folder(tree_of(folders), slot);
    bool again = (folder->flags & TREE_FOLDER_AGAIN) != 0;
    bool gone = (folder->flags & TREE_FOLDER_GONE) != 0;
    bool deep = again && (folder->flags & TREE_FOLDER_DEEP) != 0;
    flags_set(folder, 0, TREE_FOLDER_WALKING | TREE_FOLDER_AGAIN | TREE_FOLDER_DEEP);
    if (gone)
        entries_release_folder(folders->entries, slot);
    else if (again)
        folders_push(folders, slot, deep);
}
