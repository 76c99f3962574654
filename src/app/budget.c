/* SPDX-License-Identifier: MIT */
/* The division of memory. Its rules of thumb: an idle connection costs its slot and nothing else, a
 * busy one up to two buffers; tables get what is left. Carves nothing, knows no role's tables. */
#include "app/budget.h"

enum {
    BYTES_PER_CONNECTION = 16 * 1024, /* 4,096 of them in an index of 64M, 512 in 8M */
    CONNECTIONS_MAX = 16384,
    BUFFERS_SHARE = 8, /* an eighth of the memory is I/O buffers */
    BUFFERS_MIN = 16,
    BUFFERS_MAX = 4096,
    INDEX_CLIENTS = 64, /* connecting back to nodes, and two for each mirror */
    PEER_CLIENTS = 20,  /* membership, leaving, the next index; holders that are asked */
    LOOP_TIMERS = 256,
    BOTH_PEER = 3, /* in role both a third is the peer's: its own files; the rest is everybody's */
    PEER_LEAST = 3 * 1024 * 1024, /* its upload buffers alone take most of that */
};

static uint32_t between(size_t value, uint32_t min, uint32_t max)
{
    return value < min ? min : value > max ? max : (uint32_t)value;
}

static void count_fds(struct budget *budget, uint32_t uploads)
{
    budget->loop_fds = (int)(budget->connections + budget->clients) + BUDGET_SPARE_FDS;
    /* An upload's connection moves to a worker; its file comes on top. */
    budget->descriptors = budget->loop_fds + (int)uploads + BUDGET_SPARE_FDS;
}

void budget_divide(struct budget *out, enum record_role role, size_t memory, uint32_t uploads)
{
    size_t buffers = memory / BUFFERS_SHARE / P2P_BUFFER_SIZE;

    *out = (struct budget){0};
    out->connections =
        between(memory / BYTES_PER_CONNECTION, BUDGET_CONNECTIONS_MIN, CONNECTIONS_MAX);
    out->buffers = between(buffers, BUFFERS_MIN, BUFFERS_MAX);
    if (role != RECORD_ROLE_PEER) {
        out->clients += INDEX_CLIENTS;
    }
    if (role != RECORD_ROLE_INDEX) {
        out->clients += PEER_CLIENTS;
    }
    /* A probe is one small request: few of them need a buffer at one time. */
    out->client_buffers = out->clients / 4 + 8;
    out->loop_timers = LOOP_TIMERS;
    count_fds(out, uploads);
}

void budget_fit_descriptors(struct budget *budget, int given)
{
    int missing = budget->descriptors - given;

    if (missing <= 0) {
        return;
    }
    uint32_t left =
        (uint32_t)missing < budget->connections ? budget->connections - (uint32_t)missing : 0;
    budget->connections = left < BUDGET_CONNECTIONS_MIN ? BUDGET_CONNECTIONS_MIN : left;
}

void budget_divide_roles(struct budget_roles *out, enum record_role role, size_t left)
{
    size_t peer = 0;

    if (role == RECORD_ROLE_PEER) {
        peer = left;
    } else if (role == RECORD_ROLE_BOTH) {
        size_t least = left / 2 < PEER_LEAST ? left / 2 : PEER_LEAST;
        peer = left / BOTH_PEER > least ? left / BOTH_PEER : least;
    }
    out->peer_bytes = peer;
    out->index_bytes = left - peer;
}
