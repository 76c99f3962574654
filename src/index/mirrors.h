/* SPDX-License-Identifier: MIT */
/* The other indexes of this directory: the list of those that are followed. Loop thread. */
#ifndef MIRRORS_H
#define MIRRORS_H

#include "index/role.h"

/* config.mirrors may be empty: role->mirrors stays NULL then. 0, -P2P_EFULL, -P2P_EINVAL. */
int mirrors_init(struct index_role *role, struct arena *arena);
void mirrors_begin(struct index_role *role);
void mirrors_stop(struct index_role *role);
/* True, and answered 503: this index has begun just now, and its mirrors know what it does not yet.
 * Until one was in step, all have failed, or some seconds have passed. */
bool mirrors_are_awaited(struct index_role *role, struct exchange *exchange);
/* Items of a JSON array, each with a comma before it: where this asker finds those that were heard
 * before. */
void mirrors_put_addresses(const struct index_role *role, struct buf *buf,
                           const struct reach_asker *asker);
/* An array of an object for each. */
void mirrors_put_stats(const struct index_role *role, struct buf *buf);

#endif
