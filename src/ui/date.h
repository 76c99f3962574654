/* SPDX-License-Identifier: MIT */
/* The Date header of an answer (RFC 9110, 5.6.7) as Unix seconds. Pure. */
#ifndef DATE_H
#define DATE_H

#include "p2p.h"

/* Reads "Sun, 06 Nov 1994 08:49:37 GMT", the one form that is still made. False: it is another. */
bool date_read(const char *text, int64_t *out_s);

#endif
