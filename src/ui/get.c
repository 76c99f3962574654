/* SPDX-License-Identifier: MIT */
/* get: ask what the name means, have it hashed where it is not yet, and fetch it. What is asked for
 * is a content; from then on its SHA-256 says what is right, whoever sends it. */
#include "ui/get.h"

#include "base/log.h"
#include "base/name.h"
#include "platform/plat_file.h"
#include "ui/print.h"
#include "ui/progress.h"
#include "ui/query.h"

#include <stdio.h>
#include <string.h>

enum {
    GET_RESULTS = 1000,
    GET_TICK_MS = 200,  /* of the progress line */
    GET_RETRY_MS = 300, /* for a file that is being hashed, unless its holder says otherwise */
    GET_WORKER_FDS = 128,
    GET_WORKER_TIMERS = 128,
    GET_MEMORY_REST = 1 << 20 /* of the arena, beside the transfer */
};

struct get {
    struct session session;
    struct query query;
    struct merge *merge;
    struct worker workers[P2P_WORKERS_MAX];
    int worker_count;
    struct transfer *transfer;
    struct transfer_want want;
    struct transfer_progress progress;
    struct loop_timer tick;
    struct client *hasher;   /* to the holder that hashes the file for us */
    struct plat_addr holder; /* of the unhashed file */
    char target[P2P_URL_MAX];
    int retry_ms, hash_status;
    bool asked_by_hash; /* WHAT is a SHA-256 */
    bool on_terminal;
    char path[P2P_PATH_MAX * 2]; /* as printed at the end */
    char name[P2P_PART_MAX + 1];
    char folder[P2P_PATH_MAX * 2];
};

static void ask_index(struct get *get);

static void end(struct get *get, int status)
{
    if (get->on_terminal) {
        progress_clear();
    }
    session_end(&get->session, status);
}

static int exit_status(int result)
{
    switch (result) {
    case 0:
        return P2P_EXIT_OK;
    case -P2P_ENOTFOUND:
        return P2P_EXIT_NOT_FOUND;
    case -P2P_EVERIFY:
        return P2P_EXIT_UNVERIFIED;
    case -P2P_EAGAIN:
        return P2P_EXIT_INTERRUPTED;
    default:
        return P2P_EXIT_FAILED;
    }
}

static void on_transfer_done(void *ctx, int result, const char *reason)
{
    struct get *get = ctx;
    const struct command_line *line = get->session.line;

    transfer_progress(get->transfer, &get->progress);
    end(get, exit_status(result));
    if (result == 0) {
        print_fetched(print_style(line->json), &get->want.content, get->path);
        if ((get->on_terminal && !line->quiet) || line->verbose) {
            progress_summary(get->path, &get->progress);
        }
    } else if (result == -P2P_EAGAIN) {
        session_say("%s: interrupted", get->path);
    } else {
        session_say("%s: %s", get->path, reason);
    }
}

static void on_tick(void *ctx)
{
    struct get *get = ctx;

    transfer_progress(get->transfer, &get->progress);
    progress_show(get->path, &get->progress);
    loop_set_timer(get->session.loop, &get->tick, loop_now_ms(get->session.loop) + GET_TICK_MS);
}

static void on_interrupt(void *ctx)
{
    transfer_stop(((struct get *)ctx)->transfer, false);
}

/* Splits the target into a folder, which is opened, and a name in it. */
static int open_target(struct get *get, struct str name)
{
    const char *output = get->session.line->output;
    struct plat_stat stat;
    struct str path = text_from(output != NULL ? output : "");
    bool is_folder = output == NULL || text_ends(path, STR("/")) ||
                     (plat_stat(output, &stat) == 0 && stat.kind == PLAT_KIND_FOLDER);
    const char *slash = output != NULL && !text_ends(path, STR("/")) ? "/" : "";

    if (is_folder) {
        struct str base = name_base(name);
        snprintf(get->path, sizeof get->path, "%s%s%.*s", output != NULL ? output : "", slash,
                 (int)base.len, base.ptr);
        if (output != NULL) {
            plat_make_folders(output, false);
        }
    } else {
        snprintf(get->path, sizeof get->path, "%s", output);
    }
    struct str folder = name_folder(text_from(get->path));
    bool from_root = get->path[0] == '/' && folder.len == 0;
    snprintf(get->folder, sizeof get->folder, "%.*s", (int)folder.len, folder.ptr);
    if (text_copy(name_base(text_from(get->path)), get->name, sizeof get->name) != 0) {
        return -P2P_ETOOBIG;
    }
    get->want.folder = plat_open_folder(from_root ? "/" : folder.len > 0 ? get->folder : ".");
    return get->want.folder < 0 ? get->want.folder : 0;
}

