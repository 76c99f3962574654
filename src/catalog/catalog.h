/* SPDX-License-Identifier: MIT */
/* Who offers what: nodes, and the offers that nodes make, in tables of fixed size. A node's offers
 * change only in transactions: a join (its whole state) or an update (differences), line by line,
 * then all at once or not at all. No socket, no clock, no JSON. Search is in catalog/search.h,
 * listing in catalog/list.h. Loop thread. */
#ifndef CATALOG_H
#define CATALOG_H

#include "base/arena.h"
#include "wire/record.h"

struct catalog;

/* How many of each fit. */
struct catalog_budget {
    uint32_t nodes, offers, names, contents;
};
struct catalog_counts {
    struct catalog_budget used, peak; /* used.offers includes lines of open transactions */
    uint64_t refused;                 /* offers, since the start */
    uint64_t text_used, text_size;    /* bytes of names */
    uint32_t folders;
};

/* Read by all. The caller may write what stands after "yours"; the rest is the catalog's. */
struct catalog_node {
    struct record_id id;
    uint64_t epoch, seq; /* of the state shown: the last committed join or update */
    uint32_t slot;       /* 1.., fixed while the node is here */
    uint32_t offers;
    uint32_t refused;        /* offers of the last transaction that found no room */
    enum record_state state; /* RECORD_LEFT: a tombstone, its offers are not shown any more */
    enum record_role role;
    uint16_t port;
    bool lost;       /* tombstone of a node that was given up, not of one that said leave */
    bool incomplete; /* some of what it offers is not here: refused > 0 when last joined or since */
    bool open;       /* a join or update is open */
    bool busy;       /* a commit, abort or sweep goes on in catalog_step: transactions must wait */
    uint8_t name_len;
    char name[P2P_NODE_NAME_MAX + 1];
    /* [0]: where it speaks from, with its port (catalog_set_source). The others, yours: those
     * believed of "addresses". */
    struct plat_addr address[P2P_ADDRESSES_MAX];
    /* yours */
    int address_count; /* with [0] */
    bool reachable;
    uint32_t uploads, slots;
    uint64_t rate;
    int64_t heard_ms, left_ms;
    struct record_id home;
    uint32_t mark; /* for the caller's lists; zero in a new node */
};

/* What entered the directory. Called from commit, step, leave and lose; the handler must not change
 * the catalog. */
enum catalog_event {
    CATALOG_PUT,     /* a new or changed offer */
    CATALOG_DEL,     /* only offer->path is set */
    CATALOG_JOINED,  /* the join is whole; its differences came before */
    CATALOG_UPDATED, /* the same for an update */
    CATALOG_LEFT,    /* the node said so: all its offers are gone, no DEL for each */
    CATALOG_LOST     /* the same for a node that was given up */
};
struct catalog_change {
    enum catalog_event event;
    const struct catalog_node *node;
    uint64_t epoch, seq;              /* that the transaction leads to */
    const struct record_offer *offer; /* PUT, DEL; else NULL. Only during the call */
};

/* Carves all tables out of at most bytes of the arena. 0 or -P2P_EFULL (not even a small catalog
 * fits). */
int catalog_init(struct catalog **out, struct arena *arena, size_t bytes);
/* One handler; NULL for none. */
void catalog_watch(struct catalog *catalog,
                   void (*on_change)(void *ctx, const struct catalog_change *change), void *ctx);
/* At most so many offers of a node, and living nodes of one source address (loopback is free). 0:
 * no limit. */
void catalog_set_limits(struct catalog *catalog, uint32_t offers_per_node,
                        uint32_t nodes_per_address);
struct catalog_budget catalog_budget(const struct catalog *catalog);
struct catalog_counts catalog_counts(const struct catalog *catalog);

/* Nodes, tombstones too. Pointers stay good until catalog_forget, or until a tombstone makes room
 * in catalog_add_node. */
struct catalog_node *catalog_find_node(const struct catalog *catalog, const struct record_id *id);
/* The node in the first taken slot after `after` (0: from the start), or NULL. Safe while nodes
 * come and go. */
struct catalog_node *catalog_next_node(const struct catalog *catalog, uint32_t after);
/* Finds or makes a node; a new one is RECORD_HEARSAY at (0, 0). When the table is full the oldest
 * tombstone gives way. 0, -P2P_EFULL (table), -P2P_EBUSY (too many nodes of that address). */
