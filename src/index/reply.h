/* SPDX-License-Identifier: MIT */
/* Answers that come in parts: search, list, nodes, and the holders of a content that very many
 * have. Each is made as the asker takes it, in slices, and ends when the asker goes. Loop thread.
 */
#ifndef REPLY_H
#define REPLY_H

#include "catalog/lookup.h"
#include "index/role.h"

int reply_init(struct index_role *role, struct arena *arena);

/* Each answers the exchange, now or bit by bit; views are copied. Their routes have reply_gone. */
void reply_search(struct index_role *role, struct exchange *exchange, struct str text,
                  uint32_t limit);
void reply_content(struct index_role *role, struct exchange *exchange,
                   const struct record_content *content, uint32_t limit);
struct reply_page {
    struct str prefix, after;
    uint32_t limit;
};
void reply_list(struct index_role *role, struct exchange *exchange, const struct reply_page *page);
void reply_nodes(struct index_role *role, struct exchange *exchange);
/* The first count of role->holders, in their order. */
void reply_sources(struct index_role *role, struct exchange *exchange, uint32_t count);
/* A Metalink of them; role->holders must be whole ones. */
void reply_metalink(struct index_role *role, struct exchange *exchange,
                    const struct lookup_offer *file, uint32_t count);
void reply_gone(struct exchange *exchange, void *role, bool aborted);

/* The result line of an offer, for search. */
void reply_put_offer(const struct index_role *role, struct buf *buf,
                     const struct reach_asker *asker, const struct lookup_offer *offer);

#endif
