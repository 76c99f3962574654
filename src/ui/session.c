/* SPDX-License-Identifier: MIT */
/* Setting up and ending of a command on the network; the rules by which it finds the index. */
#include "ui/session.h"

#include "base/addr.h"
#include "base/hash.h"
#include "base/log.h"
#include "platform/plat_file.h"
#include "ui/print.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    SESSION_FDS = 1024,
    SESSION_TIMERS = 512,
    SESSION_CLIENTS = 128, /* sources x connections of a get, and the index */
    SESSION_BUFFERS = 160,
    ASK_LOCAL_MS = 1000, /* a node on this machine answers at once or hangs */
    SILENT_MS = 300      /* then the next index is asked */
};

void session_say(const char *format, ...)
{
    char raw[2048], shown[4096];
    struct buf buf = buf_on(shown, sizeof shown - 2);
    va_list args;

    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    buf_put_shown(&buf, text_from(raw));
    memcpy(shown + buf.len, "\n", 2);
    print_stderr("p2p: ", shown);
}

int session_signal_status(enum plat_signal signal)
{
    return signal == PLAT_SIGNAL_TERM  ? P2P_EXIT_TERMINATED
           : signal == PLAT_SIGNAL_HUP ? P2P_EXIT_HUNG_UP
                                       : P2P_EXIT_INTERRUPTED;
}

static void interrupt(struct session *session, int status)
{
    if (session->interrupted) {
        return;
    }
    session->interrupted = true;
    session->interrupted_status = status;
    if (session->on_interrupt != NULL) {
        session->on_interrupt(session->interrupt_ctx);
    } else {
        session_end(session, status);
    }
}

static void on_signal(void *ctx, unsigned events)
{
    struct session *session = ctx;
    struct session_prompt *prompt = session->line->prompt;
    enum plat_signal signal;

    (void)events;
    while ((signal = plat_signal_next()) != PLAT_SIGNAL_NONE) {
        if (signal == PLAT_SIGNAL_WINCH) {
            continue;
        }
        if (prompt != NULL) {
            atomic_store(signal == PLAT_SIGNAL_INT ? &prompt->interrupt : &prompt->leave, true);
        }
        plat_signals_reset();
        interrupt(session, session_signal_status(signal));
    }
}

/* Beside a role: it ends, or it was told to end this command. */
static void on_wake(void *ctx, unsigned events)
{
    struct session *session = ctx;
    struct session_prompt *prompt = session->line->prompt;

    (void)events;
    plat_wake_drain(prompt->wake);
    if (atomic_load(&prompt->leave) || atomic_load(&prompt->interrupt)) {
        interrupt(session, P2P_EXIT_INTERRUPTED);
    }
}

/* The node that runs for this share folder, or for the state folder that was named. */
static bool find_folder(struct session *session)
{
    const struct config *settings = &session->line->settings;
    struct str state = config_text(settings, "node.state");
    const char *folders[] = {NULL, "share", "."};
    char path[P2P_PATH_MAX];

    if (state.len > 0) {
        return text_copy(state, session->state, sizeof session->state) == 0 &&
               identity_find_local(session->state, &session->local) == 0;
    }
    if (text_copy(config_text(settings, "share.path"), path, sizeof path) == 0) {
        folders[0] = path;
    }
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        if (folders[i] != NULL && folders[i][0] != 0 &&
            plat_real_path(folders[i], session->share, sizeof session->share) == 0 &&
            identity_folder(session->share, 0, session->state, sizeof session->state) == 0 &&
            identity_find_local(session->state, &session->local) == 0) {
            return true;
        }
    }
    session->share[0] = session->state[0] = 0;
    return false;
}

static bool find_local(struct session *session)
{
    const struct session_prompt *prompt = session->line->prompt;

    if (prompt != NULL && prompt->wake != NULL) {
        session->local = prompt->local;
        session->local_addr = prompt->address;
        text_copy(text_from(prompt->share), session->share, sizeof session->share);
        text_copy(text_from(prompt->state), session->state, sizeof session->state);
        return true;
    }
    bool found = find_folder(session);
    session->local_addr =
        (struct plat_addr){.ip = {127, 0, 0, 1}, .port = session->local.port, .family = 4};
    return found;
}

/* A peer's own index, from the peer's figures. */
struct ask {
    struct session *session;
    char index[P2P_HOST_MAX + 8];
};

static void ask_line(void *ctx, struct str line)
{
    struct ask *ask = ctx;
    struct json_reader *reader = &ask->session->json;
    const struct json_value *stats = json_parse(reader, line);
    size_t count = 0;

    if (stats == NULL) {
        return;
    }
    const struct json_value *indexes = json_get_array(stats, "indexes", &count);
    if (count > 0) {
        text_copy(json_item_text(json_item(indexes, 0)), ask->index, sizeof ask->index);
    }
}

static void ask_done(void *ctx, int result)
{
    struct ask *ask = ctx;

    (void)result;
    loop_stop(ask->session->loop);
}

