/* SPDX-License-Identifier: MIT */
/* How a role's memory and descriptors are divided before anything is carved. Pure. */
#ifndef BUDGET_H
#define BUDGET_H

#include "wire/record.h"

enum {
    BUDGET_CONNECTIONS_MIN = 16,
    BUDGET_SPARE_FDS = 64, /* log, state, share, watches, hashing, wake-ups of each thread */
};

struct budget {
    uint32_t connections, buffers;    /* of the node's server */
    uint32_t clients, client_buffers; /* of the node's own requests */
    int loop_fds, loop_timers;        /* of the first thread's loop */
    int descriptors;                  /* to be asked of the system */
};

/* memory: of the whole program. uploads: files that a peer sends at once (0: an index). */
void budget_divide(struct budget *out, enum record_role role, size_t memory, uint32_t uploads);
/* Fewer connections when the system gives fewer descriptors than budget->descriptors. */
void budget_fit_descriptors(struct budget *budget, int given);

/* What is left of the arena after server and client, divided among the roles. */
struct budget_roles {
    size_t index_bytes, peer_bytes;
};
void budget_divide_roles(struct budget_roles *out, enum record_role role, size_t left);

#endif
