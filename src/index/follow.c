/* SPDX-License-Identifier: MIT */
/* One connection reads the feed, from the number on that the greeting told. On the other the nodes
 * are compared and fetched, and later it is asked again and again where its feed is: that it
 * answers is its sign of life, and how far we are behind is the lag. Whatever breaks: all is begun
 * anew, since comparing costs little where little has changed. Loop thread. */
#include "index/follow.h"

#include "base/addr.h"

#include <stdio.h>
#include <string.h>

enum {
    FOLLOW_POLL_MS = 1000,
    FOLLOW_POLL_MIN_MS = 100,
    FOLLOW_SILENT_MS = 2000, /* it answers in milliseconds, also while it is busy */
    FOLLOW_WAIT_MIN_MS = 100,
    FOLLOW_WAIT_MAX_MS = 1000, /* a healed network is to be noticed within seconds */
    FOLLOW_IDLE_MS = 60000     /* what answers there is no index */
};

static void follow_pump(struct follow *f);
static void follow_try(struct follow *f);

/* ---- small things ---- */

static int64_t follow_now(const struct follow *f)
{
    return loop_now_ms(f->role->config.loop);
}

static void follow_after(struct follow *f, int64_t wait_ms)
{
    (void)loop_set_timer(f->role->config.loop, &f->timer, follow_now(f) + wait_ms);
}

static int64_t follow_poll_ms(const struct follow *f)
{
    int64_t part = f->role->config.lease_ms / 4;
    return part > FOLLOW_POLL_MS       ? FOLLOW_POLL_MS
           : part < FOLLOW_POLL_MIN_MS ? FOLLOW_POLL_MIN_MS
                                       : part;
}

static const char *follow_label(const struct follow *f, char out[static P2P_HOST_MAX + 8])
{
    snprintf(out, P2P_HOST_MAX + 8, "%s:%u", f->host, (unsigned)f->port);
    return out;
}

static void follow_heard(struct follow *f)
{
    f->heard_ms = follow_now(f);
    if (f->greeted)
        f->role->homes[f->number].heard_ms = f->heard_ms;
}

static void follow_hang_up(struct follow *f)
{
    if (f->control)
        client_close(f->control);
    if (f->reader)
        client_close(f->reader);
    f->control = f->reader = NULL;
    if (f->role->following & 1u << f->number) {
        f->role->following &= ~(1u << f->number);
        intake_stop(f->role, &f->feed);
        intake_stop(f->role, &f->whole);
    }
    memset(f->flight, 0, sizeof(f->flight));
    f->flights = 0;
    f->greeted = false;
    f->compared_ms = 0;
}

static void follow_broken(struct follow *f, int error)
{
    char label[P2P_HOST_MAX + 8];
    follow_hang_up(f);
    f->state = FOLLOW_AWAY;
    f->tried = f->tried || f->address_at + 1 >= f->address_count;
    f->address_at++;
    f->wait_ms = f->wait_ms == 0 ? FOLLOW_WAIT_MIN_MS : f->wait_ms * 2;
    if (f->wait_ms > FOLLOW_WAIT_MAX_MS)
        f->wait_ms = FOLLOW_WAIT_MAX_MS;
    if (!f->said_away)
        log_line(LOG_WARN, "index", "mirror %s is away: %s", follow_label(f, label),
                 log_error(error));
    f->said_away = true;
    uint32_t jitter = hash_random_below(&f->role->random, (uint32_t)f->wait_ms / 4 + 1);
    follow_after(f, f->wait_ms + jitter);
}

/* It answers, but is nobody to follow. */
static void follow_refuse(struct follow *f, const char *why, enum follow_state state)
{
    char label[P2P_HOST_MAX + 8];
    log_line(state == FOLLOW_SELF ? LOG_DEBUG : LOG_WARN, "index", "mirror %s %s",
             follow_label(f, label), why);
    follow_hang_up(f);
    f->state = state;
    f->tried = true;
    if (state != FOLLOW_SELF)
        follow_after(f, FOLLOW_IDLE_MS);
}

/* ---- the feed ---- */

static void follow_on_feed_head(void *ctx, const struct http_head *head)
{
    struct follow *f = ctx;
    follow_heard(f);
    if (head->status != 200)
        follow_broken(f, -P2P_EPROTO); /* its feed has gone on: compare again */
}

static void follow_on_feed_line(void *ctx, struct str line)
{
    struct follow *f = ctx;
    struct told told;
    follow_heard(f);
    if (told_read(&f->role->reader, line, &told) || told.is_end || told.n <= f->n) {
        follow_broken(f, -P2P_EPROTO);
        return;
    }
    f->n = told.n;
    if (f->their_n < told.n)
        f->their_n = told.n;
    intake_line(f->role, &f->feed, &told);
    follow_pump(f);
}

