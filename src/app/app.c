/* SPDX-License-Identifier: MIT */
/* Starts a role, says where it is, and runs it until a signal. What can fail at start fails before
 * the first line on stdout. Sets no timer: an idle node sleeps. The parts are joined in parts.c,
 * the rules are in budget.c, place.c and reload.c. First thread, which is the loop's. */
#include "app/app.h"

#include "app/parts.h"
#include "app/place.h"
#include "app/reload.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/plat.h"
#include "ui/prompt.h"

#include <stdio.h>
#include <string.h>

enum { APP_BACKLOG = 511 }; /* a whole fleet that joins at once */

static int cannot_start(struct app *app, int error)
{
    snprintf(app->err, app->err_size, "cannot start: %s%s", log_error(error),
             error == -P2P_EFULL ? "; give more with --memory SIZE" : "");
    return P2P_EXIT_FAILED;
}

/* ---- who and where ---- */

static int find_share(struct app *app)
{
    char path[P2P_PATH_MAX];
    const char *folder = app->options->folder;

    if (!parts_has_peer(app)) {
        return 0;
    }
    if (folder == NULL) {
        text_copy(config_text(&app->settings, "share.path"), path, sizeof path);
        folder = path;
    }
    return place_share(folder, app->share, app->err, app->err_size) != 0 ? P2P_EXIT_USAGE : 0;
}

/* The state folder's path. False: there is nowhere to put one. */
static bool state_path(const struct app *app, char out[static P2P_PATH_MAX])
{
    struct str set = config_text(&app->settings, "node.state");
    const char *share = parts_has_peer(app) ? app->share : NULL;

    if (set.len > 0) {
        return text_copy(set, out, P2P_PATH_MAX) == 0;
    }
    return identity_folder(share, app->address.port, out, P2P_PATH_MAX) == 0;
}

static int state_fault(struct app *app, const char *path, int error, int pid)
{
    if (error == -P2P_EINVAL) {
        snprintf(app->err, app->err_size,
                 "the state folder %s lies in the share; put it elsewhere with --state", path);
        return P2P_EXIT_USAGE;
    }
    if (error == -P2P_EINUSE) {
        snprintf(app->err, app->err_size,
                 "another p2p (pid %d) runs with the state folder %s; stop it, or give this one "
                 "its own with --state",
                 pid, path);
        return P2P_EXIT_FAILED;
    }
    return cannot_start(app, error);
}

static int open_identity(struct app *app)
{
    char path[P2P_PATH_MAX];
    const char *share = parts_has_peer(app) ? app->share : NULL;
    int pid = 0, error;

    if (!state_path(app, path)) {
        app->identity_reason = "there is no home folder for the state; name one with --state";
        error = identity_guest(&app->identity);
    } else if (share != NULL && place_is_inside(path, share)) {
        error = -P2P_EINVAL; /* before anything is made there */
    } else {
        error = identity_open(&app->identity, path, share, &pid, &app->identity_reason);
    }
    app->opened = error == 0;
    return error != 0 ? state_fault(app, path, error, pid) : 0;
}

static int listen_fault(struct app *app, const struct plat_addr *addr, int error)
{
    char text[ADDR_TEXT_MAX], reason[128];
    enum record_role role = RECORD_ROLE_PEER;

    snprintf(reason, sizeof reason, "%s", plat_reason());
    if (error == -P2P_EINUSE) {
        int pid = place_find_holder(addr->port, app->opened ? app->identity.path : "", &role);
        char who[64] = "another program";
        if (pid > 0) {
            snprintf(who, sizeof who, "p2p %s, pid %d", record_role_text(role), pid);
        }
        snprintf(app->err, app->err_size,
                 "port %u is taken by %s; stop it, or listen on another with --listen PORT",
                 addr->port, who);
    } else {
        snprintf(app->err, app->err_size, "cannot listen on %s: %s; name another with --listen",
                 addr_format(addr, text), reason);
    }
    return P2P_EXIT_FAILED;
}

static int open_listener(struct app *app)
{
    struct plat_addr choice[PLACE_LISTEN_MAX];
    int count = place_listen(choice, app->options->role, config_text(&app->settings, "node.listen"),
                             app->identity.last_port);

    for (int i = 0; i < count; i++) {
        app->listener = plat_listen(&choice[i], APP_BACKLOG);
        if (app->listener >= 0) {
            return plat_local_addr(app->listener, &app->address) != 0 ? cannot_start(app, -P2P_EIO)
                                                                      : 0;
        }
        if (app->listener != -P2P_EINUSE || i + 1 == count) {
            return listen_fault(app, &choice[i], app->listener);
        }
    }
    return 0;
}

