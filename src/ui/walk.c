/* SPDX-License-Identifier: MIT */
/* A page is listed, all its lines are looked up, then comes the next page. A look-up asks for a few
 * lines only, as most contents have one name and few holders; one that has more is asked for again
 * alone, for all; and one that has more than an answer holds (the empty file, in a fleet) by the
 * names that are wanted. First thread. */
#include "ui/walk.h"

#include "base/log.h"
#include "base/text.h"

#include <string.h>

enum {
    WALK_FEW = 64,      /* lines of a first look-up */
    WALK_FAILURES = 20, /* in a row, then the index is given up */
    WALK_RETRY_MS = 100,
    WALK_TIMEOUT_MS = 10000
};

enum walk_state { WALK_TO_ASK, WALK_ASKED, WALK_TO_ASK_FOR_ALL, WALK_TO_ASK_BY_NAME, WALK_KNOWN };

static void pump(struct walk *walk);

static void hang_up(struct walk *walk)
{
    if (walk->client != NULL) {
        client_close(walk->client);
        walk->client = NULL;
    }
}

static void finish(struct walk *walk, int status, bool more)
{
    walk->running = more;
    loop_stop_timer(walk->session->loop, &walk->timer);
    if (!more) {
        hang_up(walk);
    }
    walk->done(walk->ctx, status, more);
}

/* --- the list ------------------------------------------------------------------------------ */

static void on_list_line(void *ctx, const struct record_result *result)
{
    struct walk *walk = ctx;
    struct str path = result->offer.path;

    if (walk->count == WALK_PAGE || !text_begins(path, walk->prefix) ||
        (walk->fits != NULL && !walk->fits(walk->ctx, path))) {
        return;
    }
    struct walk_line *line = &walk->line[walk->count++];
    *line = (struct walk_line){.hashed = result->offer.hashed,
                               .content = result->offer.content,
                               .size = result->offer.size};
    if (!line->hashed) {
        line->path = walk->paths_used;
        line->path_len = (uint16_t)path.len;
        memcpy(walk->paths + line->path, path.ptr, path.len);
        walk->paths_used += (uint32_t)path.len;
    }
}

static void on_list_end(void *ctx, int status, const struct record_end *end)
{
    struct walk *walk = ctx;

    walk->listing = false;
    walk->has_next = end->next.len > 0 && text_copy(end->next, walk->next, sizeof walk->next) == 0;
    if (status != 0) {
        finish(walk, status, false);
    } else {
        pump(walk);
    }
}

static void list(struct walk *walk)
{
    struct buf buf = buf_on(walk->query.target, sizeof walk->query.target - 1);

    buf_put_text(&buf, "/v1/list?prefix=");
    buf_put_url_value(&buf, walk->prefix);
    buf_printf(&buf, "&limit=%d", WALK_PAGE);
    if (walk->has_next) {
        buf_put_text(&buf, "&after=");
        buf_put_url_value(&buf, text_from(walk->next));
    }
    walk->query.target[buf.len] = 0;
    walk->count = walk->paths_used = 0;
    walk->has_next = false;
    walk->listing = true;
    query_ask(&walk->query);
}

/* --- look-ups ------------------------------------------------------------------------------ */

static struct str path_of(const struct walk *walk, const struct walk_line *line)
{
    return (struct str){walk->paths + line->path, line->path_len};
}

static bool is_content(const struct walk_line *line, const struct record_offer *offer)
{
    return offer->hashed && memcmp(&line->content, &offer->content, sizeof line->content) == 0;
}

static void on_head(void *ctx, const struct http_head *head)
{
    ((struct walk_lookup *)ctx)->http_status = head->status;
}

static void on_line(void *ctx, struct str text)
{
    struct walk_lookup *lookup = ctx;
    struct walk *walk = lookup->walk;
    const struct walk_line *line = &walk->line[lookup->line];
    struct record_result result;
    struct record_end end;

    if (lookup->http_status != 200 ||
        record_read_result(&walk->session->json, text, RECORD_SEARCH, &result, &end) != 0) {
        return;
    }
    if (end.is_end) {
        lookup->ended = true;
        lookup->truncated = end.truncated;
    } else if (line->hashed ? is_content(line, &result.offer)
                            : text_equal(result.offer.path, path_of(walk, line))) {
        walk->on_result(walk->ctx, &result);
    }
}

static void on_time(void *ctx)
{
    pump(ctx);
}

/* Asks again after a moment. A connection that breaks with many requests in it failed once. */
static void failed(struct walk *walk)
{
    if (walk->timer.place == 0) {
        walk->failures++;
        loop_set_timer(walk->session->loop, &walk->timer,
                       loop_now_ms(walk->session->loop) + WALK_RETRY_MS);
    }
}

static void say_more(const struct walk_line *line)
{
    char hex[2 * P2P_SHA256_SIZE + 1];

    text_hex_encode(line->content.bytes, sizeof line->content, hex);
    session_say("%s is offered more than %d times; some of its names may be missing: get them in "
                "parts, by globs",
                hex, P2P_RESULTS_MAX);
}

static void on_done(void *ctx, int result)
{
    struct walk_lookup *lookup = ctx;
    struct walk *walk = lookup->walk;
    struct walk_line *line = &walk->line[lookup->line];
    uint8_t was = line->state == WALK_ASKED ? WALK_TO_ASK : line->state;

    lookup->busy = false;
    walk->under_way--;
    if (result != 0 || !lookup->ended) {
        line->state = was;
        failed(walk);
        return;
    }
    walk->failures = 0;
    line->state = WALK_KNOWN;
    if (lookup->truncated && line->hashed && was == WALK_TO_ASK_BY_NAME) {
        say_more(line);
        walk->cut = true;
    } else if (lookup->truncated && line->hashed) {
        line->state = was == WALK_TO_ASK ? WALK_TO_ASK_FOR_ALL : WALK_TO_ASK_BY_NAME;
    }
    pump(walk);
}

