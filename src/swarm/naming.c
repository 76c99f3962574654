/* SPDX-License-Identifier: MIT */
/* Bytes are on the disk before their names are, so a power cut leaves no half file. Worker. */
#include "swarm/naming.h"

#include "platform/plat.h"
#include "swarm/survey.h"

/* The empty file was never fetched. */
static int put_empty(struct naming *naming, uint32_t number)
{
    const struct wanted *file = &naming->files[number];

    return file->size == 0 ? stage_put(naming->stage, number, file, NULL) : 0;
}

static void note(struct naming *naming, uint32_t i, int error)
{
    naming->error[i] = error;
    naming->reason[i] = error != 0 ? plat_reason() : NULL;
}

static void give_name(struct naming *naming, uint32_t i)
{
    uint32_t number = naming->number[i];
    struct stage_name name = {number, &naming->files[number], naming->replace};

    naming->error[i] = stage_name(naming->stage, &name, &naming->reason[i]);
    if (naming->error[i] == -P2P_EEXIST && survey_is_there(naming->stage->root, name.file)) {
        naming->error[i] = 0; /* another get was faster */
    }
}

static void naming_work(struct worker_job *job)
{
    struct naming *naming = (struct naming *)job;

    for (uint32_t i = 0; i < naming->count; i++) {
        note(naming, i, put_empty(naming, naming->number[i]));
    }
    int error = stage_sync(naming->stage);
    for (uint32_t i = 0; i < naming->count; i++) {
        if (error != 0) {
            note(naming, i, error);
        }
        if (naming->error[i] != 0) {
            stage_drop(naming->stage, naming->number[i]);
        } else {
            give_name(naming, i);
        }
    }
}

static void naming_done(struct worker_job *job)
{
    struct naming *naming = (struct naming *)job;

    naming->done(naming->ctx, naming);
}

void naming_start(struct naming *naming, struct worker *background, struct loop *home)
{
    naming->job = (struct worker_job){.work = naming_work, .done = naming_done, .home = home};
    worker_submit(background, &naming->job);
}
