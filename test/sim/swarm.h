/* SPDX-License-Identifier: MIT */
/* A swarm in one process: each node runs the real plan, links and time are simulated. The model:
 * a node sends one piece at a time at the full rate of its uplink, to those who asked it in turn
 * (so they share it evenly); the receiver's downlink takes pieces one after the other at its own
 * rate, cut through; a message takes the latency of the way. A node serves so many askers at once
 * and refuses the others for 200 ms. Pieces that a node has got are told in its answers and in its
 * requests, the seed tells which it was asked for, as many as fit into P2P-Have; a pair that has
 * been silent for some time asks. The seed refuses what it has sent already while it has something
 * new (src/peer/asked.c). Nothing is hashed, nobody lies. All follows from the seed of the
 * random numbers. */
#ifndef SWARM_H
#define SWARM_H

#include "p2p.h"

#define SWARM_MBIT 125000.0 /* bytes/s */

enum { SWARM_NODES_MAX = 1001 };

struct swarm_setup {
    const char *name;
    int nodes; /* downloaders; beside them there is one seed */
    uint32_t pieces;
    double least, most; /* bytes/s: links of downloaders, both ways the same, uniform between */
    double seed_rate;   /* bytes/s */
    int slow;           /* per cent of the downloaders that send 1 kB/s */
    int join_ms;        /* downloaders come over this time */
    int late;           /* per cent of them that come when half of the bound has passed */
    int deaths;         /* per cent of the downloaders that are killed on the way */
    bool seed_dies;     /* as soon as it has sent each piece once */
    double seed_sends;  /* sizes of the content, after which it dies; 0: it does not */
    bool alone;         /* nobody shares: the plan is not told who we are */
    uint64_t random;
    /* What swarm_usual() sets. */
    uint32_t piece_bytes, run;
    int neighbours;  /* other downloaders that each knows, about; at most 62 */
    int latency_ms;  /* one way */
    int silent_ms;   /* after which one asks what the other has got */
    int askers;      /* that a downloader serves at the same time */
    int seed_askers; /* and the seed, with those who stand in line */
};

struct swarm_result {
    double bound;             /* s: when the last one can have all */
    double median, p99, last; /* times from a node's own start on, over the node's own bound */
    double seed_sent, wasted; /* in sizes of the content */
    uint32_t out;             /* pieces that the seed has sent */
    int finished, living;
};

/* The setup with what is not 0 left as it is: links of 50 Mbit/s, pieces of 64 KiB, what the
 * program's own settings are. */
struct swarm_setup swarm_usual(struct swarm_setup setup);
/* Runs until all that live have all, or two minutes and twenty bounds have passed. False: no
 * memory. */
bool swarm_run(const struct swarm_setup *setup, struct swarm_result *out);

#endif
