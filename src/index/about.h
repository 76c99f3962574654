/* SPDX-License-Identifier: MIT */
/* Nodes as indexes speak of them to each other and to everybody. Loop thread. */
#ifndef ABOUT_H
#define ABOUT_H

#include "index/role.h"
#include "wire/told.h"

/* All that is known of a node; all its addresses, as they are. The name is a view into the node. */
void about_node(const struct index_role *role, const struct catalog_node *node,
                struct told_node *out);
/* Ends a line that told_put began: the addresses that the asker may have (NULL: all). */
void about_close(struct buf *buf, const struct reach_asker *asker, const struct told_node *node);

#endif
