/* SPDX-License-Identifier: MIT */
/* Batches of small files from holders in this process that are honest, lie, break or are busy; what
 * is in the target folder afterwards, and what is not. */
#include "rig_server.h"

#include "base/addr.h"
#include "base/name.h"
#include "swarm/batch.h"
#include "swarm/stage.h"
#include "swarm/survey.h"
#include "wire/digest.h"

#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MAX = 2200, HOLDERS_MAX = 3, SIZE = 1500, WAIT_MS = 40000, MTIME = 1700000000 };

enum manner {
    NOBODY,
    HONEST,
    WRONG_BYTES,
    HAS_EVEN, /* 404 to each second file */
    CUTS,     /* closes in the middle of each fifth answer */
    BUSY,     /* 503 to each second request */
    LONGER,   /* answers are one byte longer than said */
    GONE      /* nobody listens */
};

struct fake {
    struct server *server;
    enum manner manner;
    int requests;
};

static struct rig_batch {
    struct arena arena;
    struct loop *loop;
    struct worker workers[2], background;
    struct lane_crew *crews[2];
    struct batch *batch;
    struct fake fakes[HOLDERS_MAX];
    struct wanted_source sources[HOLDERS_MAX];
    uint32_t source_count;
    struct wanted files[FILES_MAX];
    uint32_t count, told;
    char paths[FILES_MAX][64];
    char folder[64];
    int root, done;
    bool surveyed;
} rig;

static void fill(uint32_t number, uint8_t *out, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)((number + 1) * 31 + i * 7 + (i >> 8));
}

static uint32_t find_content(const uint8_t *hash)
{
    uint32_t i = 0;
    while (i < rig.count && memcmp(rig.files[i].content.bytes, hash, P2P_SHA256_SIZE) != 0)
        i++;
    return i;
}

static void answer(struct exchange *exchange, const struct fake *fake, uint32_t number)
{
    uint8_t bytes[SIZE + 8];
    size_t size = (size_t)rig.files[number].size;
    fill(number, bytes, size + 1);
    if (fake->manner == WRONG_BYTES)
        bytes[size / 2] ^= 1;
    exchange_begin(exchange, 200, "application/octet-stream");
    buf_put_bytes(exchange_body(exchange), bytes, size + (fake->manner == LONGER));
    exchange_end(exchange);
}

static void on_content(struct exchange *exchange, void *role)
{
    struct fake *fake = role;
    uint8_t hash[P2P_SHA256_SIZE];
    fake->requests++;
    assert_int_equal(text_hex_decode(exchange->tail, hash, sizeof hash), 0);
    uint32_t number = find_content(hash);
    if (number == rig.count || (fake->manner == HAS_EVEN && number % 2 == 1)) {
        exchange_error(exchange, 404, "not here", "");
    } else if (fake->manner == CUTS && fake->requests % 5 == 0) {
        exchange_cut(exchange);
    } else if (fake->manner == BUSY && fake->requests % 2 == 1) {
        exchange_begin(exchange, 503, "application/json");
        buf_put_text(exchange_body(exchange), "{\"error\":\"busy\",\"retry_ms\":5}");
        exchange_end(exchange);
    } else {
        answer(exchange, fake, number);
    }
}

static const struct route routes[] = {
    {.methods = SERVER_GET, .path = "/v1/content/", .class = SERVER_CLIENT, .begin = on_content},
    {.path = NULL}};

static void make_fake(enum manner manner)
{
    struct plat_addr any = {.family = 4, .ip = {127, 0, 0, 1}};
    struct fake *fake = &rig.fakes[rig.source_count];
    struct wanted_source *source = &rig.sources[rig.source_count++];
    struct server_config config = {.connections = 32, .buffers = 64};
    *fake = (struct fake){.manner = manner};
    memset(config.node, 'a', sizeof config.node - 1);
    config.listener = plat_listen(&any, 64);
    assert_int_equal(plat_local_addr(config.listener, &source->addr[0]), 0);
    source->addr_count = 1;
    assert_int_equal(server_init(&fake->server, rig.loop, &rig.arena, &config), 0);
    assert_int_equal(server_add_routes(fake->server, routes, fake), 0);
    if (manner == GONE) {
        server_close(fake->server);
        fake->server = NULL;
    }
}

