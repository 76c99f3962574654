/* SPDX-License-Identifier: MIT */
/* Goes through the table in slot order, a slice at a time: while there is room for lines the server
 * asks for them, and where none is found for a while a task looks on. Loop thread. */
#include "peer/listing.h"

#include "base/name.h"
#include "base/text.h"
#include "catalog/fold.h"

#include <string.h>

enum { LISTING_SLICE = 2000 }; /* slots looked at in one turn: about a millisecond */

enum listing_kind { LISTING_FREE, LISTING_LIST, LISTING_SEARCH };

struct listing_query {
    enum listing_kind kind;
    struct exchange *exchange;
    uint32_t after; /* the last slot looked at */
    uint32_t left;  /* lines */
    bool waits;     /* the task looks on */
    bool by_content, glob, more;
    struct record_content content;
    size_t len; /* of the prefix, or of what is searched for, folded */
    char text[FOLD_SIZE(P2P_PATH_MAX)];
};

struct listing {
    struct listing_config config;
    struct loop_task task;
    struct listing_query queries[LISTING_MAX];
};

/* ---- what matches ---- */

static bool matches_text(const struct listing_query *query, struct str path)
{
    char folded[FOLD_SIZE(P2P_PATH_MAX)];
    struct str wanted = {query->text, query->len};
    if (query->kind == LISTING_LIST)
        return text_begins(path, wanted);
    if (wanted.len == 0)
        return true;
    struct str own = {folded, fold_text(path, folded, sizeof folded)};
    return query->glob ? name_glob(wanted, own)
                       : fold_find(own, wanted, 0, fold_anchor(wanted)) >= 0;
}

static bool matches(struct listing *listing, const struct listing_query *query, uint32_t slot)
{
    char path[P2P_PATH_MAX + 1];
    struct share *share = listing->config.share;
    const struct tree_file *file = tree_file(share_tree(share), slot);
    if (!entries_is_offered(share_entries(share), slot))
        return false;
    if (query->by_content)
        return (file->flags & TREE_HASHED) != 0 &&
               memcmp(file->content, query->content.bytes, sizeof file->content) == 0;
    return matches_text(query, tree_file_path(share_tree(share), slot, path));
}

/* The next match within a slice; 0: none in it. *out_end: there are no more at all. */
static uint32_t find(struct listing *listing, struct listing_query *query, bool *out_end)
{
    const struct tree *tree = share_tree(listing->config.share);
    *out_end = false;
    for (int i = 0; i < LISTING_SLICE; i++) {
        uint32_t slot = tree_next_file(tree, query->after);
        if (slot == 0) {
            *out_end = true;
            return 0;
        }
        if (matches(listing, query, slot))
            return slot; /* query->after stays: it is looked at again when it is written */
        query->after = slot;
    }
    return 0;
}

/* ---- lines ---- */

static void put_line(struct listing *listing, const struct listing_query *query, uint32_t slot,
                     struct buf *room)
{
    char path[P2P_PATH_MAX + 1];
    struct tree *tree = share_tree(listing->config.share);
    struct record_result result = {.node = listing->config.identity->id,
                                   .index = listing->config.identity->id,
                                   .name = listing->config.name,
                                   .holders = 1,
                                   .reachable = true};
    result.address[0] = query->exchange->local;
    result.address[0].port = listing->config.port;
    result.address_count = 1;
    tree_offer(tree, slot, tree_file_path(tree, slot, path), &result.offer);
    record_put_result(room, query->kind == LISTING_LIST ? RECORD_LIST : RECORD_SEARCH, &result);
    buf_put_char(room, '\n');
}

static void put_end(const struct listing_query *query, struct buf *room)
{
    char cursor[16];
    struct buf next = buf_on(cursor, sizeof cursor);
    struct record_end end = {.asked = 0, .answered = 0, .truncated = query->more};
    if (query->more)
        buf_put_u64(&next, query->after);
    end.next = buf_str(&next);
    record_put_end(room, query->kind == LISTING_LIST ? RECORD_LIST : RECORD_SEARCH, &end);
    buf_put_char(room, '\n');
    exchange_end(query->exchange);
}

static void wait(struct listing *listing, struct listing_query *query)
{
    query->waits = true;
    if (!loop_has_task(&listing->task))
        loop_add_task(listing->config.loop, &listing->task);
}

static void produce(struct exchange *exchange, void *role, struct buf *room)
{
    struct listing_query *query = exchange->user;
    size_t before = room->len;
    bool end = false;
    while (room->size - room->len >= P2P_LINE_MAX) {
        uint32_t slot = find(role, query, &end);
        query->more = slot != 0;
        if (end || (slot != 0 && query->left == 0)) {
            put_end(query, room);
            return;
        }
        if (slot == 0)
            break;
        put_line(role, query, slot, room);
        query->after = slot;
        query->left--;
    }
    if (room->len == before)
        wait(role, query);
}

/* Looks on for those that wait, until there is something to write. */
static bool step(void *ctx)
{
    struct listing *listing = ctx;
    bool waits = false, end;
    for (int i = 0; i < LISTING_MAX; i++) {
        struct listing_query *query = &listing->queries[i];
        if (query->kind == LISTING_FREE || !query->waits)
            continue;
        if (find(listing, query, &end) != 0 || end) {
            query->waits = false;
            exchange_wake(query->exchange);
        }
        waits = waits || query->waits;
    }
    return waits;
}

