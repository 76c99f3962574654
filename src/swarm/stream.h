/* SPDX-License-Identifier: MIT */
/* Giving the pieces of a download in order, with no more of them on the disk than a window. Loop
 * thread. */
#ifndef STREAM_H
#define STREAM_H

#include "swarm/download.h"

/* Before anything is asked for. */
void stream_reset(struct download *download);
/* Pieces in any order, whatever the proof would like first: the window says which. */
void stream_wish(const struct download *download, struct proof_wish *wish);
/* May the next piece be given? Then it is, when nobody writes to its place any more (quiet). */
bool stream_is_due(const struct download *download);
void stream_give(struct download *download);
/* It was used: the window moves on. */
void stream_given(struct download *download);
/* A piece that was held is not: what was given cannot be taken back. */
void stream_lost(struct download *download, uint32_t piece);
/* All is given, or it is no stream. */
bool stream_is_over(const struct download *download);

#endif
