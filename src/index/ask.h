/* SPDX-License-Identifier: MIT */
/* The GET routes by which anybody asks the directory: parameters, their bounds, and the answers
 * that fit one body. Loop thread. */
#ifndef ASK_H
#define ASK_H

#include "run/exchange.h"

void ask_search(struct exchange *exchange, void *role);
void ask_list(struct exchange *exchange, void *role);
void ask_nodes(struct exchange *exchange, void *role);
void ask_sources(struct exchange *exchange, void *role);

#endif
