/* SPDX-License-Identifier: MIT */
/* Asks the local node for its figures again and again, on one connection, until it is idle and its
 * index knows what was hashed (if it has one). Nothing tells when a share is hashed, and to ask a
 * node of this machine ten times a second costs it nothing that could be measured. */
#include "ui/wait.h"

#include "platform/plat.h"
#include "ui/session.h"

#include <stdio.h>
#include <string.h>

enum { ASK_MS = 100, ANSWER_MS = 5000 };

struct wait {
    struct session session;
    struct client *client;
    struct loop_timer timer;
    bool told, busy; /* figures came; they say that there is work */
    bool on_terminal, shown;
};

static int64_t figure(struct wait *wait, const struct json_value *object, const char *key)
{
    int64_t value = 0;

    if (object != NULL) {
        json_get_int(&wait->session.json, object, key, (struct json_range){0, P2P_FILE_MAX},
                     &value);
    }
    return value;
}

static void show(struct wait *wait, int64_t waiting, int64_t left)
{
    char text[64];
    struct buf buf = buf_on(text, sizeof text);

    if (!wait->on_terminal) {
        return;
    }
    buf_put_size(&buf, (uint64_t)left);
    fprintf(stderr, "\rhashing: %lld files wait, %.*s of those under way\033[K", (long long)waiting,
            (int)buf.len, buf.ptr);
    wait->shown = true;
}

static void on_line(void *ctx, struct str line)
{
    struct wait *wait = ctx;
    struct json_reader *reader = &wait->session.json;
    const struct json_value *stats = json_parse(reader, line);
    bool busy = false, telling = false;

    if (stats == NULL) {
        return;
    }
    const struct json_value *hashing = json_get_object(stats, "hashing");
    int64_t waiting = figure(wait, hashing, "waiting");
    int64_t left = figure(wait, hashing, "total") - figure(wait, hashing, "done");
    json_get_bool(reader, stats, "busy", &busy);
    json_get_bool(reader, stats, "telling", &telling);
    wait->told = true;
    wait->busy = busy || telling || figure(wait, stats, "fetching") > 0;
    if (waiting > 0 || left > 0) {
        show(wait, waiting, left);
    }
}

static void on_done(void *ctx, int result)
{
    struct wait *wait = ctx;
    struct session *session = &wait->session;

    if (result != 0 || !wait->told) {
        session_say("the node does not answer any more");
        session_end(session, P2P_EXIT_FAILED);
    } else if (wait->busy) {
        loop_set_timer(session->loop, &wait->timer, loop_now_ms(session->loop) + ASK_MS);
    } else {
        session_end(session, P2P_EXIT_OK);
    }
}

static void ask(void *ctx)
{
    static const struct client_handlers handlers = {.on_line = on_line, .on_done = on_done};
    struct wait *wait = ctx;
    struct session *session = &wait->session;
    struct client_request request = {.method = HTTP_METHOD_GET,
                                     .target = STR("/v1/stats"),
                                     .timeout_ms = ANSWER_MS,
                                     .handlers = &handlers,
                                     .ctx = wait};
    int error = 0;

    wait->told = false;
    if (wait->client == NULL || client_is_closed(wait->client)) {
        if (wait->client != NULL) {
            client_close(wait->client);
        }
        wait->client = client_open(session->pool, &session->local_addr, &error);
    }
    if (wait->client == NULL || client_send(wait->client, &request) != 0) {
        on_done(wait, -P2P_EREFUSED);
    }
}

int wait_run(struct command_line *line)
{
    static struct wait wait;

    memset(&wait, 0, sizeof wait);
    wait.timer = (struct loop_timer){.on_time = ask, .ctx = &wait};
    wait.on_terminal = plat_is_terminal(2) && !line->quiet;
    int status = session_open(&wait.session, line);
    if (status == 0 && !wait.session.has_local) {
        session_say("no node runs for this folder; name its state folder with -s");
        status = P2P_EXIT_FAILED;
    } else if (status == 0) {
        ask(&wait);
        status = session_run(&wait.session);
    }
    if (wait.shown) {
        fprintf(stderr, "\r\033[K");
    }
    session_close(&wait.session);
    return status;
}
