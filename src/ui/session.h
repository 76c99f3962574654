/* SPDX-License-Identifier: MIT */
/* What a command on the network needs: memory, a loop, a directory of indexes found by the rules,
 * signals, and one way to end with an exit status. First thread. */
#ifndef SESSION_H
#define SESSION_H

#include "node/directory.h"
#include "node/identity.h"
#include "ui/options.h"

#include <stdatomic.h>

/* The prompt that runs commands one after the other in one process; what is said of the process
 * once (log, hash key) it has seen to. */
struct session_prompt {
    atomic_bool leave, interrupt; /* the prompt, or the command that runs, is to end */
    atomic_bool busy;             /* a command runs */
    /* Beside a role, which has the signals: woken after one of the two was set. Else NULL. */
    struct plat_wake *wake;
    struct identity_local local; /* beside a role: its node, and where it is reached */
    struct plat_addr address;
    const char *share, *state; /* beside a role: its folders, "" for none */
    int status;                /* of the last command */
};

struct session {
    const struct command_line *line;
    struct arena arena;
    struct loop *loop;
    struct client_pool *pool;
    struct directory *directory;
    struct worker background; /* names, disk */
    struct json_reader json;
    struct loop_fd signals;
    bool has_local; /* a node runs for this folder */
    struct identity_local local;
    struct plat_addr local_addr; /* its port, from this machine */
    char share[P2P_PATH_MAX];    /* its share, "" when that is not known */
    char state[P2P_PATH_MAX];    /* its state folder */
    bool interrupted;
    int interrupted_status;
    void (*on_interrupt)(
        void *ctx); /* by a signal: clean up, then session_end; NULL: end at once */
    void *interrupt_ctx;
    int status;
};

/* Sets all up and finds the index: -i or the settings, else the local node's, else this machine's
 * port 7750. 0, or the exit status after it has said why on stderr. */
int session_open(struct session *session, const struct command_line *line);
/* Runs the loop until session_end; the exit status. */
int session_run(struct session *session);
void session_end(struct session *session, int status);
/* Closes all, connections that are still open too; another one can be opened then. */
void session_close(struct session *session);

/* The exit status of what a signal ends. */
int session_signal_status(enum plat_signal signal);

/* "p2p: …" on stderr, one line; control bytes are shown escaped. */
void session_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The words for an index that could not be asked, and the exit status that goes with it. */
int session_no_index(struct session *session, int error);

#endif
