/* SPDX-License-Identifier: MIT */
/* Joins and updates. The first line says who and at which (epoch, seq); the others go into a
 * transaction of the catalog, which is committed when the body is complete and aborted when it is
 * not. A join by a second user of a living id is found by connecting back to the first one while
 * the lines come; the answer waits for that. Big commits go on in the role's task, and the answer
 * waits for them too. Loop thread. */
#include "index/announce.h"

#include "base/addr.h"
#include "catalog/lookup.h"
#include "index/intake.h"
#include "index/mirrors.h"
#include "index/probe.h"

#include <string.h>

enum {
    ANNOUNCE_WORK = 1000, /* offers in a slice: well under a millisecond */
    ANNOUNCE_STALE_SIZE =
        6144, /* names of stale copies in an answer; a node checks each copy after a join anyway */
    ANNOUNCE_PER_ADDRESS = ROLE_ANNOUNCES / 4 /* so that nobody takes all; loopback is free */
};

enum announce_state {
    ANNOUNCE_FREE,
    ANNOUNCE_FIRST,  /* the line that says who */
    ANNOUNCE_LINES,  /* offers or changes, into the open transaction */
    ANNOUNCE_ASKING, /* the body is complete; whether the id lives elsewhere is being asked */
    ANNOUNCE_COMMITTING,
    ANNOUNCE_IGNORED, /* an update that is known already: its lines are not read */
    ANNOUNCE_REFUSED  /* an update that does not fit: said at the end, so that the connection lives
                         on */
};

struct announce {
    struct index_role *role;
    struct exchange *exchange; /* NULL: the sender is gone, the commit goes on */
    struct record_id id;
    struct catalog_node *node; /* while the transaction is open or busy */
    struct announce *next;     /* of role->committing */
    struct probe probe;        /* of the first user of this id */
    struct plat_addr source, claimed[MEMBER_CLAIMS];
    uint64_t lines, accepted, refused, deleted;
    enum announce_state state;
    bool is_join, is_move;
    bool is_taken; /* the first user answered */
    uint8_t claim_count;
    int error; /* of ANNOUNCE_REFUSED */
    bool holds;
    struct record_offer held; /* of a join: read, but not applied before the next is read */
    struct catalog_hint hint;
    struct announce_texts *texts;
    struct buf stale;
};

/* Beside each, because a slot is cleared when it is taken. */
struct announce_texts {
    char stale[ANNOUNCE_STALE_SIZE];
    char path[P2P_PATH_MAX]; /* of held */
};

int announce_init(struct index_role *role, struct arena *arena)
{
    role->announce_texts = arena_carve(arena, ROLE_ANNOUNCES * sizeof(struct announce_texts), 64);
    if (!role->announce_texts)
        return -P2P_EFULL;
    return pool_init(&role->announces, arena, sizeof(struct announce), ROLE_ANNOUNCES);
}

/* ---- begin and end of an announce ---- */

static uint32_t announce_count_from(struct index_role *role, const struct plat_addr *peer)
{
    uint32_t count = 0;
    for (uint32_t slot = 1; slot <= role->announces.fresh; slot++) {
        const struct announce *a = pool_at(&role->announces, slot);
        count += a->state != ANNOUNCE_FREE && addr_same_ip(&a->source, peer);
    }
    return count;
}

static void announce_take(struct exchange *exchange, struct index_role *role, bool is_join)
{
    struct record_id id;
    if (!role_bearer(role, exchange, &id))
        return;
    if (role->loading) {
        role_refuse(role, exchange, 503, "the directory is being read from disk", "come again");
        return;
    }
    bool greedy = !addr_is_loopback(&exchange->peer) &&
                  announce_count_from(role, &exchange->peer) >= ANNOUNCE_PER_ADDRESS;
    uint32_t slot = greedy ? 0 : pool_take(&role->announces);
    if (!slot) {
        role_refuse(role, exchange, 503, "too many nodes announce at once", "come again");
        return;
    }
    struct announce *a = pool_at(&role->announces, slot);
    a->role = role;
    a->exchange = exchange;
    a->id = id;
    a->source = exchange->peer;
    a->state = ANNOUNCE_FIRST;
    a->is_join = is_join;
    a->texts = &role->announce_texts[slot - 1];
    a->stale = buf_on(a->texts->stale, sizeof(a->texts->stale));
    exchange->user = a;
}

