/* SPDX-License-Identifier: MIT */
/* Paths, each stored once: a folder (with its last slash, "" for none) and in it a name. A name
 * lives as long as some offer is linked to it; a folder as long as it holds a name. Loop thread. */
#ifndef NAMES_H
#define NAMES_H

#include "catalog/linear.h"
#include "catalog/texts.h"

struct names_folder {
    uint32_t text; /* 0: the empty folder */
    uint32_t first, count;
};
struct names_name {
    uint32_t text, folder; /* folder 0: a free slot */
    uint32_t next, prev;   /* in its folder */
    uint32_t offers;       /* first of the offers with this name; the offers' business */
};

/* A walk over the names of a folder that lasts over several turns of the loop. */
struct names_walk {
    uint32_t next; /* the name to come, 0 at the end */
    struct names_walk *link;
};

struct names {
    struct pool folders, names;
    struct linear by_folder, by_name;
    struct texts texts;
    struct names_walk *walks;
    uint32_t last_folder; /* paths come folder by folder */
    uint32_t gone;        /* folders so far */
};

struct names_budget {
    uint32_t names, folders, pages;
};
/* 0 or -P2P_EFULL. */
int names_init(struct names *names, struct arena *arena, struct names_budget budget);
size_t names_size(struct names_budget budget);
/* Bytes that the names now there take, with their folders, hash tables and signatures. */
uint64_t names_memory(const struct names *names);
/* A path that is looked for: split, its folder found, hashed. Good until a name is added or
 * removed.
 */
struct names_key {
    struct str text, base; /* text: of the folder */
    uint32_t folder, hash; /* folder 0: it is not here; hash is that of base then */
    uint32_t base_hash;
    uint32_t gone; /* as it was in names */
};
struct names_key names_key(struct names *names, struct str path);
/* Makes a key of before good again for the same path, which may lie elsewhere now. */
void names_key_again(struct names *names, struct names_key *key, struct str path);
/* The name of a path, or 0. path is a good name. */
uint32_t names_find(struct names *names, struct str path);
uint32_t names_find_key(const struct names *names, const struct names_key *key);
/* True when it is this name's path; cheap when paths come folder by folder. */
bool names_is(struct names *names, uint32_t name, struct str path);
/* Makes a name that is not here; 0 when there is no room. */
uint32_t names_add(struct names *names, const struct names_key *key);
/* Takes a name out that no offer has any more. */
void names_remove(struct names *names, uint32_t name);

struct names_name *names_at(const struct names *names, uint32_t name);
struct names_folder *names_folder_at(const struct names *names, uint32_t folder);
/* With its last slash, or "". */
struct str names_folder_text(const struct names *names, uint32_t folder);
struct str names_base(const struct names *names, uint32_t name);
/* The whole path in out. */
struct str names_path(const struct names *names, uint32_t name, char out[static P2P_PATH_MAX]);

/* Begins a walk; each name that is there from begin to end is given exactly once. */
void names_walk_begin(struct names *names, struct names_walk *walk, uint32_t folder);
uint32_t names_walk_next(struct names *names, struct names_walk *walk);
/* Must be called once for each begin. */
void names_walk_end(struct names *names, struct names_walk *walk);

/* For check_catalog: NULL or what is wrong. */
const char *names_check(const struct names *names);

#endif
