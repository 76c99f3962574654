/* SPDX-License-Identifier: MIT */
/* The list of holders. A known one keeps its place and its past; one that failed too often is tried
 * once more when the index still names it. */
#include "swarm/sources.h"

#include "base/addr.h"
#include "base/text.h"

#include <string.h>

int sources_init(struct download *download, struct arena *arena)
{
    return json_reader_init(&download->sources.json, arena);
}

void sources_reset(struct download *download)
{
    download->sources.asked_ms = download->sources.pause_ms = 0;
    download->sources.asking = download->sources.answered = download->sources.alone = false;
    download->sources.round = download->sources.told = 0;
}

int sources_find(const struct download *download, const struct record_id *id)
{
    for (int i = 0; i < TRANSFER_HOLDERS_MAX; i++) {
        if (download->holders[i].state != HOLDER_NONE &&
            record_id_equal(&download->holders[i].id, id)) {
            return i;
        }
    }
    return -1;
}

int sources_free(const struct download *download)
{
    for (int i = 0; i < TRANSFER_HOLDERS_MAX; i++) {
        if (download->holders[i].state == HOLDER_NONE) {
            return i;
        }
    }
    return -1;
}

static void try_again(struct download *download, struct holder *holder)
{
    if (holder->state == HOLDER_OUT && !holder->blamed && holder->fails >= DOWNLOAD_FAILS_MAX &&
        holder->retry_ms < loop_now_ms(download->config.loop)) {
        holder->state = HOLDER_NEW;
        holder->fails = DOWNLOAD_FAILS_MAX - 1;
    }
}

static void set_addresses(struct holder *holder, const struct record_result *result)
{
    holder->addr_now = 0;
    holder->addr_count = result->address_count;
    memcpy(holder->addr, result->address, sizeof holder->addr);
    text_copy(result->name, holder->name, sizeof holder->name);
}

static bool is_elsewhere(const struct holder *holder, const struct record_result *result)
{
    bool same = holder->addr_count == result->address_count;

    for (int i = 0; same && i < holder->addr_count; i++) {
        same = addr_equal(&holder->addr[i], &result->address[i]);
    }
    return !same;
}

/* What another downloader said of it makes way for what the index says; and who is not found where
 * it was may have come back at another port. */
static void know_better(struct holder *holder, const struct record_result *result)
{
    bool moved = holder->fails > 0 && !holder->blamed && is_elsewhere(holder, result);

    if (result->address_count == 0 || (!holder->hint && !moved)) {
        return;
    }
    holder->hint = false;
    set_addresses(holder, result);
    holder->retry_ms = 0;
    holder->fails = 0;
    if (holder->state == HOLDER_OUT) {
        holder->state = HOLDER_NEW;
    }
}

void sources_add(struct download *download, const struct record_result *result)
{
    int number = sources_find(download, &result->node);

    if (number >= 0) {
        download->holders[number].round = download->sources.round;
        know_better(&download->holders[number], result);
        try_again(download, &download->holders[number]);
        return;
    }
    number = sources_free(download);
    if (number < 0 || result->address_count == 0 ||
        record_id_equal(&result->node, &download->config.self)) {
        return;
    }
    struct holder *holder = &download->holders[number];
    *holder = (struct holder){.state = HOLDER_NEW,
                              .id = result->node,
                              .whole = result->have == 100,
                              .round = download->sources.round};
    set_addresses(holder, result);
    bound_meter_init(&holder->meter, loop_now_ms(download->config.loop));
}

static void on_head(void *ctx, const struct http_head *head)
{
    ((struct download *)ctx)->sources.status = head->status;
}

static void on_line(void *ctx, struct str line)
{
    struct download *download = ctx;
    struct record_result holder;
    struct record_end stream_end;

    if (download->sources.status != 200 ||
        record_read_result(&download->sources.json, line, RECORD_SOURCES, &holder, &stream_end) !=
            0) {
        return;
    }
    if (stream_end.is_end) {
        download->sources.told = download->sources.round;
    } else {
        sources_add(download, &holder);
    }
}

static void on_done(void *ctx, int result)
{
    struct download *download = ctx;

    (void)result;
    download->sources.asking = false;
    download->sources.answered = true;
    download->sources.alone = download->sources.told != download->sources.round;
    download->changed(download);
}

bool sources_withdrawn(const struct download *download, int number)
{
    const struct holder *holder = &download->holders[number];

    return holder->lacks && holder->round < download->sources.told;
}

/* Somebody lost it, and the index does not say so yet. */
static bool is_doubtful(const struct download *download)
{
    for (int i = 0; i < TRANSFER_HOLDERS_MAX; i++) {
        const struct holder *holder = &download->holders[i];
        if (holder->lacks && holder->state != HOLDER_OUT && !sources_withdrawn(download, i)) {
            return true;
        }
    }
    return false;
}

void sources_pump(struct download *download)
{
    static const struct client_handlers handlers = {
        .on_head = on_head, .on_line = on_line, .on_done = on_done};
    struct sources *sources = &download->sources;
    int64_t now = loop_now_ms(download->config.loop);
    struct buf buf = buf_on(sources->target, sizeof sources->target);
    bool soon = sources->pause_ms > SOURCES_SOON_MS && is_doubtful(download);

    if (sources->asking || now < sources->asked_ms + (soon ? SOURCES_SOON_MS : sources->pause_ms)) {
        return;
    }
    buf_put_text(&buf, "/v1/sources/");
    buf_put_text(&buf, download->hex);
    sources->call.request = (struct client_request){.method = HTTP_METHOD_GET,
                                                    .target = buf_str(&buf),
                                                    .timeout_ms = SOURCES_TIMEOUT_MS,
                                                    .handlers = &handlers,
                                                    .ctx = download};
    sources->asked_ms = now;
    sources->pause_ms = sources->pause_ms == 0                     ? SOURCES_FIRST_MS
                        : sources->pause_ms < SOURCES_EVERY_MS / 2 ? 2 * sources->pause_ms
                                                                   : SOURCES_EVERY_MS;
    sources->asking = true;
    sources->round++;
    if (directory_send(download->config.directory, &sources->call) != 0) {
        sources->asking = false;
        sources->answered = sources->alone = true;
    }
}

void sources_stop(struct download *download)
{
    if (download->sources.asking) {
        directory_cancel(&download->sources.call);
        download->sources.asking = false;
    }
}