static void start(struct get *get, const struct merge_entry *entry, struct str name)
{
    int error = open_target(get, name);

    if (error != 0) {
        session_say("%s: %s", get->path, plat_reason());
        end(get, P2P_EXIT_FAILED);
        return;
    }
    get->want.content = entry->content;
    get->want.size = entry->size;
    get->want.mtime = entry->mtime;
    get->want.executable = entry->executable;
    get->want.name = get->name;
    get->want.replace = get->session.line->force;
    get->want.done = on_transfer_done;
    get->want.ctx = get;
    error = transfer_start(get->transfer, &get->want);
    if (error != 0) {
        session_say("%s: %s; give more with --memory", get->path, log_error(error));
        end(get, P2P_EXIT_FAILED);
        return;
    }
    get->session.on_interrupt = on_interrupt;
    get->session.interrupt_ctx = get;
    if (get->on_terminal && !get->session.line->quiet) {
        on_tick(get);
    }
}

/* The other contents of that name, so that nobody wonders which one came. */
static void name_others(const struct get *get, const struct merge_entry *chosen)
{
    char hex[2 * P2P_SHA256_SIZE + 1], size[32];

    for (uint32_t i = 0; i < merge_count(get->merge); i++) {
        const struct merge_entry *entry = merge_at(get->merge, i);
        if (entry == chosen || !entry->hashed) {
            continue;
        }
        struct buf buf = buf_on(size, sizeof size - 1);
        buf_put_size(&buf, (uint64_t)entry->size);
        size[buf.len] = 0;
        text_hex_encode(entry->content.bytes, sizeof entry->content, hex);
        session_say("%.*s also means %s (%s, %u holder%s); get it by its SHA-256",
                    (int)entry->path.len, entry->path.ptr, hex, size, entry->holders,
                    entry->holders == 1 ? "" : "s");
    }
}

static void on_hash_timer(void *ctx)
{
    ask_index(ctx);
}

static void ask_later(struct get *get, int ms)
{
    get->tick.on_time = on_hash_timer;
    loop_set_timer(get->session.loop, &get->tick, loop_now_ms(get->session.loop) + ms);
}

static void on_hash_head(void *ctx, const struct http_head *head)
{
    ((struct get *)ctx)->hash_status = head->status;
}

/* {"error","hint","done","total","retry_ms"}: how far the holder is. */
static void on_hash_line(void *ctx, struct str line)
{
    struct get *get = ctx;
    struct json_reader *reader = &get->session.json;
    static const struct json_range part = {0, P2P_FILE_MAX}, whole = {1, P2P_FILE_MAX};
    int64_t done = 0, total = 0, retry = GET_RETRY_MS;

    if (get->hash_status != 503) {
        return;
    }
    const struct json_value *value = json_parse(reader, line);
    if (value == NULL) {
        return;
    }
    json_get_int(reader, value, "retry_ms", (struct json_range){10, 10000}, &retry);
    get->retry_ms = (int)retry;
    if (get->on_terminal && json_get_int(reader, value, "done", part, &done) == 0 &&
        json_get_int(reader, value, "total", whole, &total) == 0) {
        fprintf(stderr, "\r%s: its holder is hashing it, %d%%\033[K", get->session.line->words[0],
                (int)(done * 100 / total));
    }
}

static void on_hash_done(void *ctx, int result)
{
    struct get *get = ctx;

    (void)result;
    client_close(get->hasher);
    get->hasher = NULL;
    ask_later(get, get->retry_ms);
}

/* Asks the holder for one byte of a file that it has not hashed: that puts the file first in its
 * queue. */
static void ask_holder(struct get *get, struct str name)
{
    static const struct client_handlers handlers = {
        .on_head = on_hash_head, .on_line = on_hash_line, .on_done = on_hash_done};
    struct buf buf = buf_on(get->target, sizeof get->target);
    int error = 0;

    buf_put_text(&buf, "/download/");
    buf_put_url_path(&buf, name);
    buf_put_text(&buf, "?own=1");
    get->retry_ms = GET_RETRY_MS;
    struct client_request request = {.method = HTTP_METHOD_GET,
                                     .target = buf_str(&buf),
                                     .headers = STR("Range: bytes=0-0\r\n"),
                                     .timeout_ms = 5000,
                                     .handlers = &handlers,
                                     .ctx = get};
    get->hasher = client_open(get->session.pool, &get->holder, &error);
    if (get->hasher == NULL || client_send(get->hasher, &request) != 0) {
        ask_later(get, GET_RETRY_MS);
    }
}

