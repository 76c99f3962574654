/* SPDX-License-Identifier: MIT */
/* Snapshots as answers. A walk goes on as its reader takes the lines; when it has to wait for the
 * directory it is woken on the next turns. A reader who is so slow that the feed overtakes him is
 * cut off. The same lines go into the file on disk (store.c). Loop thread. */
#include "index/dump.h"

#include "base/addr.h"
#include "index/about.h"
#include "index/changes.h"

enum {
    DUMP_WORK = 2500,       /* units of the walk in a slice: half a millisecond */
    DUMP_PER_ADDRESS = 4,   /* loopback is free */
    DUMP_OFFER_BYTES = 200, /* of the catalog, at least, for each offer that fits */
};

struct dump {
    struct index_role *role;
    struct exchange *exchange; /* NULL: the slot is free */
    struct loop_task task;
    struct snapshot snapshot;
    uint32_t *slots;
};

struct dumps {
    struct dump dump[DUMP_MAX];
};

size_t dump_size(size_t bytes)
{
    size_t slots = bytes / DUMP_OFFER_BYTES / 64 + 256;
    return sizeof(struct dumps) + DUMP_MAX * (slots * sizeof(uint32_t) + 8) + 64;
}

int dump_init(struct index_role *role, struct arena *arena)
{
    size_t slots = snapshot_slots(role->catalog) * sizeof(uint32_t);
    role->dumps = arena_carve(arena, sizeof(*role->dumps), _Alignof(struct dumps));
    if (!role->dumps)
        return -P2P_EFULL;
    for (int i = 0; i < DUMP_MAX; i++) {
        role->dumps->dump[i].slots = arena_carve(arena, slots, sizeof(uint32_t));
        if (!role->dumps->dump[i].slots)
            return -P2P_EFULL;
    }
    return 0;
}

/* ---- lines ---- */

static void dump_put_node(const struct index_role *role, struct buf *buf,
                          const struct reach_asker *asker, const struct catalog_node *node)
{
    struct told told = {.op = TOLD_JOIN, .node = node->id, .epoch = node->epoch, .seq = node->seq};
    if (node->state == RECORD_LEFT)
        told.op = node->lost ? TOLD_LOST : TOLD_LEAVE;
    about_node(role, node, &told.about);
    told_put(buf, &told);
    about_close(buf, asker, &told.about);
}

void dump_put(const struct index_role *role, struct buf *buf, const struct reach_asker *asker,
              const struct snapshot_item *item)
{
    struct told told = {.op = TOLD_PUT};
    if (item->kind == SNAPSHOT_LINE) {
        changes_put_line(buf, &item->line, asker);
        return;
    }
    if (item->kind == SNAPSHOT_NODE) {
        dump_put_node(role, buf, asker, item->node);
    } else {
        told.node = item->node->id;
        told.change.offer = item->offer;
        told_put(buf, &told);
        told_close(buf, NULL, 0);
    }
    buf_put_char(buf, '\n');
}

/* ---- answers ---- */

static bool dump_step(void *context)
{
    struct dump *dump = context;
    exchange_wake(dump->exchange);
    return false;
}

static void dump_wait(struct dump *dump)
{
    if (!loop_has_task(&dump->task))
        loop_add_task(dump->role->config.loop, &dump->task);
}

static void dump_produce(struct exchange *exchange, void *context, struct buf *room)
{
    struct dump *dump = exchange->user;
    struct reach_asker asker = role_asker(exchange);
    struct snapshot_item item;
    uint32_t work = DUMP_WORK;
    uint64_t n = 0;
    int result = 1;
    changes_want(context, CHANGES_KEEP_MS);
    while (room->size - room->len >= P2P_LINE_MAX &&
           (result = snapshot_next(&dump->snapshot, &work, &item, &n)) == 1)
        dump_put(context, room, &asker, &item);
    if (result == -P2P_EAGAIN) {
        dump_wait(dump);
    } else if (result < 0) {
        exchange_cut(exchange);
    } else if (result == 0) {
        told_put_end(room, (struct str){dump->role->feed, 2 * ROLE_FEED_SIZE}, n);
        buf_put_char(room, '\n');
        exchange_end(exchange);
    }
}

/* A free slot, or NULL with the answer given. */
static struct dump *dump_open(struct index_role *role, struct exchange *exchange)
{
    struct dump *found = NULL;
    uint32_t same = 0;
    for (int i = 0; i < DUMP_MAX; i++) {
        struct dump *dump = &role->dumps->dump[i];
        if (!dump->exchange)
            found = dump;
        else
            same += addr_same_ip(&dump->exchange->peer, &exchange->peer);
    }
    if (!found || (same >= DUMP_PER_ADDRESS && !addr_is_loopback(&exchange->peer))) {
        role_refuse(role, exchange, 503, "too many snapshots at once", "come again");
        return NULL;
    }
    found->role = role;
    found->exchange = exchange;
    found->task = (struct loop_task){.step = dump_step, .ctx = found};
    exchange->user = found;
    return found;
}

/* 1: all; 0: one node; -P2P_EINVAL. */
static int dump_parse(const struct exchange *exchange, struct record_id *out)
{
    char id[2 * P2P_ID_SIZE + 2];
    ptrdiff_t length = http_query(exchange->head->query, "node", id, sizeof(id));
    if (length == -P2P_ENOTFOUND)
        return 1;
    if (length < 0)
        return -P2P_EINVAL;
    return text_hex_decode((struct str){id, (size_t)length}, out->bytes, sizeof(out->bytes));
}

void dump_begin(struct exchange *exchange, void *context)
{
    struct index_role *role = context;
    struct record_id id;
    int all = dump_parse(exchange, &id);
    if (all < 0) {
        role_refuse(role, exchange, 400, "node is 32 hex digits", "leave it out for all nodes");
        return;
    }
    if (role->loading) {
        role_refuse(role, exchange, 503, "the directory is being read from disk", "come again");
        return;
    }
    struct dump *dump = dump_open(role, exchange);
    if (!dump)
        return;
    changes_want(role, CHANGES_KEEP_MS);
    snapshot_begin(&dump->snapshot, role->catalog, &role->lines, all ? NULL : &id, dump->slots);
    exchange_begin(exchange, 200, "application/x-ndjson");
    exchange_stream(exchange, -1, dump_produce);
}

void dump_gone(struct exchange *exchange, void *context, bool aborted)
{
    struct index_role *role = context;
    struct dump *dump = exchange->user;
    (void)aborted;
    if (!dump)
        return;
    if (loop_has_task(&dump->task))
        loop_remove_task(role->config.loop, &dump->task);
    dump->exchange = NULL;
    exchange->user = NULL;
}