static void open_rig(const enum manner *manners)
{
    static const struct lane_room room = {.clients = 32, .buffers = 40, .small = 8};
    memset(&rig, 0, sizeof rig);
    snprintf(rig.folder, sizeof rig.folder, "/tmp/p2p-batch-XXXXXX");
    assert_non_null(mkdtemp(rig.folder));
    rig.root = plat_open_folder(rig.folder);
    assert_int_equal(arena_init(&rig.arena, (size_t)64 << 20), 0);
    assert_int_equal(loop_init(&rig.loop, &rig.arena, 512, 64), 0);
    for (int i = 0; i < HOLDERS_MAX && manners[i] != NOBODY; i++)
        make_fake(manners[i]);
    assert_int_equal(worker_init(&rig.background, &rig.arena, 16, 8), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(worker_init(&rig.workers[i], &rig.arena, 64, 16), 0);
        assert_int_equal(lane_crew_init(&rig.crews[i], &rig.arena, &rig.workers[i], &room), 0);
    }
    struct batch_config config = {
        .loop = rig.loop, .crews = rig.crews, .crew_count = 2, .background = &rig.background};
    assert_int_equal(batch_init(&rig.batch, &rig.arena, &config), 0);
    assert_int_equal(worker_start(&rig.background), 0);
    assert_int_equal(worker_start(&rig.workers[0]), 0);
    assert_int_equal(worker_start(&rig.workers[1]), 0);
}

static bool is_there(const char *path)
{
    struct plat_stat stat;
    return plat_stat_beneath(rig.root, path, &stat) == 0;
}

static void close_rig(void)
{
    char command[128];
    for (int i = 0; i < 2; i++)
        worker_stop(&rig.workers[i]);
    worker_stop(&rig.background);
    assert_false(is_there(".p2p-get"));
    batch_close(rig.batch);
    assert_false(is_there(".p2p-get"));
    for (uint32_t i = 0; i < rig.source_count; i++)
        if (rig.fakes[i].server)
            server_close(rig.fakes[i].server);
    loop_close(rig.loop);
    for (int i = 0; i < 2; i++)
        loop_close(rig.workers[i].loop);
    loop_close(rig.background.loop);
    arena_free(&rig.arena);
    plat_close(rig.root);
    snprintf(command, sizeof command, "rm -rf %s", rig.folder);
    assert_int_equal(system(command), 0);
}

/* count files in three folders; each fifth is executable, each tenth empty when empties is set. */
static void want_files(uint32_t count, bool empties)
{
    static const char *const folders[] = {"", "a/", "a/b c/"};
    uint8_t bytes[SIZE];
    rig.count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct wanted *file = &rig.files[i];
        *file = (struct wanted){.size = empties && i % 10 == 0 ? 0 : 1 + (i * 37) % SIZE,
                                .mtime = MTIME + i,
                                .executable = i % 5 == 0,
                                .result = WANTED_OPEN};
        snprintf(rig.paths[i], sizeof rig.paths[i], "%sfile%u", folders[i * 3 / count],
                 (unsigned)i);
        file->path = text_from(rig.paths[i]);
        fill(i, bytes, (size_t)file->size);
        digest_of(bytes, (size_t)file->size, file->content.bytes);
        for (uint32_t k = 0; k < rig.source_count; k++)
            file->source[file->source_count++] = (uint16_t)k;
    }
}

static void on_file(void *ctx, struct wanted *file)
{
    (void)ctx;
    assert_int_not_equal(file->result, WANTED_OPEN);
    rig.told++;
}

static void on_done(void *ctx, int synced)
{
    (void)ctx;
    assert_int_equal(synced, 0);
    rig.done++;
}

static void begin(bool replace)
{
    struct batch_want want = {.root = rig.root,
                              .replace = replace,
                              .files = rig.files,
                              .count = rig.count,
                              .sources = rig.sources,
                              .source_count = rig.source_count,
                              .on_file = on_file,
                              .done = on_done};
    rig.done = 0;
    rig.told = 0;
    batch_start(rig.batch, &want);
}

