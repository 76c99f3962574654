/* SPDX-License-Identifier: MIT */
/* Asks the local node who it is, and the index which copies it holds. A copy is stale when its
 * owner offers another content under its name; what is no copy belongs to this node and never is.
 * Does not fetch: a node that keeps copies does that by itself, and get --force does it now. */
#include "ui/refresh.h"

#include "ui/print.h"
#include "ui/query.h"

#include <stdio.h>
#include <string.h>

enum { ANSWER_MS = 5000 };

struct refresh {
    struct session session;
    struct query query;
    struct client *client;
    struct record_id id; /* of the local node */
    bool known;
    enum print_style style;
    uint32_t copies;
};

static bool is_wanted(const struct refresh *refresh, const struct record_result *result)
{
    const struct command_line *line = refresh->session.line;

    return result->offer.copy && record_id_equal(&result->node, &refresh->id) &&
           (line->count == 0 || text_is(result->offer.path, line->words[0]));
}

static void on_result(void *ctx, const struct record_result *result)
{
    struct refresh *refresh = ctx;

    if (!is_wanted(refresh, result)) {
        return;
    }
    if (refresh->copies++ == 0) {
        print_holders_head(refresh->style);
    }
    print_holder(refresh->style, result);
}

static void on_end(void *ctx, int status, const struct record_end *end)
{
    struct refresh *refresh = ctx;
    const struct command_line *line = refresh->session.line;

    if (status == 0 && end->truncated && !line->quiet) {
        session_say("there are more copies than are shown");
    }
    if (status == 0 && refresh->copies > 0) {
        session_say("nothing was fetched; p2p get NAME --force fetches a copy again");
    } else if (status == 0 && line->count > 0) {
        session_say("%s: this node holds no copy of that name", line->words[0]);
        status = P2P_EXIT_NOT_FOUND;
    } else if (status == 0 && !line->quiet && !line->json) {
        printf("no copies of other nodes' files here: nothing can be stale\n");
    }
    session_end(&refresh->session, status);
}

static void on_line(void *ctx, struct str line)
{
    struct refresh *refresh = ctx;
    struct json_reader *reader = &refresh->session.json;
    const struct json_value *stats = json_parse(reader, line);

    refresh->known = stats != NULL && json_get_hex(reader, stats, "id", refresh->id.bytes,
                                                   sizeof refresh->id.bytes) == 0;
}

/* For this node's copies only: the network may have more than an answer holds. */
static void ask_index(struct refresh *refresh)
{
    const struct command_line *line = refresh->session.line;
    char text[P2P_PATTERN_MAX];
    struct buf buf = buf_on(text, sizeof text);

    query_put_glob(&buf, line->count > 0 ? text_from(line->words[0]) : STR(""));
    buf_put_text(&buf, " kind:copy node:");
    buf_put_hex(&buf, refresh->id.bytes, sizeof refresh->id.bytes);
    query_put_search(&refresh->query, buf_str(&buf), P2P_RESULTS_MAX);
    query_ask(&refresh->query);
}

static void on_done(void *ctx, int result)
{
    struct refresh *refresh = ctx;

    if (result != 0 || !refresh->known) {
        session_say("this machine's node does not say who it is");
        session_end(&refresh->session, P2P_EXIT_FAILED);
        return;
    }
    ask_index(refresh);
}

static void ask_node(struct refresh *refresh)
{
    static const struct client_handlers handlers = {.on_line = on_line, .on_done = on_done};
    struct session *session = &refresh->session;
    struct client_request request = {.method = HTTP_METHOD_GET,
                                     .target = STR("/v1/stats"),
                                     .timeout_ms = ANSWER_MS,
                                     .handlers = &handlers,
                                     .ctx = refresh};
    int error = 0;

    refresh->client = client_open(session->pool, &session->local_addr, &error);
    if (refresh->client == NULL || client_send(refresh->client, &request) != 0) {
        on_done(refresh, -P2P_EREFUSED);
    }
}

int refresh_run(struct command_line *line)
{
    static struct refresh refresh;

    memset(&refresh, 0, sizeof refresh);
    int status = session_open(&refresh.session, line);
    refresh.style = print_style(line->json);
    refresh.query.session = &refresh.session;
    refresh.query.stream = RECORD_SEARCH;
    refresh.query.on_result = on_result;
    refresh.query.on_end = on_end;
    refresh.query.ctx = &refresh;
    if (status == 0 && !refresh.session.has_local) {
        session_say("no node runs for this folder; name its state folder with -s");
        status = P2P_EXIT_FAILED;
    } else if (status == 0) {
        ask_node(&refresh);
        status = session_run(&refresh.session);
    }
    session_close(&refresh.session);
    return status;
}
