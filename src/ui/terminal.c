/* SPDX-License-Identifier: MIT */
/* Joins editor and terminal. Everything that is written goes out without waiting and under a lock,
 * so that a stopped terminal stops neither the log's thread nor the lock; what it does not take is
 * shown again a little later. */
#include "ui/terminal.h"

#include "platform/plat_console.h"
#include "platform/plat_file.h"
#include "platform/plat_terminal.h"

#include <string.h>

enum {
    AGAIN_MS = 50, /* until bytes that were not taken are offered again */
    AWAY_MS = 250, /* in the background, when keys come that are for others */
    LINE_ROOM = 2048
};

#define ERASE "\r\033[K"

bool terminal_is_there(void)
{
    return plat_is_terminal(0) && plat_is_terminal(1) && plat_is_foreground(0);
}

/* ---- writing ---- */

/* With the lock. */
static void put(struct terminal *terminal, const char *bytes, size_t size)
{
    int64_t taken = plat_console_write(terminal->out, bytes, size);

    atomic_store(&terminal->torn, taken < (int64_t)size);
}

/* Between commands of this process its own terminal has no other user; in the background it has.
 * The row is written anew by the same call, so that nobody sees it gone. */
static int64_t write_log(void *ctx, struct str line)
{
    struct terminal *terminal = ctx;
    char bytes[LINE_ROOM + TERMINAL_ROW_MAX];
    struct buf buf = buf_on(bytes, sizeof bytes);
    size_t before = 0;

    plat_mutex_lock(&terminal->lock);
    if (plat_is_foreground(0)) {
        buf_put_text(&buf, ERASE);
        before = buf.len;
    }
    buf_put(&buf, line);
    bool is_shown = terminal->shown && before > 0;
    if (is_shown) {
        buf_put_bytes(&buf, terminal->row, terminal->row_len);
    }
    int64_t taken = plat_console_write(terminal->out, buf.ptr, buf.len);
    if (is_shown && taken < (int64_t)buf.len) {
        atomic_store(&terminal->torn, true);
    }
    plat_mutex_unlock(&terminal->lock);
    if (taken < 0) {
        return taken;
    }
    taken -= (int64_t)before;
    return taken <= 0 ? -P2P_EAGAIN : taken < (int64_t)line.len ? taken : (int64_t)line.len;
}

static void show(struct terminal *terminal)
{
    struct buf buf = buf_on(terminal->row, sizeof terminal->row - 1);

    plat_mutex_lock(&terminal->lock);
    edit_draw(&terminal->edit, terminal->prompt, plat_terminal_width(1), &buf);
    terminal->row_len = buf.len;
    terminal->shown = true;
    put(terminal, buf.ptr, buf.len);
    plat_mutex_unlock(&terminal->lock);
}

/* The row is not ours any more; bytes are the last that are written to it. */
static void leave_row(struct terminal *terminal, const char *bytes)
{
    plat_mutex_lock(&terminal->lock);
    if (terminal->shown) {
        put(terminal, bytes, strlen(bytes));
    }
    terminal->shown = false;
    atomic_store(&terminal->torn, false);
    plat_mutex_unlock(&terminal->lock);
}

/* ---- reading ---- */

/* What an event of the editor means; TERMINAL_WOKEN: go on. */
static enum terminal_result react(struct terminal *terminal, enum edit_event event)
{
    switch (event) {
    case EDIT_ENTERED:
        show(terminal);
        leave_row(terminal, "\r\n");
        terminal->entered = true;
        return TERMINAL_LINE;
    case EDIT_LEAVE:
        leave_row(terminal, "\r\n");
        return TERMINAL_LEAVE;
    case EDIT_DROPPED:
        show(terminal);
        leave_row(terminal, "^C\r\n");
        edit_begin(&terminal->edit);
        break;
    case EDIT_CLEAR:
        leave_row(terminal, "\033[H\033[2J");
        break;
    case EDIT_NOTHING:
        break;
    }
    return TERMINAL_WOKEN;
}

static enum terminal_result take_keys(struct terminal *terminal)
{
    enum terminal_result result = TERMINAL_WOKEN;

    while (result == TERMINAL_WOKEN && terminal->keys_at < terminal->keys_end) {
        uint8_t key = (uint8_t)terminal->keys[terminal->keys_at++];
        result = react(terminal, edit_feed(&terminal->edit, key));
    }
    return result;
}

/* False: the terminal is gone. */
static bool read_keys(struct terminal *terminal)
{
    int64_t got = plat_read(0, terminal->keys, sizeof terminal->keys);

    terminal->keys_at = 0;
    terminal->keys_end = got > 0 ? (size_t)got : 0;
    return got > 0 || got == -P2P_EAGAIN || (plat_is_terminal(0) && !plat_is_foreground(0));
}

/* Shows the line and waits for keys or wake_fd; *out_ready as plat_terminal_wait. Keys are read
 * when the terminal is raw only: before that a Ctrl-D means something else to it. In the background
 * they are for others, and not worth to be woken for again and again; a terminal that was taken
 * away is always readable, and nobody's foreground. False: it is gone. */
static bool wait_keys(struct terminal *terminal, int wake_fd, int *out_ready)
{
    int error = plat_terminal_raw(0);

    if (error == 0) {
        show(terminal);
        *out_ready = plat_terminal_wait(0, wake_fd, atomic_load(&terminal->torn) ? AGAIN_MS : -1);
        return (*out_ready & PLAT_FIRST) == 0 || read_keys(terminal);
    }
    leave_row(terminal, "");
    if (error != -P2P_EAGAIN) {
        return false;
    }
    *out_ready = plat_terminal_wait(0, wake_fd, -1);
    if (*out_ready == PLAT_FIRST && !plat_is_foreground(0)) {
        *out_ready = plat_terminal_wait(-1, wake_fd, AWAY_MS);
        return plat_is_terminal(0);
    }
    return true;
}

enum terminal_result terminal_read(struct terminal *terminal, int wake_fd)
{
    enum terminal_result result = TERMINAL_WOKEN;
    int ready = 0;

    if (terminal->entered) {
        terminal->entered = false;
        edit_begin(&terminal->edit);
    }
    while ((ready & PLAT_SECOND) == 0) {
        result = take_keys(terminal);
        if (result != TERMINAL_WOKEN) {
            break;
        }
        if (!wait_keys(terminal, wake_fd, &ready)) {
            result = TERMINAL_LEAVE;
            break;
        }
    }
    return result;
}

/* ---- begin and end ---- */

void terminal_lend(struct terminal *terminal)
{
    leave_row(terminal, ERASE);
    plat_terminal_restore();
}

void terminal_open(struct terminal *terminal, struct str prompt)
{
    terminal->prompt = prompt;
    terminal->out = plat_console_open(1);
    terminal->sink = (struct log_sink){write_log, terminal};
    plat_mutex_init(&terminal->lock);
    edit_begin(&terminal->edit);
    log_divert(&terminal->sink);
}

void terminal_close(struct terminal *terminal)
{
    terminal_lend(terminal);
    log_divert(NULL);
}