/* ---- requests ---- */

static void on_gone(struct exchange *exchange, void *role, bool aborted)
{
    struct listing_query *query = exchange->user;
    (void)role;
    (void)aborted;
    if (query)
        *query = (struct listing_query){.kind = LISTING_FREE};
}

static struct listing_query *take(struct listing *listing, struct exchange *exchange,
                                  enum listing_kind kind)
{
    for (int i = 0; i < LISTING_MAX; i++) {
        struct listing_query *query = &listing->queries[i];
        if (query->kind != LISTING_FREE)
            continue;
        *query = (struct listing_query){.kind = kind, .exchange = exchange};
        exchange->user = query;
        return query;
    }
    exchange_busy(exchange, "too many ask at once", "try again");
    return NULL;
}

/* A number of the query string. False: it is none, or too large. */
static bool number(const struct exchange *exchange, const char *key, uint64_t max, uint32_t *value)
{
    char text[16];
    uint64_t out = *value;
    ptrdiff_t len = http_query(exchange->head->query, key, text, sizeof text);
    if (len == -P2P_ENOTFOUND || len == 0)
        return true;
    if (len < 0 || text_to_u64((struct str){text, (size_t)len}, max, &out) < 0)
        return false;
    *value = (uint32_t)out;
    return true;
}

static void begin(struct exchange *exchange)
{
    exchange_begin(exchange, 200, "application/x-ndjson");
    exchange_stream(exchange, -1, produce);
}

static void refuse(struct exchange *exchange, const char *what)
{
    exchange_error(exchange, 400, what, "see docs/protocol.md");
}

static void list_begin(struct exchange *exchange, void *role)
{
    uint32_t left = P2P_PAGE_MAX, after = 0;
    struct listing_query *query = take(role, exchange, LISTING_LIST);
    if (!query)
        return;
    ptrdiff_t len = http_query(exchange->head->query, "prefix", query->text, P2P_PATH_MAX);
    query->len = len > 0 ? (size_t)len : 0;
    if (len < 0 && len != -P2P_ENOTFOUND) {
        refuse(exchange, "prefix is not a text, or too long");
        return;
    }
    if (!number(exchange, "limit", P2P_PAGE_MAX, &left) || left == 0 ||
        !number(exchange, "after", UINT32_MAX - 1, &after)) {
        refuse(exchange, "limit or after is not a good number");
        return;
    }
    query->left = left;
    query->after = after;
    begin(exchange);
}

static bool search_text(struct exchange *exchange, struct listing_query *query)
{
    char raw[P2P_PATTERN_MAX];
    ptrdiff_t len = http_query(exchange->head->query, "q", raw, sizeof raw);
    if (len == -P2P_ENOTFOUND)
        len = 0;
    if (len < 0 || !text_is_utf8((struct str){raw, (size_t)len}))
        return false;
    struct str text = text_trim((struct str){raw, (size_t)len});
    query->glob = name_is_glob(text);
    query->len = fold_text(text, query->text, sizeof query->text);
    if (text_hex_decode(text, query->content.bytes, sizeof query->content.bytes) == 0)
        query->by_content = true;
    return true;
}

static void search_begin(struct exchange *exchange, void *role)
{
    char hex[2 * P2P_SHA256_SIZE + 1];
    uint32_t left = P2P_RESULTS_MAX;
    struct listing_query *query = take(role, exchange, LISTING_SEARCH);
    if (!query)
        return;
    ptrdiff_t len = http_query(exchange->head->query, "sha256", hex, sizeof hex);
    if (len != -P2P_ENOTFOUND) {
        query->by_content = true;
        if (len < 0 || text_hex_decode((struct str){hex, (size_t)len}, query->content.bytes,
                                       sizeof query->content.bytes) < 0) {
            refuse(exchange, "sha256 is not 64 hex digits");
            return;
        }
    } else if (!search_text(exchange, query)) {
        refuse(exchange, "q is not a text, or too long");
        return;
    }
    if (!number(exchange, "limit", P2P_RESULTS_MAX, &left) || left == 0) {
        refuse(exchange, "limit is not a good number");
        return;
    }
    query->left = left;
    begin(exchange);
}

static const struct route routes[] = {
    {SERVER_GET, 0, "/v1/list", SERVER_CLIENT, list_begin, NULL, NULL, NULL, on_gone},
    {SERVER_GET, 0, "/v1/search", SERVER_CLIENT, search_begin, NULL, NULL, NULL, on_gone},
    {0, 0, NULL, SERVER_CLIENT, NULL, NULL, NULL, NULL, NULL},
};

size_t listing_size(void)
{
    return sizeof(struct listing) + 64;
}

int listing_init(struct listing **out, struct arena *arena, const struct listing_config *config)
{
    struct listing *listing = arena_carve(arena, sizeof *listing, 8);
    if (!listing)
        return -P2P_EFULL;
    listing->config = *config;
    listing->task = (struct loop_task){.step = step, .ctx = listing};
    *out = listing;
    return server_add_routes(config->server, routes, listing);
}

void listing_close(struct listing *listing)
{
    loop_remove_task(listing->config.loop, &listing->task);
}
