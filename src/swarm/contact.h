/* SPDX-License-Identifier: MIT */
/* Asking holders what they have: the bitmap, the size and the chain's id (GET /v1/have), then the
 * chain itself where it is not here yet (GET /v1/chain). Loop thread. */
#ifndef CONTACT_H
#define CONTACT_H

#include "swarm/download.h"

/* Memory for the bitmaps of contacts, from the download's tables. */
void contact_init(struct download *download, uint8_t *bits, size_t bits_size);
/* Asks those holders that are new and not to be waited for, as many as can be asked at once. */
void contact_pump(struct download *download);
/* A holder failed: it rests, then is asked again; after too many failures it is out. */
void contact_fail(struct download *download, int holder);
/* It must say anew what it has. */
void contact_again(struct download *download, int holder);
void contact_end(struct download *download, int holder, bool blamed);
/* Holders that may still become ready. */
int contact_open(const struct download *download);
/* Closes all contacts. */
void contact_stop(struct download *download);

#endif
