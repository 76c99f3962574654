/* SPDX-License-Identifier: MIT */
/* refresh: the copies of other nodes' files that this machine's node holds, and what becomes of
 * them. First thread, or that of the prompt. */
#ifndef REFRESH_H
#define REFRESH_H

#include "ui/options.h"

int refresh_run(struct command_line *line);

#endif
