/* SPDX-License-Identifier: MIT */
/* Typed lines: words, quotes and comments; and what a prompt makes of a line with a table of its
 * own commands. */
#include "ui/shell.h"

#include "base/text.h"
#include "ui/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { WORDS_MAX = 6 };

static void test_words(void **state)
{
    static const struct {
        const char *name, *line;
        const char *expected; /* words with a bar behind each; NULL: a fault */
    } rows[] = {
        {"nothing", "", ""},
        {"blanks", " \t \r", ""},
        {"one", "list", "list|"},
        {"blanks around", "  get \t a  ", "get|a|"},
        {"a carriage return", "list\r", "list|"},
        {"single quotes", "get 'a b'", "get|a b|"},
        {"nothing is special in them", "get 'a\\\"$#b'", "get|a\\\"$#b|"},
        {"double quotes", "get \"a b\"", "get|a b|"},
        {"backslash in them", "get \"a\\\"b\\\\c\\$d\\e\"", "get|a\"b\\c$d\\e|"},
        {"backslash outside", "get a\\ b\\'c\\\\", "get|a b'c\\|"},
        {"quotes within a word", "get a'b c'd\"e f\"g", "get|ab cde fg|"},
        {"empty words", "get '' \"\"", "get|||"},
        {"an empty word at the end", "''", "|"},
        {"a comment", "list # all of it", "list|"},
        {"only a comment", "# list", ""},
        {"no comment within a word", "get a#b", "get|a#b|"},
        {"a quoted #", "get '#a' \\#b", "get|#a|#b|"},
        {"globs stay", "get *.txt [a-c]? ~", "get|*.txt|[a-c]?|~|"},
        {"UTF-8", "get \303\244\302\240b", "get|\303\244\302\240b|"},
        {"as many as fit", "1 2 3 4 5 6", "1|2|3|4|5|6|"},
        {"and a blank more", "1 2 3 4 5 6 ", "1|2|3|4|5|6|"},
        {"one too many", "1 2 3 4 5 6 7", NULL},
        {"an open single quote", "get 'a", NULL},
        {"an open double quote", "get \"a", NULL},
        {"an escaped end", "get \"a\\\"", NULL},
        {"a backslash at the end", "get a\\", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char line[128], *words[WORDS_MAX];
        char shown[256] = "";
        struct buf buf = buf_on(shown, sizeof shown - 1);
        const char *fault = NULL;

        assert_int_equal(text_copy(text_from(rows[i].line), line, sizeof line), 0);
        int count = words_split(line, words, WORDS_MAX, &fault);
        for (int w = 0; w < count; w++) {
            buf_put_text(&buf, words[w]);
            buf_put_char(&buf, '|');
        }
        shown[buf.len] = 0;
        bool good = rows[i].expected != NULL ? count >= 0 && strcmp(shown, rows[i].expected) == 0
                                             : count == -P2P_EINVAL && fault != NULL;
        if (!good) {
            fail_msg("%s: %d: %s", rows[i].name, count, shown);
        }
    }
}

/* Every line of some signs: words lie in the line, each ended within it. */
static void test_any_line(void **state)
{
    static const char signs[] = "a '\"\\#";
    uint32_t seed = 7;

    (void)state;
    for (int i = 0; i < 50000; i++) {
        char line[24], *words[8];
        const char *fault = NULL;
        size_t len = (size_t)i % (sizeof line - 1);

        for (size_t c = 0; c < len; c++) {
            seed = seed * 1664525 + 1013904223;
            line[c] = signs[(seed >> 16) % (sizeof signs - 1)];
        }
        line[len] = 0;
        int count = words_split(line, words, 8, &fault);
        assert_true(count >= 0 || fault != NULL);
        for (int w = 0; w < count; w++) {
            assert_true(words[w] >= line && words[w] + strlen(words[w]) <= line + len);
        }
    }
}

/* ---- lines to commands ---- */

static char told[1024];

/* Notes how it was called. */
static int tell_run(struct command_line *line)
{
    struct buf buf = buf_on(told, sizeof told - 1);

    buf_put_text(&buf, line->command->name);
    for (int i = 0; i < line->count; i++) {
        buf_put_char(&buf, ' ');
        buf_put_text(&buf, line->words[i]);
    }
    buf_put_text(&buf, line->json ? " json" : "");
    buf_put_text(&buf, line->force ? " force" : "");
    buf_put_text(&buf, " index=");
    buf_put(&buf, config_text(&line->settings, "node.index"));
    told[buf.len] = 0;
    return line->count;
}

static const struct command table[] = {
    {"index", tell_run, "", 0, 0, "an index", "Runs.\n", NULL},
    {"peer", tell_run, "", 0, 0, "a peer", "Runs.\n", NULL},
    {"tell", tell_run, "WORD...", 0, -1, "tells", "Tells.\n", NULL},
    {"one", tell_run, "WORD", 1, 1, "one", "Tells.\n", NULL},
    {"shell", tell_run, "", 0, 0, "a shell", "Runs.\n", NULL},
    {NULL, NULL, NULL, 0, 0, NULL, NULL, NULL},
};

static struct command_line base;
static struct shell shell;

static int set_up(void **state)
{
    char err[256];

    (void)state;
    memset(&base, 0, sizeof base);
    base.commands = table;
    base.json = true;
    config_init(&base.settings);
    assert_int_equal(config_set(&base.settings, "node.index", STR("10.0.0.5"), err, sizeof err), 0);
    shell_init(&shell, &base);
    return 0;
}

static int run(const char *text)
{
    static char line[256];

    told[0] = 0;
    assert_int_equal(text_copy(text_from(text), line, sizeof line), 0);
    shell_run_line(&shell, line);
    return shell.prompt.status;
}

static void test_lines(void **state)
{
    static const struct {
        const char *line, *told;
        int status;
    } rows[] = {
        {"tell", "tell json index=10.0.0.5", 0},
        {"tell a 'b c'", "tell a b c json index=10.0.0.5", 2},
        {"p2p tell a", "tell a json index=10.0.0.5", 1},
        {"", "", 1},
        {"   # nothing", "", 1},
        {"p2p", "", 1},
        {"tell --force -i 10.0.0.6", "tell json force index=10.0.0.6", 0},
        {"tell", "tell json index=10.0.0.5", 0},
        {"tell --node.index 10.0.0.7 x", "tell x json index=10.0.0.7", 1},
        {"tell -- -i x", "tell -i x json index=10.0.0.5", 2},
        {"one", "", P2P_EXIT_USAGE},
        {"one a b", "", P2P_EXIT_USAGE},
        {"one a", "one a json index=10.0.0.5", 1},
        {"tlel", "", P2P_EXIT_USAGE},
        {"tell --no-such", "", P2P_EXIT_USAGE},
        {"tell 'a", "", P2P_EXIT_USAGE},
        {"index", "", P2P_EXIT_USAGE},
        {"p2p peer", "", P2P_EXIT_USAGE},
        {"shell", "", P2P_EXIT_USAGE},
        {"tell --help", "", P2P_EXIT_OK},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int status = run(rows[i].line);
        if (status != rows[i].status || strcmp(told, rows[i].told) != 0) {
            fail_msg("%s: %d, %s", rows[i].line, status, told);
        }
        assert_false(atomic_load(&shell.prompt.leave));
    }
}

static void test_exit_keeps_the_status(void **state)
{
    (void)state;
    assert_int_equal(run("tell a b c"), 3);
    assert_int_equal(run("exit now"), P2P_EXIT_USAGE);
    assert_false(atomic_load(&shell.prompt.leave));
    assert_int_equal(run("tell a b c"), 3);
    assert_int_equal(run("exit"), 3);
    assert_true(atomic_load(&shell.prompt.leave));
}

static void test_table(void **state)
{
    static const char *const expected[] = {"tell", "one", "wait", "exit"};

    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_string_equal(shell.commands[i].name, expected[i]);
    }
    assert_null(shell.commands[sizeof expected / sizeof expected[0]].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_any_line),
        cmocka_unit_test_setup(test_lines, set_up),
        cmocka_unit_test_setup(test_exit_keeps_the_status, set_up),
        cmocka_unit_test_setup(test_table, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
