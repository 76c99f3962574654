/* SPDX-License-Identifier: MIT */
/* Orders of a bounded number of files, one after the other over one connection; the node answers
 * each with a line for each file. When it is busy with somebody else's order, this one waits. First
 * thread. */
#include "ui/local.h"

#include "base/log.h"
#include "base/text.h"

#include <string.h>

enum { LOCAL_RETRY_MS = 500, LOCAL_TIMEOUT_MS = 10000 };

static void order_next(struct local *local);

bool local_is_there(const struct session *session)
{
    return session->has_local && session->local.has_control &&
           session->local.role != RECORD_ROLE_INDEX;
}

static void hang_up(struct local *local)
{
    loop_stop_timer(local->session->loop, &local->timer);
    if (local->client != NULL) {
        client_close(local->client);
        local->client = NULL;
    }
}

/* --- what is ordered ----------------------------------------------------------------------- */

/* The line of a file at one of its holders; one whose holders are not known has a line, too. */
static void put_line(const struct local *local, const struct wanted *file, uint32_t holder,
                     struct buf *room)
{
    static const struct record_id none;
    const struct local_name *name = &local->names[file - local->files];
    struct record_result line = {.node = name->owner};

    if (holder < file->source_count) {
        wanted_holder(&local->sources[file->source[holder]], &line);
    }
    line.reachable = true;
    line.name = line.name.len > 0 ? line.name : STR("unknown");
    bool copy = !record_id_equal(&line.node, &name->owner);
    wanted_offer(file, name->path, copy ? &name->owner : &none, &line.offer);
    line.offer.copy = copy;
    record_put_result(room, RECORD_SEARCH, &line);
    buf_put_char(room, '\n');
}

static void put_how(struct local *local, struct buf *room)
{
    buf_put_char(room, '{');
    json_put_field_bool(room, "force", local->force);
    buf_put_text(room, "}\n");
    local->put_how = true;
}

static void produce(void *ctx, struct buf *room, bool *out_end)
{
    struct local *local = ctx;

    if (!local->put_how) {
        put_how(local, room);
        return;
    }
    while (local->put < local->ordered && room->size - room->len >= P2P_LINE_MAX) {
        const struct wanted *file = &local->files[local->order[local->put]];
        put_line(local, file, local->holder, room);
        if (++local->holder >= file->source_count) {
            local->holder = 0;
            local->put++;
        }
    }
    *out_end = local->put == local->ordered;
}

/* Takes files for the next order. False: none is left. */
static bool take_files(struct local *local)
{
    size_t text = 0;

    local->ordered = local->put = local->holder = 0;
    local->first = local->next;
    while (local->next < local->count && local->ordered < LOCAL_FILES && text < LOCAL_TEXT) {
        const struct wanted *file = &local->files[local->next];
        if (file->result == WANTED_OPEN) {
            text += local->names[local->next].path.len;
            local->order[local->ordered++] = local->next;
        }
        local->next++;
    }
    return local->ordered > 0;
}

/* --- what comes ---------------------------------------------------------------------------- */

static int64_t number(struct local *local, const struct json_value *value, const char *key)
{
    int64_t out = 0;

    json_get_int(&local->session->json, value, key, (struct json_range){0, P2P_FILE_MAX}, &out);
    return out;
}

static struct wanted *file_of(struct local *local, const struct json_value *value)
{
    int64_t i = number(local, value, "file");

    return json_has(value, "file") && i < (int64_t)local->ordered ? &local->files[local->order[i]]
                                                                  : NULL;
}

static void read_givers(struct local *local, const struct json_value *value,
                        struct transfer_progress *out)
{
    size_t count = 0;
    const struct json_value *array = json_get_array(value, "sources", &count);

    for (size_t i = 0; i < count && i < LOCAL_GIVERS; i++) {
        const struct json_value *item = json_item(array, i);
        struct transfer_source *source = &out->source[out->sources++];
        struct str name = STR("");
        json_get_hex(&local->session->json, item, "node", source->id.bytes, sizeof source->id);
        json_get_text(&local->session->json, item, "name", &name);
        text_copy(name, source->name, sizeof source->name);
        source->bytes = (uint64_t)number(local, item, "bytes");
        source->rate = (uint64_t)number(local, item, "rate");
        json_get_bool(&local->session->json, item, "blamed", &source->blamed);
    }
}

static void read_file(struct local *local, const struct json_value *value)
{
    struct json_reader *json = &local->session->json;
    struct transfer_progress transfer = {.elapsed_ms = number(local, value, "elapsed_ms"),
                                         .bound_ms = number(local, value, "bound_ms"),
                                         .resumed = number(local, value, "resumed"),
                                         .retries = (uint32_t)number(local, value, "retries"),
                                         .wasted = (uint64_t)number(local, value, "wasted"),
                                         .size = number(local, value, "size")};
    struct local_answer answer = {.file = file_of(local, value), .transfer = &transfer};
    char path[3 * P2P_PATH_MAX], reason[256] = "";
    struct str text = STR("");

    if (answer.file == NULL || answer.file->result != WANTED_OPEN) {
        return;
    }
    json_get_text(json, value, "path", &text);
    text_copy(text, path, sizeof path);
    text = STR("");
    json_get_text(json, value, "error", &text);
    text_copy(text_first(text, sizeof reason - 1), reason, sizeof reason);
    json_get_bool(json, value, "here", &answer.here);
    json_get_bool(json, value, "was_there", &answer.file->was_there);
    read_givers(local, value, &transfer);
    answer.path = path;
    answer.file->size = transfer.size;
    answer.file->result = -(int)number(local, value, "result");
    answer.file->reason = reason[0] != 0 ? reason : NULL;
    local->on_file(local->ctx, &answer);
    answer.file->reason = NULL;
}

