/* SPDX-License-Identifier: MIT */
/* From a command line to a running role: options for the app, and its error in words. First
 * thread. */
#include "app/start.h"

#include "app/app.h"
#include "ui/prompt.h"
#include "ui/session.h"

static int read_again(void *ctx, struct config *out, char *err, size_t err_size)
{
    return options_reload(ctx, out, err, err_size);
}

static int run_role(struct command_line *line, enum record_role role)
{
    static struct prompt prompt;
    char err[1024] = "";
    bool has_prompt = role != RECORD_ROLE_INDEX && prompt_init(&prompt, line);
    struct app_options options = {.role = role,
                                  .folder = line->count > 0 ? line->words[0] : NULL,
                                  .verbose = line->verbose,
                                  .quiet = line->quiet,
                                  .reload = read_again,
                                  .ctx = line,
                                  .prompt = has_prompt ? &prompt : NULL};
    int status = app_run(&line->settings, &options, err, sizeof err);

    if (err[0] != 0) {
        session_say("%s", err);
    }
    return status;
}

int start_index(struct command_line *line)
{
    return run_role(line, RECORD_ROLE_INDEX);
}

int start_peer(struct command_line *line)
{
    return run_role(line, RECORD_ROLE_PEER);
}

int start_both(struct command_line *line)
{
    return run_role(line, RECORD_ROLE_BOTH);
}
