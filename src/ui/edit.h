/* SPDX-License-Identifier: MIT */
/* The line editor: bytes of a terminal in, a line and what the terminal has to show out. Knows the
 * keys of Emacs and the cursor keys of every common terminal. Owns no terminal, so that tests drive
 * it. Pure. */
#ifndef EDIT_H
#define EDIT_H

#include "base/buf.h"
#include "ui/history.h"

enum { EDIT_LINE_MAX = 4095 }; /* a name of 1,024 bytes with each byte quoted, and others */

enum edit_event {
    EDIT_NOTHING, /* the line may look different now */
    EDIT_ENTERED, /* edit->line is whole, ended by NUL */
    EDIT_DROPPED, /* Ctrl-C: what was typed is not wanted */
    EDIT_LEAVE,   /* Ctrl-C or Ctrl-D on an empty line */
    EDIT_CLEAR    /* Ctrl-L: show it on an empty screen */
};

/* Zeroed is an empty line without history. Read line, len and at; the rest is the editor's. */
struct edit {
    char line[EDIT_LINE_MAX + 1]; /* valid UTF-8 without control characters */
    size_t len, at;               /* at: the cursor, a byte of the line, never within a rune */
    struct history history;
    unsigned back;              /* the line of the history that is shown; 0: none */
    char draft[EDIT_LINE_MAX];  /* what was being typed, while one is shown */
    char killed[EDIT_LINE_MAX]; /* by Ctrl-K and its like, for Ctrl-Y */
    size_t draft_len, killed_len;
    bool killing;        /* the last key killed: the next kill is added to it */
    unsigned char state; /* within an escape sequence */
    char sequence[16];   /* its parameters */
    char rune[4];        /* a rune whose bytes are not all in */
    uint8_t sequence_len, rune_len, rune_size;
};

/* Begins the next line; history and what was killed stay. */
void edit_begin(struct edit *edit);
/* Takes a byte as the terminal sends it. What does not fit into the line, and what no key sends, is
 * left out. */
enum edit_event edit_feed(struct edit *edit, uint8_t byte);
/* What shows the line in the row of the cursor: prompt, the part of the line around the cursor that
 * fits into columns - 1, and the cursor in its place. */
void edit_draw(const struct edit *edit, struct str prompt, int columns, struct buf *out);

#endif
