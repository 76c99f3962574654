/* SPDX-License-Identifier: MIT */
/* One snapshot is under way at a time. The first change after one sets the time of the next, so
 * that an index where nothing happens writes nothing and wakes up for nothing. A disk that fails
 * is no reason to stop: it is said once a minute, and tried again. So is a state folder that could
 * not be written when this began, but there is nothing to try. Loop thread. */
#include "index/store.h"

#include "index/changes.h"
#include "index/loading.h"
#include "index/saving.h"

#include <inttypes.h>

enum {
    STORE_GATE_MS = 60000,
    STORE_AGAIN_MS = 60000, /* after the disk failed, at the latest */
    STORE_BUSY_MS = 5000    /* after too much changed while it was written */
};

struct store {
    struct loading loading;
    struct saving saving;
    struct loop_timer timer;
    struct log_gate gate;
    void (*ready)(struct index_role *role);
    void (*left)(void *ctx);
    void *ctx;
    uint64_t saved_n; /* of the feed: what the file has */
    bool has;         /* there is a file of ours */
    int64_t saved_ms, took_ms, began_ms;
    uint64_t bytes;
    int error; /* of the last try */
};

static void store_failed(struct index_role *role, int error);
static void store_saved(struct index_role *role, int error);
static void store_loaded(struct index_role *role, int error);
static void store_on_time(void *ctx);

int store_init(struct index_role *role, struct arena *arena)
{
    if (!role->config.background)
        return 0;
    struct store *store = arena_carve(arena, sizeof(*store), _Alignof(struct store));
    if (!store)
        return -P2P_EFULL;
    for (int i = 0; i < 2; i++) {
        uint8_t *page = arena_carve(arena, SAVING_PAGE, 64);
        if (!page)
            return -P2P_EFULL;
        store->loading.page[i] = page;
        store->saving.page[i] = buf_on(page, SAVING_PAGE);
    }
    store->loading.role = store->saving.role = role;
    store->loading.done = store_loaded;
    store->saving.done = store_saved;
    store->loading.fd = store->saving.fd = -1;
    store->timer = (struct loop_timer){.on_time = store_on_time, .ctx = role};
    role->store = store;
    return 0;
}

/* ---- writing ---- */

static bool store_is_changed(const struct index_role *role)
{
    return role->lines.last != role->store->saved_n;
}

static bool store_has_folder(const struct index_role *role)
{
    return role->config.folder >= 0;
}

static void store_save(struct index_role *role)
{
    struct store *store = role->store;
    loop_stop_timer(role->config.loop, &store->timer);
    store->began_ms = loop_now_ms(role->config.loop);
    saving_begin(&store->saving);
}

static void store_on_time(void *ctx)
{
    struct index_role *role = ctx;
    if (role->store->saving.under_way || role->loading || !store_is_changed(role))
        return;
    if (store_has_folder(role))
        store_save(role);
    else
        store_failed(role, -P2P_EREADONLY);
}

static void store_after(struct index_role *role, int64_t wait_ms)
{
    struct loop_timer *timer = &role->store->timer;
    if (timer->place == 0)
        (void)loop_set_timer(role->config.loop, timer, loop_now_ms(role->config.loop) + wait_ms);
}

static void store_on_line(struct index_role *role)
{
    struct store *store = role->store;
    if (!role->loading && !store->saving.under_way)
        store_after(role, store->error ? STORE_AGAIN_MS : role->config.snapshot_ms);
}

static int64_t store_earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void store_end(struct index_role *role)
{
    struct store *store = role->store;
    void (*left)(void *ctx) = store->left;
    store->left = NULL;
    if (left)
        left(store->ctx);
}

static const char *store_reason(const struct index_role *role)
{
    return store_has_folder(role) ? log_error(role->store->error)
                                  : "the state folder cannot be written";
}

static void store_failed(struct index_role *role, int error)
{
    struct store *store = role->store;
    store->error = error;
    if (error == -P2P_EBUSY) {
        store_after(role, store_earlier(STORE_BUSY_MS, role->config.snapshot_ms));
        return;
    }
    if (log_pass(&store->gate, STORE_GATE_MS))
        log_line(LOG_WARN, "index",
                 "the directory cannot be kept on disk (%s): after a restart nodes must join anew",
                 store_reason(role));
    store_after(role, store_earlier(STORE_AGAIN_MS, role->config.snapshot_ms));
}

