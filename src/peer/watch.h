/* SPDX-License-Identifier: MIT */
/* Watches on the folders of a share: which watch belongs to which folder, and the system's events
 * with the folder that they mean. Makes nothing of them. Loop thread; a walk adds watches on its
 * worker, through watch->plat. */
#ifndef WATCH_H
#define WATCH_H

#include "peer/tree.h"
#include "platform/plat_watch.h"
#include "run/loop.h"

enum { WATCH_HEADS = 1024 }; /* of the chains by id */

struct watch {
    struct plat_watch plat;
    struct loop *loop;
    struct loop_fd fd;
    struct tree *tree;
    bool open;
    /* Counts watches that ended. A walk during which one did may have been given that very watch
     * (of the same folder, under the name that it had): then it has to be walked again. */
    uint32_t ended;
    uint32_t heads[WATCH_HEADS];
    /* An entry of the folder; what as in plat_watch.h. Not GONE, not OVERFLOW. */
    void (*on_entry)(void *ctx, uint32_t folder, struct str name, unsigned what);
    /* The folder itself went away; it is not watched any more. */
    void (*on_gone)(void *ctx, uint32_t folder);
    /* Of a folder whose watch is not known (yet). */
    void (*on_unknown)(void *ctx);
    void (*on_overflow)(void *ctx);
    void *ctx;
};

/* With the handlers, ctx, loop and tree set. 0, -P2P_ENOTSUP, -P2P_EMFILE, -P2P_EFULL. */
int watch_open(struct watch *watch);
/* All watches end; folders that had one have none. */
void watch_close(struct watch *watch);
/* The folder was found to have this watch. */
void watch_bind(struct watch *watch, uint32_t folder, int id);
/* Ends the folder's watch, if it has one. */
void watch_unbind(struct watch *watch, uint32_t folder);

#endif
