/* SPDX-License-Identifier: MIT */
/* Carves and joins the parts of a node, and takes them apart in reverse order. Decides what each of
 * them gets of memory by budget.c; the rest is their own affair. First thread, which is the loop's.
 */
#include "app/parts.h"

#include "app/place.h"
#include "base/hash.h"
#include "base/text.h"
#include "platform/plat.h"
#include "platform/plat_file.h"
#include "ui/page.h"

#include <string.h>

enum { WORKER_FDS = 8, WORKER_TIMERS = 8 }; /* of a worker beside what it serves */

bool parts_has_peer(const struct app *app)
{
    return app->options->role != RECORD_ROLE_INDEX;
}

bool parts_has_index(const struct app *app)
{
    return app->options->role != RECORD_ROLE_PEER;
}

/* ---- what it runs on ---- */

static size_t memory_size(const struct app *app)
{
    uint64_t set = config_number(&app->settings, "node.memory");
    size_t preset = parts_has_index(app) ? P2P_MEMORY_INDEX : P2P_MEMORY_PEER;

    return set == 0 ? preset : set > SIZE_MAX ? SIZE_MAX : (size_t)set;
}

static int open_loop(struct app *app, void (*on_signal)(void *ctx, unsigned events))
{
    size_t memory = memory_size(app);
    uint32_t uploads =
        parts_has_peer(app) ? (uint32_t)config_number(&app->settings, "transfer.uploads") : 0;
    int signals = -1;

    budget_divide(&app->budget, app->options->role, memory, uploads);
    budget_fit_descriptors(&app->budget, plat_raise_descriptors(app->budget.descriptors));
    int error = arena_init(&app->arena, memory);
    if (error == 0) {
        error = hash_seed();
    }
    if (error == 0) {
        error = loop_init(&app->loop, &app->arena, app->budget.loop_fds, app->budget.loop_timers);
    }
    if (error == 0) {
        error = plat_signals_open(&signals);
    }
    if (error == 0) {
        app->signals = (struct loop_fd){signals, PLAT_READABLE, on_signal, app};
        error = loop_add_fd(app->loop, &app->signals);
    }
    return error;
}

static void ticket_gone(void *context, void *ticket)
{
    struct app *app = context;

    if (app->index != NULL) {
        index_ticket_gone(app->index, ticket);
    }
}

static int open_server(struct app *app)
{
    struct server_config config = {
        .listener = app->listener,
        .connections = app->budget.connections,
        .buffers = app->budget.buffers,
        .per_address = (uint32_t)config_number(&app->settings, "node.per_address"),
        .hosts = text_from(app->hosts),
        .context = app,
        .ticket_gone = ticket_gone,
    };

    text_hex_encode(app->identity.id.bytes, sizeof app->identity.id.bytes, config.node);
    int error = server_init(&app->server, app->loop, &app->arena, &config);
    if (error != 0) {
        app->server = NULL;
        return error;
    }
    app->listener = -1;
    return client_pool_init(&app->pool, app->loop, &app->arena, app->budget.clients,
                            app->budget.client_buffers);
}

/* An index needs somebody for its disk, and for the names of its mirrors. */
static int open_index_workers(struct app *app)
{
    bool has_mirrors = config_text(&app->settings, "index.mirrors").len > 0;
    int error = 0;

    if (app->identity.folder >= 0) {
        error = worker_init(&app->background[0], &app->arena, WORKER_FDS, WORKER_TIMERS);
        app->background_count += error == 0;
    }
    if (error == 0 && has_mirrors) {
        error = worker_init(&app->names, &app->arena, WORKER_FDS, WORKER_TIMERS);
    }
    return error;
}

static int open_workers(struct app *app)
{
    int cpus = plat_cpus();

    if (!parts_has_peer(app)) {
        return open_index_workers(app);
    }
    int error = worker_init(&app->names, &app->arena, WORKER_FDS, WORKER_TIMERS);

    while (error == 0 && app->transfer_count < cpus && app->transfer_count < P2P_WORKERS_MAX) {
        error = worker_init(&app->transfers[app->transfer_count], &app->arena,
                            PEER_WORKER_FDS + WORKER_FDS, PEER_WORKER_TIMERS + WORKER_TIMERS);
        app->transfer_count += error == 0;
    }
    while (error == 0 && app->background_count < cpus && app->background_count < PARTS_BACKGROUND) {
        error = worker_init(&app->background[app->background_count], &app->arena, WORKER_FDS,
                            WORKER_TIMERS);
        app->background_count += error == 0;
    }
    return error;
}

/* The indexes to join: the own one first, then the configured ones, else one on this machine. */
static int open_directory(struct app *app)
{
    char list[CONFIG_TEXT_MAX + ADDR_TEXT_MAX + 2], own[ADDR_TEXT_MAX];
    struct str set = config_text(&app->settings, "node.index");
    struct buf buf = buf_on(list, sizeof list);
    struct plat_addr self = place_reachable(&app->address);
    uint32_t start = 0;

    if (parts_has_index(app)) {
        buf_put_text(&buf, addr_format(&self, own));
        buf_put_text(&buf, set.len > 0 ? "," : "");
    } else if (set.len == 0) {
        buf_printf(&buf, "127.0.0.1:%d", P2P_PORT_INDEX);
    } else {
        memcpy(&start, app->identity.id.bytes, sizeof start);
    }
    buf_put(&buf, set);
    struct directory_config config = {.indexes = buf_str(&buf),
                                      .loop = app->loop,
                                      .pool = app->pool,
                                      .background = &app->names,
                                      .start = start};
    return directory_init(&app->directory, &app->arena, &config);
}