void announce_begin_join(struct exchange *exchange, void *role)
{
    announce_take(exchange, role, true);
    member_let_go(role, exchange);
}

void announce_begin_update(struct exchange *exchange, void *context)
{
    struct index_role *role = context;
    announce_take(exchange, role, false);
    role->counters.updates_refused += exchange_is_answered(exchange);
    member_let_go(role, exchange);
}

/* The transaction is still this one's: a leave, a loss or a newer join may have ended it. */
static bool announce_is_open(struct announce *a)
{
    return a->node && a->node->open && member_of(a->role, a->node)->announce == a;
}

/* Undoes what is open. A node that came with this join only goes altogether. */
static void announce_abort(struct announce *a)
{
    struct index_role *role = a->role;
    probe_cancel(&a->probe);
    if (announce_is_open(a)) {
        member_of(role, a->node)->announce = NULL;
        catalog_abort(role->catalog, a->node);
        if (a->node->epoch == 0 && a->node->state == RECORD_HEARSAY)
            member_forget(role, a->node);
        role_wake_catalog(role);
    }
    a->node = NULL;
}

/* The exchange, if there still is one, was answered. */
static void announce_free(struct announce *a)
{
    announce_abort(a);
    if (a->exchange)
        a->exchange->user = NULL;
    a->state = ANNOUNCE_FREE;
    pool_give(&a->role->announces, pool_slot(&a->role->announces, a));
}

static void announce_refuse(struct announce *a, int status, const char *error, const char *hint)
{
    a->role->counters.updates_refused += !a->is_join;
    role_refuse(a->role, a->exchange, status, error, hint);
    announce_free(a);
}

static void announce_refuse_seq(struct announce *a, const char *error,
                                const struct catalog_node *node)
{
    a->role->counters.updates_refused += !a->is_join;
    role_refuse_seq(a->role, a->exchange, error, node);
    announce_free(a);
}

void announce_close(struct index_role *role)
{
    for (uint32_t slot = 1; slot <= role->announces.fresh; slot++) {
        struct announce *a = pool_at(&role->announces, slot);
        if (a->state != ANNOUNCE_FREE)
            probe_cancel(&a->probe);
    }
}

/* ---- the answer ---- */

static void announce_put_counts(struct buf *buf, const struct announce *a,
                                const struct catalog_node *node)
{
    json_put_field_i64(buf, "epoch", (int64_t)node->epoch);
    json_put_field_i64(buf, "seq", (int64_t)node->seq);
    json_put_field_i64(buf, "accepted", (int64_t)a->accepted);
    json_put_field_i64(buf, "refused", (int64_t)a->refused);
    json_put_field_bool(buf, "incomplete", node->incomplete);
}

static void announce_put_join(struct buf *buf, const struct announce *a)
{
    char text[ADDR_TEXT_MAX];
    const struct index_role *role = a->role;
    struct plat_addr self = a->exchange->local;
    self.scope = 0; /* of this machine's interface */
    json_put_field_hex(buf, "id", a->id.bytes, sizeof(a->id.bytes));
    json_put_field_i64(buf, "lease_ms", role->config.lease_ms);
    json_put_field_text(buf, "feed", text_from(role->feed));
    json_put_key(buf, "indexes");
    buf_put_char(buf, '[');
    json_put_text(buf, text_from(addr_format(&self, text)));
    struct reach_asker asker = role_asker(a->exchange);
    mirrors_put_addresses(role, buf, &asker);
    buf_put_char(buf, ']');
}

