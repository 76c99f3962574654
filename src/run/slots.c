/* SPDX-License-Identifier: MIT */
/* Slots, buffers and lists of a server. Connections of an address are counted in a chained table,
 * idle ones lie in one list a class in the order in which they became idle. A closed connection
 * keeps its slot until nobody is in it and no list of work to do names it. The server's thread. */
#include "run/slots.h"

#include "base/addr.h"
#include "platform/plat_file.h"

#include <assert.h>

static uint32_t power_of_two(uint32_t count)
{
    uint32_t power = 1;
    while (power < count && power < (1u << 31))
        power *= 2;
    return power;
}

/* A worker's server only gets what another has let in. */
static void limits_set(struct server *server)
{
    uint32_t slots = server->config.connections;
    bool accepts = server->config.listener >= 0;
    for (uint32_t class = 0; class < SERVER_CLASSES; class ++)
        server->limit[class] = accepts ? slots - slots / SERVER_SHARE * class : slots;
    server->kept = accepts ? slots / SERVER_KEPT : 0;
}

int slots_init(struct server *server, struct arena *arena)
{
    uint32_t slots = server->config.connections, buffers = server->config.buffers;
    uint32_t heads = power_of_two(slots);
    server->heads_mask = heads - 1;
    server->heads = arena_carve(arena, heads * sizeof *server->heads, sizeof *server->heads);
    server->spill = arena_carve(arena, P2P_BUFFER_SIZE, 8);
    server->spare = buffers / SERVER_SHARE < 2 ? 2 : buffers / SERVER_SHARE;
    atomic_init(&server->used, 0);
    limits_set(server);
    if (!server->heads || !server->spill ||
        pool_init(&server->conns, arena, sizeof(struct conn), slots) < 0 ||
        pool_init(&server->addresses, arena, sizeof(struct slots_address), slots) < 0 ||
        buffers_init(&server->buffers, arena, buffers) < 0)
        return -P2P_EFULL;
    return 0;
}

bool slots_reserve(struct server *server)
{
    if (atomic_fetch_add(&server->used, 1) < server->config.connections)
        return true;
    atomic_fetch_sub(&server->used, 1);
    return false;
}

void slots_unreserve(struct server *server)
{
    atomic_fetch_sub(&server->used, 1);
}

struct conn *slots_at(const struct server *server, uint32_t slot)
{
    return pool_at(&server->conns, slot);
}

uint32_t slots_of(const struct conn *conn)
{
    return pool_slot(&conn->server->conns, conn);
}

static uint32_t *address_head(const struct server *server, const struct plat_addr *addr)
{
    return &server->heads[addr_hash_ip(addr) & server->heads_mask];
}

static struct slots_address *address_at(const struct server *server, uint32_t slot)
{
    return pool_at(&server->addresses, slot);
}

/* Its slot, or 0. */
static uint32_t address_find(const struct server *server, const struct plat_addr *addr)
{
    uint32_t slot = *address_head(server, addr);
    while (slot != 0 && !addr_same_ip(&address_at(server, slot)->addr, addr))
        slot = address_at(server, slot)->next;
    return slot;
}

static uint32_t address_count_up(struct server *server, const struct plat_addr *addr)
{
    uint32_t slot = address_find(server, addr);
    if (slot == 0) {
        uint32_t *head = address_head(server, addr);
        slot = pool_take(&server->addresses); /* as many as connections: there is one */
        *address_at(server, slot) = (struct slots_address){*addr, 0, *head};
        *head = slot;
    }
    address_at(server, slot)->count++;
    return slot;
}

static void address_count_down(struct server *server, uint32_t slot)
{
    struct slots_address *address = address_at(server, slot);
    if (--address->count > 0)
        return;
    uint32_t *link = address_head(server, &address->addr);
    while (*link != slot)
        link = &address_at(server, *link)->next;
    *link = address->next;
    pool_give(&server->addresses, slot);
}

uint32_t slots_count(const struct server *server, const struct plat_addr *peer)
{
    uint32_t slot = address_find(server, peer);
    return slot == 0 ? 0 : address_at(server, slot)->count;
}

struct conn *slots_open(struct server *server, const struct transport *transport,
                        const struct plat_addr *peer)
{
    struct conn *conn = pool_at(&server->conns, pool_take(&server->conns));
    conn->server = server;
    conn->transport = *transport;
    conn->fd.fd = -1;
    conn->exchange.peer = *peer;
    conn->address = address_count_up(server, peer);
    conn->list = CONN_NO_LIST;
    conn->class = SERVER_TRANSFER;
    conn->open = true;
    if (++server->stats.connections > server->stats.peak)
        server->stats.peak = server->stats.connections;
    return conn;
}

