/* SPDX-License-Identifier: MIT */
/* A server, uploads without a share, and a membership without files, in little memory. Who has all
 * within a moment never joins: nobody could use it. Loop thread. */
#include "peer/guest.h"

#include "base/name.h"
#include "base/text.h"
#include "peer/partial.h"
#include "peer/upload.h"
#include "platform/plat.h"
#include "platform/plat_file.h"
#include "wire/json.h"

#include <string.h>

enum {
    GUEST_TICK_MS = 150,
    GUEST_CONNECTIONS = 32, /* that wait for a worker, or ask for figures */
    GUEST_BUFFERS = 12,
    GUEST_UPLOADS = 32, /* connections of each worker */
    GUEST_UPLOAD_BUFFERS = 16,
    GUEST_BACKLOG = 64
};

struct guest {
    struct guest_config config;
    struct identity identity;
    struct server *server;
    struct upload *upload;
    struct membership *membership;
    struct partial partial;
    struct loop_timer tick;
    char name[P2P_NODE_NAME_MAX + 1];
    uint16_t port;
    bool in;
};

static const char *node_text(const struct guest *guest, char out[2 * P2P_ID_SIZE + 1])
{
    text_hex_encode(guest->identity.id.bytes, P2P_ID_SIZE, out);
    return out;
}

static void on_renewed(void *ctx)
{
    struct guest *guest = ctx;
    char node[2 * P2P_ID_SIZE + 1];
    server_set_node(guest->server, node_text(guest, node));
    upload_rename(guest->upload, node);
}

static void on_load(void *ctx, struct membership_load *out)
{
    struct upload_stats stats;
    upload_stats(((struct guest *)ctx)->upload, &stats);
    *out =
        (struct membership_load){.uploads = stats.active, .slots = stats.slots, .rate = stats.rate};
}

static void stats_begin(struct exchange *exchange, void *role)
{
    struct guest *guest = role;
    struct upload_stats upload;
    char node[2 * P2P_ID_SIZE + 1];
    upload_stats(guest->upload, &upload);
    exchange_begin(exchange, 200, "application/json");
    struct buf *buf = exchange_body(exchange);
    buf_put_char(buf, '{');
    json_put_field_text(buf, "id", text_from(node_text(guest, node)));
    json_put_field_text(buf, "name", text_from(guest->name));
    json_put_field_text(buf, "role", STR("peer"));
    json_put_field_bool(buf, "guest", true);
    json_put_field_text(buf, "version", STR(P2P_VERSION));
    json_put_field_i64(buf, "have", held_percent(guest->partial.held));
    json_put_field_i64(buf, "uploads", upload.active);
    json_put_field_i64(buf, "uploaded", (int64_t)upload.sent);
    buf_put_text(buf, "}\n");
    exchange_end(exchange);
}

static const struct route routes[] = {
    {SERVER_GET, 0, "/v1/stats", SERVER_NEIGHBOUR, stats_begin, NULL, NULL, NULL, NULL},
    {0, 0, NULL, SERVER_CLIENT, NULL, NULL, NULL, NULL, NULL},
};

/* ---- while it runs ---- */

void guest_look(struct guest *guest)
{
    struct record_offer offer;
    bool any = guest->config.about(guest->config.ctx, &offer);
    partial_tell(&guest->partial, any ? &offer : NULL, loop_now_ms(guest->config.loop));
    if (guest->partial.any && !guest->in) {
        guest->in = true;
        membership_start(guest->membership);
    }
}

bool guest_is_telling(const struct guest *guest)
{
    return guest->in && membership_is_telling(guest->membership);
}

static void on_tick(void *ctx)
{
    struct guest *guest = ctx;
    guest_look(guest);
    (void)loop_set_timer(guest->config.loop, &guest->tick,
                         loop_now_ms(guest->config.loop) + GUEST_TICK_MS);
}

void guest_start(struct guest *guest, struct held *held)
{
    guest->partial = (struct partial){.membership = guest->membership, .held = held};
    upload_held(guest->upload, held);
    (void)loop_set_timer(guest->config.loop, &guest->tick,
                         loop_now_ms(guest->config.loop) + GUEST_TICK_MS);
}

bool guest_is_in(const struct guest *guest)
{
    return guest->in;
}

struct record_id guest_id(const struct guest *guest)
{
    return guest->identity.id;
}

