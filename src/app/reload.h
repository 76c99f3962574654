/* SPDX-License-Identifier: MIT */
/* What differs between the settings of now and those that were read again. Pure. */
#ifndef RELOAD_H
#define RELOAD_H

#include "base/config.h"

struct reload_changes {
    struct buf now;   /* "share.ignore, node.log": keys that take effect at once */
    struct buf later; /* keys that take effect at the next start */
};

/* Fills both lists, in memory of the caller (cut when it is short). */
void reload_compare(struct reload_changes *out, const struct config *old, const struct config *new);

#endif
