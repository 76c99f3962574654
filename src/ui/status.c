/* SPDX-License-Identifier: MIT */
/* Asks /v1/stats: of the node that runs for this folder, else of the index; an index also for
 * /v1/nodes, over the same connection. Figures are shown by one table of fields, so that what a
 * node does not tell is not shown; --json is the document itself, and in it the nodes as "members".
 * First thread. */
#include "ui/status.h"

#include "base/addr.h"
#include "base/log.h"
#include "ui/print.h"
#include "ui/session.h"
#include "wire/told.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { STATUS_MS = 5000, VALUE_AT = 17 };
enum kind { SHOW_COUNT, SHOW_SIZE, SHOW_TIME, SHOW_TEXT, SHOW_YES };

static const struct field {
    const char *key, *label; /* key: with the objects around it, "feed.n" */
    enum kind kind;
} fields[] = {
    {"name", "name", SHOW_TEXT},
    {"role", "role", SHOW_TEXT},
    {"id", "id", SHOW_TEXT},
    {"version", "version", SHOW_TEXT},
    {"uptime_ms", "up", SHOW_TIME},
    {"joined", "joined", SHOW_YES},
    {"nodes", "nodes", SHOW_COUNT},
    {"offers", "offers", SHOW_COUNT},
    {"contents", "contents", SHOW_COUNT},
    {"offers_refused", "offers refused", SHOW_COUNT},
    {"files", "shared files", SHOW_COUNT},
    {"bytes", "shared", SHOW_SIZE},
    {"hashed", "hashed files", SHOW_COUNT},
    {"uploads", "uploads now", SHOW_COUNT},
    {"uploaded", "uploaded", SHOW_SIZE},
    {"searches", "searches", SHOW_COUNT},
    {"search.p50_us", "search p50 us", SHOW_COUNT},
    {"search.p99_us", "search p99 us", SHOW_COUNT},
    {"feed.n", "feed number", SHOW_COUNT},
    {"feed.readers", "feed readers", SHOW_COUNT},
    {"snapshot.age_ms", "snapshot age", SHOW_TIME},
    {"snapshot.bytes", "snapshot", SHOW_SIZE},
    {"snapshot.error", "snapshot fault", SHOW_TEXT},
    {"refused", "refused", SHOW_COUNT},
    {"updates_refused", "updates refused", SHOW_COUNT},
    {"updates_ignored", "updates repeated", SHOW_COUNT},
    {"rss_bytes", "memory in use", SHOW_SIZE},
    {"memory_bytes", "memory budget", SHOW_SIZE},
    {"state_bytes_written", "state written", SHOW_SIZE},
    {"state_bytes_per_day", "written a day", SHOW_SIZE},
};

struct status {
    struct session session;
    struct directory_call call; /* to the index */
    struct client *client;      /* or to the local node */
    int http_status;
    bool shown, is_index;
    bool listed;         /* the nodes, to their end */
    const char *between; /* two nodes in JSON */
};

static bool put_value(struct buf *buf, struct json_reader *reader, const struct json_value *stats,
                      const struct field *field)
{
    struct str text;
    int64_t number;
    bool yes;

    if (field->kind == SHOW_TEXT) {
        if (json_get_text(reader, stats, field->key, &text) != 0 || text.len == 0) {
            return false;
        }
        buf_put_shown(buf, text);
        return true;
    }
    if (field->kind == SHOW_YES) {
        if (json_get_bool(reader, stats, field->key, &yes) != 0) {
            return false;
        }
        buf_put_text(buf, yes ? "yes" : "no");
        return true;
    }
    if (json_get_int(reader, stats, field->key, (struct json_range){0, P2P_FILE_MAX}, &number) !=
        0) {
        return false;
    }
    if (field->kind == SHOW_SIZE) {
        buf_put_size(buf, (uint64_t)number);
    } else if (field->kind == SHOW_TIME) {
        buf_put_duration(buf, number);
    } else {
        buf_put_i64(buf, number);
    }
    return true;
}

/* The object that has the field, and the field's own name there. */
static const struct json_value *inside(const struct json_value *stats, struct field *field)
{
    const char *dot;
    char name[32];

    while (stats != NULL && (dot = strchr(field->key, '.')) != NULL) {
        snprintf(name, sizeof name, "%.*s", (int)(dot - field->key), field->key);
        stats = json_get_object(stats, name);
        field->key = dot + 1;
    }
    return stats;
}

static void put_line(const char *label, const struct buf *value)
{
    value->ptr[value->len] = 0;
    if (plat_is_terminal(1)) {
        print_row(label, VALUE_AT, value->ptr);
    } else {
        printf("%s\t%s\n", label, value->ptr);
    }
}

