/* SPDX-License-Identifier: MIT */
/* Reads what comes, takes the connection from state to state until something is missing, then sets
 * what it waits for: events, a deadline, a buffer. Every call of a handler happens within
 * slots_enter and slots_leave of its connection. The server's thread. */
#include "run/serve.h"

#include "run/close.h"
#include "run/move.h"
#include "run/output.h"
#include "run/pump.h"
#include "run/request.h"
#include "run/slots.h"

#include <assert.h>
#include <string.h>

static void late_in(struct conn *conn, int after_ms)
{
    struct server *server = conn->server;
    slots_deadline(conn, &server->late, loop_now_ms(server->loop) + after_ms);
}

/* What is still coming is read away for a while: a close now would reset the connection, and take
 * the answer from the client before it has read it. */
static void linger(struct conn *conn)
{
    conn->transport.ops->finish(&conn->transport);
    conn->state = CONN_LINGER;
    conn->moved = 0;
    conn->in_begin = conn->in_end;
    late_in(conn, CONN_LINGER_MS);
}

/* The answer is sent. True when the connection goes on. */
static bool answer_over(struct conn *conn)
{
    bool more_input = conn->in_begin < conn->in_end;
    bool failed = conn->failed;
    close_exchange(conn, failed);
    conn->exchange.head = NULL;
    conn->exchange.user = NULL;
    conn->exchange.user_number = 0;
    conn->mode = ANSWER_NONE;
    conn->ended = conn->failed = conn->next_told = conn->deaf = false;
    conn->grant = 0;
    conn->hungry_ms = 0;
    bool last = conn->server->stopping || (conn->fin && !more_input);
    if (conn->keep && !conn->body_left && !last) {
        conn->state = CONN_IDLE;
        return true;
    }
    if (!conn->fin && (conn->body_left || more_input))
        linger(conn);
    else
        close_conn(conn, false);
    return false;
}

static bool answer_run(struct conn *conn)
{
    switch (pump_run(conn)) {
    case PUMP_DONE:
        return answer_over(conn);
    case PUMP_CUT:
        close_conn(conn, true);
        break;
    case PUMP_WAIT:
        break;
    }
    return false;
}

/* Bytes behind the request wait until its answer is complete; no more are read. */
static void answer_tell_next(struct conn *conn)
{
    const struct route *route = conn->route ? conn->route->route : NULL;
    if (conn->in_begin == conn->in_end)
        return;
    conn->deaf = true;
    if (conn->ended || conn->next_told || conn->body_left || !route || !route->next)
        return;
    conn->next_told = true;
    route->next(&conn->exchange, conn->route->role);
}

/* Buffers go back as soon as they hold nothing, and no builder is open in them. */
static void buffers_settle(struct conn *conn)
{
    bool building = conn->state == CONN_ANSWER &&
                    (conn->mode == ANSWER_HEAD || conn->mode == ANSWER_BODY) && !conn->ended;
    if (conn->out_begin == conn->out_end && !building)
        slots_give_output(conn);
    if (conn->in_begin == conn->in_end && conn->state != CONN_BODY) {
        slots_give_input(conn);
        conn->exchange.head = NULL;
    }
}

static void deadline_settle(struct conn *conn)
{
    struct server *server = conn->server;
    if (conn->state == CONN_IDLE)
        late_in(conn, server->config.idle_ms);
    if (conn->state != CONN_ANSWER || conn->blocked || (conn->paced && conn->deadline.next))
        return;
    if (!conn->fin)
        deadline_stop(&conn->deadline);
    else
        slots_deadline(conn, &server->late, conn->since_ms + server->config.half_ms);
}

static void events_settle(struct conn *conn)
{
    unsigned events = 0;
    bool deaf = conn->state == CONN_ANSWER && (conn->deaf || conn->fin);
    if (!deaf && conn->list != CONN_HUNGRY)
        events |= PLAT_READABLE;
    if (conn->state != CONN_LINGER && conn->blocked)
        events |= PLAT_WRITABLE;
    loop_change_fd(conn->server->loop, &conn->fd, events);
}

/* A turn that is over is not left to the poller: a socket that still takes bytes may already count
 * as not writable. */
