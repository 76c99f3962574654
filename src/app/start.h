/* SPDX-License-Identifier: MIT */
/* The commands that run a role: index, peer, both. First thread. */
#ifndef START_H
#define START_H

#include "ui/options.h"

int start_index(struct command_line *line);
int start_peer(struct command_line *line);
int start_both(struct command_line *line);

#endif
