/* SPDX-License-Identifier: MIT */
/* An order is a body of lines: first how, then a line of search for each file at each holder. It is
 * answered by a line for each file as it is decided, lines of progress between them, and a last
 * one. When the asker goes, the order ends. Loop thread. */
#include "peer/order.h"

#include "base/log.h"
#include "base/text.h"
#include "peer/copies.h"
#include "peer/partial.h"
#include "platform/plat.h"
#include "platform/plat_file.h"
#include "swarm/haul.h"

#include <stdio.h>
#include <string.h>

enum {
    ORDER_MEMORY = 3328 * 1024, /* a transfer's least, with two workers, and the tables here */
    ORDER_WORTH = 3,            /* times that much memory makes it worth it */
    ORDER_WORKERS = 2,
    ORDER_FILES = 256, /* of one order; who wants more orders again */
    ORDER_SOURCES = 64,
    ORDER_TEXT = 48 * 1024, /* of their paths */
    ORDER_GIVERS = 8,       /* named for a file, and together: */
    ORDER_GIVERS_ALL = ORDER_FILES + 256,
    ORDER_REASON = 120,
    ORDER_TICK_MS = 300
};

/* What an answer says of a file beside struct wanted. */
struct order_file {
    struct record_id origin;
    struct str here; /* the file of the share that has the content already; empty: none */
    int64_t elapsed_ms, bound_ms, resumed;
    uint64_t wasted;
    uint32_t retries, giver, givers; /* giver: the first of them */
    char reason[ORDER_REASON];
};

/* A source, with its share of one file. */
struct order_giver {
    struct record_id id;
    uint64_t bytes, rate;
    bool blamed;
    char name[P2P_NODE_NAME_MAX + 1];
};

struct order {
    struct order_config config;
    struct haul *haul;
    struct copies *copies;
    struct json_reader json;
    struct exchange *exchange; /* of the order under way; NULL: its asker has gone */
    struct loop_timer tick;
    struct wanted files[ORDER_FILES];
    struct order_file more[ORDER_FILES];
    struct order_giver givers[ORDER_GIVERS_ALL];
    uint32_t giver_count;
    struct order_totals totals;
    struct wanted_source sources[ORDER_SOURCES];
    uint16_t decided[ORDER_FILES]; /* in that order */
    uint32_t count, source_count, decided_count, told;
    char text[ORDER_TEXT];
    size_t text_used;
    char save[P2P_PATH_MAX];
    int root, synced;
    bool running, saving, force, over, tell_progress;
    struct partial partial;
    struct record_offer fetched; /* what is being fetched, or was last, as it is offered */
    char fetched_path[P2P_PATH_MAX + 1];
    bool fetched_inside; /* the share */
};

size_t order_size(size_t role_memory)
{
    return role_memory / ORDER_WORTH < ORDER_MEMORY ? 0 : ORDER_MEMORY;
}

uint32_t order_open_files(const struct order *order)
{
    return order->running ? order->count - order->decided_count : 0;
}

const struct order_totals *order_totals(const struct order *order)
{
    return &order->totals;
}

/* ---- the answer ---- */

static void put_path(const struct order *order, uint32_t number, struct buf *buf)
{
    const struct wanted *file = &order->files[number];
    struct str here = order->more[number].here, rest = here.len > 0 ? here : file->path;
    char path[2 * P2P_PATH_MAX + 2];
    snprintf(path, sizeof path, "%s/%.*s",
             here.len > 0 ? share_path(order->config.share) : order->save, (int)rest.len, rest.ptr);
    json_put_field_text(buf, "path", text_from(path));
}

