/* SPDX-License-Identifier: MIT */
/* The form in which names are searched: case folded, letters with their accents as one character,
 * whichever of the two forms they came in; and finding one text in another. Pure. */
#ifndef FOLD_H
#define FOLD_H

#include "p2p.h"

/* Bytes that a folded text of len bytes can take: some letters grow from two bytes to three. */
#define FOLD_SIZE(len) ((len) + (len) / 2 + 4)

/* Folds text into out (size bytes, FOLD_SIZE is enough) and returns the length; cut at a character
 * when out is small. */
size_t fold_text(struct str text, char *out, size_t size);
bool fold_is_ascii(struct str text);
/* Position of needle (folded, not empty) in text (folded, or all ASCII) at or after `from`, or -1.
 * anchor: which byte of the needle to look for, best its rarest, which fold_anchor tells. */
ptrdiff_t fold_find(struct str text, struct str needle, size_t from, size_t anchor);
size_t fold_anchor(struct str needle);

#endif
