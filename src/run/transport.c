/* SPDX-License-Identifier: MIT */
/* Plain TCP as a transport: each call is one of the platform's. The thread of the connection. */
#include "run/transport.h"

static int64_t plain_recv(struct transport *transport, void *out, size_t size)
{
    return plat_recv(transport->fd, out, size);
}

static int64_t plain_send(struct transport *transport, struct str head, struct str body)
{
    if (body.len == 0)
        return plat_send(transport->fd, head.ptr, head.len);
    return plat_send2(transport->fd, head, body);
}

static int64_t plain_send_file(struct transport *transport, int file, int64_t offset, size_t size)
{
    return plat_send_file(transport->fd, file, offset, size);
}

static void plain_finish(struct transport *transport)
{
    plat_shutdown_write(transport->fd);
}

static const struct transport_ops plain_ops = {
    .recv = plain_recv,
    .send = plain_send,
    .send_file = plain_send_file,
    .finish = plain_finish,
};

void transport_plain(struct transport *transport, int fd)
{
    *transport = (struct transport){.ops = &plain_ops, .fd = fd};
}
