/* SPDX-License-Identifier: MIT */
/* The feed: GET /v1/changes, and the lines that stand in it. Loop thread. */
#ifndef CHANGES_H
#define CHANGES_H

#include "catalog/feed.h"
#include "catalog/relay.h"
#include "index/role.h"

struct changes;

int changes_init(struct index_role *role, struct arena *arena);
/* Somebody is about to read the feed: its lines are made for so long at least. */
enum { CHANGES_KEEP_MS = 600000, CHANGES_SAVE_MS = 60000 };
void changes_want(struct index_role *role, int64_t ms);
/* From now on changes of role->catalog go into the feed. */
void changes_watch(struct index_role *role);
void changes_close(struct index_role *role);
/* While the directory is read from the disk nothing goes into the feed; afterwards its readers are
 * told that they have missed something. */
void changes_mute(struct index_role *role, bool mute);
/* Where the feed is: "FEED.N". Returns out. */
enum { CHANGES_AT_MAX = 2 * ROLE_FEED_SIZE + 24 };
const char *changes_at(const struct index_role *role, char out[static CHANGES_AT_MAX]);
uint32_t changes_readers(const struct index_role *role);
/* A line of the feed as this asker may have it (NULL: as it is), with its newline. */
void changes_put_line(struct buf *buf, const struct feed_line *line,
                      const struct reach_asker *asker);

void changes_begin(struct exchange *exchange, void *role);
void changes_next(struct exchange *exchange, void *role);
void changes_gone(struct exchange *exchange, void *role, bool aborted);

#endif