static void follow_on_feed_done(void *ctx, int result)
{
    follow_broken(ctx, result ? result : -P2P_ECLOSED);
}

static int follow_read_feed(struct follow *f)
{
    static const struct client_handlers handlers = {.on_head = follow_on_feed_head,
                                                    .on_line = follow_on_feed_line,
                                                    .on_done = follow_on_feed_done};
    char target[FOLLOW_FEED_MAX + 64];
    int error = 0;
    snprintf(target, sizeof(target), "/v1/changes?since=%s.%llu", f->feed_name,
             (unsigned long long)f->n);
    struct client_request request = {.method = HTTP_METHOD_GET,
                                     .target = text_from(target),
                                     .timeout_ms = FOLLOW_SILENT_MS,
                                     .patient = true,
                                     .handlers = &handlers,
                                     .ctx = f};
    f->reader = client_open(f->role->config.pool, &f->address[f->address_at], &error);
    return f->reader ? client_send(f->reader, &request) : error;
}

/* ---- fetching ---- */

static void follow_on_flight_head(void *ctx, const struct http_head *head)
{
    struct follow_flight *flight = ctx;
    follow_heard(flight->follow);
    flight->refused = head->status != 200;
}

static void follow_on_flight_line(void *ctx, struct str line)
{
    struct follow_flight *flight = ctx;
    struct follow *f = flight->follow;
    struct told told;
    follow_heard(f);
    if (flight->refused || flight->ended)
        return;
    if (told_read(&f->role->reader, line, &told)) {
        follow_broken(f, -P2P_EPROTO);
        return;
    }
    flight->ended = told.is_end;
    if (!told.is_end)
        intake_whole(f->role, &f->whole, &told);
}

/* Refused: it has too many readers just now. */
static void follow_on_flight_done(void *ctx, int result)
{
    struct follow_flight *flight = ctx;
    struct follow *f = flight->follow;
    struct record_id id = flight->id;
    bool good = result == 0 && flight->ended, again = result == 0 && flight->refused;
    *flight = (struct follow_flight){.follow = f};
    f->flights--;
    intake_end(f->role, &f->whole, &id, good);
    f->fetched += good;
    if (again)
        intake_want(f->role, &f->whole, &id);
    intake_tidy(f->role, &id);
    if (result)
        follow_broken(f, result);
    else if (!again)
        follow_pump(f);
}

static struct follow_flight *follow_free_flight(struct follow *f)
{
    for (int i = 0; i < FOLLOW_FLIGHTS; i++) {
        if (!f->flight[i].used)
            return &f->flight[i];
    }
    return NULL;
}

static bool follow_fetch(struct follow *f, const struct record_id *id)
{
    static const struct client_handlers handlers = {.on_head = follow_on_flight_head,
                                                    .on_line = follow_on_flight_line,
                                                    .on_done = follow_on_flight_done};
    struct follow_flight *flight = follow_free_flight(f);
    char target[2 * P2P_ID_SIZE + 32];
    struct buf buf = buf_on(target, sizeof(target));
    buf_put(&buf, STR("/v1/snapshot?node="));
    buf_put_hex(&buf, id->bytes, sizeof(id->bytes));
    struct client_request request = {.method = HTTP_METHOD_GET,
                                     .target = buf_str(&buf),
                                     .timeout_ms = FOLLOW_SILENT_MS,
                                     .handlers = &handlers,
                                     .ctx = flight};
    if (!flight || client_send(f->control, &request))
        return false;
    *flight = (struct follow_flight){.follow = f, .id = *id, .used = true};
    f->flights++;
    return true;
}

/* The next node that is to be fetched; the walk over all begins again when there are new ones. */
static struct catalog_node *follow_next(struct follow *f)
{
    uint32_t bit = 1u << f->number;
    struct catalog_node *node = f->scan > 0 ? intake_take(f->role, f->number, f->scan) : NULL;
    if (!node && f->role->wanted & bit) {
        f->role->wanted &= ~bit;
        node = intake_take(f->role, f->number, 0);
    }
    f->scan = node ? node->slot : 0;
    return node;
}

static void follow_arrived(struct follow *f)
{
    char label[P2P_HOST_MAX + 8];
    f->state = FOLLOW_IN;
    f->tried = true;
    f->said_away = false;
    f->wait_ms = 0;
    log_line(LOG_INFO, "index", "in step with mirror %s after %lld ms, %u nodes fetched",
             follow_label(f, label), (long long)(follow_now(f) - f->began_ms),
             (unsigned)f->fetched);
}

