/* SPDX-License-Identifier: MIT */
/* The line that shows a download on a terminal: name, size, per cent, rate, time left, sources.
 * First thread. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include "swarm/transfer.h"

/* The line, at most width columns, into out. */
void progress_format(struct buf *out, const char *name, const struct transfer_progress *progress,
                     int width);
/* Writes it over the last one on stderr. */
void progress_show(const char *name, const struct transfer_progress *progress);
/* Takes it away. */
void progress_clear(void);
/* What a finished download was: time, mean rate, sources and their shares, waste. One line each, on
 * stderr. */
void progress_summary(const char *name, const struct transfer_progress *progress);

#endif
