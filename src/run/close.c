/* SPDX-License-Identifier: MIT */
/* The only place where a handler hears that it is over: once for each exchange, once for each
 * ticket. The server's thread. */
#include "run/close.h"

#include "run/slots.h"

void close_exchange(struct conn *conn, bool aborted)
{
    const struct server_route *route = conn->route;
    conn->route = NULL;
    if (route && route->route->gone)
        route->route->gone(&conn->exchange, route->role, aborted);
}

static void ticket_gone(struct conn *conn)
{
    const struct server_config *config = &conn->server->config;
    void *ticket = conn->exchange.ticket;
    conn->exchange.ticket = NULL;
    if (ticket && config->ticket_gone)
        config->ticket_gone(config->context, ticket);
}

void close_conn(struct conn *conn, bool aborted)
{
    if (!conn->open)
        return;
    slots_enter(conn);
    close_exchange(conn, aborted);
    ticket_gone(conn);
    slots_close(conn);
    slots_leave(conn);
}

bool close_idle(struct server *server)
{
    struct conn *conn = slots_idle(server);
    if (conn)
        close_conn(conn, false);
    return conn != NULL;
}
