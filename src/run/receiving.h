/* SPDX-License-Identifier: MIT */
/* The answers' way in: parsed, cut into lines, or received straight into the sink. The loop's
 * thread. */
#ifndef RECEIVING_H
#define RECEIVING_H

#include "run/link.h"

/* The socket is readable. May call any handler; the caller is in the client. */
void receiving_read(struct client *client);
/* Goes on with what was read already (after client_resume). The same. */
void receiving_run(struct client *client);

#endif
