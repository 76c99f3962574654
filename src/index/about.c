/* SPDX-License-Identifier: MIT */
/* One place that says of a node what /v1/nodes, the feed and snapshots say. Loop thread. */
#include "index/about.h"

#include <string.h>

void about_node(const struct index_role *role, const struct catalog_node *node,
                struct told_node *out)
{
    int64_t now = loop_now_ms(role->config.loop);
    bool left = node->state == RECORD_LEFT;
    int64_t age = now - (left ? node->left_ms : role_heard_ms(role, node));
    *out = (struct told_node){
        .id = node->id,
        .home = node->home,
        .epoch = node->epoch,
        .seq = node->seq,
        .name = node->name_len > 0 ? (struct str){node->name, node->name_len} : STR("unknown"),
        .role = node->role,
        .state = node->state,
        .lost = left && node->lost,
        .incomplete = node->incomplete,
        .reachable = node->reachable && node->state == RECORD_ACTIVE,
        .age_ms = age > 0 ? age : 0,
        .offers = node->offers,
        .uploads = node->uploads,
        .slots = node->slots,
        .rate = node->rate,
        .address_count = node->address_count,
    };
    memcpy(out->address, node->address, sizeof(out->address));
}

void about_close(struct buf *buf, const struct reach_asker *asker, const struct told_node *node)
{
    struct plat_addr address[P2P_ADDRESSES_MAX];
    if (!asker) {
        told_close(buf, node->address, node->address_count);
        return;
    }
    int count = reach_addresses(asker, node->address, node->address_count, address);
    told_close(buf, address, count);
}
