/* SPDX-License-Identifier: MIT */
/* The folders that a node writes to: whether it may, what room there is, and how fast they take it.
 * What is written has no name and is gone when it is closed; it is little, since a card wears
 * out. */
#include "ui/checks.h"

#include "platform/plat_file.h"

#include <stdio.h>
#include <string.h>

enum {
    TEST_BLOCK = 64 * 1024,
    TEST_BLOCKS = 64, /* 4 MiB in all, or a second's worth */
    TEST_MS = 1000,
    SLOW = 1024 * 1024, /* bytes/s: any card that is well does more */
};
#define STATE_LEAST ((int64_t)1024 * 1024) /* the hash cache of some ten thousand files */

struct disk {
    const char *what;
    const uint8_t *block;      /* random: some file systems compress */
    const char *path;          /* as it is, or is to be */
    char folder[P2P_PATH_MAX]; /* the last part of it that there is */
    int64_t free_bytes, rate;  /* rate: bytes/s, 0 when not measured */
    int error;
    char reason[128];
};

/* The folder itself, or the one in which it would be made. */
static int find_existing(struct disk *disk)
{
    struct plat_stat stat;

    if (text_copy(text_from(disk->path), disk->folder, sizeof disk->folder) != 0) {
        return -P2P_ETOOBIG;
    }
    while (plat_stat(disk->folder, &stat) == -P2P_ENOTFOUND) {
        char *slash = strrchr(disk->folder, '/');
        if (slash == NULL) {
            text_copy(STR("."), disk->folder, sizeof disk->folder);
        } else if (slash == disk->folder) {
            slash[1] = 0;
        } else {
            *slash = 0;
        }
    }
    return 0;
}

static int write_blocks(int file, const uint8_t *block, int64_t *out_written)
{
    int64_t until = plat_now_ms() + TEST_MS;
    int error = 0;

    for (int i = 0; i < TEST_BLOCKS && error == 0 && plat_now_ms() < until; i++) {
        error = plat_pwrite(file, block, TEST_BLOCK, *out_written);
        *out_written += error == 0 ? TEST_BLOCK : 0;
    }
    return error == 0 ? plat_fsync(file) : error;
}

static int measure(struct disk *disk, int folder)
{
    int64_t written = 0, began = plat_now_us();
    int file = plat_open_unnamed(folder);

    if (file < 0) {
        return file;
    }
    int error = write_blocks(file, disk->block, &written);
    int64_t took = plat_now_us() - began;
    plat_close(file);
    disk->rate = written * 1000000 / (took > 0 ? took : 1);
    return error;
}

static void look(struct disk *disk)
{
    int folder = -1;

    disk->error = find_existing(disk);
    if (disk->error == 0) {
        folder = plat_open_folder(disk->folder);
        disk->error = folder < 0 ? folder : 0;
    }
    if (disk->error == 0) {
        disk->free_bytes = plat_free_space(folder);
        disk->error = measure(disk, folder);
    }
    snprintf(disk->reason, sizeof disk->reason, "%s", disk->error != 0 ? plat_reason() : "");
    if (folder >= 0) {
        plat_close(folder);
    }
}

static const char *cure_of(const struct disk *disk, const char *other)
{
    switch (-disk->error) {
    case P2P_EDENIED:
        return "give it to the user who runs p2p, with chown, or run p2p as its owner";
    case P2P_EREADONLY:
        return "mount it for writing, or name a folder elsewhere";
    case P2P_ENOSPC:
        return "make room";
    default:
        return other;
    }
}

static void put_figure(struct buf *buf, const struct disk *disk)
{
    struct plat_stat stat;
    bool is_made = strcmp(disk->folder, disk->path) == 0;

    buf_put_text(buf, disk->path);
    if (!is_made) {
        buf_put_text(buf, " (to be made)");
    } else if (plat_stat(disk->path, &stat) == 0 && !stat.mine) {
        buf_put_text(buf, " of another user");
    }
    if (disk->error != 0) {
        buf_printf(buf, " cannot be written: %s", disk->reason);
        return;
    }
    buf_put_text(buf, ": ");
    buf_put_size(buf, (uint64_t)disk->free_bytes);
    buf_put_text(buf, " free, written at ");
    buf_put_size(buf, (uint64_t)disk->rate);
    buf_put_text(buf, "/s");
}

/* least: bytes below which it does not do its work. */
static void tell(struct checks *checks, const struct disk *disk, int64_t least, const char *room)
{
    struct finding finding = {FINDING_OK, disk->what, NULL};
    char text[2 * P2P_PATH_MAX];
    struct buf buf = buf_on(text, sizeof text);

    if (disk->error != 0) {
        finding.level = FINDING_FAIL;
        finding.cure = cure_of(disk, "look at the disk, or name a folder elsewhere");
    } else if (disk->free_bytes < least) {
        finding.level = FINDING_FAIL;
        finding.cure = room;
    } else if (disk->rate < SLOW) {
        finding.level = FINDING_WARN;
        finding.cure = "a slow or worn card: hashing goes on, downloads will be slow";
    }
    put_figure(&buf, disk);
    finding_say(&checks->findings, finding, "%.*s", (int)buf.len, text);
}

static const uint8_t *make_block(struct checks *checks)
{
    uint8_t *block = arena_carve(&checks->session.arena, TEST_BLOCK, 64);

    return block != NULL && plat_random(block, TEST_BLOCK) == 0 ? block : NULL;
}

static void check_state(struct checks *checks, const uint8_t *block)
{
    static const struct finding nowhere = {
        FINDING_WARN, "state folder",
        "set HOME, or name one with -s; the node has a new id at each start, and hashes anew"};
    struct disk disk = {.what = "state folder", .path = checks->state, .block = block};

    if (checks->state[0] == 0) {
        finding_say(&checks->findings, nowhere, "there is no home folder to put it into");
        return;
    }
    look(&disk);
    tell(checks, &disk, STATE_LEAST, "make room; the node starts, but remembers nothing");
}

static void check_save(struct checks *checks, const uint8_t *block)
{
    const struct config *settings = &checks->session.line->settings;
    char path[P2P_PATH_MAX + sizeof "/downloads"];
    struct str set = config_text(settings, "share.save");

    if (set.len > 0) {
        text_copy(set, path, sizeof path);
    } else {
        snprintf(path, sizeof path, "%s/downloads", checks->share);
    }
    struct disk disk = {.what = "save folder", .path = path, .block = block};
    look(&disk);
    tell(checks, &disk, (int64_t)config_number(settings, "share.min_free"),
         "make room, or lower [share] min_free: less than that is never used by downloads");
}

void checks_disk(struct checks *checks)
{
    const uint8_t *block = make_block(checks);

    if (block != NULL) {
        check_state(checks, block);
    }
    if (block != NULL && checks->share[0] != 0) {
        check_save(checks, block);
    }
}
