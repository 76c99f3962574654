/* SPDX-License-Identifier: MIT */
/* Parsing of the command line and the help text. An option that is a setting goes the way of every
 * setting (config_set), so that its checks and its words are the same in a file and here. First
 * thread, before any other. */
#include "ui/options.h"

#include "base/text.h"
#include "ui/print.h"

#include <stdio.h>
#include <string.h>

enum action {
    OPTION_SETTING,
    OPTION_CONFIG,
    OPTION_OUTPUT,
    OPTION_FORCE,
    OPTION_STREAM,
    OPTION_JSON,
    OPTION_QUIET,
    OPTION_VERBOSE,
    OPTION_NO_PROMPT,
    OPTION_HELP,
    OPTION_VERSION
};

struct option {
    char letter;
    const char *name;
    enum action action;
    const char *value;   /* as shown; NULL: takes none */
    const char *setting; /* OPTION_SETTING: section.key */
    const char *help;
};

static const struct option options[] = {
    {'c', "config", OPTION_CONFIG, "FILE", NULL, "read the settings from FILE"},
    {'l', "listen", OPTION_SETTING, "[ADDR:]PORT", "node.listen", "where this node listens"},
    {'i', "index", OPTION_SETTING, "HOST[:PORT],...", "node.index", "the indexes to use"},
    {'s', "state", OPTION_SETTING, "DIR", "node.state", "the state folder"},
    {'m', "memory", OPTION_SETTING, "SIZE", "node.memory", "the memory that the program may use"},
    {'o', "output", OPTION_OUTPUT, "PATH", NULL, "where get writes: a file, or a folder"},
    {0, "force", OPTION_FORCE, NULL, NULL, "let get replace a file"},
    {0, "stream", OPTION_STREAM, NULL, NULL, "let get write to stdout as bytes come"},
    {0, "linger", OPTION_SETTING, "TIME", "transfer.linger",
     "let get serve on for so long, or forever"},
    {0, "json", OPTION_JSON, NULL, NULL, "print JSON, one value a line"},
    {'q', "quiet", OPTION_QUIET, NULL, NULL, "print results and errors only"},
    {'v', "verbose", OPTION_VERBOSE, NULL, NULL, "tell more"},
    {0, "no-prompt", OPTION_NO_PROMPT, NULL, NULL, "read no commands on a terminal"},
    {'h', "help", OPTION_HELP, NULL, NULL, "print this help"},
    {'V', "version", OPTION_VERSION, NULL, NULL, "print the version"},
};
enum { OPTION_COUNT = sizeof options / sizeof options[0] };

/* Where the parser stands, and what it does: settings are applied in a second pass, on top of the
 * file. */
struct parser {
    struct command_line *line;
    bool apply, help, only_words;
    char *err;
    size_t err_size;
};

static int fail(const struct parser *parser, const char *format, const char *what)
{
    snprintf(parser->err, parser->err_size, format, what);
    return -P2P_EINVAL;
}

static const struct option *find_letter(char letter)
{
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (options[i].letter == letter && letter != 0) {
            return &options[i];
        }
    }
    return NULL;
}

static const struct option *find_name(struct str name)
{
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (text_is(name, options[i].name)) {
            return &options[i];
        }
    }
    return NULL;
}

/* How far a mistyped word may be from what is meant. */
static size_t far(const char *word)
{
    return strlen(word) < 3 ? strlen(word) : 3;
}

/* Whether name is nearer to the word than all before, which *best says. */
static bool is_nearer(const char *word, const char *name, size_t *best)
{
    size_t distance = text_distance(text_from(word), text_from(name));

    if (distance >= *best) {
        return false;
    }
    *best = distance;
    return true;
}

const struct command *options_find(const struct command *commands, const char *word, char *err,
                                   size_t err_size)
{
    size_t best = far(word);
    const char *near = NULL;

    for (const struct command *c = commands; c->name != NULL; c++) {
        if (strcmp(c->name, word) == 0) {
            return c;
        }
        if (is_nearer(word, c->name, &best)) {
            near = c->name;
        }
    }
    snprintf(err, err_size, "%s: no such command; %s p2p %s%s", word,
             near != NULL ? "did you mean" : "see", near != NULL ? near : "help",
             near != NULL ? "?" : "");
    return NULL;
}

