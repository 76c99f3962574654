/* SPDX-License-Identifier: MIT */
/* One connection to one index. On it: a join, or after a break an update at the next number (which
 * the index takes only if it still knows the state before it, and else asks for a join); then a
 * heartbeat that the index holds, and behind it updates as they come. The share goes on changing
 * while a join is written: what changes then goes into the update after it, whether the join had it
 * already or not. Loop thread. */
#include "peer/membership.h"

#include "base/addr.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "peer/changes.h"
#include "platform/plat.h"

#include <assert.h>
#include <string.h>

enum {
    MEMBER_LEASE_MS = 30000,    /* until an index says otherwise */
    MEMBER_GATHER_MS = 25,      /* changes that come so shortly after an update go together */
    MEMBER_UPDATE_LINES = 1000, /* of one update: others have their turn at the index too */
    MEMBER_ANSWER_MS = 20000,   /* a big join takes the index a while */
    MEMBER_SLACK_MS = 5000,     /* on top of a third of the lease, for a held heartbeat */
    MEMBER_LEAVE_MS = 1500,     /* an index that holds a heartbeat for a second answers within */
    MEMBER_JSON = 64 * 1024,    /* what a reader takes of the arena, at most */
    MEMBER_AGAIN_MS = 60000,    /* the same refusal is said again */
    MEMBER_CONFLICTS = 5        /* answers 409 that are followed at once */
};

enum member_state {
    MEMBER_OUT,      /* not begun, or left */
    MEMBER_WAITING,  /* for the next try */
    MEMBER_JOINING,  /* a join is under way */
    MEMBER_RESUMING, /* an update is under way on a new connection */
    MEMBER_IN,
    MEMBER_LEAVING
};

/* What came back of one request. */
struct member_answer {
    struct membership *membership;
    int status;
    int64_t retry_ms;
    bool first; /* line of the body is still to come */
    uint64_t epoch, seq, refused;
    bool in_use;
    char error[160];
};

struct membership {
    struct membership_config config;
    struct json_reader reader;
    struct hash_random random;
    enum member_state state;
    struct directory_call call;
    struct client *client; /* NULL: no connection of ours */
    char headers[128];
    uint64_t seq;           /* the last one used */
    bool based;             /* the index knows the state before the changes in the list */
    struct changes changes; /* that it was not told */
    uint32_t walked;        /* slots that the join has been through */
    bool head_made;         /* of the body that is being produced */
    bool update_out, alive_out, soon;
    int64_t update_ms, lease_ms, heard_ms, wait_ms;
    bool said_away;
    int conflicts; /* one after the other */
    bool crowded;  /* some files found no room, a while ago: they are due again */
    struct log_gate refusal_gate;
    struct member_answer join_answer, update_answer, alive_answer, leave_answer;
    struct loop_timer retry_timer, gather_timer, leave_timer, room_timer;
    struct loop_post gather;
    void (*left)(void *ctx);
    void *left_ctx;
    struct plat_addr advertised[P2P_ADDRESSES_MAX - 1];
    int advertised_count;
    char alive_body[160], leave_body[80];
};

static void pump(struct membership *m);
static void broken(struct membership *m, int error, int64_t least_ms);

/* ---- small things ---- */

static void timer_set(struct membership *m, struct loop_timer *timer, int64_t wait_ms)
{
    int result = loop_set_timer(m->config.loop, timer, loop_now_ms(m->config.loop) + wait_ms);
    assert(result == 0);
    (void)result;
}

static void headers_make(struct membership *m)
{
    struct buf buf = buf_on(m->headers, sizeof m->headers);
    buf_put_text(&buf, "Authorization: Bearer ");
    buf_put_hex(&buf, m->config.identity->token, P2P_TOKEN_SIZE);
    buf_put_text(&buf, "\r\n");
    assert(!buf.full);
}

static struct str headers(const struct membership *m)
{
    return text_from(m->headers);
}

