/* SPDX-License-Identifier: MIT */
/* The share's log lines about many files at once: each kind is said once, with a number. Loop
 * thread. */
#ifndef NOTICE_H
#define NOTICE_H

#include "base/log.h"

struct notice {
    uint32_t skipped, skipped_told; /* names that break the name rule, in this scan */
    uint32_t dark;                  /* folders that cannot be read, in this scan */
    uint32_t unreadable_told;
    struct log_gate unreadable_gate, full_gate;
    int error; /* of the last one that cannot be read */
    char path[P2P_PATH_MAX + 1];
    bool told_counts;
    /* hashing */
    int64_t since_ms; /* 0: idle */
    uint64_t bytes;
    uint32_t files;
};

/* A walk through all of the share begins. */
void notice_scan(struct notice *notice);
/* The first one is over. */
void notice_found(struct notice *notice, uint32_t files, int64_t bytes, uint32_t to_hash,
                  int64_t took_ms);
/* A file or folder cannot be read. */
void notice_unreadable(struct notice *notice, struct str path, int error);
/* What there is to warn of; unreadable files; files that found no room beyond present ones (0: the
 * counters behind it may begin anew). */
void notice_warn(struct notice *notice, uint32_t unreadable, uint32_t *refused, uint32_t present);
void notice_hashing(struct notice *notice);
void notice_hashed(struct notice *notice, int64_t bytes);
/* Nothing is hashed any more. */
void notice_hashed_all(struct notice *notice);

#endif
