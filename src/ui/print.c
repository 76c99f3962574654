/* SPDX-License-Identifier: MIT */
/* Lines of results for people and for scripts. Names may hold anything a name may hold: on a
 * terminal control and bidi characters are escaped, in a pipe they come as they are (none of them
 * is a TAB or a newline). First thread. */
#include "ui/print.h"

#include "base/addr.h"
#include "base/buf.h"
#include "platform/plat.h"
#include "ui/width.h"

#include <inttypes.h>
#include <string.h>

enum { LINE_SIZE = 16384, SHORT_HASH = 12, NARROW = 60, WIDEST = 100 };

enum print_style print_style(bool json)
{
    return json ? PRINT_JSON : plat_is_terminal(1) ? PRINT_TABLE : PRINT_TABS;
}

/* Too narrow for columns that only some people look at. */
static bool is_narrow(void)
{
    return plat_terminal_width(1) < NARROW;
}

static void put_line(struct buf *buf)
{
    buf_put_char(buf, '\n');
    fwrite(buf->ptr, 1, buf->len, stdout);
}

/* The first size columns of a cell; what is longer stands out and moves the rest of its line. */
static void put_cell(struct buf *buf, struct str text, int width, bool right)
{
    buf_printf(buf, right ? "%*.*s  " : "%-*.*s  ", width, (int)text.len, text.ptr);
}

static void put_hash(struct buf *buf, const struct merge_entry *entry, enum print_style style)
{
    if (!entry->hashed) {
        put_cell(buf, STR("-"), style == PRINT_TABLE ? SHORT_HASH : 0, false);
        return;
    }
    buf_put_hex(buf, entry->content.bytes,
                style == PRINT_TABLE ? SHORT_HASH / 2 : sizeof entry->content);
    buf_put_text(buf, "  ");
}

void print_files_head(enum print_style style)
{
    if (style == PRINT_TABLE && is_narrow()) {
        printf("%9s  %s\n", "SIZE", "NAME");
    } else if (style == PRINT_TABLE) {
        printf("%-12s  %9s  %7s  %s\n", "SHA-256", "SIZE", "HOLDERS", "NAME");
    }
}

static void put_file_table(struct buf *buf, const struct merge_entry *entry)
{
    char size[32];
    struct buf size_buf = buf_on(size, sizeof size);

    bool narrow = is_narrow();
    if (!narrow) {
        put_hash(buf, entry, PRINT_TABLE);
    }
    buf_put_size(&size_buf, (uint64_t)entry->size);
    put_cell(buf, buf_str(&size_buf), 9, true);
    if (!narrow) {
        buf_printf(buf, "%7" PRIu32 "  ", entry->holders);
    }
    buf_put_shown(buf, entry->path);
}

static void put_file_tabs(struct buf *buf, const struct merge_entry *entry)
{
    if (entry->hashed) {
        buf_put_hex(buf, entry->content.bytes, sizeof entry->content);
    } else {
        buf_put_char(buf, '-');
    }
    buf_printf(buf, "\t%" PRId64 "\t%" PRIu32 "\t", entry->size, entry->holders);
    buf_put(buf, entry->path);
}

static void put_file_json(struct buf *buf, const struct merge_entry *entry)
{
    buf_put_char(buf, '{');
    json_put_field_text(buf, "path", entry->path);
    json_put_field_i64(buf, "size", entry->size);
    json_put_field_i64(buf, "mtime", entry->mtime);
    json_put_field_hex(buf, "sha256", entry->hashed ? entry->content.bytes : NULL,
                       sizeof entry->content);
    json_put_field_i64(buf, "holders", entry->holders);
    buf_put_char(buf, '}');
}

void print_file(enum print_style style, const struct merge_entry *entry)
{
    static void (*const put[])(struct buf *, const struct merge_entry *) = {
        [PRINT_TABLE] = put_file_table, [PRINT_TABS] = put_file_tabs, [PRINT_JSON] = put_file_json};
    char line[LINE_SIZE];
    struct buf buf = buf_on(line, sizeof line);

    put[style](&buf, entry);
    put_line(&buf);
}

void print_holders_head(enum print_style style)
{
    if (style == PRINT_TABLE && is_narrow()) {
        printf("%-12s  %4s  %s\n", "NODE", "HAS", "NAME");
    } else if (style == PRINT_TABLE) {
        printf("%-16s  %-22s  %4s  %-5s  %s\n", "NODE", "ADDRESS", "HAS", "KIND", "NAME");
    }
}

static void put_node(struct buf *buf, const struct record_result *result)
{
    if (result->name.len > 0) {
        buf_put(buf, result->name);
    } else {
        buf_put_hex(buf, result->node.bytes, sizeof result->node);
    }
}

