/* SPDX-License-Identifier: MIT */
/* Joins the parts of the role: the share tells the membership what changed, uploads tell it how
 * busy the node is. Divides the role's memory: what the rest leaves is the share's table. Loop
 * thread. */
#include "peer/peer.h"

#include "base/log.h"
#include "base/state.h"
#include "base/text.h"
#include "peer/listing.h"
#include "peer/membership.h"
#include "peer/order.h"
#include "peer/referral.h"
#include "peer/share.h"
#include "peer/upload.h"
#include "platform/plat.h"

enum {
    PEER_SLACK = 64 * 1024, /* of the memory: alignment, and what others carve later */
    PEER_SCAN_MS = 1000,    /* the join waits so long for the first walk through the share, */
    PEER_HASH_MS = 100,     /* and so long for what is hashed quickly: one join, few updates */
    PEER_ROOM_MS = 300000   /* a share of 100,000 files is 20 MB of join */
};

struct peer {
    struct peer_config config;
    struct share *share;
    struct membership *membership;
    struct upload *upload;
    struct listing *listing; /* NULL in role both */
    struct order *order;     /* NULL: too little memory */
    int64_t started_ms;
    struct loop_timer join_timer;
    bool joining; /* the membership has begun */
};

static void on_changed(void *ctx, uint32_t file)
{
    struct peer *peer = ctx;
    membership_changed(peer->membership, file);
    if (peer->order)
        order_seen(peer->order, file);
}

static void on_join_time(void *ctx)
{
    struct peer *peer = ctx;
    if (peer->joining)
        return;
    peer->joining = true;
    loop_stop_timer(peer->config.loop, &peer->join_timer);
    membership_start(peer->membership);
}

static void join_at(struct peer *peer, int64_t wait_ms)
{
    if (loop_set_timer(peer->config.loop, &peer->join_timer,
                       loop_now_ms(peer->config.loop) + wait_ms) < 0)
        on_join_time(peer);
}

static void on_quiet(void *ctx, bool all_hashed)
{
    struct peer *peer = ctx;
    if (!peer->joining)
        join_at(peer, all_hashed ? 0 : PEER_HASH_MS);
}

static void on_load(void *ctx, struct membership_load *out)
{
    struct upload_stats stats;
    upload_stats(((struct peer *)ctx)->upload, &stats);
    *out =
        (struct membership_load){.uploads = stats.active, .slots = stats.slots, .rate = stats.rate};
}

static void node_text(const struct peer *peer, char out[2 * P2P_ID_SIZE + 1])
{
    text_hex_encode(peer->config.identity->id.bytes, P2P_ID_SIZE, out);
}

static void on_renewed(void *ctx)
{
    struct peer *peer = ctx;
    char node[2 * P2P_ID_SIZE + 1];
    node_text(peer, node);
    server_set_node(peer->config.server, node);
    upload_rename(peer->upload, node);
}

/* ---- statistics ---- */

/* Some file is yet to be found or hashed. */
static bool is_busy(const struct share_stats *share)
{
    return share->scanning || share->waiting > 0 ||
           share->counts.hashed + share->unreadable < share->counts.present;
}

static void put_counts(struct peer *peer, struct buf *buf)
{
    struct share_stats share;
    struct upload_stats upload;
    share_stats(peer->share, &share);
    upload_stats(peer->upload, &upload);
    json_put_field_i64(buf, "files", share.counts.present);
    json_put_field_i64(buf, "files_max", peer_budget_files(peer));
    json_put_field_i64(buf, "bytes", share.counts.bytes);
    json_put_field_i64(buf, "hashed", share.counts.hashed);
    json_put_key(buf, "hashing");
    buf_put_char(buf, '{');
    json_put_field_i64(buf, "done", share.hashing_done);
    json_put_field_i64(buf, "total", share.hashing_size);
    json_put_field_i64(buf, "waiting", share.waiting);
    buf_put_char(buf, '}');
    json_put_field_i64(buf, "unreadable", share.unreadable);
    json_put_field_bool(buf, "busy", is_busy(&share));
    json_put_field_bool(buf, "watching", share.watching);
    json_put_field_i64(buf, "uploads", upload.active);
    json_put_field_i64(buf, "uploaded", (int64_t)upload.sent);
    json_put_field_i64(buf, "read", (int64_t)share.read);
}

