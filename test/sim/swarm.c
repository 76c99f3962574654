/* SPDX-License-Identifier: MIT */
/* See swarm.h. Events wait in a heap by time, those of one time by number. Times are in us. */
#include "test/sim/swarm.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "swarm/limits.h"
#include "swarm/plan.h"

enum {
    SEED = 0, /* the node, and its number as a source */
    TICK_US = 100000,
    REFUSED_US = 200000,
    SLOW_RATE = 1000, /* bytes/s */
    NEWS = 24,        /* numbers of pieces that fit into P2P-Have */
    LOG_SEED = 20,    /* sizes of the content that a seed may be asked for */
    QUEUE_MAX = PLAN_WINDOW_MAX * PLAN_RUN_MAX,
    SOURCES = PLAN_SOURCES_MAX
};

enum kind { JOIN, ASK, SENT, PIECE, TICK, LEAVE, DIE };

struct event {
    int64_t at;
    uint32_t number;
    uint8_t kind, source;
    uint16_t request;
    uint16_t node;
    uint32_t piece, told;
};

struct item {
    uint16_t request;
    uint32_t piece;
};

/* What a node knows of one source, and what it has asked there and waits for its turn. */
struct link {
    int node, back; /* back: our number as its source, -1: it has not got us */
    uint32_t told;  /* pieces of its log that we know of */
    uint32_t said;  /* and of ours that we have told in requests */
    int64_t heard_us, retry_us;
    struct item queue[QUEUE_MAX];
    int queued;
    bool in_ring;
};

struct asker {
    uint16_t node;
    uint8_t source;
};

struct node {
    double up, down; /* bytes/us */
    int64_t joined_us, done_us, down_us;
    bool living, busy;
    int links;
    struct link *link;
    struct plan *plan;
    uint8_t *memory, id[P2P_ID_SIZE];
    uint32_t *log, got; /* pieces in the order in which they came; a seed was asked for them */
    struct asker *ring; /* those who asked, in turn */
    int ring_count;
    uint64_t sent;
};

struct swarm {
    const struct swarm_setup *setup;
    struct node nodes[SWARM_NODES_MAX];
    struct event *heap;
    size_t events, room;
    uint32_t number;
    int64_t now;
    int left; /* living downloaders that have not all */
    uint64_t random, wasted;
    uint8_t *out;      /* of each piece: the seed has sent it, */
    int64_t *asked_us; /* and was asked for it last */
    int64_t news_us;   /* when it has sent one for the first time */
    uint32_t out_count, asked_count;
    bool failed;
};

/* --- numbers and events ---------------------------------------------------------------------- */

