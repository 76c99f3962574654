/* SPDX-License-Identifier: MIT */
/* Small files that are old or new, never half: written to a temporary file, fsync, rename, fsync of
 * the folder; a line with the version, and a CRC-32 at the end, are checked on reading. Bytes
 * written are counted. Blocks on the disk. */
#ifndef STATE_H
#define STATE_H

#include "p2p.h"

/* Writes name in folder_fd. 0, -P2P_ENOSPC, -P2P_EREADONLY, -P2P_EIO … */
int state_write(int folder_fd, const char *name, struct str body);
/* Reads the body into out. Length, -P2P_ENOTFOUND, -P2P_ETOOBIG (over size), -P2P_EVERIFY (torn or
 * foreign; it is renamed to name.bad, so that the next write does not lose it). */
ptrdiff_t state_read(int folder_fd, const char *name, char *out, size_t size);

/* CRC-32 (IEEE 802.3), to be chained: start with 0. */
uint32_t state_crc32(uint32_t crc, const void *bytes, size_t size);

/* Bytes this process has written to state folders, for the promise that an idle node writes none.
 * Who writes there without state_write counts himself. Any thread. */
void state_count_written(uint64_t bytes);
uint64_t state_written(void);
/* The same for each day, at the rate since the start; a start's own writes count as those of an
 * hour at least. */
uint64_t state_written_per_day(int64_t uptime_ms);

#endif
