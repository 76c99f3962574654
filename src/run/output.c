/* SPDX-License-Identifier: MIT */
/* Sends what the output buffer holds and keeps the rate floor: within each stall_ms a client must
 * take (or, of a body, bring) as many bytes as P2P_RATE_FLOOR makes in that time. The clock runs
 * only while it is the client that is waited for. The server's thread. */
#include "run/output.h"

#include "run/slots.h"

static uint32_t floor_bytes(const struct server *server)
{
    return (uint32_t)((int64_t)P2P_RATE_FLOOR * server->config.stall_ms / 1000);
}

void output_watch(struct conn *conn)
{
    struct server *server = conn->server;
    conn->moved = 0;
    conn->since_ms = loop_now_ms(server->loop);
    slots_deadline(conn, &server->late, conn->since_ms + server->config.stall_ms);
}

void output_progress(struct conn *conn, size_t size)
{
    conn->since_ms = loop_now_ms(conn->server->loop);
    conn->moved += (uint32_t)size;
    if (conn->moved >= floor_bytes(conn->server))
        output_watch(conn);
}

void output_sent(struct conn *conn, size_t size)
{
    conn->server->stats.bytes_out += size;
    conn->made = true;
    conn->since_ms = loop_now_ms(conn->server->loop);
    if (conn->blocked)
        output_progress(conn, size);
}

void output_blocked(struct conn *conn)
{
    if (!conn->blocked)
        output_watch(conn);
    conn->blocked = true;
}

int output_flush(struct conn *conn)
{
    if (conn->out_begin == conn->out_end)
        return 1; /* what blocks may be a file */
    while (conn->out_begin < conn->out_end) {
        struct str bytes = {(const char *)slots_out(conn) + conn->out_begin,
                            (size_t)(conn->out_end - conn->out_begin)};
        int64_t sent = conn->transport.ops->send(&conn->transport, bytes, (struct str){0});
        if (sent == -P2P_EAGAIN) {
            output_blocked(conn);
            return 0;
        }
        if (sent < 0) {
            conn->cut = true;
            return (int)sent;
        }
        conn->out_begin = (uint16_t)(conn->out_begin + sent);
        output_sent(conn, (size_t)sent);
    }
    conn->out_begin = conn->out_end = 0;
    conn->blocked = false;
    return 1;
}