static void serve_settle(struct conn *conn)
{
    if (conn->yield)
        slots_ready(conn);
    buffers_settle(conn);
    deadline_settle(conn);
    if (conn->state == CONN_IDLE && conn->list != CONN_HUNGRY)
        slots_list(conn, conn->class);
    events_settle(conn);
}

/* From state to state, until something is missing. */
static void serve_run(struct conn *conn)
{
    bool on = true;
    while (on && conn->open) {
        switch ((enum conn_state)conn->state) {
        case CONN_IDLE:
        case CONN_HEAD:
            on = request_head(conn);
            break;
        case CONN_BODY:
            on = request_body(conn);
            break;
        case CONN_ANSWER:
            answer_tell_next(conn);
            on = answer_run(conn);
            break;
        case CONN_LINGER:
            on = false;
            break;
        }
    }
    if (conn->open)
        serve_settle(conn);
}

/* The client closed its side, or all of it. */
static void serve_end_of_input(struct conn *conn)
{
    const struct route *route = conn->route ? conn->route->route : NULL;
    if (conn->state != CONN_ANSWER || (route && route->next && !conn->ended)) {
        close_conn(conn, true);
        return;
    }
    conn->fin = true;
    conn->since_ms = loop_now_ms(conn->server->loop);
}

static void linger_read(struct conn *conn)
{
    struct server *server = conn->server;
    int64_t got = conn->transport.ops->recv(&conn->transport, server->spill, P2P_BUFFER_SIZE);
    if (got == -P2P_EAGAIN)
        return;
    if (got > 0)
        conn->moved += (uint32_t)got;
    if (got <= 0 || conn->moved > CONN_LINGER_BYTES)
        close_conn(conn, false);
}

static void input_took(struct conn *conn, size_t size)
{
    conn->server->stats.bytes_in += size;
    conn->in_end = (uint16_t)(conn->in_end + size);
    if (conn->state == CONN_BODY)
        output_progress(conn, size);
    else if (conn->state == CONN_ANSWER)
        conn->since_ms = loop_now_ms(conn->server->loop);
}

/* True when it filled all room there was: more may wait. */
static bool serve_read(struct conn *conn)
{
    if (conn->state == CONN_LINGER) {
        linger_read(conn);
        return false;
    }
    if (!slots_input(conn)) {
        slots_hungry(conn);
        return false;
    }
    size_t room = (size_t)(CONN_INPUT_SIZE - conn->in_end);
    assert(room > 0); /* else the end of the stream could not be told from a full buffer */
    int64_t got = conn->transport.ops->recv(&conn->transport, slots_in(conn) + conn->in_end, room);
    if (got > 0)
        input_took(conn, (size_t)got);
    else if (got == 0)
        serve_end_of_input(conn);
    else if (got != -P2P_EAGAIN)
        close_conn(conn, true);
    return got == (int64_t)room;
}

/* Nobody overtakes those that wait for a buffer: one that became free in this turn is theirs. */
static bool must_queue(const struct conn *conn)
{
    return conn->in == 0 && conn->state != CONN_LINGER &&
           conn->server->list[CONN_HUNGRY].first != 0;
}

/* It takes its body as it comes. */
static bool is_body(const struct conn *conn)
{
    return conn->open && conn->state == CONN_BODY && conn->in != 0 && conn->list != CONN_HUNGRY;
}

static void serve_event(void *ctx, unsigned events)
{
    struct conn *conn = ctx;
    bool more = false;
    slots_enter(conn);
    if ((events & PLAT_READABLE) != 0 && must_queue(conn))
        slots_hungry(conn);
    else if ((events & PLAT_READABLE) != 0)
        more = serve_read(conn);
    else if ((events & PLAT_HUNGUP) != 0)
        close_conn(conn, true);
    if (conn->open)
        serve_run(conn);
    for (int reads = 1; more && reads < CONN_READS && is_body(conn); reads++) {
        more = serve_read(conn);
        if (conn->open)
            serve_run(conn);
    }
    slots_leave(conn);
}

