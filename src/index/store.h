/* SPDX-License-Identifier: MIT */
/* The directory on disk: when it is read and when it is written. Loop thread. */
#ifndef STORE_H
#define STORE_H

#include "index/role.h"

/* Without a worker for the disk there is none: role->store stays NULL. 0 or -P2P_EFULL. */
int store_init(struct index_role *role, struct arena *arena);
/* Reads what is there; then ready is called. */
void store_start(struct index_role *role, void (*ready)(struct index_role *role));
/* Writes what has changed; then left is called. */
void store_leave(struct index_role *role, void (*left)(void *ctx), void *ctx);
/* The worker must not run. */
void store_stop(struct index_role *role);
/* The fields of an object. */
void store_put_stats(const struct index_role *role, struct buf *buf);

#endif