static void slot_free(struct conn *conn)
{
    struct server *server = conn->server;
    if (!conn->dead || conn->entered != 0 || conn->ready)
        return;
    conn->dead = false;
    if (!conn->unreserved)
        slots_unreserve(server);
    pool_give(&server->conns, slots_of(conn));
}

void slots_yield(struct conn *conn)
{
    if (!conn->dead || conn->ready || conn->unreserved)
        return;
    conn->unreserved = true;
    slots_unreserve(conn->server);
}

void slots_class(struct conn *conn, enum server_class class)
{
    struct server *server = conn->server;
    server->members -= conn->class == SERVER_MEMBERSHIP;
    server->members += class == SERVER_MEMBERSHIP;
    conn->class = (uint8_t) class;
}

/* Its own slot is among those that are counted. */
bool slots_fit(const struct server *server, enum server_class class)
{
    uint32_t used = atomic_load(&server->used);
    bool is_kept = class == SERVER_NEIGHBOUR || class == SERVER_CLIENT;
    if (class == SERVER_MEMBERSHIP)
        return server->members <= server->limit[class] - server->kept;
    return used <= server->limit[class] || (is_kept && used - server->members <= server->kept);
}

void slots_close(struct conn *conn)
{
    struct server *server = conn->server;
    assert(conn->open);
    slots_class(conn, SERVER_TRANSFER); /* as it was opened: a member no longer */
    loop_remove_fd(server->loop, &conn->fd);
    if (conn->transport.fd >= 0)
        plat_close(conn->transport.fd);
    conn->transport.fd = -1;
    deadline_stop(&conn->deadline);
    slots_list(conn, CONN_NO_LIST);
    slots_give_input(conn);
    slots_give_output(conn);
    address_count_down(server, conn->address);
    server->stats.connections--;
    if (server->listener.fd >= 0) /* it may have waited for a descriptor */
        loop_change_fd(server->loop, &server->listener, PLAT_READABLE);
    conn->open = false;
    conn->dead = true;
    slot_free(conn);
}

void slots_enter(struct conn *conn)
{
    conn->entered++;
}

void slots_leave(struct conn *conn)
{
    conn->entered--;
    slot_free(conn);
}

struct conn *slots_idle(const struct server *server)
{
    for (int class = SERVER_CLASSES - 1; class > SERVER_MEMBERSHIP; class --)
        if (server->list[class].first != 0)
            return slots_at(server, server->list[class].first);
    return NULL;
}

/* Who holds a buffer, and for how long its bytes have not moved. One that itself waits for a buffer
 * does not keep anybody waiting. */
static bool conn_is_stale(const struct conn *conn, int64_t now_ms)
{
    bool holds = conn->in != 0 || conn->out != 0;
    bool waits = conn->state == CONN_ANSWER ? conn->blocked || conn->deaf : conn->hungry_ms == 0;
    return conn->open && holds && waits && conn->entered == 0 &&
           now_ms - conn->since_ms >= CONN_STALE_MS;
}

bool slots_overdue(const struct conn *conn, int64_t now_ms)
{
    bool asks = conn->state == CONN_IDLE || conn->state == CONN_HEAD;
    return asks && conn->hungry_ms > 0 && now_ms - conn->hungry_ms >= conn->server->config.queue_ms;
}

struct conn *slots_stale(const struct server *server)
{
    struct conn *worst = NULL;
    for (uint32_t slot = 1; slot <= server->conns.fresh; slot++) {
        struct conn *conn = slots_at(server, slot);
        if (conn_is_stale(conn, loop_now_ms(server->loop)) &&
            (!worst || conn->since_ms < worst->since_ms))
            worst = conn;
    }
    return worst;
}

static void list_remove(struct server *server, struct conn *conn)
{
    struct slots_list *list = &server->list[conn->list];
    if (conn->prev != 0)
        slots_at(server, conn->prev)->next = conn->next;
    else
        list->first = conn->next;
    if (conn->next != 0)
        slots_at(server, conn->next)->prev = conn->prev;
    else
        list->last = conn->prev;
}

