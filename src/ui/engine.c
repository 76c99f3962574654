/* SPDX-License-Identifier: MIT */
/* One transfer worker for each processor. First thread. */
#include "ui/engine.h"

#include "platform/plat.h"
#include "platform/plat_net.h"

enum {
    ENGINE_FDS = 128,
    ENGINE_TIMERS = 128,
    ENGINE_SPARE = 64 * 1024,            /* of the memory, for alignment */
    ENGINE_GUEST_MIN = 10 * 1024 * 1024, /* with less than that it only takes, */
    ENGINE_GUEST_FDS = 128,              /* or with fewer descriptors; */
    ENGINE_LEAST_FDS = 32                /* with fewer of them it would stand still */
};

static void make_guest(struct engine *engine)
{
    struct session *session = engine->session;
    struct guest_config config = {.loop = session->loop,
                                  .directory = session->directory,
                                  .workers = engine->workers,
                                  .worker_count = engine->worker_count,
                                  .settings = &session->line->settings,
                                  .about = engine->about,
                                  .ctx = engine->ctx};

    if (arena_left(&session->arena) < ENGINE_GUEST_MIN || engine->descriptors < ENGINE_GUEST_FDS ||
        guest_init(&engine->guest, &session->arena, &config) != 0) {
        engine->guest = NULL;
    }
}

static int make_haul(struct engine *engine)
{
    struct session *session = engine->session;
    const struct config *settings = &session->line->settings;
    struct transfer_config config = {
        .loop = session->loop,
        .pool = session->pool,
        .directory = session->directory,
        .workers = engine->workers,
        .worker_count = engine->worker_count,
        .background = &session->background,
        .connections = (int)config_number(settings, "transfer.connections"),
        .min_free = config_number(settings, "share.min_free"),
        .download_limit = config_number(settings, "transfer.download_limit"),
        .memory = arena_left(&session->arena)};

    if (engine->guest != NULL) {
        config.self = guest_id(engine->guest);
        config.port = guest_port(engine->guest);
    }
    if (config.memory <= ENGINE_SPARE) {
        return -P2P_EFULL;
    }
    config.memory -= ENGINE_SPARE;
    return haul_init(&engine->haul, &session->arena, &config);
}

int engine_open(struct engine *engine, struct session *session)
{
    int cpus = plat_cpus();
    int error = 0;

    engine->session = session;
    engine->descriptors = plat_raise_descriptors(ENGINE_GUEST_FDS);
    if (engine->descriptors < ENGINE_LEAST_FDS) {
        return -P2P_EMFILE;
    }
    engine->worker_count = cpus < P2P_WORKERS_MAX ? cpus : P2P_WORKERS_MAX;
    for (int i = 0; i < engine->worker_count && error == 0; i++) {
        error = worker_init(&engine->workers[i], &session->arena, ENGINE_FDS, ENGINE_TIMERS);
    }
    if (error == 0) {
        make_guest(engine);
        error = make_haul(engine);
    }
    for (int i = 0; i < engine->worker_count && error == 0; i++) {
        error = worker_start(&engine->workers[i]);
    }
    if (error == 0 && engine->guest != NULL) {
        guest_start(engine->guest, haul_held(engine->haul));
    }
    return error;
}

void engine_close(struct engine *engine)
{
    for (int i = 0; i < engine->worker_count; i++) {
        worker_stop(&engine->workers[i]);
    }
    if (engine->session != NULL) {
        worker_stop(&engine->session->background);
    }
    if (engine->guest != NULL) {
        guest_close(engine->guest);
    }
    if (engine->haul != NULL) {
        haul_close(engine->haul);
    }
    for (int i = 0; i < engine->worker_count; i++) {
        if (engine->workers[i].loop != NULL) {
            loop_close(engine->workers[i].loop);
        }
    }
}
