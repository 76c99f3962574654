/* SPDX-License-Identifier: MIT */
/* The table of a share: its folders and files, found by path and by content, listed by folder and
 * in slot order. A folder's name is kept once, a file costs 96 bytes, 12 in the hash tables and its
 * base name. Knows nothing of disk, scanning or the network. Loop thread. */
#ifndef TREE_H
#define TREE_H

#include "base/arena.h"
#include "wire/record.h"

enum tree_flag {
    TREE_USED = 1,
    TREE_PRESENT = 2,     /* seen in the share; else it is kept for what the hash cache knows */
    TREE_HASHED = 4,      /* content belongs to what print says of the file */
    TREE_OFFERED = 8,     /* the index was told of it */
    TREE_DIRTY = 16,      /* in the list of changes that the index was not told yet */
    TREE_QUEUED = 32,     /* in the hash queue */
    TREE_BUSY = 64,       /* being hashed */
    TREE_UNSETTLED = 128, /* was written to a moment ago */
    TREE_RACY = 256,      /* hashed so soon after a change that another would not show */
    TREE_EXECUTABLE = 512,
    TREE_SEEN = 1024,       /* by the walk through its folder that is under way */
    TREE_UNREADABLE = 2048, /* could not be opened; not offered until it changes */
    TREE_WAITING = 4096     /* in the ring of those that may be unsettled */
};

enum tree_folder_flag {
    TREE_FOLDER_SEEN = 1,    /* as TREE_SEEN */
    TREE_FOLDER_PENDING = 2, /* in the list of folders to walk */
    TREE_FOLDER_WALKING = 4, /* being walked */
    TREE_FOLDER_AGAIN = 8,   /* changed while it was walked */
    TREE_FOLDER_DEEP = 16,   /* its folders are to be walked too, whether new or not */
    TREE_FOLDER_GONE = 32    /* not in the share (any more): here for what it remembers */
};

/* The caller may write what stands after "yours"; the rest is the tree's. */
struct tree_file {
    uint32_t folder, name, next_path, next_content;
    uint32_t next, prev; /* in its folder */
    uint8_t content[P2P_SHA256_SIZE];
    /* yours */
    uint32_t queue_next, change_next;
    uint32_t record; /* place in the hash cache, 0: none */
    uint16_t flags;  /* USED, PRESENT and HASHED are the tree's */
    uint8_t age, tries;
    int64_t size, mtime_s;
    uint64_t print; /* of device, inode, size and times: another one is another content */
};

struct tree_folder {
    uint32_t parent, name, next_path;
    uint32_t first_file, first_folder, next, prev; /* next, prev: in its parent */
    /* yours */
    uint32_t queue_next, watch_next;
    int32_t watch; /* id, -1: none */
    uint16_t flags, unused;
};

struct tree_counts {
    uint32_t present, hashed, absent; /* hashed: of those present */
    int64_t bytes;                    /* of those present */
};

struct tree {
    struct pool files, folders;
    uint8_t *names;              /* in units of 8 bytes; a length byte, then the name */
    uint32_t units, units_fresh; /* unit 0 is none */
    uint32_t units_free[33];     /* chains of free blocks by size */
    uint32_t *paths, *contents, *folder_paths; /* heads of chains */
    uint32_t mask, folder_mask;
    struct tree_counts counts;
    /* Says of an offer that it is a copy, and whose; NULL: none is. The owner's. */
    void (*mark)(void *ctx, struct record_offer *offer);
    void *mark_ctx;
};

enum { TREE_ROOT = 1 };

/* Files that fit into so many bytes (names of 24 bytes, eight files a folder). */
uint32_t tree_budget(size_t bytes);
/* Takes at most bytes of the arena. 0 or -P2P_EFULL. */
int tree_init(struct tree *tree, struct arena *arena, size_t bytes);

struct tree_file *tree_file(const struct tree *tree, uint32_t file);
struct tree_folder *tree_folder(const struct tree *tree, uint32_t folder);
uint32_t tree_slot(const struct tree *tree, const struct tree_file *file);

/* Slots, 0: none. A name is one part of a path. */
uint32_t tree_find_folder(const struct tree *tree, uint32_t parent, struct str name);
uint32_t tree_find_file(const struct tree *tree, uint32_t folder, struct str name);
/* The same for whole paths. */
uint32_t tree_find_path(const struct tree *tree, struct str path);
/* Finds or makes; a new file is not PRESENT. 0: the table is full. */
uint32_t tree_add_folder(struct tree *tree, uint32_t parent, struct str name);
uint32_t tree_add_file(struct tree *tree, uint32_t folder, struct str name);
uint32_t tree_add_path(struct tree *tree, struct str path);
void tree_remove_file(struct tree *tree, uint32_t file);
/* Only a folder without files and folders. */
void tree_remove_folder(struct tree *tree, uint32_t folder);

/* With the file's size set. Setting what is so already is fine. */
void tree_set_present(struct tree *tree, uint32_t file, bool present);
void tree_set_size(struct tree *tree, uint32_t file, int64_t size);
/* NULL: unknown. Only a present file with a content is found by it. */
void tree_set_content(struct tree *tree, uint32_t file, const struct record_content *content);

/* The first present file with this content and the next one, 0: no more. */
uint32_t tree_find_content(const struct tree *tree, const uint8_t content[P2P_SHA256_SIZE]);
uint32_t tree_next_content(const struct tree *tree, uint32_t file);
/* The used slot after this one (0: the first), 0: no more. */
uint32_t tree_next_file(const struct tree *tree, uint32_t after);

/* Paths, without a NUL counted but ended by one; the root's is "". out has P2P_PATH_MAX + 1. */
struct str tree_file_path(const struct tree *tree, uint32_t file, char *out);
struct str tree_folder_path(const struct tree *tree, uint32_t folder, char *out);
struct str tree_file_name(const struct tree *tree, uint32_t file);
/* What the network is told of it; path has to be out's, from tree_file_path. */
void tree_offer(const struct tree *tree, uint32_t file, struct str path, struct record_offer *out);

#endif
