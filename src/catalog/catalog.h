/* SPDX-License-Identifier: MIT */
/* Who offers what: nodes, and the offers that nodes make, in tables of fixed size. A node's offers
 * change only in transactions: a join (its whole state) or an update (differences), line by line,
 * then all at once or not at all. No socket, no clock, no JSON. Look-ups: catalog/lookup.h,
 * search.h, list.h; what one index tells another: relay.h, feed.h, snapshot.h. Loop thread. */
#ifndef CATALOG_H
#define CATALOG_H

#include "catalog/names.h"
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
    uint64_t names_memory;            /* with their folders, hash tables and signatures */
    uint32_t folders;
};

/* Read by all. The caller may write what stands after "yours"; the rest is the catalog's. */
struct catalog_node {
    struct record_id id;
    uint64_t epoch, seq;     /* of the state shown: the last committed join or update */
    uint32_t slot, offers;   /* slot: 1.., fixed while the node is here */
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
    /* yours from here; but address[0], where it speaks from, is catalog_set_source's */
    struct plat_addr address[P2P_ADDRESSES_MAX];
    int address_count;
    bool reachable;
    uint32_t uploads, slots;
    uint64_t rate;
    int64_t heard_ms, left_ms;
    struct record_id home;
    uint32_t mark; /* for the caller's lists; zero in a new node */
};

/* Carves all tables out of at most bytes of the arena. 0 or -P2P_EFULL (too little to begin). */
int catalog_init(struct catalog **out, struct arena *arena, size_t bytes);
/* About so many offers are to come at once: when there are none yet, the hash tables are made large
 * enough at no cost. */
void catalog_expect(struct catalog *catalog, uint32_t offers);
/* Offers of a node, living nodes of one source address (loopback is free) at most. 0: no limit. */
void catalog_set_limits(struct catalog *catalog, uint32_t offers_per_node, uint32_t nodes_per_ip);
struct catalog_budget catalog_budget(const struct catalog *catalog);
struct catalog_counts catalog_counts(const struct catalog *catalog);

/* Tombstones too. A pointer is good until catalog_forget, or a tombstone made room for another. */
struct catalog_node *catalog_find_node(const struct catalog *catalog, const struct record_id *id);
/* The node in the next taken slot (0: the first), or NULL. Safe while nodes come and go. */
struct catalog_node *catalog_next_node(const struct catalog *catalog, uint32_t after);
/* Finds or makes a node; a new one is RECORD_HEARSAY at (0, 0): forget it when its first join
 * fails. In a full table the oldest tombstone gives way. 0, -P2P_EFULL, -P2P_EBUSY (address has
 * enough). */
int catalog_add_node(struct catalog *catalog, const struct record_id *id,
                     const struct plat_addr *source, struct catalog_node **out);
void catalog_set_source(struct catalog *catalog, struct catalog_node *node,
                        const struct plat_addr *source);
/* ACTIVE, SUSPECT or HEARSAY of a node that is no tombstone. */
void catalog_set_state(struct catalog *catalog, struct catalog_node *node, enum record_state state);

/* The state that the node has, or has as soon as the commit that goes on is through. */
void catalog_known(const struct catalog_node *node, uint64_t *out_epoch, uint64_t *out_seq);

/* Transactions. Until the commit nobody sees anything of them; after an abort nothing has changed
 * at all. join_begin: 0; -P2P_EGAP: older than (node->epoch, node->seq), or not newer than a leave;
 * -P2P_EBUSY: open or busy. join is copied. */
int catalog_join_begin(struct catalog *catalog, struct catalog_node *node,
                       const struct record_join *join);
/* 0: go on; 1: already known, ignore the lines (nothing is open); -P2P_EGAP; -P2P_EBUSY. */
int catalog_update_begin(struct catalog *catalog, struct catalog_node *node, uint64_t epoch,
                         uint64_t seq);
/* Fetches what a put that comes soon will look for: heads first, later what stands behind them. */
struct catalog_hint {
    uint32_t content; /* hash */
    struct names_key key;
};
struct catalog_hint catalog_foresee(struct catalog *catalog, const struct record_offer *offer);
void catalog_foresee_more(const struct catalog *catalog, const struct catalog_hint *hint);
/* In a join: this is what the node offered last time at this place. True: it is applied. */
bool catalog_apply_again(struct catalog *catalog, struct catalog_node *node,
                         const struct record_offer *offer);
/* catalog_apply of a put that was foreseen: what was hashed then is not hashed again. */
int catalog_apply_foreseen(struct catalog *catalog, struct catalog_node *node,
                           const struct record_offer *offer, const struct catalog_hint *hint);
/* One line of the open transaction; of a name given twice the last line counts. 0; -P2P_EFULL: no
 * room for this offer (counted in node->refused; an older offer of that name goes at the commit);
 * -P2P_EINVAL: it breaks the tables' limits, or is a DEL in a join; -P2P_ECLOSED: nothing is open
 * (any more: the node left or was lost meanwhile). */
int catalog_apply(struct catalog *catalog, struct catalog_node *node,
                  const struct record_change *change);
/* Makes it true: max_work offers now, the rest in catalog_step. 0: done; 1: node->busy until it is,
 * ask again; -P2P_ECLOSED: the node left or was lost. A tombstone or hearsay becomes ACTIVE. */
int catalog_commit(struct catalog *catalog, struct catalog_node *node, uint32_t max_work);
void catalog_abort(struct catalog *catalog, struct catalog_node *node);
/* The node's offers vanish at once, a tombstone stays; what is open is aborted. leave: 0, 1 (known
 * already) or -P2P_EGAP (older than what is known). */
int catalog_leave(struct catalog *catalog, struct catalog_node *node, uint64_t epoch, uint64_t seq,
                  int64_t now_ms);
void catalog_lose(struct catalog *catalog, struct catalog_node *node, int64_t now_ms);
/* Forgets a node altogether, at once. */
void catalog_forget(struct catalog *catalog, struct catalog_node *node);
/* Goes on with commits and sweeps: max_work offers (1,000 are about 1 ms). True: there is more. */
bool catalog_step(struct catalog *catalog, uint32_t max_work);

#endif
