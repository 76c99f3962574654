/* SPDX-License-Identifier: MIT */
/* A terminal or pipe that is written to without ever waiting: for the log, which must not stop the
 * loop because a terminal was stopped (Ctrl-S) or nobody reads the pipe. Any thread. */
#ifndef PLAT_CONSOLE_H
#define PLAT_CONSOLE_H

#include <stddef.h>
#include <stdint.h>

/* A descriptor for the same terminal or pipe as fd that does not block and shares no flag with fd,
 * whose other users want it to block; fd itself where there is no such thing (a file, a socket, no
 * /proc). Stays open to the end. */
int plat_console_open(int fd);
/* Writes what is taken now. Bytes, -P2P_EAGAIN when that is nothing, or another error. */
int64_t plat_console_write(int fd, const void *bytes, size_t size);

#endif
