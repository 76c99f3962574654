/* SPDX-License-Identifier: MIT */
/* The command line: one table of commands (in p2p.c), one of options (in options.c); both write the
 * help. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "base/config.h"

enum {
    OPTIONS_WORDS_MAX = 4096
}; /* operands of one command; the kernel's own limit is far higher */

struct command_line;
struct session_prompt;

struct command {
    const char *name;
    int (*run)(struct command_line *line); /* an exit status */
    const char *operands;                  /* as shown: "TEXT", "[DIR]", "" */
    int min, max;                          /* how many; max -1: any number */
    const char *summary;                   /* half a line */
    const char *text;                      /* what a user has to know; a newline ends a paragraph */
    const char *example;                   /* a line that works */
};

struct command_line {
    struct config settings;         /* file, then options */
    const struct command *commands; /* the whole table */
    const struct command *command;
    const char **words; /* operands */
    int count;
    const char *config_path, *output;
    bool json, quiet, verbose, force, stream, no_prompt;
    int argc; /* as given, so that a reload can put the options on top of a new file */
    char **argv;
    /* Of a line that was typed at a prompt; else NULL. */
    const struct command_line *base; /* the one that the prompt began with: its settings hold */
    struct session_prompt *prompt;
};

/* Parses line->argv with the table (line->commands, ended by a NULL name). line->words has room for
 * OPTIONS_WORDS_MAX. 0: run line->command; 1: a help was asked for (line->command is what it is
 * about, NULL: all); -P2P_EINVAL: err has one line that names the cure. */
int options_parse(struct command_line *line, char *err, size_t err_size);
/* Reads the settings again from the file, with the options of line on top. */
int options_reload(const struct command_line *line, struct config *out, char *err, size_t err_size);

/* The command of that name in a table like line->commands; NULL: err has one line that names the
 * nearest one. */
const struct command *options_find(const struct command *commands, const char *word, char *err,
                                   size_t err_size);

/* Writes the help of one command, or of all (command NULL), to stdout. */
void options_help(const struct command *commands, const struct command *command);

#endif
