/* SPDX-License-Identifier: MIT */
/* The command get: one file by name or SHA-256. First thread. */
#ifndef GET_H
#define GET_H

#include "ui/options.h"

int get_run(struct command_line *line);

#endif
