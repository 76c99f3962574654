/* SPDX-License-Identifier: MIT */
/* Looks up what is asked for and sends the connection to the upload worker that has the fewest. A
 * file that is not hashed yet is refused with how far it is, and hashed next. What a worker finds
 * wrong with a file comes back with the ticket. Loop thread. */
#include "peer/upload.h"

#include "base/log.h"
#include "base/name.h"
#include "base/text.h"
#include "peer/handout.h"
#include "platform/plat_file.h"

#include <assert.h>
#include <string.h>

enum {
    UPLOAD_RETRY_MS = 500, /* when to ask again for a file that is being hashed */
    UPLOAD_BURST_MIN = 64 * 1024
};

struct upload {
    struct upload_config config;
    struct held *held; /* NULL: nothing is downloaded here */
    struct handout_shared shared;
    struct handout *handouts;
    uint32_t *loads; /* tickets of each */
    struct pool tickets;
    struct bucket_meter meter;
    uint64_t metered;
    char node[2 * P2P_ID_SIZE + 1];
};

/* ---- tickets ---- */

static uint32_t least_busy(const struct upload *upload)
{
    uint32_t best = 0;
    for (int i = 1; i < upload->config.worker_count; i++)
        if (upload->loads[i] < upload->loads[best])
            best = (uint32_t)i;
    return best;
}

static void ticket_give(struct upload *upload, struct handout_ticket *ticket)
{
    upload->loads[ticket->handout - upload->handouts]--;
    if (!ticket->held)
        cache_drop(share_cache(upload->config.share), ticket->cache_file);
    else if (ticket->cache_file >= 0)
        plat_close(ticket->cache_file);
    if (ticket->held && ticket->file >= 0)
        plat_close(ticket->file); /* it never came to a worker */
    pool_give(&upload->tickets, pool_slot(&upload->tickets, ticket));
}

/* NULL: none is left. */
static struct handout_ticket *ticket_take(struct upload *upload)
{
    uint32_t slot = pool_take(&upload->tickets), worker = least_busy(upload);
    if (slot == 0)
        return NULL;
    struct handout_ticket *ticket = pool_at(&upload->tickets, slot);
    ticket->handout = &upload->handouts[worker];
    ticket->file = -1;
    ticket->askers = upload->held ? &upload->held->askers : NULL;
    upload->loads[worker]++;
    return ticket;
}

static void ticket_for_file(struct upload *upload, struct handout_ticket *ticket, uint32_t file)
{
    struct tree *tree = share_tree(upload->config.share);
    const struct tree_file *found = tree_file(tree, file);
    ticket->path_len = tree_file_path(tree, file, ticket->path).len;
    ticket->print = found->print;
    ticket->size = found->size;
    ticket->record = found->record;
    ticket->cache_file = cache_hold(share_cache(upload->config.share));
    memcpy(ticket->content.bytes, found->content, sizeof ticket->content.bytes);
}

/* The ticket's descriptors are its own, so that the download can end before it. */
static void ticket_for_held(struct upload *upload, struct handout_ticket *ticket, struct str path)
{
    struct held *held = upload->held;
    uint64_t logged = held_logged(held);
    ticket->held = held;
    ticket->held_serial = held->serial;
    ticket->file = plat_dup(held->file);
    ticket->cache_file = plat_dup(held->chain_file);
    ticket->content = held->content;
    ticket->size = held->size;
    ticket->states = held->pieces - 1;
    ticket->ready = ticket->has_chain = true;
    ticket->path_len = text_copy(path, ticket->path, sizeof ticket->path) == 0 ? path.len : 0;
    memcpy(ticket->chain_id, held->chain_id, sizeof ticket->chain_id);
    ticket->chain_at = held->chain_at;
    ticket->told = logged > HELD_AGAIN ? logged - HELD_AGAIN : 0;
}

static void on_back(void *ctx, struct handout_ticket *ticket)
{
    struct upload *upload = ctx;
    struct str path = {ticket->path, ticket->path_len};
    if (!ticket->held && ticket->complaint == -P2P_EVERIFY)
        share_rehash(upload->config.share, path);
    else if (!ticket->held && ticket->complaint != 0)
        share_look_again(upload->config.share, path);
    ticket_give(upload, ticket);
}

/* file 0: what is downloaded here. */
static void hand_over(struct upload *upload, struct exchange *exchange, uint32_t file)
{
    struct handout_ticket *ticket = ticket_take(upload);
    if (!ticket) {
        exchange_busy(exchange, "too many fetch from this node", "try again");
        return;
    }
    if (file != 0)
        ticket_for_file(upload, ticket, file);
    else
        ticket_for_held(upload, ticket, exchange->tail);
    bool is_open = !ticket->held || (ticket->file >= 0 && ticket->cache_file >= 0);
    if (is_open && exchange_move(exchange, ticket->handout->server, ticket) == 0)
        return;
    ticket_give(upload, ticket);
    exchange_busy(exchange, "too many fetch from this node", "try again");
}