static int take_command(struct parser *parser, const char *word)
{
    struct command_line *line = parser->line;

    if (parser->only_words) {
        return fail(parser, "%s: the command comes before --; see p2p help", word);
    }
    line->command = options_find(line->commands, word, parser->err, parser->err_size);
    return line->command != NULL ? 0 : -P2P_EINVAL;
}

static int take(struct parser *parser, const struct option *option, const char *value)
{
    struct command_line *line = parser->line;

    switch (option->action) {
    case OPTION_SETTING:
        if (!parser->apply) {
            return 0;
        }
        return config_set(&line->settings, option->setting, text_from(value), parser->err,
                          parser->err_size);
    case OPTION_CONFIG:
        line->config_path = value;
        return 0;
    case OPTION_OUTPUT:
        line->output = value;
        return 0;
    case OPTION_FORCE:
        line->force = true;
        return 0;
    case OPTION_STREAM:
        line->stream = true;
        return 0;
    case OPTION_JSON:
        line->json = true;
        return 0;
    case OPTION_QUIET:
        line->quiet = true;
        return 0;
    case OPTION_VERBOSE:
        line->verbose = true;
        return 0;
    case OPTION_NO_PROMPT:
        line->no_prompt = true;
        return 0;
    case OPTION_HELP:
        parser->help = true;
        return 0;
    case OPTION_VERSION:
        return take_command(parser, "version");
    }
    return 0;
}

static int no_option(const struct parser *parser, const char *name, const char *near)
{
    size_t best = near == NULL ? far(name) : 0;

    for (int i = 0; i < OPTION_COUNT; i++) {
        if (is_nearer(name, options[i].name, &best)) {
            near = options[i].name;
        }
    }
    snprintf(parser->err, parser->err_size, "--%s: no such option; %s%s%s", name,
             near != NULL ? "did you mean --" : "see p2p ", near != NULL ? near : "help",
             near != NULL ? "?" : "");
    return -P2P_EINVAL;
}

/* --section.key VALUE; value may be part of the word after "=". */
static int take_setting(struct parser *parser, struct str name, const char *value)
{
    const char *near = NULL;
    char key[128];

    text_copy(text_first(name, sizeof key - 1), key, sizeof key);
    if (config_lookup(name, &near) < 0) {
        return no_option(parser, key, near);
    }
    if (value == NULL) {
        return fail(parser, "--%s: a value is missing", key);
    }
    if (!parser->apply) {
        return 0;
    }
    return config_set(&parser->line->settings, key, text_from(value), parser->err,
                      parser->err_size);
}

static int parse_long(struct parser *parser, int argc, char **argv, int *at)
{
    struct str rest = text_from(argv[*at] + 2);
    struct str name = rest;
    const char *value = NULL;
    ptrdiff_t equals = text_find(rest, '=');

    if (equals >= 0) {
        name = text_first(rest, (size_t)equals);
        value = rest.ptr + equals + 1;
    }
    const struct option *option = find_name(name);
    bool wants = option == NULL || option->value != NULL;
    if (option != NULL && !wants && value != NULL) {
        return fail(parser, "--%s takes no value", option->name);
    }
    if (wants && value == NULL && *at + 1 < argc) {
        value = argv[++*at];
    }
    if (option == NULL) {
        return take_setting(parser, name, value);
    }
    if (wants && value == NULL) {
        return fail(parser, "--%s: a value is missing", option->name);
    }
    return take(parser, option, value);
}

static int parse_short(struct parser *parser, int argc, char **argv, int *at)
{
    for (const char *letter = argv[*at] + 1; *letter != 0; letter++) {
        const struct option *option = find_letter(*letter);
        if (option == NULL) {
            char text[2] = {*letter, 0};
            return fail(parser, "-%s: no such option; see p2p help", text);
        }
        if (option->value == NULL) {
            int error = take(parser, option, NULL);
            if (error != 0) {
                return error;
            }
            continue;
        }
        const char *value = letter[1] != 0 ? letter + 1 : *at + 1 < argc ? argv[++*at] : NULL;
        if (value == NULL) {
            return fail(parser, "--%s: a value is missing", option->name);
        }
        return take(parser, option, value);
    }
    return 0;
}

