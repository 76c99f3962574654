/* SPDX-License-Identifier: MIT */
/* The holders of a content, best first, and what an answer says of a node. Loop thread. */
#ifndef SOURCE_H
#define SOURCE_H

#include "catalog/lookup.h"
#include "index/role.h"

/* The holders of a content in the order in which this asker is to try them, into role->holders
 * (until the next call). Returns how many. */
uint32_t source_collect(struct index_role *role, const struct exchange *exchange,
                        const struct record_content *content);
/* What a result says of a node: id, name, load, and the addresses that the asker may have. */
void source_put_node(const struct index_role *role, const struct catalog_node *node,
                     const struct reach_asker *asker, struct record_result *out);
#endif