static void put_address(struct buf *buf, const struct record_result *result)
{
    char text[ADDR_TEXT_MAX];

    if (result->address_count > 0) {
        buf_put_text(buf, addr_format(&result->address[0], text));
    } else {
        buf_put_char(buf, '-');
    }
}

static void put_holder_table(struct buf *buf, const struct record_result *result)
{
    char text[128];
    struct buf cell = buf_on(text, sizeof text);
    bool narrow = is_narrow();

    put_node(&cell, result);
    put_cell(buf, buf_str(&cell), narrow ? 12 : 16, false);
    cell.len = 0;
    put_address(&cell, result);
    if (!narrow) {
        put_cell(buf, buf_str(&cell), 22, false);
    }
    buf_printf(buf, "%3u%%  ", result->offer.have);
    if (!narrow) {
        buf_printf(buf, "%-5s  ", result->offer.copy ? "copy" : "owned");
    }
    buf_put_shown(buf, result->offer.path);
}

static void put_holder_tabs(struct buf *buf, const struct record_result *result)
{
    put_node(buf, result);
    buf_put_char(buf, '\t');
    put_address(buf, result);
    buf_printf(buf, "\t%u\t%s\t", result->offer.have, result->offer.copy ? "copy" : "owned");
    buf_put(buf, result->offer.path);
}

static void put_holder_json(struct buf *buf, const struct record_result *result)
{
    record_put_result(buf, RECORD_SEARCH, result);
}

void print_holder(enum print_style style, const struct record_result *result)
{
    static void (*const put[])(struct buf *,
                               const struct record_result *) = {[PRINT_TABLE] = put_holder_table,
                                                                [PRINT_TABS] = put_holder_tabs,
                                                                [PRINT_JSON] = put_holder_json};
    char line[LINE_SIZE];
    struct buf buf = buf_on(line, sizeof line);

    put[style](&buf, result);
    put_line(&buf);
}

void print_fetched(const struct record_content *content, const char *path)
{
    char line[LINE_SIZE];
    struct buf buf = buf_on(line, sizeof line);

    buf_put_hex(&buf, content->bytes, is_narrow() ? SHORT_HASH / 2 : sizeof *content);
    buf_put_text(&buf, "  ");
    buf_put_text(&buf, path);
    put_line(&buf);
}

struct row {
    struct buf *buf;
    int columns, at; /* of the terminal; where text stands */
    int column;      /* reached */
    int blanks;      /* before the next word */
};

static void end_line(struct row *row)
{
    buf_put_char(row->buf, '\n');
    row->column = row->blanks = 0;
}

/* What has no room from column at on either begins further left. */
static void put_word(struct row *row, struct str word)
{
    int width = width_of(word);

    if (row->column > row->at && row->column + row->blanks + width >= row->columns) {
        end_line(row);
    }
    int gap = row->column < row->at ? row->at - row->column : row->blanks;
    int most = row->columns - row->column - width;
    if (gap > most) {
        gap = most > 1 ? most : 1;
    }
    buf_printf(row->buf, "%*s%.*s", gap, "", (int)word.len, word.ptr);
    row->column += gap + width;
    row->blanks = 0;
}

static void put_row(struct buf *buf, int columns, const char *left, int at, const char *text)
{
    struct row row = {buf, columns, at > columns / 2 ? 8 : at, width_of(text_from(left)), 0};

    buf_put_text(buf, left);
    if (row.column > row.at) {
        end_line(&row);
    }
    while (*text != 0) {
        struct str word = {text, strcspn(text, " \n")};
        if (word.len > 0) {
            put_word(&row, word);
            text += word.len;
        } else if (*text++ == '\n') {
            end_line(&row);
        } else {
            row.blanks++;
        }
    }
    if (row.column > 0) {
        end_line(&row);
    }
}

void print_row(const char *left, int at, const char *text)
{
    char lines[LINE_SIZE];
    struct buf buf = buf_on(lines, sizeof lines);
    int width = plat_terminal_width(1);

    put_row(&buf, width < WIDEST ? width : WIDEST, left, at, text);
    fwrite(buf.ptr, 1, buf.len, stdout);
}

void print_stderr(const char *left, const char *text)
{
    char lines[LINE_SIZE];
    struct buf buf = buf_on(lines, sizeof lines);

    if (plat_is_terminal(2)) {
        put_row(&buf, plat_terminal_width(2), left, (int)strlen(left), text);
    } else {
        buf_printf(&buf, "%s%s", left, text);
    }
    fflush(stdout);
    fwrite(buf.ptr, 1, buf.len, stderr);
}
