/* SPDX-License-Identifier: MIT */
/* Keys, escape sequences, and the one row of a terminal in which the line is shown. A line that is
 * longer than the row moves under it: rows that wrap would have to be found again after each resize
 * and each line of the log. A TAB is a blank, so that what was copied from a table can be pasted.
 * Pure. */
#include "ui/edit.h"

#include "ui/width.h"

#include <string.h>

enum { KEY_ESCAPE = 27, KEY_DELETE = 127 };
#define CTRL(letter) ((letter)&31)

enum state { STATE_PLAIN, STATE_ESCAPE, STATE_CSI, STATE_SS3, STATE_SKIP };

/* ---- places in the line ---- */

static struct str rest_at(const struct edit *edit, size_t i)
{
    return (struct str){edit->line + i, edit->len - i};
}

/* A rune and what is drawn over it are one step. */
static size_t step_right(const struct edit *edit, size_t i)
{
    while (i < edit->len) {
        i += width_next(rest_at(edit, i)).bytes;
        if (i < edit->len && width_next(rest_at(edit, i)).columns > 0) {
            break;
        }
    }
    return i;
}

/* Where the rune before byte i begins; i > 0. */
static size_t rune_before(const char *line, size_t i)
{
    do {
        i--;
    } while (i > 0 && ((uint8_t)line[i] & 0xc0) == 0x80);
    return i;
}

static size_t step_left(const struct edit *edit, size_t i)
{
    while (i > 0) {
        i = rune_before(edit->line, i);
        if (width_next(rest_at(edit, i)).columns > 0) {
            break;
        }
    }
    return i;
}

/* Words are runs of letters and digits; everything beyond ASCII counts as a letter. */
static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (uint8_t)c >= 0x80;
}

static bool is_not_blank(char c)
{
    return c != ' ';
}

static size_t word_right(const struct edit *edit, size_t i)
{
    while (i < edit->len && !is_letter(edit->line[i])) {
        i++;
    }
    while (i < edit->len && is_letter(edit->line[i])) {
        i++;
    }
    return i;
}

static size_t word_left(const struct edit *edit, size_t i, bool (*is_part)(char c))
{
    while (i > 0 && !is_part(edit->line[i - 1])) {
        i--;
    }
    while (i > 0 && is_part(edit->line[i - 1])) {
        i--;
    }
    return i;
}

/* ---- changing it ---- */

static void insert(struct edit *edit, const char *bytes, size_t size)
{
    if (size > EDIT_LINE_MAX - edit->len) {
        return;
    }
    memmove(edit->line + edit->at + size, edit->line + edit->at, edit->len - edit->at);
    memcpy(edit->line + edit->at, bytes, size);
    edit->len += size;
    edit->at += size;
}

static void erase(struct edit *edit, size_t from, size_t to)
{
    memmove(edit->line + from, edit->line + to, edit->len - to);
    edit->len -= to - from;
    edit->at = from;
}

/* Erases and keeps. What several keys kill in a row comes back as one; it was in the line once, so
 * it fits. */
static void kill_part(struct edit *edit, size_t from, size_t to, bool was_killing)
{
    size_t size = to - from;
    bool backwards = from < edit->at;

    edit->killing = was_killing;
    if (size == 0) {
        return;
    }
    if (!was_killing || size > EDIT_LINE_MAX - edit->killed_len) {
        edit->killed_len = 0;
    }
    if (backwards) {
        memmove(edit->killed + size, edit->killed, edit->killed_len);
        memcpy(edit->killed, edit->line + from, size);
    } else {
        memcpy(edit->killed + edit->killed_len, edit->line + from, size);
    }
    edit->killed_len += size;
    edit->killing = true;
    erase(edit, from, to);
}

static void show(struct edit *edit, struct str line)
{
    size_t len = line.len <= EDIT_LINE_MAX ? line.len : 0;

    memmove(edit->line, line.ptr, len);
    edit->len = edit->at = len;
}

static void look_back(struct edit *edit, unsigned back)
{
    struct str line = {edit->draft, edit->draft_len};

    if (back > 0 && !history_get(&edit->history, back, &line)) {
        return;
    }
    if (edit->back == 0) {
        memcpy(edit->draft, edit->line, edit->len);
        edit->draft_len = edit->len;
    }
    edit->back = back;
    show(edit, line);
}

