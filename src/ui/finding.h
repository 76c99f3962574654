/* SPDX-License-Identifier: MIT */
/* What doctor has found, one line each: "FAIL  clock: 5:00 behind the index — set it", or one JSON
 * document. One thread. */
#ifndef FINDING_H
#define FINDING_H

#include "base/buf.h"

enum finding_level { FINDING_OK, FINDING_INFO, FINDING_WARN, FINDING_FAIL };

struct findings {
    bool json;
    bool failed; /* something was a FAIL */
    uint32_t count;
};

/* What was checked, and what to do about it (NULL: nothing). */
struct finding {
    enum finding_level level;
    const char *what, *cure;
};
/* Tells it; the format makes the figure. What stands in it may come from others. */
void finding_say(struct findings *findings, struct finding finding, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The line, or the value of the document. */
void finding_put(struct buf *buf, const struct finding *finding, struct str figure, bool json);
/* Ends the document. */
void finding_end(struct findings *findings);

#endif