static bool connect_index(struct walk *walk)
{
    int error = 0;

    if (walk->client != NULL && client_is_closed(walk->client)) {
        hang_up(walk);
    }
    if (walk->client == NULL) {
        walk->client =
            client_open(walk->session->pool, directory_current(walk->session->directory), &error);
    }
    return walk->client != NULL;
}

/* All of that size whose path begins so. */
static void put_names(const struct walk *walk, const struct walk_line *line, struct buf *buf)
{
    char glob[P2P_PATTERN_MAX];
    struct buf text = buf_on(glob, sizeof glob);

    query_put_glob(&text, walk->prefix);
    buf_printf(&text, " size<%lld", (long long)line->size + 1);
    if (line->size > 0) {
        buf_printf(&text, " size>%lld", (long long)line->size - 1);
    }
    buf_put_url_value(buf, buf_str(&text));
}

static void put_target(const struct walk *walk, const struct walk_line *line, int limit,
                       struct buf *buf)
{
    if (line->state == WALK_TO_ASK_BY_NAME) {
        buf_put_text(buf, "/v1/search?q=");
        put_names(walk, line, buf);
    } else if (line->hashed) {
        buf_put_text(buf, "/v1/search?sha256=");
        buf_put_hex(buf, line->content.bytes, sizeof line->content);
    } else {
        buf_put_text(buf, "/v1/search?q=");
        buf_put_url_value(buf, path_of(walk, line));
    }
    buf_printf(buf, "&limit=%d", limit);
}

static bool look_up(struct walk *walk, uint32_t number, int limit)
{
    static const struct client_handlers handlers = {
        .on_head = on_head, .on_line = on_line, .on_done = on_done};
    char target[128 + 3 * P2P_PATH_MAX];
    struct buf buf = buf_on(target, sizeof target);
    struct walk_lookup *lookup = walk->lookup;

    while (lookup->busy) {
        lookup++;
    }
    put_target(walk, &walk->line[number], limit, &buf);
    struct client_request request = {.method = HTTP_METHOD_GET,
                                     .target = buf_str(&buf),
                                     .timeout_ms = WALK_TIMEOUT_MS,
                                     .handlers = &handlers,
                                     .ctx = lookup};
    if (!connect_index(walk) || client_send(walk->client, &request) != 0) {
        failed(walk);
        return false;
    }
    *lookup = (struct walk_lookup){.walk = walk, .line = number, .busy = true};
    if (limit == WALK_FEW) {
        walk->line[number].state = WALK_ASKED;
    }
    walk->under_way++;
    return true;
}

/* The next line in this state, or count. */
static uint32_t find(const struct walk *walk, enum walk_state state)
{
    uint32_t i = 0;

    while (i < walk->count && walk->line[i].state != state) {
        i++;
    }
    return i;
}

/* --- the course ---------------------------------------------------------------------------- */

/* Asks as much as there is room for. False: nothing of this page is left to ask for. */
static bool ask(struct walk *walk)
{
    uint32_t number, room = walk->room(walk->ctx);

    while ((number = find(walk, WALK_TO_ASK)) < walk->count) {
        walk->no_room = room < (uint32_t)(walk->under_way + 1) * WALK_FEW;
        if (walk->no_room || walk->under_way == WALK_LOOKUPS || !look_up(walk, number, WALK_FEW)) {
            return true;
        }
    }
    number = find(walk, WALK_TO_ASK_FOR_ALL);
    if (number == walk->count) {
        number = find(walk, WALK_TO_ASK_BY_NAME);
    }
    walk->no_room = room < P2P_RESULTS_MAX;
    if (number < walk->count && walk->under_way == 0 && !walk->no_room) {
        look_up(walk, number, P2P_RESULTS_MAX);
    }
    return number < walk->count;
}

static void give_up(struct walk *walk)
{
    session_say("the index broke off its answers; ask again");
    finish(walk, P2P_EXIT_FAILED, false);
}

/* Looks what is due; after each event. */
static void pump(struct walk *walk)
{
    if (!walk->running || walk->listing) {
        return;
    }
    if (walk->failures >= WALK_FAILURES) {
        give_up(walk);
        return;
    }
    bool more = ask(walk);
    if (walk->under_way > 0) {
        return;
    }
    if (!more && walk->has_next && walk->room(walk->ctx) >= WALK_PAGE) {
        list(walk);
    } else if (!more) {
        finish(walk, 0, walk->has_next);
    } else if (walk->no_room) {
        finish(walk, 0, true);
    }
}

void walk_begin(struct walk *walk)
{
    walk->query = (struct query){.session = walk->session,
                                 .stream = RECORD_LIST,
                                 .on_result = on_list_line,
                                 .on_end = on_list_end,
                                 .ctx = walk};
    walk->timer = (struct loop_timer){.on_time = on_time, .ctx = walk};
    walk->client = NULL;
    walk->under_way = walk->failures = 0;
    walk->has_next = walk->cut = false;
    walk->running = true;
    memset(walk->lookup, 0, sizeof walk->lookup);
    list(walk);
}

void walk_on(struct walk *walk)
{
    pump(walk);
}

void walk_stop(struct walk *walk)
{
    if (walk->running) {
        walk->running = false;
        query_cancel(&walk->query);
        loop_stop_timer(walk->session->loop, &walk->timer);
        hang_up(walk);
    }
}
