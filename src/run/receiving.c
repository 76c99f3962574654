/* SPDX-License-Identifier: MIT */
/* Parses answers in order and hands their bodies over. A body with a length goes from the socket
 * into the sink; what came with the head, and bodies in chunks, are copied there once. After each
 * call back the client may be closed. The loop's thread. */
#include "run/receiving.h"

#include "base/text.h"

#include <assert.h>
#include <string.h>

static const struct client_handlers *handlers(struct client *client)
{
    return link_first(client)->handlers;
}

static void *ctx_of(struct client *client)
{
    return link_first(client)->ctx;
}

/* Room for body bytes; NULL: pauses. */
static void *sink_room(struct client *client, size_t *out_room)
{
    *out_room = 0;
    void *room = handlers(client)->sink(ctx_of(client), out_room);
    if (link_is_over(client))
        return NULL;
    client->paused = !room || *out_room == 0;
    return client->paused ? NULL : room;
}

static void body_take(struct client *client, const void *bytes, size_t size)
{
    struct str span = {bytes, size};
    if (handlers(client)->on_body)
        handlers(client)->on_body(ctx_of(client), span);
}

static void pending_to_sink(struct client *client)
{
    size_t room;
    void *at = sink_room(client, &room);
    if (!at)
        return;
    struct str part = text_first(client->pending, room);
    memcpy(at, part.ptr, part.len);
    client->pending = text_from_byte(client->pending, part.len);
    body_take(client, at, part.len);
}

/* A call back may close the client, and with it the buffer that holds the lines. */
static void pending_to_lines(struct client *client)
{
    struct str line;
    int result;
    while ((result = lines_next(link_lines(client), &client->pending, &line)) == 1) {
        handlers(client)->on_line(ctx_of(client), line);
        if (link_is_over(client))
            return;
    }
    if (result < 0)
        link_fail(client, -P2P_EPROTO);
}

/* False when it must wait, or is over. */
static bool pending_deliver(struct client *client)
{
    if (handlers(client)->on_line) {
        pending_to_lines(client);
    } else if (handlers(client)->sink) {
        pending_to_sink(client);
    } else {
        struct str span = client->pending;
        client->pending = (struct str){NULL, 0};
        body_take(client, span.ptr, span.len);
    }
    return !link_is_over(client) && !client->paused;
}

static void head_take(struct client *client)
{
    client->head_in = true;
    if (handlers(client)->on_head)
        handlers(client)->on_head(ctx_of(client), &client->parser.head);
}

static void answer_take(struct client *client)
{
    struct str line;
    if (handlers(client)->on_line && client->in != 0 && lines_last(link_lines(client), &line) == 1)
        handlers(client)->on_line(ctx_of(client), line);
    if (!link_is_over(client))
        link_answered(client);
}

static void event_take(struct client *client, enum http_event event)
{
    switch (event) {
    case HTTP_HEAD:
        head_take(client);
        break;
    case HTTP_BODY:
        client->pending = client->parser.span;
        break;
    case HTTP_END:
        answer_take(client);
        break;
    case HTTP_NEED_MORE:
    case HTTP_ERROR:
        link_fail(client, -P2P_EPROTO);
        break;
    }
}

static void input_compact(struct client *client)
{
    size_t size = (size_t)(client->in_end - client->in_begin);
    if (client->in == 0 || client->in_begin == 0)
        return;
    memmove(link_in(client), link_in(client) + client->in_begin, size);
    client->in_begin = 0;
    client->in_end = (uint16_t)size;
}

/* The next event of what was read. False: that is used up. */
static bool input_parse(struct client *client)
{
    size_t used;
    struct str rest = {"", 0};
    if (client->in != 0)
        rest = (struct str){(const char *)link_in(client) + client->in_begin,
                            (size_t)(client->in_end - client->in_begin)};
    if (!client->started && rest.len == 0)
        return false;
    if (!client->started && link_first(client)->head_only)
        http_parser_no_body(&client->parser);
    client->started = true;
    enum http_event event = http_parse(&client->parser, rest, &used);
    client->in_begin = (uint16_t)(client->in_begin + used);
    if (event == HTTP_NEED_MORE)
        return false;
    event_take(client, event);
    return true;
}

void receiving_run(struct client *client)
{
    while (!link_is_over(client)) {
        if (client->pending.len > 0) {
            if (!pending_deliver(client))
                return;
        } else if (client->count == 0) {
            if (client->in_begin < client->in_end)
                link_fail(client, -P2P_EPROTO); /* an answer that nobody asked for */
            break;
        } else if (!input_parse(client)) {
            break;
        }
    }
    if (link_is_over(client))
        return;
    input_compact(client);
    if (client->in != 0 && client->in_end == 0 && link_lines(client)->len == 0)
        link_give_input(client);
}

/* True when the next bytes of the socket belong in the sink. */
static bool is_direct(struct client *client)
{
    return client->count > 0 && client->head_in && handlers(client)->sink &&
           !handlers(client)->on_line && !client->parser.head.chunked &&
           client->parser.body_left > 0 && client->in_begin == client->in_end;
}

static void read_end(struct client *client, int64_t got)
{
    if (got < 0) {
        link_fail(client, (int)got);
        return;
    }
    if (client->count > 0 && client->started && http_parse_close(&client->parser) == HTTP_END) {
        client->closing = true;
        answer_take(client);
    } else {
        link_fail(client, -P2P_ECLOSED);
    }
}

/* Straight into the sink. False: the socket, the sink or the body has no more. */
static bool read_direct(struct client *client)
{
    size_t room;
    void *at = sink_room(client, &room);
    if (!at)
        return false;
    if ((uint64_t)client->parser.body_left < room)
        room = (size_t)client->parser.body_left;
    int64_t got = client->transport.ops->recv(&client->transport, at, room);
    if (got == -P2P_EAGAIN)
        return false;
    if (got <= 0) {
        read_end(client, got);
        return false;
    }
    client->since_ms = loop_now_ms(client->pool->loop);
    http_parser_took(&client->parser, (size_t)got);
    body_take(client, at, (size_t)got);
    return (size_t)got == room;
}

static void read_buffer(struct client *client)
{
    if (!link_input(client))
        return;
    size_t room = (size_t)(LINK_INPUT_SIZE - client->in_end);
    assert(room > 0);
    int64_t got =
        client->transport.ops->recv(&client->transport, link_in(client) + client->in_end, room);
    if (got == -P2P_EAGAIN)
        return;
    if (got <= 0) {
        read_end(client, got);
        return;
    }
    client->since_ms = loop_now_ms(client->pool->loop);
    client->in_end = (uint16_t)(client->in_end + got);
}

void receiving_read(struct client *client)
{
    if (is_direct(client)) {
        for (int i = 0; i < LINK_READS && !link_is_over(client) && is_direct(client); i++)
            if (!read_direct(client))
                break;
    } else {
        read_buffer(client);
    }
    if (!link_is_over(client))
        receiving_run(client);
}
