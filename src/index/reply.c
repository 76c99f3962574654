/* SPDX-License-Identifier: MIT */
/* Answers under way. Each has a slot with what it needs to go on: a search or list of the catalog,
 * a place among the nodes, or an order of holders. Lines are written straight into the room that
 * the connection has; what must be looked for first is looked for in a task of the loop, a slice a
 * turn. Loop thread. */
#include "index/reply.h"

#include "base/addr.h"
#include "base/name.h"
#include "catalog/list.h"
#include "catalog/search.h"
#include "index/about.h"
#include "index/source.h"
#include "platform/plat.h"
#include "wire/metalink.h"

#include <string.h>

enum {
    REPLY_WORK = 2500,    /* units of the catalog in a slice: half a millisecond */
    REPLY_TURN_US = 1000, /* of one turn, for searches that come in it */
    REPLY_OFFERS = 8192, /* that fit, for each search that may wait: half of what is open at most */
    REPLY_PER_ADDRESS =
        8,              /* so that slow readers of one address do not take all; loopback is free */
    REPLY_LOG_TEXT = 64 /* of what was searched for */
};

struct reply {
    struct index_role *role;
    struct exchange *exchange; /* NULL: the slot is free */
    struct loop_task task;
    struct reach_asker asker;
    struct search *search;
    struct list list;
    uint32_t after, left, found; /* node slot, or place in nodes; lines still wanted; lines given */
    uint32_t holder_count;
    int64_t begun_us;
    /* Puts one line. 1; 0: there is no more, the end line was put; -P2P_EAGAIN: the task goes on
     * first. */
    int (*put)(struct reply *reply, struct buf *room);
    bool ready; /* the search is through */
    uint32_t holders[ROLE_HOLDERS_MAX];
    uint8_t have[ROLE_HOLDERS_MAX];
    char text[REPLY_LOG_TEXT];     /* for the log; "" logs nothing */
    struct record_content content; /* of a Metalink, as the next three */
    int64_t size;
    uint32_t priority;
    char name[P2P_PART_MAX + 1];
};

int reply_init(struct index_role *role, struct arena *arena)
{
    return pool_init(&role->replies, arena, sizeof(struct reply), ROLE_REPLIES);
}

/* ---- slots ---- */

static void reply_close(struct reply *reply)
{
    if (loop_has_task(&reply->task))
        loop_remove_task(reply->role->config.loop, &reply->task);
    search_close(reply->search);
    reply->search = NULL;
}

void reply_gone(struct exchange *exchange, void *context, bool aborted)
{
    struct index_role *role = context;
    struct reply *reply = exchange->user;
    (void)aborted;
    if (!reply)
        return;
    reply_close(reply);
    reply->exchange = NULL;
    exchange->user = NULL;
    pool_give(&role->replies, pool_slot(&role->replies, reply));
}

static uint32_t reply_count_from(struct index_role *role, const struct plat_addr *peer)
{
    uint32_t count = 0;
    for (uint32_t slot = 1; slot <= role->replies.fresh; slot++) {
        const struct reply *reply = pool_at(&role->replies, slot);
        count += reply->exchange && addr_same_ip(&reply->asker.peer, peer);
    }
    return count;
}

/* The task: looks on, or only comes back to produce on the next turn. A search whose time is up has
 * a slice all the same: it may have waited for its turn only. */
static bool reply_step(void *ctx)
{
    struct reply *reply = ctx;
    int64_t wait_us = reply->role->config.wait_ms * 1000;
    bool late = wait_us > 0 && plat_now_us() - reply->begun_us > wait_us;
    if (reply->search && search_step(reply->search, REPLY_WORK)) {
        if (!late)
            return true;
        search_stop(reply->search);
    }
    reply->ready = true;
    latency_add(&reply->role->searches, plat_now_us() - reply->begun_us);
    exchange_wake(reply->exchange);
    return false;
}