static void announce_answer(struct announce *a)
{
    struct exchange *exchange = a->exchange;
    exchange_begin(exchange, 200, "application/x-ndjson");
    struct buf *buf = exchange_body(exchange);
    buf_put_char(buf, '{');
    if (a->is_join)
        announce_put_join(buf, a);
    announce_put_counts(buf, a, a->node);
    if (a->state == ANNOUNCE_IGNORED)
        json_put_field_bool(buf, "ignored", true);
    buf_put(buf, STR("}\n"));
    buf_put(buf, buf_str(&a->stale));
    if (a->is_join)
        buf_put(buf, STR("{\"end\":true}\n"));
    exchange_end(exchange);
}

/* Joins one by one; of what changes without end some lines a second. */
static void announce_log(const struct announce *a)
{
    char label[ROLE_LABEL_MAX], from[ADDR_TEXT_MAX];
    const struct catalog_node *node = a->node;
    enum log_level level = a->refused > 0 ? LOG_WARN : LOG_INFO;
    if (a->is_join)
        log_line(level, "index", "%s joined from %s with %u offers, %u refused",
                 role_label(node, label), addr_format(&node->address[0], from),
                 (unsigned)node->offers, (unsigned)a->refused);
    else if (level == LOG_WARN ||
             log_pass_some(&a->role->change_gate, ROLE_GATE_MS, ROLE_GATE_LINES))
        log_line(level, "index", "%s changed: %u put, %u deleted, %u refused; %u offers",
                 role_label(node, label), (unsigned)(a->accepted - a->deleted),
                 (unsigned)a->deleted, (unsigned)a->refused, (unsigned)node->offers);
}

/* ---- commit ---- */

static void announce_committed(struct announce *a)
{
    struct index_role *role = a->role;
    struct catalog_node *node = a->node;
    member_of(role, node)->announce = NULL;
    announce_log(a);
    if (a->exchange)
        announce_answer(a);
    if (a->is_join || a->is_move)
        member_check(role, node);
    a->node = NULL;
    announce_free(a);
}

/* An update may come from a node that had another home, or another address, until now. */
static bool announce_is_move(const struct announce *a)
{
    return !role_is_home(a->role, a->node) || !addr_same_ip(&a->node->address[0], &a->source);
}

/* What it advertised then has to be found true from here. */
static void announce_take_known(struct announce *a)
{
    a->source.port = a->node->port;
    for (int i = 1; i < a->node->address_count; i++)
        a->claimed[a->claim_count++] = a->node->address[i];
    member_of(a->role, a->node)->rehomed = true;
}

/* Where the node speaks from is that of its latest join, or of its move. Until the check has been
 * there it counts as reachable. */
static void announce_place(struct announce *a)
{
    struct index_role *role = a->role;
    struct catalog_node *node = a->node;
    struct member *member = member_of(role, node);
    if (!addr_equal(&node->address[0], &a->source) || node->state == RECORD_LEFT || !node->epoch)
        node->reachable = true;
    catalog_set_source(role->catalog, node, &a->source);
    node->address_count = 1;
    node->home = role->config.id;
    memcpy(member->claimed, a->claimed, sizeof(member->claimed));
    member->claim_count = a->claim_count;
    member->dropped_ms = 0;
    member_attach(role, node, a->exchange);
}

static void announce_commit(struct announce *a)
{
    struct index_role *role = a->role;
    if (!announce_is_open(a)) {
        announce_refuse(a, 503, "another announce of this node, or its leave, came between",
                        "join again");
        return;
    }
    if (a->is_taken) {
        announce_refuse(
            a, 409, "id in use",
            "another living node shows this token: make a new one (a copied state folder?)");
        return;
    }
    if (a->is_join && a->accepted == 0 && a->refused > 0) {
        announce_refuse(a, 507, "no room for any of these offers",
                        "give the index more memory, or share less");
        return;
    }
    a->is_move = !a->is_join && announce_is_move(a);
    if (a->is_move)
        announce_take_known(a);
    if (a->is_join || a->is_move)
        announce_place(a);
    member_hear(role, a->node);
    role->counters.joins += a->is_join;
    role->counters.updates += !a->is_join;
    a->state = ANNOUNCE_COMMITTING;
    if (catalog_commit(role->catalog, a->node, ANNOUNCE_WORK) == 0) {
        announce_committed(a);
        return;
    }
    a->next = role->committing;
    role->committing = a;
    role_wake_catalog(role);
}