static void drop_client(struct membership *m)
{
    if (m->client)
        client_close(m->client);
    m->client = NULL;
    m->update_out = m->alive_out = false;
}

static const char *describe(const struct membership *m, char *out, size_t size)
{
    struct buf buf = buf_on(out, size - 1);
    directory_describe(m->config.directory, &buf);
    out[buf.len] = '\0';
    return out;
}

void membership_changed(struct membership *m, uint32_t slot)
{
    if (m->based && changes_add(&m->changes, slot))
        pump(m);
}

void membership_offer(struct membership *m, const struct record_offer *offer)
{
    changes_set_extra(&m->changes, offer);
    if (m->based)
        pump(m);
}

/* What a guest's user hears comes from the command itself. */
static bool is_guest(const struct membership *m)
{
    return m->config.share == NULL;
}

/* ---- bodies ---- */

static void put_join_head(struct membership *m, struct buf *room)
{
    struct record_join join = {.epoch = m->config.identity->epoch,
                               .seq = m->seq,
                               .port = m->config.port,
                               .role = m->config.role,
                               .name = m->config.name,
                               .address_count = m->advertised_count};
    memcpy(join.address, m->advertised, sizeof join.address);
    record_put_join(room, &join);
    buf_put_char(room, '\n');
}

static void produce_join(void *ctx, struct buf *room, bool *out_end)
{
    struct membership *m = ((struct member_answer *)ctx)->membership;
    if (!m->head_made)
        put_join_head(m, room);
    m->head_made = true;
    *out_end = changes_put_join(&m->changes, room);
}

static void produce_update(void *ctx, struct buf *room, bool *out_end)
{
    struct membership *m = ((struct member_answer *)ctx)->membership;
    if (!m->head_made) {
        record_put_seq(room, m->config.identity->epoch, m->seq);
        buf_put_char(room, '\n');
    }
    m->head_made = true;
    *out_end = changes_put_update(&m->changes, room);
}

/* ---- answers ---- */

static void answer_begin(struct membership *m, struct member_answer *answer)
{
    *answer = (struct member_answer){.membership = m, .first = true};
}

static void on_head(void *ctx, const struct http_head *head)
{
    struct member_answer *answer = ctx;
    struct str retry = head->header[HTTP_HEADER_RETRY_AFTER];
    uint64_t seconds = 0;
    answer->status = head->status;
    if (retry.ptr && text_to_u64(text_trim(retry), 3600, &seconds) == 0)
        answer->retry_ms = (int64_t)seconds * 1000;
}

static void learn(struct membership *m, const struct record_answer *record)
{
    if (record->lease_ms > 0)
        m->lease_ms = record->lease_ms;
    for (int i = 0; i < record->index_count; i++)
        directory_learn(m->config.directory, record->indexes[i]);
}

static void on_line(void *ctx, struct str line)
{
    struct member_answer *answer = ctx;
    struct membership *m = answer->membership;
    struct record_answer record;
    struct str error, hint;
    if (!answer->first)
        return;
    answer->first = false;
    if (record_read_answer(&m->reader, line, &record) == 0) {
        answer->epoch = record.epoch;
        answer->seq = record.seq;
        answer->refused = record.refused;
        if (answer->status == 200)
            learn(m, &record);
    }
    if (answer->status == 200)
        return;
    record_read_error(&m->reader, line, &error, &hint);
    answer->in_use = text_is(error, "id in use");
    (void)text_copy(text_first(error, sizeof answer->error - 1), answer->error,
                    sizeof answer->error);
}

static void say_refusal(struct membership *m, const struct member_answer *answer)
{
    char indexes[256];
    m->said_away = true;
    if (!is_guest(m) && log_pass(&m->refusal_gate, MEMBER_AGAIN_MS))
        log_line(LOG_WARN, "peer", "the index (%s) refuses: %s (HTTP status %d); trying again",
                 describe(m, indexes, sizeof indexes), answer->error, answer->status);
}

