/* SPDX-License-Identifier: MIT */
/* Is there room on the disk for a download? Loop thread. */
#ifndef ROOM_H
#define ROOM_H

#include "swarm/download.h"

/* False: reason says how much is missing. */
bool room_is_there(const struct download *download, char *reason, size_t size);

#endif
