/* SPDX-License-Identifier: MIT */
/* Questions to the directory. Exact ones, by content, are asked most: their lines are written into
 * the role's scratch and go out as one body with a length; what does not fit there, and what has to
 * be looked for, becomes a reply in parts. A parameter out of its range is brought into it where
 * that does no harm, else refused. Loop thread. */
#include "index/ask.h"

#include "base/addr.h"
#include "index/mirrors.h"
#include "index/reply.h"
#include "index/source.h"
#include "platform/plat.h"

enum {
    ASK_TTL_MAX = 16,       /* hops; more than any topology needs */
    ASK_WAIT_MAX_MS = 5000, /* longer than anybody waits for a search */
    ASK_LIST_PRESET = 1000,
    ASK_ID_MAX = 36 /* a UUID as text */
};

/* Some lines a second at most: exact look-ups come by the ten thousand. */
static void ask_log(struct index_role *role, const struct exchange *exchange,
                    const struct record_content *content, uint32_t found)
{
    char from[ADDR_TEXT_MAX], hex[17];
    role->counters.lookups++;
    if (!log_is_on(LOG_INFO) || !log_pass_some(&role->lookup_gate, ROLE_GATE_MS, ROLE_GATE_LINES))
        return;
    text_hex_encode(content->bytes, 8, hex);
    log_line(LOG_INFO, "index", "look-up of %s from %s: %u holders", hex,
             addr_format_ip(&exchange->peer, from), (unsigned)found);
}

static bool ask_content(struct index_role *role, struct exchange *exchange, struct str hex,
                        struct record_content *out)
{
    if (text_hex_decode(hex, out->bytes, sizeof(out->bytes)) == 0)
        return true;
    role_refuse(role, exchange, 400, "not a SHA-256", "write 64 hex digits");
    return false;
}

static void ask_answer(struct exchange *exchange, const struct buf *lines)
{
    exchange_begin(exchange, 200, "application/x-ndjson");
    buf_put(exchange_body(exchange), buf_str(lines));
    exchange_end(exchange);
}

/* ---- sources ---- */

/* False: they do not fit the scratch. */
static bool ask_put_sources(struct index_role *role, const struct reach_asker *asker,
                            uint32_t count, struct buf *buf)
{
    for (uint32_t i = 0; i < count && !buf->full; i++) {
        struct record_result line;
        source_put_node(role, role_node(role, role->holders[i].node), asker, &line);
        line.have = role->holders[i].have;
        record_put_result(buf, RECORD_SOURCES, &line);
        buf_put_char(buf, '\n');
    }
    record_put_end(buf, RECORD_SOURCES, &(struct record_end){.answered = 0});
    buf_put_char(buf, '\n');
    return !buf->full;
}

void ask_sources(struct exchange *exchange, void *context)
{
    struct index_role *role = context;
    struct record_content content;
    struct reach_asker asker = role_asker(exchange);
    struct buf buf = buf_on(role->scratch, sizeof(role->scratch));
    if (!ask_content(role, exchange, exchange->tail, &content) ||
        mirrors_are_awaited(role, exchange))
        return;
    uint32_t count = source_collect(role, exchange, &content);
    ask_log(role, exchange, &content, count);
    if (ask_put_sources(role, &asker, count, &buf))
        ask_answer(exchange, &buf);
    else
        reply_sources(role, exchange, count);
}

/* ---- search ---- */

/* The parameters that a search on its way through neighbours carries. */
static bool ask_check_overlay(struct index_role *role, struct exchange *exchange)
{
    static const struct role_number ttl = {"ttl", 0, UINT32_MAX, 0};
    static const struct role_number wait = {"wait_ms", 0, UINT32_MAX, 0};
    char id[ASK_ID_MAX];
    uint32_t number;
    ptrdiff_t length = http_query(exchange->head->query, "id", id, sizeof(id));
    bool good = length == -P2P_ENOTFOUND || length == ASK_ID_MAX;
    for (ptrdiff_t i = 0; i < length && good; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        bool hex = (id[i] >= '0' && id[i] <= '9') || (id[i] >= 'a' && id[i] <= 'f') ||
                   (id[i] >= 'A' && id[i] <= 'F');
        good = dash ? id[i] == '-' : hex;
    }
    if (good && !role_query_number(exchange, &ttl, &number) &&
        !role_query_number(exchange, &wait, &number))
        return true;
    role_refuse(role, exchange, 400, good ? "ttl or wait_ms is not a number" : "id is not a UUID",
                "leave it out");
    return false;
}

