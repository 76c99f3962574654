/* SPDX-License-Identifier: MIT */
/* What is to be hoped for from the holders of a download. Loop thread. */
#ifndef PROSPECT_H
#define PROSPECT_H

#include "swarm/download.h"

/* Somebody can be asked for bytes, now or after a short rest. stuck: of the missing pieces nobody
 * who has a part has any. */
bool prospect_is_useful(const struct download *download, bool stuck);
int prospect_count(const struct download *download, enum holder_state state);
/* Those who had it have changed or removed it, and the index knows nobody else but those who have a
 * part. */
bool prospect_is_changed(const struct download *download);
/* Who has a part waits for the rest, as this node does; and the others */
enum prospect_end {
    PROSPECT_OPEN, /* may have it, */
    PROSPECT_GONE, /* cannot be reached, and the index names them no more, */
    PROSPECT_OVER  /* were refuted or have it no more. */
};
enum prospect_end prospect_end(const struct download *download);

#endif
