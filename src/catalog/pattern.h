/* SPDX-License-Identifier: MIT */
/* The text of a search, understood: what must occur in the path, and the filters; and how well a
 * path fits. Pure. */
#ifndef PATTERN_H
#define PATTERN_H

#include "catalog/fold.h"
#include "wire/record.h"

enum { PATTERN_ID_MIN = 8 };

enum pattern_kind { PATTERN_ANY, PATTERN_OWNED, PATTERN_COPY };
enum pattern_fit { PATTERN_NO, PATTERN_SUBSTRING, PATTERN_PREFIX, PATTERN_WORD, PATTERN_EXACT };

struct pattern {
    /* The text as it came, and what is left of it without the filters: maybe the very path. */
    char whole[P2P_PATH_MAX], rest[P2P_PATTERN_MAX];
    uint16_t whole_len, rest_len;
    bool only_exact; /* longer than a pattern may be: nothing but that path */
    bool by_content;
    struct record_content content;

    /* rest, folded; a glob is one that its base may match alone */
    char folded[FOLD_SIZE(P2P_PATTERN_MAX)];
    uint16_t folded_len;
    bool is_glob, is_base_glob;
    uint16_t needle_at, needle_len; /* in folded: occurs in each path that fits; may be empty */
    uint16_t anchor;                /* of the needle, for fold_find */

    int64_t size_min, size_max;
    enum pattern_kind kind;
    char ext[FOLD_SIZE(P2P_PATTERN_MAX) + 1]; /* folded, with its dot */
    char node[P2P_PATTERN_MAX];
    uint16_t ext_len, node_len;
};

/* text as in search_open. 0; -P2P_EINVAL or -P2P_ETOOBIG with *out_fault. */
int pattern_parse(struct pattern *pattern, struct str text, const char **out_fault);
struct str pattern_needle(const struct pattern *pattern);
/* path and its folded form. The filters are not asked. */
enum pattern_fit pattern_fit(const struct pattern *pattern, struct str path, struct str folded);
/* The same for a path whose length shows that it is not the very text. */
enum pattern_fit pattern_fit_folded(const struct pattern *pattern, struct str folded);
/* Of a substring alone: how well the best of those places fits that begin in [from, end) of a
 * folded path and are followed by more of it, or end it. */
enum pattern_fit pattern_fit_between(const struct pattern *pattern, struct str folded, size_t from,
                                     size_t end);
bool pattern_ext_fits(const struct pattern *pattern, struct str base);
/* node: its whole name, or the first 8 or more digits of its id. */
bool pattern_node_fits(const struct pattern *pattern, struct str name, const struct record_id *id);

#endif
