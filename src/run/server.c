/* SPDX-License-Identifier: MIT */
/* The server as its owner sees it: made, given routes, stopped, closed; and its deadlines. The
 * server's thread. */
#include "run/server.h"

#include "platform/plat_file.h"
#include "run/close.h"
#include "run/door.h"
#include "run/move.h"
#include "run/serve.h"
#include "run/slots.h"

#include <string.h>

enum {
    BUFFERS_MIN = 8, /* below that those that read and those that answer wait for each other */
};

/* Buffers are short: the one that holds some for the longest without a byte moving must go, and who
 * has waited too long is told so. */
static void reap(struct server *server)
{
    if (server->list[CONN_HUNGRY].first == 0 && !server->parcels)
        return;
    struct conn *stale = slots_stale(server);
    if (stale) {
        server->stats.cut++;
        close_conn(stale, true);
    }
    serve_put_off(server);
    slots_reap(server);
}

static void server_late(void *ctx, struct deadline *deadline)
{
    struct server *server = ctx;
    if (deadline == &server->accept_wait) {
        door_open(server);
    } else if (deadline == &server->reap_wait) {
        reap(server);
    } else {
        serve_late((struct conn *)(void *)((uint8_t *)deadline - offsetof(struct conn, deadline)));
    }
}

static void server_turn(void *ctx)
{
    serve_turn(ctx);
}

static int shorter(int a, int b)
{
    return a < b ? a : b;
}

static void config_defaults(struct server_config *config)
{
    if (config->head_ms == 0)
        config->head_ms = P2P_HEAD_TIMEOUT_MS;
    if (config->stall_ms == 0)
        config->stall_ms = P2P_BODY_STALL_MS;
    if (config->idle_ms == 0)
        config->idle_ms = P2P_IDLE_TIMEOUT_MS;
    if (config->half_ms == 0)
        config->half_ms = CONN_HALF_MS;
    if (config->queue_ms == 0)
        config->queue_ms = P2P_QUEUE_MS;
    if (config->buffers < BUFFERS_MIN)
        config->buffers = BUFFERS_MIN;
}

static void server_timers(struct server *server)
{
    const struct server_config *config = &server->config;
    int shortest = shorter(shorter(config->head_ms, config->stall_ms),
                           shorter(config->idle_ms, config->half_ms));
    deadlines_init(&server->late, server->loop, shortest / 16 + 1);
    deadlines_init(&server->paced, server->loop, 1);
    server->late.on_late = server->paced.on_late = server_late;
    server->late.ctx = server->paced.ctx = server;
}

int server_init(struct server **out, struct loop *loop, struct arena *arena,
                const struct server_config *config)
{
    struct server *server = arena_carve(arena, sizeof *server, 8);
    *out = server;
    if (!server)
        return -P2P_EFULL;
    server->loop = loop;
    server->config = *config;
    server->listener.fd = -1;
    config_defaults(&server->config);
    server_timers(server);
    server->turn = (struct loop_post){.run = server_turn, .ctx = server};
    server->arrived = serve_arrived;
    int result = slots_init(server, arena);
    if (result < 0 || config->listener < 0)
        return result;
    server->listener = (struct loop_fd){config->listener, PLAT_READABLE, door_event, server};
    result = loop_add_fd(loop, &server->listener);
    if (result < 0)
        server->listener.fd = -1;
    return result;
}

size_t server_size(uint32_t connections, uint32_t buffers)
{
    size_t count = buffers < BUFFERS_MIN ? BUFFERS_MIN : buffers;
    size_t each = sizeof(struct conn) + sizeof(struct slots_address) + 2 * sizeof(uint32_t);
    return sizeof(struct server) + connections * each + (count + 1) * P2P_BUFFER_SIZE + 256;
}

int server_add_routes(struct server *server, const struct route *routes, void *role)
{
    for (; routes->path; routes++) {
        size_t len = strlen(routes->path);
        if (server->routes == SERVER_ROUTES_MAX)
            return -P2P_EFULL;
        server->route[server->routes++] = (struct server_route){
            .route = routes,
            .role = role,
            .path_len = (uint16_t)len,
            .prefix = len > 1 && routes->path[len - 1] == '/',
        };
    }
    return 0;
}

void server_stop(struct server *server)
{
    int fd = server->listener.fd;
    if (fd >= 0) {
        loop_remove_fd(server->loop, &server->listener);
        plat_close(fd);
    }
    server->stopping = true;
    while (close_idle(server))
        ;
}

void server_close(struct server *server)
{
    server_stop(server);
    for (uint32_t slot = 1; slot <= server->conns.fresh; slot++) {
        struct conn *conn = slots_at(server, slot);
        if (conn->open)
            close_conn(conn, true);
    }
    while (server->parcels) {
        struct parcel *parcel = server->parcels;
        server->parcels = parcel->next;
        move_drop(parcel);
    }
    deadlines_close(&server->late);
    deadlines_close(&server->paced);
}

const struct server_stats *server_stats(const struct server *server)
{
    return &server->stats;
}

struct loop *server_loop(const struct server *server)
{
    return server->loop;
}

void server_set_node(struct server *server, const char node[2 * P2P_ID_SIZE + 1])
{
    memcpy(server->config.node, node, sizeof server->config.node);
    server->common_until_ms = 0;
}
