/* SPDX-License-Identifier: MIT */
/* A short way to read the lines that an index reads most: owned offers, heartbeats and the first
 * line of an update, written just as our own writers write them. Whatever differs in a byte from
 * that is left to the JSON reader, which alone says what is wrong. Internal to src/wire. Pure; any
 * thread. */
#ifndef RECORD_SCAN_H
#define RECORD_SCAN_H

#include "wire/record.h"

/* True: it is such a line, and *out what the JSON reader would have made of it; out's path points
 * into the line. False: ask the JSON reader; *out may be written in part. */
bool record_scan_offer(struct str line, struct record_offer *out);
/* The same for a put of an update. */
bool record_scan_put(struct str line, struct record_change *out);
/* The same for a heartbeat, and for the line that begins an update. */
bool record_scan_alive(struct str line, struct record_alive *out);
bool record_scan_seq(struct str line, uint64_t *out_epoch, uint64_t *out_seq);
/* The same for a line of a snapshot: a put behind its node. */
bool record_scan_told(struct str line, struct record_id *out_node, struct record_offer *out);

#endif
