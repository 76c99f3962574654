/* SPDX-License-Identifier: MIT */
/* Asking an index and reading its lines; every way in which that can fail is said once, with its
 * exit status. When all indexes are busy, as one that has just begun is, they are asked again for a
 * while. */
#include "ui/query.h"

#include "base/text.h"

#include <string.h>

enum {
    QUERY_TIMEOUT_MS = 10000,
    QUERY_BROKEN_MAX = P2P_INDEXES_MAX,
    QUERY_BUSY_MS = 500,
    QUERY_BUSY_MAX = 20 /* times; an index that has just begun is busy for ten seconds at most */
};

bool query_is_content(struct str text, struct record_content *out)
{
    return text_hex_decode(text, out->bytes, sizeof out->bytes) == 0;
}

/* What a search takes for more than itself becomes "?". */
void query_put_glob(struct buf *buf, struct str prefix)
{
    size_t len = prefix.len;

    if (len > QUERY_GLOB_MAX) {
        len = QUERY_GLOB_MAX;
        while ((prefix.ptr[len] & 0xc0) == 0x80) { /* within a character */
            len--;
        }
    }
    for (size_t i = 0; i < len; i++) {
        buf_put_char(buf, strchr(" *?[<>:", prefix.ptr[i]) != NULL ? '?' : prefix.ptr[i]);
    }
    buf_put_char(buf, '*');
}

int query_put_search(struct query *query, struct str text, int limit)
{
    struct record_content content;
    struct buf buf = buf_on(query->target, sizeof query->target - 1);

    buf_put_text(&buf, "/v1/search?");
    buf_put_text(&buf, query_is_content(text, &content) ? "sha256=" : "q=");
    buf_put_url_value(&buf, text);
    buf_printf(&buf, "&limit=%d", limit);
    query->target[buf.len] = 0;
    return buf.full || text.len > P2P_PATH_MAX ? -P2P_ETOOBIG : 0;
}

static void on_head(void *ctx, const struct http_head *head)
{
    struct query *query = ctx;

    query->http_status = head->status;
    query->ended = false;
}

static bool is_busy(const struct query *query)
{
    return query->http_status == 503 && query->waits < QUERY_BUSY_MAX;
}

static void refused(struct query *query, struct str line)
{
    struct str error, hint;

    record_read_error(&query->session->json, line, &error, &hint);
    if (is_busy(query)) {
        if (query->waits == 0 && !query->session->line->quiet) {
            session_say("waiting for the index: %.*s", (int)error.len, error.ptr);
        }
        return;
    }
    session_say("the index refused: %.*s%s%.*s", (int)error.len, error.ptr,
                hint.len > 0 ? "; " : "", (int)hint.len, hint.ptr);
    query->said = true;
}

static void on_line(void *ctx, struct str line)
{
    struct query *query = ctx;
    struct record_result result;

    if (query->http_status != 200) {
        refused(query, line);
        return;
    }
    if (query->ended ||
        record_read_result(&query->session->json, line, query->stream, &result, &query->end) != 0) {
        return;
    }
    if (!query->end.is_end) {
        query->came++;
        query->on_result(query->ctx, &result);
        return;
    }
    query->ended = true;
    if (text_copy(query->end.next, query->next, sizeof query->next) != 0) {
        query->next[0] = 0;
    }
    query->end.next = text_from(query->next);
}

static int send(struct query *query);
static void on_done(void *ctx, int result);

/* An index that is gone in the middle of its answer is no reason to fail while there are others. */
static bool again(struct query *query)
{
    bool forgotten = query->came == 0 || query->on_again != NULL;

    if (!forgotten || query->broken == QUERY_BROKEN_MAX) {
        return false;
    }
    query->broken++;
    if (query->on_again != NULL) {
        query->on_again(query->ctx);
    }
    return send(query) == 0;
}

static void on_time(void *ctx)
{
    struct query *query = ctx;
    int error = send(query);

    if (error != 0) {
        on_done(query, error);
    }
}

static bool wait_for_index(struct query *query)
{
    struct loop *loop = query->session->loop;

    query->timer = (struct loop_timer){.on_time = on_time, .ctx = query};
    query->waits++;
    return loop_set_timer(loop, &query->timer, loop_now_ms(loop) + QUERY_BUSY_MS) == 0;
}

static void on_done(void *ctx, int result)
{
    struct query *query = ctx;
    int status = 0;

    if (result == 0 && is_busy(query) && wait_for_index(query)) {
        return;
    }
    if (result != 0 && query->http_status == 0) {
        status = session_no_index(query->session, result);
    } else if (query->http_status != 200) {
        if (!query->said) {
            session_say("the index answered %d", query->http_status);
        }
        status = P2P_EXIT_FAILED;
    } else if (!query->ended && again(query)) {
        return;
    } else if (!query->ended) {
        session_say("the index broke off its answer; ask again");
        status = P2P_EXIT_FAILED;
    }
    query->on_end(query->ctx, status, &query->end);
}

static int send(struct query *query)
{
    static const struct client_handlers handlers = {
        .on_head = on_head, .on_line = on_line, .on_done = on_done};

    query->call.request = (struct client_request){.method = HTTP_METHOD_GET,
                                                  .target = text_from(query->target),
                                                  .timeout_ms = QUERY_TIMEOUT_MS,
                                                  .handlers = &handlers,
                                                  .ctx = query};
    query->http_status = 0;
    query->came = 0;
    query->ended = query->said = false;
    memset(&query->end, 0, sizeof query->end);
    return directory_send(query->session->directory, &query->call);
}

void query_ask(struct query *query)
{
    query->broken = query->waits = 0;
    int error = send(query);
    if (error != 0) {
        on_done(query, error);
    }
}

void query_cancel(struct query *query)
{
    directory_cancel(&query->call);
    if (query->timer.place != 0) {
        loop_stop_timer(query->session->loop, &query->timer);
    }
}
