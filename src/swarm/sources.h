/* SPDX-License-Identifier: MIT */
/* Where a download's holders come from: the index, asked at the start and again while it runs. Loop
 * thread. */
#ifndef SOURCES_H
#define SOURCES_H

#include "swarm/download.h"

int sources_init(struct download *download, struct arena *arena);
void sources_reset(struct download *download);
/* Asks the index when it is time to. */
void sources_pump(struct download *download);
void sources_stop(struct download *download);
/* Adds a holder, or gives one that failed another chance. */
void sources_add(struct download *download, const struct record_result *result);
/* The number of the holder with this id, or of a free place; -1: none. */
int sources_find(const struct download *download, const struct record_id *id);
int sources_free(const struct download *download);
/* The holder says that it has it no more, and the index, asked since, does not name it. */
bool sources_withdrawn(const struct download *download, int number);

#endif
