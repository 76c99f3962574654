/* SPDX-License-Identifier: MIT */
/* Unix seconds as dates and back, without libc's calendar: it is no small part of a static binary,
 * and timegm is not in POSIX. UTC. Pure. */
#ifndef DATE_H
#define DATE_H

#include "base/buf.h"

/* "2026-01-31 12:00:00" of Unix seconds (not negative). */
void date_put(struct buf *buf, int64_t unix_s);
/* "Sun, 06 Nov 1994 08:49:37 GMT": the Date header of an answer (RFC 9110, 5.6.7). */
void date_put_http(struct buf *buf, int64_t unix_s);
/* Reads that form, the one that is still made. False: it is another. */
bool date_read_http(const char *text, int64_t *out_s);

#endif