bool announce_step(void *context)
{
    struct index_role *role = context;
    bool more = catalog_step(role->catalog, ANNOUNCE_WORK);
    struct announce **at = &role->committing;
    while (*at) {
        struct announce *a = *at;
        if (a->node->busy) {
            at = &a->next;
            continue;
        }
        *at = a->next;
        announce_committed(a);
    }
    return more || role->committing;
}

/* ---- the first line ---- */

static void announce_on_first_user(void *ctx, int result)
{
    struct announce *a = ctx;
    a->is_taken = result == 0;
    if (a->state == ANNOUNCE_ASKING)
        announce_commit(a);
}

/* A node that comes back from where it was is its own retry. Anybody else has to wait until the
 * first user was asked. */
static int announce_ask_first_user(struct announce *a)
{
    struct catalog_node *node = a->node;
    bool lives = node->state == RECORD_ACTIVE || node->state == RECORD_SUSPECT;
    if (!lives || addr_equal(&node->address[0], &a->source) ||
        !member_has_other(a->role, node, a->exchange))
        return 0;
    a->probe.id = a->id;
    a->probe.done = announce_on_first_user;
    a->probe.ctx = a;
    int error = probe_begin(&a->probe, a->role->config.pool, &node->address[0]);
    return error == -P2P_EFULL || error == -P2P_EMFILE ? error : 0;
}

/* An earlier announce of the same node that never ended: its connection is dead, or the node gave
 * up on it. */
static void announce_supersede(struct index_role *role, struct catalog_node *node)
{
    struct announce *old = node ? member_of(role, node)->announce : NULL;
    struct exchange *exchange = old ? old->exchange : NULL;
    if (node)
        intake_yield(role, node);
    if (!old || old->state == ANNOUNCE_COMMITTING)
        return;
    announce_refuse(old, 503, "a newer announce of this node came", "join again");
    member_let_go(role, exchange);
}

static void announce_take_claims(struct announce *a, const struct record_join *join)
{
    a->source.port = join->port;
    for (int i = 0; i < join->address_count && a->claim_count < MEMBER_CLAIMS; i++) {
        if (reach_may_claim(&a->source, &join->address[i]))
            a->claimed[a->claim_count++] = join->address[i];
    }
}

static void announce_refuse_error(struct announce *a, int error)
{
    const struct catalog_node *node = catalog_find_node(a->role->catalog, &a->id);
    if (error == -P2P_ENOTFOUND)
        announce_refuse_seq(a, "not a member", node);
    else if (error == -P2P_EGAP)
        announce_refuse_seq(a, "older than what is known of this node, or with a gap", node);
    else
        announce_refuse(a, 503, "an earlier announce of this node is not through yet",
                        "come again");
}

static void announce_open(struct announce *a)
{
    member_of(a->role, a->node)->announce = a;
    a->state = ANNOUNCE_LINES;
}

static void announce_first_join(struct announce *a, struct str line)
{
    struct index_role *role = a->role;
    struct record_join join;
    if (record_read_join(&role->reader, line, &join)) {
        announce_refuse(a, 400, role->reader.fault, "the first line is the join record");
        return;
    }
    announce_take_claims(a, &join);
    announce_supersede(role, catalog_find_node(role->catalog, &a->id));
    struct catalog_node *node = NULL;
    int error = catalog_add_node(role->catalog, &a->id, &a->source, &node);
    if (error) {
        announce_refuse(a, 507,
                        error == -P2P_EBUSY ? "too many nodes of this address"
                                            : "no room for another node",
                        "stop nodes that are not needed, or give the index more memory");
        return;
    }
    member_of(role, node);
    if (node->epoch == 0)
        node->slots =
            1; /* its first heartbeat says more; nobody shall take it for full until then */
    a->node = node;
    if (announce_ask_first_user(a)) {
        a->node = NULL;
        announce_refuse(a, 503, "too many nodes are connected back to", "come again");
        return;
    }
    error = catalog_join_begin(role->catalog, node, &join);
    if (!error) {
        announce_open(a);
        return;
    }
    a->node = NULL;
    announce_refuse_error(a, error);
}

