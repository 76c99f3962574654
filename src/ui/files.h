/* SPDX-License-Identifier: MIT */
/* The commands that ask: list, search, who. First thread. */
#ifndef FILES_H
#define FILES_H

#include "ui/options.h"

int files_list(struct command_line *line);
int files_search(struct command_line *line);
int files_who(struct command_line *line);

#endif
