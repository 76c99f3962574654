/* SPDX-License-Identifier: MIT */
/* The parts of doctor, as doctor.c calls them one after the other. Internal to doctor. Each tells
 * its findings; those of a machine block for a second at most. */
#ifndef CHECKS_H
#define CHECKS_H

#include "ui/finding.h"
#include "ui/session.h"

/* What the node of this machine says of itself. */
struct checks_node {
    bool there; /* a process has the lock */
    bool told;  /* its figures are in */
    bool joined, watching;
    enum record_role role;
    struct record_id id;
    char name[P2P_NODE_NAME_MAX + 1], version[32];
    int64_t uptime_ms, files, files_max, unreadable;
    int64_t offers, offers_max, refused; /* of an index */
};

struct checks {
    struct session session;
    struct findings findings;
    struct checks_node node;
    char share[P2P_PATH_MAX]; /* real path, "" when there is none */
    char state[P2P_PATH_MAX]; /* "" when there is nowhere to put it */
    int64_t clock_ahead_s;    /* of an index that told its time */
    bool clock_known;
};

/* Asks for the node's figures first: others want them. */
void checks_node(struct checks *checks);
/* Each index there and, for the node, back; and their clock. */
void checks_network(struct checks *checks);
void checks_clock(struct checks *checks);
/* State folder and save folder: whose, room, speed. */
void checks_disk(struct checks *checks);
/* Folders to watch, descriptors, hashing, tables, secret. */
void checks_share(struct checks *checks);
void checks_machine(struct checks *checks);

#endif
