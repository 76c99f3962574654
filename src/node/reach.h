/* SPDX-License-Identifier: MIT */
/* Under which addresses a node is handed out to whom. A node on the index's own machine joins over
 * loopback, which means nothing elsewhere: it is handed out as the address at which the asker
 * reached the index. Pure. */
#ifndef REACH_H
#define REACH_H

#include "platform/plat_net.h"

struct reach_asker {
    struct plat_addr peer;  /* where the asker's connection comes from */
    struct plat_addr local; /* where it reached the index */
};

/* Those of count addresses that are of use to the asker, as it has to use them, each once, in their
 * order. A loopback one becomes the index's own, unless the asker is on this machine too; a
 * link-local one goes to link-local askers only, without scope (they add that of their own
 * connection). Returns how many stand in out. */
int reach_addresses(const struct reach_asker *asker, const struct plat_addr *address, int count,
                    struct plat_addr out[static P2P_ADDRESSES_MAX]);
/* True when a node that speaks from source may be asked for under claimed at all: a unicast address
 * with a port, and a loopback one only for a node on this machine. */
bool reach_may_claim(const struct plat_addr *source, const struct plat_addr *claimed);
/* Both lie in one subnet, as far as addresses tell (24 bits of IPv4, 64 of IPv6), or on one
 * machine. */
bool reach_is_near(const struct plat_addr *a, const struct plat_addr *b);

#endif