void slots_list(struct conn *conn, unsigned which)
{
    struct server *server = conn->server;
    if (conn->list != CONN_NO_LIST)
        list_remove(server, conn);
    conn->list = (uint8_t)which;
    if (which == CONN_NO_LIST)
        return;
    struct slots_list *list = &server->list[which];
    uint32_t slot = slots_of(conn);
    conn->prev = list->last;
    conn->next = 0;
    if (list->last != 0)
        slots_at(server, list->last)->next = slot;
    else
        list->first = slot;
    list->last = slot;
}

bool slots_input(struct conn *conn)
{
    struct server *server = conn->server;
    if (conn->in != 0)
        return true;
    conn->in = buffers_take(&server->buffers, server->spare);
    conn->in_begin = conn->in_end = conn->in_floor = 0;
    if (conn->in == 0)
        return false;
    http_parser_init(&slots_input_of(conn)->parser, false);
    return true;
}

bool slots_output(struct conn *conn, bool must)
{
    struct server *server = conn->server;
    if (conn->out != 0)
        return true;
    conn->out = buffers_take(&server->buffers, must ? 0 : server->spare / 2);
    conn->out_begin = conn->out_end = 0;
    return conn->out != 0;
}

void slots_give_buffer(struct server *server, uint32_t slot)
{
    buffers_give(&server->buffers, slot);
    if (server->list[CONN_HUNGRY].first != 0 || server->parcels)
        slots_turn(server);
}

void slots_give_input(struct conn *conn)
{
    if (conn->in != 0)
        slots_give_buffer(conn->server, conn->in);
    conn->in = 0;
    conn->in_begin = conn->in_end = conn->in_floor = 0;
}

void slots_give_output(struct conn *conn)
{
    if (conn->out != 0)
        slots_give_buffer(conn->server, conn->out);
    conn->out = 0;
    conn->out_begin = conn->out_end = 0;
}

uint8_t *slots_in(const struct conn *conn)
{
    return buffers_at(&conn->server->buffers, conn->in);
}

struct conn_input *slots_input_of(const struct conn *conn)
{
    return (struct conn_input *)(void *)(slots_in(conn) + CONN_INPUT_SIZE);
}

/* An answer for which there is no buffer is written, and then cut, in the spill. */
uint8_t *slots_out(const struct conn *conn)
{
    struct server *server = conn->server;
    return conn->out != 0 ? buffers_at(&server->buffers, conn->out) : server->spill;
}

struct buf *slots_build(const struct conn *conn)
{
    return &((struct conn_output *)(void *)(slots_out(conn) + CONN_OUTPUT_SIZE))->build;
}

void slots_reap(struct server *server)
{
    int64_t at_ms = loop_now_ms(server->loop) + CONN_REAP_MS;
    if (!server->reap_wait.next)
        deadline_set(&server->paced, &server->reap_wait, at_ms);
}

void slots_hungry(struct conn *conn)
{
    slots_list(conn, CONN_HUNGRY);
    if (conn->hungry_ms == 0)
        conn->hungry_ms = loop_now_ms(conn->server->loop);
    slots_reap(conn->server);
}

void slots_turn(struct server *server)
{
    if (server->turn_posted)
        return;
    server->turn_posted = true;
    loop_defer(server->loop, &server->turn);
}

void slots_ready(struct conn *conn)
{
    struct server *server = conn->server;
    if (conn->ready || conn->dead)
        return;
    uint32_t slot = slots_of(conn);
    conn->ready = true;
    conn->ready_next = 0;
    if (server->ready_last != 0)
        slots_at(server, server->ready_last)->ready_next = slot;
    else
        server->ready_first = slot;
    server->ready_last = slot;
    slots_turn(server);
}

uint32_t slots_take_ready(struct server *server)
{
    uint32_t first = server->ready_first;
    server->ready_first = server->ready_last = 0;
    return first;
}

struct conn *slots_next_ready(struct server *server, uint32_t *slot)
{
    while (*slot != 0) {
        struct conn *conn = slots_at(server, *slot);
        *slot = conn->ready_next;
        conn->ready = false;
        if (conn->open)
            return conn;
        slot_free(conn); /* closed meanwhile */
    }
    return NULL;
}

void slots_deadline(struct conn *conn, struct deadlines *set, int64_t at_ms)
{
    bool paced = set == &conn->server->paced;
    if (conn->deadline.next && conn->paced != paced)
        deadline_stop(&conn->deadline);
    conn->paced = paced;
    deadline_set(set, &conn->deadline, at_ms);
}
