/* SPDX-License-Identifier: MIT */
/* What a connection reads and writes through: plain TCP here, TLS beside it. Results are those of
 * plat_recv, plat_send2 and plat_send_file. */
#ifndef TRANSPORT_H
#define TRANSPORT_H

#include "platform/plat_net.h"

struct transport;

struct transport_ops {
    int64_t (*recv)(struct transport *transport, void *out, size_t size);
    int64_t (*send)(struct transport *transport, struct str head, struct str body);
    int64_t (*send_file)(struct transport *transport, int file, int64_t offset, size_t size);
    /* Ends politely (close_notify, FIN); the descriptor is closed by the owner. */
    void (*finish)(struct transport *transport);
};

/* May be moved in memory and, between two calls, to another thread. */
struct transport {
    const struct transport_ops *ops;
    int fd;
    void *state; /* of the ops */
};

/* Plain TCP on a connected or connecting socket. */
void transport_plain(struct transport *transport, int fd);

#endif