/* ---- keys ---- */

void edit_begin(struct edit *edit)
{
    edit->len = edit->at = 0;
    edit->back = 0;
    edit->rune_len = 0;
    edit->state = STATE_PLAIN;
    edit->killing = false;
}

static enum edit_event enter(struct edit *edit)
{
    edit->line[edit->len] = 0;
    history_add(&edit->history, (struct str){edit->line, edit->len});
    return EDIT_ENTERED;
}

static void move(struct edit *edit, uint8_t key)
{
    switch (key) {
    case CTRL('a'):
        edit->at = 0;
        break;
    case CTRL('e'):
        edit->at = edit->len;
        break;
    case CTRL('b'):
        edit->at = step_left(edit, edit->at);
        break;
    case CTRL('f'):
        edit->at = step_right(edit, edit->at);
        break;
    case CTRL('p'):
        look_back(edit, edit->back + 1);
        break;
    case CTRL('n'):
        if (edit->back > 0) {
            look_back(edit, edit->back - 1);
        }
        break;
    default:
        break;
    }
}

static void change(struct edit *edit, uint8_t key, bool was_killing)
{
    switch (key) {
    case '\t':
        insert(edit, " ", 1);
        break;
    case CTRL('h'):
    case KEY_DELETE:
        erase(edit, step_left(edit, edit->at), edit->at);
        break;
    case CTRL('d'):
        erase(edit, edit->at, step_right(edit, edit->at));
        break;
    case CTRL('k'):
        kill_part(edit, edit->at, edit->len, was_killing);
        break;
    case CTRL('u'):
        kill_part(edit, 0, edit->at, was_killing);
        break;
    case CTRL('w'):
        kill_part(edit, word_left(edit, edit->at, is_not_blank), edit->at, was_killing);
        break;
    case CTRL('y'):
        insert(edit, edit->killed, edit->killed_len);
        break;
    default:
        move(edit, key);
        break;
    }
}

static enum edit_event control(struct edit *edit, uint8_t key)
{
    bool was_killing = edit->killing;

    edit->killing = false;
    switch (key) {
    case '\r':
    case '\n':
        return enter(edit);
    case CTRL('c'):
        return edit->len > 0 ? EDIT_DROPPED : EDIT_LEAVE;
    case CTRL('l'):
        return EDIT_CLEAR;
    case KEY_ESCAPE:
        edit->killing = was_killing;
        edit->state = STATE_ESCAPE;
        return EDIT_NOTHING;
    default:
        break;
    }
    if (key == CTRL('d') && edit->len == 0) {
        return EDIT_LEAVE;
    }
    change(edit, key, was_killing);
    return EDIT_NOTHING;
}

/* ---- escape sequences ---- */

/* Alt and a letter. */
static void meta(struct edit *edit, uint8_t key)
{
    bool was_killing = edit->killing;

    edit->killing = false;
    switch (key) {
    case 'b':
    case 'B':
        edit->at = word_left(edit, edit->at, is_letter);
        break;
    case 'f':
    case 'F':
        edit->at = word_right(edit, edit->at);
        break;
    case 'd':
    case 'D':
        kill_part(edit, edit->at, word_right(edit, edit->at), was_killing);
        break;
    case CTRL('h'):
    case KEY_DELETE:
        kill_part(edit, word_left(edit, edit->at, is_letter), edit->at, was_killing);
        break;
    default:
        break;
    }
}

/* The key that does the same, for sequences that end in a letter or in "~". Modified arrows
 * ("1;5C", "5C") go by words, whatever the modifier. */
static void sequence_end(struct edit *edit, char final)
{
    static const char from[] = "ABCDHF", to[] = {16, 14, 6, 2, 1, 5};
    static const char tilde[] = "13478", key[] = {1, 4, 5, 1, 5};
    const char *found = strchr(from, final);
    bool modified = edit->sequence_len > 0 && strcmp(edit->sequence, "1") != 0;

    edit->killing = false;
    if (final == 'C' && modified) {
        edit->at = word_right(edit, edit->at);
    } else if (final == 'D' && modified) {
        edit->at = word_left(edit, edit->at, is_letter);
    } else if (found != NULL) {
        move(edit, (uint8_t)to[found - from]);
    } else if (final == '~' && edit->sequence_len == 1 &&
               (found = strchr(tilde, edit->sequence[0])) != NULL) {
        change(edit, (uint8_t)key[found - tilde], false);
    }
}