/* ---- requests ---- */

static int send(struct membership *m, struct client_request *request)
{
    request->method = HTTP_METHOD_POST;
    request->headers = headers(m);
    return m->client ? client_send(m->client, request) : -P2P_ECLOSED;
}

/* On the connection there is, else on a new one, which becomes ours when the answer is in. */
static void send_or_open(struct membership *m, struct client_request *request)
{
    int result = send(m, request);
    if (result == 0)
        return;
    drop_client(m);
    m->call = (struct directory_call){.request = *request, .keep = true};
    result = directory_send(m->config.directory, &m->call);
    if (result < 0)
        broken(m, result, 0);
}

static void take_client(struct membership *m)
{
    if (!m->client) {
        m->client = m->call.client;
        m->call.client = NULL;
    }
}

static void on_join_done(void *ctx, int result);
static void on_update_done(void *ctx, int result);
static void on_alive_done(void *ctx, int result);
static void on_leave_done(void *ctx, int result);

static const struct client_handlers join_handlers = {
    .on_head = on_head, .on_line = on_line, .on_done = on_join_done};
static const struct client_handlers update_handlers = {
    .on_head = on_head, .on_line = on_line, .on_done = on_update_done};
static const struct client_handlers alive_handlers = {
    .on_head = on_head, .on_line = on_line, .on_done = on_alive_done};
static const struct client_handlers leave_handlers = {.on_done = on_leave_done};

static void join(struct membership *m)
{
    struct client_request request = {.target = STR("/v1/join"),
                                     .type = "application/x-ndjson",
                                     .produce = produce_join,
                                     .timeout_ms = MEMBER_ANSWER_MS,
                                     .handlers = &join_handlers,
                                     .ctx = &m->join_answer};
    changes_join(&m->changes);
    m->state = MEMBER_JOINING;
    m->crowded = false;
    m->based = true;
    m->seq++;
    m->head_made = false;
    answer_begin(m, &m->join_answer);
    send_or_open(m, &request);
}

static void update(struct membership *m)
{
    struct client_request request = {.target = STR("/v1/update"),
                                     .type = "application/x-ndjson",
                                     .produce = produce_update,
                                     .timeout_ms = MEMBER_ANSWER_MS,
                                     .handlers = &update_handlers,
                                     .ctx = &m->update_answer};
    m->seq++;
    changes_update(&m->changes, MEMBER_UPDATE_LINES);
    m->head_made = false;
    m->update_out = true;
    m->update_ms = loop_now_ms(m->config.loop);
    answer_begin(m, &m->update_answer);
    send_or_open(m, &request);
}

static void alive(struct membership *m)
{
    struct buf body = buf_on(m->alive_body, sizeof m->alive_body);
    struct membership_load load = {0};
    m->config.load(m->config.ctx, &load);
    struct record_alive record = {.epoch = m->config.identity->epoch,
                                  .seq = m->seq,
                                  .uploads = load.uploads,
                                  .slots = load.slots,
                                  .rate = load.rate};
    record_put_alive(&body, &record);
    struct client_request request = {.target = STR("/v1/alive"),
                                     .type = "application/json",
                                     .body = buf_str(&body),
                                     .timeout_ms = (int)(m->lease_ms / 3) + MEMBER_SLACK_MS,
                                     .handlers = &alive_handlers,
                                     .ctx = &m->alive_answer};
    answer_begin(m, &m->alive_answer);
    m->alive_out = true;
    int result = send(m, &request);
    if (result < 0)
        broken(m, result, 0);
}

/* ---- in and out ---- */

/* The number of a request of which nothing was sent is used again. */
static void seq_give_back(struct membership *m)
{
    if (!m->head_made)
        m->seq--;
}