uint16_t guest_port(const struct guest *guest)
{
    return guest->port;
}

void guest_leave(struct guest *guest, void (*left)(void *ctx), void *ctx)
{
    loop_stop_timer(guest->config.loop, &guest->tick);
    membership_leave(guest->membership, left, ctx);
}

/* ---- making ---- */

static void find_name(struct guest *guest)
{
    char host[P2P_HOST_MAX + 1];
    struct str name = config_text(guest->config.settings, "node.name");
    if (name.len == 0)
        name = (struct str){host, plat_host_name(host, sizeof host)};
    if (name_node_fault(name) || text_copy(name, guest->name, sizeof guest->name) < 0)
        (void)text_copy(STR("guest"), guest->name, sizeof guest->name);
}

static int open_listener(struct plat_addr *out)
{
    struct plat_addr any = {.family = 6};
    int listener = plat_listen(&any, GUEST_BACKLOG);
    if (listener >= 0 && plat_local_addr(listener, out) != 0) {
        plat_close(listener);
        listener = -P2P_EIO;
    }
    return listener;
}

static int server_make(struct guest *guest, struct arena *arena, int listener)
{
    struct server_config config = {
        .listener = listener, .connections = GUEST_CONNECTIONS, .buffers = GUEST_BUFFERS};
    node_text(guest, config.node);
    int result = server_init(&guest->server, guest->config.loop, arena, &config);
    return result < 0 ? result : server_add_routes(guest->server, routes, guest);
}

static bool is_named(void *ctx, struct str path)
{
    struct guest *guest = ctx;
    struct record_offer offer;
    return guest->config.about(guest->config.ctx, &offer) && text_equal(offer.path, path) &&
           held_is_of(guest->partial.held, offer.content.bytes);
}

static int upload_make(struct guest *guest, struct arena *arena)
{
    char node[2 * P2P_ID_SIZE + 1];
    struct upload_config config = {.loop = guest->config.loop,
                                   .server = guest->server,
                                   .workers = guest->config.workers,
                                   .worker_count = guest->config.worker_count,
                                   .connections = GUEST_UPLOADS,
                                   .buffers = GUEST_UPLOAD_BUFFERS,
                                   .is_named = is_named,
                                   .named_ctx = guest,
                                   .settings = guest->config.settings};
    return upload_init(&guest->upload, arena, &config, node_text(guest, node));
}

static int membership_make(struct guest *guest, struct arena *arena, uint16_t port)
{
    struct membership_config config = {.loop = guest->config.loop,
                                       .directory = guest->config.directory,
                                       .identity = &guest->identity,
                                       .name = text_from(guest->name),
                                       .role = RECORD_ROLE_PEER,
                                       .port = port,
                                       .settings = guest->config.settings,
                                       .load = on_load,
                                       .renewed = on_renewed,
                                       .ctx = guest};
    return membership_init(&guest->membership, arena, &config);
}

size_t guest_size(int worker_count)
{
    size_t each =
        server_size(GUEST_UPLOADS, GUEST_UPLOAD_BUFFERS) + upload_size(GUEST_UPLOADS) + 4096;
    return sizeof(struct guest) + server_size(GUEST_CONNECTIONS, GUEST_BUFFERS) +
           membership_size() + (size_t)worker_count * each + 16384;
}

int guest_init(struct guest **out, struct arena *arena, const struct guest_config *config)
{
    struct plat_addr addr;
    struct guest *guest = arena_left(arena) > guest_size(config->worker_count)
                              ? arena_carve(arena, sizeof *guest, 64)
                              : NULL;
    *out = NULL;
    if (!guest)
        return -P2P_EFULL;
    guest->config = *config;
    guest->tick = (struct loop_timer){.on_time = on_tick, .ctx = guest};
    find_name(guest);
    int result = identity_guest(&guest->identity);
    if (result != 0)
        return result;
    int listener = open_listener(&addr);
    if (listener < 0)
        return listener;
    guest->port = addr.port;
    result = server_make(guest, arena, listener);
    if (result == 0)
        result = upload_make(guest, arena);
    if (result == 0)
        result = membership_make(guest, arena, addr.port);
    *out = result == 0 ? guest : NULL;
    return result;
}

void guest_close(struct guest *guest)
{
    loop_stop_timer(guest->config.loop, &guest->tick);
    membership_close(guest->membership);
    server_close(guest->server);
    upload_close(guest->upload);
}
