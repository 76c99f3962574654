/* SPDX-License-Identifier: MIT */
/* Folders and files in pools, names in blocks of 8 bytes with free chains by size. A file is found
 * by (folder, name) and by content in chained tables; a folder by (parent, name). Those that are
 * present and hashed are in the chains of contents, all others are not. Loop thread. */
#include "peer/tree.h"

#include "base/hash.h"
#include "base/name.h"

#include <assert.h>
#include <string.h>

enum {
    TREE_UNIT = 8,
    TREE_CLASSES = 33,    /* blocks of 1 to 32 units */
    TREE_NAME_AIM = 24,   /* bytes of a usual name, with its length byte and the loss */
    TREE_FOLDER_FILES = 8 /* files in a usual folder */
};

static uint32_t power_of_two(uint32_t count)
{
    uint32_t power = 1;
    while (power < count && power < (1u << 31))
        power *= 2;
    return power;
}

/* Bytes of all tables for so many files. */
static size_t tree_size(uint32_t files)
{
    uint32_t folders = files / TREE_FOLDER_FILES + 16;
    return (size_t)files * (sizeof(struct tree_file) + TREE_NAME_AIM) +
           (size_t)folders * (sizeof(struct tree_folder) + TREE_NAME_AIM) +
           2 * power_of_two(files) * sizeof(uint32_t) + power_of_two(folders) * sizeof(uint32_t) +
           1024;
}

uint32_t tree_budget(size_t bytes)
{
    uint32_t low = 0, high = 1u << 26;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (tree_size(middle) <= bytes)
            low = middle;
        else
            high = middle;
    }
    return low;
}

int tree_init(struct tree *tree, struct arena *arena, size_t bytes)
{
    uint32_t files = tree_budget(bytes), folders = files / TREE_FOLDER_FILES + 16;
    *tree =
        (struct tree){.mask = power_of_two(files) - 1, .folder_mask = power_of_two(folders) - 1};
    if (files == 0)
        return -P2P_EFULL;
    tree->units = (uint32_t)(((size_t)files + folders) * TREE_NAME_AIM / TREE_UNIT);
    tree->units_fresh = 1;
    tree->names = arena_carve(arena, (size_t)tree->units * TREE_UNIT, TREE_UNIT);
    tree->paths = arena_carve(arena, (tree->mask + (size_t)1) * sizeof(uint32_t), 64);
    tree->contents = arena_carve(arena, (tree->mask + (size_t)1) * sizeof(uint32_t), 64);
    tree->folder_paths = arena_carve(arena, (tree->folder_mask + (size_t)1) * sizeof(uint32_t), 64);
    if (!tree->names || !tree->paths || !tree->contents || !tree->folder_paths ||
        pool_init(&tree->files, arena, sizeof(struct tree_file), files) < 0 ||
        pool_init(&tree->folders, arena, sizeof(struct tree_folder), folders) < 0)
        return -P2P_EFULL;
    uint32_t root = pool_take(&tree->folders);
    assert(root == TREE_ROOT);
    tree_folder(tree, root)->watch = -1;
    return 0;
}

struct tree_file *tree_file(const struct tree *tree, uint32_t file)
{
    return pool_at(&tree->files, file);
}

struct tree_folder *tree_folder(const struct tree *tree, uint32_t folder)
{
    return pool_at(&tree->folders, folder);
}

uint32_t tree_slot(const struct tree *tree, const struct tree_file *file)
{
    return pool_slot(&tree->files, file);
}

/* ---- names ---- */

static uint32_t name_units(size_t len)
{
    return (uint32_t)((len + 1 + TREE_UNIT - 1) / TREE_UNIT);
}

static uint8_t *name_at(const struct tree *tree, uint32_t unit)
{
    return tree->names + (size_t)unit * TREE_UNIT;
}

static struct str name_get(const struct tree *tree, uint32_t unit)
{
    const uint8_t *at = name_at(tree, unit);
    return unit == 0 ? (struct str){"", 0} : (struct str){(const char *)at + 1, at[0]};
}

static void name_give(struct tree *tree, uint32_t unit, uint32_t units)
{
    memcpy(name_at(tree, unit), &tree->units_free[units], sizeof(uint32_t));
    tree->units_free[units] = unit;
}

