/* SPDX-License-Identifier: MIT */
/* The client as its users see it: open, send, resume, close; and its events and deadlines. What is
 * queued goes out at the end of the turn, so that requests sent together leave together. The loop's
 * thread. */
#include "run/client.h"

#include "base/addr.h"
#include "platform/plat_file.h"
#include "run/link.h"
#include "run/receiving.h"
#include "run/sending.h"

#include <string.h>

enum { CLIENT_GRAIN_MS = 10 };

static void client_late(void *ctx, struct deadline *deadline)
{
    (void)ctx;
    struct client *client =
        (struct client *)(void *)((uint8_t *)deadline - offsetof(struct client, deadline));
    link_enter(client);
    link_fail(client, -P2P_ETIMEOUT);
    link_leave(client);
}

int client_pool_init(struct client_pool **out, struct loop *loop, struct arena *arena,
                     uint32_t clients, uint32_t buffers)
{
    struct client_pool *pool = arena_carve(arena, sizeof *pool, 8);
    *out = pool;
    if (!pool)
        return -P2P_EFULL;
    pool->loop = loop;
    pool->connect_ms = P2P_CONNECT_TIMEOUT_MS;
    pool->stall_ms = P2P_BODY_STALL_MS;
    deadlines_init(&pool->late, loop, CLIENT_GRAIN_MS);
    pool->late.on_late = client_late;
    if (pool_init(&pool->clients, arena, sizeof(struct client), clients) < 0 ||
        buffers_init(&pool->buffers, arena, buffers) < 0)
        return -P2P_EFULL;
    return 0;
}

void client_pool_close(struct client_pool *pool)
{
    for (uint32_t slot = 1; slot <= pool->clients.fresh; slot++) {
        struct client *client = pool_at(&pool->clients, slot);
        if (client->live && !client->gone)
            client_close(client);
    }
}

static int after_ms(const struct client *client)
{
    const struct link_request *first = &client->queue[client->first];
    const struct link_request *last =
        &client->queue[(client->first + client->count + CLIENT_PIPELINE_MAX - 1) %
                       CLIENT_PIPELINE_MAX];
    if (client->blocked)
        return client->pool->stall_ms;
    if (client->count == 0 || (!client->head_in && first == last && first->produce))
        return 0;
    if (!client->head_in)
        return first->timeout_ms;
    return client->paused || first->patient ? 0 : client->pool->stall_ms;
}

static void client_settle(struct client *client)
{
    unsigned events = 0;
    if (client->state == LINK_CONNECTING)
        return;
    if (!client->paused && !client->starved)
        events |= PLAT_READABLE;
    if (client->blocked)
        events |= PLAT_WRITABLE;
    if (client->yield)
        link_turn(client);
    loop_change_fd(client->pool->loop, &client->fd, events);
    int wait_ms = after_ms(client);
    if (wait_ms > 0)
        deadline_set(&client->pool->late, &client->deadline, client->since_ms + wait_ms);
    else
        deadline_stop(&client->deadline);
}

static void client_connected(struct client *client)
{
    int result = plat_connect_result(client->fd.fd);
    if (result < 0) {
        link_fail(client, result);
        return;
    }
    client->state = LINK_OPEN;
    client->since_ms = loop_now_ms(client->pool->loop);
    sending_run(client);
}

static void client_event(void *ctx, unsigned events)
{
    struct client *client = ctx;
    link_enter(client);
    if (client->state == LINK_CONNECTING) {
        client_connected(client);
    } else {
        if ((events & PLAT_WRITABLE) != 0)
            sending_run(client);
        if ((events & PLAT_READABLE) != 0 && !link_is_over(client))
            receiving_read(client);
        else if ((events & PLAT_HUNGUP) != 0)
            link_fail(client, -P2P_ECLOSED);
    }
    if (!link_is_over(client))
        client_settle(client);
    link_leave(client);
}

static void client_turn(void *ctx)
{
    struct client *client = ctx;
    client->turn_posted = false;
    link_enter(client);
    client->starved = false;
    if (!link_is_over(client) && client->state == LINK_OPEN) {
        sending_run(client);
        if (!link_is_over(client) && !client->paused)
            receiving_run(client);
        if (!link_is_over(client) && client->resumed && !client->paused)
            receiving_read(client); /* what waits in the socket: no need to ask the poller */
        client->resumed = false;
        if (!link_is_over(client))
            client_settle(client);
    }
    link_leave(client);
}

static int client_start(struct client *client)
{
    struct client_pool *pool = client->pool;
    client->fd = (struct loop_fd){client->transport.fd, PLAT_WRITABLE, client_event, client};
    int result = loop_add_fd(pool->loop, &client->fd);
    if (result < 0)
        return result;
    client->since_ms = loop_now_ms(pool->loop);
    deadline_set(&pool->late, &client->deadline, client->since_ms + pool->connect_ms);
    return 0;
}

static void host_put(struct client *client, const struct plat_addr *addr)
{
    struct plat_addr plain = *addr;
    char text[ADDR_TEXT_MAX];
    plain.scope = 0; /* means nothing on the other side */
    (void)text_copy(text_from(addr_format(&plain, text)), client->host, sizeof client->host);
}

struct client *client_open(struct client_pool *pool, const struct plat_addr *addr, int *out_error)
{
    uint32_t slot = pool_take(&pool->clients);
    if (slot == 0) {
        *out_error = -P2P_EFULL;
        return NULL;
    }
    struct client *client = pool_at(&pool->clients, slot);
    int fd = plat_connect(addr);
    client->pool = pool;
    client->turn = (struct loop_post){.run = client_turn, .ctx = client};
    host_put(client, addr);
    http_parser_init(&client->parser, true);
    transport_plain(&client->transport, fd);
    int result = fd < 0 ? fd : client_start(client);
    if (result < 0) {
        plat_close(fd);
        pool_give(&pool->clients, slot);
        *out_error = result;
        return NULL;
    }
    client->live = true;
    return client;
}

int client_send(struct client *client, const struct client_request *request)
{
    if (client_is_closed(client))
        return -P2P_ECLOSED;
    if (client->count == CLIENT_PIPELINE_MAX || link_producing(client))
        return -P2P_EFULL;
    int result = sending_put(client, request);
    if (result < 0)
        return result;
    if (client->count++ == 0)
        client->since_ms = loop_now_ms(client->pool->loop);
    *link_last(client) = (struct link_request){
        .handlers = request->handlers,
        .ctx = request->ctx,
        .produce = request->produce,
        .timeout_ms = request->timeout_ms > 0 ? request->timeout_ms : LINK_ANSWER_MS,
        .head_only = request->method == HTTP_METHOD_HEAD,
        .patient = request->patient,
    };
    link_turn(client);
    return 0;
}

int client_pending(const struct client *client)
{
    return (int)client->count;
}

bool client_is_closed(const struct client *client)
{
    return link_is_over(client) || client->closing;
}

void client_resume(struct client *client)
{
    if (link_is_over(client))
        return;
    client->resumed = client->paused;
    client->paused = false;
    client->since_ms = loop_now_ms(client->pool->loop);
    link_turn(client);
}

int client_local_addr(const struct client *client, struct plat_addr *out)
{
    if (client->state != LINK_OPEN)
        return -P2P_ECLOSED;
    return plat_local_addr(client->transport.fd, out);
}

void client_close(struct client *client)
{
    link_shut(client);
    client->gone = true;
    link_free(client);
}

void client_on_idle_close(struct client *client, void (*closed)(void *ctx), void *ctx)
{
    client->idle_closed = closed;
    client->idle_ctx = ctx;
}
