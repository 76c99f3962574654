/* SPDX-License-Identifier: MIT */
/* The lines that show what is fetched on a terminal: the file in flight with size, per cent, rate,
 * time left and sources; and all files together. First thread. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include "swarm/haul.h"

/* The line, at most width columns, into out. */
void progress_format(struct buf *out, const char *name, const struct transfer_progress *progress,
                     int width);
/* The line of all files. */
void progress_format_total(struct buf *out, const struct haul_progress *progress);
/* Writes the lines that there are over those of the last time on stderr; *lines is how many, 0 at
 * first. name: of the file in flight. */
void progress_show(int *lines, const char *name, const struct haul_progress *progress);
/* One line of any text. */
void progress_show_text(int *lines, struct buf *text);
/* Takes them away. */
void progress_clear(int *lines);
/* Bytes/s of size bytes in so long a time. */
int64_t progress_rate(int64_t size, int64_t elapsed_ms);
/* A source's part of size bytes, in per cent. */
int progress_share(const struct transfer_source *source, int64_t size);
/* How many times the bound the download took, as 1.07. */
void progress_put_ratio(struct buf *buf, const struct transfer_progress *progress);
/* " in TIME, RATE/s, SHA-256 verified" */
void progress_put_time(struct buf *buf, int64_t size, int64_t elapsed_ms);
/* A line of what came for nothing; nothing when there is none. */
void progress_put_waste(struct buf *buf, uint64_t wasted, uint32_t retries);
/* A source and its share of size bytes, as a line. */
void progress_put_source(struct buf *buf, const struct transfer_source *source, int64_t size);
/* What a finished download was: time, mean rate, sources and their shares, waste. One line each, on
 * stderr. */
void progress_summary(const char *name, const struct transfer_progress *progress);

#endif