int catalog_add_node(struct catalog *catalog, const struct record_id *id,
                     const struct plat_addr *source, struct catalog_node **out);
void catalog_set_source(struct catalog *catalog, struct catalog_node *node,
                        const struct plat_addr *source);
/* ACTIVE, SUSPECT or HEARSAY of a node that is no tombstone. */
void catalog_set_state(struct catalog *catalog, struct catalog_node *node, enum record_state state);

/* Transactions. Until the commit nobody sees anything of them; after an abort nothing has changed
 * at all. join_begin: 0; -P2P_EGAP: older than (node->epoch, node->seq), or not newer than a leave;
 * -P2P_EBUSY: open or busy. join is copied. */
int catalog_join_begin(struct catalog *catalog, struct catalog_node *node,
                       const struct record_join *join);
/* 0: go on; 1: already known, ignore the lines (nothing is open); -P2P_EGAP; -P2P_EBUSY. */
int catalog_update_begin(struct catalog *catalog, struct catalog_node *node, uint64_t epoch,
                         uint64_t seq);
/* One line of the open transaction; of a name given twice the last line counts. 0; -P2P_EFULL: no
 * room for this offer (counted in node->refused; an older offer of that name goes at the commit);
 * -P2P_EINVAL: bad name, or DEL in a join. */
int catalog_apply(struct catalog *catalog, struct catalog_node *node,
                  const struct record_change *change);
/* Makes it true. About max_work offers now, the rest in catalog_step. 0: done; 1: not yet
 * (node->busy until it is; ask again, or look at node->busy). The node becomes RECORD_ACTIVE when
 * it was a tombstone or hearsay. */
int catalog_commit(struct catalog *catalog, struct catalog_node *node, uint32_t max_work);
void catalog_abort(struct catalog *catalog, struct catalog_node *node);

/* The node's offers vanish at once; it stays as a tombstone. Any open transaction is aborted.
 * leave: 0, 1 (known already) or -P2P_EGAP (older than what is known). */
int catalog_leave(struct catalog *catalog, struct catalog_node *node, uint64_t epoch, uint64_t seq,
                  int64_t now_ms);
void catalog_lose(struct catalog *catalog, struct catalog_node *node, int64_t now_ms);
/* Forgets a node altogether; node is not valid after. Sweeps what is left of it in the same call.
 */
void catalog_forget(struct catalog *catalog, struct catalog_node *node);
/* Goes on with commits and sweeps: about max_work offers (1,000 take well under a millisecond).
 * True: there is more. */
bool catalog_step(struct catalog *catalog, uint32_t max_work);

/* Offers by number, 0 is none. A number is good only until the catalog changes: do not keep it over
 * a turn of the loop. */
uint32_t catalog_first_holder(const struct catalog *catalog, const struct record_content *content);
uint32_t catalog_next_holder(const struct catalog *catalog, uint32_t offer);
uint32_t catalog_first_named(const struct catalog *catalog, struct str path);
uint32_t catalog_next_named(const struct catalog *catalog, uint32_t offer);
/* The offer in the next taken slot, of any node, in slot order (0: from the start): `after` may be
 * kept. */
uint32_t catalog_next_offer(const struct catalog *catalog, uint32_t after);
uint32_t catalog_find_offer(const struct catalog *catalog, const struct catalog_node *node,
                            struct str path);
/* Which of the offers of that name or of that content stands for it: the newest owned one, else the
 * newest copy; an mtime more than a day after wall_s counts as the oldest. */
uint32_t catalog_best_named(const struct catalog *catalog, struct str path, int64_t wall_s);
uint32_t catalog_best_holder(const struct catalog *catalog, const struct record_content *content,
                             int64_t wall_s);

/* An offer with the bytes of its path. */
struct catalog_offer {
    struct record_offer
        offer; /* offer.path points to path below: copy the struct, then set it anew */
    const struct catalog_node *node;
    uint32_t holders; /* nodes that have this content; 1 when it is not hashed */
    char path[P2P_PATH_MAX];
};
void catalog_read(const struct catalog *catalog, uint32_t offer, struct catalog_offer *out);

/* For tests: NULL when all lists, counts and tables agree, else what does not. Walks everything. */
const char *catalog_check(const struct catalog *catalog);

#endif
