/* SPDX-License-Identifier: MIT */
/* GET /v1/snapshot: the directory, or one node's part of it, as lines. Loop thread. */
#ifndef DUMP_H
#define DUMP_H

#include "catalog/snapshot.h"
#include "index/role.h"

enum { DUMP_MAX = 16 }; /* at once: each mirror fetches one after the other */

/* Bytes of arena, at most, for an index with so many bytes. */
size_t dump_size(size_t bytes);
/* After the catalog is there. 0 or -P2P_EFULL. */
int dump_init(struct index_role *role, struct arena *arena);
/* A line as this asker may have it (NULL: as it is), with its newline. */
void dump_put(const struct index_role *role, struct buf *buf, const struct reach_asker *asker,
              const struct snapshot_item *item);

void dump_begin(struct exchange *exchange, void *role);
void dump_gone(struct exchange *exchange, void *role, bool aborted);

#endif
