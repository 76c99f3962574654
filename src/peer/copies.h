/* SPDX-License-Identifier: MIT */
/* Which files of the share are copies, fetched from another node, and from whom: the file "copies"
 * in the state folder, a line for each, appended and with a checksum. Without a folder that can be
 * written it holds for as long as the node runs. Loop thread, but for the writing. */
#ifndef COPIES_H
#define COPIES_H

#include "base/arena.h"
#include "run/worker.h"
#include "wire/record.h"

enum { COPIES_MAX = 4096 }; /* later ones are offered as the node's own */

struct copies;

struct copies_entry {
    struct str path; /* in the share */
    struct record_content content;
    struct record_id origin;
};

/* Bytes of arena that it takes. */
size_t copies_size(void);
/* Reads what an earlier run wrote; state_folder -1: none. 0 or -P2P_EFULL. */
int copies_init(struct copies **out, struct arena *arena, int state_folder);
/* A file was fetched. -P2P_EFULL: there is no room for one more. */
int copies_add(struct copies *copies, const struct copies_entry *entry);
/* Sets kind and origin of an offer that is a copy: the path is known, and its content is still what
 * was fetched, or not hashed yet. */
void copies_mark(const struct copies *copies, struct record_offer *offer);
uint32_t copies_count(const struct copies *copies);
/* Writes what was added since, on the worker; done on its home loop, also when there was nothing.
 * One at a time. */
void copies_save(struct copies *copies, struct worker *worker, struct loop *home,
                 void (*done)(void *ctx), void *ctx);
void copies_close(struct copies *copies);

#endif