/* ---- the roles ---- */

static void put_peer_stats(void *context, struct buf *buf)
{
    peer_put_stats(((struct app *)context)->peer, buf);
}

static void download_elsewhere(struct exchange *exchange, void *ctx)
{
    index_download(exchange, ctx);
}

static int open_index(struct app *app, size_t bytes)
{
    struct index_config config = {
        .loop = app->loop,
        .pool = app->pool,
        .id = app->identity.id,
        .name = text_from(app->name),
        .role = app->options->role,
        .bytes = bytes,
        .budget_bytes = app->arena.size,
        .connections = app->budget.connections,
        .lease_ms = (int64_t)config_number(&app->settings, "index.lease"),
        .wait_ms = (int64_t)config_number(&app->settings, "index.wait"),
        .nodes_per_address = (uint32_t)config_number(&app->settings, "node.per_address"),
        .mirrors = config_text(&app->settings, "index.mirrors"),
        .resolver = app->names.loop != NULL ? &app->names : NULL,
        .background = &app->background[0],
        .folder = app->identity.folder,
        .snapshot_ms = (int64_t)config_number(&app->settings, "index.snapshot"),
        .server = app->server,
        .more_stats = parts_has_peer(app) ? put_peer_stats : NULL,
        .context = app,
    };
    return index_init(&app->index, &app->arena, &config);
}

static int open_peer(struct app *app, size_t bytes)
{
    struct peer_config config = {
        .settings = &app->settings,
        .identity = &app->identity,
        .loop = app->loop,
        .server = app->server,
        .pool = app->pool,
        .directory = app->directory,
        .transfers = app->transfers,
        .transfer_count = app->transfer_count,
        .background = app->background,
        .background_count = app->background_count,
        .share = app->share,
        .name = text_from(app->name),
        .hosts = text_from(app->hosts),
        .role = app->options->role,
        .port = app->address.port,
        .memory = bytes,
        .memory_bytes = app->arena.size,
        .elsewhere = parts_has_index(app) ? download_elsewhere : NULL,
        .elsewhere_ctx = app->index,
    };
    return peer_init(&app->peer, &app->arena, &config);
}

/* In role both the peer's routes come first: what is not in its share it hands to the index. */
static int open_roles(struct app *app)
{
    struct budget_roles bytes;
    int error = 0;

    budget_divide_roles(&bytes, app->options->role, arena_left(&app->arena));
    if (parts_has_index(app)) {
        error = open_index(app, bytes.index_bytes);
    }
    if (error == 0 && parts_has_peer(app)) {
        error = open_peer(app, bytes.peer_bytes);
    }
    if (error == 0 && parts_has_index(app)) {
        error = server_add_routes(app->server, index_routes, app->index);
    }
    if (error == 0) {
        error = server_add_routes(app->server, page_routes, NULL);
    }
    return error;
}

static int start_workers(struct app *app)
{
    int error = app->names.loop != NULL ? worker_start(&app->names) : 0;

    for (int i = 0; error == 0 && i < app->transfer_count; i++) {
        error = worker_start(&app->transfers[i]);
    }
    for (int i = 0; error == 0 && i < app->background_count; i++) {
        error = worker_start(&app->background[i]);
    }
    return error;
}

int parts_open(struct app *app, void (*on_signal)(void *ctx, unsigned events))
{
    int error = open_loop(app, on_signal);

    if (error == 0) {
        error = open_server(app);
    }
    if (error == 0) {
        error = open_workers(app);
    }
    if (error == 0 && parts_has_peer(app)) {
        error = open_directory(app);
    }
    if (error == 0) {
        error = open_roles(app);
    }
    if (error == 0) {
        error = start_workers(app);
    }
    return error;
}

/* ---- the end ---- */

static void close_worker(struct worker *worker)
{
    if (worker->loop != NULL) {
        loop_close(worker->loop);
    }
}

static void stop_workers(struct app *app)
{
    for (int i = 0; i < app->transfer_count; i++) {
        worker_stop(&app->transfers[i]);
    }
    for (int i = 0; i < app->background_count; i++) {
        worker_stop(&app->background[i]);
    }
    worker_stop(&app->names);
}

static void close_roles(struct app *app)
{
    if (app->index != NULL) {
        index_stop(app->index);
    }
    if (app->server != NULL) {
        server_close(app->server);
    }
    if (app->peer != NULL) {
        peer_close(app->peer);
    }
    if (app->index != NULL) {
        index_close(app->index);
    }
    if (app->directory != NULL) {
        directory_close(app->directory);
    }
}

void parts_close(struct app *app)
{
    stop_workers(app);
    close_roles(app);
    for (int i = 0; i < app->transfer_count; i++) {
        close_worker(&app->transfers[i]);
    }
    for (int i = 0; i < app->background_count; i++) {
        close_worker(&app->background[i]);
    }
    close_worker(&app->names);
    if (app->loop != NULL) {
        loop_close(app->loop);
    }
    if (app->listener >= 0) {
        plat_close(app->listener);
    }
    if (app->opened) {
        identity_close(&app->identity);
    }
    if (app->arena.base != NULL) {
        arena_free(&app->arena);
    }
}
