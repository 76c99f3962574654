/* SPDX-License-Identifier: MIT */
/* One GET /v1/stats whose answer must carry the expected id in P2P-Node. The request never depends
 * on what the node said, so that nobody can make the index send anything of use to an attacker.
 * Loop thread. */
#include "index/probe.h"

static void probe_end(struct probe *probe, int result)
{
    probe_cancel(probe);
    probe->done(probe->ctx, result);
}

/* The rest of the answer is of no use. */
static void probe_on_head(void *ctx, const struct http_head *head)
{
    struct probe *probe = ctx;
    struct record_id id;
    struct str node = head->header[HTTP_HEADER_P2P_NODE];
    bool found = node.ptr && text_hex_decode(node, id.bytes, sizeof(id.bytes)) == 0 &&
                 record_id_equal(&id, &probe->id);
    probe_end(probe, found ? 0 : -P2P_EPROTO);
}

static void probe_on_done(void *ctx, int result)
{
    probe_end(ctx, result);
}

int probe_begin(struct probe *probe, struct client_pool *pool, const struct plat_addr *addr)
{
    static const struct client_handlers handlers = {.on_head = probe_on_head,
                                                    .on_done = probe_on_done};
    struct client_request request = {
        .method = HTTP_METHOD_GET,
        .target = STR("/v1/stats"),
        .timeout_ms = PROBE_TIMEOUT_MS,
        .handlers = &handlers,
        .ctx = probe,
    };
    int error = -P2P_EFULL;
    probe->client = client_open(pool, addr, &error);
    if (!probe->client)
        return error;
    error = client_send(probe->client, &request);
    if (error)
        probe_cancel(probe);
    return error;
}

void probe_cancel(struct probe *probe)
{
    if (probe->client)
        client_close(probe->client);
    probe->client = NULL;
}
