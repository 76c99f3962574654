/* SPDX-License-Identifier: MIT */
/* The log: each line is put together on the caller's stack and handed to the terminal or pipe by
 * one call that never blocks. What is not taken is counted, and the count is the first line when
 * somebody reads again. The thread that gathers hands over many lines at once, and one by one when
 * not all are taken. What is handed over is one write, under a lock, so that nothing goes to
 * where the log was before once log_divert has returned. Any thread. */
#include "base/log.h"

#include "base/buf.h"
#include "base/date.h"
#include "base/text.h"
#include "platform/plat.h"
#include "platform/plat_console.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum {
    LOG_TEXT_MAX = 1000,
    LOG_GATHER_MAX = 4096,     /* what a pipe that takes anything takes whole (PIPE_BUF of Linux) */
    LOG_CLOCK_SET = 1577836800 /* 2020-01-01: before it the clock counts as unset */
};

static atomic_int log_fd = 2;
static atomic_int log_now = LOG_INFO;
/* 1: the last line went out without its end. No bool: riscv64 cannot exchange a byte. */
static atomic_uint log_torn;
static atomic_uint log_unread;
static _Atomic(uint32_t) log_lost;
static _Atomic(const struct log_sink *) log_elsewhere;
static struct plat_mutex log_writing = PLAT_MUTEX_INIT;
static int64_t log_start_ms;
/* Of the one thread that gathers. A newline stands before the first line. */
static _Thread_local bool log_gathers;
static char log_kept[1 + LOG_GATHER_MAX];
static size_t log_kept_len;

void log_open(int fd, enum log_level level)
{
    log_start_ms = plat_now_ms();
    atomic_store(&log_fd, plat_console_open(fd));
    log_set_level(level);
}

void log_set_level(enum log_level level)
{
    atomic_store(&log_now, (int)level);
}

void log_divert(const struct log_sink *sink)
{
    log_flush();
    plat_mutex_lock(&log_writing);
    atomic_store(&log_elsewhere, sink);
    plat_mutex_unlock(&log_writing);
}

bool log_is_on(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&log_now, memory_order_relaxed);
}

uint64_t log_dropped(void)
{
    return atomic_load(&log_lost);
}

/* Made once a second. */
static void log_put_kept_time(struct buf *buf, int64_t wall)
{
    static char memory[32];
    static size_t len;
    static int64_t at;
    if (wall != at) {
        struct buf time = buf_on(memory, sizeof(memory));
        date_put(&time, wall);
        len = time.len;
        at = wall;
    }
    buf_put(buf, (struct str){memory, len});
}

static void log_put_now(struct buf *buf)
{
    int64_t wall = plat_wall_s();
    int64_t up = (plat_now_ms() - log_start_ms) / 1000;
    if (wall >= LOG_CLOCK_SET && log_gathers)
        log_put_kept_time(buf, wall);
    else if (wall >= LOG_CLOCK_SET)
        date_put(buf, wall);
    else
        buf_printf(buf, "+%02d:%02d:%02d", (int)(up / 3600), (int)(up / 60 % 60), (int)(up % 60));
}

static void log_put_head(struct buf *buf, enum log_level level, const char *room)
{
    static const char *const words[] = {"error ", "warn  ", "info  ", "debug "};
    log_put_now(buf);
    buf_put_char(buf, ' ');
    buf_put_text(buf, words[level]);
    buf_put_text(buf, room);
    buf_put_text(buf, ": ");
}

/* Whole lines, with a newline before the first, which ends one that was torn. How many bytes of
 * them were taken. */
static size_t log_write(struct str lines)
{
    plat_mutex_lock(&log_writing);
    const struct log_sink *sink = atomic_load(&log_elsewhere);
    size_t extra = atomic_exchange(&log_torn, 0);
    struct str all = {lines.ptr - extra, lines.len + extra};
    int64_t result = sink ? sink->write(sink->ctx, all)
                          : plat_console_write(atomic_load(&log_fd), all.ptr, all.len);
    size_t taken = result > 0 ? (size_t)result : 0;
    if (taken == 0 ? extra != 0 : all.ptr[taken - 1] != '\n')
        atomic_store(&log_torn, 1);
    plat_mutex_unlock(&log_writing);
    return taken > extra ? taken - extra : 0;
}

static bool log_tell_dropped(void)
{
    char memory[160] = "\n";
    struct buf line = buf_on(memory + 1, sizeof(memory) - 1);
    unsigned dropped = atomic_exchange(&log_unread, 0);
    if (dropped == 0)
        return true;
    log_put_head(&line, LOG_WARN, "log");
    buf_printf(&line, "lines dropped because nobody read them: %u\n", dropped);
    if (log_write(buf_str(&line)) > 0)
        return true;
    atomic_fetch_add(&log_unread, dropped);
    return false;
}

static void log_emit(struct str line)
{
    if (log_tell_dropped() && log_write(line) > 0)
        return;
    atomic_fetch_add(&log_unread, 1);
    atomic_fetch_add(&log_lost, 1);
}

