/* SPDX-License-Identifier: MIT */
/* What results look like on terminals of some widths, and in a pipe: stdout is one while they are
 * printed. */
#include "ui/print.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DIGITS "abababababababababababababababababababababababababababababababab"

enum { IN_A_PIPE = 0 };

static char shown[4096];

static void open_ends(int columns, int *out_read, int *out_write)
{
    struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)columns};
    int ends[2];

    if (columns == IN_A_PIPE) {
        assert_int_equal(pipe(ends), 0);
    } else {
        ends[0] = posix_openpt(O_RDWR | O_NOCTTY);
        assert_true(ends[0] >= 0 && grantpt(ends[0]) == 0 && unlockpt(ends[0]) == 0);
        ends[1] = open(ptsname(ends[0]), O_RDWR | O_NOCTTY);
        assert_true(ends[1] >= 0);
        assert_int_equal(ioctl(ends[1], TIOCSWINSZ, &size), 0);
    }
    *out_read = ends[0];
    *out_write = ends[1];
}

/* What comes out there, without the carriage returns of a terminal. */
static const char *shown_by(int columns, void (*print)(enum print_style))
{
    int from, to, kept = dup(STDOUT_FILENO);
    size_t used = 0;
    char byte;

    fflush(stdout);
    open_ends(columns, &from, &to);
    assert_true(dup2(to, STDOUT_FILENO) >= 0);
    print(print_style(false));
    fputs("\f", stdout);
    fflush(stdout);
    assert_true(dup2(kept, STDOUT_FILENO) >= 0);
    while (read(from, &byte, 1) == 1 && byte != '\f') {
        shown[used] = byte;
        used += byte != '\r';
        assert_true(used < sizeof shown);
    }
    shown[used] = 0;
    close(kept);
    close(from);
    close(to);
    return shown;
}

static void print_one_fetched(enum print_style style)
{
    struct record_content content;

    (void)style;
    memset(content.bytes, 0xab, sizeof content.bytes);
    print_fetched(&content, "film.bin");
}

static void test_fetched(void **state)
{
    static const struct {
        int columns;
        const char *expected;
    } rows[] = {
        {20, "abababababab  film.bin\n"},   {40, "abababababab  film.bin\n"},
        {59, "abababababab  film.bin\n"},   {60, DIGITS "  film.bin\n"},
        {61, DIGITS "  film.bin\n"},        {80, DIGITS "  film.bin\n"},
        {IN_A_PIPE, DIGITS "  film.bin\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_string_equal(shown_by(rows[i].columns, print_one_fetched), rows[i].expected);
    }
}

static void print_a_table(enum print_style style)
{
    struct merge_entry entry = {.hashed = true, .size = 70000, .holders = 2, .path = STR("a.bin")};
    struct record_result result = {.name = STR("kitchen"), .address_count = 0};

    memset(entry.content.bytes, 0xab, sizeof entry.content.bytes);
    result.offer = (struct record_offer){.path = STR("a.bin"), .have = 50};
    print_files_head(style);
    print_file(style, &entry);
    print_holders_head(style);
    print_holder(style, &result);
}

static void test_tables(void **state)
{
    static const struct {
        int columns;
        const char *expected;
    } rows[] = {
        {40, "     SIZE  NAME\n"
             " 68.4 KiB  a.bin\n"
             "NODE           HAS  NAME\n"
             "kitchen        50%  a.bin\n"},
        {80, "SHA-256            SIZE  HOLDERS  NAME\n"
             "abababababab   68.4 KiB        2  a.bin\n"
             "NODE              ADDRESS                  HAS  KIND   NAME\n"
             "kitchen           -                        50%  owned  a.bin\n"},
        {IN_A_PIPE, DIGITS "\t70000\t2\ta.bin\n"
                           "kitchen\t-\t50\towned\ta.bin\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_string_equal(shown_by(rows[i].columns, print_a_table), rows[i].expected);
    }
}

static void print_rows(enum print_style style)
{
    (void)style;
    print_row("left", 8, "some words that go on and on until they need another line");
    print_row("a left side that is long", 8, "and its text");
    print_row("", 0, "two  blanks stay\n  as do those of a line,");
    print_row("id", 17, "0123456789abcdef0123456789abcdef");
    print_row("id", 17, "0123456789abcdef0123456789abcdef0123456789abcdef");
}

static void test_rows(void **state)
{
    (void)state;
    assert_string_equal(shown_by(40, print_rows), "left    some words that go on and on\n"
                                                  "        until they need another line\n"
                                                  "a left side that is long\n"
                                                  "        and its text\n"
                                                  "two  blanks stay\n"
                                                  "  as do those of a line,\n"
                                                  "id      0123456789abcdef0123456789abcdef\n"
                                                  "id "
                                                  "0123456789abcdef0123456789abcdef0123456789abcdef"
                                                  "\n");
    assert_string_equal(shown_by(80, print_rows),
                        "left    some words that go on and on until they need another line\n"
                        "a left side that is long\n"
                        "        and its text\n"
                        "two  blanks stay\n"
                        "  as do those of a line,\n"
                        "id               0123456789abcdef0123456789abcdef\n"
                        "id               0123456789abcdef0123456789abcdef0123456789abcdef\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fetched),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
