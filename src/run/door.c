/* SPDX-License-Identifier: MIT */
/* Who is let in: a cap for each address, an idle connection that makes room, and no spinning when
 * the process is out of descriptors. The server's thread. */
#include "run/door.h"

#include "base/addr.h"
#include "platform/plat_file.h"
#include "run/close.h"
#include "run/serve.h"
#include "run/slots.h"

enum {
    ACCEPT_TURN = 64,    /* connections taken in one turn */
    LOG_EVERY_MS = 10000 /* the same trouble */
};

static void refused(struct server *server, int fd, const struct plat_addr *peer, const char *why)
{
    char text[ADDR_TEXT_MAX];
    server->stats.refused++;
    plat_close(fd);
    if (log_pass(&server->gate_full, LOG_EVERY_MS))
        log_line(LOG_WARN, "server", "refused a connection from %s: %s", addr_format_ip(peer, text),
                 why);
}

void door_take(struct server *server, int fd, const struct plat_addr *peer)
{
    uint32_t per_address = server->config.per_address;
    server->stats.accepted++;
    if (per_address != 0 && !addr_is_loopback(peer) && slots_count(server, peer) >= per_address)
        refused(server, fd, peer, "it has as many as one address may have (per_address)");
    else if (slots_reserve(server) || (close_idle(server) && slots_reserve(server)))
        serve_accepted(server, fd, peer);
    else
        refused(server, fd, peer, "all are in use");
}

/* Waits until a connection closes (slots_close listens again), or for a while. */
static void door_without_descriptors(struct server *server)
{
    int64_t now_ms = loop_now_ms(server->loop);
    loop_change_fd(server->loop, &server->listener, 0);
    deadline_set(&server->late, &server->accept_wait, now_ms + CONN_ACCEPT_MS);
    if (log_pass(&server->gate_descriptors, LOG_EVERY_MS))
        log_line(LOG_WARN, "server",
                 "out of descriptors: nobody is let in until a connection closes; raise ulimit -n");
}

void door_open(struct server *server)
{
    if (server->listener.fd >= 0)
        loop_change_fd(server->loop, &server->listener, PLAT_READABLE);
}

/* Out of descriptors accept says so even when nobody waits: only the first of a turn is known to be
 * asked for. */
void door_event(void *ctx, unsigned events)
{
    struct server *server = ctx;
    bool taken = false;
    (void)events;
    for (int i = 0; i < ACCEPT_TURN; i++) {
        struct plat_addr peer;
        int fd = plat_accept(server->listener.fd, &peer);
        if (fd >= 0) {
            door_take(server, fd, &peer);
            taken = true;
        } else if (fd == -P2P_EMFILE && !taken) {
            if (close_idle(server))
                continue;
            door_without_descriptors(server);
            return;
        } else if (fd != -P2P_ECLOSED) {
            return;
        }
    }
}
