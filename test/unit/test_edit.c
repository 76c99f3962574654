/* SPDX-License-Identifier: MIT */
/* The line editor: keys in, line and row of the terminal out; history; widths; and what holds for
 * any bytes at all. The row is read by a terminal of a few lines, so that what is compared is what
 * a person sees. */
#include "ui/edit.h"

#include "base/text.h"
#include "ui/width.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define UP "\033[A"
#define DOWN "\033[B"
#define RIGHT "\033[C"
#define LEFT "\033[D"

static struct edit edit;

static enum edit_event feed(const char *keys, size_t size)
{
    enum edit_event event = EDIT_NOTHING;

    for (size_t i = 0; i < size; i++) {
        event = edit_feed(&edit, (uint8_t)keys[i]);
        if (event == EDIT_ENTERED || event == EDIT_DROPPED) {
            edit_begin(&edit);
        }
    }
    return event;
}

static int set_up(void **state)
{
    (void)state;
    memset(&edit, 0, sizeof edit);
    edit_begin(&edit);
    return 0;
}

/* The line with a bar where the cursor is. */
static const char *line_now(void)
{
    static char shown[EDIT_LINE_MAX + 8];

    snprintf(shown, sizeof shown, "%.*s|%.*s", (int)edit.at, edit.line, (int)(edit.len - edit.at),
             edit.line + edit.at);
    return shown;
}

