/* SPDX-License-Identifier: MIT */
/* One GET /v1/stats whose answer must carry the expected id in P2P-Node. The request never depends
 * on what the node said, so that nobody can make the index send anything of use to an attacker.
 * Loop thread. */
#include "index/probe.h"

static void probe_on_head(void *ctx, const struct http_head *head)
{
    struct probe *probe = ctx;
    struct record_id id;
    struct str node = head->header[HTTP_HEADER_P2P_NODE];
    probe->headed = true;
    probe->found = node.ptr && text_hex_decode(node, id.bytes, sizeof(id.bytes)) == 0 &&
                   record_id_equal(&id, &probe->id);
}

/* The rest of the answer is of no use; a broken one proves as much as a whole one. */
static void probe_on_done(void *ctx, int result)
{
    struct probe *probe = ctx;
    if (result == 0)
        client_close(probe->client);
    probe->client = NULL;
    if (probe->found)
        result = 0;
    else if (probe->headed)
        result = -P2P_EPROTO;
    probe->done(probe->ctx, result);
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
    probe->headed = probe->found = false;
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