static void ask_local_peer(struct session *session, struct ask *ask)
{
    static const struct client_handlers handlers = {.on_line = ask_line, .on_done = ask_done};
    struct client_request request = {.method = HTTP_METHOD_GET,
                                     .target = STR("/v1/stats"),
                                     .timeout_ms = ASK_LOCAL_MS,
                                     .handlers = &handlers,
                                     .ctx = ask};
    int error = 0;
    struct client *client = client_open(session->pool, &session->local_addr, &error);

    if (client == NULL || client_send(client, &request) != 0) {
        return;
    }
    loop_run(session->loop);
    client_close(client);
}

/* Writes the list of indexes to ask into out. */
static void find_index(struct session *session, char *out, size_t size)
{
    struct ask ask = {.session = session};

    text_copy(config_text(&session->line->settings, "node.index"), out, size);
    session->has_local = find_local(session);
    if (out[0] != 0) {
        return;
    }
    if (session->has_local && session->local.role == RECORD_ROLE_PEER) {
        ask_local_peer(session, &ask);
    }
    if (ask.index[0] != 0) {
        text_copy(text_from(ask.index), out, size);
    } else {
        char serves[ADDR_TEXT_MAX] = "127.0.0.1";
        if (session->has_local && session->local.role != RECORD_ROLE_PEER) {
            addr_format(&session->local_addr, serves);
        }
        text_copy(text_from(serves), out, size);
    }
}

/* Beside a role the signals are the role's, and its setting of memory is for itself. */
static bool is_beside(const struct session *session)
{
    return session->line->prompt != NULL && session->line->prompt->wake != NULL;
}

static int watch_for_end(struct session *session)
{
    int signals = -1;
    int error = 0;

    if (is_beside(session)) {
        session->signals =
            (struct loop_fd){session->line->prompt->wake->read_fd, PLAT_READABLE, on_wake, session};
    } else {
        error = plat_signals_open(&signals);
        session->signals = (struct loop_fd){signals, PLAT_READABLE, on_signal, session};
    }
    return error != 0 ? error : loop_add_fd(session->loop, &session->signals);
}

static int set_up(struct session *session)
{
    size_t memory = (size_t)config_number(&session->line->settings, "node.memory");
    int error = arena_init(&session->arena,
                           memory != 0 && !is_beside(session) ? memory : P2P_MEMORY_COMMAND);

    if (error == 0 && session->line->prompt == NULL) {
        error = hash_seed();
    }
    if (error == 0) {
        error = loop_init(&session->loop, &session->arena, SESSION_FDS, SESSION_TIMERS);
    }
    if (error == 0) {
        error = client_pool_init(&session->pool, session->loop, &session->arena, SESSION_CLIENTS,
                                 SESSION_BUFFERS);
    }
    if (error == 0) {
        error = json_reader_init(&session->json, &session->arena);
    }
    if (error == 0) {
        error = worker_init(&session->background, &session->arena, 16, 16);
    }
    if (error == 0) {
        error = worker_start(&session->background);
    }
    return error != 0 ? error : watch_for_end(session);
}

int session_open(struct session *session, const struct command_line *line)
{
    char indexes[CONFIG_TEXT_MAX], fault[256];

    memset(session, 0, sizeof *session);
    session->line = line;
    session->signals.fd = -1;
    if (line->prompt == NULL) {
        log_open(2, line->verbose ? LOG_DEBUG : LOG_WARN);
    }
    int error = set_up(session);
    if (error != 0) {
        session_say("cannot start: %s; give more with --memory", log_error(error));
        return P2P_EXIT_FAILED;
    }
    find_index(session, indexes, sizeof indexes);
    if (session->interrupted) {
        return session->interrupted_status;
    }
    if (directory_fault(text_from(indexes), fault, sizeof fault) != NULL) {
        session_say("%s", fault);
        return P2P_EXIT_USAGE;
    }
    struct directory_config config = {.indexes = text_from(indexes),
                                      .loop = session->loop,
                                      .pool = session->pool,
                                      .background = &session->background,
                                      .silent_ms = SILENT_MS};
    error = directory_init(&session->directory, &session->arena, &config);
    if (error != 0) {
        session_say("cannot start: %s", log_error(error));
        return P2P_EXIT_FAILED;
    }
    return 0;
}

int session_run(struct session *session)
{
    loop_run(session->loop);
    return session->status;
}

void session_end(struct session *session, int status)
{
    session->status = status;
    loop_stop(session->loop);
}

void session_close(struct session *session)
{
    if (session->directory != NULL) {
        directory_close(session->directory);
    }
    worker_stop(&session->background);
    if (session->background.loop != NULL) {
        loop_close(session->background.loop);
    }
    if (session->pool != NULL) {
        client_pool_close(session->pool);
    }
    if (session->loop != NULL) {
        loop_close(session->loop);
    }
    arena_free(&session->arena);
}

int session_no_index(struct session *session, int error)
{
    char text[1024];
    struct buf buf = buf_on(text, sizeof text);

    directory_describe(session->directory, &buf);
    session_say("no index answers at %.*s: %s; start one with p2p index, or name one with -i",
                (int)buf.len, buf.ptr, log_error(error));
    return P2P_EXIT_NO_INDEX;
}
