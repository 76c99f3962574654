/* SPDX-License-Identifier: MIT */
/* A file of the right size is hashed, whatever its time says: a clock may have been wrong. Only
 * regular files and links are ever replaced. Worker. */
#include "swarm/survey.h"

#include "base/text.h"
#include "platform/plat.h"
#include "platform/plat_file.h"
#include "wire/digest.h"

#include <string.h>

enum { SURVEY_BUFFER = 32 * 1024 }; /* on the worker's stack of 128 KiB */

/* True when the file has the content. One that cannot be read has another. */
static bool has_content(const struct survey *survey, const char *path, const struct wanted *file)
{
    uint8_t bytes[SURVEY_BUFFER], hash[P2P_SHA256_SIZE];
    struct digest digest;
    int64_t got, done = 0;
    int fd = plat_open_beneath(survey->root, path, PLAT_READ);

    if (fd < 0) {
        return false;
    }
    plat_read_ahead(fd);
    digest_init(&digest);
    while ((got = plat_read(fd, bytes, sizeof bytes)) > 0 && !atomic_load(&survey->stop)) {
        digest_update(&digest, bytes, (size_t)got);
        done += got;
    }
    plat_close(fd);
    digest_final(&digest, hash);
    return got == 0 && done == file->size && memcmp(hash, &file->content, sizeof hash) == 0;
}

static void refuse(struct wanted *file, const char *reason)
{
    file->result = -P2P_EEXIST;
    file->reason = reason;
}

static void judge(const struct survey *survey, const char *path, const struct plat_stat *stat,
                  struct wanted *file)
{
    if (stat->kind == PLAT_KIND_FOLDER) {
        refuse(file, "there is a folder of that name");
    } else if (stat->kind == PLAT_KIND_OTHER) {
        refuse(file, "there is something of that name that is no file");
    } else if (stat->kind == PLAT_KIND_FILE && stat->size == file->size &&
               has_content(survey, path, file)) {
        file->result = 0;
        file->was_there = true;
    } else if (!survey->replace) {
        refuse(file, "there is a file of that name; --force replaces it");
    }
}

static void look(const struct survey *survey, struct wanted *file)
{
    char path[P2P_PATH_MAX + 1];
    struct plat_stat stat;
    int error = text_copy(file->path, path, sizeof path);

    if (error == 0) {
        error = plat_stat_beneath(survey->root, path, &stat);
    }
    if (error == 0) {
        judge(survey, path, &stat, file);
    } else if (error != -P2P_ENOTFOUND) {
        file->result = error;
        file->reason = plat_reason();
    }
}

bool survey_is_there(int root, const struct wanted *file)
{
    struct survey survey = {.root = root};
    struct wanted copy = *file;

    look(&survey, &copy);
    return copy.was_there;
}

static void survey_work(struct worker_job *job)
{
    struct survey *survey = (struct survey *)job;

    for (uint32_t i = 0; i < survey->count && !atomic_load(&survey->stop); i++) {
        if (survey->files[i].result == WANTED_OPEN) {
            look(survey, &survey->files[i]);
        }
    }
}

static void survey_done(struct worker_job *job)
{
    struct survey *survey = (struct survey *)job;

    survey->done(survey->ctx);
}

void survey_start(struct survey *survey, struct worker *background, struct loop *home)
{
    survey->job = (struct worker_job){.work = survey_work, .done = survey_done, .home = home};
    worker_submit(background, &survey->job);
}