struct ask_found {
    struct record_content content;
    uint32_t limit, count;
};

/* False: they do not fit the scratch. */
static bool ask_put_offers(struct index_role *role, const struct reach_asker *asker,
                           struct ask_found *found, struct buf *buf)
{
    struct lookup_offer read;
    uint32_t offer = lookup_first_holder(role->catalog, &found->content);
    for (found->count = 0; offer && found->count < found->limit && !buf->full; found->count++) {
        lookup_read(role->catalog, offer, &read);
        reply_put_offer(role, buf, asker, &read);
        offer = lookup_next_holder(role->catalog, offer);
    }
    record_put_end(buf, RECORD_SEARCH, &(struct record_end){.truncated = offer != 0});
    buf_put_char(buf, '\n');
    return !buf->full;
}

static void ask_search_content(struct index_role *role, struct exchange *exchange, struct str hex,
                               uint32_t limit)
{
    struct ask_found found = {.limit = limit};
    struct reach_asker asker = role_asker(exchange);
    struct buf buf = buf_on(role->scratch, sizeof(role->scratch));
    if (!ask_content(role, exchange, hex, &found.content))
        return;
    int64_t begun_us = plat_now_us();
    if (!ask_put_offers(role, &asker, &found, &buf)) {
        reply_content(role, exchange, &found.content, limit);
        return;
    }
    latency_add(&role->searches, plat_now_us() - begun_us);
    ask_log(role, exchange, &found.content, found.count);
    ask_answer(exchange, &buf);
}

void ask_search(struct exchange *exchange, void *context)
{
    struct index_role *role = context;
    static const struct role_number limits = {"limit", 1, UINT32_MAX, P2P_RESULTS_MAX};
    char text[P2P_PATH_MAX]; /* beyond P2P_PATTERN_MAX only a whole name is found */
    uint32_t limit;
    if (!ask_check_overlay(role, exchange))
        return;
    if (role_query_number(exchange, &limits, &limit)) {
        role_refuse(role, exchange, 400, "limit is not a number above 0", "leave it out");
        return;
    }
    if (mirrors_are_awaited(role, exchange))
        return;
    limit = limit < P2P_RESULTS_MAX ? limit : P2P_RESULTS_MAX;
    role->counters.searches++;
    ptrdiff_t length = http_query(exchange->head->query, "sha256", text, sizeof(text));
    if (length != -P2P_ENOTFOUND) {
        ask_search_content(role, exchange, (struct str){text, length < 0 ? 0 : (size_t)length},
                           limit);
        return;
    }
    length = http_query(exchange->head->query, "q", text, sizeof(text));
    if (length >= 0)
        reply_search(role, exchange, (struct str){text, (size_t)length}, limit);
    else
        role_refuse(role, exchange, 400,
                    length == -P2P_ENOTFOUND ? "nothing to search for" : "q is too long or broken",
                    "ask for /v1/search?q=TEXT or ?sha256=HEX");
}

/* ---- list and nodes ---- */

static struct str ask_text(const struct exchange *exchange, const char *key, char *memory,
                           size_t size, bool *good)
{
    ptrdiff_t length = http_query(exchange->head->query, key, memory, size);
    *good = *good && (length >= 0 || length == -P2P_ENOTFOUND);
    return (struct str){memory, length < 0 ? 0 : (size_t)length};
}

void ask_list(struct exchange *exchange, void *context)
{
    static const struct role_number limits = {"limit", 1, UINT32_MAX, ASK_LIST_PRESET};
    char prefix[P2P_PATH_MAX], after[64];
    struct reply_page page;
    bool good = true;
    page.prefix = ask_text(exchange, "prefix", prefix, sizeof(prefix), &good);
    page.after = ask_text(exchange, "after", after, sizeof(after), &good);
    if (!good || role_query_number(exchange, &limits, &page.limit)) {
        role_refuse(context, exchange, 400, "prefix, after or limit is broken or too long",
                    "ask for /v1/list?prefix=TEXT&after=CURSOR&limit=NUMBER");
        return;
    }
    if (mirrors_are_awaited(context, exchange))
        return;
    page.limit = page.limit < P2P_PAGE_MAX ? page.limit : P2P_PAGE_MAX;
    reply_list(context, exchange, &page);
}

void ask_nodes(struct exchange *exchange, void *context)
{
    reply_nodes(context, exchange);
}
