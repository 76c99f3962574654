/* SPDX-License-Identifier: MIT */
/* POST /v1/alive: the heartbeat, whose held answer makes its connection the membership connection.
 * Loop thread. */
#ifndef ALIVE_H
#define ALIVE_H

#include "index/member.h"

void alive_init(struct index_role *role);
void alive_close(struct index_role *role);
/* Answers the node's heartbeat now, if one is held. */
void alive_release(struct index_role *role, struct member *member);

void alive_begin(struct exchange *exchange, void *role);
void alive_line(struct exchange *exchange, void *role, struct str line);
void alive_end(struct exchange *exchange, void *role);
void alive_next(struct exchange *exchange, void *role);
void alive_gone(struct exchange *exchange, void *role, bool aborted);

#endif
