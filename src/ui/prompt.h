/* SPDX-License-Identifier: MIT */
/* The prompt beside a role: a thread of its own that reads commands from the terminal and asks the
 * node over its port, as a command in another terminal would. All calls on the role's thread. */
#ifndef PROMPT_H
#define PROMPT_H

#include "ui/shell.h"

struct prompt {
    struct shell shell;
    struct plat_wake wake;
    struct plat_thread thread;
    void (*left)(void *ctx);
    void *ctx;
};

/* base stays. False: there is to be no prompt: no terminal, in the background, or --no-prompt. */
bool prompt_init(struct prompt *prompt, const struct command_line *base);
/* Starts to read: the node listens. left(ctx) is called, by the prompt's thread, when a person has
 * left it. 0, -P2P_EMFILE, -P2P_EFULL. */
struct prompt_node {
    struct identity_local local;
    struct plat_addr address;
    const char *share, *state; /* its folders, "" for none; they stay */
    void (*left)(void *ctx);
    void *ctx;
};
int prompt_start(struct prompt *prompt, const struct prompt_node *node);
/* Ends the command that runs. False: none does. */
bool prompt_interrupt(struct prompt *prompt);
/* The terminal has another size, or is ours again. */
void prompt_redraw(struct prompt *prompt);
/* Begins to end it; the terminal is given back as soon as may be. */
void prompt_leave(struct prompt *prompt);
/* Waits for the end, of a prompt that was started. Where the terminal stands still the process ends
 * in a few seconds all the same. */
void prompt_stop(struct prompt *prompt);

#endif
