/* SPDX-License-Identifier: MIT */
/* The thread of the prompt. The role tells it things by flags and a wake-up, it tells the role one
 * thing by a callback; neither waits for the other but at the end. */
#include "ui/prompt.h"

#include <string.h>

enum {
    PROMPT_STACK = 512 * 1024, /* commands expect a first thread's; touched pages count */
    PROMPT_END_S = 3           /* for a command that writes to a terminal that takes nothing */
};

static void on_wake(void *ctx)
{
    plat_wake_drain(&((struct prompt *)ctx)->wake);
}

static void talk(void *ctx)
{
    struct prompt *prompt = ctx;

    shell_talk(&prompt->shell, prompt->wake.read_fd, on_wake, prompt);
    prompt->left(prompt->ctx);
}

bool prompt_init(struct prompt *prompt, const struct command_line *base)
{
    if (base->no_prompt || !terminal_is_there()) {
        return false;
    }
    memset(prompt, 0, sizeof *prompt);
    prompt->wake = (struct plat_wake){-1, -1};
    shell_init(&prompt->shell, base);
    return true;
}

int prompt_start(struct prompt *prompt, const struct prompt_node *node)
{
    int error = plat_wake_open(&prompt->wake);

    if (error != 0) {
        return error;
    }
    prompt->left = node->left;
    prompt->ctx = node->ctx;
    prompt->shell.prompt.local = node->local;
    prompt->shell.prompt.address = node->address;
    prompt->shell.prompt.share = node->share;
    prompt->shell.prompt.state = node->state;
    prompt->shell.prompt.wake = &prompt->wake;
    error = plat_thread_start(&prompt->thread, PROMPT_STACK, talk, prompt);
    if (error != 0) {
        plat_wake_close(&prompt->wake);
    }
    return error;
}

bool prompt_interrupt(struct prompt *prompt)
{
    if (!atomic_load(&prompt->shell.prompt.busy)) {
        return false;
    }
    atomic_store(&prompt->shell.prompt.interrupt, true);
    plat_wake(&prompt->wake);
    return true;
}

void prompt_redraw(struct prompt *prompt)
{
    plat_wake(&prompt->wake);
}

void prompt_leave(struct prompt *prompt)
{
    atomic_store(&prompt->shell.prompt.leave, true);
    plat_wake(&prompt->wake);
}

void prompt_stop(struct prompt *prompt)
{
    if (prompt->wake.read_fd < 0) {
        return;
    }
    prompt_leave(prompt);
    plat_end_within(PROMPT_END_S, P2P_EXIT_OK);
    plat_thread_join(&prompt->thread);
    plat_end_within(0, 0);
    plat_wake_close(&prompt->wake);
}