/* A block of that size, fresh or freed, else cut from the smallest larger one that is free. */
static uint32_t name_take(struct tree *tree, uint32_t units)
{
    uint32_t class = units;
    if (tree->units_free[units] == 0 && tree->units - tree->units_fresh >= units) {
        tree->units_fresh += units;
        return tree->units_fresh - units;
    }
    while (class < TREE_CLASSES && tree->units_free[class] == 0)
        class ++;
    if (class == TREE_CLASSES)
        return 0;
    uint32_t unit = tree->units_free[class];
    memcpy(&tree->units_free[class], name_at(tree, unit), sizeof(uint32_t));
    if (class > units)
        name_give(tree, unit + units, class - units);
    return unit;
}

static uint32_t name_add(struct tree *tree, struct str name)
{
    assert(name.len >= 1 && name.len <= P2P_PART_MAX);
    uint32_t unit = name_take(tree, name_units(name.len));
    if (unit == 0)
        return 0;
    uint8_t *at = name_at(tree, unit);
    at[0] = (uint8_t)name.len;
    memcpy(at + 1, name.ptr, name.len);
    return unit;
}

static void name_remove(struct tree *tree, uint32_t unit)
{
    name_give(tree, unit, name_units(name_get(tree, unit).len));
}

static uint32_t name_hash(uint32_t folder, struct str name)
{
    return (uint32_t)(hash_bytes(name.ptr, name.len) + folder * UINT64_C(0x9e3779b97f4a7c15));
}

static bool name_is(const struct tree *tree, uint32_t unit, struct str name)
{
    struct str own = name_get(tree, unit);
    return own.len == name.len && memcmp(own.ptr, name.ptr, name.len) == 0;
}

/* ---- folders ---- */

uint32_t tree_find_folder(const struct tree *tree, uint32_t parent, struct str name)
{
    uint32_t slot = tree->folder_paths[name_hash(parent, name) & tree->folder_mask];
    while (slot != 0) {
        const struct tree_folder *folder = tree_folder(tree, slot);
        if (folder->parent == parent && name_is(tree, folder->name, name))
            break;
        slot = folder->next_path;
    }
    return slot;
}

uint32_t tree_add_folder(struct tree *tree, uint32_t parent, struct str name)
{
    uint32_t slot = tree_find_folder(tree, parent, name);
    if (slot != 0)
        return slot;
    uint32_t unit = name_add(tree, name);
    slot = unit != 0 ? pool_take(&tree->folders) : 0;
    if (slot == 0) {
        if (unit != 0)
            name_remove(tree, unit);
        return 0;
    }
    struct tree_folder *folder = tree_folder(tree, slot), *above = tree_folder(tree, parent);
    uint32_t *head = &tree->folder_paths[name_hash(parent, name) & tree->folder_mask];
    *folder = (struct tree_folder){.parent = parent,
                                   .name = unit,
                                   .next_path = *head,
                                   .next = above->first_folder,
                                   .watch = -1};
    *head = slot;
    if (above->first_folder != 0)
        tree_folder(tree, above->first_folder)->prev = slot;
    above->first_folder = slot;
    return slot;
}

void tree_remove_folder(struct tree *tree, uint32_t slot)
{
    struct tree_folder *folder = tree_folder(tree, slot);
    assert(slot != TREE_ROOT && folder->first_file == 0 && folder->first_folder == 0);
    assert(folder->watch < 0); /* else its events would reach who has the slot next */
    struct str name = name_get(tree, folder->name);
    uint32_t *link = &tree->folder_paths[name_hash(folder->parent, name) & tree->folder_mask];
    while (*link != slot)
        link = &tree_folder(tree, *link)->next_path;
    *link = folder->next_path;
    if (folder->next != 0)
        tree_folder(tree, folder->next)->prev = folder->prev;
    if (folder->prev != 0)
        tree_folder(tree, folder->prev)->next = folder->next;
    else
        tree_folder(tree, folder->parent)->first_folder = folder->next;
    name_remove(tree, folder->name);
    pool_give(&tree->folders, slot);
}

/* ---- files ---- */

