/* SPDX-License-Identifier: MIT */
/* A terminal with a line that is being typed, and with lines of the log that come in between: they
 * go above it. Thread of the prompt; the log's lines come from any. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include "base/log.h"
#include "platform/plat.h"
#include "ui/edit.h"

#include <stdatomic.h>

enum { TERMINAL_ROW_MAX = 4096 }; /* bytes that show a row */

struct terminal {
    struct edit edit; /* edit.line is the line that was read */
    struct str prompt;
    struct log_sink sink;
    int out; /* does not block */
    bool entered;
    char keys[1024]; /* that came and were not looked at yet */
    size_t keys_at, keys_end;
    atomic_bool torn;       /* some bytes of the row were not taken */
    struct plat_mutex lock; /* of what follows, and of writing */
    bool shown;             /* the row is on the terminal */
    char row[TERMINAL_ROW_MAX];
    size_t row_len;
};

/* Standard input and output are the terminal. It stays where it is, and has the log from now on. */
void terminal_open(struct terminal *terminal, struct str prompt);
/* Takes the line off the terminal, which is as it was found then. */
void terminal_close(struct terminal *terminal);

/* Makes the terminal what it was found to be, for a command; the next line that is read has it
 * back.
 */
void terminal_lend(struct terminal *terminal);

enum terminal_result { TERMINAL_LINE, TERMINAL_LEAVE, TERMINAL_WOKEN };
/* Reads on until a line is whole, the person wants to leave (or the terminal is gone), or wake_fd
 * is readable; what was typed so far stays then. In the background it waits. */
enum terminal_result terminal_read(struct terminal *terminal, int wake_fd);

/* True when a prompt makes sense: both are terminals, and this process is in the foreground. */
bool terminal_is_there(void);

#endif