static void store_saved(struct index_role *role, int error)
{
    struct store *store = role->store;
    if (error) {
        store_failed(role, error);
        store_end(role);
        return;
    }
    store->error = 0;
    store->has = true;
    store->saved_n = store->saving.n;
    store->saved_ms = loop_now_ms(role->config.loop);
    store->took_ms = store->saved_ms - store->began_ms;
    store->bytes = store->saving.bytes;
    log_line(LOG_DEBUG, "index", "snapshot of %" PRIu64 " bytes written in %lld ms", store->bytes,
             (long long)store->took_ms);
    if (store->left)
        store_end(role);
    else if (store_is_changed(role))
        store_after(role, role->config.snapshot_ms);
}

void store_leave(struct index_role *role, void (*left)(void *ctx), void *ctx)
{
    struct store *store = role->store;
    if (!store) {
        left(ctx);
        return;
    }
    store->left = left;
    store->ctx = ctx;
    if (store->saving.under_way)
        return; /* its end is the end: what changes now is told by the nodes when they come back */
    if (role->loading || !store_has_folder(role) || !store_is_changed(role))
        store_end(role);
    else
        store_save(role);
}

/* ---- reading ---- */

static uint32_t store_count(const struct index_role *role)
{
    uint32_t count = 0;
    const struct catalog_node *node = catalog_next_node(role->catalog, 0);
    for (; node; node = catalog_next_node(role->catalog, node->slot))
        count += node->state != RECORD_LEFT;
    return count;
}

static void store_loaded(struct index_role *role, int error)
{
    struct store *store = role->store;
    const struct loading *loading = &store->loading;
    changes_mute(role, false);
    role->loading = false;
    store->saved_n = role->lines.last;
    store->has = error == 0;
    store->saved_ms = loop_now_ms(role->config.loop);
    store->bytes = error ? 0 : (uint64_t)loading->size;
    if (error == -P2P_EVERIFY)
        log_line(LOG_WARN, "index", "the snapshot is of no use and %s " SAVING_NAME ".bad: %s",
                 loading->aside ? "set aside as" : "could not be set aside as", loading->fault);
    else if (error && error != -P2P_ENOTFOUND)
        log_line(LOG_WARN, "index", "the snapshot cannot be read: %s", log_error(error));
    else if (!error)
        log_line(LOG_INFO, "index", "read %u nodes with %u offers from disk in %lld ms",
                 (unsigned)store_count(role), (unsigned)catalog_counts(role->catalog).used.offers,
                 (long long)(loop_now_ms(role->config.loop) - loading->began_ms));
    role->on_line = store_on_line;
    store->ready(role);
}

/* Whoever could not open the folder has said so: that was this minute's line. */
static void store_start_without(struct index_role *role)
{
    struct store *store = role->store;
    (void)log_pass(&store->gate, STORE_GATE_MS);
    store->error = -P2P_EREADONLY;
    role->on_line = store_on_line;
}

void store_start(struct index_role *role, void (*ready)(struct index_role *role))
{
    if (role->store && !store_has_folder(role))
        store_start_without(role);
    if (!role->store || !store_has_folder(role)) {
        ready(role);
        return;
    }
    role->store->ready = ready;
    role->loading = true;
    changes_mute(role, true);
    loading_begin(&role->store->loading);
}

void store_stop(struct index_role *role)
{
    if (!role->store)
        return;
    loop_stop_timer(role->config.loop, &role->store->timer);
    loading_stop(&role->store->loading);
    saving_stop(&role->store->saving);
}

void store_put_stats(const struct index_role *role, struct buf *buf)
{
    const struct store *store = role->store;
    buf_put_char(buf, '{');
    if (store && store->has) {
        json_put_field_i64(buf, "age_ms", loop_now_ms(role->config.loop) - store->saved_ms);
        json_put_field_i64(buf, "bytes", (int64_t)store->bytes);
        json_put_field_i64(buf, "took_ms", store->took_ms);
        json_put_field_i64(buf, "behind", (int64_t)(role->lines.last - store->saved_n));
    }
    json_put_field_bool(buf, "kept", store && store_has_folder(role));
    if (store && store->error)
        json_put_field_text(buf, "error", text_from(store_reason(role)));
    buf_put_char(buf, '}');
}
