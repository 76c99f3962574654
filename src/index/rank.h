/* SPDX-License-Identifier: MIT */
/* In which order the holders of a content are named to an asker: the load balance of the network.
 * Pure. */
#ifndef RANK_H
#define RANK_H

#include "base/hash.h"

struct rank_holder {
    uint32_t node;  /* the caller's */
    uint32_t slots; /* uploads it could begin now */
    uint64_t rate;  /* bytes/s it was measured to send; 0: not known */
    uint8_t have;   /* per cent */
    bool reachable; /* others can connect to it */
    bool suspect;   /* it may be gone */
    bool leaving;   /* it is going away: never named */
    bool near;      /* in the asker's subnet */
    uint8_t class;  /* of rank_order */
};

/* Takes those that leave out and puts the others in order: reachable and not suspect, then with
 * free slots, then near, then whole ones; inside such a class the better (slots, then rate) of two
 * drawn at random comes next, so that askers who come at once do not all go to the same holder.
 * Costs O(count). Returns how many stay. */
uint32_t rank_order(struct rank_holder *holders, uint32_t count, struct hash_random *random);
/* Negative when a goes before b in a class, 0 when only chance decides. Rates within a quarter of
 * each other count as equal, and so do unknown ones. */
int rank_compare(const struct rank_holder *a, const struct rank_holder *b);

#endif
