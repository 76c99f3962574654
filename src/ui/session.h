/* SPDX-License-Identifier: MIT */
/* What a command on the network needs: memory, a loop, a directory of indexes found by the rules,
 * signals, and one way to end with an exit status. First thread. */
#ifndef SESSION_H
#define SESSION_H

#include "node/directory.h"
#include "node/identity.h"
#include "ui/options.h"

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
    void (*on_interrupt)(void *ctx); /* Ctrl-C: clean up, then session_end; NULL: end at once */
    void *interrupt_ctx;
    int status;
};

/* Sets all up and finds the index: -i or the settings, else the local node's, else this machine's
 * port 7750. 0, or the exit status after it has said why on stderr. */
int session_open(struct session *session, const struct command_line *line);
/* Runs the loop until session_end; the exit status. */
int session_run(struct session *session);
void session_end(struct session *session, int status);
void session_close(struct session *session);

/* "p2p: …" on stderr, one line; control bytes are shown escaped. */
void session_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The words for an index that could not be asked, and the exit status that goes with it. */
int session_no_index(struct session *session, int error);

#endif
