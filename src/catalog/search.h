/* SPDX-License-Identifier: MIT */
/* Search over the catalog in slices: open, step until it says done, take the results one by one,
 * close. What is there from open to the end is found exactly once, whatever else changes between
 * the steps. Loop thread. */
#ifndef SEARCH_H
#define SEARCH_H

#include "catalog/lookup.h"

enum {
    SEARCH_OPEN_MAX = 32,     /* searches at once: slices are short, so few overlap */
    SEARCH_RANKED_MIN = 4096, /* at least so many matches are ranked before a search stops */
};

struct search;

/* Bytes of one search; the catalog carves room for so many. */
size_t search_size(void);

/* text: words size>N size<N ext:E node:NAME|ID kind:owned|copy filter, in any place; the rest,
 * blanks trimmed, is one case-insensitive substring of the path, or a glob when it has * ? [ ; or
 * 64 hex digits: a content. Empty: everything that the filters let pass. A text longer than
 * P2P_PATTERN_MAX is a path and nothing else. */
struct search_request {
    struct str text;
    uint32_t limit; /* results wanted, at most P2P_RESULTS_MAX */
    int64_t wall_s; /* Unix seconds now: mtimes of the future rank as oldest */
};
/* The request is copied. 0; -P2P_EBUSY: all searches are open; -P2P_EINVAL, -P2P_ETOOBIG (longer
 * than a path can be): *out_fault says what is wrong. */
int search_open(struct catalog *catalog, const struct search_request *request, struct search **out,
                const char **out_fault);
/* The same for the holders of a content. */
int search_open_content(struct catalog *catalog, const struct record_content *content,
                        uint32_t limit, struct search **out);
/* Goes on for about max_work units (one is a name looked at; 5,000 take about a millisecond).
 * True: there is more. */
bool search_step(struct search *search, uint32_t max_work);
/* Instead of a further step: what was found so far is all there will be, and counts as truncated.
 */
void search_stop(struct search *search);
/* After search_step said false or search_stop. The best first: exact > whole word > prefix >
 * substring, then number of holders, then newest. 1 and a result, or 0: that was all. Offers that
 * went since they were found are left out. */
int search_next(struct search *search, struct lookup_offer *out);
/* More matched than are given out. */
bool search_truncated(const struct search *search);
/* Gives the slot back; NULL is fine. */
void search_close(struct search *search);

#endif