static void broken(struct membership *m, int error, int64_t least_ms)
{
    char indexes[256];
    bool was_in = m->state == MEMBER_IN;
    if (m->state == MEMBER_OUT || m->state == MEMBER_LEAVING)
        return;
    if (m->state == MEMBER_JOINING) {
        m->based = false;
        changes_clear(&m->changes);
    }
    drop_client(m);
    if (was_in)
        directory_move_on(m->config.directory);
    m->state = MEMBER_WAITING;
    m->wait_ms = m->wait_ms == 0 ? P2P_RETRY_MIN_MS : m->wait_ms * 2;
    if (m->wait_ms > P2P_RETRY_MAX_MS)
        m->wait_ms = P2P_RETRY_MAX_MS;
    int64_t wait_ms = m->wait_ms > least_ms ? m->wait_ms : least_ms;
    wait_ms += hash_random_below(&m->random, (uint32_t)wait_ms / 2 + 1);
    timer_set(m, &m->retry_timer, wait_ms);
    if (!m->said_away && !was_in && !is_guest(m))
        log_line(LOG_WARN, "peer", "no index answers at %s (%s): sharing goes on, and so do tries",
                 describe(m, indexes, sizeof indexes), log_error(error));
    m->said_away = m->said_away || !was_in;
}

static void attach(struct membership *m)
{
    if (m->based) {
        m->state = MEMBER_RESUMING;
        update(m);
    } else {
        join(m);
    }
}

static void on_retry_time(void *ctx)
{
    struct membership *m = ctx;
    if (m->state == MEMBER_WAITING)
        attach(m);
}

/* Nobody tells a node that others have gone: so it tries again, with all, since it cannot know
 * which of its files are missing. */
static void wait_for_room(struct membership *m)
{
    int64_t wait_ms = m->config.room_ms;
    if (wait_ms == 0 || m->room_timer.place != 0)
        return;
    wait_ms += hash_random_below(&m->random, (uint32_t)wait_ms / 4 + 1);
    timer_set(m, &m->room_timer, wait_ms);
}

static void on_room_time(void *ctx)
{
    struct membership *m = ctx;
    m->crowded = true;
    pump(m);
}

static void entered(struct membership *m, const struct member_answer *answer)
{
    char at[ADDR_TEXT_MAX];
    bool joined = m->state == MEMBER_JOINING;
    if (!is_guest(m) && (joined || m->said_away))
        log_line(LOG_INFO, "peer", "%s %s with %u files", joined ? "joined" : "is back at",
                 addr_format(directory_current(m->config.directory), at),
                 (unsigned)share_tree(m->config.share)->counts.present);
    if (answer->refused > 0) {
        log_line(LOG_WARN, "peer", "the index has no room for %u of the files",
                 (unsigned)answer->refused);
        wait_for_room(m);
    }
    m->state = MEMBER_IN;
    m->said_away = false;
    m->wait_ms = 0;
    m->conflicts = 0;
    m->heard_ms = loop_now_ms(m->config.loop);
}

static void renew(struct membership *m)
{
    int result = identity_renew(m->config.identity);
    log_line(LOG_WARN, "peer",
             "another living node has the id of this one (a copied state "
             "folder?): this node has a new id now");
    if (result < 0)
        log_line(LOG_WARN, "peer", "the new id cannot be stored: %s", log_error(result));
    m->seq = 0;
    headers_make(m);
    m->config.renewed(m->config.ctx);
}

/* The index knows another state of this node than the one before our request, or another node. */
static void conflict(struct membership *m, const struct member_answer *answer)
{
    struct identity *identity = m->config.identity;
    int64_t in_ms = loop_now_ms(m->config.loop) - m->heard_ms;
    m->based = false;
    changes_clear(&m->changes);
    if (++m->conflicts > MEMBER_CONFLICTS ||
        (answer->in_use && m->heard_ms != 0 && in_ms < 2 * m->lease_ms)) {
        /* our own connection before this one, which the index believes in yet */
        say_refusal(m, answer);
        broken(m, -P2P_EINUSE, m->lease_ms / 10);
        return;
    }
    if (answer->in_use) {
        renew(m);
    } else if (answer->epoch > identity->epoch) {
        m->seq = 0;
        if (identity_raise_epoch(identity, answer->epoch) == -P2P_EINVAL)
            renew(m);
    } else if (answer->epoch == identity->epoch && answer->seq > m->seq) {
        m->seq = answer->seq;
    }
    join(m);
}

