/* SPDX-License-Identifier: MIT */
/* Commands that are typed one after the other: `p2p shell`, and what the prompt beside a role runs.
 * Each command opens and closes all it needs; from one to the next only the last exit status and
 * the history are kept. One thread. */
#ifndef SHELL_H
#define SHELL_H

#include "ui/session.h"
#include "ui/terminal.h"

enum {
    SHELL_COMMANDS_MAX = 32,
    SHELL_WORDS_MAX = EDIT_LINE_MAX / 2 + 2 /* of a line, and the program's name before them */
};

struct shell {
    const struct command_line *base;
    struct session_prompt prompt;
    struct command commands[SHELL_COMMANDS_MAX + 1];
    struct command_line line; /* the one that runs */
    const char *words[OPTIONS_WORDS_MAX];
    char *argv[SHELL_WORDS_MAX];
    struct terminal terminal;
};

/* Commands are those of base's table that make sense here, and wait and exit. base stays. */
void shell_init(struct shell *shell, const struct command_line *base);
/* Runs one line, which is taken apart in place. Its exit status is in shell->prompt.status; an
 * empty line changes nothing. */
void shell_run_line(struct shell *shell, char *line);
/* Reads from the terminal until prompt.leave is set, by a command or by woken(ctx), which is called
 * when wake_fd is readable. */
void shell_talk(struct shell *shell, int wake_fd, void (*woken)(void *ctx), void *ctx);

/* The command. */
int shell_run(struct command_line *line);

#endif
