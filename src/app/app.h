/* SPDX-License-Identifier: MIT */
/* Runs a role: composes index and peer on one loop, one server and one identity; starts, reads the
 * settings again, leaves, ends. First thread. */
#ifndef APP_H
#define APP_H

#include "base/config.h"
#include "wire/record.h"

struct prompt;

struct app_options {
    enum record_role role;
    const char *folder; /* of the share, NULL: as in the settings */
    bool verbose;       /* log more than the settings say */
    bool quiet;         /* log warnings and errors only */
    /* The settings anew, with the options on top; as config_find. */
    int (*reload)(void *ctx, struct config *out, char *err, size_t err_size);
    void *ctx;
    struct prompt *prompt; /* initialised: reads commands while the role runs; NULL: none does */
};

/* Runs until SIGINT or SIGTERM. An exit status; what went wrong is one line in err (empty after a
 * clean end). Nothing is on stdout when the role could not start. */
int app_run(const struct config *settings, const struct app_options *options, char *err,
            size_t err_size);

#endif
