/* SPDX-License-Identifier: MIT */
/* How the files of a get ended: a line on stdout for each that is here, one on stderr for each that
 * is not, and the exit status of all. First thread. */
#ifndef OUTCOME_H
#define OUTCOME_H

#include "swarm/transfer.h"
#include "swarm/wanted.h"
#include "ui/print.h"

enum { OUTCOME_SOURCES = 32 };

struct outcome {
    enum print_style style;
    bool on_terminal;
    int lines; /* of progress on stderr, which a line has to make room for */
    int status;
    uint32_t files, failed; /* that are here, and that are not */
    uint32_t there;         /* of the files, those that nothing had to be fetched of */
    uint64_t bytes, wasted; /* fetched */
    uint32_t retries;
    /* Who gave them, as far as there is room. */
    int source_count;
    struct transfer_source source[OUTCOME_SOURCES];
};

/* The worst status stays: that of a signal before 3, 5, 4, 1. */
void outcome_note(struct outcome *outcome, int status);

/* A file is here under that name. progress: of its transfer; NULL: it came in a batch from giver
 * (NULL: it lay there already). */
struct outcome_file {
    const struct wanted *file;
    const char *shown; /* its name, for people */
    const struct transfer_progress *progress;
    const struct wanted_source *giver;
};
void outcome_here(struct outcome *outcome, const struct outcome_file *here);
/* It is not, for this reason. */
void outcome_failed(struct outcome *outcome, const char *shown, const char *reason, int status);
/* Nothing came of a WHAT, which was said on stderr: its line of JSON. */
void outcome_missed(const struct outcome *outcome, struct str what, const char *reason, int status);
/* Names a source that sent wrong bytes of a file that came in a batch; nothing of any other. */
void outcome_blame(struct outcome *outcome, const struct wanted_source *source);
/* On stderr: how many files came, how fast and from whom. */
void outcome_summary(const struct outcome *outcome, int64_t elapsed_ms);
/* The exit status for what a transfer ended with. */
int outcome_status(int result);

#endif
