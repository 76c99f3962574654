/* SPDX-License-Identifier: MIT */
/* A terminal that a line is typed into: its raw mode, which is undone however the process ends, and
 * waiting for keys. One terminal a process. Writing is plat_console.h's. The thread that reads the
 * keys. */
#ifndef PLAT_TERMINAL_H
#define PLAT_TERMINAL_H

/* Keys come byte by byte as they are typed, without echo, Ctrl-C and Ctrl-\ among them; output
 * stays as it was. What was typed before is kept. At exit, at a fatal signal and while the process
 * is stopped (Ctrl-Z) the terminal is as it was found; it is raw again when the process goes on in
 * the foreground, and SIGWINCH tells so. -P2P_EAGAIN in the background, where nothing is changed;
 * -P2P_EIO when fd is no terminal (any more). */
int plat_terminal_raw(int fd);
/* Puts back what plat_terminal_raw found. Does nothing when the terminal is not raw. */
void plat_terminal_restore(void);

/* Waits until one of two descriptors (of any kind; -1: none) is readable or at its end, at most
 * timeout_ms (-1: for ever). A sum of these; 0 at the timeout or a signal. */
enum { PLAT_FIRST = 1, PLAT_SECOND = 2 };
int plat_terminal_wait(int first, int second, int timeout_ms);

#endif