/* NULL: answered 503. */
static struct reply *reply_open(struct index_role *role, struct exchange *exchange,
                                int (*put)(struct reply *reply, struct buf *room))
{
    bool greedy = !addr_is_loopback(&exchange->peer) &&
                  reply_count_from(role, &exchange->peer) >= REPLY_PER_ADDRESS;
    uint32_t slot = greedy ? 0 : pool_take(&role->replies);
    if (!slot) {
        role_refuse(role, exchange, 503, "too many answers under way", "come again");
        return NULL;
    }
    struct reply *reply = pool_at(&role->replies, slot);
    reply->role = role;
    reply->exchange = exchange;
    reply->asker = role_asker(exchange);
    reply->begun_us = plat_now_us();
    reply->put = put;
    reply->task.step = reply_step;
    reply->task.ctx = reply;
    exchange->user = reply;
    return reply;
}

static void reply_log(const struct reply *reply)
{
    char from[ADDR_TEXT_MAX];
    if (reply->text[0])
        log_line(LOG_INFO, "index", "search %s from %s: %u results in %lld us", reply->text,
                 addr_format_ip(&reply->asker.peer, from), (unsigned)reply->found,
                 (long long)(plat_now_us() - reply->begun_us));
}

/* ---- making the answer ---- */

static void reply_produce(struct exchange *exchange, void *context, struct buf *room)
{
    struct reply *reply = exchange->user;
    int result = 1;
    (void)context;
    while (result == 1 && room->size - room->len >= P2P_LINE_MAX)
        result = reply->put(reply, room);
    if (result == 1)
        return;
    if (result == -P2P_EAGAIN) {
        if (!loop_has_task(&reply->task))
            loop_add_task(reply->role->config.loop, &reply->task);
        return;
    }
    reply_log(reply);
    reply_close(reply);
    exchange_end(exchange);
}

static void reply_answer(struct reply *reply)
{
    exchange_begin(reply->exchange, 200, "application/x-ndjson");
    exchange_stream(reply->exchange, -1, reply_produce);
}

static void reply_put_end(struct buf *room, enum record_stream stream, const struct record_end *end)
{
    record_put_end(room, stream, end);
    buf_put_char(room, '\n');
}

/* ---- search ---- */

void reply_put_offer(const struct index_role *role, struct buf *buf,
                     const struct reach_asker *asker, const struct lookup_offer *offer)
{
    struct record_result result = {.offer = offer->offer, .holders = offer->holders};
    result.offer.path.ptr = offer->path;
    source_put_node(role, offer->node, asker, &result);
    record_put_result(buf, RECORD_SEARCH, &result);
    buf_put_char(buf, '\n');
}

static int reply_put_found(struct reply *reply, struct buf *room)
{
    struct lookup_offer offer;
    if (!reply->ready)
        return -P2P_EAGAIN;
    if (search_next(reply->search, &offer) == 1) {
        reply_put_offer(reply->role, room, &reply->asker, &offer);
        reply->found++;
        return 1;
    }
    reply_put_end(room, RECORD_SEARCH,
                  &(struct record_end){.truncated = search_truncated(reply->search)});
    return 0;
}

/* Turns within one millisecond share what they may take. A search that waits holds one of the
 * catalog's few slots: when many do, time matters less. */
static bool reply_turn_has_time(struct index_role *role)
{
    int64_t now_ms = loop_now_ms(role->config.loop);
    uint32_t waiting = catalog_budget(role->catalog).offers / REPLY_OFFERS;
    if (waiting > SEARCH_OPEN_MAX / 2)
        waiting = SEARCH_OPEN_MAX / 2;
    if (role->looked_ms != now_ms)
        role->looked_us = 0;
    role->looked_ms = now_ms;
    return role->looked_us < REPLY_TURN_US || role->replies.used > waiting;
}

/* The first slice at once: most searches need no other. Of many that come together the later ones
 * wait for their task, so that nobody else waits for all their first slices. */
