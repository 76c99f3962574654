/* SPDX-License-Identifier: MIT */
/* What a client's connection holds, and how it ends. A handler may close the client in any call
 * back; its slot is then kept until the outermost one has returned. The loop's thread. */
#include "run/link.h"

#include "platform/plat_file.h"

#include <assert.h>

struct link_request *link_first(struct client *client)
{
    return &client->queue[client->first];
}

struct link_request *link_last(struct client *client)
{
    return &client->queue[(client->first + client->count - 1) % CLIENT_PIPELINE_MAX];
}

struct link_request *link_producing(struct client *client)
{
    struct link_request *last = client->count > 0 ? link_last(client) : NULL;
    return last && last->produce ? last : NULL;
}

bool link_is_over(const struct client *client)
{
    return client->gone || client->state == LINK_CLOSED;
}

uint8_t *link_in(const struct client *client)
{
    return buffers_at(&client->pool->buffers, client->in);
}

struct lines *link_lines(const struct client *client)
{
    return &((struct link_input *)(void *)(link_in(client) + LINK_INPUT_SIZE))->lines;
}

uint8_t *link_out(const struct client *client)
{
    return buffers_at(&client->pool->buffers, client->out);
}

static bool is_starved(struct client *client)
{
    client->starved = true;
    client->pool->starved = true;
    return false;
}

/* Rare: there are two buffers for each client that is not idle, unless the pool was made small. */
static void buffer_give(struct client_pool *pool, uint32_t slot)
{
    buffers_give(&pool->buffers, slot);
    if (!pool->starved)
        return;
    pool->starved = false;
    for (uint32_t i = 1; i <= pool->clients.fresh; i++) {
        struct client *client = pool_at(&pool->clients, i);
        if (client->live && client->starved)
            link_turn(client);
    }
}

bool link_input(struct client *client)
{
    if (client->in != 0)
        return true;
    client->in = buffers_take(&client->pool->buffers, 0);
    client->in_begin = client->in_end = 0;
    if (client->in == 0)
        return is_starved(client);
    lines_init(link_lines(client));
    return true;
}

bool link_output(struct client *client)
{
    if (client->out != 0)
        return true;
    client->out = buffers_take(&client->pool->buffers, 0);
    client->out_begin = client->out_end = 0;
    return client->out != 0 || is_starved(client);
}

void link_give_input(struct client *client)
{
    if (client->in != 0)
        buffer_give(client->pool, client->in);
    client->in = 0;
    client->in_begin = client->in_end = 0;
    client->pending = (struct str){NULL, 0};
}

void link_give_output(struct client *client)
{
    if (client->out != 0)
        buffer_give(client->pool, client->out);
    client->out = 0;
    client->out_begin = client->out_end = 0;
}

void link_shut(struct client *client)
{
    if (client->state == LINK_CLOSED)
        return;
    client->state = LINK_CLOSED;
    loop_remove_fd(client->pool->loop, &client->fd);
    plat_close(client->transport.fd);
    deadline_stop(&client->deadline);
    link_give_input(client);
    link_give_output(client);
}

void link_free(struct client *client)
{
    if (!client->gone || client->entered != 0 || client->turn_posted)
        return;
    client->live = false;
    pool_give(&client->pool->clients, pool_slot(&client->pool->clients, client));
}

void link_enter(struct client *client)
{
    client->entered++;
}

void link_leave(struct client *client)
{
    client->entered--;
    link_free(client);
}

static struct link_request queue_take(struct client *client)
{
    struct link_request request = *link_first(client);
    client->first = (client->first + 1) % CLIENT_PIPELINE_MAX;
    client->count--;
    client->head_in = client->started = client->paused = false;
    return request;
}

static void idle_close(struct client *client)
{
    if (!client->idle_closed)
        return;
    client->gone = true;
    client->idle_closed(client->idle_ctx);
}

void link_fail(struct client *client, int error)
{
    bool idle = client->count == 0;
    assert(client->entered > 0);
    if (link_is_over(client))
        return;
    link_shut(client);
    while (client->count > 0 && !client->gone) {
        struct link_request request = queue_take(client);
        request.handlers->on_done(request.ctx, error);
    }
    if (idle)
        idle_close(client);
}

void link_answered(struct client *client)
{
    bool unsent = link_first(client)->produce != NULL;
    if (unsent || !client->parser.head.keep_alive)
        client->closing = true;
    struct link_request request = queue_take(client);
    client->since_ms = loop_now_ms(client->pool->loop);
    request.handlers->on_done(request.ctx, 0);
    if (client->closing && !link_is_over(client))
        link_fail(client, -P2P_ECLOSED);
}

void link_turn(struct client *client)
{
    if (client->turn_posted)
        return;
    client->turn_posted = true;
    loop_defer(client->pool->loop, &client->turn);
}