static void put_givers(const struct order *order, const struct order_file *more, struct buf *buf)
{
    json_put_key(buf, "sources");
    buf_put_char(buf, '[');
    for (uint32_t i = 0; i < more->givers; i++) {
        const struct order_giver *giver = &order->givers[more->giver + i];
        buf_put_text(buf, i > 0 ? ",{" : "{");
        json_put_field_hex(buf, "node", giver->id.bytes, sizeof giver->id);
        json_put_field_text(buf, "name", text_from(giver->name));
        json_put_field_i64(buf, "bytes", (int64_t)giver->bytes);
        json_put_field_i64(buf, "rate", (int64_t)giver->rate);
        json_put_field_bool(buf, "blamed", giver->blamed);
        buf_put_char(buf, '}');
    }
    buf_put_char(buf, ']');
}

static void put_file(const struct order *order, uint32_t number, struct buf *buf)
{
    const struct wanted *file = &order->files[number];
    const struct order_file *more = &order->more[number];
    buf_put_char(buf, '{');
    json_put_field_i64(buf, "file", number);
    json_put_field_hex(buf, "sha256", file->content.bytes, sizeof file->content);
    put_path(order, number, buf);
    json_put_field_i64(buf, "size", file->size);
    if (file->result != 0) {
        json_put_field_i64(buf, "result", -file->result);
        json_put_field_text(buf, "error", text_from(more->reason));
    } else {
        json_put_field_bool(buf, "was_there", file->was_there);
        json_put_field_bool(buf, "here", more->here.len > 0);
        json_put_field_i64(buf, "elapsed_ms", more->elapsed_ms);
        json_put_field_i64(buf, "bound_ms", more->bound_ms);
        json_put_field_i64(buf, "resumed", more->resumed);
        json_put_field_i64(buf, "retries", more->retries);
        json_put_field_i64(buf, "wasted", (int64_t)more->wasted);
        put_givers(order, more, buf);
    }
    buf_put_text(buf, "}\n");
}

static void put_progress(const struct order *order, struct buf *buf)
{
    struct haul_progress progress;
    haul_progress(order->haul, &progress);
    buf_put_char(buf, '{');
    json_put_field_i64(buf, "progress", progress.done);
    json_put_field_i64(buf, "staged", progress.staged);
    json_put_field_i64(buf, "done", (int64_t)progress.bytes);
    json_put_field_i64(buf, "total", (int64_t)progress.size);
    if (progress.file) {
        json_put_field_i64(buf, "file", progress.file - order->files);
        json_put_field_i64(buf, "phase", progress.transfer.phase);
        json_put_field_i64(buf, "file_done", progress.transfer.done);
        json_put_field_i64(buf, "rate", (int64_t)progress.transfer.rate);
        json_put_field_i64(buf, "sources", progress.transfer.sources);
        json_put_field_i64(buf, "nowhere", progress.transfer.nowhere);
        json_put_field_i64(buf, "pieces", progress.transfer.pieces);
        json_put_field_i64(buf, "wait_ms", progress.transfer.wait_ms);
    }
    buf_put_text(buf, "}\n");
}

static void produce(struct exchange *exchange, void *role, struct buf *room)
{
    struct order *order = role;
    while (order->told < order->decided_count && room->size - room->len >= P2P_LINE_MAX)
        put_file(order, order->decided[order->told++], room);
    if (order->told < order->decided_count)
        return;
    if (order->over) {
        buf_put_char(room, '{');
        json_put_field_bool(room, "end", true);
        json_put_field_bool(room, "synced", order->synced == 0);
        buf_put_text(room, "}\n");
        exchange_end(exchange);
    } else if (order->tell_progress) {
        order->tell_progress = false;
        put_progress(order, room);
    }
}

static void wake(struct order *order)
{
    if (order->exchange)
        exchange_wake(order->exchange);
}

static struct str path_in_share(const struct order *order, const struct wanted *file, char *out,
                                size_t size);

/* The file that is in transfer is offered as the copy that it will be. */
static void note_fetched(struct order *order, const struct wanted *file)
{
    struct str inside = path_in_share(order, file, order->fetched_path, sizeof order->fetched_path);
    order->fetched_inside = inside.len > 0;
    if (inside.len == 0 &&
        text_copy(file->path, order->fetched_path, sizeof order->fetched_path) < 0)
        return;
    wanted_offer(file, text_from(order->fetched_path), &order->more[file - order->files].origin,
                 &order->fetched);
}

