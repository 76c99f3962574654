/* SPDX-License-Identifier: MIT */
/* What doctor reads and writes by itself: dates of answers, and the lines of its findings. */
#include "base/text.h"
#include "ui/date.h"
#include "ui/finding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void test_dates(void **state)
{
    static const struct {
        const char *text;
        int64_t expected; /* -1: none */
    } rows[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Wed, 31 Dec 1969 23:59:59 GMT", -1},
        {"Tue, 29 Feb 2000 12:00:00 GMT", 951825600},
        {"Wed, 01 Mar 2000 00:00:00 GMT", 951868800},
        {"Thu, 29 Feb 2024 23:59:59 GMT", 1709251199},
        {"Fri, 31 Dec 2100 23:59:60 GMT", 4133980800},
        {"Sat, 21 Nov 2026 01:29:47 GMT", 1795224587},
        {"", -1},
        {"Sunday, 06-Nov-94 08:49:37 GMT", -1},
        {"Sun Nov  6 08:49:37 1994", -1},
        {"Sun, 06 Nov 1994 08:49:37 CET", -1},
        {"Sun, 06 ovD 1994 08:49:37 GMT", -1},
        {"Sun, 06 nov 1994 08:49:37 GMT", -1},
        {"Sun, 00 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 32 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 06 Nov 1994 24:49:37 GMT", -1},
        {"Sun, 06 Nov 1994 08:60:37 GMT", -1},
        {"Sun, 06 Nov 1994 08:49:61 GMT", -1},
        {"Sun, 06 Nov 1994 08:49:37 GMTx", -1},
        {"Sun, xx Nov 1994 08:49:37 GMT", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t found = -1;
        bool good = date_read(rows[i].text, &found);
        if (good != (rows[i].expected >= 0) || found != rows[i].expected) {
            fail_msg("%s: %lld", rows[i].text, (long long)found);
        }
    }
}

/* Every day of some decades, against the calendar of libc. */
static void test_all_days(void **state)
{
    (void)state;
    for (int64_t day = 0; day < 40000; day++) {
        time_t then = (time_t)(day * 86400 + day % 86400);
        int64_t found = -1;
        char text[40];

        strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&then));
        assert_true(date_read(text, &found));
        assert_int_equal(found, then);
    }
}

static void test_lines(void **state)
{
    static const struct {
        struct finding finding;
        const char *figure, *line, *json;
    } rows[] = {
        {{FINDING_OK, "clock", NULL},
         "right",
         "ok    clock: right",
         "{\"check\":\"clock\",\"level\":\"ok\",\"figure\":\"right\",\"cure\":null}"},
        {{FINDING_INFO, "secret", NULL},
         "none",
         "info  secret: none",
         "{\"check\":\"secret\",\"level\":\"info\",\"figure\":\"none\",\"cure\":null}"},
        {{FINDING_WARN, "watching", "raise it"},
         "few",
         "warn  watching: few \xe2\x80\x94 raise it",
         "{\"check\":\"watching\",\"level\":\"warn\",\"figure\":\"few\",\"cure\":\"raise it\"}"},
        {{FINDING_FAIL, "index", "say \"-i\""},
         "a\033[31m\"b",
         "FAIL  index: a\\x1b[31m\"b \xe2\x80\x94 say \"-i\"",
         "{\"check\":\"index\",\"level\":\"fail\",\"figure\":\"a\\u001b[31m\\\"b\","
         "\"cure\":\"say \\\"-i\\\"\"}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int json = 0; json < 2; json++) {
            char text[512];
            struct buf buf = buf_on(text, sizeof text - 1);
            const char *expected = json ? rows[i].json : rows[i].line;

            finding_put(&buf, &rows[i].finding, text_from(rows[i].figure), json != 0);
            text[buf.len] = 0;
            if (strcmp(text, expected) != 0) {
                fail_msg("%s instead of %s", text, expected);
            }
        }
    }
}

static void test_only_a_fail_is_wrong(void **state)
{
    static const struct finding findings[] = {
        {FINDING_OK, "a", NULL}, {FINDING_INFO, "b", NULL}, {FINDING_WARN, "c", NULL}};
    struct findings found = {0};

    (void)state;
    for (size_t i = 0; i < sizeof findings / sizeof findings[0]; i++) {
        finding_say(&found, findings[i], "%d", 1);
        assert_false(found.failed);
    }
    finding_say(&found, (struct finding){FINDING_FAIL, "d", NULL}, "%d", 1);
    assert_true(found.failed);
    finding_say(&found, findings[0], "%d", 1);
    assert_true(found.failed);
    assert_int_equal(found.count, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_all_days),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_only_a_fail_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