/* Those that a peer knows: "10.0.0.5:7750, 10.0.0.6:7750", the one it is at first. */
static void show_indexes(const struct json_value *stats)
{
    size_t count = 0;
    char text[1024];
    struct buf buf = buf_on(text, sizeof text - 1);
    const struct json_value *indexes = json_get_array(stats, "indexes", &count);

    for (size_t i = 0; i < count; i++) {
        buf_put_text(&buf, i > 0 ? ", " : "");
        buf_put_shown(&buf, json_item_text(json_item(indexes, i)));
    }
    if (count > 0) {
        put_line("indexes", &buf);
    }
}

/* "10.0.0.6:7750 in step, 3 behind" */
static void show_mirrors(struct json_reader *reader, const struct json_value *stats)
{
    size_t count = 0;
    const struct json_value *mirrors = json_get_array(stats, "mirrors", &count);

    for (size_t i = 0; i < count; i++) {
        const struct json_value *mirror = json_item(mirrors, i);
        struct str at, state;
        int64_t lag = 0;
        char text[256];
        struct buf buf = buf_on(text, sizeof text - 1);
        if (json_get_text(reader, mirror, "at", &at) != 0 ||
            json_get_text(reader, mirror, "state", &state) != 0) {
            continue;
        }
        buf_put_shown(&buf, at);
        buf_put_char(&buf, ' ');
        buf_put_shown(&buf, state);
        if (json_get_int(reader, mirror, "lag", (struct json_range){0, P2P_FILE_MAX}, &lag) == 0) {
            buf_printf(&buf, ", %lld behind", (long long)lag);
        }
        put_line("mirror", &buf);
    }
}

/* "12 of 81920, at most 15" */
static void show_tables(struct json_reader *reader, const struct json_value *stats)
{
    static const char *const names[] = {"nodes", "offers", "names", "contents"};
    static const char *const keys[] = {"used", "size", "peak"};
    static const char *const words[] = {"", " of ", ", at most "};
    const struct json_value *tables = json_get_object(stats, "tables");

    for (size_t i = 0; tables != NULL && i < sizeof names / sizeof names[0]; i++) {
        const struct json_value *table = json_get_object(tables, names[i]);
        char label[24], text[96];
        struct buf buf = buf_on(text, sizeof text - 1);
        snprintf(label, sizeof label, "table %s", names[i]);
        for (int k = 0; table != NULL && k < 3; k++) {
            struct field field = {keys[k], label, SHOW_COUNT};
            buf_put_text(&buf, words[k]);
            (void)put_value(&buf, reader, table, &field);
        }
        put_line(label, &buf);
    }
}

/* "kitchen 1a2b3c4d peer 10.0.0.7:7751 active 2.0 s, epoch 3.18, 12 offers, 2 uploads, 6 free",
 * and ", incomplete" when the index had no room for all; on a terminal in two lines. */
static void show_node(const struct told_node *node)
{
    char text[512], at[ADDR_TEXT_MAX] = "-";
    struct buf buf = buf_on(text, sizeof text - 1);
    bool two = plat_is_terminal(1);

    if (node->address_count > 0) {
        addr_format(&node->address[0], at);
    }
    buf_put_shown(&buf, node->name);
    buf_put_char(&buf, ' ');
    buf_put_hex(&buf, node->id.bytes, 4);
    buf_printf(&buf, " %s %s %s ", record_role_text(node->role), at,
               record_state_text(node->state));
    buf_put_duration(&buf, node->age_ms);
    if (two) {
        put_line("node", &buf);
        buf.len = 0;
    }
    buf_printf(&buf, "%sepoch %llu.%llu, %u offers, %u uploads, %u free", two ? "" : ", ",
               (unsigned long long)node->epoch, (unsigned long long)node->seq,
               (unsigned)node->offers, (unsigned)node->uploads, (unsigned)node->slots);
    if (node->rate > 0) {
        buf_put(&buf, STR(", "));
        buf_put_size(&buf, node->rate);
        buf_put(&buf, STR("/s"));
    }
    buf_put_text(&buf, node->incomplete ? ", incomplete" : "");
    put_line(two ? "" : "node", &buf);
}