static void test_keys(void **state)
{
    static const struct {
        const char *name, *keys, *expected;
    } rows[] = {
        {"typing", "list", "list|"},
        {"a tab is a blank", "a\tb", "a b|"},
        {"left and right", "abc" LEFT LEFT RIGHT "x", "abx|c"},
        {"left at the begin", "a" LEFT LEFT LEFT "x", "x|a"},
        {"right at the end", "a" RIGHT RIGHT "x", "ax|"},
        {"emacs moves", "abcd\001\006x\005\002y", "axbcy|d"},
        {"home and end, xterm", "abc\033[Hx\033[Fy", "xabcy|"},
        {"home and end, application", "abc\033OHx\033OFy", "xabcy|"},
        {"home and end, linux", "abc\033[1~x\033[4~y", "xabcy|"},
        {"home and end, rxvt", "abc\033[7~x\033[8~y", "xabcy|"},
        {"application arrows", "abc\033OD\033OD\033OCx", "abx|c"},
        {"backspace", "abc\177\010", "a|"},
        {"backspace at the begin", "abc\001\177x", "x|abc"},
        {"delete key", "abc\001\033[3~", "|bc"},
        {"delete at the end", "abc\033[3~", "abc|"},
        {"ctrl-d in the line", "abc\001\004", "|bc"},
        {"ctrl-d at the end", "abc\004", "abc|"},
        {"kill to the end", "get a b" LEFT LEFT "\013", "get a|"},
        {"kill to the begin", "get a b" LEFT "\025", "|b"},
        {"kill a word", "get a/b.txt\027", "get |"},
        {"kill a word and blanks", "get  abc  \027", "get  |"},
        {"kill a word at the begin", "a\001\027", "|a"},
        {"kill a word forward", "get a/b.txt\001\033d", "| a/b.txt"},
        {"kill a word back, alt", "get a/b.txt\033\177", "get a/b.|"},
        {"kill a word back, alt-h", "get a/b.txt\033\010", "get a/b.|"},
        {"yank", "abc\025x\031", "xabc|"},
        {"yank twice", "abc\025\031\031", "abcabc|"},
        {"yank of nothing", "x\031", "x|"},
        {"kills in a row are one", "a b c\027\027\031", "a b c|"},
        {"kills both ways are one", "ab cd" LEFT LEFT "\027\013\031", "ab cd|"},
        {"a key between ends them", "a b c\027" LEFT "\027\031", "a b| "},
        {"an empty kill keeps what was killed", "abc\025\025\013\031", "abc|"},
        {"word moves", "get a/b.txt\033b\033bx\033fy", "get a/xby|.txt"},
        {"word moves, arrows", "one two\033[1;5Dx\033[1;5Dy\033[1;5Cz", "one yxtwoz|"},
        {"word moves, other arrows", "one two\033[5Dx\033[5D\033[5Cy", "one xtwoy|"},
        {"word moves, alt arrows", "one two\033[1;3Dx", "one x|two"},
        {"plain arrows with a count", "ab\033[1Dx", "ax|b"},
        {"umlaut", "\303\244\303\266" LEFT "x", "\303\244x|\303\266"},
        {"backspace takes a rune", "a\303\244\177", "a|"},
        {"an accent goes with its letter", "xe\314\201" LEFT "y", "xy|e\314\201"},
        {"backspace takes both", "xe\314\201\177", "x|"},
        {"delete takes both", "e\314\201x\001\004", "|x"},
        {"an accent alone", "\314\201" LEFT "a", "a|\314\201"},
        {"four bytes", "\360\237\230\200" LEFT "x", "x|\360\237\230\200"},
        {"a byte that begins nothing", "a\200b\377c", "abc|"},
        {"an overlong form", "a\300\257b", "ab|"},
        {"a surrogate", "a\355\240\200b", "ab|"},
        {"a rune that breaks off", "a\303b", "ab|"},
        {"a rune that a key breaks off", "a\303\001\244b", "b|a"},
        {"unknown sequences", "a\033[24~\033[?25h\033[1;2P\033OPb", "ab|"},
        {"linux function keys", "a\033[[Ab", "ab|"},
        {"a very long sequence", "a\033[1;2;3;4;5;6;7;8;9;10;11;12;13Xb", "ab|"},
        {"a paste that is marked", "\033[200~get a\033[201~", "get a|"},
        {"escape alone changes nothing", "a\033\033[Db", "b|a"},
        {"a sequence that breaks off", "ab\033[1\001x", "x|ab"},
        {"control keys that mean nothing", "a\007\016\020\017\021\022\023\024\026\030\032\034b",
         "ab|"},
        {"a NUL", "a", "a|"},
        {"ctrl-l keeps the line", "ab\014c", "abc|"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        set_up(state);
        feed(rows[i].keys, strlen(rows[i].keys));
        if (strcmp(line_now(), rows[i].expected) != 0) {
            fail_msg("%s: %s instead of %s", rows[i].name, line_now(), rows[i].expected);
        }
    }
    feed("\0", 1);
    assert_string_equal(line_now(), "abc|");
}

static void test_events(void **state)
{
    static const struct {
        const char *keys;
        enum edit_event expected;
    } rows[] = {
        {"a", EDIT_NOTHING},  {"a\r", EDIT_ENTERED},     {"a\n", EDIT_ENTERED},
        {"\r", EDIT_ENTERED}, {"\003", EDIT_LEAVE},      {"a\003", EDIT_DROPPED},
        {"\004", EDIT_LEAVE}, {"a\004", EDIT_NOTHING},   {"a\177\004", EDIT_LEAVE},
        {"\014", EDIT_CLEAR}, {"\033[3~", EDIT_NOTHING}, {"\033[\003", EDIT_LEAVE},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        set_up(state);
        assert_int_equal(feed(rows[i].keys, strlen(rows[i].keys)), rows[i].expected);
    }
}

static void test_entered_line_ends(void **state)
{
    (void)state;
    for (const char *key = "get a" LEFT; *key != 0; key++) {
        edit_feed(&edit, (uint8_t)*key);
    }
    assert_int_equal(edit_feed(&edit, '\r'), EDIT_ENTERED);
    assert_string_equal(edit.line, "get a");
    edit_begin(&edit);
    assert_string_equal(line_now(), "|");
}

static void test_history_keys(void **state)
{
    static const struct {
        const char *name, *keys, *expected;
    } rows[] = {
        {"none yet", "ab" UP, "ab|"},
        {"the last", "one\rtwo\r" UP, "two|"},
        {"the one before", "one\rtwo\r" UP UP, "one|"},
        {"not beyond the first", "one\rtwo\r" UP UP UP UP, "one|"},
        {"down again", "one\rtwo\r" UP UP DOWN, "two|"},
        {"back to what was typed", "one\rdraft" UP DOWN, "draft|"},
        {"down without up", "one\rdraft" DOWN, "draft|"},
        {"ctrl-p and ctrl-n", "one\rtwo\r\020\020\016", "two|"},
        {"application arrows", "one\r\033OA", "one|"},
        {"blank lines are not kept", "one\r   \r\r" UP, "one|"},
        {"the same line is kept once", "one\rtwo\rtwo\r" UP UP, "one|"},
        {"a changed one is new", "one\rtwo\r" UP UP "x\r" UP, "onex|"},
        {"and the old one stays", "one\rtwo\r" UP UP "x\r" UP UP UP, "one|"},
        {"an entered one is the last", "one\rtwo\r" UP UP "\r" UP UP, "two|"},
        {"what was dropped is not kept", "one\rtwo\003" UP, "one|"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        set_up(state);
        feed(rows[i].keys, strlen(rows[i].keys));
        if (strcmp(line_now(), rows[i].expected) != 0) {
            fail_msg("%s: %s instead of %s", rows[i].name, line_now(), rows[i].expected);
        }
    }
}

static void test_history_room(void **state)
{
    static struct history history;
    static char long_line[HISTORY_SIZE];
    struct str found;

    (void)state;
    memset(&history, 0, sizeof history);
    memset(long_line, 'x', sizeof long_line);
    assert_false(history_get(&history, 0, &found));
    assert_false(history_get(&history, 1, &found));
    for (int i = 0; i < 5000; i++) {
        char line[16];
        int len = snprintf(line, sizeof line, "line %d", i);
        history_add(&history, (struct str){line, (size_t)len});
    }
    unsigned count = 0;
    while (history_get(&history, count + 1, &found)) {
        char expected[16];
        snprintf(expected, sizeof expected, "line %u", 4999 - count);
        assert_true(text_is(found, expected));
        count++;
    }
    assert_int_equal(count, HISTORY_SIZE / sizeof "line 4999");
    history_add(&history, (struct str){long_line, HISTORY_SIZE - 1});
    assert_true(history_get(&history, 1, &found));
    assert_int_equal(found.len, HISTORY_SIZE - 1);
    assert_false(history_get(&history, 2, &found));
    history_add(&history, (struct str){long_line, HISTORY_SIZE});
    assert_true(history_get(&history, 1, &found));
    assert_int_equal(found.len, HISTORY_SIZE - 1);
}

static void fill(size_t count)
{
    set_up(NULL);
    for (size_t i = 0; i < count; i++) {
        edit_feed(&edit, 'x');
    }
}

static void test_line_limit(void **state)
{
    (void)state;
    fill(EDIT_LINE_MAX - 1);
    feed("\303\244", 2);
    assert_int_equal(edit.len, EDIT_LINE_MAX - 1);
    feed("y", 1);
    assert_int_equal(edit.len, EDIT_LINE_MAX);
    feed("z", 1);
    assert_int_equal(edit.len, EDIT_LINE_MAX);
    assert_int_equal(edit.line[EDIT_LINE_MAX - 1], 'y');
    feed("\025\031\031", 3);
    assert_int_equal(edit.len, EDIT_LINE_MAX);
    edit_feed(&edit, '\r');
    assert_int_equal(strlen(edit.line), EDIT_LINE_MAX);
    edit_begin(&edit);
    feed(UP, 3);
    assert_int_equal(edit.len, EDIT_LINE_MAX);
}

/* ---- the row ---- */

/* A terminal of one row: what stands in its columns, as runes, and the cursor. */
struct row {
    char cell[256][24];
    int columns, at;
    bool wrapped;
};

static void row_text(struct row *row, struct str rest, size_t *len)
{
    int width = width_of_rune(text_next_rune(rest, len));
    int to = width == 0 && row->at > 0 ? row->at - 1 : row->at;

    if (row->at + width > row->columns) {
        row->wrapped = true;
        return;
    }
    if (width > 0) {
        row->cell[to][0] = 0;
    }
    size_t used = strlen(row->cell[to]);
    if (used + *len < sizeof row->cell[0]) {
        memcpy(row->cell[to] + used, rest.ptr, *len);
        row->cell[to][used + *len] = 0;
    }
    if (width == 2) {
        row->cell[to + 1][0] = 0;
    }
    row->at += width;
}

static void row_show(struct row *row, struct str bytes)
{
    while (bytes.len > 0) {
        size_t len = 1;
        int count = 0, used = 0;
        if (bytes.ptr[0] == '\r') {
            row->at = 0;
        } else if (text_begins(bytes, STR("\033[K"))) {
            for (int i = row->at; i < row->columns; i++) {
                row->cell[i][0] = 0;
            }
            len = 3;
        } else if (sscanf(bytes.ptr, "\033[%dC%n", &count, &used) == 1 && used > 0) {
            row->at += count;
            len = (size_t)used;
        } else {
            assert_int_not_equal(bytes.ptr[0], '\033');
            row_text(row, bytes, &len);
        }
        bytes = text_from_byte(bytes, len);
    }
    assert_false(row->wrapped);
    assert_true(row->at < row->columns);
}

static void draw(struct row *row, int columns)
{
    static char bytes[8192];
    struct buf buf = buf_on(bytes, sizeof bytes - 1);

    memset(row, 0, sizeof *row);
    row->columns = columns;
    edit_draw(&edit, STR("p2p> "), columns, &buf);
    assert_false(buf.full);
    bytes[buf.len] = 0;
    row_show(row, buf_str(&buf));
}

static void test_row(void **state)
{
    static const struct {
        const char *name, *keys;
        int columns;
        const char *expected;
        int at;
    } rows[] = {
        {"empty", "", 80, "p2p> ", 5},
        {"text", "list", 80, "p2p> list", 9},
        {"cursor in the middle", "list" LEFT LEFT, 80, "p2p> list", 7},
        {"cursor at the begin", "list\001", 80, "p2p> list", 5},
        {"just fits", "12345678901234", 20, "p2p> 12345678901234", 19},
        {"one too many", "123456789012345", 20, "p2p> 23456789012345", 19},
        {"its begin", "123456789012345\001", 20, "p2p> 12345678901234", 5},
        {"its end from the middle", "1234567890123456\001\033[1;5C", 20, "p2p> 34567890123456", 19},
        {"wide runes", "\346\226\207\346\226\207", 80, "p2p> \346\226\207\346\226\207", 9},
        {"a wide one does not fit by half", "1234567890123\346\226\207", 20,
         "p2p> 234567890123\346\226\207", 19},
        {"nor at the end", "1234567890123\346\226\207\001", 20, "p2p> 1234567890123", 5},
        {"an accent", "e\314\201x", 80, "p2p> e\314\201x", 7},
        {"a bidi control is shown", "a\342\200\256b", 80, "p2p> a\\u202eb", 13},
        {"left over what is shown so", "a\342\200\256" LEFT, 80, "p2p> a\\u202e", 6},
        {"no room for the prompt", "1234567890123", 12, "34567890123", 11},
        {"hardly any room", "1234567890", 4, "890", 3},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct row row;
        char shown[1024];
        struct buf text = buf_on(shown, sizeof shown - 1);

        set_up(state);
        feed(rows[i].keys, strlen(rows[i].keys));
        draw(&row, rows[i].columns);
        for (int c = 0; c < row.columns; c++) {
            buf_put_text(&text, row.cell[c]);
        }
        shown[text.len] = 0;
        if (strcmp(shown, rows[i].expected) != 0 || row.at != rows[i].at) {
            fail_msg("%s: \"%s\" at %d instead of \"%s\" at %d", rows[i].name, shown, row.at,
                     rows[i].expected, rows[i].at);
        }
    }
}

static void test_width(void **state)
{
    static const struct {
        int32_t rune;
        int expected;
    } rows[] = {
        {'a', 1},     {0xe4, 1},    {0x2ff, 1},   {0x300, 0},    {0x36f, 0},   {0x370, 1},
        {0x10ff, 1},  {0x1100, 2},  {0x1160, 0},  {0x200d, 0},   {0x2329, 2},  {0x303f, 1},
        {0x3042, 2},  {0x4e00, 2},  {0xac00, 2},  {0xd7a3, 2},   {0xd7a4, 1},  {0xfe0f, 0},
        {0xff01, 2},  {0xff61, 1},  {0x1f600, 2}, {0x1f650, 1},  {0xe0101, 0}, {0xe01f0, 1},
        {0x20000, 2}, {0x3fffd, 2}, {0x3fffe, 1}, {0x10ffff, 1}, {0x2580, 1},  {0x1f321, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (width_of_rune(rows[i].rune) != rows[i].expected) {
            fail_msg("U+%04x: %d", (unsigned)rows[i].rune, width_of_rune(rows[i].rune));
        }
    }
    assert_int_equal(width_of(STR("a\346\226\207e\314\201\033")), 1 + 2 + 1 + 4);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* Whatever comes: a line of good text, the cursor on a rune, a row that holds. */
static void test_any_bytes(void **state)
{
    static const char likely[] =
        "\033[ACD\001\005\013\025\027\031\177bdf~13;5OHF\xc3\xa4\xcc\x81 a";
    uint32_t seed = 4711;
    struct row row;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        uint32_t random = next_random(&seed);
        uint8_t byte = random % 3 == 0 ? (uint8_t)(random >> 8)
                                       : (uint8_t)likely[(random >> 8) % (sizeof likely - 1)];
        enum edit_event event = edit_feed(&edit, byte);
        if (event == EDIT_ENTERED || event == EDIT_DROPPED) {
            edit_begin(&edit);
        }
        assert_true(edit.at <= edit.len && edit.len <= EDIT_LINE_MAX);
        if (i % 16 != 0) {
            continue;
        }
        assert_true(text_is_utf8((struct str){edit.line, edit.len}));
        assert_true(edit.at == edit.len || ((uint8_t)edit.line[edit.at] & 0xc0) != 0x80);
        draw(&row, 3 + (int)(random % 100));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_keys, set_up),
        cmocka_unit_test_setup(test_events, set_up),
        cmocka_unit_test_setup(test_entered_line_ends, set_up),
        cmocka_unit_test_setup(test_history_keys, set_up),
        cmocka_unit_test_setup(test_history_room, set_up),
        cmocka_unit_test_setup(test_line_limit, set_up),
        cmocka_unit_test_setup(test_row, set_up),
        cmocka_unit_test_setup(test_width, set_up),
        cmocka_unit_test_setup(test_any_bytes, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
