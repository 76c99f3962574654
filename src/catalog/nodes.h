/* SPDX-License-Identifier: MIT */
/* What the applier needs of the table of nodes beside catalog.h. Only for files of this folder.
 * Loop thread. */
#ifndef NODES_H
#define NODES_H

#include "catalog/tables.h"

/* The hash tables over nodes. 0 or -P2P_EFULL. */
int nodes_init(struct catalog *catalog, struct arena *arena);
/* Makes a node a tombstone, the youngest one; and a tombstone a node again. */
void nodes_bury(struct catalog *catalog, uint32_t slot);
void nodes_raise(struct catalog *catalog, uint32_t slot);
/* Gives the slot back; its offers must have gone. */
void nodes_remove(struct catalog *catalog, uint32_t slot);

#endif