static void csi(struct edit *edit, uint8_t byte)
{
    bool is_final = byte >= 0x40 && byte <= 0x7e;

    if (!is_final) {
        if (edit->sequence_len + 1 < (int)sizeof edit->sequence) {
            edit->sequence[edit->sequence_len++] = (char)byte;
            edit->sequence[edit->sequence_len] = 0;
        }
        return;
    }
    edit->state = STATE_PLAIN;
    if (byte == '[' && edit->sequence_len == 0) {
        edit->state = STATE_SKIP; /* a function key of Linux's own console: one letter follows */
    } else {
        sequence_end(edit, (char)byte);
    }
}

static void escaped(struct edit *edit, uint8_t byte)
{
    switch (edit->state) {
    case STATE_ESCAPE:
        edit->state = byte == '[' ? STATE_CSI : byte == 'O' ? STATE_SS3 : STATE_PLAIN;
        edit->sequence_len = 0;
        edit->sequence[0] = 0;
        if (edit->state == STATE_PLAIN) {
            meta(edit, byte);
        }
        break;
    case STATE_CSI:
        csi(edit, byte);
        break;
    case STATE_SS3:
        edit->state = STATE_PLAIN;
        sequence_end(edit, (char)byte);
        break;
    default:
        edit->state = STATE_PLAIN;
        break;
    }
}

/* ---- text ---- */

/* Bytes of a rune are inserted together, broken ones not at all. */
static void text_byte(struct edit *edit, uint8_t byte)
{
    size_t bytes;

    edit->killing = false;
    if ((byte & 0xc0) != 0x80) {
        edit->rune_size = byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
        edit->rune_len = 0;
    } else if (edit->rune_len == 0) {
        return;
    }
    edit->rune[edit->rune_len++] = (char)byte;
    if (edit->rune_len < edit->rune_size) {
        return;
    }
    struct str rune = {edit->rune, edit->rune_len};
    edit->rune_len = 0;
    if (text_next_rune(rune, &bytes) >= 0) {
        insert(edit, rune.ptr, rune.len);
    }
}

enum edit_event edit_feed(struct edit *edit, uint8_t byte)
{
    bool is_control = byte < 0x20 || byte == KEY_DELETE;
    bool is_alt = edit->state == STATE_ESCAPE && (byte == KEY_DELETE || byte == CTRL('h'));

    if (is_control && !is_alt) {
        edit->state = STATE_PLAIN; /* a sequence or a rune that was under way has broken off */
        edit->rune_len = 0;
        return control(edit, byte);
    }
    if (edit->state != STATE_PLAIN) {
        escaped(edit, byte);
    } else {
        text_byte(edit, byte);
    }
    return EDIT_NOTHING;
}

/* ---- showing it ---- */

/* Where to begin so that the cursor is within columns, and the column that it is then in. */
static size_t first_shown(const struct edit *edit, int columns, int *out_column)
{
    size_t from = 0;
    int column = width_of((struct str){edit->line, edit->at});

    while (column > columns) {
        struct width_step step = width_next(rest_at(edit, from));
        column -= step.columns;
        from += step.bytes;
    }
    *out_column = column;
    return from;
}

void edit_draw(const struct edit *edit, struct str prompt, int columns, struct buf *out)
{
    int before = width_of(prompt), column = 0, used = 0;

    if (columns < before + 8) {
        prompt.len = 0; /* too narrow for both */
        before = 0;
    }
    int room = columns - before - 1 > 2 ? columns - before - 1 : 2;
    size_t from = first_shown(edit, room, &column);
    struct str rest = rest_at(edit, from);
    size_t len = 0;
    while (len < rest.len) {
        struct width_step step = width_next(text_from_byte(rest, len));
        if (used + step.columns > room) {
            break;
        }
        used += step.columns;
        len += step.bytes;
    }
    buf_put_char(out, '\r');
    buf_put(out, prompt);
    buf_put_shown(out, text_first(rest, len));
    buf_put_text(out, "\033[K\r");
    if (before + column > 0) {
        buf_printf(out, "\033[%dC", before + column);
    }
}
