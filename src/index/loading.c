/* SPDX-License-Identifier: MIT */
/* Nothing is applied before the hash at the file's end was found right. What is applied then goes
 * the way of everything that others tell (intake.c), all nodes at once at the end: they are hearsay
 * until they speak. A small file is read at once, before anybody can ask. Loop thread, but for
 * loading_check and loading_read. */
#include "index/loading.h"

#include "index/saving.h"
#include "platform/plat_file.h"

#include <string.h>

enum {
    LOADING_SLICE = 150,       /* lines in a slice: about half a millisecond */
    LOADING_WORK = 1000,       /* offers committed in a slice */
    LOADING_LINE = 320,        /* bytes; mostly fewer, so that rather too little is made ready */
    LOADING_SMALL = 512 * 1024 /* bytes that take about ten milliseconds */
};
#define LOADING_BAD SAVING_NAME ".bad"

/* ---- the worker ---- */

static int loading_get(struct loading *loading, void *out, size_t size, int64_t offset)
{
    int64_t got = plat_pread(loading->fd, out, size, offset);
    return got < 0 ? (int)got : (size_t)got == size ? 0 : -P2P_EVERIFY;
}

static int loading_fault(struct loading *loading, const char *fault)
{
    loading->fault = fault;
    return -P2P_EVERIFY;
}

/* The last line says the hash of all before it. */
static int loading_check_tail(struct loading *loading, int64_t size, char hash[static 65])
{
    static const char mark[] = "\"sha256\":\"", end[] = "\"}\n";
    char text[SAVING_TAIL_MAX];
    size_t length = size < SAVING_TAIL_MAX ? (size_t)size : SAVING_TAIL_MAX;
    size_t foot = 64 + sizeof(end) - 1;
    int error = loading_get(loading, text, length, size - (int64_t)length);
    if (error)
        return error;
    if (length <= foot || memcmp(text + length - (sizeof(end) - 1), end, sizeof(end) - 1) != 0)
        return loading_fault(loading, "its end is missing");
    struct str before = {text, length - 1};
    ptrdiff_t line = text_find_last(before, '\n');
    struct str last = text_from_byte((struct str){text, length}, (size_t)(line + 1));
    struct str head = text_first(last, last.len - foot);
    if (line < 0 || !text_begins(last, STR("{\"end\":true,")) ||
        !text_ends(head, (struct str){mark, sizeof(mark) - 1}))
        return loading_fault(loading, "its last line is not the end of a snapshot");
    memcpy(hash, text + length - foot, 64);
    hash[64] = '\0';
    loading->size = size - (int64_t)last.len;
    return 0;
}

static int loading_check_head(struct loading *loading)
{
    char wanted[SAVING_HEAD_MAX], found[SAVING_HEAD_MAX];
    size_t length = saving_head(&loading->role->config.id, wanted);
    size_t version = (size_t)(strstr(wanted, "\"id\"") - wanted);
    if (loading->size < (int64_t)length || loading_get(loading, found, length, 0))
        return loading_fault(loading, "it is too short");
    if (memcmp(found, wanted, version) != 0)
        return loading_fault(loading, "it is of another version");
    if (memcmp(found, wanted, length) != 0)
        return loading_fault(loading, "it is of another index");
    loading->offset = (int64_t)length;
    return 0;
}

static int loading_check_hash(struct loading *loading, const char *wanted)
{
    struct digest digest;
    uint8_t hash[P2P_SHA256_SIZE];
    char text[2 * P2P_SHA256_SIZE + 1];
    int error = 0;
    digest_init(&digest);
    plat_read_ahead(loading->fd);
    for (int64_t at = 0; !error && at < loading->size;) {
        int64_t left = loading->size - at;
        size_t part = left < SAVING_PAGE ? (size_t)left : SAVING_PAGE;
        error = loading_get(loading, loading->page[0], part, at);
        digest_update(&digest, loading->page[0], part);
        at += (int64_t)part;
    }
    digest_final(&digest, hash);
    text_hex_encode(hash, sizeof(hash), text);
    if (!error && strcmp(text, wanted) != 0)
        return loading_fault(loading, "it was changed, or the disk has lost a part of it");
    return error;
}

static int loading_examine(struct loading *loading)
{
    char hash[2 * P2P_SHA256_SIZE + 1];
    struct plat_stat stat;
    int error = plat_fstat(loading->fd, &stat);
    if (!error)
        error = loading_check_tail(loading, stat.size, hash);
    if (!error)
        error = loading_check_head(loading);
    return error ? error : loading_check_hash(loading, hash);
}

static void loading_check(struct worker_job *job)
{
    struct loading *loading = (struct loading *)(void *)job;
    loading->fault = "it is shorter than it was";
    loading->fd = plat_open_beneath(loading->role->config.folder, SAVING_NAME, PLAT_READ);
    loading->error = loading->fd < 0 ? loading->fd : loading_examine(loading);
}

static void loading_read(struct worker_job *job)
{
    struct loading *loading = (struct loading *)(void *)job;
    int64_t left = loading->size - loading->offset;
    size_t part = left < SAVING_PAGE ? (size_t)left : SAVING_PAGE;
    loading->error = loading_get(loading, loading->page[loading->reading], part, loading->offset);
    loading->got = loading->error ? 0 : part;
    loading->offset += (int64_t)loading->got;
}

/* ---- the end ---- */

static void loading_set_aside(struct loading *loading)
{
    int folder = loading->role->config.folder;
    loading->aside = plat_rename_beneath(folder, SAVING_NAME, folder, LOADING_BAD, true) == 0;
}