/* An index's state folder is named by its port; a peer's port is remembered in its state folder. */
static int open_place(struct app *app)
{
    int status = parts_has_peer(app) ? open_identity(app) : open_listener(app);

    if (status == 0) {
        status = parts_has_peer(app) ? open_listener(app) : open_identity(app);
    }
    return status;
}

/* ---- what it says ---- */

static void say_identity(struct app *app, int published)
{
    char id[2 * P2P_ID_SIZE + 1];

    text_hex_encode(app->identity.id.bytes, sizeof app->identity.id.bytes, id);
    log_line(LOG_INFO, "node", "%s %.8s, %s, version " P2P_VERSION, app->name, id,
             record_role_text(app->options->role));
    if (app->identity.folder < 0) {
        log_line(LOG_WARN, "node", "%s: this node has a new id at each start",
                 app->identity_reason);
    } else if (app->identity_reason != NULL) {
        log_line(LOG_WARN, "node", "%s", app->identity_reason);
    }
    if (published != 0) {
        log_line(LOG_WARN, "node", "cannot write to %s: %s", app->identity.path,
                 log_error(published));
    }
}

static void say_budget(const struct app *app)
{
    char text[200];
    struct buf buf = buf_on(text, sizeof text - 1);

    if (app->index != NULL) {
        struct catalog_budget budget = index_budget(app->index);
        buf_printf(&buf, "%u offers, %u nodes, ", budget.offers, budget.nodes);
    }
    if (app->peer != NULL) {
        buf_printf(&buf, "%u files, ", peer_budget_files(app->peer));
    }
    buf_printf(&buf, "%u connections in ", app->budget.connections);
    buf_put_size(&buf, app->arena.size);
    log_line(LOG_INFO, "node", "room for %.*s", (int)buf.len, buf.ptr);
}

static void say_place(const struct app *app)
{
    char text[ADDR_TEXT_MAX];
    struct plat_addr page = place_reachable(&app->address);

    if (app->peer != NULL) {
        log_line(LOG_INFO, "node", "shares %s", app->share);
    }
    log_line(LOG_INFO, "node", "listening on %s", addr_format(&app->address, text));
    log_line(LOG_INFO, "node", "page at http://%s/", addr_format(&page, text));
    log_line(LOG_WARN, "node", "no secret: an open network, for a LAN you trust");
}

/* ---- while it runs ---- */

static void set_log_level(const struct app *app)
{
    static const char *const words[] = {"error", "warn", "info", "debug"};
    struct str set = config_text(&app->settings, "node.log");
    enum log_level level = LOG_INFO;

    for (int i = LOG_ERROR; i <= LOG_DEBUG; i++) {
        level = text_is(set, words[i]) ? (enum log_level)i : level;
    }
    level = app->options->quiet && level > LOG_WARN ? LOG_WARN : level;
    log_set_level(app->options->verbose ? LOG_DEBUG : level);
}

static void on_left(void *ctx)
{
    struct app *app = ctx;

    loop_stop(app->loop);
}

static void on_peer_left(void *ctx)
{
    struct app *app = ctx;

    if (app->index != NULL) {
        index_leave(app->index, on_left, app);
    } else {
        on_left(app);
    }
}

/* A second Ctrl-C ends the process: the first has put the default actions back. */
static void leave(struct app *app)
{
    if (app->leaving) {
        return;
    }
    app->leaving = true;
    if (app->options->prompt != NULL) {
        prompt_leave(app->options->prompt);
    }
    plat_signals_reset();
    log_line(LOG_INFO, "node", "stopping");
    if (app->peer != NULL) {
        peer_leave(app->peer, on_peer_left, app);
    } else {
        on_peer_left(app);
    }
}

static void read_settings_again(struct app *app)
{
    char err[512], now[512], later[512];
    struct reload_changes changes = {buf_on(now, sizeof now - 1), buf_on(later, sizeof later - 1)};

    if (app->options->reload(app->options->ctx, &app->fresh, err, sizeof err) != 0) {
        log_line(LOG_ERROR, "node", "settings stay as they are: %s", err);
        return;
    }
    reload_compare(&changes, &app->settings, &app->fresh);
    app->settings = app->fresh;
    set_log_level(app);
    if (app->peer != NULL) {
        peer_reload(app->peer, &app->settings);
    }
    if (changes.now.len + changes.later.len == 0) {
        log_line(LOG_INFO, "node", "settings read again, nothing changed");
    }
    if (changes.now.len > 0) {
        log_line(LOG_INFO, "node", "settings read again, changed: %.*s", (int)changes.now.len, now);
    }
    if (changes.later.len > 0) {
        log_line(LOG_WARN, "node", "changed, but only the next start takes it: %.*s",
                 (int)changes.later.len, later);
    }
}