static void reply_begin_search(struct reply *reply)
{
    struct index_role *role = reply->role;
    if (reply_turn_has_time(role)) {
        reply->ready = !search_step(reply->search, REPLY_WORK);
        int64_t took_us = plat_now_us() - reply->begun_us;
        role->looked_us += took_us;
        if (reply->ready)
            latency_add(&role->searches, took_us);
    }
    reply_answer(reply);
}

static void reply_refuse(struct reply *reply, int error, const char *fault)
{
    struct index_role *role = reply->role;
    if (error == -P2P_EBUSY)
        role_refuse(role, reply->exchange, 503, "too many searches at once", "come again");
    else if (error == -P2P_ENOTFOUND)
        role_refuse(role, reply->exchange, 410, fault, "begin at the first page");
    else
        role_refuse(role, reply->exchange, 400, fault, "see docs/protocol.md");
    reply_gone(reply->exchange, role, false);
}

void reply_search(struct index_role *role, struct exchange *exchange, struct str text,
                  uint32_t limit)
{
    const char *fault = "not a search";
    struct reply *reply = reply_open(role, exchange, reply_put_found);
    if (!reply)
        return;
    struct buf shown = buf_on(reply->text, sizeof(reply->text) - 1);
    buf_put(&shown, text_first(text, sizeof(reply->text) - 3));
    struct search_request request = {.text = text, .limit = limit, .wall_s = plat_wall_s()};
    int error = search_open(role->catalog, &request, &reply->search, &fault);
    if (error)
        reply_refuse(reply, error, fault);
    else
        reply_begin_search(reply);
}

void reply_content(struct index_role *role, struct exchange *exchange,
                   const struct record_content *content, uint32_t limit)
{
    struct reply *reply = reply_open(role, exchange, reply_put_found);
    if (!reply)
        return;
    int error = search_open_content(role->catalog, content, limit, &reply->search);
    if (error)
        reply_refuse(reply, error, "not a content");
    else
        reply_begin_search(reply);
}

/* ---- list ---- */

static int reply_put_listed(struct reply *reply, struct buf *room)
{
    struct lookup_offer offer;
    uint32_t work = REPLY_WORK;
    char cursor[LIST_CURSOR_MAX];
    int result = reply->left > 0 ? list_next(&reply->list, &work, &offer) : 0;
    if (result == 1) {
        struct record_result line = {.offer = offer.offer, .holders = offer.holders};
        line.offer.path.ptr = offer.path;
        record_put_result(room, RECORD_LIST, &line);
        buf_put_char(room, '\n');
        reply->left--;
    } else if (result == 0) {
        struct record_end end = {.answered = 0};
        if (reply->left == 0)
            end.next = text_from(list_cursor(&reply->list, cursor));
        reply_put_end(room, RECORD_LIST, &end);
    }
    return result;
}

void reply_list(struct index_role *role, struct exchange *exchange, const struct reply_page *page)
{
    struct reply *reply = reply_open(role, exchange, reply_put_listed);
    if (!reply)
        return;
    reply->left = page->limit;
    int error = list_init(&reply->list, role->catalog, page->prefix, page->after, plat_wall_s());
    if (error == -P2P_ENOTFOUND)
        reply_refuse(reply, error, "the page before was of an earlier run of this index");
    else if (error)
        reply_refuse(reply, error,
                     error == -P2P_ETOOBIG ? "prefix: too long" : "after: not a cursor");
    else
        reply_answer(reply);
}

/* ---- nodes ---- */

static void reply_put_node(struct reply *reply, struct buf *room, const struct catalog_node *node)
{
    struct told_node line;
    about_node(reply->role, node, &line);
    told_put_node(room, &line);
    about_close(room, &reply->asker, &line);
    buf_put_char(room, '\n');
}

/* A node whose first join is still coming in is not shown. */
static int reply_put_member(struct reply *reply, struct buf *room)
{
    const struct catalog_node *node = catalog_next_node(reply->role->catalog, reply->after);
    if (!node) {
        reply_put_end(room, RECORD_SOURCES, &(struct record_end){.answered = 0});
        return 0;
    }
    reply->after = node->slot;
    if (node->epoch > 0)
        reply_put_node(reply, room, node);
    return 1;
}