void peer_put_stats(struct peer *peer, struct buf *buf)
{
    put_counts(peer, buf);
    json_put_field_bool(buf, "joined", membership_is_joined(peer->membership));
    json_put_field_bool(buf, "telling", membership_is_telling(peer->membership));
    json_put_field_i64(buf, "fetching", peer->order ? order_open_files(peer->order) : 0);
    if (peer->order) {
        const struct order_totals *totals = order_totals(peer->order);
        json_put_field_i64(buf, "fetched", (int64_t)totals->fetched);
        json_put_field_i64(buf, "wasted", (int64_t)totals->wasted);
        json_put_field_i64(buf, "blamed", (int64_t)totals->blamed);
    }
}

static void put_node(struct peer *peer, struct buf *buf)
{
    const struct server_stats *server = server_stats(peer->config.server);
    int64_t rss = plat_rss();
    json_put_field_hex(buf, "id", peer->config.identity->id.bytes, P2P_ID_SIZE);
    json_put_field_text(buf, "name", peer->config.name);
    json_put_field_text(buf, "role", text_from(record_role_text(peer->config.role)));
    json_put_field_text(buf, "version", STR(P2P_VERSION));
    json_put_field_i64(buf, "uptime_ms", plat_now_ms() - peer->started_ms);
    json_put_key(buf, "connections");
    buf_put_char(buf, '{');
    json_put_field_i64(buf, "open", server->connections);
    buf_put_char(buf, '}');
    json_put_key(buf, "indexes");
    buf_put_char(buf, '[');
    membership_put_indexes(peer->membership, buf);
    buf_put_char(buf, ']');
    json_put_field_i64(buf, "memory_bytes", (int64_t)peer->config.memory_bytes);
    if (rss >= 0)
        json_put_field_i64(buf, "rss_bytes", rss);
    json_put_field_i64(buf, "state_bytes_written", (int64_t)state_written());
    json_put_field_i64(buf, "state_bytes_per_day",
                       (int64_t)state_written_per_day(plat_now_ms() - peer->started_ms));
}

static void stats_begin(struct exchange *exchange, void *role)
{
    exchange_begin(exchange, 200, "application/json");
    struct buf *buf = exchange_body(exchange);
    buf_put_char(buf, '{');
    put_node(role, buf);
    peer_put_stats(role, buf);
    buf_put_text(buf, "}\n");
    exchange_end(exchange);
}

/* ---- what this node alone does not know ---- */

static bool refer(struct peer *peer, struct exchange *exchange, const char *path)
{
    return membership_is_joined(peer->membership) &&
           referral_answer(exchange, path, directory_current(peer->config.directory));
}

static void download_elsewhere(struct exchange *exchange, void *ctx)
{
    if (!refer(ctx, exchange, "/download/"))
        exchange_error(exchange, 404, "no such file in this share", "no index to ask answers now");
}

static void metalink_begin(struct exchange *exchange, void *role)
{
    if (!refer(role, exchange, "/metalink/"))
        exchange_busy(exchange, "no index answers now", "try again, or ask an index");
}

static const struct route routes[] = {
    {SERVER_GET, 0, "/v1/stats", SERVER_NEIGHBOUR, stats_begin, NULL, NULL, NULL, NULL},
    {SERVER_GET, 0, "/metalink/", SERVER_CLIENT, metalink_begin, NULL, NULL, NULL, NULL},
    {0, 0, NULL, SERVER_CLIENT, NULL, NULL, NULL, NULL, NULL},
};

/* ---- making ---- */

static int upload_make(struct peer *peer, struct arena *arena)
{
    char node[2 * P2P_ID_SIZE + 1];
    struct upload_config config = {.loop = peer->config.loop,
                                   .server = peer->config.server,
                                   .workers = peer->config.transfers,
                                   .worker_count = peer->config.transfer_count,
                                   .connections = PEER_WORKER_CONNECTIONS,
                                   .share = peer->share,
                                   .hosts = peer->config.hosts,
                                   .settings = peer->config.settings,
                                   .elsewhere = download_elsewhere,
                                   .elsewhere_ctx = peer};
    if (peer->config.elsewhere) {
        config.elsewhere = peer->config.elsewhere;
        config.elsewhere_ctx = peer->config.elsewhere_ctx;
    }
    node_text(peer, node);
    return upload_init(&peer->upload, arena, &config, node);
}