static void follow_pump(struct follow *f)
{
    struct catalog_node *node;
    if (!f->control || !f->compared_ms)
        return;
    while (f->flights < FOLLOW_FLIGHTS && (node = follow_next(f))) {
        struct record_id id = node->id;
        if (!follow_fetch(f, &id)) {
            intake_want(f->role, &f->whole, &id);
            return;
        }
    }
    if (f->state == FOLLOW_COMPARING && f->flights == 0)
        follow_arrived(f);
}

/* ---- comparing ---- */

static void follow_on_nodes_head(void *ctx, const struct http_head *head)
{
    struct follow *f = ctx;
    f->status = head->status;
    follow_heard(f);
}

static void follow_on_node(void *ctx, struct str line)
{
    struct follow *f = ctx;
    struct told_node about;
    bool end = false;
    follow_heard(f);
    if (f->status != 200)
        return;
    if (told_read_node(&f->role->reader, line, &about, &end)) {
        follow_broken(f, -P2P_EPROTO);
        return;
    }
    if (end)
        f->compared_ms = follow_now(f);
    else
        intake_compare(f->role, &f->feed, &about);
}

static void follow_on_nodes_done(void *ctx, int result)
{
    struct follow *f = ctx;
    if (result || !f->compared_ms)
        follow_broken(f, result ? result : -P2P_EBUSY);
    else
        follow_pump(f);
}

static int follow_compare(struct follow *f)
{
    static const struct client_handlers handlers = {.on_head = follow_on_nodes_head,
                                                    .on_line = follow_on_node,
                                                    .on_done = follow_on_nodes_done};
    struct client_request request = {.method = HTTP_METHOD_GET,
                                     .target = STR("/v1/nodes"),
                                     .timeout_ms = FOLLOW_SILENT_MS,
                                     .handlers = &handlers,
                                     .ctx = f};
    return client_send(f->control, &request);
}

/* ---- greeting and signs of life ---- */

/* "NAME.N" */
static bool follow_take_feed(struct follow *f, struct str at)
{
    char name[FOLLOW_FEED_MAX + 1];
    ptrdiff_t dot = at.ptr ? text_find_last(at, '.') : -1;
    if (dot < 0 || text_copy(text_first(at, (size_t)dot), name, sizeof(name)) ||
        text_to_u64(text_from_byte(at, (size_t)dot + 1), INT64_MAX, &f->their_n))
        return false;
    if (f->greeted)
        return strcmp(name, f->feed_name) == 0;
    memcpy(f->feed_name, name, sizeof(name));
    f->n = f->their_n;
    return true;
}

static bool follow_is_double(const struct follow *f, const struct record_id *id)
{
    const struct index_role *role = f->role;
    bool found = record_id_equal(id, &role->config.id);
    for (int i = 0; i < P2P_INDEXES_MAX; i++)
        found = found || (i != f->number && (role->following & 1u << i) &&
                          record_id_equal(&role->homes[i].id, id));
    return found;
}

static void follow_greeted(struct follow *f, const struct record_id *id)
{
    struct role_home *home = &f->role->homes[f->number];
    uint32_t number = 2 * (uint32_t)f->number;
    f->feed = (struct intake){.teller = number + 1, .mirror = f->number, .index = *id};
    f->whole = (struct intake){.teller = number + 2, .mirror = f->number, .index = *id};
    home->id = *id;
    f->greeted = f->ever = true;
    f->role->following |= 1u << f->number;
    follow_heard(f);
}

static void follow_on_greeting(void *ctx, const struct http_head *head)
{
    struct follow *f = ctx;
    struct record_id id;
    struct str node = head->header[HTTP_HEADER_P2P_NODE];
    f->status = head->status;
    bool is_node = node.ptr && text_hex_decode(node, id.bytes, sizeof(id.bytes)) == 0;
    if (head->status == 503)
        return;
    if (!is_node || head->status != 200)
        follow_refuse(f, "is no index; look at the setting mirrors", FOLLOW_AWAY);
    else if (f->greeted && !record_id_equal(&id, &f->feed.index))
        follow_broken(f, -P2P_EPROTO);
    else if (!f->greeted && follow_is_double(f, &id))
        follow_refuse(f, "is this index, or one that is followed already", FOLLOW_SELF);
    else if (!follow_take_feed(f, head->header[HTTP_HEADER_P2P_FEED]))
        follow_broken(f, -P2P_EPROTO);
    else if (!f->greeted)
        follow_greeted(f, &id);
    else
        follow_heard(f);
}

static void follow_on_greeting_done(void *ctx, int result)
{
    struct follow *f = ctx;
    if (result || f->status != 200) {
        follow_broken(f, result ? result : -P2P_EBUSY);
        return;
    }
    if (f->state != FOLLOW_GREETING) {
        follow_pump(f); /* what was refused is tried again */
        return;
    }
    f->state = FOLLOW_COMPARING;
    int error = follow_read_feed(f);
    if (!error)
        error = follow_compare(f);
    if (error)
        follow_broken(f, error);
    else
        follow_after(f, follow_poll_ms(f));
}

