/* SPDX-License-Identifier: MIT */
/* This node's membership: joins an index with the whole share, tells it the changes, beats, and
 * comes back when either side was away. What the index knows of this node is always the state at
 * (epoch, seq): every join and every update has a number of its own. Loop thread. */
#ifndef MEMBERSHIP_H
#define MEMBERSHIP_H

#include "base/config.h"
#include "node/directory.h"
#include "node/identity.h"
#include "peer/share.h"

struct membership;

/* How busy this node is, for the heartbeat. */
struct membership_load {
    uint32_t uploads, slots;
    uint64_t rate;
};

struct membership_config {
    struct loop *loop;
    struct directory *directory;
    struct identity *identity;
    struct share *share; /* NULL: a guest, who offers what it downloads and says nothing */
    struct str name;     /* stays */
    enum record_role role;
    uint16_t port;
    const struct config *settings; /* read at init only */
    /* So long after an index had no room for some of the files all are told it again. 0: never. */
    int64_t room_ms;
    void (*load)(void *ctx, struct membership_load *out);
    void (*renewed)(void *ctx); /* the node has another id now */
    void *ctx;
};

/* Bytes of arena that it takes. */
size_t membership_size(void);
/* 0 or -P2P_EFULL. */
int membership_init(struct membership **out, struct arena *arena,
                    const struct membership_config *config);
void membership_start(struct membership *membership);
/* The share's callback: this file is not as the index was told. */
void membership_changed(struct membership *membership, uint32_t file);
/* Offers this beside the share (its texts are copied), instead of the former one; NULL: nothing. */
void membership_offer(struct membership *membership, const struct record_offer *offer);
/* left(ctx) when the index has answered, or after 1.5 s. */
void membership_leave(struct membership *membership, void (*left)(void *ctx), void *ctx);
void membership_close(struct membership *membership);

bool membership_is_joined(const struct membership *membership);
/* An index is about to hear more of this node's share. False while none can be reached. */
bool membership_is_telling(const struct membership *membership);
/* The addresses of the indexes as items of a JSON array, the current one first. */
void membership_put_indexes(const struct membership *membership, struct buf *buf);

#endif