/* ---- routes ---- */

static void content_begin(struct exchange *exchange, void *role)
{
    struct upload *upload = role;
    uint8_t content[P2P_SHA256_SIZE];
    if (text_hex_decode(exchange->tail, content, sizeof content) < 0) {
        exchange_error(exchange, 404, "not a content", "write the 64 hex digits of its SHA-256");
        return;
    }
    struct share *share = upload->config.share;
    uint32_t file = share ? tree_find_content(share_tree(share), content) : 0;
    bool is_held = file == 0 && upload->held && held_is_of(upload->held, content);
    if (file == 0 && !is_held)
        exchange_error(exchange, 404, "this node does not have it", "ask an index for sources");
    else
        hand_over(upload, exchange, file);
}

static void answer_unhashed(struct upload *upload, struct exchange *exchange, uint32_t file)
{
    const struct tree_file *found = tree_file(share_tree(upload->config.share), file);
    int64_t done, total = found->size;
    bool wanted = share_want(upload->config.share, file, &done);
    exchange_begin(exchange, 503, "application/json");
    exchange_header(exchange, "Retry-After", STR("1"));
    struct buf *buf = exchange_body(exchange);
    buf_put_char(buf, '{');
    json_put_field_text(buf, "error",
                        wanted ? STR("this file is being hashed")
                               : STR("this file is not hashed yet, and many are before it"));
    json_put_field_text(buf, "hint", STR("ask again"));
    json_put_field_i64(buf, "done", done);
    json_put_field_i64(buf, "total", total);
    json_put_field_i64(buf, "retry_ms", UPLOAD_RETRY_MS);
    buf_put_text(buf, "}\n");
    exchange_end(exchange);
}

static bool is_own_only(const struct exchange *exchange)
{
    char value[8];
    ptrdiff_t len = http_query(exchange->head->query, "own", value, sizeof value);
    return len == 1 && value[0] == '1';
}

/* By the name that the index sends people here with. */
static void download_held(struct upload *upload, struct exchange *exchange)
{
    if (upload->held && upload->held->file >= 0 &&
        upload->config.is_named(upload->config.named_ctx, exchange->tail))
        hand_over(upload, exchange, 0);
    else
        exchange_error(exchange, 404, "this node shares no folder", "ask an index who has it");
}

static void download_begin(struct exchange *exchange, void *role)
{
    struct upload *upload = role;
    if (!upload->config.share) {
        download_held(upload, exchange);
        return;
    }
    struct tree *tree = share_tree(upload->config.share);
    uint32_t file = name_fault(exchange->tail) ? 0 : tree_find_path(tree, exchange->tail);
    if (file != 0 && !entries_is_offered(share_entries(upload->config.share), file))
        file = 0;
    if (file != 0 && (tree_file(tree, file)->flags & TREE_HASHED) != 0)
        hand_over(upload, exchange, file);
    else if (file != 0)
        answer_unhashed(upload, exchange, file);
    else if (upload->config.elsewhere && !is_own_only(exchange))
        upload->config.elsewhere(exchange, upload->config.elsewhere_ctx);
    else
        exchange_error(exchange, 404, "no such file in this share", "ask an index who has it");
}

static const struct route routes[] = {
    {SERVER_GET, 0, "/v1/content/", SERVER_TRANSFER, content_begin, NULL, NULL, NULL, NULL},
    {SERVER_GET, 0, "/v1/chain/", SERVER_TRANSFER, content_begin, NULL, NULL, NULL, NULL},
    {SERVER_GET, 0, "/v1/have/", SERVER_TRANSFER, content_begin, NULL, NULL, NULL, NULL},
    {SERVER_GET, 0, "/download/", SERVER_TRANSFER, download_begin, NULL, NULL, NULL, NULL},
    {0, 0, NULL, SERVER_CLIENT, NULL, NULL, NULL, NULL, NULL},
};

/* ---- making, settings, figures ---- */

void upload_reload(struct upload *upload, const struct config *settings)
{
    uint64_t rate = config_number(settings, "transfer.upload_limit");
    uint64_t burst = rate / BUCKET_BURST_PART;
    atomic_store(&upload->shared.most, (uint32_t)config_number(settings, "transfer.uploads"));
    plat_mutex_lock(&upload->shared.mutex);
    bucket_init(&upload->shared.bucket, rate, burst > UPLOAD_BURST_MIN ? burst : UPLOAD_BURST_MIN,
                plat_now_us());
    plat_mutex_unlock(&upload->shared.mutex);
}