uint32_t tree_find_file(const struct tree *tree, uint32_t folder, struct str name)
{
    uint32_t slot = tree->paths[name_hash(folder, name) & tree->mask];
    while (slot != 0) {
        const struct tree_file *file = tree_file(tree, slot);
        if (file->folder == folder && name_is(tree, file->name, name))
            break;
        slot = file->next_path;
    }
    return slot;
}

uint32_t tree_add_file(struct tree *tree, uint32_t folder, struct str name)
{
    uint32_t slot = tree_find_file(tree, folder, name);
    if (slot != 0)
        return slot;
    uint32_t unit = name_add(tree, name);
    slot = unit != 0 ? pool_take(&tree->files) : 0;
    if (slot == 0) {
        if (unit != 0)
            name_remove(tree, unit);
        return 0;
    }
    struct tree_file *file = tree_file(tree, slot);
    struct tree_folder *above = tree_folder(tree, folder);
    uint32_t *head = &tree->paths[name_hash(folder, name) & tree->mask];
    file->folder = folder;
    file->name = unit;
    file->next_path = *head;
    file->next = above->first_file;
    file->flags = TREE_USED;
    *head = slot;
    if (above->first_file != 0)
        tree_file(tree, above->first_file)->prev = slot;
    above->first_file = slot;
    tree->counts.absent++;
    return slot;
}

static struct str path_part(struct str *path)
{
    const char *slash = memchr(path->ptr, '/', path->len);
    struct str part = {path->ptr, slash ? (size_t)(slash - path->ptr) : path->len};
    size_t used = slash ? part.len + 1 : part.len;
    *path = (struct str){path->ptr + used, path->len - used};
    return part;
}

uint32_t tree_find_path(const struct tree *tree, struct str path)
{
    uint32_t folder = TREE_ROOT;
    struct str part = path_part(&path);
    while (path.len > 0) {
        folder = tree_find_folder(tree, folder, part);
        if (folder == 0)
            return 0;
        part = path_part(&path);
    }
    return tree_find_file(tree, folder, part);
}

uint32_t tree_add_path(struct tree *tree, struct str path)
{
    uint32_t folder = TREE_ROOT;
    assert(!name_fault(path));
    struct str part = path_part(&path);
    while (path.len > 0) {
        folder = tree_add_folder(tree, folder, part);
        if (folder == 0)
            return 0;
        part = path_part(&path);
    }
    return tree_add_file(tree, folder, part);
}

static uint32_t *content_head(const struct tree *tree, const uint8_t *content)
{
    return &tree->contents[hash_bytes(content, P2P_SHA256_SIZE) & tree->mask];
}

static bool file_is_found(const struct tree_file *file)
{
    unsigned both = TREE_PRESENT | TREE_HASHED;
    return (file->flags & both) == both;
}

/* Puts it into the chain of its content when it is present and hashed, and counts it. */
static void file_enter(struct tree *tree, uint32_t slot)
{
    struct tree_file *file = tree_file(tree, slot);
    if (!file_is_found(file))
        return;
    uint32_t *head = content_head(tree, file->content);
    file->next_content = *head;
    *head = slot;
    tree->counts.hashed++;
}

static void file_leave(struct tree *tree, uint32_t slot)
{
    struct tree_file *file = tree_file(tree, slot);
    if (!file_is_found(file))
        return;
    uint32_t *link = content_head(tree, file->content);
    while (*link != slot)
        link = &tree_file(tree, *link)->next_content;
    *link = file->next_content;
    tree->counts.hashed--;
}

void tree_set_present(struct tree *tree, uint32_t slot, bool present)
{
    struct tree_file *file = tree_file(tree, slot);
    if (present == ((file->flags & TREE_PRESENT) != 0))
        return;
    int64_t sign = present ? 1 : -1;
    file_leave(tree, slot);
    file->flags ^= TREE_PRESENT;
    file_enter(tree, slot);
    tree->counts.present += (uint32_t)sign;
    tree->counts.absent -= (uint32_t)sign;
    tree->counts.bytes += sign * file->size;
}

void tree_set_size(struct tree *tree, uint32_t slot, int64_t size)
{
    struct tree_file *file = tree_file(tree, slot);
    if (file->flags & TREE_PRESENT)
        tree->counts.bytes += size - file->size;
    file->size = size;
}

