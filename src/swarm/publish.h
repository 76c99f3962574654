/* SPDX-License-Identifier: MIT */
/* Which pieces of a download others may have: those that are held and that no lane writes to. Loop
 * thread. */
#ifndef PUBLISH_H
#define PUBLISH_H

#include "swarm/download.h"

/* Brings what others may have up to date: before pieces that were lost are fetched again, and after
 * anything else that changes what is here. */
void publish_pump(struct download *download);
/* The file has its name: it is served on, until another download begins. */
void publish_settle(struct download *download);
void publish_stop(struct download *download);

#endif