/* Ctrl-C while a command of the prompt runs is for the command. */
static bool is_for_prompt(const struct app *app, enum plat_signal signal)
{
    struct prompt *prompt = app->options->prompt;

    if (prompt != NULL && signal == PLAT_SIGNAL_WINCH) {
        prompt_redraw(prompt);
    }
    return prompt != NULL && signal == PLAT_SIGNAL_INT && prompt_interrupt(prompt);
}

static void on_signal(void *ctx, unsigned events)
{
    struct app *app = ctx;
    enum plat_signal signal;

    (void)events;
    while ((signal = plat_signal_next()) != PLAT_SIGNAL_NONE) {
        if (is_for_prompt(app, signal)) {
            continue;
        }
        if (signal == PLAT_SIGNAL_INT || signal == PLAT_SIGNAL_TERM) {
            leave(app);
        } else if (signal == PLAT_SIGNAL_HUP && app->on_terminal && !plat_is_terminal(1)) {
            leave(app); /* its terminal was closed */
        } else if (signal == PLAT_SIGNAL_HUP && !app->leaving) {
            read_settings_again(app);
        }
    }
}

/* ---- start and end ---- */

static void name_node(struct app *app)
{
    char host[P2P_HOST_MAX + 1];
    size_t len = plat_host_name(host, sizeof host);
    struct buf buf = buf_on(app->hosts, sizeof app->hosts - 1);

    place_name(config_text(&app->settings, "node.name"), (struct str){host, len}, app->name);
    buf_put_text(&buf, app->name);
    buf_put_char(&buf, ',');
    buf_put(&buf, config_text(&app->settings, "node.hosts"));
    app->hosts[buf.len] = 0;
}

static int open_all(struct app *app)
{
    int status = find_share(app);

    if (status == 0) {
        status = open_place(app);
    }
    if (status != 0) {
        return status;
    }
    int error = parts_open(app, on_signal);
    return error != 0 ? cannot_start(app, error) : 0;
}

static void on_prompt_left(void *ctx)
{
    leave(ctx);
}

/* On the prompt's thread. */
static void prompt_left(void *ctx)
{
    struct app *app = ctx;

    loop_post(app->loop, &app->prompt_left);
}

static void start_prompt(struct app *app)
{
    struct prompt_node node = {
        .local = {.pid = plat_pid(), .port = app->address.port, .role = app->options->role},
        .address = place_reachable(&app->address),
        .share = app->share,
        .state = app->identity.path,
        .left = prompt_left,
        .ctx = app};

    memcpy(node.local.control, app->identity.control, sizeof node.local.control);
    node.local.has_control = true;
    app->prompt_left = (struct loop_post){.run = on_prompt_left, .ctx = app};
    int error = prompt_start(app->options->prompt, &node);
    if (error != 0) {
        log_line(LOG_WARN, "node", "no prompt: %s", log_error(error));
    }
}

static int run(struct app *app)
{
    say_identity(app, identity_publish(&app->identity, app->address.port, app->options->role));
    say_budget(app);
    say_place(app);
    if (app->index != NULL) {
        index_start(app->index);
    }
    int error = app->peer != NULL ? peer_start(app->peer) : 0;
    if (error != 0) {
        return cannot_start(app, error);
    }
    if (app->options->prompt != NULL) {
        start_prompt(app);
    }
    log_gather(true);
    loop_run(app->loop);
    log_gather(false);
    if (app->options->prompt != NULL) {
        prompt_stop(app->options->prompt);
    }
    return P2P_EXIT_OK;
}

int app_run(const struct config *settings, const struct app_options *options, char *err,
            size_t err_size)
{
    static struct app app; /* 60 KB: too much for a small machine's stack */

    app = (struct app){.options = options, .listener = -1, .err = err, .err_size = err_size};
    app.signals.fd = -1;
    app.on_terminal = plat_is_terminal(1);
    app.settings = *settings;
    err[0] = 0;
    log_open(1, LOG_INFO);
    set_log_level(&app);
    name_node(&app);
    int status = open_all(&app);
    if (status == 0) {
        status = run(&app);
    }
    parts_close(&app);
    return status;
}