static void announce_first_update(struct announce *a, struct str line)
{
    struct index_role *role = a->role;
    uint64_t epoch, seq;
    if (record_read_seq(&role->reader, line, &epoch, &seq)) {
        announce_refuse(a, 400, role->reader.fault, "the first line is {\"epoch\",\"seq\"}");
        return;
    }
    int error = -P2P_ENOTFOUND;
    a->node = catalog_find_node(role->catalog, &a->id);
    if (a->node && a->node->state != RECORD_LEFT) {
        member_hear(role, a->node);
        announce_supersede(role, a->node);
        error = catalog_update_begin(role->catalog, a->node, epoch, seq);
    }
    if (error == 0) {
        announce_open(a);
        return;
    }
    if (error == 1 && !role_is_home(role, a->node))
        error = -P2P_EGAP; /* a number that its last home had: with the next one it moves here */
    a->state = error == 1 ? ANNOUNCE_IGNORED : ANNOUNCE_REFUSED;
    a->node = NULL;
    a->error = error;
}

/* ---- offers and changes ---- */

/* A copy whose origin now offers another known content under that name. Absence says nothing. */
static void announce_note_stale(struct announce *a, const struct record_offer *offer)
{
    const struct catalog *catalog = a->role->catalog;
    struct lookup_offer origin;
    if (!offer->copy || !offer->hashed)
        return;
    const struct catalog_node *node = catalog_find_node(catalog, &offer->origin);
    uint32_t found = node ? lookup_find_offer(catalog, node, offer->path) : 0;
    if (!found)
        return;
    lookup_read(catalog, found, &origin);
    if (!origin.offer.hashed || origin.offer.copy ||
        memcmp(&origin.offer.content, &offer->content, sizeof(offer->content)) == 0)
        return;
    struct buf before = a->stale;
    buf_put_char(&a->stale, '{');
    json_put_field_text(&a->stale, "stale", offer->path);
    buf_put(&a->stale, STR("}\n"));
    if (a->stale.full)
        a->stale = before; /* whole lines only; the node finds the rest by itself */
}

static int announce_read(struct announce *a, struct str line, struct record_change *out)
{
    struct json_reader *reader = &a->role->reader;
    if (!a->is_join)
        return record_read_change(reader, line, out);
    out->op = RECORD_PUT;
    return record_read_offer(reader, line, &out->offer);
}

/* number: of the line. */
static void announce_refuse_line(struct announce *a, uint64_t number, const char *what)
{
    char fault[160];
    struct buf buf = buf_on(fault, sizeof(fault) - 1);
    buf_put(&buf, STR("line "));
    buf_put_u64(&buf, number);
    buf_put(&buf, STR(": "));
    buf_put_text(&buf, what);
    fault[buf.len] = '\0';
    announce_refuse(a, 400, fault, "nothing of this body was taken");
}

/* False: it was refused. */
static bool announce_applied(struct announce *a, int error, uint64_t number)
{
    if (error == 0) {
        a->accepted++;
    } else if (error == -P2P_EFULL) {
        a->refused++;
    } else {
        announce_refuse_line(a, number, "not a change that fits here");
        return false;
    }
    return true;
}

static void announce_change(struct announce *a, const struct record_change *change)
{
    int error = catalog_apply(a->role->catalog, a->node, change);
    a->deleted += error == 0 && change->op == RECORD_DEL;
    (void)announce_applied(a, error, a->lines + 1);
}

