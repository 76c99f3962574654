/* SPDX-License-Identifier: MIT */
/* Lines to commands, and commands to functions of the same table that the command line uses. On a
 * terminal Ctrl-C ends the command that runs; in a pipe it ends the shell, as it would end a
 * script. */
#include "ui/shell.h"

#include "base/hash.h"
#include "platform/plat_file.h"
#include "platform/plat_terminal.h"
#include "run/lines.h"
#include "ui/wait.h"
#include "ui/words.h"

#include <stdio.h>
#include <string.h>

enum { READ_SIZE = 4096 };

static int exit_run(struct command_line *line)
{
    atomic_store(&line->prompt->leave, true);
    return line->prompt->status;
}

static const struct command own[] = {
    {"wait", wait_run, "", 0, 0, "until nothing is being hashed or fetched here",
     "Waits until the node of this machine has hashed its share and fetched what it was told to.\n",
     "wait"},
    {"exit", exit_run, "", 0, 0, "leave", "Leaves the prompt; so does Ctrl-D.\n", NULL},
};
enum { OWN_COUNT = sizeof own / sizeof own[0] };

/* Commands that run until they are ended, or are this one. */
static bool is_elsewhere(const char *name)
{
    static const char *const names[] = {"index", "peer", "both", "shell"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

void shell_init(struct shell *shell, const struct command_line *base)
{
    int count = 0;

    memset(shell, 0, sizeof *shell);
    shell->base = base;
    for (const struct command *c = base->commands; c->name != NULL; c++) {
        if (!is_elsewhere(c->name) && count < SHELL_COMMANDS_MAX - OWN_COUNT) {
            shell->commands[count++] = *c;
        }
    }
    memcpy(&shell->commands[count], own, sizeof own);
}

/* ---- one line ---- */

static void begin_line(struct shell *shell, int argc)
{
    const struct command_line *base = shell->base;

    memset(&shell->line, 0, sizeof shell->line);
    shell->line.commands = shell->commands;
    shell->line.words = shell->words;
    shell->line.argc = argc;
    shell->line.argv = shell->argv;
    shell->line.base = base;
    shell->line.prompt = &shell->prompt;
    shell->line.json = base->json;
    shell->line.quiet = base->quiet;
    shell->line.verbose = base->verbose;
    atomic_store(&shell->prompt.interrupt, false);
}

static int run_words(struct shell *shell, int argc)
{
    char err[1024] = "";

    if (is_elsewhere(shell->argv[1])) {
        session_say("%s does not run within a prompt; start p2p %s by itself", shell->argv[1],
                    shell->argv[1]);
        return P2P_EXIT_USAGE;
    }
    begin_line(shell, argc);
    int parsed = options_parse(&shell->line, err, sizeof err);
    if (parsed < 0) {
        session_say("%s", err);
        return P2P_EXIT_USAGE;
    }
    if (parsed > 0) {
        options_help(shell->commands, shell->line.command);
        return P2P_EXIT_OK;
    }
    return shell->line.command->run(&shell->line);
}

void shell_run_line(struct shell *shell, char *line)
{
    static char name[] = "p2p";
    const char *fault = NULL;
    char **words = shell->argv;
    int count = words_split(line, words + 1, SHELL_WORDS_MAX - 1, &fault);

    if (count < 0) {
        session_say("%s", fault);
        shell->prompt.status = P2P_EXIT_USAGE;
        return;
    }
    words[0] = name;
    if (count > 0 && strcmp(words[1], name) == 0) { /* copied from a manual */
        memmove(words, words + 1, (size_t)count * sizeof words[0]);
        count--;
    }
    if (count > 0) {
        atomic_store(&shell->prompt.busy, true);
        shell->prompt.status = run_words(shell, count + 1);
        atomic_store(&shell->prompt.busy, false);
    }
    if (fflush(stdout) != 0) {
        atomic_store(&shell->prompt.leave, true); /* nobody reads; p2p.c says so */
    }
}

/* ---- on a terminal ---- */

/* An empty line is no reason to give the terminal away: a Ctrl-D that comes then would be lost. */
static void take_typed(struct shell *shell)
{
    char *line = shell->terminal.edit.line;

    if (text_trim(text_from(line)).len > 0) {
        terminal_lend(&shell->terminal);
        shell_run_line(shell, line);
    }
}

void shell_talk(struct shell *shell, int wake_fd, void (*woken)(void *ctx), void *ctx)
{
    terminal_open(&shell->terminal, STR("p2p> "));
    while (!atomic_load(&shell->prompt.leave)) {
        switch (terminal_read(&shell->terminal, wake_fd)) {
        case TERMINAL_LINE:
            take_typed(shell);
            break;
        case TERMINAL_LEAVE:
            atomic_store(&shell->prompt.leave, true);
            break;
        case TERMINAL_WOKEN:
            woken(ctx);
            break;
        }
    }
    terminal_close(&shell->terminal);
}

/* ---- in a pipe ---- */

static void take_signals(void *ctx)
{
    struct shell *shell = ctx;
    enum plat_signal signal;

    while ((signal = plat_signal_next()) != PLAT_SIGNAL_NONE) {
        if (signal != PLAT_SIGNAL_WINCH) {
            shell->prompt.status = session_signal_status(signal);
            atomic_store(&shell->prompt.leave, true);
        }
    }
}

static void take_line(struct shell *shell, struct str line)
{
    char text[P2P_LINE_MAX + 1];

    if (text_copy(line, text, sizeof text) != 0 || strlen(text) != line.len) {
        session_say("a line with a NUL in it is no command");
        shell->prompt.status = P2P_EXIT_USAGE;
        return;
    }
    shell_run_line(shell, text);
    if (atomic_load(&shell->prompt.interrupt)) {
        atomic_store(&shell->prompt.leave, true);
    }
}

/* A line that is none. True: its end is still to come. */
static bool is_too_long(struct shell *shell, struct lines *lines, struct str rest)
{
    session_say("a line is longer than %d bytes", P2P_LINE_MAX);
    shell->prompt.status = P2P_EXIT_USAGE;
    lines_init(lines);
    return rest.ptr == NULL;
}

/* skip: these bytes go on with a line that is too long. True: so do the next ones. */
static bool take_bytes(struct shell *shell, struct lines *lines, struct str bytes, bool skip)
{
    struct str line;
    int found = 1;

    if (skip) {
        ptrdiff_t end = text_find(bytes, '\n');
        if (end < 0) {
            return true;
        }
        bytes = text_from_byte(bytes, (size_t)end + 1);
    }
    while (found != 0 && !atomic_load(&shell->prompt.leave)) {
        found = lines_next(lines, &bytes, &line);
        if (found == 1) {
            take_line(shell, line);
            take_signals(shell); /* what came between two commands ends the shell too */
        } else if (found < 0 && is_too_long(shell, lines, bytes)) {
            return true;
        }
    }
    return false;
}

static void read_lines(struct shell *shell, int signals)
{
    struct lines lines;
    struct str line;
    char bytes[READ_SIZE];
    int64_t got = 1;
    bool skip = false;

    lines_init(&lines);
    while (got > 0 && !atomic_load(&shell->prompt.leave)) {
        int ready = plat_terminal_wait(0, signals, -1);
        if ((ready & PLAT_SECOND) != 0) {
            take_signals(shell);
        } else if ((ready & PLAT_FIRST) != 0) {
            got = plat_read(0, bytes, sizeof bytes);
            skip = take_bytes(shell, &lines, (struct str){bytes, got > 0 ? (size_t)got : 0}, skip);
            got = got == -P2P_EAGAIN ? 1 : got;
        }
    }
    if (got <= 0 && !atomic_load(&shell->prompt.leave) && lines_last(&lines, &line) == 1) {
        take_line(shell, line);
    }
}

int shell_run(struct command_line *line)
{
    static struct shell shell;
    int signals = -1;
    int error = hash_seed();

    log_open(2, line->verbose ? LOG_DEBUG : LOG_WARN);
    if (error == 0) {
        error = plat_signals_open(&signals);
    }
    if (error != 0) {
        session_say("cannot start: %s", log_error(error));
        return P2P_EXIT_FAILED;
    }
    shell_init(&shell, line);
    if (!line->no_prompt && terminal_is_there()) {
        shell_talk(&shell, signals, take_signals, &shell);
    } else {
        read_lines(&shell, signals);
    }
    return shell.prompt.status;
}