static int membership_make(struct peer *peer, struct arena *arena)
{
    struct membership_config config = {.loop = peer->config.loop,
                                       .directory = peer->config.directory,
                                       .identity = peer->config.identity,
                                       .share = peer->share,
                                       .name = peer->config.name,
                                       .role = peer->config.role,
                                       .port = peer->config.port,
                                       .settings = peer->config.settings,
                                       .room_ms = PEER_ROOM_MS,
                                       .load = on_load,
                                       .renewed = on_renewed,
                                       .ctx = peer};
    return membership_init(&peer->membership, arena, &config);
}

/* The routes that the index has too, in role both. */
static int alone_make(struct peer *peer, struct arena *arena)
{
    struct listing_config config = {.loop = peer->config.loop,
                                    .server = peer->config.server,
                                    .share = peer->share,
                                    .identity = peer->config.identity,
                                    .name = peer->config.name,
                                    .port = peer->config.port};
    if (peer->config.role != RECORD_ROLE_PEER)
        return 0;
    int result = listing_init(&peer->listing, arena, &config);
    return result < 0 ? result : server_add_routes(peer->config.server, routes, peer);
}

/* Bytes that the uploads will take, so that the share can have the rest. */
static size_t reserved(const struct peer_config *config)
{
    size_t each =
        server_size(PEER_WORKER_CONNECTIONS, UPLOAD_BUFFERS) + upload_size(PEER_WORKER_CONNECTIONS);
    return (size_t)config->transfer_count * each + sizeof(struct peer) + PEER_SLACK +
           listing_size() + membership_size() + order_size(config->memory);
}

static int share_make(struct peer *peer, struct arena *arena)
{
    const struct peer_config *config = &peer->config;
    struct share_config share = {.loop = config->loop,
                                 .background = config->background,
                                 .background_count = config->background_count,
                                 .path = config->share,
                                 .state_folder = config->identity->folder,
                                 .settings = config->settings,
                                 .changed = on_changed,
                                 .quiet = on_quiet,
                                 .ctx = peer};
    size_t others = reserved(config);
    if (config->memory <= others)
        return -P2P_EFULL;
    return share_init(&peer->share, arena, &share, config->memory - others);
}

static int order_make(struct peer *peer, struct arena *arena)
{
    struct order_config config = {.loop = peer->config.loop,
                                  .server = peer->config.server,
                                  .pool = peer->config.pool,
                                  .directory = peer->config.directory,
                                  .workers = peer->config.transfers,
                                  .worker_count = peer->config.transfer_count,
                                  .background =
                                      &peer->config.background[peer->config.background_count - 1],
                                  .share = peer->share,
                                  .membership = peer->membership,
                                  .identity = peer->config.identity,
                                  .port = peer->config.port,
                                  .settings = peer->config.settings};
    if (order_size(peer->config.memory) == 0)
        return 0;
    int result = order_init(&peer->order, arena, &config);
    if (result == 0)
        upload_held(peer->upload, order_held(peer->order));
    return result;
}

int peer_init(struct peer **out, struct arena *arena, const struct peer_config *config)
{
    struct peer *peer = arena_carve(arena, sizeof *peer, 64);
    if (!peer)
        return -P2P_EFULL;
    peer->config = *config;
    peer->started_ms = plat_now_ms();
    peer->join_timer = (struct loop_timer){.on_time = on_join_time, .ctx = peer};
    int result = share_make(peer, arena);
    if (result == 0)
        result = upload_make(peer, arena);
    if (result == 0)
        result = membership_make(peer, arena);
    if (result == 0)
        result = alone_make(peer, arena);
    if (result == 0)
        result = order_make(peer, arena);
    *out = result < 0 ? NULL : peer;
    return result;
}

uint32_t peer_budget_files(const struct peer *peer)
{
    return share_tree(peer->share)->files.count;
}

int peer_start(struct peer *peer)
{
    join_at(peer, PEER_SCAN_MS);
    share_start(peer->share);
    return 0;
}

void peer_reload(struct peer *peer, const struct config *settings)
{
    share_reload(peer->share, settings);
    upload_reload(peer->upload, settings);
}

void peer_leave(struct peer *peer, void (*left)(void *ctx), void *ctx)
{
    peer->joining = true;
    loop_stop_timer(peer->config.loop, &peer->join_timer);
    membership_leave(peer->membership, left, ctx);
    if (peer->order)
        order_leave(peer->order);
}

void peer_close(struct peer *peer)
{
    loop_stop_timer(peer->config.loop, &peer->join_timer);
    membership_close(peer->membership);
    if (peer->listing)
        listing_close(peer->listing);
    upload_close(peer->upload);
    if (peer->order)
        order_close(peer->order);
    share_close(peer->share);
}
