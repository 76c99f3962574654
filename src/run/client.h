/* SPDX-License-Identifier: MIT */
/* The HTTP client on a loop: one connection to one node, requests pipelined, answers in order, each
 * with deadlines. Deadlines beside a request's own: 5 s to connect, 20 s without a byte of a body
 * either way. The loop's thread. */
#ifndef CLIENT_H
#define CLIENT_H

#include "run/client_request.h"
#include "run/lines.h"
#include "run/loop.h"

struct client;
struct client_pool; /* connections and buffers of one loop */

/* clients connections and buffers I/O buffers (two each while bytes are pending, none while an
 * answer is waited for). Takes a descriptor of the loop for each and one timer. 0 or -P2P_EFULL. */
int client_pool_init(struct client_pool **out, struct loop *loop, struct arena *arena,
                     uint32_t clients, uint32_t buffers);
/* Closes the clients that are still open, before the loop is closed. */
void client_pool_close(struct client_pool *pool);
/* Starts to connect. NULL when the pool is full or the address cannot be reached at once
 * (*out_error). Host is the address as text. A client stays, also when its connection has closed,
 * until client_close (but see client_on_idle_close). */
struct client *client_open(struct client_pool *pool, const struct plat_addr *addr, int *out_error);
/* Queues a request behind those under way, at most CLIENT_PIPELINE_MAX; its texts are copied. 0;
 * -P2P_EFULL: too many, no buffer, or one before it is still producing its body; -P2P_ETOOBIG: it
 * can never fit; -P2P_ECLOSED. No handler is called before it returns. */
int client_send(struct client *client, const struct client_request *request);
/* Requests that have no whole answer yet. */
int client_pending(const struct client *client);
/* True when nothing can be sent any more. */
bool client_is_closed(const struct client *client);
/* produce or sink has something again. */
void client_resume(struct client *client);
/* The address at which this machine reached the node (for "local" rules), once connected. 0 or
 * -P2P_ECLOSED. */
int client_local_addr(const struct client *client, struct plat_addr *out);
/* Closes at once; no handler is called any more. The client is gone. */
void client_close(struct client *client);

/* Told once when the connection closes while no request is under way; the client is then gone. May
 * be unset: the client then stays, and client_send says -P2P_ECLOSED. */
void client_on_idle_close(struct client *client, void (*closed)(void *ctx), void *ctx);

#endif
