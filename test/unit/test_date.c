/* SPDX-License-Identifier: MIT */
/* Dates, read and written, against tables and against the calendar of libc. */
#include "base/date.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void test_put(void **state)
{
    static const struct {
        int64_t unix_s;
        const char *expected;
    } rows[] = {
        {0, "1970-01-01 00:00:00"},
        {951782399, "2000-02-28 23:59:59"},
        {951782400, "2000-02-29 00:00:00"},
        {951868800, "2000-03-01 00:00:00"},
        {1769860800, "2026-01-31 12:00:00"},
        {1798761599, "2026-12-31 23:59:59"},
        {1798761600, "2027-01-01 00:00:00"},
        {4107542400, "2100-03-01 00:00:00"},
        {253402300799, "9999-12-31 23:59:59"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char memory[32];
        struct buf buf = buf_on(memory, sizeof(memory));
        date_put(&buf, rows[i].unix_s);
        if (!text_is(buf_str(&buf), rows[i].expected))
            fail_msg("%s: %.*s", rows[i].expected, (int)buf.len, buf.ptr);
    }
}

static void test_read(void **state)
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
        bool good = date_read_http(rows[i].text, &found);
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
        assert_true(date_read_http(text, &found));
        assert_int_equal(found, then);
        char memory[40];
        struct buf buf = buf_on(memory, sizeof memory);
        date_put_http(&buf, then);
        assert_true(text_is(buf_str(&buf), text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_all_days),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