static void tell_partial(struct order *order)
{
    struct haul_progress progress;
    haul_progress(order->haul, &progress);
    if (progress.file)
        note_fetched(order, progress.file);
    partial_tell(&order->partial, &order->fetched, loop_now_ms(order->config.loop));
}

static void on_tick(void *ctx)
{
    struct order *order = ctx;
    order->tell_progress = true;
    tell_partial(order);
    wake(order);
    loop_set_timer(order->config.loop, &order->tick,
                   loop_now_ms(order->config.loop) + ORDER_TICK_MS);
}

/* ---- the course ---- */

static void on_saved(void *ctx)
{
    struct order *order = ctx;
    order->saving = false;
    order->over = true;
    wake(order);
}

/* The share offers it by itself, or never will. */
static void release_fetched(struct order *order)
{
    struct held *held = order->partial.held;
    const struct tree *tree = share_tree(order->config.share);
    if (order->fetched_inside && tree_find_content(tree, order->fetched.content.bytes) == 0)
        return;
    held_close(held);
    partial_tell(&order->partial, NULL, loop_now_ms(order->config.loop));
}

static void on_done(void *ctx, int synced)
{
    struct order *order = ctx;
    order->running = false;
    order->saving = true;
    order->synced = synced;
    for (uint32_t i = 0; i < order->source_count; i++)
        order->totals.blamed += order->sources[i].blamed;
    loop_stop_timer(order->config.loop, &order->tick);
    plat_close(order->root);
    order->root = -1;
    release_fetched(order);
    copies_save(order->copies, order->config.background, order->config.loop, on_saved, order);
}

/* The next giver of the file that is decided now; when there are too many, whoever gave least is
 * left out, but no liar. Each file that is open yet has room for one. */
static struct order_giver *next_giver(struct order *order, struct order_file *more)
{
    uint32_t open = order->count - order->decided_count - 1, least = more->giver;
    if (more->givers == 0)
        more->giver = least = order->giver_count;
    if (more->givers < ORDER_GIVERS &&
        (more->givers == 0 || order->giver_count + open < ORDER_GIVERS_ALL)) {
        more->givers++;
        return &order->givers[order->giver_count++];
    }
    for (uint32_t i = more->giver; i < more->giver + more->givers; i++)
        if (!order->givers[i].blamed && order->givers[i].bytes < order->givers[least].bytes)
            least = i;
    return &order->givers[least];
}

static void note_givers(struct order *order, struct order_file *more, const struct wanted *file,
                        const struct transfer_progress *transfer)
{
    if (!transfer && file->giver >= 0) {
        const struct wanted_source *source = &order->sources[file->giver];
        struct order_giver *giver = next_giver(order, more);
        *giver = (struct order_giver){.id = source->id, .bytes = (uint64_t)file->size};
        memcpy(giver->name, source->name, sizeof giver->name);
    }
    for (int i = 0; transfer && i < transfer->sources; i++) {
        const struct transfer_source *source = &transfer->source[i];
        struct order_giver *giver = next_giver(order, more);
        *giver = (struct order_giver){.id = source->id,
                                      .bytes = source->bytes,
                                      .rate = source->rate,
                                      .blamed = source->blamed};
        memcpy(giver->name, source->name, sizeof giver->name);
        order->totals.blamed += source->blamed;
    }
}

/* The path in the share of a file in the save folder; empty when that lies elsewhere. */
static struct str path_in_share(const struct order *order, const struct wanted *file, char *out,
                                size_t size)
{
    struct str save = text_from(order->save), share = text_from(share_path(order->config.share));
    struct str inside = text_from_byte(save, share.len);
    if (!text_begins(save, share) || (inside.len > 0 && inside.ptr[0] != '/'))
        return STR("");
    inside = text_from_byte(inside, 1);
    int len = snprintf(out, size, "%.*s%s%.*s", (int)inside.len, inside.ptr,
                       inside.len > 0 ? "/" : "", (int)file->path.len, file->path.ptr);
    return (struct str){out, len < 0 || (size_t)len >= size ? 0 : (size_t)len};
}

