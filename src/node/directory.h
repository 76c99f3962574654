/* SPDX-License-Identifier: MIT */
/* The indexes that a node knows and which one it talks to now: names resolved by a worker, connect,
 * request, and the next index when one is silent or refuses. For membership, searches and commands
 * alike. Loop thread. */
#ifndef DIRECTORY_H
#define DIRECTORY_H

#include "run/client.h"
#include "run/worker.h"
#include "wire/record.h"

struct directory;

struct directory_config {
    struct str indexes; /* "HOST[:PORT],..." */
    struct loop *loop;
    struct client_pool *pool;
    struct worker *background; /* resolves names; NULL: IP literals only */
    uint32_t start;            /* begins at entry (start mod count) */
    /* An index that has not answered a head for this long: the next one, while there is a next one;
     * 0: the request's own timeout for each. */
    int silent_ms;
};

/* NULL when the list is good, else what is wrong, with the cure, in memory of the caller (cut to
 * size). */
const char *directory_fault(struct str indexes, char *out, size_t size);
/* 0, -P2P_EFULL, or -P2P_EINVAL for a list that directory_fault has words for. The list is copied;
 * an empty one is good. */
int directory_init(struct directory **out, struct arena *arena,
                   const struct directory_config *config);
/* Calls that are still under way are forgotten: no handler runs any more. */
void directory_close(struct directory *directory);

/* Adds an index learnt from a join answer, behind the configured ones; known and bad ones, and
 * those beyond P2P_INDEXES_MAX, are left out. */
void directory_learn(struct directory *directory, struct str host_port);

/* Sends a request to the first index that answers: tries each once, in turn, from the current one
 * on; those that were merely silent for silent_ms get a second try with the request's own timeout
 * when nobody else answers. An answer without P2P-Node is not from an index, and a 503 is taken
 * from the last one only. The handlers are called for the one that answers; on_done with the last
 * error when none did. A request with produce is tried again only while nothing of it was produced.
 * No sink. One request at a time for each call; many calls may be under way. The request's views
 * must stay until on_done. */
struct directory_call {
    struct client_request request;
    /* The connection stays open after on_done with 0: call->client is then the caller's, to send
     * more and to close. */
    bool keep;
    /* of the directory */
    struct directory *directory;
    struct client *client;
    struct client_handlers handlers;
    struct loop_timer timer;
    int entry, address, tried;
    uint32_t silent; /* entries that get a second try, by bit */
    bool last, headed, produced;
    struct directory_call *next, *prev;
};
/* 0: on_done will come. Else nothing could be sent to anybody, and no handler is called. */
int directory_send(struct directory *directory, struct directory_call *call);
/* Forgets a call: none of its handlers is called any more. A call that is not under way is left as
 * it is. */
void directory_cancel(struct directory_call *call);

/* The address of the index that answered last; family 0 when none has yet. And this machine's
 * address towards it. */
const struct plat_addr *directory_current(const struct directory *directory);
const struct plat_addr *directory_local(const struct directory *directory);
/* As text for messages: "10.0.0.5:7750, 10.0.0.6:7750". */
void directory_describe(const struct directory *directory, struct buf *buf);
/* Gives up the current index (its membership broke): the next call begins with the one after it. */
void directory_move_on(struct directory *directory);
int directory_count(const struct directory *directory);

#endif
