/* SPDX-License-Identifier: MIT */
/* A holder that has hashed the file answers with its SHA-256 as ETag; before that with 503 and how
 * far it is. The index is not asked again: it may hear of the hash later than we. First thread. */
#include "ui/unhashed.h"

#include "base/text.h"

#include <string.h>

enum {
    UNHASHED_RETRY_MS = 300, /* unless its holder says otherwise */
    UNHASHED_TIMEOUT_MS = 5000,
    UNHASHED_FAILURES = 6 /* without an answer, over all its holders */
};

static void pump(struct unhashed *unhashed);

static void put_down(struct unhashed_ask *ask)
{
    loop_stop_timer(ask->unhashed->session->loop, &ask->timer);
    if (ask->client != NULL) {
        client_close(ask->client);
        ask->client = NULL;
    }
}

static void fail(struct wanted *file, int result)
{
    file->result = result;
    file->reason = result == -P2P_ENOTFOUND
                       ? "its holder has not got it any more"
                       : "it is not hashed yet, and its holder cannot be reached";
}

static void settle(struct unhashed_ask *ask, int result)
{
    struct unhashed *unhashed = ask->unhashed;

    put_down(ask);
    if (result != 0) {
        fail(ask->file, result);
    }
    ask->file = NULL;
    pump(unhashed);
}

/* "HEX" */
static bool read_etag(struct str etag, struct record_content *out)
{
    struct str tag = text_trim(etag);

    return tag.len == 2 * P2P_SHA256_SIZE + 2 && tag.ptr[0] == '"' &&
           text_hex_decode(text_first(text_from_byte(tag, 1), tag.len - 2), out->bytes,
                           sizeof out->bytes) == 0;
}

static void on_head(void *ctx, const struct http_head *head)
{
    struct unhashed_ask *ask = ctx;
    uint64_t size = 0;

    ask->http_status = head->status;
    ask->known =
        (head->status == 200 || head->status == 206 || head->status == 416) &&
        read_etag(head->header[HTTP_HEADER_ETAG], &ask->file->content) &&
        text_to_u64(text_trim(head->header[HTTP_HEADER_P2P_SIZE]), P2P_FILE_MAX, &size) == 0;
    if (ask->known) {
        ask->file->size = (int64_t)size;
        ask->file->hashed = true;
        settle(ask, 0);
    }
}

/* {"error","hint","done","total","retry_ms"}: how far the holder is. */
static void on_line(void *ctx, struct str line)
{
    static const struct json_range wait = {10, 10000}, part = {0, P2P_FILE_MAX};
    struct unhashed_ask *ask = ctx;
    struct unhashed *unhashed = ask->unhashed;
    struct json_reader *json = &unhashed->session->json;
    const struct json_value *value = ask->http_status == 503 ? json_parse(json, line) : NULL;
    int64_t retry_ms = UNHASHED_RETRY_MS;

    if (value == NULL) {
        return;
    }
    (void)json_get_int(json, value, "retry_ms", wait, &retry_ms);
    ask->retry_ms = (int)retry_ms;
    if (json_get_int(json, value, "done", part, &unhashed->hashed_bytes) == 0 &&
        json_get_int(json, value, "total", part, &unhashed->hashing_bytes) == 0) {
        unhashed->last = ask->file;
    }
}

static void ask_holder(struct unhashed_ask *ask);

static void on_time(void *ctx)
{
    ask_holder(ctx);
}

static void ask_later(struct unhashed_ask *ask, int ms)
{
    struct loop *loop = ask->unhashed->session->loop;

    loop_set_timer(loop, &ask->timer, loop_now_ms(loop) + ms);
}

static void on_done(void *ctx, int result)
{
    struct unhashed_ask *ask = ctx;

    client_close(ask->client);
    ask->client = NULL;
    if (result == 0 && ask->http_status == 503) {
        ask->failures = 0;
        ask_later(ask, ask->retry_ms);
    } else if (++ask->failures < UNHASHED_FAILURES) {
        ask_later(ask, UNHASHED_RETRY_MS);
    } else {
        settle(ask, result == 0 ? -P2P_ENOTFOUND : -P2P_EUNREACH);
    }
}

