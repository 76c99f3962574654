/* SPDX-License-Identifier: MIT */
/* status: the figures of this machine's node, or of the index. First thread. */
#ifndef STATUS_H
#define STATUS_H

#include "ui/options.h"

int status_run(struct command_line *line);

#endif
