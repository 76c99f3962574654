/* SPDX-License-Identifier: MIT */
/* What memory a download has, and how the tables for a content lie in it. All of it is carved once;
 * nothing grows with a file. Loop thread. */
#ifndef MEMORY_H
#define MEMORY_H

#include "swarm/download.h"

/* Tables and lanes, by config.memory. 0 or -P2P_EFULL. */
int memory_carve(struct download *download, struct arena *arena);
/* Buffers for pieces out of so many bytes that are left, the same for each worker. 0 or
 * -P2P_EFULL. */
int memory_crews(struct download *download, struct arena *arena, size_t memory);
/* Empty tables for a content of want.size bytes, and a file for its chains; what was there is
 * forgotten. 0; -P2P_ETOOBIG: too many pieces for the memory; or why the file could not be made. */
int memory_set_up(struct download *download);

#endif