static void note_copy(struct order *order, uint32_t number)
{
    char path[P2P_PATH_MAX + 1];
    const struct wanted *file = &order->files[number];
    struct copies_entry entry = {.path = path_in_share(order, file, path, sizeof path),
                                 .content = file->content,
                                 .origin = order->more[number].origin};
    if (entry.path.len > 0 && copies_add(order->copies, &entry) < 0)
        log_line(LOG_WARN, "order",
                 "there are too many copies to remember; %s is offered as this node's own", path);
}

static void decide(struct order *order, uint32_t number)
{
    order->decided[order->decided_count++] = (uint16_t)number;
    wake(order);
}

static void on_file(void *ctx, struct wanted *file, const struct transfer_progress *transfer)
{
    struct order *order = ctx;
    uint32_t number = (uint32_t)(file - order->files);
    struct order_file *more = &order->more[number];
    const char *reason = file->reason ? file->reason : log_error(file->result);
    text_copy(text_first(text_from(reason), sizeof more->reason - 1), more->reason,
              sizeof more->reason);
    if (transfer) {
        more->elapsed_ms = transfer->elapsed_ms;
        more->bound_ms = transfer->bound_ms;
        more->resumed = transfer->resumed;
        more->retries = transfer->retries;
        more->wasted = transfer->wasted;
        order->totals.wasted += transfer->wasted;
    }
    order->totals.fetched += file->result == 0 && !file->was_there ? (uint64_t)file->size : 0;
    note_givers(order, more, file, transfer);
    if (file->result == 0 && !file->was_there)
        note_copy(order, number);
    if (transfer)
        tell_partial(order);
    decide(order, number);
}

/* A copy of the text that lives as long as the order; empty: there is no room. */
static struct str keep_text(struct order *order, struct str text)
{
    char *at = order->text + order->text_used;
    if (sizeof order->text - order->text_used < text.len)
        return STR("");
    memcpy(at, text.ptr, text.len);
    order->text_used += text.len;
    return (struct str){at, text.len};
}

/* What is in the share already, under whatever name. */
static void find_here(struct order *order)
{
    const struct tree *tree = share_tree(order->config.share);
    char path[P2P_PATH_MAX + 1];
    for (uint32_t i = 0; i < order->count; i++) {
        struct wanted *file = &order->files[i];
        uint32_t slot = tree_find_content(tree, file->content.bytes);
        if (slot != 0)
            order->more[i].here = keep_text(order, tree_file_path(tree, slot, path));
        if (order->more[i].here.len == 0)
            continue;
        file->result = 0;
        file->was_there = true;
        decide(order, i);
    }
}

static void start(struct order *order)
{
    struct haul_want want = {.root = order->root,
                             .replace = order->force,
                             .files = order->files,
                             .count = order->count,
                             .sources = order->sources,
                             .source_count = order->source_count,
                             .on_file = on_file,
                             .done = on_done,
                             .ctx = order};
    order->running = true;
    order->tick = (struct loop_timer){.on_time = on_tick, .ctx = order};
    find_here(order);
    on_tick(order);
    haul_start(order->haul, &want);
}

/* ---- the request ---- */

/* Takes the same time wherever the two differ. */
static bool is_control_key(const struct order *order, struct str key)
{
    uint8_t bytes[P2P_TOKEN_SIZE], differs = 0;
    if (text_hex_decode(key, bytes, sizeof bytes) < 0)
        return false;
    for (size_t i = 0; i < sizeof bytes; i++)
        differs |= (uint8_t)(bytes[i] ^ order->config.identity->control[i]);
    return differs == 0;
}