static bool serve_add(struct conn *conn)
{
    conn->fd = (struct loop_fd){conn->transport.fd, PLAT_READABLE, serve_event, conn};
    if (loop_add_fd(conn->server->loop, &conn->fd) == 0)
        return true;
    conn->fd.fd = -1;
    close_conn(conn, true);
    return false;
}

void serve_accepted(struct server *server, int fd, const struct plat_addr *peer)
{
    struct transport transport;
    transport_plain(&transport, fd);
    struct conn *conn = slots_open(server, &transport, peer);
    (void)plat_local_addr(fd, &conn->exchange.local);
    if (!serve_add(conn))
        return;
    late_in(conn, server->config.head_ms);
    slots_list(conn, conn->class);
}

/* There is a buffer: the bytes are copied, the parcel goes back. */
static void parcel_open(struct server *server, struct parcel *parcel)
{
    struct conn *conn = slots_open(server, &parcel->transport, &parcel->peer);
    conn->exchange.local = parcel->local;
    conn->exchange.ticket = parcel->ticket;
    (void)slots_input(conn);
    conn->in_end = (uint16_t)(parcel->end - parcel->begin);
    memcpy(slots_in(conn),
           (uint8_t *)parcel - offsetof(struct conn_input, u) - CONN_INPUT_SIZE + parcel->begin,
           conn->in_end);
    move_return(parcel);
    slots_enter(conn);
    if (serve_add(conn))
        serve_run(conn);
    slots_leave(conn);
}

static bool parcel_has_buffer(const struct server *server)
{
    return server->buffers.free > server->spare;
}

void serve_arrived(struct server *server, struct parcel *parcel)
{
    if (!server->parcels && parcel_has_buffer(server)) {
        parcel_open(server, parcel);
        return;
    }
    parcel->next = NULL;
    if (server->parcels)
        server->parcels_last->next = parcel;
    else
        server->parcels = parcel;
    server->parcels_last = parcel;
    slots_reap(server);
}

void serve_late(struct conn *conn)
{
    slots_enter(conn);
    if (conn->paced) {
        serve_run(conn);
    } else if (conn->state == CONN_HEAD || conn->state == CONN_BODY) {
        conn->server->stats.cut++;
        request_fail(conn, 408, "the request came too slowly");
        serve_run(conn);
    } else {
        if (conn->state == CONN_ANSWER)
            conn->server->stats.cut++;
        close_conn(conn, conn->state == CONN_ANSWER);
    }
    slots_leave(conn);
}

static void serve_on(struct conn *conn, bool reads)
{
    slots_enter(conn);
    if (reads)
        serve_read(conn);
    if (conn->open)
        serve_run(conn);
    slots_leave(conn);
}

void serve_put_off(struct server *server)
{
    uint32_t slot = server->list[CONN_HUNGRY].first;
    while (slot != 0 && server->buffers.free > 0) {
        struct conn *conn = slots_at(server, slot);
        slot = conn->next;
        if (!slots_overdue(conn, loop_now_ms(server->loop)))
            continue;
        slots_enter(conn);
        request_put_off(conn);
        serve_run(conn);
        slots_leave(conn);
    }
}

/* Each of those that are hungry now has one turn: who stays hungry goes to the end. Who wants to
 * read does so at once: until the poller says so again the buffer would be another's. */
static void feed(struct server *server)
{
    uint32_t last = server->list[CONN_HUNGRY].last;
    while (server->list[CONN_HUNGRY].first != 0 && parcel_has_buffer(server)) {
        uint32_t slot = server->list[CONN_HUNGRY].first;
        struct conn *conn = slots_at(server, slot);
        slots_list(conn, CONN_NO_LIST);
        serve_on(conn, conn->in == 0 && conn->state != CONN_ANSWER);
        if (slot == last)
            break;
    }
}

void serve_turn(struct server *server)
{
    struct conn *conn;
    uint32_t ready = slots_take_ready(server);
    server->turn_posted = false;
    while ((conn = slots_next_ready(server, &ready)) != NULL)
        serve_on(conn, false);
    while (server->parcels && parcel_has_buffer(server)) {
        struct parcel *parcel = server->parcels;
        server->parcels = parcel->next;
        parcel_open(server, parcel);
    }
    feed(server);
}
