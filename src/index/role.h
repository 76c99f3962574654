/* SPDX-License-Identifier: MIT */
/* What the files of the index role share: its state, and the small things that every route needs.
 * Internal to src/index. Loop thread. */
#ifndef ROLE_H
#define ROLE_H

#include "base/log.h"
#include "catalog/feed.h"
#include "index/index.h"
#include "index/latency.h"
#include "index/rank.h"
#include "node/reach.h"
#include "run/deadline.h"

enum {
    ROLE_ANNOUNCES = 64,      /* joins and updates at once; more wait a second (Retry-After) */
    ROLE_REPLIES = 64,        /* answers that do not fit one buffer and are under way */
    ROLE_CHECKS = 24,         /* nodes that are connected back to at once */
    ROLE_HOLDERS_MAX = 1000,  /* of one content, that an answer looks at: P2P_RESULTS_MAX */
    ROLE_SCRATCH = 14 * 1024, /* an answer that is written in one go: what exchange_body takes */
    ROLE_GATES = 64,          /* for log lines about refusals, by the sender's address: one each */
    ROLE_GATE_MS = 1000,      /* and so often, */
    ROLE_GATE_LINES = 20,     /* so many of look-ups, and of changes */
    ROLE_FEED_SIZE = 8,
};

struct member;
struct check;
struct announce;
struct changes;
struct dumps;
struct store;
struct mirrors;

/* An index that is, or was, the home of nodes here: when it was last known to live. */
struct role_home {
    struct record_id id;
    int64_t heard_ms;
};

struct role_counters {
    uint64_t joins, updates, alives, leaves, lost, searches, lookups, redirects, refused;
    uint64_t updates_refused,
        updates_ignored; /* of those refused; known already, so answered 200 */
};

struct index_role {
    struct index_config config;
    struct catalog *catalog;
    struct loop_task task;  /* catalog_step, and the answers that wait for it */
    struct member *members; /* by the node's slot */
    uint32_t member_count;
    struct deadlines leases, holds;
    struct pool links;               /* connections of members */
    struct check *checks;            /* ROLE_CHECKS */
    uint32_t check_head, check_tail; /* slots of nodes that wait for theirs */
    struct pool announces, replies;
    struct announce_texts *announce_texts; /* beside announces */
    struct announce *committing;           /* those whose commit goes on in the task */
    struct json_reader reader;
    struct role_token {
        char text[2 * P2P_TOKEN_SIZE];
        struct record_id id;
        bool known;
    } token; /* the last that was shown: a request's handlers ask several times */
    struct hash_random random;
    char feed[2 * ROLE_FEED_SIZE + 1]; /* its name */
    struct feed lines;
    void (*on_line)(struct index_role *role); /* something has entered the feed; may be NULL */
    struct changes *changes;                  /* the files of these names have what they point to */
    struct dumps *dumps;
    struct store *store;                     /* NULL: nothing is kept on disk */
    struct mirrors *mirrors;                 /* NULL: there are none */
    uint32_t following;                      /* mirrors, by bit, whose feed is read */
    uint32_t wanted;                         /* those from which nodes are to be fetched */
    struct role_home homes[P2P_INDEXES_MAX]; /* of mirrors, by their place in the list */
    int64_t started_ms;
    bool stopped;
    bool loading; /* the directory is being read from disk: nodes must wait */
    struct log_gate gates[ROLE_GATES], lookup_gate, change_gate;
    struct role_counters counters;
    struct latency searches;      /* until the results were found */
    int64_t looked_ms, looked_us; /* for how long searches were looked for as they came, and when */
    struct rank_holder holders[ROLE_HOLDERS_MAX]; /* of the look-up that is being answered */
    char scratch[ROLE_SCRATCH];
};

/* The catalog has work left: its task runs. */
void role_wake_catalog(struct index_role *role);
/* The node in a slot, or NULL. */
struct catalog_node *role_node(const struct index_role *role, uint32_t slot);
/* This index is the node's home: it judges its lease. */
bool role_is_home(const struct index_role *role, const struct catalog_node *node);
/* When the node was heard at the latest: here, or by its home, which would have said if it had
 * gone.
 */
int64_t role_heard_ms(const struct index_role *role, const struct catalog_node *node);
/* The id that the request proves by its token. False: answered 401. */
bool role_bearer(struct index_role *role, struct exchange *exchange, struct record_id *out);
/* Counts, logs (once a second for an address) and answers {"error","hint"}, a 503 with Retry-After.
 */
void role_refuse(struct index_role *role, struct exchange *exchange, int status, const char *error,
                 const char *hint);
/* 409 with the (epoch, seq) that the index has. */
void role_refuse_seq(struct index_role *role, struct exchange *exchange, const char *error,
                     const struct catalog_node *node);
/* "kitchen 1a2b3c4d", and an exchange's sender without the port, for log lines. */
enum { ROLE_LABEL_MAX = P2P_NODE_NAME_MAX + 12 };
const char *role_label(const struct catalog_node *node, char out[static ROLE_LABEL_MAX]);
struct reach_asker role_asker(const struct exchange *exchange);
/* A number of the query string in min..max; preset when absent. 0, or -P2P_EINVAL. */
struct role_number {
    const char *key;
    uint32_t min, max, preset;
};
int role_query_number(const struct exchange *exchange, const struct role_number *number,
                      uint32_t *out);

#endif