static void read_progress(struct local *local, const struct json_value *value)
{
    struct haul_progress *progress = &local->progress;

    *progress = (struct haul_progress){.done = (uint32_t)number(local, value, "progress"),
                                       .count = local->ordered,
                                       .staged = (uint32_t)number(local, value, "staged"),
                                       .bytes = (uint64_t)number(local, value, "done"),
                                       .size = (uint64_t)number(local, value, "total"),
                                       .file = file_of(local, value)};
    progress->stage = progress->file != NULL ? HAUL_IN_TRANSFER : HAUL_IN_BATCH;
    if (progress->file != NULL) {
        progress->transfer.size = progress->file->size;
        progress->transfer.phase = (enum transfer_phase)number(local, value, "phase");
        progress->transfer.done = number(local, value, "file_done");
        progress->transfer.rate = (double)number(local, value, "rate");
        progress->transfer.nowhere = (uint32_t)number(local, value, "nowhere");
        progress->transfer.pieces = (uint32_t)number(local, value, "pieces");
        progress->transfer.wait_ms = number(local, value, "wait_ms");
    }
}

static void on_head(void *ctx, const struct http_head *head)
{
    ((struct local *)ctx)->http_status = head->status;
}

static void on_line(void *ctx, struct str line)
{
    struct local *local = ctx;
    struct json_reader *json = &local->session->json;
    const struct json_value *value = json_parse(json, line);
    int64_t retry_ms = LOCAL_RETRY_MS;

    if (value == NULL) {
        return;
    }
    if (local->http_status != 200) {
        json_get_int(json, value, "retry_ms", (struct json_range){10, 10000}, &retry_ms);
        local->retry_ms = (int)retry_ms;
    } else if (json_has(value, "end")) {
        local->ended = true;
        json_get_bool(json, value, "synced", &local->synced);
    } else if (json_has(value, "progress")) {
        read_progress(local, value);
    } else {
        read_file(local, value);
    }
}

/* --- the course ---------------------------------------------------------------------------- */

static void finish(struct local *local, bool refused)
{
    hang_up(local);
    local->done(local->ctx, refused);
}

static void on_time(void *ctx)
{
    order_next(ctx);
}

static void wait_for_turn(struct local *local)
{
    struct loop *loop = local->session->loop;

    if (!local->said_busy && !local->session->line->quiet) {
        session_say("the node of this machine fetches for somebody else; waiting");
    }
    local->said_busy = true;
    local->next = local->first;
    loop_set_timer(loop, &local->timer, loop_now_ms(loop) + local->retry_ms);
}

/* The node has gone in the middle, or ends and says nothing of a file. */
static void fail_rest(struct local *local)
{
    for (uint32_t i = 0; i < local->ordered; i++) {
        struct wanted *file = &local->files[local->order[i]];
        struct local_answer answer = {.file = file, .path = NULL};
        if (file->result == WANTED_OPEN) {
            file->result = -P2P_EIO;
            file->reason = "the node of this machine went away while it fetched";
            local->on_file(local->ctx, &answer);
        }
    }
}

static void on_done(void *ctx, int result)
{
    struct local *local = ctx;

    if (result == 0 && local->http_status == 503) {
        wait_for_turn(local);
        return;
    }
    if (local->http_status != 200) {
        finish(local, true);
        return;
    }
    fail_rest(local);
    if (result == 0 && local->ended && !local->synced) {
        session_say("the disk does not say that all is written");
    }
    order_next(local);
}

static int send(struct local *local)
{
    static const struct client_handlers handlers = {
        .on_head = on_head, .on_line = on_line, .on_done = on_done};
    struct client_request request = {.method = HTTP_METHOD_POST,
                                     .target = STR("/v1/fetch"),
                                     .headers = text_from(local->key),
                                     .type = "application/x-ndjson",
                                     .produce = produce,
                                     .timeout_ms = LOCAL_TIMEOUT_MS,
                                     .patient = true,
                                     .handlers = &handlers,
                                     .ctx = local};
    int error = 0;

    if (local->client != NULL && client_is_closed(local->client)) {
        hang_up(local);
    }
    if (local->client == NULL) {
        local->client = client_open(local->session->pool, &local->session->local_addr, &error);
    }
    return local->client == NULL ? error : client_send(local->client, &request);
}

static void order_next(struct local *local)
{
    if (!take_files(local)) {
        finish(local, false);
        return;
    }
    local->http_status = 0;
    local->retry_ms = LOCAL_RETRY_MS;
    local->put_how = local->ended = false;
    local->synced = true;
    memset(&local->progress, 0, sizeof local->progress);
    if (send(local) != 0) {
        finish(local, true);
    }
}

void local_begin(struct local *local)
{
    struct buf buf = buf_on(local->key, sizeof local->key - 1);

    buf_put_text(&buf, "Authorization: Bearer ");
    buf_put_hex(&buf, local->session->local.control, P2P_TOKEN_SIZE);
    buf_put_text(&buf, "\r\n");
    local->key[buf.len] = 0;
    local->timer = (struct loop_timer){.on_time = on_time, .ctx = local};
    local->client = NULL;
    local->next = 0;
    local->said_busy = false;
    order_next(local);
}

void local_stop(struct local *local)
{
    hang_up(local);
}
