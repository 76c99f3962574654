/* SPDX-License-Identifier: MIT */
/* The index role put together: its share of the arena, its table of routes, its start and end. What
 * the routes do is in announce.c, leave.c and alive.c for nodes, in ask.c, redirect.c and figure.c
 * for everybody. Loop thread. */
#include "index/index.h"

#include "index/alive.h"
#include "index/announce.h"
#include "index/ask.h"
#include "index/changes.h"
#include "index/dump.h"
#include "index/figure.h"
#include "index/leave.h"
#include "index/mirrors.h"
#include "index/redirect.h"
#include "index/reply.h"
#include "index/store.h"
#include "platform/plat.h"

enum {
    INDEX_MEMBERS_SHARE = 24
}; /* of what the catalog could have: what stands here beside its nodes */

const struct route index_routes[] = {
    {SERVER_POST, SERVER_NDJSON, "/v1/join", SERVER_MEMBERSHIP, announce_begin_join, announce_line,
     announce_end, NULL, announce_gone},
    {SERVER_POST, SERVER_NDJSON, "/v1/update", SERVER_MEMBERSHIP, announce_begin_update,
     announce_line, announce_end, NULL, announce_gone},
    {SERVER_POST, SERVER_JSON, "/v1/alive", SERVER_MEMBERSHIP, alive_begin, alive_line, alive_end,
     alive_next, alive_gone},
    {SERVER_POST, SERVER_JSON, "/v1/leave", SERVER_MEMBERSHIP, leave_begin, leave_line, leave_end,
     NULL, NULL},
    {SERVER_GET, 0, "/v1/sources/", SERVER_CLIENT, ask_sources, NULL, NULL, NULL, reply_gone},
    {SERVER_GET, 0, "/v1/search", SERVER_CLIENT, ask_search, NULL, NULL, NULL, reply_gone},
    {SERVER_GET, 0, "/v1/list", SERVER_CLIENT, ask_list, NULL, NULL, NULL, reply_gone},
    {SERVER_GET, 0, "/v1/nodes", SERVER_CLIENT, ask_nodes, NULL, NULL, NULL, reply_gone},
    {SERVER_GET, 0, "/v1/stats", SERVER_CLIENT, figure_begin, NULL, NULL, NULL, NULL},
    {SERVER_GET, 0, "/v1/changes", SERVER_NEIGHBOUR, changes_begin, NULL, NULL, changes_next,
     changes_gone},
    {SERVER_GET, 0, "/v1/snapshot", SERVER_NEIGHBOUR, dump_begin, NULL, NULL, NULL, dump_gone},
    {SERVER_GET, 0, "/download/", SERVER_CLIENT, redirect_begin, NULL, NULL, NULL, NULL},
    {SERVER_GET, 0, "/metalink/", SERVER_CLIENT, redirect_metalink, NULL, NULL, NULL, reply_gone},
    {0, 0, NULL, SERVER_CLIENT, NULL, NULL, NULL, NULL, NULL},
};

/* The catalog comes late: how many members there can be is known when it stands. */
static int index_carve(struct index_role *role, struct arena *arena, size_t end)
{
    int error = json_reader_init(&role->reader, arena);
    if (!error)
        error = announce_init(role, arena);
    if (!error)
        error = reply_init(role, arena);
    if (!error)
        error = changes_init(role, arena);
    if (!error)
        error = store_init(role, arena);
    if (!error)
        error = mirrors_init(role, arena);
    if (error)
        return error;
    size_t links = (size_t)role->config.connections * 16 + POOL_ALIGN;
    size_t later = links + dump_size(role->config.bytes);
    if (arena->used + later >= end)
        return -P2P_EFULL;
    size_t left = end - arena->used - later;
    error = catalog_init(&role->catalog, arena, left - left / INDEX_MEMBERS_SHARE);
    if (!error)
        error = dump_init(role, arena);
    return error ? error : member_init(role, arena);
}

static int index_draw(struct index_role *role)
{
    uint8_t feed[ROLE_FEED_SIZE];
    uint64_t seed = 0;
    int error = plat_random(feed, sizeof(feed));
    if (!error)
        error = plat_random(&seed, sizeof(seed));
    text_hex_encode(feed, sizeof(feed), role->feed);
    hash_random_seed(&role->random, seed);
    return error;
}

int index_init(struct index_role **out, struct arena *arena, const struct index_config *config)
{
    size_t end = arena->used + config->bytes;
    struct index_role *role = arena_carve(arena, sizeof(*role), _Alignof(struct index_role));
    if (!role)
        return -P2P_EFULL;
    role->config = *config;
    role->started_ms = loop_now_ms(config->loop);
    int error = index_carve(role, arena, end);
    if (!error)
        error = index_draw(role);
    if (error)
        return error;
    catalog_set_limits(role->catalog, config->offers_per_node, config->nodes_per_address);
    changes_watch(role);
    role->task.step = announce_step;
    role->task.ctx = role;
    alive_init(role);
    *out = role;
    return 0;
}

void index_start(struct index_role *role)
{
    store_start(role, mirrors_begin);
}

void index_leave(struct index_role *role, void (*left)(void *ctx), void *ctx)
{
    store_leave(role, left, ctx);
}

void index_stop(struct index_role *role)
{
    role->stopped = true;
}

void index_close(struct index_role *role)
{
    if (loop_has_task(&role->task))
        loop_remove_task(role->config.loop, &role->task);
    mirrors_stop(role);
    store_stop(role);
    announce_close(role);
    changes_close(role);
    alive_close(role);
    member_close(role);
}

void index_ticket_gone(struct index_role *role, void *ticket)
{
    member_detach(role, ticket);
}

struct catalog_budget index_budget(const struct index_role *role)
{
    return catalog_budget(role->catalog);
}

struct catalog *index_catalog(struct index_role *role)
{
    return role->catalog;
}

void index_download(struct exchange *exchange, void *role)
{
    redirect_download(exchange, role);
}
