/* SPDX-License-Identifier: MIT */
/* POST /v1/join and /v1/update: how what a node offers gets into the catalog, line by line,
 * and in or out as a whole. Loop thread. */
#ifndef ANNOUNCE_H
#define ANNOUNCE_H

#include "index/member.h"

int announce_init(struct index_role *role, struct arena *arena);
void announce_close(struct index_role *role);
/* The role's task: a slice of the catalog's pending work, then the answers to announces whose
 * commit is through. */
bool announce_step(void *role);

void announce_begin_join(struct exchange *exchange, void *role);
void announce_begin_update(struct exchange *exchange, void *role);
void announce_line(struct exchange *exchange, void *role, struct str line);
void announce_end(struct exchange *exchange, void *role);
void announce_gone(struct exchange *exchange, void *role, bool aborted);

#endif
