/* SPDX-License-Identifier: MIT */
/* A typed line as words, by the rules of a shell without its expansions: 'as it is', "\" and \\
 * inside", \x for any x outside of quotes, # at the start of a word begins a comment. Pure. */
#ifndef WORDS_H
#define WORDS_H

#include "p2p.h"

/* Splits line in place; words point into it. How many there are, or -P2P_EINVAL with *out_fault:
 * what is wrong and what to write. */
int words_split(char *line, char **words, int max, const char **out_fault);

#endif
