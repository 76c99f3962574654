/* SPDX-License-Identifier: MIT */
/* Lines cut from a stream: every table row is fed whole and split at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/lines.h"

/* Collects lines as "a|b|c|", "!" for an error and "+" before a last one without newline. */
struct collected {
    char text[256];
    size_t len;
};

static void collect(struct collected *out, const char *ptr, size_t len)
{
    assert_true(out->len + len < sizeof out->text);
    if (len > 0)
        memcpy(out->text + out->len, ptr, len);
    out->len += len;
    out->text[out->len] = 0;
}

static void feed(struct lines *lines, struct str rest, struct collected *out)
{
    struct str line;
    int result;
    while ((result = lines_next(lines, &rest, &line)) == 1) {
        collect(out, line.ptr, line.len);
        collect(out, "|", 1);
    }
    if (result < 0)
        collect(out, "!", 1);
    else
        assert_int_equal(rest.len, 0);
}

static void finish(struct lines *lines, struct collected *out)
{
    struct str line;
    if (lines_last(lines, &line) == 1) {
        collect(out, "+", 1);
        collect(out, line.ptr, line.len);
        collect(out, "|", 1);
    }
    assert_int_equal(lines_last(lines, &line), 0);
}

static void test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *name, *input, *expected;
    } rows[] = {
        {"nothing", "", ""},
        {"one", "abc\n", "abc|"},
        {"CRLF", "abc\r\n", "abc|"},
        {"CR inside stays", "a\rb\n", "a\rb|"},
        {"two CR", "a\r\r\n", "a\r|"},
        {"empty lines", "\n\r\n\n", "|||"},
        {"several", "a\nbb\nccc\n", "a|bb|ccc|"},
        {"no newline at the end", "a\nbb", "a|+bb|"},
        {"CR at the end", "a\nbb\r", "a|+bb|"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t len = strlen(rows[i].input);
        for (size_t cut = 0; cut <= len; cut++) {
            struct lines lines;
            struct collected out = {.len = 0};
            lines_init(&lines);
            feed(&lines, (struct str){rows[i].input, cut}, &out);
            feed(&lines, (struct str){rows[i].input + cut, len - cut}, &out);
            finish(&lines, &out);
            if (strcmp(out.text, rows[i].expected) != 0)
                fail_msg("%s, cut at %zu: \"%s\"", rows[i].name, cut, out.text);
        }
    }
}

/* A line of len bytes in two parts, then "\r\n": its length, or the error. */
static int longest(size_t len, size_t cut, const char *end)
{
    static char bytes[P2P_LINE_MAX + 16];
    struct lines lines;
    struct str line, first = {bytes, cut}, second;
    memset(bytes, 'x', len);
    memcpy(bytes + len, end, strlen(end));
    second = (struct str){bytes + cut, len + strlen(end) - cut};
    lines_init(&lines);
    int result = lines_next(&lines, &first, &line);
    if (result == 0)
        result = lines_next(&lines, &second, &line);
    return result < 0 ? result : result == 0 ? 0 : (int)line.len;
}

static void test_limit(void **state)
{
    (void)state;
    static const size_t cuts[] = {0, 1, 2000, P2P_LINE_MAX - 1};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        for (int crlf = 0; crlf < 2; crlf++) {
            const char *end = crlf ? "\r\n" : "\n";
            assert_int_equal(longest(P2P_LINE_MAX - 1, cuts[i], end), P2P_LINE_MAX - 1);
            assert_int_equal(longest(P2P_LINE_MAX, cuts[i], end), P2P_LINE_MAX);
            assert_int_equal(longest(P2P_LINE_MAX + 1, cuts[i], end), -P2P_ETOOBIG);
        }
    }
    /* also when the newline never comes, and when the "\r" is cut off */
    assert_int_equal(longest(P2P_LINE_MAX, P2P_LINE_MAX, ""), 0);
    assert_int_equal(longest(P2P_LINE_MAX + 1, P2P_LINE_MAX, ""), -P2P_ETOOBIG);
    assert_int_equal(longest(P2P_LINE_MAX, P2P_LINE_MAX + 1, "\r\n"), P2P_LINE_MAX);
}

static void test_whole_lines_are_not_copied(void **state)
{
    (void)state;
    struct lines lines;
    const char *text = "abc\ndef\n";
    struct str rest = {text, 8}, line;
    lines_init(&lines);
    assert_int_equal(lines_next(&lines, &rest, &line), 1);
    assert_ptr_equal(line.ptr, text);
    assert_int_equal(lines_next(&lines, &rest, &line), 1);
    assert_ptr_equal(line.ptr, text + 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_whole_lines_are_not_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