static void loading_finish(struct loading *loading, int error)
{
    if (loop_has_task(&loading->task))
        loop_remove_task(loading->role->config.loop, &loading->task);
    if (loading->fd >= 0)
        plat_close(loading->fd);
    loading->fd = -1;
    loading->phase = LOADING_IDLE;
    if (error == -P2P_EVERIFY)
        loading_set_aside(loading);
    loading->done(loading->role, error);
}

/* ---- the lines ---- */

static void loading_line(struct loading *loading, struct str line)
{
    struct told told;
    struct index_role *role = loading->role;
    loading->count++;
    if (told_read(&role->reader, line, &told) || told.is_end) {
        loading->failed = loading_fault(loading, role->reader.fault);
        return;
    }
    intake_whole(role, &loading->intake, &told);
}

/* The lines of the page that is here; true when it is used up. */
static bool loading_take(struct loading *loading)
{
    struct str line;
    int result = 1;
    for (int i = 0; i < LOADING_SLICE && !loading->failed; i++) {
        result = lines_next(&loading->lines, &loading->rest, &line);
        if (result != 1)
            break;
        loading_line(loading, line);
    }
    if (result < 0)
        loading->failed = loading_fault(loading, "a line is too long");
    return result != 1 || loading->failed;
}

static void loading_on_page(struct worker_job *job);

static void loading_ask(struct loading *loading)
{
    loading->busy = true;
    loading->job = (struct worker_job){
        .work = loading_read, .done = loading_on_page, .home = loading->role->config.loop};
    worker_submit(loading->role->config.background, &loading->job);
}

/* The page that was read becomes the one that is taken, and the other is read. */
static void loading_turn(struct loading *loading)
{
    loading->rest = (struct str){(char *)loading->page[loading->reading], loading->got};
    loading->got = 0;
    loading->reading ^= 1;
    if (loading->offset < loading->size)
        loading_ask(loading);
}

/* True: there is more to do at once. */
static bool loading_go_on(struct loading *loading)
{
    if (!loading_take(loading))
        return true;
    if (loading->busy)
        return false; /* the page is the worker's until it is handed back */
    if (loading->failed || loading->got == 0) {
        loading->phase = LOADING_NODES;
        return true;
    }
    loading_turn(loading);
    return true;
}

static bool loading_step(void *context)
{
    struct loading *loading = context;
    struct index_role *role = loading->role;
    if (loading->phase == LOADING_LINES)
        return loading_go_on(loading);
    if (loading->phase == LOADING_NODES) {
        if (!intake_end_some(role, &loading->intake, &loading->at, !loading->failed))
            loading->phase = LOADING_COMMITS;
        return true;
    }
    if (catalog_step(role->catalog, LOADING_WORK))
        return true;
    loading_finish(loading, loading->failed);
    return false;
}

static void loading_on_page(struct worker_job *job)
{
    struct loading *loading = (struct loading *)(void *)job;
    loading->busy = false;
    if (loading->error)
        loading->failed = loading->error;
    if (!loop_has_task(&loading->task))
        loop_add_task(loading->role->config.loop, &loading->task);
}

/* ---- the beginning ---- */

static void loading_checked(struct worker_job *job)
{
    struct loading *loading = (struct loading *)(void *)job;
    loading->busy = false;
    if (loading->error) {
        loading_finish(loading, loading->error);
        return;
    }
    loading->phase = LOADING_LINES;
    catalog_expect(loading->role->catalog, (uint32_t)(loading->size / LOADING_LINE));
    lines_init(&loading->lines);
    loading->task = (struct loop_task){.step = loading_step, .ctx = loading};
    loop_add_task(loading->role->config.loop, &loading->task);
    if (loading->offset < loading->size)
        loading_ask(loading);
}

static bool loading_is_small(struct loading *loading)
{
    struct plat_stat stat;
    int error = plat_stat_beneath(loading->role->config.folder, SAVING_NAME, &stat);
    return error != 0 || stat.size <= LOADING_SMALL;
}

/* Without the worker, all of it. */
static void loading_all(struct loading *loading)
{
    loading_check(&loading->job);
    if (loading->error) {
        loading_finish(loading, loading->error);
        return;
    }
    lines_init(&loading->lines);
    while (loading->offset < loading->size && !loading->failed) {
        loading_read(&loading->job);
        loading->failed = loading->error;
        loading->rest = (struct str){(char *)loading->page[loading->reading], loading->got};
        while (!loading_take(loading))
            ;
    }
    while (intake_end_some(loading->role, &loading->intake, &loading->at, !loading->failed))
        ;
    while (catalog_step(loading->role->catalog, UINT32_MAX))
        ;
    loading_finish(loading, loading->failed);
}

void loading_begin(struct loading *loading)
{
    loading->intake = (struct intake){.teller = UINT32_MAX, .mirror = -1};
    loading->began_ms = loop_now_ms(loading->role->config.loop);
    loading->fd = -1;
    loading->at = loading->count = 0;
    loading->failed = 0;
    loading->phase = LOADING_CHECK;
    if (loading_is_small(loading)) {
        loading_all(loading);
        return;
    }
    loading->busy = true;
    loading->job = (struct worker_job){
        .work = loading_check, .done = loading_checked, .home = loading->role->config.loop};
    worker_submit(loading->role->config.background, &loading->job);
}

void loading_stop(struct loading *loading)
{
    if (loading->phase == LOADING_IDLE)
        return;
    if (loop_has_task(&loading->task))
        loop_remove_task(loading->role->config.loop, &loading->task);
    if (loading->fd >= 0)
        plat_close(loading->fd);
    loading->phase = LOADING_IDLE;
}