static int follow_greet(struct follow *f)
{
    static const struct client_handlers handlers = {.on_head = follow_on_greeting,
                                                    .on_done = follow_on_greeting_done};
    struct client_request request = {.method = HTTP_METHOD_HEAD,
                                     .target = STR("/v1/changes"),
                                     .timeout_ms = FOLLOW_SILENT_MS,
                                     .handlers = &handlers,
                                     .ctx = f};
    return client_send(f->control, &request);
}

/* It owes an answer for too long, or it is time to ask again. */
static void follow_watch(struct follow *f)
{
    int error = 0;
    if (client_pending(f->control) > 0) {
        if (follow_now(f) - f->heard_ms >= FOLLOW_SILENT_MS)
            error = -P2P_ETIMEOUT;
    } else {
        error = follow_greet(f);
        if (!error && f->state == FOLLOW_IN && follow_now(f) - f->compared_ms >= INTAKE_COMPARE_MS)
            error = follow_compare(f);
    }
    if (error)
        follow_broken(f, error);
    else
        follow_after(f, follow_poll_ms(f));
}

/* ---- beginning ---- */

static void follow_connect(struct follow *f)
{
    int error = -P2P_EUNREACH;
    f->state = FOLLOW_GREETING;
    f->began_ms = f->heard_ms = follow_now(f);
    f->fetched = f->scan = 0;
    f->address_at = f->address_at < f->address_count ? f->address_at : 0;
    if (f->address_count > 0)
        f->control = client_open(f->role->config.pool, &f->address[f->address_at], &error);
    error = f->control ? follow_greet(f) : error;
    if (error)
        follow_broken(f, error);
    else
        follow_after(f, FOLLOW_SILENT_MS);
}

static void follow_look_up(struct worker_job *job)
{
    struct follow *f = (struct follow *)(void *)job;
    f->found_count = plat_resolve(f->host, f->port, f->found, FOLLOW_ADDRESSES);
}

static void follow_looked_up(struct worker_job *job)
{
    struct follow *f = (struct follow *)(void *)job;
    if (f->stopped)
        return;
    f->address_count = f->found_count > 0 ? f->found_count : 0;
    memcpy(f->address, f->found, sizeof(f->address));
    if (f->found_count <= 0)
        follow_broken(f, f->found_count < 0 ? f->found_count : -P2P_ENOTFOUND);
    else
        follow_connect(f);
}

/* A name is looked up again when all its addresses have failed. */
static void follow_try(struct follow *f)
{
    if (f->literal || f->address_at < f->address_count) {
        follow_connect(f);
        return;
    }
    if (!f->role->config.resolver) {
        follow_refuse(f, "has a name, which this index cannot look up", FOLLOW_SELF);
        return;
    }
    f->state = FOLLOW_RESOLVING;
    f->address_at = 0;
    f->job = (struct worker_job){
        .work = follow_look_up, .done = follow_looked_up, .home = f->role->config.loop};
    worker_submit(f->role->config.resolver, &f->job);
}

static void follow_on_time(void *ctx)
{
    struct follow *f = ctx;
    if (f->state == FOLLOW_AWAY)
        follow_try(f);
    else if (f->state == FOLLOW_GREETING)
        follow_broken(f, -P2P_ETIMEOUT);
    else if (f->state == FOLLOW_COMPARING || f->state == FOLLOW_IN)
        follow_watch(f);
}

int follow_init(struct follow *f, struct index_role *role, int number, struct str host_port)
{
    *f = (struct follow){.role = role, .number = number};
    f->timer = (struct loop_timer){.on_time = follow_on_time, .ctx = f};
    if (addr_parse(host_port, P2P_PORT_INDEX, &f->address[0]) == 0) {
        char text[ADDR_TEXT_MAX];
        f->literal = true;
        f->address_count = 1;
        f->port = f->address[0].port;
        return text_copy(text_from(addr_format_ip(&f->address[0], text)), f->host, sizeof(f->host));
    }
    return addr_split_host(host_port, P2P_PORT_INDEX, f->host, &f->port);
}

void follow_begin(struct follow *f)
{
    follow_try(f);
}

void follow_stop(struct follow *f)
{
    f->stopped = true;
    follow_hang_up(f);
    loop_stop_timer(f->role->config.loop, &f->timer);
}

const char *follow_state_text(const struct follow *f)
{
    static const char *const words[] = {"away",      "resolving", "greeting",
                                        "comparing", "in step",   "self"};
    return words[f->state];
}

const struct plat_addr *follow_address(const struct follow *f)
{
    return &f->address[f->address_at < f->address_count ? f->address_at : 0];
}
