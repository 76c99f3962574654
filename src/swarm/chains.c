/* SPDX-License-Identifier: MIT */
/* A chain goes from the socket to the disk as it comes; its id is made on the way. A number is
 * taken while its fetch is under way, so several can be fetched at once. */
#include "swarm/chains.h"

#include "base/text.h"
#include "platform/plat_file.h"

#include <string.h>

enum { CHAINS_HEAD_MS = 10000 };

int chains_open(struct chains *chains, int folder, int64_t size)
{
    struct digest none;

    memset(chains, 0, sizeof *chains);
    chains->size = size;
    chains->states = digest_piece_count(size) - 1;
    chains->file = -1;
    if (chains->states > 0) {
        chains->file = plat_open_unnamed(folder);
    } else {
        digest_chain_id_begin(&none, size);
        digest_chain_id_end(&none, chains->id[0]);
    }
    return chains->file < 0 && chains->states > 0 ? chains->file : 0;
}

void chains_close(struct chains *chains)
{
    if (chains->file >= 0) {
        plat_close(chains->file);
        chains->file = -1;
    }
}

int chains_find(const struct chains *chains, const uint8_t id[static P2P_CHAIN_ID_SIZE])
{
    for (int i = 0; i < PROOF_CHAINS_MAX; i++) {
        if (chains->ready[i] && memcmp(chains->id[i], id, P2P_CHAIN_ID_SIZE) == 0) {
            return i;
        }
    }
    return -P2P_ENOTFOUND;
}

void chains_free(struct chains *chains, unsigned chain)
{
    chains->taken[chain] = chains->ready[chain] = false;
}

static int64_t place(const struct chains *chains, unsigned chain)
{
    return (int64_t)chain * chains->states * P2P_SHA256_SIZE;
}

int chains_read(void *ctx, unsigned chain, uint32_t first, uint32_t count, uint8_t *out)
{
    const struct chains *chains = ctx;
    size_t size = (size_t)count * P2P_SHA256_SIZE;
    int64_t got = plat_pread(chains->file, out, size,
                             place(chains, chain) + (int64_t)(first - 1) * P2P_SHA256_SIZE);

    if (got < 0) {
        return (int)got;
    }
    return (size_t)got == size ? 0 : -P2P_EIO;
}

static void end(struct chains_fetch *fetch, int result)
{
    struct chains *chains = fetch->chains;

    if (result == 0) {
        memcpy(chains->id[fetch->chain], fetch->stated, sizeof fetch->stated);
        chains->ready[fetch->chain] = true;
    } else {
        chains_free(chains, (unsigned)fetch->chain);
    }
    fetch->done(fetch->ctx, result);
}

/* An answer that cannot be right is not waited for: it may have no end. */
static void on_head(void *ctx, const struct http_head *head)
{
    struct chains_fetch *fetch = ctx;
    struct str id = head->header[HTTP_HEADER_P2P_CHAIN];

    if (head->status != 200) {
        end(fetch, head->status == 503 ? -P2P_EBUSY : -P2P_ENOTFOUND);
    } else if (head->body_length != (int64_t)fetch->chains->states * P2P_SHA256_SIZE ||
               (id.ptr != NULL && text_hex_decode(id, fetch->stated, sizeof fetch->stated) != 0)) {
        end(fetch, -P2P_EPROTO);
    }
}

static void on_body(void *ctx, struct str bytes)
{
    struct chains_fetch *fetch = ctx;
    struct chains *chains = fetch->chains;
    int64_t at = place(chains, (unsigned)fetch->chain) + fetch->received;

    digest_update(&fetch->digest, bytes.ptr, bytes.len);
    fetch->received += (int64_t)bytes.len;
    int error = plat_pwrite(chains->file, bytes.ptr, bytes.len, at);
    if (error != 0) {
        end(fetch, error);
    }
}

static void on_done(void *ctx, int result)
{
    struct chains_fetch *fetch = ctx;
    uint8_t id[P2P_CHAIN_ID_SIZE];

    if (result == 0) {
        digest_chain_id_end(&fetch->digest, id);
        result = memcmp(id, fetch->stated, sizeof id) == 0 ? 0 : -P2P_EPROTO;
    }
    end(fetch, result);
}

static int take(struct chains *chains)
{
    for (int i = 0; i < PROOF_CHAINS_MAX; i++) {
        if (!chains->taken[i]) {
            chains->taken[i] = true;
            return i;
        }
    }
    return -P2P_EFULL;
}

int chains_get(struct chains_fetch *fetch, struct chains *chains, struct client *client,
               struct str target)
{
    static const struct client_handlers handlers = {
        .on_head = on_head, .on_body = on_body, .on_done = on_done};
    struct client_request request = {.method = HTTP_METHOD_GET,
                                     .target = target,
                                     .timeout_ms = CHAINS_HEAD_MS,
                                     .handlers = &handlers,
                                     .ctx = fetch};
    int chain = take(chains);

    if (chain < 0) {
        return chain;
    }
    fetch->chains = chains;
    fetch->chain = chain;
    fetch->received = 0;
    digest_chain_id_begin(&fetch->digest, chains->size);
    int error = client_send(client, &request);
    if (error != 0) {
        chains_free(chains, (unsigned)chain);
    }
    return error;
}

void chains_cancel(struct chains_fetch *fetch)
{
    chains_free(fetch->chains, (unsigned)fetch->chain);
}
