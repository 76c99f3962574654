/* SPDX-License-Identifier: MIT */
/* The way of an answer's bytes to the socket, and the rate floor of a client that must read them.
 * Calls no handler. The server's thread. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include "run/conn.h"

/* Sends what lies in the output buffer. 1: all is sent; 0: the client must read first; an error:
 * the connection is to be cut. */
int output_flush(struct conn *conn);
/* Bytes were sent past the buffer / none could be: the client has so long to read. */
void output_sent(struct conn *conn, size_t size);
void output_blocked(struct conn *conn);
/* Bytes of a body came, or of an answer went: moves the deadline when the rate is above the floor.
 */
void output_progress(struct conn *conn, size_t size);
/* Starts the stretch of time over which the rate must hold. */
void output_watch(struct conn *conn);

#endif
