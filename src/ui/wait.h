/* SPDX-License-Identifier: MIT */
/* wait: until the node of this machine has nothing to hash and nothing to fetch. First thread, or
 * that of the prompt. */
#ifndef WAIT_H
#define WAIT_H

#include "ui/options.h"

int wait_run(struct command_line *line);

#endif
