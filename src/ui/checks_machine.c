/* SPDX-License-Identifier: MIT */
/* The share and what this machine has for it: folders to watch, descriptors, instructions for
 * hashing, room in the node's tables. Walks through the share as a scan would, but only counts. */
#include "ui/checks.h"

#include "platform/plat_file.h"
#include "platform/plat_sha256.h"
#include "platform/plat_watch.h"
#include "wire/digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    WALK_MS = 3000,              /* a person waits */
    WALK_ROOM = 512 * 1024,      /* of paths that are still to be walked */
    HASH_MS = 100,               /* long enough to be believed */
    HASH_ROOM = 256 * 1024,      /* fits a cache, as a piece of a transfer does */
    DESCRIPTORS_ASKED = 1 << 20, /* all that there are */
    DESCRIPTORS_FEW = 1024,      /* connections of a fleet, files of uploads */
    DESCRIPTORS_LEAST = 128,     /* below that a role starts with 16 connections */
    NEARLY_FULL = 90,            /* per cent */
};

/* ---- the share ---- */

struct walk {
    int root;
    char *room; /* paths, each ended by NUL, the last one is the next */
    size_t used;
    int64_t folders, files, until_ms;
    bool cut; /* there is more than was counted */
};

static void push(struct walk *walk, const char *folder, const char *name)
{
    struct buf buf = buf_on(walk->room + walk->used, WALK_ROOM - walk->used);

    buf_put_text(&buf, folder);
    buf_put_text(&buf, folder[0] != 0 ? "/" : "");
    buf_put_text(&buf, name);
    buf_put_char(&buf, 0);
    walk->folders++;
    walk->cut |= buf.full;
    walk->used += buf.full ? 0 : buf.len;
}

/* Takes the last path. */
static void pop(struct walk *walk, char out[static P2P_PATH_MAX])
{
    size_t begin = walk->used - 1;

    while (begin > 0 && walk->room[begin - 1] != 0) {
        begin--;
    }
    if (text_copy(text_from(walk->room + begin), out, P2P_PATH_MAX) != 0) {
        walk->cut = true;
    }
    walk->used = begin;
}

static void count_folder(struct walk *walk, const char *path)
{
    char name[P2P_PART_MAX + 1];
    struct plat_dir dir;
    enum plat_kind kind;

    if (plat_dir_open_beneath(&dir, walk->root, path) != 0) {
        return;
    }
    while (plat_dir_next(&dir, name, &kind) > 0) {
        if (plat_now_ms() > walk->until_ms) {
            walk->cut = true;
            break;
        }
        if (name[0] == '.') {
            continue;
        }
        walk->files += kind == PLAT_KIND_FILE;
        if (kind == PLAT_KIND_FOLDER) {
            push(walk, path, name);
        }
    }
    plat_dir_close(&dir);
}

static int count_share(struct checks *checks, struct walk *walk)
{
    char path[P2P_PATH_MAX] = "";

    walk->room = arena_carve(&checks->session.arena, WALK_ROOM, 1);
    if (walk->room == NULL) {
        return -P2P_EFULL;
    }
    walk->root = plat_open_folder(checks->share);
    if (walk->root < 0) {
        return walk->root;
    }
    walk->until_ms = plat_now_ms() + WALK_MS;
    walk->folders = 1;
    count_folder(walk, "");
    while (walk->used > 0 && plat_now_ms() <= walk->until_ms) {
        pop(walk, path);
        count_folder(walk, path);
    }
    plat_close(walk->root);
    return 0;
}

static const char *plural(int64_t count)
{
    return count == 1 ? "" : "s";
}

static void tell_share(struct checks *checks, const struct walk *walk)
{
    struct finding finding = {FINDING_OK, "share", NULL};
    const struct checks_node *node = &checks->node;
    char unread[48] = "";

    if (node->unreadable > 0) {
        finding = (struct finding){FINDING_WARN, "share",
                                   "let the node's user read them; its log names the first ones"};
        snprintf(unread, sizeof unread, ", %" PRId64 " cannot be read", node->unreadable);
    }
    finding_say(&checks->findings, finding, "%s: %s%" PRId64 " file%s in %" PRId64 " folder%s%s",
                checks->share, walk->cut ? "at least " : "", walk->files, plural(walk->files),
                walk->folders, plural(walk->folders), unread);
}

/* ---- watching ---- */

static const char watches[] = "sysctl fs.inotify.max_user_watches=524288, and a line of that in "
                              "/etc/sysctl.d/; until then the share is scanned again and again";
static const char instances[] = "sysctl fs.inotify.max_user_instances=512; until then the share is "
                                "scanned again and again";

/* Whether one more watch is to be had now, whoever has the others. */
static int try_watch(const char *share)
{
    struct plat_watch watch;
    int error = plat_watch_open(&watch);

    if (error != 0) {
        return error;
    }
    int folder = plat_open_folder(share);
    int id = folder < 0 ? folder : plat_watch_add(&watch, folder);
    if (folder >= 0) {
        plat_close(folder);
    }
    plat_watch_close(&watch);
    return id < 0 ? id : 0;
}

