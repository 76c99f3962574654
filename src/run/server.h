/* SPDX-License-Identifier: MIT */
/* The HTTP server on a loop: connections, heads, bodies by lines, limits, and the checks that hold
 * for every path (Host, Origin, Content-Type). Roles bring tables of routes and answer through
 * exchange.h. A connection can move to another loop's server with a request of which no body was
 * read: its bytes go along and are parsed again there. All calls on the server's own thread. */
#ifndef SERVER_H
#define SERVER_H

#include "run/loop.h"
#include "run/route.h"
#include "run/worker.h"

struct server;

/* Takes of the loop: a descriptor for each connection and one for the listener, and two timers.
 * Of the arena: server_size. 0, -P2P_EFULL. */
int server_init(struct server **out, struct loop *loop, struct arena *arena,
                const struct server_config *config);
/* Bytes of arena for a server with so many. */
size_t server_size(uint32_t connections, uint32_t buffers);
/* Adds a table, ended by a NULL path; earlier tables and rows win. The table must stay. 0 or
 * -P2P_EFULL. */
int server_add_routes(struct server *server, const struct route *routes, void *role);
/* Closes the listener and idle connections; open exchanges go on, then their connections close. */
void server_stop(struct server *server);
/* Cuts all connections: their exchanges are gone, aborted. Not from a handler. */
void server_close(struct server *server);
const struct server_stats *server_stats(const struct server *server);
struct loop *server_loop(const struct server *server);
/* The node has another id now: 32 hex digits. */
void server_set_node(struct server *server, const char node[2 * P2P_ID_SIZE + 1]);

#endif