static int request(struct unhashed_ask *ask)
{
    static const struct client_handlers handlers = {
        .on_head = on_head, .on_line = on_line, .on_done = on_done};
    const struct unhashed *unhashed = ask->unhashed;
    const struct wanted *file = ask->file;
    const struct wanted_source *source =
        &unhashed->sources[file->source[ask->failures % file->source_count]];
    char target[64 + 3 * P2P_PATH_MAX];
    struct buf buf = buf_on(target, sizeof target);
    int error = -P2P_EUNREACH;

    buf_put_text(&buf, "/download/");
    buf_put_url_path(&buf, unhashed->path(unhashed->ctx, file));
    buf_put_text(&buf, "?own=1");
    struct client_request request = {.method = HTTP_METHOD_GET,
                                     .target = buf_str(&buf),
                                     .headers = STR("Range: bytes=0-0\r\n"),
                                     .timeout_ms = UNHASHED_TIMEOUT_MS,
                                     .handlers = &handlers,
                                     .ctx = ask};
    if (source->addr_count > 0) {
        ask->client = client_open(unhashed->session->pool,
                                  &source->addr[ask->failures % source->addr_count], &error);
    }
    return ask->client == NULL ? error : client_send(ask->client, &request);
}

static void ask_holder(struct unhashed_ask *ask)
{
    ask->http_status = 0;
    ask->retry_ms = UNHASHED_RETRY_MS;
    if (request(ask) == 0) {
        return;
    }
    put_down(ask);
    if (++ask->failures < UNHASHED_FAILURES) {
        ask_later(ask, UNHASHED_RETRY_MS);
    } else {
        settle(ask, -P2P_EUNREACH);
    }
}

static void begin(struct unhashed_ask *ask, struct unhashed *unhashed, struct wanted *file)
{
    *ask = (struct unhashed_ask){.unhashed = unhashed, .file = file};
    ask->timer = (struct loop_timer){.on_time = on_time, .ctx = ask};
    ask_holder(ask);
}

static struct wanted *next_file(struct unhashed *unhashed)
{
    while (unhashed->next < unhashed->count) {
        struct wanted *file = &unhashed->files[unhashed->next++];
        bool asks = file->result == WANTED_OPEN && !file->hashed;
        if (asks && file->source_count > 0) {
            return file;
        }
        if (asks) {
            fail(file, -P2P_EUNREACH);
        }
    }
    return NULL;
}

static void tell_over(void *ctx)
{
    struct unhashed *unhashed = ctx;

    unhashed->done(unhashed->ctx);
}

/* Fills the places. A place may be settled before the loop is through with it. */
static void pump(struct unhashed *unhashed)
{
    bool busy = false;

    for (int i = 0; i < UNHASHED_AT_ONCE; i++) {
        struct wanted *file;
        if (unhashed->ask[i].file == NULL && (file = next_file(unhashed)) != NULL) {
            begin(&unhashed->ask[i], unhashed, file);
        }
        busy |= unhashed->ask[i].file != NULL;
    }
    if (!busy && unhashed->running) {
        unhashed->running = false;
        unhashed->over = (struct loop_post){.run = tell_over, .ctx = unhashed};
        loop_defer(unhashed->session->loop, &unhashed->over);
    }
}

void unhashed_begin(struct unhashed *unhashed)
{
    memset(unhashed->ask, 0, sizeof unhashed->ask);
    unhashed->next = 0;
    unhashed->last = NULL;
    unhashed->running = true;
    pump(unhashed);
}

void unhashed_describe(const struct unhashed *unhashed, struct buf *buf)
{
    int64_t total = unhashed->hashing_bytes;

    if (unhashed->last == NULL) {
        return;
    }
    buf_put_shown(buf, unhashed->path(unhashed->ctx, unhashed->last));
    buf_printf(buf, ": its holder is hashing it, %d%%",
               total > 0 ? (int)(unhashed->hashed_bytes * 100 / total) : 0);
}

void unhashed_stop(struct unhashed *unhashed)
{
    unhashed->running = false;
    for (int i = 0; i < UNHASHED_AT_ONCE; i++) {
        if (unhashed->ask[i].file != NULL) {
            put_down(&unhashed->ask[i]);
            unhashed->ask[i].file = NULL;
        }
    }
}
