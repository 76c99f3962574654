/* SPDX-License-Identifier: MIT */
/* Making, linking and freeing single offers, contents and origins, and moving offers between a
 * node's rings. Knows nothing of transactions. Only for files of this folder. Loop thread. */
#ifndef OFFERS_H
#define OFFERS_H

#include "catalog/tables.h"

/* The hash tables over offers, contents and origins. 0 or -P2P_EFULL. */
int offers_init(struct catalog *catalog, struct arena *arena);

/* The node's committed offer of that name and its pending one; 0 where there is none. */
void offers_find(const struct catalog *catalog, uint32_t node, uint32_t name, uint32_t *out_old,
                 uint32_t *out_pending);
/* Strangers choose what they call a SHA-256, so all its bytes count. */
uint32_t offers_hash_content(const struct record_content *content);
uint32_t offers_find_content(const struct catalog *catalog, const struct record_content *content);
/* True when the offer says the same as record (but for the path). */
bool offers_same(const struct catalog *catalog, uint32_t offer, const struct record_offer *record);
/* A new pending offer at the end of the node's pending ring, of a name that names_add gave; 0 when
 * some table is full: then the name goes too, if nobody else has it. */
uint32_t offers_add(struct catalog *catalog, uint32_t node, uint32_t name,
                    const struct record_offer *record, uint32_t content_hash);
/* Takes a name out if no offer has it. */
void offers_drop_name(struct catalog *catalog, uint32_t name);
/* Makes a pending offer a live one. */
void offers_settle(struct catalog *catalog, uint32_t offer);
/* Takes it out of the given ring and everything else, with the name and content if it was the last
 * of them. */
void offers_free(struct catalog *catalog, uint32_t offer, enum tables_ring ring);

void offers_move(struct catalog *catalog, uint32_t offer, enum tables_ring from,
                 enum tables_ring to);
/* Appends one ring to another, whatever their length. */
void offers_splice(struct catalog *catalog, struct tables_node *node, enum tables_ring from,
                   enum tables_ring to);

/* Nodes that show this content; counts each once. */
uint32_t offers_holders(struct catalog *catalog, uint32_t content);
/* The record of an offer with its path in path. */
void offers_record(const struct catalog *catalog, uint32_t offer, struct record_offer *out,
                   char path[static P2P_PATH_MAX]);

static inline int64_t offers_size(const struct tables_offer *offer)
{
    return (int64_t)(offer->packed & ((UINT64_C(1) << 53) - 1));
}

static inline uint8_t offers_have(const struct tables_offer *offer)
{
    return (uint8_t)(offer->packed >> 53 & 127);
}

/* Seen by others: committed, and its node is no tombstone. */
static inline bool offers_shown(const struct catalog *catalog, const struct tables_offer *offer)
{
    return !(offer->packed & TABLES_PENDING) &&
           tables_node(catalog, offer->node)->pub.state != RECORD_LEFT;
}

#endif
