/* SPDX-License-Identifier: MIT */
/* The order of the checks, and where they look: at the node that runs for this folder, else at what
 * a node that is started here would find. */
#include "ui/doctor.h"

#include "platform/plat_file.h"
#include "ui/checks.h"

#include <stdio.h>
#include <string.h>

/* An index of the default port has no share that would lead to it. */
static void find_index_here(struct session *session)
{
    char folder[P2P_PATH_MAX];
    bool is_named = config_text(&session->line->settings, "node.state").len > 0;

    if (!session->has_local && !is_named &&
        identity_folder(NULL, P2P_PORT_INDEX, folder, sizeof folder) == 0 &&
        identity_find_local(folder, &session->local) == 0) {
        session->has_local = true;
        session->local_addr.port = session->local.port;
        text_copy(text_from(folder), session->state, sizeof session->state);
    }
}

/* The share of the node, else the one that a peer would take. Of a node that was found by its state
 * folder nothing here says which folder it shares. */
static void find_folders(struct checks *checks)
{
    const struct session *session = &checks->session;
    const struct config *settings = &session->line->settings;
    char path[P2P_PATH_MAX];

    text_copy(text_from(session->share), checks->share, sizeof checks->share);
    bool is_index = session->has_local && session->local.role == RECORD_ROLE_INDEX;
    bool may_guess = !session->has_local || config_is_set(settings, "share.path");
    if (checks->share[0] == 0 && !is_index && may_guess &&
        text_copy(config_text(settings, "share.path"), path, sizeof path) == 0 &&
        plat_real_path(path, checks->share, sizeof checks->share) != 0) {
        checks->share[0] = 0;
    }
    text_copy(text_from(session->state), checks->state, sizeof checks->state);
    if (checks->state[0] == 0) {
        const char *share = checks->share[0] != 0 ? checks->share : NULL;
        identity_folder(share, P2P_PORT_INDEX, checks->state, sizeof checks->state);
    }
}

static void check_all(struct checks *checks)
{
    static void (*const parts[])(struct checks *) = {checks_node, checks_network, checks_clock,
                                                     checks_disk, checks_share,   checks_machine};

    find_index_here(&checks->session);
    find_folders(checks);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && !checks->session.interrupted; i++) {
        parts[i](checks);
    }
}

int doctor_run(struct command_line *line)
{
    static struct checks checks;

    memset(&checks, 0, sizeof checks);
    checks.findings.json = line->json;
    int status = session_open(&checks.session, line);
    if (status == 0) {
        check_all(&checks);
        finding_end(&checks.findings);
        status = checks.session.interrupted ? checks.session.interrupted_status
                 : checks.findings.failed   ? P2P_EXIT_FAILED
                                            : P2P_EXIT_OK;
    }
    session_close(&checks.session);
    return status;
}
