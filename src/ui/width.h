/* SPDX-License-Identifier: MIT */
/* How many columns of a terminal a text takes. Pure; any thread. */
#ifndef WIDTH_H
#define WIDTH_H

#include "base/text.h"

/* 0: drawn over the one before (accents, joiners); 2: East Asian wide ones and emoji; else 1. Of
 * rarer scripts some marks count as 1. */
int width_of_rune(int32_t rune);

/* The next code point of a text that is not empty, as buf_put_shown shows it: its bytes in the text
 * and the columns that are shown. */
struct width_step {
    size_t bytes;
    int columns;
};
struct width_step width_next(struct str text);
/* Of a whole text as buf_put_shown shows it. */
int width_of(struct str text);

#endif
