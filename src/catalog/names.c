/* SPDX-License-Identifier: MIT */
/* Interned paths. The hash of a name is made of its own bytes and the number of its folder, so that
 * a path is compared by the length of its last part. Loop thread. */
#include "catalog/names.h"

#include "base/buf.h"
#include "base/hash.h"
#include "base/text.h"

#include <assert.h>
#include <string.h>

struct names_name *names_at(const struct names *names, uint32_t name)
{
    assert(name >= 1 && name <= names->names.fresh);
    return (struct names_name *)(void *)names->names.items + (name - 1);
}

struct names_folder *names_folder_at(const struct names *names, uint32_t folder)
{
    assert(folder >= 1 && folder <= names->folders.fresh);
    return (struct names_folder *)(void *)names->folders.items + (folder - 1);
}

static uint32_t names_hash(struct str text)
{
    return (uint32_t)hash_bytes(text.ptr, text.len);
}

static uint32_t names_hash_in(uint32_t folder, uint32_t hash)
{
    return hash ^ folder * UINT32_C(0x9e3779b1);
}

size_t names_size(struct names_budget budget)
{
    return (size_t)budget.names * sizeof(struct names_name) +
           (size_t)budget.folders * sizeof(struct names_folder) + linear_size(budget.names) +
           linear_size(budget.folders) + texts_size(budget.pages);
}

uint64_t names_memory(const struct names *names)
{
    uint64_t bucket = sizeof(uint32_t) + sizeof(struct linear_entry);
    return names->names.used * (sizeof(struct names_name) + bucket) +
           names->folders.used * (sizeof(struct names_folder) + bucket) +
           texts_size(names->texts.fresh) - TEXTS_PAGE;
}

int names_init(struct names *names, struct arena *arena, struct names_budget budget)
{
    int rc = pool_init(&names->names, arena, sizeof(struct names_name), budget.names);
    if (rc == 0)
        rc = pool_init(&names->folders, arena, sizeof(struct names_folder), budget.folders);
    if (rc == 0)
        pool_ahead(&names->names);
    if (rc == 0)
        pool_ahead(&names->folders);
    names->texts.owner[TEXTS_BASE].pool = &names->names;
    names->texts.owner[TEXTS_BASE].text_at = offsetof(struct names_name, text);
    names->texts.owner[TEXTS_FOLDER].pool = &names->folders;
    names->texts.owner[TEXTS_FOLDER].text_at = offsetof(struct names_folder, text);
    names->walks = NULL;
    names->last_folder = names->gone = 0;
    if (rc == 0)
        rc = linear_init(&names->by_name, arena, budget.names);
    if (rc == 0)
        rc = linear_init(&names->by_folder, arena, budget.folders);
    return rc != 0 ? rc : texts_init(&names->texts, arena, budget.pages);
}

struct str names_folder_text(const struct names *names, uint32_t folder)
{
    uint32_t text = names_folder_at(names, folder)->text;
    return text ? texts_get(&names->texts, text) : (struct str){"", 0};
}

struct str names_base(const struct names *names, uint32_t name)
{
    return texts_get(&names->texts, names_at(names, name)->text);
}

struct str names_path(const struct names *names, uint32_t name, char out[static P2P_PATH_MAX])
{
    struct str folder = names_folder_text(names, names_at(names, name)->folder);
    struct str base = names_base(names, name);
    assert(folder.len + base.len <= P2P_PATH_MAX);
    buf_copy(out, folder.ptr, folder.len);
    buf_copy(out + folder.len, base.ptr, base.len);
    return (struct str){out, folder.len + base.len};
}

/* path into the folder with its slash, and the base. */
static void names_split(struct str path, struct str *out_folder, struct str *out_base)
{
    size_t at = (size_t)(text_find_last(path, '/') + 1);
    *out_folder = text_first(path, at);
    *out_base = text_from_byte(path, at);
}

static bool names_folder_is(const struct names *names, uint32_t folder, struct str text)
{
    uint32_t number = names_folder_at(names, folder)->text;
    return number ? texts_equal(&names->texts, number, text) : text.len == 0;
}

static bool names_base_is(const struct names *names, uint32_t name, struct str base)
{
    return texts_equal(&names->texts, names_at(names, name)->text, base);
}

static uint32_t names_find_folder(struct names *names, struct str text)
{
    if (names->last_folder && names_folder_is(names, names->last_folder, text))
        return names->last_folder;
    uint32_t folder = linear_first(&names->by_folder, names_hash(text));
    while (folder && !names_folder_is(names, folder, text))
        folder = linear_next(&names->by_folder, folder);
    if (folder)
        names->last_folder = folder;
    return folder;
}

static void names_key_in(struct names *names, struct names_key *key)
{
    key->gone = names->gone;
    key->folder = names_find_folder(names, key->text);
    key->hash = names_hash_in(key->folder, key->base_hash);
    if (key->folder)
        linear_expect(&names->by_name, key->hash);
}

struct names_key names_key(struct names *names, struct str path)
{
    struct names_key key;
    names_split(path, &key.text, &key.base);
    key.base_hash = names_hash(key.base);
    names_key_in(names, &key);
    return key;
}

void names_key_again(struct names *names, struct names_key *key, struct str path)
{
    key->text.ptr = path.ptr;
    key->base.ptr = path.ptr + key->text.len;
    if (key->folder == 0 || key->gone != names->gone)
        names_key_in(names, key);
}

uint32_t names_find_key(const struct names *names, const struct names_key *key)
{
    uint32_t name = key->folder ? linear_first(&names->by_name, key->hash) : 0;
    while (name &&
           (names_at(names, name)->folder != key->folder || !names_base_is(names, name, key->base)))
        name = linear_next(&names->by_name, name);
    return name;
}

