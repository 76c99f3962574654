/* SPDX-License-Identifier: MIT */
/* One line per event: "2026-01-31 12:00:00 info  index: node kitchen joined with 12 offers", in
 * UTC. Roles log to stdout, commands to stderr. Never blocks: what the pipe or terminal does not
 * take is dropped and counted, and the count is told when it takes again. The line as a whole is
 * made safe for a terminal as buf_put_shown does, so foreign text may be put with %s. Any thread.
 */
#ifndef LOG_H
#define LOG_H

#include "base/buf.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* fd 1 or 2; "+HH:MM:SS" since this call is printed while the clock is unset. Once, before other
 * threads start. */
void log_open(int fd, enum log_level level);
void log_set_level(enum log_level level);
bool log_is_on(enum log_level level);
/* Lines go to the sink from now on, as if it were the terminal: somebody there shares it with a
 * line that is being typed. write is called from any thread and never waits; it returns the bytes
 * that were taken, or an error. NULL: to the log's own descriptor again. The sink stays for ever.
 * Nothing is on its way to the old place any more when this returns. */
struct log_sink {
    int64_t (*write)(void *ctx, struct str line);
    void *ctx;
};
void log_divert(const struct log_sink *sink);
/* The lines of this thread (one at most) wait for log_flush, but for errors, which take along all
 * that waits. A loop flushes before it waits. Off: flushes. */
void log_gather(bool on);
/* Does nothing in other threads. */
void log_flush(void);
/* room is the folder's name ("index", "share"). No newline in format. Cut at 1,000 bytes. */
void log_line(enum log_level level, const char *room, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* True at most so many times each interval_ms for this (static) gate, which belongs to one thread;
 * before that it logs how many times it was false. */
struct log_gate {
    int64_t next_ms;
    uint32_t passed, dropped;
};
bool log_pass_some(struct log_gate *gate, int64_t interval_ms, uint32_t times);
/* Once. */
bool log_pass(struct log_gate *gate, int64_t interval_ms);
/* Lines dropped so far because nobody read them. */
uint64_t log_dropped(void);

/* What a P2P_E… means, in words ("the disk is full"). Accepts either sign. */
const char *log_error(int error);

#endif
