/* SPDX-License-Identifier: MIT */
/* Changes of the catalog become lines once; a reader's connection copies them from the ring when
 * its socket takes them. A reader is in one of three lists: in rest (it has all), due (it is to be
 * woken, a few dozens a slice, so that thousands of readers do not stop the loop), or behind (its
 * socket has the word). One whose place has left the ring is cut off. Readers of one node's changes
 * rest beside their node's hash and are passed over by all other lines. Loop thread. */
#include "index/changes.h"

#include "base/addr.h"
#include "index/about.h"
#include "index/member.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum {
    CHANGES_SHARE = 32, /* of the index's memory: the ring */
    CHANGES_RING_MAX = 8 << 20,
    CHANGES_WAKES = 64,   /* readers in a slice: each costs a system call */
    CHANGES_BUCKETS = 256 /* of readers of one node */
};

/* A ring; the head's own links. */
struct changes_list {
    struct changes_list *next, *prev;
};

struct reader {
    struct changes_list list; /* first */
    struct exchange *exchange;
    struct feed_place place;
    struct record_id only;
    bool filtered;
};

struct changes {
    struct index_role *role;
    struct pool readers;
    struct changes_list rest, due, behind, only[CHANGES_BUCKETS];
    uint64_t check_n;  /* when the ring begins there, those behind are looked through */
    uint32_t filtered; /* how many read one node's changes */
    struct loop_task task;
    int64_t wanted_ms; /* lines are made until then, and as long as there are readers */
    bool mute, missed; /* missed: something that the feed does not have */
};

/* ---- lists ---- */

static void list_init(struct changes_list *list)
{
    list->next = list->prev = list;
}

static void list_remove(struct changes_list *item)
{
    if (!item->next)
        return;
    item->next->prev = item->prev;
    item->prev->next = item->next;
    item->next = item->prev = NULL;
}

static void list_add(struct changes_list *list, struct changes_list *item)
{
    list_remove(item);
    item->next = list;
    item->prev = list->prev;
    list->prev->next = item;
    list->prev = item;
}