/* What a request came to when it did not succeed. */
static void failed(struct membership *m, int result, const struct member_answer *answer)
{
    if (result == 0 && answer->status == 409) {
        conflict(m, answer);
        return;
    }
    if (result == 0)
        say_refusal(m, answer);
    broken(m, result, answer->retry_ms);
}

static void on_join_done(void *ctx, int result)
{
    struct member_answer *answer = ctx;
    struct membership *m = answer->membership;
    if (result == 0)
        take_client(m);
    if (m->state != MEMBER_JOINING)
        return;
    if (result == 0 && answer->status == 200) {
        entered(m, answer);
        pump(m);
        return;
    }
    seq_give_back(m);
    failed(m, result, answer);
}

static void on_update_done(void *ctx, int result)
{
    struct member_answer *answer = ctx;
    struct membership *m = answer->membership;
    m->update_out = false;
    if (result == 0)
        take_client(m);
    if (m->state != MEMBER_IN && m->state != MEMBER_RESUMING)
        return;
    if (result == 0 && answer->status == 200) {
        entered(m, answer);
        pump(m);
        return;
    }
    seq_give_back(m);
    failed(m, result, answer);
}

static void on_alive_done(void *ctx, int result)
{
    struct member_answer *answer = ctx;
    struct membership *m = answer->membership;
    m->alive_out = false;
    if (m->state != MEMBER_IN)
        return;
    if (result == 0 && answer->status == 200) {
        m->heard_ms = loop_now_ms(m->config.loop);
        pump(m);
        return;
    }
    failed(m, result, answer);
}

static void on_gather(void *ctx)
{
    struct membership *m = ctx;
    m->soon = false;
    if (m->state == MEMBER_IN && !m->update_out && changes_any(&m->changes))
        update(m);
}

static void on_gather_time(void *ctx)
{
    pump(ctx);
}

/* Sends what is due: changes at the end of this turn, or a little later when some went just now;
 * else the heartbeat. */
static void pump(struct membership *m)
{
    if (m->state != MEMBER_IN || m->update_out || m->soon)
        return;
    if (!m->client || client_is_closed(m->client)) {
        broken(m, -P2P_ECLOSED, 0);
        return;
    }
    if (m->crowded) {
        join(m);
        return;
    }
    int64_t wait_ms = m->update_ms + MEMBER_GATHER_MS - loop_now_ms(m->config.loop);
    if (!changes_any(&m->changes)) {
        if (!m->alive_out)
            alive(m);
    } else if (wait_ms > 0) {
        if (m->gather_timer.place == 0)
            timer_set(m, &m->gather_timer, wait_ms);
    } else {
        m->soon = true;
        loop_defer(m->config.loop, &m->gather);
    }
}

/* ---- the end ---- */

static void leave_end(struct membership *m)
{
    void (*left)(void *ctx) = m->left;
    loop_stop_timer(m->config.loop, &m->leave_timer);
    drop_client(m);
    m->state = MEMBER_OUT;
    m->left = NULL;
    if (left)
        left(m->left_ctx);
}

static void on_leave_time(void *ctx)
{
    leave_end(ctx);
}

static void on_leave_done(void *ctx, int result)
{
    (void)result;
    leave_end(((struct member_answer *)ctx)->membership);
}