static uint64_t next_random(struct swarm *s)
{
    uint64_t x = s->random += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint32_t plan_random(void *ctx)
{
    return (uint32_t)(next_random(ctx) >> 36);
}

static bool is_before(const struct event *a, const struct event *b)
{
    return a->at < b->at || (a->at == b->at && a->number < b->number);
}

static void push(struct swarm *s, struct event event)
{
    if (s->events == s->room) {
        size_t room = s->room * 2 + 1024;
        struct event *heap = realloc(s->heap, room * sizeof *heap);
        s->failed |= heap == NULL;
        if (heap == NULL)
            return;
        s->heap = heap;
        s->room = room;
    }
    size_t at = s->events++;
    event.number = s->number++;
    for (; at > 0 && is_before(&event, &s->heap[(at - 1) / 2]); at = (at - 1) / 2)
        s->heap[at] = s->heap[(at - 1) / 2];
    s->heap[at] = event;
}

static struct event pop(struct swarm *s)
{
    struct event first = s->heap[0], last = s->heap[--s->events];
    size_t at = 0;
    for (size_t child; (child = at * 2 + 1) < s->events; at = child) {
        if (child + 1 < s->events && is_before(&s->heap[child + 1], &s->heap[child]))
            child++;
        if (!is_before(&s->heap[child], &last))
            break;
        s->heap[at] = s->heap[child];
    }
    s->heap[at] = last;
    return first;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t latency(const struct swarm *s)
{
    return (int64_t)s->setup->latency_ms * 1000;
}

/* --- what others have ------------------------------------------------------------------------ */

static bool has(const struct node *node, uint32_t piece)
{
    return node->plan == NULL || (node->plan->done[piece / 8] >> (7 - piece % 8) & 1);
}

/* A node hears what its source has got, up to a place in its log. */
static void hear(struct swarm *s, struct node *node, int source, uint32_t upto)
{
    struct link *link = &node->link[source];
    const struct node *other = &s->nodes[link->node];
    if (!node->living)
        return;
    for (; link->told < upto; link->told++)
        plan_has_piece(node->plan, (unsigned)source, other->log[link->told]);
    link->heard_us = s->now;
}

/* An answer tells a downloader's oldest news, or what the seed was asked for last. */
static void hear_answer(struct swarm *s, struct node *node, int source, uint32_t upto)
{
    struct link *link = &node->link[source];
    if (upto > link->told + NEWS && s->nodes[link->node].plan == NULL)
        link->told = upto - NEWS;
    hear(s, node, source, upto > link->told + NEWS ? link->told + NEWS : upto);
}

/* A question what the other has got tells it what we have. */
static void exchange(struct swarm *s, struct node *node, int source)
{
    struct link *link = &node->link[source];
    hear(s, node, source, s->nodes[link->node].got);
    link->said = node->got > link->said + NEWS ? link->said + NEWS : node->got;
    if (link->back >= 0)
        hear(s, &s->nodes[link->node], link->back, link->said);
}

static int add_link(struct node *node, int other)
{
    struct link *link = &node->link[node->links];
    *link = (struct link){.node = other, .back = -1};
    return node->links++;
}

static void know(struct swarm *s, struct node *node, int other)
{
    static const uint8_t none[P2P_PIECES_AIM];
    int source = add_link(node, other);
    if (s->nodes[other].plan == NULL) {
        plan_has_all(node->plan, (unsigned)source);
    } else {
        int error = plan_has(node->plan, (unsigned)source, none, (s->setup->pieces + 7) / 8);
        assert(error == 0);
        (void)error;
        plan_downloader(node->plan, (unsigned)source, s->nodes[other].id);
    }
    plan_trust(node->plan, (unsigned)source, PROOF_YES, 0);
}

static void meet(struct swarm *s, int a, int b)
{
    struct node *one = &s->nodes[a], *two = &s->nodes[b];
    for (int i = 0; i < one->links; i++)
        if (one->link[i].node == b)
            return;
    if (one->links == SOURCES - 1 || two->links == SOURCES - 1)
        return;
    know(s, one, b);
    know(s, two, a);
    one->link[one->links - 1].back = two->links - 1;
    two->link[two->links - 1].back = one->links - 1;
    hear(s, one, one->links - 1, two->got);
    hear(s, two, two->links - 1, one->got);
}

/* Half of the neighbours are chosen, half choose. */
static void find_neighbours(struct swarm *s, int number)
{
    struct node *node = &s->nodes[number];
    int wanted = s->setup->neighbours / 2;
    for (int tries = 0; tries < wanted * 4 && node->links <= wanted; tries++) {
        int other = 1 + (int)(next_random(s) % (uint64_t)s->setup->nodes);
        if (other != number && s->nodes[other].living)
            meet(s, number, other);
    }
}

/* --- asking ---------------------------------------------------------------------------------- */

static void send_request(struct swarm *s, int number, int source, int request)
{
    struct node *node = &s->nodes[number];
    struct link *link = &node->link[source];
    link->said = node->got > link->said + NEWS ? link->said + NEWS : node->got;
    push(s, (struct event){.at = s->now + latency(s),
                           .kind = ASK,
                           .node = (uint16_t)number,
                           .source = (uint8_t)source,
                           .request = (uint16_t)request,
                           .told = link->said});
}

static void ask(struct swarm *s, int number, int source)
{
    struct node *node = &s->nodes[number];
    struct link *link = &node->link[source];
    uint32_t last = s->setup->pieces - 1;
    struct proof_wish wish = {.first = has(node, last) ? s->setup->pieces : last};
    if (link->retry_us > s->now || plan_is_finished(node->plan))
        return;
    while (node->plan->sources[source].in_flight <
           plan_window(node->plan, (unsigned)source, s->setup->run)) {
        int request = plan_ask(node->plan, (unsigned)source, &wish, s->setup->run, s->now / 1000);
        if (request < 0)
            return;
        send_request(s, number, source, request);
    }
}

static void pump(struct swarm *s, int number)
{
    for (int i = 0; i < s->nodes[number].links; i++)
        ask(s, number, i);
}

static void drop_queued(struct link *link, int request)
{
    int kept = 0;
    for (int i = 0; i < link->queued; i++)
        if (link->queue[i].request != request)
            link->queue[kept++] = link->queue[i];
    link->queued = kept;
}

static void cancel_needless(struct swarm *s, struct node *node)
{
    (void)s;
    for (int i = 0; i < PLAN_REQUESTS_MAX; i++) {
        if (node->plan->requests[i].count == 0 || plan_is_needed(node->plan, i))
            continue;
        drop_queued(&node->link[node->plan->requests[i].source], i);
        plan_end(node->plan, i);
    }
}

/* --- sending --------------------------------------------------------------------------------- */

static struct link *link_of(struct swarm *s, struct asker asker)
{
    return &s->nodes[asker.node].link[asker.source];
}

/* The next asker in turn that still waits for something. */
static bool next_asker(struct swarm *s, struct node *node, struct asker *out)
{
    while (node->ring_count > 0) {
        *out = node->ring[0];
        struct link *link = link_of(s, *out);
        node->ring_count--;
        memmove(node->ring, node->ring + 1, (size_t)node->ring_count * sizeof *node->ring);
        if (link->queued > 0 && s->nodes[out->node].living)
            return true;
        link->in_ring = false;
    }
    return false;
}

/* What the next answer on this connection sends is known to the seed from now on. */
static void note_asked(struct swarm *s, struct node *node, const struct link *link)
{
    if (node->plan == NULL && link->queued > 0 && node->got < s->setup->pieces * LOG_SEED)
        node->log[node->got++] = link->queue[0].piece;
}

static void deliver(struct swarm *s, struct node *node, struct asker asker, struct item item)
{
    struct node *to = &s->nodes[asker.node];
    double bytes = s->setup->piece_bytes;
    int64_t begin = s->now + latency(s), end = begin + (int64_t)(bytes / node->up);
    to->down_us = (begin > to->down_us ? begin : to->down_us) + (int64_t)(bytes / to->down);
    push(s, (struct event){.at = end > to->down_us ? end : to->down_us,
                           .kind = PIECE,
                           .node = asker.node,
                           .source = asker.source,
                           .request = item.request,
                           .piece = item.piece,
                           .told = node->got});
}

static void send_next(struct swarm *s, int number)
{
    struct node *node = &s->nodes[number];
    struct asker asker;
    node->busy = node->living && next_asker(s, node, &asker);
    if (!node->busy)
        return;
    struct link *link = link_of(s, asker);
    struct item item = link->queue[0];
    link->queued--;
    memmove(link->queue, link->queue + 1, (size_t)link->queued * sizeof *link->queue);
    note_asked(s, node, link);
    node->ring[node->ring_count++] = asker;
    node->sent += s->setup->piece_bytes;
    if (number == SEED) {
        s->news_us = s->out[item.piece] ? s->news_us : s->now;
        s->out_count += !s->out[item.piece];
        s->out[item.piece] = 1;
    }
    deliver(s, node, asker, item);
    push(s, (struct event){.at = s->now + (int64_t)(s->setup->piece_bytes / node->up),
                           .kind = SENT,
                           .node = (uint16_t)number});
}

static void refuse(struct swarm *s, struct node *node, int source, int request)
{
    node->link[source].retry_us =
        s->now + latency(s) + REFUSED_US + (int64_t)(next_random(s) % (REFUSED_US / 2));
    plan_end(node->plan, request);
}

/* What others have got from the seed, or get now. */
static bool is_spared(const struct swarm *s, const struct plan_request *r)
{
    uint32_t pieces = s->setup->pieces;
    int64_t pace_us = (int64_t)(s->setup->piece_bytes / s->nodes[SEED].up);
    int64_t late_us = later(pace_us * SPARE_LATE, SPARE_LATE_MS * 1000);
    bool late = s->asked_count >= pieces - pieces / SPARE_PART;
    bool over = s->asked_count >= pieces || (late && s->nodes[SEED].ring_count < SPARE_SENDING);
    if (r->count > 1 || s->asked_us[r->first] == 0 || over)
        return false;
    return s->out[r->first] ? s->now - s->news_us < SPARE_MS * 1000
                            : s->now - s->asked_us[r->first] < late_us;
}

static void note_queued(struct swarm *s, const struct plan_request *r)
{
    for (uint32_t piece = r->first; piece < r->first + r->count; piece++) {
        s->asked_count += s->asked_us[piece] == 0;
        s->asked_us[piece] = s->now;
    }
}

/* Is the event's request still the same? */
static bool is_open(const struct swarm *s, const struct event *e)
{
    const struct node *node = &s->nodes[e->node];
    const struct plan_request *r = &node->plan->requests[e->request];
    return node->living && r->count > 0 && r->source == e->source;
}

static void on_ask(struct swarm *s, const struct event *e)
{
    struct node *node = &s->nodes[e->node];
    struct link *link = &node->link[e->source];
    struct node *other = &s->nodes[link->node];
    if (link->back >= 0)
        hear(s, other, link->back, e->told);
    if (!is_open(s, e) || !other->living)
        return;
    int most = link->node == SEED ? s->setup->seed_askers : s->setup->askers;
    if (!link->in_ring && other->ring_count >= most) {
        refuse(s, node, e->source, e->request);
        return;
    }
    const struct plan_request *r = &node->plan->requests[e->request];
    if (link->node == SEED && is_spared(s, r)) {
        refuse(s, node, e->source, e->request);
        return;
    }
    if (link->node == SEED)
        note_queued(s, r);
    bool idle = link->queued == 0;
    for (uint32_t i = 0; i < r->count && link->queued < QUEUE_MAX; i++)
        link->queue[link->queued++] = (struct item){e->request, r->first + i};
    if (idle)
        note_asked(s, other, link);
    if (!link->in_ring)
        other->ring[other->ring_count++] = (struct asker){e->node, e->source};
    link->in_ring = true;
    if (!other->busy)
        send_next(s, link->node);
}

/* --- receiving ------------------------------------------------------------------------------- */

static void take(struct swarm *s, struct node *node, uint32_t piece)
{
    node->log[node->got++] = piece;
    if (!plan_is_finished(node->plan))
        return;
    node->done_us = s->now;
    s->left--;
}

static void on_piece(struct swarm *s, const struct event *e)
{
    struct node *node = &s->nodes[e->node];
    struct plan *plan = node->plan;
    const struct plan_request *r = &plan->requests[e->request];
    if (!node->living)
        return;
    hear_answer(s, node, e->source, e->told);
    bool had = has(node, e->piece), open = is_open(s, e) && e->piece - r->first < r->count;
    s->wasted += had ? s->setup->piece_bytes : 0;
    if (open) {
        plan_bytes(plan, e->request, s->setup->piece_bytes, s->now / 1000);
        plan_judged(plan, e->request, e->piece, true);
        if (r->over == (1u << r->count) - 1)
            plan_end(plan, e->request);
    } else if (!had) {
        plan_done(plan, e->piece);
    }
    if (!had)
        take(s, node, e->piece);
    cancel_needless(s, node);
    pump(s, e->node);
}

/* --- coming and going ------------------------------------------------------------------------ */

static void on_join(struct swarm *s, int number)
{
    struct node *node = &s->nodes[number];
    node->living = true;
    node->joined_us = node->down_us = s->now;
    if (s->nodes[SEED].living)
        know(s, node, SEED);
    else
        add_link(node, SEED);
    find_neighbours(s, number);
    pump(s, number);
    push(s, (struct event){.at = s->now + (int64_t)(next_random(s) % TICK_US),
                           .kind = TICK,
                           .node = (uint16_t)number});
}

static void on_tick(struct swarm *s, int number)
{
    struct node *node = &s->nodes[number];
    if (!node->living || plan_is_finished(node->plan))
        return;
    int64_t silent = (int64_t)s->setup->silent_ms * 1000;
    for (int i = 0; i < node->links; i++) {
        const struct node *other = &s->nodes[node->link[i].node];
        if (other->living && s->now - node->link[i].heard_us >= silent)
            exchange(s, node, i);
    }
    if (node->links < s->setup->neighbours / 2)
        find_neighbours(s, number);
    pump(s, number);
    push(s, (struct event){.at = s->now + TICK_US, .kind = TICK, .node = (uint16_t)number});
}

/* Its connections break at once, for all who know it. */
static void on_die(struct swarm *s, int number)
{
    struct node *dead = &s->nodes[number];
    if (!dead->living || (number != SEED && dead->done_us >= 0))
        return;
    dead->living = false;
    s->left -= number != SEED;
    for (int n = 1; n <= s->setup->nodes; n++) {
        struct node *node = &s->nodes[n];
        for (int i = 0; i < node->links && node->living; i++) {
            if (node->link[i].node != number)
                continue;
            node->link[i].queued = 0;
            node->link[i].retry_us = INT64_MAX;
            plan_leave(node->plan, (unsigned)i);
        }
    }
}

static void on_sent(struct swarm *s, int number)
{
    double size = (double)s->setup->pieces * s->setup->piece_bytes, most = s->setup->seed_sends;
    bool all = s->setup->seed_dies && s->out_count == s->setup->pieces;
    if (number == SEED && (all || (most > 0 && (double)s->nodes[SEED].sent >= most * size)))
        on_die(s, SEED);
    send_next(s, number);
}

static void on_event(struct swarm *s, const struct event *e)
{
    if (e->kind == JOIN)
        on_join(s, e->node);
    else if (e->kind == ASK)
        on_ask(s, e);
    else if (e->kind == SENT)
        on_sent(s, e->node);
    else if (e->kind == PIECE)
        on_piece(s, e);
    else if (e->kind == TICK)
        on_tick(s, e->node);
    else if (e->kind == DIE)
        on_die(s, e->node);
}

/* --- a run ----------------------------------------------------------------------------------- */

static bool make_node(struct swarm *s, int number)
{
    const struct swarm_setup *setup = s->setup;
    struct node *node = &s->nodes[number];
    const struct plan_shape shape = {setup->pieces, setup->piece_bytes, SOURCES, plan_random, s};
    double uniform = (double)(next_random(s) >> 11) / 9007199254740992.0;
    bool slow = number * setup->slow / 100 != (number - 1) * setup->slow / 100;
    node->down = (setup->least + (setup->most - setup->least) * uniform) / 1e6;
    node->up = slow ? SLOW_RATE / 1e6 : node->down;
    node->done_us = -1;
    node->ring = calloc((size_t)SOURCES * SWARM_NODES_MAX / 8, sizeof *node->ring);
    node->log = calloc((size_t)setup->pieces * (number == SEED ? LOG_SEED : 1), sizeof *node->log);
    if (number == SEED) {
        node->up = node->down = setup->seed_rate / 1e6;
        node->living = true;
        return node->ring != NULL && node->log != NULL;
    }
    node->plan = malloc(sizeof *node->plan);
    node->memory = malloc(plan_memory(setup->pieces, SOURCES));
    node->link = calloc(SOURCES, sizeof *node->link);
    if (!node->ring || !node->plan || !node->memory || !node->link || !node->log)
        return false;
    for (size_t i = 0; i < sizeof node->id; i++)
        node->id[i] = (uint8_t)(next_random(s) >> 40);
    plan_init(node->plan, &shape, node->memory);
    if (!setup->alone)
        plan_self(node->plan, node->id);
    return true;
}

/* s until a node can have all: what the seed, all links together and its own link allow. */
static double bound_of(const struct swarm *s, const struct node *node)
{
    const struct swarm_setup *setup = s->setup;
    double size = (double)setup->pieces * setup->piece_bytes / 1e6, all = s->nodes[SEED].up;
    double bound = size / (node->down < all ? node->down : all);
    for (int i = 1; i <= setup->nodes; i++)
        all += s->nodes[i].up;
    return setup->nodes * size / all > bound ? setup->nodes * size / all : bound;
}

static double last_bound(const struct swarm *s)
{
    double last = 0;
    for (int i = 1; i <= s->setup->nodes; i++) {
        double bound = bound_of(s, &s->nodes[i]);
        last = bound > last ? bound : last;
    }
    return last;
}

static void begin(struct swarm *s)
{
    const struct swarm_setup *setup = s->setup;
    int64_t bound_us = (int64_t)(last_bound(s) * 1e6);
    for (int i = 1; i <= setup->nodes; i++) {
        uint64_t over = (uint64_t)setup->join_ms * 1000 + 1000;
        bool late = i * setup->late / 100 != (i - 1) * setup->late / 100;
        int64_t at = (int64_t)(next_random(s) % over) + (late ? bound_us / 2 : 0);
        push(s, (struct event){.at = at, .kind = JOIN, .node = (uint16_t)i});
        if (i * setup->deaths / 100 != (i - 1) * setup->deaths / 100)
            push(s, (struct event){.at = at + (int64_t)(next_random(s) % (uint64_t)bound_us),
                                   .kind = DIE,
                                   .node = (uint16_t)i});
    }
    s->left = setup->nodes;
    int64_t end = 120000000 + 20 * bound_us;
    while (s->left > 0 && s->events > 0 && !s->failed && s->now < end) {
        struct event event = pop(s);
        s->now = event.at;
        on_event(s, &event);
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const struct swarm *s, struct swarm_result *out)
{
    double times[SWARM_NODES_MAX], size = (double)s->setup->pieces * s->setup->piece_bytes;
    int count = 0;
    *out = (struct swarm_result){.bound = last_bound(s), .out = s->out_count};
    for (int i = 1; i <= s->setup->nodes; i++) {
        const struct node *node = &s->nodes[i];
        out->living += node->living;
        if (node->living && node->done_us >= 0)
            times[count++] = (double)(node->done_us - node->joined_us) / 1e6 / bound_of(s, node);
    }
    qsort(times, (size_t)count, sizeof *times, compare);
    out->finished = count;
    out->seed_sent = (double)s->nodes[SEED].sent / size;
    out->wasted = (double)s->wasted / size;
    if (count == 0)
        return;
    out->median = times[count / 2];
    out->p99 = times[(count * 99 + 99) / 100 - 1];
    out->last = times[count - 1];
}

struct swarm_setup swarm_usual(struct swarm_setup setup)
{
    setup.least = setup.least > 0 ? setup.least : 50 * SWARM_MBIT;
    setup.most = setup.most > 0 ? setup.most : setup.least;
    setup.seed_rate = setup.seed_rate > 0 ? setup.seed_rate : 50 * SWARM_MBIT;
    setup.random = setup.random > 0 ? setup.random : 1;
    setup.piece_bytes = P2P_PIECE_MIN;
    setup.run = 8;
    setup.neighbours = 62;
    setup.latency_ms = 1;
    setup.silent_ms = 250;
    setup.askers = setup.seed_askers = 10;
    return setup;
}

bool swarm_run(const struct swarm_setup *setup, struct swarm_result *out)
{
    struct swarm *s = calloc(1, sizeof *s);
    bool made = s != NULL && setup->nodes < SWARM_NODES_MAX;
    if (s != NULL) {
        s->setup = setup;
        s->random = setup->random;
        s->out = calloc(setup->pieces, 1);
        s->asked_us = calloc(setup->pieces, sizeof *s->asked_us);
        made = made && s->out != NULL && s->asked_us != NULL;
    }
    for (int i = 0; made && i <= setup->nodes; i++)
        made = make_node(s, i);
    if (made) {
        begin(s);
        report(s, out);
        made = !s->failed;
    }
    for (int i = 0; s != NULL && i <= setup->nodes; i++) {
        free(s->nodes[i].plan);
        free(s->nodes[i].memory);
        free(s->nodes[i].link);
        free(s->nodes[i].log);
        free(s->nodes[i].ring);
    }
    if (s != NULL) {
        free(s->heap);
        free(s->out);
        free(s->asked_us);
    }
    free(s);
    return made;
}