static void tell_watch(struct checks *checks, int64_t folders)
{
    struct finding finding = {FINDING_OK, "watching", NULL};
    struct plat_watch_limits limits;
    int error = try_watch(checks->share);

    if (error == -P2P_ENOTSUP || plat_watch_limits(&limits) != 0) {
        finding.level = FINDING_INFO;
        finding_say(&checks->findings, finding,
                    "this system tells no changes: the share is "
                    "scanned");
        return;
    }
    bool by_choice = config_is(&checks->session.line->settings, "share.watch", "scan");
    bool scans = checks->node.told && !checks->node.watching && !by_choice;
    /* A node that has its watches needs no more of them. */
    bool needs = !by_choice && !(checks->node.told && checks->node.watching);
    if (error == -P2P_EMFILE) {
        finding = (struct finding){needs ? FINDING_FAIL : FINDING_WARN, "watching", instances};
    } else if (error == -P2P_EFULL || folders > limits.folders) {
        finding = (struct finding){needs ? FINDING_FAIL : FINDING_WARN, "watching", watches};
    } else if (scans) {
        finding = (struct finding){FINDING_WARN, "watching", watches};
    }
    finding_say(&checks->findings, finding,
                "%" PRId64 " folder%s, the system watches %" PRId64 " for one user%s", folders,
                plural(folders), limits.folders,
                error == -P2P_EMFILE  ? "; too many programs of this user watch"
                : error == -P2P_EFULL ? "; all are taken"
                : scans               ? "; the node scans"
                                      : "");
}

void checks_share(struct checks *checks)
{
    static const struct finding none = {FINDING_INFO, "share",
                                        "a peer needs one: p2p peer DIR, or [share] path"};
    static const struct finding unknown = {FINDING_INFO, "share", "name it with --share.path"};
    static const struct finding closed = {FINDING_FAIL, "share",
                                          "let the user who runs p2p read the folder"};
    static const struct finding missing = {FINDING_FAIL, "share",
                                           "make it with mkdir, or correct [share] path"};
    struct walk walk = {.root = -1};
    struct str set = config_text(&checks->session.line->settings, "share.path");

    if (checks->node.told && checks->node.role == RECORD_ROLE_INDEX) {
        return;
    }
    if (checks->share[0] == 0 && config_is_set(&checks->session.line->settings, "share.path")) {
        finding_say(&checks->findings, missing, "there is no folder %.*s", (int)set.len, set.ptr);
        return;
    }
    if (checks->share[0] == 0 && checks->session.has_local) {
        finding_say(&checks->findings, unknown, "which folder the node shares is not known here");
        return;
    }
    if (checks->share[0] == 0) {
        finding_say(&checks->findings, none, "no folder here is shared");
        return;
    }
    int error = count_share(checks, &walk);
    if (error != 0) {
        finding_say(&checks->findings, closed, "%s: %s", checks->share, plat_reason());
        return;
    }
    tell_share(checks, &walk);
    tell_watch(checks, walk.folders);
}

/* ---- the machine ---- */

static void check_descriptors(struct checks *checks)
{
    static const char raise[] = "ulimit -n 65536, or LimitNOFILE=65536 in the service's unit";
    struct finding finding = {FINDING_OK, "descriptors", NULL};
    int given = plat_raise_descriptors(DESCRIPTORS_ASKED);

    if (given < DESCRIPTORS_FEW) {
        finding = (struct finding){given < DESCRIPTORS_LEAST ? FINDING_FAIL : FINDING_WARN,
                                   "descriptors", raise};
    }
    finding_say(&checks->findings, finding, "%d files and connections at once", given);
}

static void check_hashing(struct checks *checks)
{
    static const struct finding finding = {FINDING_OK, "hashing", NULL};
    uint8_t *room = arena_carve(&checks->session.arena, HASH_ROOM, 64);
    uint8_t sum[P2P_SHA256_SIZE];
    int64_t began = plat_cpu_us(), took = 0, bytes = 0; /* other programs are not to count */
    struct digest digest;
    char rate[32];
    struct buf buf = buf_on(rate, sizeof rate);

    if (room == NULL) {
        return;
    }
    digest_init(&digest);
    while (took < HASH_MS * 1000) {
        digest_update(&digest, room, HASH_ROOM);
        bytes += HASH_ROOM;
        took = plat_cpu_us() - began;
    }
    digest_final(&digest, sum);
    buf_put_size(&buf, (uint64_t)((double)bytes * 1e6 / (double)took));
    finding_say(&checks->findings, finding, "%.*s/s on each of %d cores, SHA-256 by %s",
                (int)buf.len, rate, plat_cpus(), plat_sha256_name());
}

static void tell_room(struct checks *checks, const char *what, int64_t used, int64_t size)
{
    static const char more[] = "give the node more: --memory, or [node] memory";
    struct finding finding = {FINDING_OK, "memory", NULL};

    if (size <= 0) {
        return;
    }
    if (used >= size || used * 100 / size >= NEARLY_FULL) {
        finding = (struct finding){used >= size ? FINDING_FAIL : FINDING_WARN, "memory", more};
    }
    finding_say(&checks->findings, finding, "%" PRId64 " of at most %" PRId64 " %s", used, size,
                what);
}

static void check_memory(struct checks *checks)
{
    static const struct finding full = {FINDING_FAIL, "memory",
                                        "give the index more: --memory, or [node] memory"};
    const struct checks_node *node = &checks->node;

    tell_room(checks, "files in the share's table", node->files, node->files_max);
    if (node->refused > 0) {
        finding_say(&checks->findings, full, "%" PRId64 " offers found no room in the index",
                    node->refused);
    } else {
        tell_room(checks, "offers in the index", node->offers, node->offers_max);
    }
}

void checks_machine(struct checks *checks)
{
    static const struct finding open = {FINDING_INFO, "secret", NULL};

    check_descriptors(checks);
    check_hashing(checks);
    check_memory(checks);
    finding_say(
        &checks->findings, open,
        "none: an open network, for a LAN you trust; docs/security.md says what that means");
}