static void until_done(void)
{
    int64_t end_ms = plat_now_ms() + WAIT_MS;
    while (rig.done == 0 && plat_now_ms() < end_ms)
        loop_turn(rig.loop, 50);
    assert_int_equal(rig.done, 1);
}

static void assert_there(uint32_t number)
{
    const struct wanted *file = &rig.files[number];
    uint8_t bytes[SIZE + 8], want[SIZE + 8];
    struct plat_stat stat;
    int fd = plat_open_beneath(rig.root, rig.paths[number], PLAT_READ);
    assert_true(fd >= 0);
    assert_int_equal(plat_fstat(fd, &stat), 0);
    assert_int_equal(stat.size, file->size);
    assert_int_equal(stat.executable, file->executable);
    assert_int_equal(stat.mtime_ns / 1000000000, file->mtime);
    assert_int_equal(plat_read(fd, bytes, sizeof bytes), file->size);
    fill(number, want, sizeof want);
    assert_memory_equal(bytes, want, (size_t)file->size);
    plat_close(fd);
}

static uint32_t count_results(int result)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < rig.count; i++)
        count += rig.files[i].result == result;
    return count;
}

static const struct row {
    const char *name;
    uint32_t count;
    enum manner manners[HOLDERS_MAX];
    uint32_t there; /* of a hundred */
} rows[] = {
    {"one file", 1, {HONEST}, 100},
    {"more than a stage", 2200, {HONEST}, 100},
    {"three holders", 300, {HONEST, HONEST, HONEST}, 100},
    {"nobody", 10, {NOBODY}, 0},
    {"gone", 10, {GONE}, 0},
    {"gone and honest", 100, {GONE, HONEST}, 100},
    {"wrong bytes", 100, {WRONG_BYTES}, 0},
    {"wrong bytes and honest", 100, {WRONG_BYTES, HONEST}, 100},
    {"half of them", 100, {HAS_EVEN}, 50},
    {"half of them and the other half", 100, {HAS_EVEN, HONEST}, 100},
    {"cuts", 100, {CUTS, HONEST}, 100},
    {"busy", 60, {BUSY}, 100},
    {"longer", 20, {LONGER}, 0},
    {"all kinds and one honest", 400, {WRONG_BYTES, LONGER, HONEST}, 100},
};

static void batches_end_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        open_rig(rows[i].manners);
        want_files(rows[i].count, false);
        begin(false);
        until_done();
        uint32_t want = rows[i].count * rows[i].there / 100;
        if (count_results(0) != want || count_results(WANTED_OPEN) != rig.count - want)
            fail_msg("%s: %u there", rows[i].name, (unsigned)count_results(0));
        assert_int_equal(rig.told, want);
        for (uint32_t k = 0; k < rig.count; k++) {
            if (rig.files[k].result == 0)
                assert_there(k);
            else
                assert_false(is_there(rig.paths[k]));
        }
        close_rig();
    }
}

static void empty_files_need_no_holder(void **state)
{
    (void)state;
    open_rig((enum manner[HOLDERS_MAX]){NOBODY});
    want_files(30, true);
    begin(false);
    until_done();
    assert_int_equal(count_results(0), 3);
    assert_there(0);
    assert_there(20);
    close_rig();
}

static void put_file(const char *name, const char *text)
{
    int fd = plat_open_beneath(rig.root, name, PLAT_WRITE | PLAT_CREATE);
    assert_true(fd >= 0);
    assert_int_equal(plat_pwrite(fd, text, strlen(text), 0), 0);
    plat_close(fd);
}

/* What appears between the look and the name is found by the rename. */
static void names_that_are_taken(void **state)
{
    (void)state;
    for (int replace = 0; replace < 2; replace++) {
        open_rig((enum manner[HOLDERS_MAX]){HONEST});
        want_files(9, false);
        put_file("file1", "mine");
        put_file("a", "a file where a folder is needed");
        begin(replace == 1);
        until_done();
        assert_int_equal(rig.told, 9);
        assert_int_equal(rig.files[0].result, 0);
        assert_int_equal(rig.files[1].result, replace ? 0 : -P2P_EEXIST);
        assert_int_equal(rig.files[4].result, -P2P_EEXIST);
        assert_int_equal(rig.files[8].result, -P2P_EEXIST);
        assert_true(is_there("file1"));
        close_rig();
    }
}