static void show(struct status *status, struct str line)
{
    struct json_reader *reader = &status->session.json;
    const struct json_value *stats = json_parse(reader, line);
    struct str role;

    status->is_index = stats != NULL && json_get_text(reader, stats, "role", &role) == 0 &&
                       !text_equal(role, STR("peer"));
    if (status->session.line->json) {
        printf("%.*s", (int)(line.len - status->is_index), line.ptr);
        status->shown = true;
        return;
    }
    for (size_t i = 0; stats != NULL && i < sizeof fields / sizeof fields[0]; i++) {
        char text[256];
        struct buf buf = buf_on(text, sizeof text - 1);
        struct field field = fields[i];
        const struct json_value *object = inside(stats, &field);
        if (object != NULL && put_value(&buf, reader, object, &field)) {
            put_line(field.label, &buf);
            status->shown = true;
        }
    }
    if (stats != NULL) {
        show_indexes(stats);
        show_tables(reader, stats);
        show_mirrors(reader, stats);
    }
}

static void on_head(void *ctx, const struct http_head *head)
{
    ((struct status *)ctx)->http_status = head->status;
}

static void on_line(void *ctx, struct str line)
{
    struct status *status = ctx;

    if (status->http_status == 200 && !status->shown) {
        show(status, line);
    }
}

/* ---- the nodes of an index ---- */

static void on_node(void *ctx, struct str line)
{
    struct status *status = ctx;
    struct told_node node;

    if (status->http_status != 200 || status->listed ||
        told_read_node(&status->session.json, line, &node, &status->listed) != 0 ||
        status->listed) {
        return;
    }
    if (status->session.line->json) {
        printf("%s%.*s", status->between, (int)line.len, line.ptr);
        status->between = ",";
    } else if (node.state != RECORD_LEFT) {
        show_node(&node);
    }
}

static void on_nodes_done(void *ctx, int result)
{
    struct status *status = ctx;

    if (status->session.line->json) {
        printf("]}\n");
    }
    if (!status->listed) {
        session_say("the index does not tell its nodes: %s",
                    log_error(result != 0 ? result : -P2P_EPROTO));
    }
    session_end(&status->session, status->listed ? P2P_EXIT_OK : P2P_EXIT_FAILED);
}

static void ask_nodes(struct status *status)
{
    static const struct client_handlers handlers = {
        .on_head = on_head, .on_line = on_node, .on_done = on_nodes_done};
    struct client_request request = {.method = HTTP_METHOD_GET,
                                     .target = STR("/v1/nodes"),
                                     .timeout_ms = STATUS_MS,
                                     .handlers = &handlers,
                                     .ctx = status};
    struct client *client = status->client != NULL ? status->client : status->call.client;
    int error = client != NULL ? client_send(client, &request) : -P2P_ECLOSED;

    if (status->session.line->json) {
        printf(",\"members\":[");
    }
    if (error != 0) {
        on_nodes_done(status, error);
    }
}

/* ---- the figures ---- */

static void on_done(void *ctx, int result)
{
    struct status *status = ctx;
    struct session *session = &status->session;
    int end = status->shown ? P2P_EXIT_OK : P2P_EXIT_FAILED;

    if (status->shown && status->is_index) {
        ask_nodes(status);
        return;
    }
    if (!status->shown && result != 0 && status->client == NULL) {
        end = session_no_index(session, result);
    } else if (!status->shown) {
        session_say("the node does not tell its figures (HTTP status %d)", status->http_status);
    } else if (session->line->json) {
        printf("\n");
    }
    session_end(session, end);
}

static int ask(struct status *status)
{
    static const struct client_handlers handlers = {
        .on_head = on_head, .on_line = on_line, .on_done = on_done};
    struct session *session = &status->session;
    struct client_request request = {.method = HTTP_METHOD_GET,
                                     .target = STR("/v1/stats"),
                                     .timeout_ms = STATUS_MS,
                                     .handlers = &handlers,
                                     .ctx = status};
    int error = 0;

    if (!session->has_local) {
        status->call.request = request;
        status->call.keep = true;
        return directory_send(session->directory, &status->call);
    }
    status->client = client_open(session->pool, &session->local_addr, &error);
    return status->client != NULL ? client_send(status->client, &request) : error;
}

/* An index that was named is asked; else this machine's own node. Beside a role what the role was
 * started with names its index, not the one that this command is for. */
static bool names_index(const struct command_line *line)
{
    bool is_role = line->prompt != NULL && line->prompt->wake != NULL;

    if (is_role && text_equal(config_text(&line->settings, "node.index"),
                              config_text(&line->base->settings, "node.index"))) {
        return false;
    }
    return config_is_set(&line->settings, "node.index");
}

int status_run(struct command_line *line)
{
    static struct status status;

    memset(&status, 0, sizeof status);
    status.between = "";
    int end = session_open(&status.session, line);

    if (end == 0) {
        status.session.has_local &= !names_index(line);
        int error = ask(&status);
        end = error == 0 ? session_run(&status.session) : session_no_index(&status.session, error);
    }
    session_close(&status.session);
    return end;
}
