/* SPDX-License-Identifier: MIT */
/* What the program asks of the OS beside files (plat_file.h), sockets (plat_net.h), folder watches
 * (plat_watch.h) and SHA-256 instructions (plat_sha256.h): clock, random, memory, threads, signals.
 * Errors are -P2P_E…; plat_reason() then has the system's own words. Nothing here prints. */
#ifndef PLAT_H
#define PLAT_H

#include "p2p.h"

#include <pthread.h>

/* The system's words for the last call of this layer that failed on this thread ("Permission
 * denied"). */
const char *plat_reason(void);
/* The P2P_E… (negative) for the current errno. */
int plat_error(void);

/* Milliseconds and microseconds of a clock that never jumps and goes on in suspend where there is
 * one (CLOCK_BOOTTIME, else CLOCK_MONOTONIC). Decisions use only these. */
int64_t plat_now_ms(void);
int64_t plat_now_us(void);
/* Unix seconds. Informs only. Before 2020 the clock counts as unset. */
int64_t plat_wall_s(void);
/* Microseconds of CPU time this process has used. */
int64_t plat_cpu_us(void);
/* Resident memory in bytes, or -P2P_ENOTSUP. */
int64_t plat_rss(void);

/* Fills out with random bits of the system. 0 or -P2P_EIO. */
int plat_random(void *out, size_t size);

/* Maps size zero bytes that are not resident until touched (no huge pages). NULL when there is no
 * room. */
void *plat_map(size_t size);
void plat_unmap(void *map, size_t size);
/* Bytes of a map (from a page's start) that are about to be written: brings all their pages at
 * once, which costs far less than a fault for each. What they hold stays. Only a hint. */
void plat_map_expect(void *at, size_t size);
/* PLAT_LARGE_PAGE bytes of a map, aligned to as many, that are to be filled soon: one page where
 * the system has such. Only a hint. */
enum { PLAT_LARGE_PAGE = 2 << 20 };
void plat_map_large(void *at);

/* Online processors, at least 1. */
int plat_cpus(void);

/* A thread with a stack of stack_size bytes; run(ctx) on it. 0 or -P2P_EFULL. Signals stay with the
 * first thread. *thread must stay where it is until it was joined. */
struct plat_thread {
    pthread_t id;
    void (*run)(void *);
    void *ctx;
};
int plat_thread_start(struct plat_thread *thread, size_t stack_size, void (*run)(void *),
                      void *ctx);
void plat_thread_join(struct plat_thread *thread);

struct plat_mutex {
    pthread_mutex_t mutex;
};
/* For one that is there from the start. */
#define PLAT_MUTEX_INIT                                                                            \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER                                                                  \
    }
void plat_mutex_init(struct plat_mutex *mutex);
void plat_mutex_lock(struct plat_mutex *mutex);
void plat_mutex_unlock(struct plat_mutex *mutex);

/* A wake-up: wake() from any thread or signal handler makes read_fd readable; drain() empties it.
 */
struct plat_wake {
    int read_fd, write_fd;
};
int plat_wake_open(struct plat_wake *wake);
void plat_wake(struct plat_wake *wake);
void plat_wake_drain(struct plat_wake *wake);
void plat_wake_close(struct plat_wake *wake);

/* Signals as bytes: after this, SIGINT, SIGTERM, SIGHUP and SIGWINCH make *out_fd readable and
 * plat_signal_next returns them one by one (0: none left). SIGPIPE and SIGXFSZ are ignored. Calls
 * after the first give the same descriptor, and take the signals again after plat_signals_reset. */
enum plat_signal {
    PLAT_SIGNAL_NONE,
    PLAT_SIGNAL_INT,
    PLAT_SIGNAL_TERM,
    PLAT_SIGNAL_HUP,
    PLAT_SIGNAL_WINCH
};
int plat_signals_open(int *out_fd);
enum plat_signal plat_signal_next(void);
/* Ends the process with that exit status in so many seconds (0: it goes on after all), whatever its
 * threads do: one may stand still in a write to a pipe that nobody reads. No buffer is written. A
 * signal that is caught does this by itself until plat_signal_next returns it. */
void plat_end_within(int seconds, int status);
/* Puts the default actions back, so that a second Ctrl-C ends a process that hangs while it cleans
 * up. */
void plat_signals_reset(void);

/* What names this board: its serial number, else its permanent MAC addresses (virtual ones never;
 * sorted, a space between), as text. Some serial numbers only root can read, so ask before rights
 * are dropped. Empty where there is neither. Returns the length, always < size. */
size_t plat_board(char *out, size_t size);
/* The host's name, cut to size - 1. Returns the length; 0 when there is none. */
size_t plat_host_name(char *out, size_t size);

int plat_pid(void);
/* True when a process with this pid exists. */
bool plat_pid_alive(int pid);
/* True when fd is a terminal; its width in columns (80 when unknown). */
bool plat_is_terminal(int fd);
int plat_terminal_width(int fd);
/* True when this process is in the foreground of the terminal of fd. */
bool plat_is_foreground(int fd);
/* Effective user is root. */
bool plat_is_root(void);

#endif
