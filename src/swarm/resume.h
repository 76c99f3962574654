/* SPDX-License-Identifier: MIT */
/* Going on with what an earlier download left: each piece is hashed again, on the workers, as soon
 * as there is a chain; no note of what was good is kept, so a power cut can make none of it wrong.
 * Loop thread. */
#ifndef RESUME_H
#define RESUME_H

#include "swarm/fetch.h"

int resume_init(struct download *download, struct arena *arena);
void resume_reset(struct download *download);
/* Hands pieces to workers. True when all are judged and pieces may be fetched. */
bool resume_pump(struct download *download);
/* Pieces are on workers right now. */
bool resume_is_busy(const struct download *download);

#endif