void reply_nodes(struct index_role *role, struct exchange *exchange)
{
    struct reply *reply = reply_open(role, exchange, reply_put_member);
    if (reply)
        reply_answer(reply);
}

/* ---- many holders ---- */

/* A node that went since they were put in order is left out; one that came into its slot would be
 * named for a content that it does not have, which costs the asker one 404. */
static int reply_put_source(struct reply *reply, struct buf *room)
{
    struct record_result line;
    if (reply->after == reply->holder_count) {
        reply_put_end(room, RECORD_SOURCES, &(struct record_end){.answered = 0});
        return 0;
    }
    uint32_t at = reply->after++;
    const struct catalog_node *node = role_node(reply->role, reply->holders[at]);
    if (!node || node->state == RECORD_LEFT)
        return 1;
    source_put_node(reply->role, node, &reply->asker, &line);
    line.have = reply->have[at];
    record_put_result(room, RECORD_SOURCES, &line);
    buf_put_char(room, '\n');
    return 1;
}

static void reply_keep_holders(struct reply *reply, uint32_t count)
{
    reply->holder_count = count;
    for (uint32_t i = 0; i < count; i++) {
        reply->holders[i] = reply->role->holders[i].node;
        reply->have[i] = reply->role->holders[i].have;
    }
}

void reply_sources(struct index_role *role, struct exchange *exchange, uint32_t count)
{
    struct reply *reply = reply_open(role, exchange, reply_put_source);
    if (!reply)
        return;
    reply_keep_holders(reply, count);
    reply_answer(reply);
}

/* ---- Metalink ---- */

/* The priority counts what was put: 0 is the head. */
static int reply_put_place(struct reply *reply, struct buf *room)
{
    struct metalink_file file = {text_from(reply->name), reply->size, reply->content.bytes};
    struct plat_addr address[P2P_ADDRESSES_MAX];
    char text[ADDR_TEXT_MAX];
    if (reply->priority == 0) {
        metalink_put_head(room, &file);
        reply->priority = 1;
        return 1;
    }
    if (reply->after == reply->holder_count) {
        metalink_put_end(room);
        return 0;
    }
    const struct catalog_node *node = role_node(reply->role, reply->holders[reply->after++]);
    if (node && node->state != RECORD_LEFT &&
        reach_addresses(&reply->asker, node->address, node->address_count, address) > 0)
        metalink_put_holder(room, &file, addr_format(&address[0], text), reply->priority++);
    return 1;
}

static void reply_begin_metalink(struct exchange *exchange, struct str name)
{
    char text[8 * P2P_PART_MAX], meta[P2P_PART_MAX + 8];
    struct buf buf = buf_on(text, sizeof(text)), file = buf_on(meta, sizeof(meta));
    buf_put(&file, name);
    buf_put(&file, STR(".meta4"));
    buf_put(&buf, STR("attachment; "));
    buf_put_disposition(&buf, buf_str(&file));
    exchange_begin(exchange, 200, METALINK_TYPE);
    exchange_header(exchange, "Content-Disposition", buf_str(&buf));
    exchange_header(exchange, "Content-Security-Policy", STR("sandbox; default-src 'none'"));
    exchange_stream(exchange, -1, reply_produce);
}

void reply_metalink(struct index_role *role, struct exchange *exchange,
                    const struct lookup_offer *file, uint32_t count)
{
    struct reply *reply = reply_open(role, exchange, reply_put_place);
    if (!reply)
        return;
    struct str name = name_base((struct str){file->path, file->offer.path.len});
    reply_keep_holders(reply, count);
    reply->content = file->offer.content;
    reply->size = file->offer.size;
    text_copy(name, reply->name, sizeof(reply->name));
    reply_begin_metalink(exchange, name);
}
