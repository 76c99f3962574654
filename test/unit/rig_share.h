/* SPDX-License-Identifier: MIT */
/* A share on a real folder, loop and background workers, with a state folder of its own. For
 * test_share*.c, test_membership.c and test_upload.c. */
#ifndef RIG_SHARE_H
#define RIG_SHARE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "peer/share.h"
#include "platform/plat.h"
#include "platform/plat_file.h"
#include "wire/digest.h"

enum { SHARE_WAIT_MS = 40000, SHARE_WORKERS = 2, SHARE_MEMORY = 24 << 20 };

struct shared {
    char root[48], path[64], state[64];
    struct arena arena;
    struct loop *loop;
    struct worker workers[SHARE_WORKERS];
    struct config settings;
    struct share *share;
    int state_folder;
    uint32_t changes;
    bool running;
    void (*changed)(void *ctx, uint32_t file); /* of the test; may be NULL */
    void *ctx;
};

static inline void shared_shell(const char *format, const char *a, const char *b)
{
    char command[2048];
    snprintf(command, sizeof command, format, a, b);
    assert_int_equal(system(command), 0);
}

static inline void shared_changed(void *ctx, uint32_t file)
{
    struct shared *shared = ctx;
    shared->changes++;
    if (shared->changed)
        shared->changed(shared->ctx, file);
}

static inline void shared_quiet(void *ctx, bool all_hashed)
{
    (void)ctx;
    (void)all_hashed;
}

/* The folders and an open loop; nothing runs. */
static inline void shared_make(struct shared *shared)
{
    memset(shared, 0, sizeof *shared);
    log_set_level(LOG_ERROR);
    snprintf(shared->root, sizeof shared->root, "/tmp/test_share.XXXXXX");
    assert_non_null(mkdtemp(shared->root));
    snprintf(shared->path, sizeof shared->path, "%s/share", shared->root);
    snprintf(shared->state, sizeof shared->state, "%s/state", shared->root);
    assert_int_equal(plat_make_folders(shared->path, false), 0);
    assert_int_equal(plat_make_folders(shared->state, true), 0);
    shared->state_folder = plat_open_folder(shared->state);
    config_init(&shared->settings);
}

static inline void shared_set(struct shared *shared, const char *key, const char *value)
{
    char err[256];
    assert_int_equal(config_set(&shared->settings, key, text_from(value), err, sizeof err), 0);
}

static inline void shared_open(struct shared *shared)
{
    struct share_config config = {.background = shared->workers,
                                  .background_count = SHARE_WORKERS,
                                  .path = shared->path,
                                  .state_folder = shared->state_folder,
                                  .settings = &shared->settings,
                                  .changed = shared_changed,
                                  .quiet = shared_quiet,
                                  .ctx = shared};
    assert_int_equal(arena_init(&shared->arena, SHARE_MEMORY), 0);
    assert_int_equal(loop_init(&shared->loop, &shared->arena, 128, 32), 0);
    for (int i = 0; i < SHARE_WORKERS; i++)
        assert_int_equal(worker_init(&shared->workers[i], &shared->arena, 80, 16), 0);
    config.loop = shared->loop;
    assert_int_equal(share_init(&shared->share, &shared->arena, &config, 8 << 20), 0);
}

static inline void shared_run(struct shared *shared)
{
    for (int i = 0; i < SHARE_WORKERS; i++)
        assert_int_equal(worker_start(&shared->workers[i]), 0);
    shared->running = true;
    share_start(shared->share);
}

static inline void shared_stop(struct shared *shared)
{
    for (int i = 0; i < SHARE_WORKERS; i++)
        worker_stop(&shared->workers[i]);
    share_close(shared->share);
    for (int i = 0; i < SHARE_WORKERS; i++)
        loop_close(shared->workers[i].loop);
    loop_close(shared->loop);
    arena_free(&shared->arena);
    shared->running = false;
}

static inline void shared_remove(struct shared *shared)
{
    plat_close(shared->state_folder);
    shared_shell("chmod -R u+rwx '%s' && rm -rf '%s'", shared->root, shared->root);
}

/* ---- files ---- */

static inline void shared_at(const struct shared *shared, const char *name, char out[512])
{
    snprintf(out, 512, "%s/%s", shared->path, name);
}

/* Writes a file in place. age_s: how long ago, by its time; 0: now. */
static inline void shared_write(const struct shared *shared, const char *name, const char *bytes,
                                size_t size, int age_s)
{
    char path[512], folder[512];
    shared_at(shared, name, path);
    memcpy(folder, path, sizeof folder);
    *strrchr(folder, '/') = '\0';
    assert_int_equal(plat_make_folders(folder, false), 0);
    int fd = plat_open(path, PLAT_WRITE | PLAT_CREATE | PLAT_TRUNCATE);
    assert_true(fd >= 0);
    assert_int_equal(plat_write(fd, bytes, size), 0);
    if (age_s > 0)
        assert_int_equal(plat_set_attributes(fd, plat_wall_s() - age_s, false), 0);
    plat_close(fd);
}

static inline void shared_put(const struct shared *shared, const char *name, const char *text)
{
    shared_write(shared, name, text, strlen(text), 3600);
}

/* ---- waiting ---- */

static inline struct tree_file *shared_find(const struct shared *shared, const char *name)
{
    struct tree *tree = share_tree(shared->share);
    uint32_t slot = tree_find_path(tree, text_from(name));
    return slot != 0 && entries_is_offered(share_entries(shared->share), slot)
               ? tree_file(tree, slot)
               : NULL;
}

static inline bool shared_has(const struct shared *shared, const char *name, const char *bytes,
                              size_t size)
{
    uint8_t content[P2P_SHA256_SIZE];
    const struct tree_file *file = shared_find(shared, name);
    digest_of(bytes, size, content);
    return file && (file->flags & TREE_HASHED) != 0 && file->size == (int64_t)size &&
           memcmp(file->content, content, sizeof content) == 0;
}

#define shared_wait(shared, condition)                                                             \
    do {                                                                                           \
        int64_t until_ms = plat_now_ms() + SHARE_WAIT_MS;                                          \
        while (!(condition) && plat_now_ms() < until_ms)                                           \
            loop_turn((shared)->loop, 20);                                                         \
        if (!(condition))                                                                          \
            fail_msg("not within %d ms: %s", SHARE_WAIT_MS, #condition);                           \
    } while (0)

static inline void shared_wait_text(struct shared *shared, const char *name, const char *text)
{
    shared_wait(shared, shared_has(shared, name, text, strlen(text)));
}

static inline uint32_t shared_count(const struct shared *shared)
{
    return share_tree(shared->share)->counts.present;
}

#endif
