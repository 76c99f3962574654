/* SPDX-License-Identifier: MIT */
/* The one rule for names (paths in a share), used at every door: scan, join, update, feed, result,
 * get, write. Also the patterns: glob and ignore lists. Pure. */
#ifndef NAME_H
#define NAME_H

#include "p2p.h"

/* NULL when path is a good name; else the rule that it breaks, as words ("a part begins with a
 * dot"). Good: UTF-8, 1 to 1,024 bytes, "/" between parts, no empty, "." , ".." or hidden part, no
 * part over 255 bytes, no byte < 0x20 or 0x7f. */
const char *name_fault(struct str path);
/* The same for a node's name: one DNS label of letters, digits, "-" and "_", 1 to 63 bytes. */
const char *name_node_fault(struct str name);
/* The part after the last "/". */
struct str name_base(struct str path);
/* The part before the last "/", empty when there is none. */
struct str name_folder(struct str path);

/* Glob of the whole text: * and ? do not stop at "/", [a-z] and [!a-z] match one character; case as
 * given. Iterative, cost at most pattern x text. A "[" that is never closed is itself; broken UTF-8
 * matches byte by byte. */
bool name_glob(struct str pattern, struct str text);
/* True when pattern has one of * ? [. */
bool name_is_glob(struct str pattern);
/* True when one of the patterns (a list by comma, items trimmed, as in the settings) matches the
 * base, or with a "/" in it the whole path. */
bool name_is_ignored(struct str patterns, struct str path);

/* Folds a character for search: case of Latin, Greek, Cyrillic, Armenian; others unchanged. */
int32_t name_fold_rune(int32_t rune);

#endif
