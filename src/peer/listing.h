/* SPDX-License-Identifier: MIT */
/* What a peer says of its own share to who asks it directly: list and search. In role both the
 * index answers these, for all. Loop thread. */
#ifndef LISTING_H
#define LISTING_H

#include "node/identity.h"
#include "peer/share.h"
#include "run/server.h"

enum { LISTING_MAX = 16 }; /* answers under way; more are told to come again */

struct listing;

struct listing_config {
    struct loop *loop;
    struct server *server;
    struct share *share;
    const struct identity *identity;
    struct str name; /* stays */
    uint16_t port;
};

/* Bytes of arena that it takes. */
size_t listing_size(void);
/* Adds its routes. 0 or -P2P_EFULL. */
int listing_init(struct listing **out, struct arena *arena, const struct listing_config *config);
void listing_close(struct listing *listing);

#endif
