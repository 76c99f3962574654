/* SPDX-License-Identifier: MIT */
/* Look-ups in the catalog that end at once: by content, by exact path, by node. Offers of
 * tombstones and of open transactions are never given. Loop thread. */
#ifndef LOOKUP_H
#define LOOKUP_H

#include "catalog/catalog.h"

/* Offers by number, 0 is none. A number is good only until the catalog changes: do not keep it over
 * a turn of the loop. */
uint32_t lookup_first_holder(const struct catalog *catalog, const struct record_content *content);
uint32_t lookup_next_holder(const struct catalog *catalog, uint32_t offer);
uint32_t lookup_first_named(const struct catalog *catalog, struct str path);
uint32_t lookup_next_named(const struct catalog *catalog, uint32_t offer);
/* The offer's node and how much it has (per cent), without building the path: for look-ups that are
 * asked very often. */
const struct catalog_node *lookup_holder(const struct catalog *catalog, uint32_t offer,
                                         uint8_t *out_have);
/* The offer in the next taken slot, of any node, in slot order (0: from the start): `after` may be
 * kept. */
uint32_t lookup_next_offer(const struct catalog *catalog, uint32_t after);
uint32_t lookup_find_offer(const struct catalog *catalog, const struct catalog_node *node,
                           struct str path);
/* Which of the offers of that name or of that content stands for it: the newest owned one, else the
 * newest copy; an mtime more than a day after wall_s counts as the oldest. */
uint32_t lookup_best_named(const struct catalog *catalog, struct str path, int64_t wall_s);
uint32_t lookup_best_holder(const struct catalog *catalog, const struct record_content *content,
                            int64_t wall_s);

/* The rule by itself: offer stands before best (0: none). And the age that counts: mtime, or the
 * oldest of all. */
bool lookup_is_better(const struct catalog *catalog, uint32_t offer, uint32_t best, int64_t wall_s);
int64_t lookup_age_rank(int64_t mtime, int64_t wall_s);

/* An offer with the bytes of its path. */
struct lookup_offer {
    struct record_offer offer; /* offer.path points into path below: a copy must set it anew */
    const struct catalog_node *node;
    uint32_t holders; /* nodes that have this content; 1 when it is not hashed */
    char path[P2P_PATH_MAX];
};
void lookup_read(const struct catalog *catalog, uint32_t offer, struct lookup_offer *out);

#endif
