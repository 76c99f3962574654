/* SPDX-License-Identifier: MIT */
/* POST /v1/leave: a node says that it goes. Loop thread. */
#ifndef LEAVE_H
#define LEAVE_H

#include "run/exchange.h"

void leave_begin(struct exchange *exchange, void *role);
void leave_line(struct exchange *exchange, void *role, struct str line);
void leave_end(struct exchange *exchange, void *role);

#endif