static void list_splice(struct changes_list *to, struct changes_list *from)
{
    if (from->next == from)
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

/* ---- set-up ---- */

/* Bytes of the ring for an index with so many bytes. */
static uint32_t changes_ring(size_t bytes)
{
    size_t size = bytes / CHANGES_SHARE;
    return size > CHANGES_RING_MAX ? CHANGES_RING_MAX
           : size < FEED_SIZE_MIN  ? FEED_SIZE_MIN
                                   : (uint32_t)size;
}

static void changes_on(void *role, const struct catalog_change *change);
static bool changes_step(void *context);

int changes_init(struct index_role *role, struct arena *arena)
{
    struct changes *changes = arena_carve(arena, sizeof(*changes), _Alignof(struct changes));
    if (!changes)
        return -P2P_EFULL;
    role->changes = changes;
    changes->role = role;
    changes->task.step = changes_step;
    changes->task.ctx = changes;
    list_init(&changes->rest);
    list_init(&changes->due);
    list_init(&changes->behind);
    for (int i = 0; i < CHANGES_BUCKETS; i++)
        list_init(&changes->only[i]);
    int error =
        pool_init(&changes->readers, arena, sizeof(struct reader), role->config.connections);
    return error ? error : feed_init(&role->lines, arena, changes_ring(role->config.bytes));
}

void changes_watch(struct index_role *role)
{
    catalog_watch(role->catalog, changes_on, role);
}

void changes_close(struct index_role *role)
{
    if (loop_has_task(&role->changes->task))
        loop_remove_task(role->config.loop, &role->changes->task);
}

const char *changes_at(const struct index_role *role, char out[static CHANGES_AT_MAX])
{
    snprintf(out, CHANGES_AT_MAX, "%s.%llu", role->feed, (unsigned long long)role->lines.last);
    return out;
}

uint32_t changes_readers(const struct index_role *role)
{
    return role->changes->readers.used;
}

void changes_want(struct index_role *role, int64_t ms)
{
    int64_t until = loop_now_ms(role->config.loop) + ms;
    if (until > role->changes->wanted_ms)
        role->changes->wanted_ms = until;
}

static bool changes_are_wanted(const struct changes *changes)
{
    return changes->readers.used > 0 ||
           loop_now_ms(changes->role->config.loop) < changes->wanted_ms;
}

/* ---- waking ---- */

static void changes_wake(struct changes *changes)
{
    if (changes->due.next != &changes->due && !loop_has_task(&changes->task))
        loop_add_task(changes->role->config.loop, &changes->task);
}

static bool changes_step(void *context)
{
    struct changes *changes = context;
    for (int i = 0; i < CHANGES_WAKES && changes->due.next != &changes->due; i++) {
        struct reader *reader = (struct reader *)(void *)changes->due.next;
        list_add(&changes->behind, &reader->list);
        exchange_wake(reader->exchange);
    }
    return changes->due.next != &changes->due;
}

static struct changes_list *changes_bucket(struct changes *changes, const struct record_id *node)
{
    return &changes->only[node->bytes[0] % CHANGES_BUCKETS];
}

/* Readers of this node's changes go on with the line before the end; they have had all the earlier
 * ones. */
static void changes_wake_only(struct changes *changes, const struct record_id *node)
{
    struct changes_list *bucket = changes_bucket(changes, node), *at = bucket->next;
    while (at != bucket) {
        struct reader *reader = (struct reader *)(void *)at;
        at = at->next;
        if (record_id_equal(&reader->only, node)) {
            (void)feed_find(&changes->role->lines, changes->role->lines.last - 1, &reader->place);
            list_add(&changes->due, &reader->list);
        }
    }
}

/* Their sockets take nothing, and the ring has passed them. Looked for once in a while. */
static void changes_cut(struct changes *changes)
{
    const struct feed *lines = &changes->role->lines;
    struct changes_list *at = changes->behind.next;
    for (; at != &changes->behind; at = at->next) {
        struct reader *reader = (struct reader *)(void *)at;
        if (reader->place.n < lines->first)
            exchange_cut(reader->exchange);
    }
    changes->check_n = lines->first + (lines->last - lines->first) / 4 + 1;
}

static void changes_told(struct changes *changes, const struct record_id *node)
{
    if (changes->role->lines.first > changes->check_n)
        changes_cut(changes);
    list_splice(&changes->due, &changes->rest);
    if (changes->filtered > 0)
        changes_wake_only(changes, node);
    changes_wake(changes);
}

void changes_mute(struct index_role *role, bool mute)
{
    struct changes *changes = role->changes;
    if (changes->mute && !mute && changes->missed) {
        feed_cut(&role->lines);
        list_splice(&changes->due, &changes->rest);
        for (int i = 0; i < CHANGES_BUCKETS; i++)
            list_splice(&changes->due, &changes->only[i]);
        changes_wake(changes);
    }
    changes->mute = mute;
    changes->missed = false;
}

/* ---- lines ---- */

/* Which line of its transaction. A transaction ends with the node's record when that says something
 * new: it joined, has another home, or not all of its offers are here. */
static enum told_part changes_part(const struct catalog_change *change, bool closes)
{
    bool is_put = change->event == CATALOG_PUT;
    if (change->nth > 0)
        return change->last && !closes ? TOLD_LAST : TOLD_MORE;
    if (change->last && !closes)
        return TOLD_ALONE;
    return is_put && change->join && change->node->offers == 1 ? TOLD_WHOLE : TOLD_FIRST;
}

/* False: nothing is to be told. */
static bool changes_fill(struct index_role *role, const struct catalog_change *change,
                         struct told *out)
{
    struct member *member = &role->members[change->node->slot];
    bool closes =
        change->join || member->rehomed || change->refused > 0 || change->node->incomplete;
    out->was_epoch = change->was_epoch;
    out->was_seq = change->was_seq;
    switch (change->event) {
    case CATALOG_PUT:
    case CATALOG_DEL:
        out->has_was = change->join && change->nth == 0;
        out->op = change->event == CATALOG_PUT ? TOLD_PUT : TOLD_DEL;
        out->part = changes_part(change, closes);
        out->change.op = change->event == CATALOG_PUT ? RECORD_PUT : RECORD_DEL;
        return true;
    case CATALOG_UPDATED:
        if (!closes && change->nth > 0)
            return false;
        break;
    case CATALOG_JOINED:
        break;
    case CATALOG_LEFT:
    case CATALOG_LOST:
        out->op = change->event == CATALOG_LEFT ? TOLD_LEAVE : TOLD_LOST;
        return true;
    }
    member->rehomed = false;
    out->op = change->back ? TOLD_BACK : TOLD_JOIN;
    out->has_was = change->nth == 0;
    out->part = change->nth > 0 ? TOLD_LAST : TOLD_ALONE;
    return true;
}

/* Every asker may have them as they are. */
static bool changes_are_plain(const struct told_node *node)
{
    for (int i = 0; i < node->address_count; i++) {
        if (addr_is_loopback(&node->address[i]) || addr_is_link_local(&node->address[i]))
            return false;
    }
    return true;
}

static void changes_close_line(struct buf *buf, const struct told_node *node,
                               struct feed_line *line)
{
    line->gap = (uint32_t)buf->len;
    if (changes_are_plain(node)) {
        told_close(buf, node->address, node->address_count);
        line->gap = (uint32_t)buf->len;
        return;
    }
    told_close(buf, NULL, 0);
    line->extra = (struct str){(const char *)node->address,
                               (size_t)node->address_count * sizeof(node->address[0])};
}

static void changes_append(struct index_role *role, const struct catalog_change *change,
                           struct told *told)
{
    char path[P2P_PATH_MAX];
    struct feed_line line = {.node = told->node};
    struct buf buf = buf_on(feed_room(&role->lines), FEED_LINE_MAX);
    if (told->op == TOLD_PUT || told->op == TOLD_DEL)
        relay_offer(role->catalog, change, &told->change.offer, path);
    else
        about_node(role, change->node, &told->about);
    told_put(&buf, told);
    changes_close_line(&buf, &told->about, &line);
    line.text = buf_str(&buf);
    if (buf.full)
        feed_cut(&role->lines); /* no line of ours is so long; if one is, readers begin anew */
    else
        feed_append(&role->lines, &line);
    changes_told(role->changes, &told->node);
}

/* What nobody has asked for in a long time is counted, but not written down: half of the work of a
 * join would be for nothing. */
static void changes_on(void *context, const struct catalog_change *change)
{
    struct index_role *role = context;
    struct told told = {.feed = {role->feed, 2 * ROLE_FEED_SIZE},
                        .n = role->lines.last + 1,
                        .node = change->node->id,
                        .epoch = change->epoch,
                        .seq = change->seq};
    if (role->changes->mute) {
        role->changes->missed = true;
        return;
    }
    if (!changes_fill(role, change, &told))
        return;
    if (changes_are_wanted(role->changes))
        changes_append(role, change, &told);
    else
        feed_cut(&role->lines);
    if (role->on_line)
        role->on_line(role);
}

void changes_put_line(struct buf *buf, const struct feed_line *line,
                      const struct reach_asker *asker)
{
    struct plat_addr address[P2P_ADDRESSES_MAX], given[P2P_ADDRESSES_MAX];
    int count = (int)(line->extra.len / sizeof(address[0]));
    buf_put(buf, text_first(line->text, line->gap));
    if (count > 0) {
        memcpy(address, line->extra.ptr, line->extra.len);
        int left = asker ? reach_addresses(asker, address, count, given) : count;
        record_put_addresses(buf, asker ? given : address, left);
    }
    buf_put(buf, text_from_byte(line->text, line->gap));
    buf_put_char(buf, '\n');
}

/* ---- readers ---- */

static void changes_rest(struct changes *changes, struct reader *reader)
{
    list_add(reader->filtered ? changes_bucket(changes, &reader->only) : &changes->rest,
             &reader->list);
}

static void changes_produce(struct exchange *exchange, void *context, struct buf *room)
{
    struct index_role *role = context;
    struct reader *reader = exchange->user;
    struct reach_asker asker = role_asker(exchange);
    struct feed_line line;
    int result = 1;
    while (room->size - room->len >= P2P_LINE_MAX &&
           (result = feed_next(&role->lines, &reader->place, &line)) == 1) {
        if (!reader->filtered || record_id_equal(&reader->only, &line.node))
            changes_put_line(room, &line, &asker);
    }
    if (result < 0)
        exchange_cut(exchange);
    else if (result == 0)
        changes_rest(role->changes, reader);
}

/* FEED.N. 0; -P2P_EINVAL; -P2P_ENOTFOUND: another feed, or the line has gone. */
static int changes_parse(const struct index_role *role, struct str since, struct feed_place *out)
{
    ptrdiff_t dot = text_find_last(since, '.');
    uint64_t n = 0;
    if (dot < 0 || text_to_u64(text_from_byte(since, (size_t)dot + 1), UINT64_MAX, &n))
        return -P2P_EINVAL;
    if (!text_is(text_first(since, (size_t)dot), role->feed))
        return -P2P_ENOTFOUND;
    return feed_find(&role->lines, n, out);
}

static int changes_since(const struct index_role *role, const struct exchange *exchange,
                         struct feed_place *out)
{
    char since[64];
    ptrdiff_t length = http_query(exchange->head->query, "since", since, sizeof(since));
    *out = feed_end(&role->lines);
    if (length == -P2P_ENOTFOUND)
        return 0;
    if (length < 0)
        return -P2P_EINVAL;
    return changes_parse(role, (struct str){since, (size_t)length}, out);
}

/* 0, also when there is none. */
static int changes_only(const struct exchange *exchange, struct reader *out)
{
    char id[2 * P2P_ID_SIZE + 2];
    ptrdiff_t length = http_query(exchange->head->query, "node", id, sizeof(id));
    if (length == -P2P_ENOTFOUND)
        return 0;
    out->filtered = true;
    return length < 0 ? -P2P_EINVAL
                      : text_hex_decode((struct str){id, (size_t)length}, out->only.bytes,
                                        sizeof(out->only.bytes));
}

static void changes_open(struct exchange *exchange, struct index_role *role,
                         const struct reader *wanted)
{
    struct changes *changes = role->changes;
    uint32_t slot = pool_take(&changes->readers);
    if (!slot) {
        role_refuse(role, exchange, 503, "too many readers of the feed", "come again");
        return;
    }
    struct reader *reader = pool_at(&changes->readers, slot);
    *reader = *wanted;
    reader->exchange = exchange;
    list_add(&changes->behind, &reader->list);
    changes->filtered += reader->filtered;
    exchange->user = reader;
}

void changes_begin(struct exchange *exchange, void *context)
{
    struct index_role *role = context;
    struct reader reader = {.filtered = false};
    char at[CHANGES_AT_MAX];
    if (role->loading) {
        role_refuse(role, exchange, 503, "the directory is being read from disk", "come again");
        return;
    }
    changes_want(role, CHANGES_KEEP_MS);
    int error = changes_since(role, exchange, &reader.place);
    if (error == 0 && changes_only(exchange, &reader))
        error = -P2P_EINVAL;
    if (error == -P2P_ENOTFOUND) {
        exchange_error(exchange, 410, "these changes are not in the feed any more",
                       "take /v1/snapshot, and the changes since the number at its end");
        return;
    }
    if (error) {
        exchange_error(exchange, 400, "since is FEED.N, node is 32 hex digits",
                       "see docs/protocol.md");
        return;
    }
    bool head_only = exchange->head->method == HTTP_METHOD_HEAD;
    if (!head_only)
        changes_open(exchange, role, &reader);
    if (exchange_is_answered(exchange))
        return;
    exchange_begin(exchange, 200, "application/x-ndjson");
    exchange_header(exchange, "P2P-Feed", text_from(changes_at(role, at)));
    if (head_only)
        exchange_end(exchange);
    else
        exchange_stream(exchange, -1, changes_produce);
}

/* That there is one makes a reader who closes his side be gone at once. */
void changes_next(struct exchange *exchange, void *role)
{
    (void)exchange;
    (void)role;
}

void changes_gone(struct exchange *exchange, void *context, bool aborted)
{
    struct index_role *role = context;
    struct reader *reader = exchange->user;
    (void)aborted;
    if (!reader)
        return;
    changes_want(role, CHANGES_KEEP_MS);
    list_remove(&reader->list);
    role->changes->filtered -= reader->filtered;
    pool_give(&role->changes->readers, pool_slot(&role->changes->readers, reader));
    exchange->user = NULL;
}
