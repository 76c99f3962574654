/* SPDX-License-Identifier: MIT */
/* Printing of findings, each as soon as it is there: some take a second, and the last one may
 * hang. */
#include "ui/finding.h"

#include "platform/plat.h"
#include "ui/print.h"
#include "wire/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIGURE_AT = 6 }; /* column behind the level */

static void put_line(struct buf *buf, const struct finding *finding, struct str figure)
{
    static const char *const words[] = {"ok    ", "info  ", "warn  ", "FAIL  "};

    buf_put_text(buf, words[finding->level]);
    buf_put_text(buf, finding->what);
    buf_put_text(buf, ": ");
    buf_put_shown(buf, figure);
    if (finding->cure != NULL) {
        buf_put_text(buf, " \xe2\x80\x94 "); /* a dash */
        buf_put_shown(buf, text_from(finding->cure));
    }
}

static void put_json(struct buf *buf, const struct finding *finding, struct str figure)
{
    static const char *const words[] = {"ok", "info", "warn", "fail"};

    buf_put_char(buf, '{');
    json_put_field_text(buf, "check", text_from(finding->what));
    json_put_field_text(buf, "level", text_from(words[finding->level]));
    json_put_field_text(buf, "figure", figure);
    if (finding->cure != NULL) {
        json_put_field_text(buf, "cure", text_from(finding->cure));
    } else {
        json_put_key(buf, "cure");
        buf_put_text(buf, "null");
    }
    buf_put_char(buf, '}');
}

void finding_put(struct buf *buf, const struct finding *finding, struct str figure, bool json)
{
    if (json) {
        put_json(buf, finding, figure);
    } else {
        put_line(buf, finding, figure);
    }
}

void finding_say(struct findings *findings, struct finding finding, const char *format, ...)
{
    char figure[1024], line[8192];
    struct buf text = buf_on(figure, sizeof figure - 1);
    struct buf buf = buf_on(line, sizeof line - 1);
    va_list args;

    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    findings->failed |= finding.level == FINDING_FAIL;
    finding_put(&buf, &finding, buf_str(&text), findings->json);
    if (findings->json) {
        printf("%s\n", findings->count == 0 ? "{\"checks\":[" : ",");
    }
    line[buf.len] = 0;
    if (!findings->json && plat_is_terminal(1)) {
        char level[FIGURE_AT + 1] = "";
        memcpy(level, line, FIGURE_AT);
        print_row(level, FIGURE_AT, line + FIGURE_AT);
    } else {
        printf(findings->json ? "%s" : "%s\n", line);
    }
    findings->count++;
    fflush(stdout);
}

void finding_end(struct findings *findings)
{
    if (findings->json) {
        printf("%s],\"ok\":%s}\n", findings->count == 0 ? "{\"checks\":[" : "\n",
               findings->failed ? "false" : "true");
    }
}
