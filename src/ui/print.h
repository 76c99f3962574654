/* SPDX-License-Identifier: MIT */
/* How results look: a table for people on a terminal, TAB-separated lines in a pipe, one JSON value
 * a line on request. */
#ifndef PRINT_H
#define PRINT_H

#include "catalog/merge.h"

#include <stdio.h>

enum print_style { PRINT_TABLE, PRINT_TABS, PRINT_JSON };

/* The style for stdout. */
enum print_style print_style(bool json);

/* Lines of list and search: SHA256|- SIZE HOLDERS NAME. */
void print_files_head(enum print_style style);
void print_file(enum print_style style, const struct merge_entry *entry);

/* Lines of who: NODE ADDRESS PERCENT owned|copy NAME. */
void print_holders_head(enum print_style style);
void print_holder(enum print_style style, const struct record_result *result);

/* A file that was fetched: SHA256, two blanks, path (what sha256sum -c reads; a name with a newline
 * cannot occur). A narrow terminal gets the beginning of the SHA256, a pipe never. */
void print_fetched(const struct record_content *content, const char *path);

/* A row for people: left, then text from column at on, where its further lines begin, too, broken
 * between words by the width of the terminal (80 columns in a pipe, at most 100). A newline in text
 * is one. On a narrow terminal left has a line of its own, and what is too long for a line begins
 * further left. */
void print_row(const char *left, int at, const char *text);
/* On stderr, for whole lines that end in a newline: left, text. On a terminal broken in the same
 * way, in a pipe as they are. What was printed before is out first. */
void print_stderr(const char *left, const char *text);

#endif
