/* SPDX-License-Identifier: MIT */
/* doctor: looks at everything that a node needs, and names what is wrong with its cure. Works with
 * a node and without. First thread, or that of the prompt. */
#ifndef DOCTOR_H
#define DOCTOR_H

#include "ui/options.h"

/* 1 when something is wrong, else 0. */
int doctor_run(struct command_line *line);

#endif
