/* SPDX-License-Identifier: MIT */
/* Moves a connection to another loop's server. The input buffer with the request's bytes is itself
 * the message: the target copies them into a buffer of its own and posts it back, so a move takes
 * no memory of its own and the number under way is bounded by the buffers. The slot at the target
 * is reserved before anything is given up. The sender's thread until the post, then the target's.
 */
#include "run/move.h"

#include "platform/plat_file.h"
#include "run/close.h"
#include "run/slots.h"

static void parcel_arrives(void *ctx)
{
    struct parcel *parcel = ctx;
    parcel->to->arrived(parcel->to, parcel);
}

static void parcel_is_back(void *ctx)
{
    struct parcel *parcel = ctx;
    slots_give_buffer(parcel->from, parcel->slot);
}

void move_return(struct parcel *parcel)
{
    parcel->post.run = parcel_is_back;
    loop_post(parcel->from->loop, &parcel->post);
}

void move_drop(struct parcel *parcel)
{
    struct server *server = parcel->to;
    plat_close(parcel->transport.fd);
    if (parcel->ticket && server->config.ticket_gone)
        server->config.ticket_gone(server->config.context, parcel->ticket);
    slots_unreserve(server);
    move_return(parcel);
}

int exchange_move(struct exchange *exchange, struct server *to, void *ticket)
{
    struct conn *conn = (struct conn *)exchange;
    struct server *from = conn->server;
    if (!conn->starting || conn->mode != ANSWER_NONE || conn->in == 0 || conn->cut)
        return -P2P_EINVAL;
    if (!slots_reserve(to))
        return -P2P_EFULL;
    struct parcel *parcel = &slots_input_of(conn)->u.parcel;
    *parcel = (struct parcel){
        .post = {.run = parcel_arrives, .ctx = parcel},
        .from = from,
        .to = to,
        .transport = conn->transport,
        .peer = exchange->peer,
        .local = exchange->local,
        .ticket = ticket,
        .slot = conn->in,
        .begin = conn->in_begin,
        .end = conn->in_end,
    };
    close_exchange(conn, false); /* may still look at the head */
    conn->in = 0;
    loop_remove_fd(from->loop, &conn->fd);
    conn->transport.fd = -1;
    close_conn(conn, false);
    slots_yield(conn); /* the client may be back there before this handler returns */
    loop_post(to->loop, &parcel->post);
    return 0;
}
