/* SPDX-License-Identifier: MIT */
/* How the share is looked at: when it is walked, what a change leads to, what happens when the
 * folder itself goes and comes. Together with share.c this is the share; only the two include this.
 * Loop thread. */
#ifndef SURVEY_H
#define SURVEY_H

#include "peer/compact.h"
#include "peer/folders.h"
#include "peer/hasher.h"
#include "peer/looks.h"
#include "peer/notice.h"
#include "peer/share.h"
#include "peer/watch.h"

struct share {
    struct share_config config;
    struct entries entries;
    struct cache cache;
    struct hasher *hasher;
    struct watch watch;
    struct folders folders;
    struct scan_root root;
    struct scan_walk walk;
    struct looks looks;
    bool walking;
    uint32_t walk_folder;
    bool walk_deep;
    uint32_t walk_ended;    /* watches that had ended when it began */
    bool there;             /* the folder of the share was, when last looked */
    uint64_t device, inode; /* of it */
    bool reset_due;         /* when the walk is back */
    bool full;              /* the whole share is being walked */
    bool wants_watch, settings_due;
    int64_t scan_ms, idle_ms, interval_ms, began_ms;
    uint32_t news_before;
    struct loop_timer scan_timer, settle_timer;
    struct loop_task withdraw;
    uint32_t withdrawn;           /* slots that it has been through */
    char ignore[SCAN_IGNORE_MAX]; /* to be taken over when no job is away */
    struct notice notice;
    struct compact compact;
};

/* With config, entries, hasher, there, device and inode set. */
void survey_init(struct share *share);
/* Begins to scan, and to watch where that is wanted and possible. */
void survey_begin(struct share *share);
/* Sends off what is to be looked at; takes over settings that have changed. */
void survey_pump(struct share *share);
/* Looks at files that may have settled by now. */
void survey_settle(struct share *share);
/* After anything that may have changed the queues. */
void survey_after(struct share *share);
/* Warnings that come once for many: when nothing is to be walked or hashed any more. */
void survey_warn(struct share *share);
/* Nothing is to be hashed. */
bool survey_is_hashed(const struct share *share);
void survey_close(struct share *share);

#endif