static void order_begin(struct exchange *exchange, void *role)
{
    struct order *order = role;
    struct str key = exchange->head->header[HTTP_HEADER_AUTHORIZATION];
    if (!text_begins(key, STR("Bearer "))) {
        exchange_error(exchange, 401, "the control key of this node is missing",
                       "use p2p get on the machine of this node");
    } else if (!is_control_key(order, text_trim(text_from_byte(key, 7)))) {
        exchange_error(exchange, 403, "not the control key of this node",
                       "use p2p get on the machine of this node");
    } else if (order->exchange || order->running || order->saving) {
        exchange_busy(exchange, "another order is being fetched", "try again");
    } else {
        order->exchange = exchange;
        order->count = order->source_count = order->decided_count = order->told = 0;
        order->giver_count = 0;
        order->text_used = 0;
        order->force = order->over = order->tell_progress = false;
    }
}

static int find_source(struct order *order, const struct record_result *result)
{
    for (uint32_t i = 0; i < order->source_count; i++)
        if (record_id_equal(&order->sources[i].id, &result->node))
            return (int)i;
    if (order->source_count == ORDER_SOURCES || result->address_count == 0)
        return -1;
    struct wanted_source *source = &order->sources[order->source_count];
    *source = (struct wanted_source){.id = result->node, .addr_count = result->address_count};
    memcpy(source->addr, result->address, sizeof source->addr);
    text_copy(result->name, source->name, sizeof source->name);
    return (int)order->source_count++;
}

/* A line for the file of the line before adds a holder. NULL: there is no room. */
static struct wanted *find_file(struct order *order, const struct record_offer *offer)
{
    struct wanted *last = order->count > 0 ? &order->files[order->count - 1] : NULL;
    if (last && text_equal(last->path, offer->path) &&
        memcmp(&last->content, &offer->content, sizeof offer->content) == 0)
        return last;
    struct str path = keep_text(order, offer->path);
    if (order->count == ORDER_FILES || path.len == 0)
        return NULL;
    last = &order->files[order->count++];
    *last = (struct wanted){.content = offer->content,
                            .size = offer->size,
                            .mtime = offer->mtime,
                            .executable = offer->executable,
                            .hashed = true,
                            .path = path,
                            .giver = -1,
                            .result = WANTED_OPEN};
    return last;
}

static void take_file(struct order *order, struct exchange *exchange,
                      const struct record_result *result)
{
    struct wanted *file = result->offer.hashed ? find_file(order, &result->offer) : NULL;
    if (!file) {
        exchange_error(exchange, 413,
                       result->offer.hashed ? "too many files in one order" : "sha256: missing",
                       "at most 256 files, each with its content; order again for more");
        return;
    }
    int source = file->source_count < WANTED_SOURCES ? find_source(order, result) : -1;
    if (source >= 0)
        file->source[file->source_count++] = (uint16_t)source;
    if (file->source_count <= 1)
        order->more[order->count - 1] =
            (struct order_file){.origin = result->offer.copy ? result->offer.origin : result->node};
}

static void order_line(struct exchange *exchange, void *role, struct str line)
{
    struct order *order = role;
    struct record_result result;
    struct record_end end = {0};
    const struct json_value *how = json_parse(&order->json, line);
    if (how && !json_has(how, "path")) {
        json_get_bool(&order->json, how, "force", &order->force);
    } else if (record_read_result(&order->json, line, RECORD_SEARCH, &result, &end) != 0 ||
               end.is_end) {
        exchange_error(exchange, 400, order->json.fault ? order->json.fault : "not a file",
                       "each line is one of the answer to a search");
    } else {
        take_file(order, exchange, &result);
    }
}

static void order_end(struct exchange *exchange, void *role)
{
    struct order *order = role;
    int error = plat_make_folders(order->save, false);
    order->root = error < 0 ? error : plat_open_folder(order->save);
    if (order->root < 0) {
        char text[P2P_PATH_MAX + 100];
        snprintf(text, sizeof text, "%s: %s", order->save, plat_reason());
        exchange_error(exchange, 500, text, "name another folder with save in config.ini");
        return;
    }
    exchange_begin(exchange, 200, "application/x-ndjson");
    exchange_stream(exchange, -1, produce);
    start(order);
}