void log_gather(bool on)
{
    log_flush();
    log_gathers = on;
}

void log_flush(void)
{
    if (!log_gathers || log_kept_len == 0)
        return;
    struct str rest = {log_kept + 1, log_kept_len}, line;
    size_t taken = log_tell_dropped() ? log_write(rest) : 0;
    if (taken > 0 && rest.ptr[taken - 1] != '\n')
        taken += (size_t)text_find(text_from_byte(rest, taken), '\n') + 1;
    rest = text_from_byte(rest, taken);
    while (text_split(&rest, '\n', &line))
        log_emit((struct str){line.ptr, line.len + 1});
    log_kept_len = 0;
}

/* False: it has to go at once. */
static bool log_keep(enum log_level level, struct str line)
{
    if (!log_gathers)
        return false;
    if (level == LOG_ERROR || atomic_load(&log_elsewhere) ||
        line.len > LOG_GATHER_MAX - log_kept_len)
        log_flush();
    if (level == LOG_ERROR || atomic_load(&log_elsewhere))
        return false;
    log_kept[0] = '\n';
    memcpy(log_kept + 1 + log_kept_len, line.ptr, line.len);
    log_kept_len += line.len;
    return true;
}

/* Bytes that need no escape, at the beginning. */
static struct str log_plain(struct str text)
{
    size_t len = 0;
    while (len < text.len && text.ptr[len] >= ' ' && text.ptr[len] < 0x7f)
        len++;
    return text_first(text, len);
}

/* The message itself, escaped as a whole. A cut escape is left out whole. */
static void log_put_message(struct buf *line, const char *format, va_list args)
{
    char text[LOG_TEXT_MAX];
    int len = vsnprintf(text, sizeof(text), format, args);
    struct str rest = {text, len < 0                   ? 0
                             : len < (int)sizeof(text) ? (size_t)len
                                                       : sizeof(text) - 1};
    while (rest.len > 0 && !line->full) {
        struct str plain = text_first(log_plain(rest), line->size - line->len);
        size_t step = plain.len;
        if (step > 0) {
            buf_put(line, plain);
        } else {
            text_next_rune(rest, &step);
            buf_put_shown(line, text_first(rest, step));
        }
        rest = text_from_byte(rest, step);
    }
}

void log_line(enum log_level level, const char *room, const char *format, ...)
{
    char memory[1 + LOG_TEXT_MAX + 1] = "\n";
    struct buf line = buf_on(memory + 1, LOG_TEXT_MAX);
    va_list args;
    if (!log_is_on(level))
        return;
    log_put_head(&line, level, room);
    va_start(args, format);
    log_put_message(&line, format, args);
    va_end(args);
    line.size++; /* for the newline, which a cut line keeps */
    line.full = false;
    buf_put_char(&line, '\n');
    if (!log_keep(level, buf_str(&line)))
        log_emit(buf_str(&line));
}

bool log_pass_some(struct log_gate *gate, int64_t interval_ms, uint32_t times)
{
    int64_t now = plat_now_ms();
    if (now < gate->next_ms && gate->passed >= times) {
        gate->dropped++;
        return false;
    }
    if (gate->dropped > 0)
        log_line(LOG_INFO, "log", "lines like the next one that were left out: %u",
                 (unsigned)gate->dropped);
    if (now >= gate->next_ms)
        *gate = (struct log_gate){.next_ms = now + interval_ms};
    gate->passed++;
    return true;
}

bool log_pass(struct log_gate *gate, int64_t interval_ms)
{
    return log_pass_some(gate, interval_ms, 1);
}

const char *log_error(int error)
{
    static const char *const words[] = {
        [0] = "no error",
        [P2P_EINVAL] = "not valid",
        [P2P_EFULL] = "out of room",
        [P2P_ETOOBIG] = "too large",
        [P2P_EAGAIN] = "not ready yet",
        [P2P_ECLOSED] = "the other side closed the connection",
        [P2P_EREFUSED] = "connection refused: nobody listens there",
        [P2P_EUNREACH] = "no way to that address",
        [P2P_ETIMEOUT] = "no answer in time",
        [P2P_EPROTO] = "the other side broke the protocol",
        [P2P_ENOTFOUND] = "not found",
        [P2P_EEXIST] = "there is something already",
        [P2P_EDENIED] = "permission denied",
        [P2P_EINUSE] = "in use by another",
        [P2P_ENOSPC] = "the disk is full",
        [P2P_EREADONLY] = "the file system is read-only",
        [P2P_EIO] = "input or output failed",
        [P2P_ECHANGED] = "the file has changed",
        [P2P_EVERIFY] = "the bytes do not have the promised hash",
        [P2P_ENOTSUP] = "not possible on this system",
        [P2P_EMFILE] = "out of file descriptors",
        [P2P_EGAP] = "a sequence number is missing",
        [P2P_EBUSY] = "busy",
    };
    unsigned index = error < 0 ? 0 - (unsigned)error : (unsigned)error;
    const char *text = index < sizeof(words) / sizeof(words[0]) ? words[index] : NULL;
    return text ? text : "unknown error";
}