uint32_t names_find(struct names *names, struct str path)
{
    struct names_key key = names_key(names, path);
    return names_find_key(names, &key);
}

bool names_is(struct names *names, uint32_t name, struct str path)
{
    struct str text, base;
    names_split(path, &text, &base);
    uint32_t folder = names_at(names, name)->folder;
    if (!names_base_is(names, name, base) || !names_folder_is(names, folder, text))
        return false;
    names->last_folder = folder;
    return true;
}

static uint32_t names_add_folder(struct names *names, struct str text)
{
    uint32_t folder = pool_take(&names->folders);
    if (folder == 0)
        return 0;
    if (text.len > 0 && texts_add(&names->texts, TEXTS_FOLDER, folder, text) != 0) {
        pool_give(&names->folders, folder);
        return 0;
    }
    linear_add(&names->by_folder, folder, names_hash(text));
    names->last_folder = folder;
    return folder;
}

static void names_remove_folder(struct names *names, uint32_t folder)
{
    struct names_folder *at = names_folder_at(names, folder);
    if (names->last_folder == folder)
        names->last_folder = 0;
    names->gone++;
    linear_remove(&names->by_folder, folder);
    if (at->text)
        texts_remove(&names->texts, at->text);
    pool_give(&names->folders, folder);
}

static void names_link(struct names *names, uint32_t name, uint32_t folder)
{
    struct names_folder *in = names_folder_at(names, folder);
    struct names_name *at = names_at(names, name);
    at->folder = folder;
    at->next = in->first;
    at->prev = 0;
    if (in->first)
        names_at(names, in->first)->prev = name;
    in->first = name;
    in->count++;
}

static uint32_t names_add_in(struct names *names, uint32_t folder, struct str base, uint32_t hash)
{
    uint32_t name = pool_take(&names->names);
    if (name && texts_add(&names->texts, TEXTS_BASE, name, base) != 0) {
        pool_give(&names->names, name);
        name = 0;
    }
    if (name == 0)
        return 0;
    linear_add(&names->by_name, name, hash);
    names_link(names, name, folder);
    return name;
}

uint32_t names_add(struct names *names, const struct names_key *key)
{
    uint32_t folder = key->folder, hash = key->hash;
    if (folder == 0) {
        folder = names_add_folder(names, key->text);
        hash = names_hash_in(folder, hash);
    }
    if (folder == 0)
        return 0;
    uint32_t name = names_add_in(names, folder, key->base, hash);
    if (name == 0 && names_folder_at(names, folder)->count == 0)
        names_remove_folder(names, folder);
    return name;
}

static void names_unlink(struct names *names, uint32_t name)
{
    struct names_name *at = names_at(names, name);
    struct names_folder *in = names_folder_at(names, at->folder);
    for (struct names_walk *walk = names->walks; walk; walk = walk->link) {
        if (walk->next == name)
            walk->next = at->next;
    }
    if (at->prev)
        names_at(names, at->prev)->next = at->next;
    else
        in->first = at->next;
    if (at->next)
        names_at(names, at->next)->prev = at->prev;
    if (--in->count == 0)
        names_remove_folder(names, at->folder);
}

void names_remove(struct names *names, uint32_t name)
{
    struct names_name *at = names_at(names, name);
    assert(at->offers == 0);
    linear_remove(&names->by_name, name);
    names_unlink(names, name);
    texts_remove(&names->texts, at->text);
    at->folder = 0;
    pool_give(&names->names, name);
}

void names_walk_begin(struct names *names, struct names_walk *walk, uint32_t folder)
{
    walk->next = names_folder_at(names, folder)->first;
    walk->link = names->walks;
    names->walks = walk;
}

uint32_t names_walk_next(struct names *names, struct names_walk *walk)
{
    uint32_t name = walk->next;
    if (name)
        walk->next = names_at(names, name)->next;
    return name;
}

void names_walk_end(struct names *names, struct names_walk *walk)
{
    struct names_walk **link = &names->walks;
    while (*link != walk)
        link = &(*link)->link;
    *link = walk->link;
}

static const char *names_check_folder(const struct names *names, uint32_t folder)
{
    const struct names_folder *in = names_folder_at(names, folder);
    uint32_t count = 0, prev = 0;
    for (uint32_t name = in->first; name; name = names_at(names, name)->next) {
        const struct names_name *at = names_at(names, name);
        if (at->folder != folder || at->prev != prev || ++count > in->count)
            return "a folder's list of names is broken";
        struct str base = names_base(names, name);
        struct names_key key = {
            .base = base, .folder = folder, .hash = names_hash_in(folder, names_hash(base))};
        if (names_find_key(names, &key) != name)
            return "a name is not found by its text";
        prev = name;
    }
    return count == in->count && count > 0 ? NULL : "a folder's count of names is wrong";
}

const char *names_check(const struct names *names)
{
    uint32_t seen = 0, folders = 0;
    const char *fault = texts_check(&names->texts);
    for (uint32_t name = 1; !fault && name <= names->names.fresh; name++) {
        if (names_at(names, name)->folder == 0)
            continue;
        seen++;
        if (names_at(names, name)->prev != 0)
            continue;
        folders++;
        fault = names_check_folder(names, names_at(names, name)->folder);
    }
    if (fault)
        return fault;
    if (folders != names->folders.used || folders != names->by_folder.count)
        return "the count of folders is wrong";
    return seen == names->names.used && seen == names->by_name.count
               ? NULL
               : "the count of names is wrong";
}
