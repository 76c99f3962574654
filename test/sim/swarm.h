/* SPDX-License-Identifier: MIT */
/* A swarm in one process: each node runs the real plan, links and time are simulated. The model:
 * a node sends one piece at a time at the full rate of its uplink, to those who asked it in turn
 * (so they share it evenly); the receiver's downlink takes pieces one after the other at its own
 * rate, cut through; a message takes the latency of the way. A node accepts so many askers at once
 * and refuses the others for 200 ms. Pieces that a node has got are told in the requests and
 * answers that flow anyway; a pair that has been silent for some time asks. Nothing is hashed,
 * nobody lies. All follows from the seed. */
#ifndef SWARM_H
#define SWARM_H

#include "p2p.h"

enum { SWARM_NODES_MAX = 1001 };

struct swarm_setup {
    const char *name;
    int nodes; /* downloaders; beside them there is one seed */
    uint32_t pieces, piece_bytes, run;
    double least, most; /* bytes/s: links of downloaders, both ways the same, uniform between */
    double seed_rate;   /* bytes/s */
    int neighbours;     /* other downloaders that each knows, about; at most 62 */
    int latency_ms;     /* one way */
    int silent_ms;      /* after which one asks what the other has got */
    int join_ms;        /* downloaders come over this time */
    double seed_sends;  /* the seed is killed after so many times the content; 0: it stays */
    int deaths;         /* per cent of the downloaders that are killed on the way */
    int askers;         /* that a node accepts at the same time */
    bool alone;         /* nobody shares: the plan is not told who we are */
    uint64_t random;
};

struct swarm_result {
    double bound, median, p99, last; /* s, from a node's own start on */
    double seed_sent, wasted;        /* in sizes of the content */
    int finished, living;
};

/* Runs until all that live have all, or two minutes and twenty bounds have passed. False: no
 * memory. */
bool swarm_run(const struct swarm_setup *setup, struct swarm_result *out);

#endif
