/* SPDX-License-Identifier: MIT */
/* What doctor reads and writes by itself: the lines of its findings. */
#include "base/text.h"
#include "ui/finding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

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
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_only_a_fail_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