static void on_result(void *ctx, const struct record_result *result)
{
    struct get *get = ctx;

    if (!get->asked_by_hash && !text_is(result->offer.path, get->session.line->words[0])) {
        return;
    }
    if (!result->offer.hashed && result->address_count > 0) {
        get->holder = result->address[0];
    }
    merge_add(get->merge, result);
}

static void on_end(void *ctx, int status, const struct record_end *stream_end)
{
    struct get *get = ctx;
    const char *what = get->session.line->words[0];

    if (status != 0) {
        end(get, status);
        return;
    }
    const struct merge_entry *first = merge_at(get->merge, 0);
    if (first == NULL) {
        if (stream_end->answered < stream_end->asked) {
            session_say("%s: not found; %u of %u super-peers did not answer", what,
                        stream_end->asked - stream_end->answered, stream_end->asked);
        } else {
            session_say("%s: nobody offers it; p2p search finds parts of names", what);
        }
        end(get, P2P_EXIT_NOT_FOUND);
        return;
    }
    const struct merge_entry *best = merge_best(get->merge, first->path, plat_wall_s());
    if (!best->hashed) {
        ask_holder(get, best->path);
        return;
    }
    if (!get->asked_by_hash) {
        name_others(get, best);
    }
    start(get, best, best->path);
}

static void ask_index(struct get *get)
{
    merge_clear(get->merge);
    get->tick.on_time = on_tick;
    query_put_search(&get->query, text_from(get->session.line->words[0]), GET_RESULTS);
    query_ask(&get->query);
}

static int start_workers(struct get *get)
{
    int cpus = plat_cpus();
    int error = 0;

    get->worker_count = cpus < P2P_WORKERS_MAX ? cpus : P2P_WORKERS_MAX;
    for (int i = 0; i < get->worker_count && error == 0; i++) {
        error =
            worker_init(&get->workers[i], &get->session.arena, GET_WORKER_FDS, GET_WORKER_TIMERS);
    }
    if (error == 0) {
        error = merge_init(&get->merge, &get->session.arena, GET_RESULTS);
    }
    if (error != 0) {
        return error;
    }
    struct transfer_config config = {
        .loop = get->session.loop,
        .pool = get->session.pool,
        .directory = get->session.directory,
        .workers = get->workers,
        .worker_count = get->worker_count,
        .background = &get->session.background,
        .connections = (int)config_number(&get->session.line->settings, "transfer.connections"),
        .min_free = config_number(&get->session.line->settings, "share.min_free"),
        .memory = arena_left(&get->session.arena) - GET_MEMORY_REST};
    error = transfer_init(&get->transfer, &get->session.arena, &config);
    for (int i = 0; i < get->worker_count && error == 0; i++) {
        error = worker_start(&get->workers[i]);
    }
    return error;
}

int get_run(struct command_line *line)
{
    static struct get get;
    struct record_content content;

    memset(&get, 0, sizeof get); /* of the command before, at a prompt */
    int status = session_open(&get.session, line);

    get.want.folder = -1;
    get.on_terminal = plat_is_terminal(2);
    get.tick = (struct loop_timer){.on_time = on_tick, .ctx = &get};
    get.asked_by_hash = query_is_content(text_from(line->words[0]), &content);
    get.query = (struct query){.session = &get.session,
                               .stream = RECORD_SEARCH,
                               .on_result = on_result,
                               .on_end = on_end,
                               .ctx = &get};
    if (status == 0 && start_workers(&get) != 0) {
        session_say("not enough memory; give more with --memory");
        status = P2P_EXIT_FAILED;
    }
    if (status == 0) {
        ask_index(&get);
        status = session_run(&get.session);
    }
    for (int i = 0; i < get.worker_count; i++) {
        worker_stop(&get.workers[i]);
        if (get.workers[i].loop != NULL) {
            loop_close(get.workers[i].loop);
        }
    }
    if (get.want.folder >= 0) {
        plat_close(get.want.folder);
    }
    session_close(&get.session);
    return status;
}