static int take_word(struct parser *parser, char *word)
{
    struct command_line *line = parser->line;

    if (parser->apply) {
        return 0;
    }
    if (line->command == NULL) {
        return take_command(parser, word);
    }
    if (line->count >= OPTIONS_WORDS_MAX) {
        return fail(parser, "%s: too many words", word);
    }
    line->words[line->count++] = word;
    return 0;
}

static int pass(struct parser *parser, int argc, char **argv)
{
    parser->only_words = false;
    for (int at = 1; at < argc; at++) {
        const char *word = argv[at];
        int error;

        if (parser->only_words || word[0] != '-' || word[1] == 0) {
            error = take_word(parser, argv[at]);
        } else if (strcmp(word, "--") == 0) {
            parser->only_words = true;
            error = 0;
        } else if (word[1] == '-') {
            error = parse_long(parser, argc, argv, &at);
        } else {
            error = parse_short(parser, argc, argv, &at);
        }
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

static int check_count(const struct parser *parser)
{
    const struct command_line *line = parser->line;
    const struct command *command = line->command;

    if (command == NULL) {
        return fail(parser, "%s: a command is missing; see p2p help", "p2p");
    }
    if (line->count < command->min) {
        snprintf(parser->err, parser->err_size, "%s: %s is missing; see p2p help %s", command->name,
                 command->operands, command->name);
        return -P2P_EINVAL;
    }
    if (command->max >= 0 && line->count > command->max) {
        snprintf(parser->err, parser->err_size, "%s: %s is one word too many; see p2p help %s",
                 command->name, line->words[command->max], command->name);
        return -P2P_EINVAL;
    }
    return 0;
}

int options_reload(const struct command_line *line, struct config *out, char *err, size_t err_size)
{
    struct command_line copy = {.commands = line->commands};
    struct parser parser = {.line = &copy, .apply = true, .err = err, .err_size = err_size};

    int error = 0;
    if (line->base != NULL && line->config_path == NULL) {
        copy.settings = line->base->settings;
    } else {
        config_init(&copy.settings);
        error = config_find(&copy.settings, line->config_path, err, err_size);
    }
    if (error == 0) {
        error = pass(&parser, line->argc, line->argv);
    }
    if (error == 0) {
        *out = copy.settings;
    }
    return error;
}

int options_parse(struct command_line *line, char *err, size_t err_size)
{
    struct parser parser = {.line = line, .err = err, .err_size = err_size};

    config_init(&line->settings);
    int error = pass(&parser, line->argc, line->argv);
    if (error != 0) {
        return error;
    }
    if (parser.help || line->argc < 2) {
        return 1;
    }
    error = check_count(&parser);
    if (error == 0) {
        error = options_reload(line, &line->settings, err, err_size);
    }
    return error;
}

static void help_all(const struct command *commands)
{
    char left[64];

    print_row("", 0,
              "p2p " P2P_VERSION ": finds files across a fleet of small machines and moves them\n\n"
              "usage: p2p COMMAND [OPTION...] [WORD...]\n\n");
    for (const struct command *c = commands; c->name != NULL; c++) {
        snprintf(left, sizeof left, "  %s %s", c->name, c->operands);
        print_row(left, 24, c->summary);
    }
    printf("\noptions:\n");
    for (int i = 0; i < OPTION_COUNT; i++) {
        const struct option *o = &options[i];
        snprintf(left, sizeof left, "  %c%c%c --%s %s", o->letter != 0 ? '-' : ' ',
                 o->letter != 0 ? o->letter : ' ', o->letter != 0 ? ',' : ' ', o->name,
                 o->value != NULL ? o->value : "");
        print_row(left, 32, o->help);
    }
    print_row("      --SECTION.KEY VALUE", 32, "any setting of config.ini");
    print_row(
        "", 0,
        "\nexit status: 0 done, 1 failed, 2 wrong usage, 3 no index answered, 4 nothing found, "
        "5 bytes failed verification from every holder, 130 interrupted by Ctrl-C, 143 ended "
        "by SIGTERM, 129 ended by SIGHUP");
}

void options_help(const struct command *commands, const struct command *command)
{
    if (command == NULL) {
        help_all(commands);
        return;
    }
    printf("usage: p2p %s%s%s [OPTION...]\n\n", command->name, command->operands[0] != 0 ? " " : "",
           command->operands);
    print_row("", 0, command->text);
    printf("\nexample: %s\n\noptions: see p2p help\n", command->example);
}
