/* SPDX-License-Identifier: MIT */
/* GET /v1/stats: the figures of the role as one JSON document. Loop thread. */
#ifndef FIGURE_H
#define FIGURE_H

#include "run/exchange.h"

void figure_begin(struct exchange *exchange, void *role);

#endif