void tree_set_content(struct tree *tree, uint32_t slot, const struct record_content *content)
{
    struct tree_file *file = tree_file(tree, slot);
    file_leave(tree, slot);
    file->flags = (uint16_t)(file->flags & ~TREE_HASHED);
    if (content) {
        memcpy(file->content, content->bytes, sizeof(file->content));
        file->flags |= TREE_HASHED;
    }
    file_enter(tree, slot);
}

void tree_remove_file(struct tree *tree, uint32_t slot)
{
    struct tree_file *file = tree_file(tree, slot);
    tree_set_present(tree, slot, false);
    uint32_t *link = &tree->paths[name_hash(file->folder, name_get(tree, file->name)) & tree->mask];
    while (*link != slot)
        link = &tree_file(tree, *link)->next_path;
    *link = file->next_path;
    if (file->next != 0)
        tree_file(tree, file->next)->prev = file->prev;
    if (file->prev != 0)
        tree_file(tree, file->prev)->next = file->next;
    else
        tree_folder(tree, file->folder)->first_file = file->next;
    name_remove(tree, file->name);
    file->flags = 0;
    tree->counts.absent--;
    pool_give(&tree->files, slot);
}

/* ---- look-ups ---- */

static uint32_t content_match(const struct tree *tree, uint32_t slot, const uint8_t *content)
{
    while (slot != 0 && memcmp(tree_file(tree, slot)->content, content, P2P_SHA256_SIZE) != 0)
        slot = tree_file(tree, slot)->next_content;
    return slot;
}

uint32_t tree_find_content(const struct tree *tree, const uint8_t content[P2P_SHA256_SIZE])
{
    return content_match(tree, *content_head(tree, content), content);
}

uint32_t tree_next_content(const struct tree *tree, uint32_t slot)
{
    const struct tree_file *file = tree_file(tree, slot);
    return content_match(tree, file->next_content, file->content);
}

uint32_t tree_next_file(const struct tree *tree, uint32_t after)
{
    while (++after <= tree->files.fresh)
        if (tree_file(tree, after)->flags & TREE_USED)
            return after;
    return 0;
}

/* Writes the path of a folder at the end of out's size bytes; returns where it begins. */
static size_t path_write(const struct tree *tree, uint32_t folder, char *out, size_t at)
{
    while (folder != TREE_ROOT) {
        const struct tree_folder *own = tree_folder(tree, folder);
        struct str name = name_get(tree, own->name);
        assert(at > name.len || (at == name.len && out[at] == '\0'));
        if (out[at] != '\0')
            out[--at] = '/';
        at -= name.len;
        memcpy(out + at, name.ptr, name.len);
        folder = own->parent;
    }
    return at;
}

static struct str path_finish(char *out, size_t at)
{
    size_t len = P2P_PATH_MAX - at;
    memmove(out, out + at, len + 1);
    return (struct str){out, len};
}

struct str tree_folder_path(const struct tree *tree, uint32_t folder, char *out)
{
    out[P2P_PATH_MAX] = '\0';
    return path_finish(out, path_write(tree, folder, out, P2P_PATH_MAX));
}

struct str tree_file_name(const struct tree *tree, uint32_t slot)
{
    return name_get(tree, tree_file(tree, slot)->name);
}

struct str tree_file_path(const struct tree *tree, uint32_t slot, char *out)
{
    struct str name = tree_file_name(tree, slot);
    size_t at = P2P_PATH_MAX - name.len;
    out[P2P_PATH_MAX] = '\0';
    memcpy(out + at, name.ptr, name.len);
    return path_finish(out, path_write(tree, tree_file(tree, slot)->folder, out, at));
}

void tree_offer(const struct tree *tree, uint32_t slot, struct str path, struct record_offer *out)
{
    const struct tree_file *file = tree_file(tree, slot);
    *out = (struct record_offer){.path = path,
                                 .size = file->size,
                                 .mtime = file->mtime_s,
                                 .executable = (file->flags & TREE_EXECUTABLE) != 0,
                                 .hashed = (file->flags & TREE_HASHED) != 0,
                                 .have = 100};
    memcpy(out->content.bytes, file->content, sizeof(out->content.bytes));
    if (tree->mark)
        tree->mark(tree->mark_ctx, out);
}
