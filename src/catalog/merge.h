/* SPDX-License-Identifier: MIT */
/* Results of a search, from one index or several, as what a person asked for: one line per name and
 * content, each holder counted once, in the order in which the lines first came. And which of
 * several contents a name means. Pure. */
#ifndef MERGE_H
#define MERGE_H

#include "base/arena.h"
#include "wire/record.h"

struct merge;

struct merge_entry {
    struct record_content content;
    bool hashed, executable;
    bool owned; /* some holder owns it; else all have copies */
    int64_t size;
    int64_t mtime;           /* of the newest owned offer, else of the newest copy */
    uint32_t holders;        /* distinct nodes */
    struct str path;         /* in the merge's memory */
    struct record_id origin; /* the node of that newest offer */
    struct record_id owner;  /* whose file it is: that node, or whose copy it has */
};

/* Room for entries lines and about 64 bytes of path for each. 0 or -P2P_EFULL. */
int merge_init(struct merge **out, struct arena *arena, uint32_t entries);
void merge_clear(struct merge *merge);
/* A result that says how many holders it stands for (a line of list) counts as so many.
 * 0, 1 when the same node was counted for that line already, or -P2P_EFULL (the result is dropped).
 */
int merge_add(struct merge *merge, const struct record_result *result);
/* The number of the entry that merge_add made or found for this offer; UINT32_MAX: none. */
uint32_t merge_number(const struct merge *merge, const struct record_offer *offer);
/* Results that can be added still, unless their paths are long. */
uint32_t merge_room(const struct merge *merge);
uint32_t merge_count(const struct merge *merge);
const struct merge_entry *merge_at(const struct merge *merge, uint32_t i);
/* The entry of that path that stands for the name: the newest owned one, else the newest copy; of
 * equal times a known content. An mtime more than a day after wall_s counts as the oldest. It may
 * be a content that is not known yet. NULL: none. */
const struct merge_entry *merge_best(const struct merge *merge, struct str path, int64_t wall_s);

#endif