void upload_held(struct upload *upload, struct held *held)
{
    upload->held = held;
}

static int handouts_init(struct upload *upload, struct arena *arena, const char *node)
{
    struct server_config config = {.connections = upload->config.connections,
                                   .buffers = upload->config.buffers != 0 ? upload->config.buffers
                                                                          : UPLOAD_BUFFERS,
                                   .hosts = upload->config.hosts};
    int result = 0;
    memcpy(config.node, node, sizeof config.node);
    for (int i = 0; result == 0 && i < upload->config.worker_count; i++) {
        struct handout *handout = &upload->handouts[i];
        handout->home = upload->config.server;
        handout->worker = &upload->config.workers[i];
        handout->shared = &upload->shared;
        handout->share = upload->config.share ? share_path(upload->config.share) : "";
        handout->back = on_back;
        handout->ctx = upload;
        handout->home_loop = upload->config.loop;
        result = handout_init(handout, arena, &config);
    }
    return result;
}

size_t upload_size(uint32_t connections)
{
    return sizeof(struct upload) + sizeof(struct handout) + 256 +
           connections * sizeof(struct handout_ticket);
}

int upload_init(struct upload **out, struct arena *arena, const struct upload_config *config,
                const char node[2 * P2P_ID_SIZE + 1])
{
    struct upload *upload = arena_carve(arena, sizeof *upload, 64);
    size_t count = (size_t)config->worker_count;
    if (!upload)
        return -P2P_EFULL;
    upload->config = *config;
    upload->handouts = arena_carve(arena, count * sizeof(struct handout), 64);
    upload->loads = arena_carve(arena, count * sizeof(uint32_t), sizeof(uint32_t));
    if (!upload->handouts || !upload->loads ||
        pool_init(&upload->tickets, arena, sizeof(struct handout_ticket),
                  (uint32_t)config->worker_count * config->connections) < 0)
        return -P2P_EFULL;
    atomic_init(&upload->shared.active, 0);
    atomic_init(&upload->shared.most, 1);
    atomic_init(&upload->shared.waiting, 0);
    plat_mutex_init(&upload->shared.mutex);
    asked_init(&upload->shared.asked);
    bucket_meter_init(&upload->meter, plat_now_us());
    upload_reload(upload, config->settings);
    int result = handouts_init(upload, arena, node);
    if (result == 0)
        result = server_add_routes(config->server, routes, upload);
    *out = upload;
    return result;
}

static void rename_send(struct upload *upload, struct handout *handout);

static void rename_is_back(void *ctx)
{
    struct handout *handout = ctx;
    struct upload *upload = handout->ctx;
    handout->renaming = false;
    rename_send(upload, handout);
}

static void rename_there(void *ctx)
{
    struct handout *handout = ctx;
    server_set_node(handout->server, handout->node);
    handout->rename.run = rename_is_back;
    loop_post(handout->home_loop, &handout->rename);
}

/* The post is one: the next name goes when it is back. */
static void rename_send(struct upload *upload, struct handout *handout)
{
    if (handout->renaming || memcmp(handout->node, upload->node, sizeof upload->node) == 0)
        return;
    handout->renaming = true;
    memcpy(handout->node, upload->node, sizeof upload->node);
    handout->rename = (struct loop_post){.run = rename_there, .ctx = handout};
    loop_post(handout->worker->loop, &handout->rename);
}

void upload_rename(struct upload *upload, const char node[2 * P2P_ID_SIZE + 1])
{
    memcpy(upload->node, node, sizeof upload->node);
    for (int i = 0; i < upload->config.worker_count; i++)
        rename_send(upload, &upload->handouts[i]);
}

void upload_close(struct upload *upload)
{
    for (int i = 0; i < upload->config.worker_count; i++)
        handout_close(&upload->handouts[i]);
}

void upload_stats(struct upload *upload, struct upload_stats *out)
{
    uint32_t most = atomic_load(&upload->shared.most);
    int64_t now_us = plat_now_us();
    plat_mutex_lock(&upload->shared.mutex);
    out->sent = upload->shared.sent;
    plat_mutex_unlock(&upload->shared.mutex);
    bucket_meter_add(&upload->meter, out->sent - upload->metered, now_us);
    upload->metered = out->sent;
    out->rate = (uint64_t)bucket_meter_rate(&upload->meter, now_us);
    out->active = atomic_load(&upload->shared.active);
    if (out->active > most)
        out->active = most;
    out->slots = most - out->active;
}