static void order_gone(struct exchange *exchange, void *role, bool aborted)
{
    struct order *order = role;
    (void)aborted;
    if (exchange != order->exchange)
        return;
    order->exchange = NULL;
    if (order->running)
        haul_stop(order->haul);
}

static const struct route routes[] = {
    {SERVER_POST, SERVER_JSON | SERVER_NDJSON, "/v1/fetch", SERVER_CLIENT, order_begin, order_line,
     order_end, NULL, order_gone},
    {0, 0, NULL, SERVER_CLIENT, NULL, NULL, NULL, NULL, NULL},
};

/* ---- making ---- */

/* A file that was fetched a moment ago and is not hashed yet: its content is known all the same. */
static void mark_fetched(const struct order *order, struct record_offer *offer)
{
    bool same = !offer->hashed && offer->size == order->fetched.size &&
                offer->mtime == order->fetched.mtime &&
                text_equal(offer->path, order->fetched.path) &&
                held_is_of(order->partial.held, order->fetched.content.bytes) &&
                held_percent(order->partial.held) == 100;
    if (!same)
        return;
    offer->hashed = true;
    offer->content = order->fetched.content;
}

static void on_mark(void *ctx, struct record_offer *offer)
{
    const struct order *order = ctx;
    mark_fetched(order, offer);
    copies_mark(order->copies, offer);
}

struct held *order_held(const struct order *order)
{
    return order->partial.held;
}

void order_seen(struct order *order, uint32_t file)
{
    const struct tree_file *found = tree_file(share_tree(order->config.share), file);
    if ((found->flags & TREE_HASHED) == 0 || !held_is_of(order->partial.held, found->content) ||
        order->running)
        return;
    held_close(order->partial.held);
    partial_tell(&order->partial, NULL, loop_now_ms(order->config.loop));
}

static int haul_make(struct order *order, struct arena *arena, size_t memory)
{
    const struct order_config *config = &order->config;
    struct transfer_config transfer = {
        .loop = config->loop,
        .pool = config->pool,
        .directory = config->directory,
        .workers = config->workers,
        .worker_count = config->worker_count < ORDER_WORKERS ? config->worker_count : ORDER_WORKERS,
        .background = config->background,
        .connections = (int)config_number(config->settings, "transfer.connections"),
        .min_free = config_number(config->settings, "share.min_free"),
        .download_limit = config_number(config->settings, "transfer.download_limit"),
        .self = config->identity->id,
        .port = config->port,
        .memory = memory};
    return haul_init(&order->haul, arena, &transfer);
}

static void find_save(struct order *order)
{
    struct str save = config_text(order->config.settings, "share.save");
    if (save.len == 0 || text_copy(save, order->save, sizeof order->save) < 0)
        snprintf(order->save, sizeof order->save, "%s/downloads", share_path(order->config.share));
}

int order_init(struct order **out, struct arena *arena, const struct order_config *config)
{
    size_t before = arena_left(arena);
    struct order *order = arena_carve(arena, sizeof *order, 64);
    if (!order)
        return -P2P_EFULL;
    order->config = *config;
    order->root = -1;
    find_save(order);
    int result = json_reader_init(&order->json, arena);
    if (result == 0)
        result = copies_init(&order->copies, arena, config->identity->folder);
    size_t used = before - arena_left(arena);
    if (result == 0)
        result = used < ORDER_MEMORY ? haul_make(order, arena, ORDER_MEMORY - used) : -P2P_EFULL;
    if (result < 0)
        return result;
    struct tree *tree = share_tree(config->share);
    tree->mark = on_mark;
    tree->mark_ctx = order;
    order->partial =
        (struct partial){.membership = config->membership, .held = haul_held(order->haul)};
    *out = order;
    return server_add_routes(config->server, routes, order);
}

void order_leave(struct order *order)
{
    if (order->running)
        haul_stop(order->haul);
}

void order_close(struct order *order)
{
    haul_close(order->haul);
    copies_close(order->copies);
    if (order->root >= 0)
        plat_close(order->root);
}
