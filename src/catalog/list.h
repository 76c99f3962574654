/* SPDX-License-Identifier: MIT */
/* One line for each content (and for each offer that is not hashed yet) in slot order, in pages and
 * slices. A content that is there throughout appears exactly once; order means nothing. No state is
 * kept in the catalog. Loop thread. */
#ifndef LIST_H
#define LIST_H

#include "catalog/lookup.h"

enum { LIST_CURSOR_MAX = 40 };

/* Lives at the caller's. */
struct list {
    const struct catalog *catalog;
    int64_t wall_s;
    uint32_t content, offer; /* last slots looked at */
    uint16_t prefix_len;
    char prefix[P2P_PATH_MAX];
};

/* prefix: of the path, as it is written; empty for all. after: a cursor that list_cursor wrote, or
 * empty. 0; -P2P_ETOOBIG: prefix too long; -P2P_EINVAL: no cursor; -P2P_ENOTFOUND: a cursor of an
 * earlier run of the index. */
int list_init(struct list *list, const struct catalog *catalog, struct str prefix, struct str after,
              int64_t wall_s);
/* 1 and the next line; 0: that was all; -P2P_EAGAIN: about *work units are used up, come back on
 * the next turn. *work is counted down (5,000 take about a millisecond). */
int list_next(struct list *list, uint32_t *work, struct lookup_offer *out);
/* Where to go on after the last line given. Returns out. */
const char *list_cursor(const struct list *list, char out[static LIST_CURSOR_MAX]);

#endif