static void on_surveyed(void *ctx)
{
    (void)ctx;
    rig.surveyed = true;
}

static void survey(bool replace)
{
    static struct survey survey;
    int64_t end_ms = plat_now_ms() + WAIT_MS;
    rig.surveyed = false;
    survey = (struct survey){.root = rig.root,
                             .replace = replace,
                             .files = rig.files,
                             .count = rig.count,
                             .done = on_surveyed};
    survey_start(&survey, &rig.background, rig.loop);
    while (!rig.surveyed && plat_now_ms() < end_ms)
        loop_turn(rig.loop, 50);
    assert_true(rig.surveyed);
}

/* A second get of the same finds all there. */
static void what_lies_there_already(void **state)
{
    char link_path[128];
    (void)state;
    open_rig((enum manner[HOLDERS_MAX]){HONEST});
    want_files(12, true);
    survey(false);
    assert_int_equal(count_results(WANTED_OPEN), 12);
    begin(false);
    until_done();
    assert_int_equal(count_results(0), 12);
    for (uint32_t i = 0; i < 12; i++)
        rig.files[i].result = WANTED_OPEN;
    put_file("file1", "?");
    assert_int_equal(plat_unlink_beneath(rig.root, "file2"), 0);
    assert_int_equal(plat_make_folders_beneath(rig.root, "file2"), 0);
    assert_int_equal(plat_unlink_beneath(rig.root, "file3"), 0);
    snprintf(link_path, sizeof link_path, "%s/file3", rig.folder);
    assert_int_equal(symlink("file0", link_path), 0);
    survey(false);
    assert_int_equal(count_results(0), 9);
    assert_true(rig.files[0].was_there);
    for (int i = 1; i <= 3; i++)
        assert_int_equal(rig.files[i].result, -P2P_EEXIST);
    for (int i = 1; i <= 3; i++)
        rig.files[i].result = WANTED_OPEN;
    survey(true);
    assert_int_equal(rig.files[1].result, WANTED_OPEN);
    assert_int_equal(rig.files[2].result, -P2P_EEXIST);
    assert_int_equal(rig.files[3].result, WANTED_OPEN);
    close_rig();
}

static void stops_when_told(void **state)
{
    (void)state;
    open_rig((enum manner[HOLDERS_MAX]){HONEST});
    want_files(2000, false);
    begin(false);
    int64_t end_ms = plat_now_ms() + WAIT_MS;
    while (rig.fakes[0].requests < 40 && plat_now_ms() < end_ms)
        loop_turn(rig.loop, 50);
    batch_stop(rig.batch);
    until_done();
    assert_true(count_results(WANTED_OPEN) > 0);
    assert_int_equal(count_results(WANTED_OPEN) + count_results(0), 2000);
    begin(false); /* the rest, and more than one run of one batch */
    until_done();
    assert_int_equal(count_results(0), 2000);
    close_rig();
}

/* What a killed process left in the stage goes; that of a living one is left alone. */
static void a_stage_left_behind_is_taken_over(void **state)
{
    struct stage other;
    (void)state;
    open_rig((enum manner[HOLDERS_MAX]){HONEST});
    want_files(3, false);
    assert_int_equal(plat_make_folders_beneath(rig.root, ".p2p-get"), 0);
    put_file(".p2p-get/lock", "");
    put_file(".p2p-get/17", "left");
    assert_int_equal(stage_open(&other, rig.root), 0);
    assert_string_equal(other.name, ".p2p-get");
    assert_false(is_there(".p2p-get/17"));
    assert_int_equal(stage_close(&other), 0);
    assert_false(is_there(".p2p-get"));
    begin(false);
    until_done();
    assert_int_equal(count_results(0), 3);
    close_rig();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_end_right),    cmocka_unit_test(empty_files_need_no_holder),
        cmocka_unit_test(names_that_are_taken), cmocka_unit_test(what_lies_there_already),
        cmocka_unit_test(stops_when_told),      cmocka_unit_test(a_stage_left_behind_is_taken_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
