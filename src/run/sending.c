/* SPDX-License-Identifier: MIT */
/* Requests leave in the order in which they were queued: since only the last one may still be
 * producing its body, the output buffer is all there is to know. The loop's thread. */
#include "run/sending.h"

#include "base/text.h"
#include "run/chunk.h"

#include <string.h>

static void put_head(struct buf *buf, const struct client *client,
                     const struct client_request *request)
{
    buf_put_text(buf, http_method_text(request->method));
    buf_put_char(buf, ' ');
    buf_put(buf, request->target);
    buf_put_text(buf, " HTTP/1.1\r\n");
    http_put_header(buf, "Host", text_from(client->host));
    if (request->type)
        http_put_header(buf, "Content-Type", text_from(request->type));
    if (request->produce)
        http_put_header(buf, "Transfer-Encoding", STR("chunked"));
    else if (request->method == HTTP_METHOD_POST)
        http_put_header_i64(buf, "Content-Length", (int64_t)request->body.len);
    buf_put(buf, request->headers);
    buf_put_text(buf, "\r\n");
}

/* Moves what waits to the front. */
static void output_compact(struct client *client)
{
    uint8_t *out = link_out(client);
    size_t size = (size_t)(client->out_end - client->out_begin);
    if (client->out_begin == 0)
        return;
    memmove(out, out + client->out_begin, size);
    client->out_begin = 0;
    client->out_end = (uint16_t)size;
}

int sending_put(struct client *client, const struct client_request *request)
{
    if (request->body.len > CLIENT_BODY_MAX)
        return -P2P_ETOOBIG;
    if (!link_output(client))
        return -P2P_EFULL;
    output_compact(client);
    struct buf buf =
        buf_on(link_out(client) + client->out_end, (size_t)(P2P_BUFFER_SIZE - client->out_end));
    put_head(&buf, client, request);
    if (!request->produce)
        buf_put(&buf, request->body);
    if (buf.full && client->out_end == 0)
        link_give_output(client);
    if (buf.full)
        return client->out == 0 ? -P2P_ETOOBIG : -P2P_EFULL;
    client->out_end = (uint16_t)(client->out_end + buf.len);
    return 0;
}

/* 1: all is sent; 0: the socket is full; or an error. */
static int output_send(struct client *client)
{
    while (client->out_begin < client->out_end) {
        struct str bytes = {(const char *)link_out(client) + client->out_begin,
                            (size_t)(client->out_end - client->out_begin)};
        int64_t sent = client->transport.ops->send(&client->transport, bytes, (struct str){0});
        if (sent == -P2P_EAGAIN) {
            client->blocked = true;
            return 0;
        }
        if (sent < 0)
            return (int)sent;
        client->out_begin = (uint16_t)(client->out_begin + sent);
        if (client->blocked || client->count <= 1)
            client->since_ms = loop_now_ms(client->pool->loop);
    }
    client->out_begin = client->out_end = 0;
    client->blocked = false;
    return 1;
}

/* One call of produce. Bytes made. */
static size_t body_make(struct client *client)
{
    struct link_request *request = link_producing(client);
    uint8_t *at = link_out(client) + client->out_end;
    struct buf room =
        buf_on(at + CHUNK_HEAD, (size_t)(P2P_BUFFER_SIZE - client->out_end - CHUNK_EXTRA));
    bool end = false;
    request->produce(request->ctx, &room, &end);
    if (link_is_over(client))
        return 0;
    size_t size = room.len > 0 ? chunk_frame(at, room.len) : 0;
    if (end) {
        size += chunk_last(at + size);
        request->produce = NULL;
    }
    client->out_end = (uint16_t)(client->out_end + size);
    return size;
}

/* Fills the buffer with what is produced. Bytes made. */
static size_t body_fill(struct client *client)
{
    size_t made = 0, all = 0;
    if (!link_producing(client) || !link_output(client))
        return 0;
    output_compact(client);
    do {
        made = body_make(client);
        all += made;
    } while (made > 0 && !link_is_over(client) && link_producing(client) &&
             P2P_BUFFER_SIZE - client->out_end >= CHUNK_ROOM);
    return all;
}

static bool has_room(const struct client *client)
{
    return P2P_BUFFER_SIZE - (client->out_end - client->out_begin) >= CHUNK_ROOM;
}

/* The other side takes no more. It may have said why: that is still read. */
static void give_up(struct client *client)
{
    client->closing = true;
    client->out_begin = client->out_end = 0;
    client->blocked = false;
}

void sending_run(struct client *client)
{
    size_t made = 0, turn = 0;
    client->yield = false;
    if (client->state != LINK_OPEN || client->closing)
        return;
    do {
        made = has_room(client) ? body_fill(client) : 1; /* nobody could be asked yet */
        turn += made;
        if (link_is_over(client))
            return;
        int sent = output_send(client);
        if (sent < 0)
            give_up(client);
    } while (made > 0 && !client->blocked && !client->closing && turn < LINK_TURN_BYTES);
    client->yield = made > 0 && !client->blocked && !client->closing;
    if (client->out_begin == client->out_end)
        link_give_output(client);
}