/* Applies what is held, if anything; it is the line with this number. False: it was refused. */
static bool announce_apply_held(struct announce *a, uint64_t number)
{
    if (!a->holds)
        return true;
    a->holds = false;
    int error = catalog_apply_foreseen(a->role->catalog, a->node, &a->held, &a->hint);
    if (error == 0)
        announce_note_stale(a, &a->held);
    return announce_applied(a, error, number);
}

/* What a node says again needs no look-up, and so no foresight. */
static bool announce_repeat(struct announce *a, const struct record_offer *offer)
{
    if (a->holds || !catalog_apply_again(a->role->catalog, a->node, offer))
        return false;
    a->accepted++;
    announce_note_stale(a, offer);
    return true;
}

/* While an offer waits for the next line to be read, memory brings what its look-ups need. */
static void announce_hold(struct announce *a, const struct record_offer *offer)
{
    if (announce_repeat(a, offer))
        return;
    struct catalog_hint hint = catalog_foresee(a->role->catalog, offer);
    if (!announce_apply_held(a, a->lines) || announce_repeat(a, offer))
        return;
    a->holds = true;
    a->hint = hint;
    a->held = *offer;
    buf_copy(a->texts->path, offer->path.ptr, offer->path.len);
    a->held.path.ptr = a->texts->path;
}

static void announce_apply(struct announce *a, struct str line)
{
    struct index_role *role = a->role;
    struct record_change change;
    if (a->holds)
        catalog_foresee_more(role->catalog, &a->hint);
    int error = announce_read(a, line, &change);
    a->lines++;
    if (!announce_is_open(a)) {
        announce_commit(a); /* says why not */
        return;
    }
    a->node->heard_ms = loop_now_ms(role->config.loop); /* a long upload is one long message */
    if (error)
        announce_refuse_line(a, a->lines + 1, role->reader.fault);
    else if (a->is_join)
        announce_hold(a, &change.offer);
    else
        announce_change(a, &change);
}

void announce_line(struct exchange *exchange, void *role, struct str line)
{
    struct announce *a = exchange->user;
    if (!a)
        return;
    if (a->state == ANNOUNCE_LINES)
        announce_apply(a, line);
    else if (a->state == ANNOUNCE_FIRST && a->is_join)
        announce_first_join(a, line);
    else if (a->state == ANNOUNCE_FIRST)
        announce_first_update(a, line);
    member_let_go(role, exchange);
}

static void announce_end_ignored(struct announce *a)
{
    a->node = catalog_find_node(a->role->catalog, &a->id);
    if (!a->node) {
        announce_refuse_error(a, -P2P_ENOTFOUND);
        return;
    }
    a->role->counters.updates_ignored++;
    announce_answer(a);
    a->node = NULL;
    announce_free(a);
}

void announce_end(struct exchange *exchange, void *context)
{
    struct announce *a = exchange->user;
    (void)context;
    if (!a)
        return;
    if (a->state == ANNOUNCE_FIRST) {
        announce_refuse(a, 400, "the body is empty", "its first line says which node this is");
    } else if (a->state == ANNOUNCE_IGNORED) {
        announce_end_ignored(a);
    } else if (a->state == ANNOUNCE_REFUSED) {
        announce_refuse_error(a, a->error);
    } else if (announce_is_open(a) && !announce_apply_held(a, a->lines + 1)) {
        return;
    } else if (a->probe.client) {
        a->state = ANNOUNCE_ASKING;
    } else {
        announce_commit(a);
    }
}

/* A body that broke off changes nothing; a commit under way does not need its sender any more. */
void announce_gone(struct exchange *exchange, void *context, bool aborted)
{
    struct announce *a = exchange->user;
    (void)context;
    (void)aborted;
    if (!a)
        return;
    a->exchange = NULL;
    if (a->state != ANNOUNCE_COMMITTING)
        announce_free(a);
}
