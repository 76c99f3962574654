/* SPDX-License-Identifier: MIT */
/* Who this node is: the state folder and its lock, token, id, epoch, control key, last port. A
 * state folder copied to another board makes a new token there. Without a writable folder
 * everything is fresh at each start. Loop thread. */
#ifndef IDENTITY_H
#define IDENTITY_H

#include "wire/record.h"

/* Epochs stay below this, so that every JSON reader can say them exactly. */
#define IDENTITY_EPOCH_MAX UINT64_C(9007199254740991)

struct identity {
    int folder; /* -1: not persistent */
    int lock;
    char path[P2P_PATH_MAX]; /* of the state folder */
    uint8_t token[P2P_TOKEN_SIZE];
    uint8_t control[P2P_TOKEN_SIZE];
    struct record_id id;
    uint64_t epoch;
    uint16_t last_port;         /* 0: none yet */
    uint8_t place[P2P_ID_SIZE]; /* fingerprint of the board and the share's path */
};

/* The default state folder: $XDG_STATE_HOME/p2p/NAME, else ~/.local/state/p2p/NAME, for root
 * /var/lib/p2p/NAME; NAME is made from the share's real path, or "index-PORT" when share is NULL.
 * 0, -P2P_ETOOBIG, or -P2P_ENOTFOUND: no such share, or no home to put the folder into. */
int identity_folder(const char *share, uint16_t port, char *out, size_t size);

/* Opens and locks the folder (made 0700), loads or makes token and control key, checks the
 * fingerprint (board, share's real path; share NULL: the board alone), raises the epoch and stores
 * it. 0; -P2P_EINUSE: another process, *out_pid says which (0: it has not said yet); -P2P_EINVAL:
 * the folder lies in the share. A folder that cannot be written is no error: folder is then -1.
 * *out_reason is NULL, or a static text: why the folder is not used, or why the node has a new id.
 */
int identity_open(struct identity *identity, const char *folder, const char *share, int *out_pid,
                  const char **out_reason);
/* The same on a board of that name, which identity_open takes from the system. */
struct identity_place {
    const char *folder, *share;
    struct str board;
};
int identity_open_at(struct identity *identity, const struct identity_place *place, int *out_pid,
                     const char **out_reason);
/* A guest's: all fresh, nothing stored. */
int identity_guest(struct identity *identity);
/* Tells commands on this machine where the node listens: pid, port, role into the lock file, last
 * port into the state (which is written only when it differs). */
int identity_publish(struct identity *identity, uint16_t port, enum record_role role);
/* Another node lives under this id, or the index knows a later epoch: a new token (epoch 1), or an
 * epoch above that one. Stored; when that fails the new ones hold all the same, and the error comes
 * back. An epoch that no number follows is -P2P_EINVAL: renew. */
int identity_renew(struct identity *identity);
int identity_raise_epoch(struct identity *identity, uint64_t above);
void identity_close(struct identity *identity);

/* Another process's node on this machine (asking for the own folder may cost the own lock), from
 * the lock file of its state folder. 0, or -P2P_ENOTFOUND when none holds the lock or it does not
 * listen yet. */
struct identity_local {
    int pid;
    uint16_t port;
    enum record_role role;
    uint8_t control[P2P_TOKEN_SIZE];
    bool has_control;
};
int identity_find_local(const char *folder, struct identity_local *out);

#endif
