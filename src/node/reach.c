/* SPDX-License-Identifier: MIT */
/* Rules about addresses, without sockets: what an asker is told, what a node may claim, who is near
 * whom. IPv4-mapped addresses were unmapped by the platform. Any thread. */
#include "node/reach.h"

#include "base/addr.h"

#include <string.h>

static bool reach_is_known(const struct plat_addr *list, int count, const struct plat_addr *addr)
{
    for (int i = 0; i < count; i++) {
        if (addr_equal(&list[i], addr))
            return true;
    }
    return false;
}

/* False: of no use to this asker. */
static bool reach_one(const struct reach_asker *asker, const struct plat_addr *addr,
                      struct plat_addr *out)
{
    *out = *addr;
    if (addr_is_loopback(addr) && !addr_is_loopback(&asker->peer)) {
        *out = asker->local;
        out->port = addr->port;
    }
    out->scope = 0;
    if (out->family == 0 || out->port == 0)
        return false;
    return !addr_is_link_local(out) || addr_is_link_local(&asker->peer);
}

int reach_addresses(const struct reach_asker *asker, const struct plat_addr *address, int count,
                    struct plat_addr out[static P2P_ADDRESSES_MAX])
{
    int found = 0;
    for (int i = 0; i < count && found < P2P_ADDRESSES_MAX; i++) {
        struct plat_addr one;
        if (reach_one(asker, &address[i], &one) && !reach_is_known(out, found, &one))
            out[found++] = one;
    }
    return found;
}

static bool reach_is_unicast(const struct plat_addr *addr)
{
    static const uint8_t none[16];
    if (addr->family == 4)
        return addr->ip[0] != 0 && addr->ip[0] < 224; /* this network, multicast, broadcast */
    return addr->family == 6 && addr->ip[0] != 0xff && memcmp(addr->ip, none, sizeof(none)) != 0;
}

bool reach_may_claim(const struct plat_addr *source, const struct plat_addr *claimed)
{
    if (claimed->port == 0 || !reach_is_unicast(claimed))
        return false;
    return addr_is_loopback(source) || !addr_is_loopback(claimed);
}

bool reach_is_near(const struct plat_addr *a, const struct plat_addr *b)
{
    if (addr_is_loopback(a) || addr_is_loopback(b))
        return addr_is_loopback(a) && addr_is_loopback(b);
    return a->family == b->family && addr_common_bits(a, b) >= (a->family == 4 ? 24 : 64);
}