void membership_leave(struct membership *m, void (*left)(void *ctx), void *ctx)
{
    struct buf body = buf_on(m->leave_body, sizeof m->leave_body);
    bool was_in = m->state == MEMBER_IN;
    m->left = left;
    m->left_ctx = ctx;
    m->state = MEMBER_LEAVING;
    m->based = false;
    changes_clear(&m->changes);
    directory_cancel(&m->call);
    record_put_seq(&body, m->config.identity->epoch, ++m->seq);
    struct client_request request = {.target = STR("/v1/leave"),
                                     .type = "application/json",
                                     .body = buf_str(&body),
                                     .timeout_ms = MEMBER_LEAVE_MS,
                                     .handlers = &leave_handlers,
                                     .ctx = &m->leave_answer};
    answer_begin(m, &m->leave_answer);
    bool sent = was_in && send(m, &request) == 0;
    timer_set(m, &m->leave_timer, sent ? MEMBER_LEAVE_MS : 0);
}

void membership_close(struct membership *m)
{
    m->state = MEMBER_OUT;
    m->based = false;
    directory_cancel(&m->call);
    drop_client(m);
    loop_stop_timer(m->config.loop, &m->retry_timer);
    loop_stop_timer(m->config.loop, &m->gather_timer);
    loop_stop_timer(m->config.loop, &m->leave_timer);
    loop_stop_timer(m->config.loop, &m->room_timer);
}

/* ---- the beginning ---- */

static void advertise(struct membership *m)
{
    struct str list = config_text(m->config.settings, "node.advertise"), item;
    while (text_split(&list, ',', &item) && m->advertised_count < P2P_ADDRESSES_MAX - 1)
        if (addr_parse(text_trim(item), m->config.port, &m->advertised[m->advertised_count]) == 0)
            m->advertised_count++;
}

size_t membership_size(void)
{
    return sizeof(struct membership) + MEMBER_JSON;
}

int membership_init(struct membership **out, struct arena *arena,
                    const struct membership_config *config)
{
    struct membership *m = arena_carve(arena, sizeof *m, 8);
    uint64_t seed = 0;
    if (!m)
        return -P2P_EFULL;
    m->config = *config;
    m->changes.share = config->share;
    memcpy(&seed, config->identity->id.bytes, sizeof seed);
    hash_random_seed(&m->random, seed ^ (uint64_t)plat_now_us());
    headers_make(m);
    advertise(m);
    m->lease_ms = MEMBER_LEASE_MS;
    m->retry_timer = (struct loop_timer){.on_time = on_retry_time, .ctx = m};
    m->gather_timer = (struct loop_timer){.on_time = on_gather_time, .ctx = m};
    m->leave_timer = (struct loop_timer){.on_time = on_leave_time, .ctx = m};
    m->room_timer = (struct loop_timer){.on_time = on_room_time, .ctx = m};
    m->gather = (struct loop_post){.run = on_gather, .ctx = m};
    *out = m;
    return json_reader_init(&m->reader, arena);
}

void membership_start(struct membership *m)
{
    attach(m);
}

bool membership_is_joined(const struct membership *m)
{
    return m->state == MEMBER_IN || m->state == MEMBER_RESUMING;
}

bool membership_is_telling(const struct membership *m)
{
    return m->state == MEMBER_IN ? m->update_out || changes_any(&m->changes)
                                 : m->state != MEMBER_WAITING;
}

void membership_put_indexes(const struct membership *m, struct buf *buf)
{
    char text[1024], at[ADDR_TEXT_MAX];
    const struct plat_addr *current = directory_current(m->config.directory);
    struct str list = text_from(describe(m, text, sizeof text)), item;
    struct str first = {"", 0};
    if (current->family != 0) {
        first = text_from(addr_format(current, at));
        json_put_text(buf, first);
    }
    while (text_split(&list, ',', &item)) {
        item = text_trim(item);
        if (text_equal(item, first))
            continue;
        if (buf->len > 0 && buf->ptr[buf->len - 1] != '[')
            buf_put_char(buf, ',');
        json_put_text(buf, item);
    }
}
