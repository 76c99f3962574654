/* SPDX-License-Identifier: MIT */
/* Asking ready holders for pieces: the plan says which, lanes bring them, the proof judges them.
 * Loop thread. */
#ifndef FETCH_H
#define FETCH_H

#include "swarm/contact.h"

/* Opens lanes and fills them with requests, as far as plan and proof allow. */
void fetch_pump(struct download *download);
/* Closes the lanes that still bring this piece. True when none does. */
bool fetch_leave_piece(struct download *download, uint32_t piece);
/* Closes all lanes; changed() comes as each is closed. */
void fetch_stop(struct download *download);
/* Lanes that are not closed yet. */
int fetch_open(const struct download *download);
/* Carries out what the proof found: holders out or to be asked again, chains dropped. */
void fetch_news(struct download *download, const struct proof_news *news);

#endif
