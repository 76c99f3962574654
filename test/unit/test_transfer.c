/* SPDX-License-Identifier: MIT */
/* Downloads from a small fleet in this process: an index that names holders, and holders that are
 * honest, lie, break or have only a part; the transfer's workers are real threads. Each row says
 * who is there and how it has to end. */
#include "rig_server.h"

#include "base/bucket.h"
#include "swarm/transfer.h"
#include "wire/digest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HOLDERS_MAX = 5, PIECE = P2P_PIECE_MIN, WAIT_MS = 40000 };

enum manner {
    NOBODY,
    HONEST,
    WRONG_BYTES,  /* the right chain, one bit of each piece wrong */
    FORGED_CHAIN, /* a beginning of its own with a chain that fits, and the true end */
    WRONG_SIZE,   /* says the content is one piece longer */
    CUTS,         /* closes the connection in the middle of each second answer */
    BUSY_ONCE,    /* 503 to each second request */
    WRONG_RANGE,  /* Content-Range of another place */
    HAS_FIRST_HALF,
    HAS_SECOND_HALF,
    HAS_LOST_IT, /* 404 */
    WITHDRAWS    /* the same after its second answer, and the index knows */
};

struct fake {
    struct server *server;
    struct plat_addr addr;
    enum manner manner;
    int requests;
    size_t size;
    uint8_t *bytes;
    uint8_t chain[64 * P2P_SHA256_SIZE];
    uint32_t pieces;
};

struct fleet {
    struct arena arena;
    struct loop *loop;
    struct server *index;
    struct fake fakes[HOLDERS_MAX];
    int count;
    struct worker workers[2], background;
    struct client_pool *pool;
    struct directory *directory;
    struct transfer *transfer;
    struct record_content content;
    char folder[64];
    int folder_fd, done, result;
    char reason[256];
    uint8_t *truth;
};

static struct fleet fleet;
static uint64_t fleet_limit; /* bytes/s of the next fleet; 0: none */

static void chain_of(struct fake *fake)
{
    struct digest digest;
    digest_init(&digest);
    fake->pieces = digest_piece_count((int64_t)fake->size);
    for (uint32_t i = 0; i + 1 < fake->pieces; i++) {
        digest_update(&digest, fake->bytes + (size_t)i * PIECE, PIECE);
        digest_state(&digest, fake->chain + (size_t)i * P2P_SHA256_SIZE);
    }
}

/* The chain of a forger: its own beginning up to half of the pieces, then the states of the truth.
 */
static void forge(struct fake *fake)
{
    uint8_t true_chain[sizeof fake->chain];
    uint32_t half = fake->pieces / 2;
    chain_of(fake);
    memcpy(true_chain, fake->chain, sizeof true_chain);
    for (size_t i = 0; i < (size_t)half * PIECE; i++)
        fake->bytes[i] ^= 0x55;
    chain_of(fake);
    memcpy(fake->chain + (size_t)half * P2P_SHA256_SIZE,
           true_chain + (size_t)half * P2P_SHA256_SIZE,
           (fake->pieces - 1 - half) * P2P_SHA256_SIZE);
}

static void put_chain_id(struct exchange *exchange, const struct fake *fake)
{
    struct digest digest;
    uint8_t id[P2P_CHAIN_ID_SIZE];
    char hex[2 * sizeof id + 1];
    digest_chain_id_begin(&digest, (int64_t)fake->size);
    digest_update(&digest, fake->chain, (fake->pieces - 1) * P2P_SHA256_SIZE);
    digest_chain_id_end(&digest, id);
    text_hex_encode(id, sizeof id, hex);
    exchange_header(exchange, "P2P-Chain", text_from(hex));
    exchange_header_i64(exchange, "P2P-Size", (int64_t)fake->size);
    exchange_header_i64(exchange, "P2P-Piece", PIECE);
}

static bool has_withdrawn(const struct fake *fake)
{
    return fake->manner == WITHDRAWS && fake->requests >= 2;
}

static bool lacks(const struct fake *fake, uint32_t piece)
{
    uint32_t half = fake->pieces / 2;
    return (fake->manner == HAS_FIRST_HALF && piece >= half) ||
           (fake->manner == HAS_SECOND_HALF && piece < half);
}

static void on_have(struct exchange *exchange, void *role)
{
    struct fake *fake = role;
    if (fake->manner == HAS_LOST_IT || has_withdrawn(fake)) {
        exchange_error(exchange, 404, "gone", "");
        return;
    }
    exchange_begin(exchange, 200, "application/octet-stream");
    put_chain_id(exchange, fake);
    struct buf *body = exchange_body(exchange);
    for (uint32_t first = 0; first < fake->pieces; first += 8) {
        uint8_t byte = 0;
        for (uint32_t i = 0; i < 8 && first + i < fake->pieces; i++)
            byte = (uint8_t)(byte | (lacks(fake, first + i) ? 0 : 0x80 >> i));
        buf_put_bytes(body, &byte, 1);
    }
    exchange_end(exchange);
}

static void on_chain(struct exchange *exchange, void *role)
{
    struct fake *fake = role;
    exchange_begin(exchange, 200, "application/octet-stream");
    put_chain_id(exchange, fake);
    buf_put_bytes(exchange_body(exchange), fake->chain, (fake->pieces - 1) * P2P_SHA256_SIZE);
    exchange_end(exchange);
}

static void produce_content(struct exchange *exchange, void *role, struct buf *room)
{
    struct fake *fake = role;
    size_t at = (size_t)(uintptr_t)exchange->user, end = exchange->user_number;
    size_t some = room->size - room->len < end - at ? room->size - room->len : end - at;
    if (fake->manner == CUTS && fake->requests % 2 == 0 && at % PIECE > PIECE / 2) {
        exchange_cut(exchange);
        return;
    }
    char *into = room->ptr + room->len;
    buf_put_bytes(room, fake->bytes + at, some);
    if (fake->manner == WRONG_BYTES && some > 0)
        into[some / 2] ^= 4;
    exchange->user = (void *)(uintptr_t)(at + some);
    if (at + some == end)
        exchange_end(exchange);
}

static void on_content(struct exchange *exchange, void *role)
{
    struct fake *fake = role;
    int64_t first = 0, length = (int64_t)fake->size;
    char range[96];
    if (has_withdrawn(fake)) {
        exchange_error(exchange, 404, "gone", "");
        return;
    }
    fake->requests++;
    if (fake->manner == BUSY_ONCE && fake->requests % 2 == 1) {
        exchange_begin(exchange, 503, "application/json");
        buf_put_text(exchange_body(exchange), "{\"error\":\"busy\",\"retry_ms\":20}");
        exchange_end(exchange);
        return;
    }
    assert_int_equal(http_parse_range(exchange->head->header[HTTP_HEADER_RANGE],
                                      (int64_t)fake->size, &first, &length),
                     0);
    exchange_begin(exchange, 206, "application/octet-stream");
    int64_t stated = first + (fake->manner == WRONG_RANGE ? 1 : 0);
    snprintf(range, sizeof range, "bytes %lld-%lld/%zu", (long long)stated,
             (long long)(stated + length - 1), fake->size);
    exchange_header(exchange, "Content-Range", text_from(range));
    exchange->user = (void *)(uintptr_t)first;
    exchange->user_number = (uint64_t)(first + length);
    exchange_stream(exchange, length, produce_content);
}

static void on_sources(struct exchange *exchange, void *role)
{
    (void)role;
    exchange_begin(exchange, 200, "application/x-ndjson");
    struct buf *body = exchange_body(exchange);
    for (int i = 0; i < fleet.count; i++) {
        struct fake *fake = &fleet.fakes[i];
        if (has_withdrawn(fake))
            continue;
        struct record_result line = {.name = STR("fake"), .address_count = 1, .reachable = true};
        line.node.bytes[0] = (uint8_t)(i + 1);
        line.address[0] = fake->addr;
        line.have = fake->manner == HAS_FIRST_HALF || fake->manner == HAS_SECOND_HALF ? 50 : 100;
        record_put_result(body, RECORD_SOURCES, &line);
        buf_put_char(body, '\n');
    }
    record_put_end(body, RECORD_SOURCES, &(struct record_end){.asked = 0});
    buf_put_char(body, '\n');
    exchange_end(exchange);
}

static const struct route holder_routes[] = {
    {.methods = SERVER_GET, .path = "/v1/have/", .class = SERVER_CLIENT, .begin = on_have},
    {.methods = SERVER_GET, .path = "/v1/chain/", .class = SERVER_CLIENT, .begin = on_chain},
    {.methods = SERVER_GET, .path = "/v1/content/", .class = SERVER_CLIENT, .begin = on_content},
    {.path = NULL}};
static const struct route index_routes[] = {
    {.methods = SERVER_GET, .path = "/v1/sources/", .class = SERVER_CLIENT, .begin = on_sources},
    {.path = NULL}};

static struct server *serve(const struct route *routes, void *role, struct plat_addr *out_addr)
{
    struct plat_addr any = {.family = 4, .ip = {127, 0, 0, 1}};
    struct server_config config = {.connections = 32, .buffers = 40};
    struct server *server;
    memset(config.node, 'a', sizeof config.node - 1);
    config.listener = plat_listen(&any, 64);
    assert_true(config.listener >= 0);
    assert_int_equal(plat_local_addr(config.listener, out_addr), 0);
    assert_int_equal(server_init(&server, fleet.loop, &fleet.arena, &config), 0);
    assert_int_equal(server_add_routes(server, routes, role), 0);
    return server;
}

static void make_fake(enum manner manner, size_t size)
{
    struct fake *fake = &fleet.fakes[fleet.count++];
    fake->manner = manner;
    fake->size = manner == WRONG_SIZE ? size + PIECE : size;
    fake->bytes = calloc(1, fake->size + 1);
    memcpy(fake->bytes, fleet.truth, size);
    fake->requests = 0;
    chain_of(fake);
    if (manner == FORGED_CHAIN)
        forge(fake);
    fake->server = serve(holder_routes, fake, &fake->addr);
}

static void open_fleet(size_t size, const enum manner *manners)
{
    struct plat_addr index;
    char list[ADDR_TEXT_MAX];
    memset(&fleet, 0, sizeof fleet);
    snprintf(fleet.folder, sizeof fleet.folder, "/tmp/p2p-transfer-XXXXXX");
    assert_non_null(mkdtemp(fleet.folder));
    fleet.folder_fd = plat_open_folder(fleet.folder);
    fleet.truth = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        fleet.truth[i] = (uint8_t)(i * 2654435761u >> 13);
    digest_of(fleet.truth, size, fleet.content.bytes);
    assert_int_equal(arena_init(&fleet.arena, (size_t)64 << 20), 0);
    assert_int_equal(loop_init(&fleet.loop, &fleet.arena, 512, 64), 0);
    fleet.index = serve(index_routes, NULL, &index);
    for (int i = 0; i < HOLDERS_MAX && manners[i] != NOBODY; i++)
        make_fake(manners[i], size);
    assert_int_equal(client_pool_init(&fleet.pool, fleet.loop, &fleet.arena, 64, 64), 0);
    assert_int_equal(worker_init(&fleet.background, &fleet.arena, 16, 8), 0);
    assert_int_equal(worker_init(&fleet.workers[0], &fleet.arena, 64, 16), 0);
    assert_int_equal(worker_init(&fleet.workers[1], &fleet.arena, 64, 16), 0);
    struct directory_config directory = {.indexes = text_from(addr_format(&index, list)),
                                         .loop = fleet.loop,
                                         .pool = fleet.pool,
                                         .background = &fleet.background};
    assert_int_equal(directory_init(&fleet.directory, &fleet.arena, &directory), 0);
    struct transfer_config config = {.loop = fleet.loop,
                                     .pool = fleet.pool,
                                     .directory = fleet.directory,
                                     .workers = fleet.workers,
                                     .worker_count = 2,
                                     .background = &fleet.background,
                                     .connections = 4,
                                     .patience_ms = 300,
                                     .download_limit = fleet_limit,
                                     .memory = 12 << 20};
    assert_int_equal(transfer_init(&fleet.transfer, &fleet.arena, &config), 0);
    assert_int_equal(worker_start(&fleet.background), 0);
    assert_int_equal(worker_start(&fleet.workers[0]), 0);
    assert_int_equal(worker_start(&fleet.workers[1]), 0);
}

static int files_left(void)
{
    struct plat_dir dir;
    char name[P2P_PART_MAX + 1];
    enum plat_kind kind;
    int count = 0;
    assert_int_equal(plat_dir_open_beneath(&dir, fleet.folder_fd, ""), 0);
    while (plat_dir_next(&dir, name, &kind) == 1) {
        count++;
        plat_unlink_beneath(fleet.folder_fd, name);
    }
    plat_dir_close(&dir);
    return count;
}

static void close_fleet(void)
{
    directory_close(fleet.directory);
    worker_stop(&fleet.workers[0]);
    worker_stop(&fleet.workers[1]);
    worker_stop(&fleet.background);
    for (int i = 0; i < fleet.count; i++) {
        server_close(fleet.fakes[i].server);
        free(fleet.fakes[i].bytes);
    }
    server_close(fleet.index);
    loop_close(fleet.loop);
    loop_close(fleet.workers[0].loop);
    loop_close(fleet.workers[1].loop);
    loop_close(fleet.background.loop);
    arena_free(&fleet.arena);
    free(fleet.truth);
    files_left();
    plat_close(fleet.folder_fd);
    rmdir(fleet.folder);
}

static void on_done(void *ctx, int result, const char *reason)
{
    (void)ctx;
    fleet.done++;
    fleet.result = result;
    snprintf(fleet.reason, sizeof fleet.reason, "%s", reason == NULL ? "" : reason);
}

static void begin(int64_t size)
{
    struct transfer_want want = {.content = fleet.content,
                                 .size = size,
                                 .mtime = 1700000000,
                                 .executable = true,
                                 .folder = fleet.folder_fd,
                                 .name = "file",
                                 .done = on_done};
    fleet.done = 0;
    assert_int_equal(transfer_start(fleet.transfer, &want), 0);
}

static void until_done(void)
{
    int64_t end_ms = plat_now_ms() + WAIT_MS;
    while (fleet.done == 0 && plat_now_ms() < end_ms)
        loop_turn(fleet.loop, 50);
    assert_int_equal(fleet.done, 1);
}

static void assert_file(size_t size)
{
    struct plat_stat stat;
    uint8_t *bytes = malloc(size + 1);
    int fd = plat_open_beneath(fleet.folder_fd, "file", PLAT_READ);
    assert_true(fd >= 0);
    assert_int_equal(plat_fstat(fd, &stat), 0);
    assert_int_equal(stat.size, size);
    assert_true(stat.executable);
    assert_int_equal(stat.mtime_ns / 1000000000, 1700000000);
    assert_int_equal(plat_pread(fd, bytes, size, 0), size);
    assert_memory_equal(bytes, fleet.truth, size);
    plat_close(fd);
    free(bytes);
    assert_int_equal(files_left(), 1);
}

static const struct row {
    const char *name;
    size_t size;
    enum manner manners[HOLDERS_MAX];
    int result;
} rows[] = {
    {"empty", 0, {HONEST}, 0},
    {"one byte", 1, {HONEST}, 0},
    {"a piece less one", PIECE - 1, {HONEST}, 0},
    {"a piece", PIECE, {HONEST}, 0},
    {"a piece and one", PIECE + 1, {HONEST}, 0},
    {"twelve pieces", 12 * PIECE, {HONEST}, 0},
    {"odd end, three holders", 20 * PIECE + 17, {HONEST, HONEST, HONEST}, 0},
    {"nobody", 3 * PIECE, {NOBODY}, -P2P_ENOTFOUND},
    {"only one who lost it", 3 * PIECE, {HAS_LOST_IT, HONEST}, 0},
    {"wrong bytes only", 6 * PIECE, {WRONG_BYTES}, -P2P_EVERIFY},
    {"wrong bytes only, one piece", 100, {WRONG_BYTES}, -P2P_EVERIFY},
    {"wrong bytes and honest, one piece", 100, {WRONG_BYTES, HONEST}, 0},
    {"forged chain only", 6 * PIECE, {FORGED_CHAIN}, -P2P_EVERIFY},
    {"two forgers", 6 * PIECE, {FORGED_CHAIN, FORGED_CHAIN}, -P2P_EVERIFY},
    {"two forgers and one honest", 8 * PIECE + 5, {FORGED_CHAIN, FORGED_CHAIN, HONEST}, 0},
    {"wrong bytes and one honest", 8 * PIECE, {WRONG_BYTES, HONEST}, 0},
    {"all kinds and one honest",
     10 * PIECE,
     {WRONG_BYTES, FORGED_CHAIN, WRONG_SIZE, WRONG_RANGE, HONEST},
     0},
    {"cuts", 6 * PIECE, {CUTS, HONEST}, 0},
    {"busy", 6 * PIECE, {BUSY_ONCE}, 0},
    {"halves", 10 * PIECE, {HAS_FIRST_HALF, HAS_SECOND_HALF}, 0},
    {"wrong range only", 3 * PIECE, {WRONG_RANGE}, -P2P_EUNREACH},
    {"withdrawn on the way", 12 * PIECE, {WITHDRAWS}, -P2P_ECHANGED},
    {"withdrawn by both", 12 * PIECE, {WITHDRAWS, WITHDRAWS}, -P2P_ECHANGED},
    {"withdrawn by one of two", 12 * PIECE, {WITHDRAWS, HONEST}, 0},
    {"withdrawn beside wrong bytes", 12 * PIECE, {WITHDRAWS, WRONG_BYTES}, -P2P_EVERIFY},
};

static void downloads_end_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t begun_ms = plat_now_ms();
        open_fleet(rows[i].size, rows[i].manners);
        begin((int64_t)rows[i].size);
        until_done();
        if (fleet.result != rows[i].result)
            fail_msg("%s: %d (%s)", rows[i].name, fleet.result, fleet.reason);
        if (rows[i].result == 0)
            assert_file(rows[i].size);
        else if (rows[i].result == -P2P_EVERIFY || rows[i].result == -P2P_ECHANGED)
            assert_int_equal(files_left(), 0);
        close_fleet();
        print_message("  %s: %d ms\n", rows[i].name, (int)(plat_now_ms() - begun_ms));
    }
}

/* The index was told a wrong size by somebody; the holders know better. */
static void a_wrong_size_is_found_out(void **state)
{
    static const int64_t sizes[] = {0, 1, PIECE, 3 * PIECE, 9 * PIECE};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        open_fleet(5 * PIECE, (enum manner[HOLDERS_MAX]){HONEST, HONEST});
        begin(sizes[i]);
        until_done();
        assert_int_equal(fleet.result, 0);
        assert_file(5 * PIECE);
        close_fleet();
    }
}

static void put_file(const char *name, const void *bytes, size_t size)
{
    int fd = plat_open_beneath(fleet.folder_fd, name, PLAT_WRITE | PLAT_CREATE);
    assert_true(fd >= 0);
    assert_int_equal(plat_pwrite(fd, bytes, size, 0), 0);
    plat_close(fd);
}

static void a_file_in_the_way_stays(void **state)
{
    (void)state;
    open_fleet(100, (enum manner[HOLDERS_MAX]){HONEST});
    put_file("file", "mine", 4);
    begin(100);
    until_done();
    assert_int_equal(fleet.result, -P2P_EEXIST);
    assert_int_equal(files_left(), 1);
    close_fleet();
}

/* What an earlier download left is used as far as it is right, whatever it is. */
static void goes_on_with_a_part(void **state)
{
    size_t size = 12 * PIECE;
    char name[64], hex[2 * P2P_SHA256_SIZE + 1];
    struct transfer_progress progress;
    (void)state;
    open_fleet(size, (enum manner[HOLDERS_MAX]){HONEST});
    text_hex_encode(fleet.content.bytes, P2P_SHA256_SIZE, hex);
    snprintf(name, sizeof name, ".p2p-%.32s.part", hex);
    uint8_t *left = calloc(1, size);
    memcpy(left, fleet.truth, 7 * PIECE);
    left[2 * PIECE + 5] ^= 1;
    put_file(name, left, 9 * PIECE);
    free(left);
    begin((int64_t)size);
    until_done();
    assert_int_equal(fleet.result, 0);
    transfer_progress(fleet.transfer, &progress);
    assert_int_equal(progress.source[0].bytes, 6 * PIECE); /* 2, and 7 to 11 */
    assert_file(size);
    close_fleet();
}

static void keeps_to_its_limit(void **state)
{
    size_t size = 24 * PIECE;
    (void)state;
    fleet_limit = size; /* so it takes a second, but for the burst */
    open_fleet(size, (enum manner[HOLDERS_MAX]){HONEST, HONEST});
    fleet_limit = 0;
    int64_t begun_ms = plat_now_ms();
    begin((int64_t)size);
    until_done();
    assert_int_equal(fleet.result, 0);
    assert_true(plat_now_ms() - begun_ms >= 1000 - 1000 / BUCKET_BURST_PART);
    assert_file(size);
    close_fleet();
}

static void stops_when_told(void **state)
{
    static const bool keep[] = {true, false};
    (void)state;
    for (int i = 0; i < 2; i++) {
        open_fleet(40 * PIECE, (enum manner[HOLDERS_MAX]){HONEST});
        begin(40 * PIECE);
        int64_t end_ms = plat_now_ms() + WAIT_MS;
        while (fleet.fakes[0].requests < 4 && plat_now_ms() < end_ms)
            loop_turn(fleet.loop, 50);
        transfer_stop(fleet.transfer, keep[i]);
        until_done();
        assert_int_equal(fleet.result, -P2P_EAGAIN);
        assert_int_equal(files_left(), keep[i] ? 1 : 0);
        begin(40 * PIECE); /* the same tables serve the next one */
        until_done();
        assert_int_equal(fleet.result, 0);
        assert_file(40 * PIECE);
        close_fleet();
    }
}

/* A stream's reader: takes each piece as it is told of, on the next turn. */
static struct reader {
    struct loop_post post;
    uint8_t *bytes;
    size_t len;
    int file, told;
} reader;

static void on_read(void *ctx)
{
    (void)ctx;
    transfer_given(fleet.transfer);
}

static void on_piece(void *ctx, int64_t place, uint32_t length)
{
    struct plat_stat stat;
    (void)ctx;
    assert_int_equal(plat_fstat(reader.file, &stat), 0);
    assert_true(stat.size <= 8 * PIECE);
    assert_int_equal(plat_pread(reader.file, reader.bytes + reader.len, length, place), length);
    reader.len += length;
    reader.told++;
    reader.post = (struct loop_post){.run = on_read};
    loop_defer(fleet.loop, &reader.post);
}

static void begin_unnamed(int64_t size, uint32_t window)
{
    struct transfer_want want = {.content = fleet.content,
                                 .size = size,
                                 .folder = fleet.folder_fd,
                                 .unnamed = true,
                                 .window = window,
                                 .on_piece = on_piece,
                                 .done = on_done};
    reader = (struct reader){.bytes = calloc(1, (size_t)size + PIECE)};
    reader.file = want.file = plat_open_unnamed(fleet.folder_fd);
    fleet.done = 0;
    assert_int_equal(transfer_start(fleet.transfer, &want), 0);
}

/* Liars who are found out at once cost a stream nothing; who forges from the front on is found out
 * too late, and the result says so. */
static void a_stream_comes_in_order(void **state)
{
    static const struct row streams[] = {
        {"empty", 0, {HONEST}, 0},
        {"a piece", PIECE, {HONEST}, 0},
        {"less than the window", 5 * PIECE + 3, {HONEST}, 0},
        {"more than the window", 30 * PIECE + 17, {HONEST, HONEST, HONEST}, 0},
        {"wrong bytes and honest", 20 * PIECE, {WRONG_BYTES, HONEST}, 0},
        {"cuts", 20 * PIECE, {CUTS, HONEST}, 0},
        {"halves", 20 * PIECE, {HAS_FIRST_HALF, HAS_SECOND_HALF}, 0},
        {"wrong bytes only", 20 * PIECE, {WRONG_BYTES}, -P2P_EVERIFY},
        {"forged chain only", 20 * PIECE, {FORGED_CHAIN}, -P2P_EVERIFY},
    };
    (void)state;
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
        open_fleet(streams[i].size, streams[i].manners);
        begin_unnamed((int64_t)streams[i].size, 8);
        until_done();
        if (fleet.result != streams[i].result)
            fail_msg("%s: %d (%s)", streams[i].name, fleet.result, fleet.reason);
        if (streams[i].result == 0) {
            assert_int_equal(reader.len, streams[i].size);
            assert_memory_equal(reader.bytes, fleet.truth, reader.len);
        }
        plat_close(reader.file);
        free(reader.bytes);
        assert_int_equal(files_left(), 0);
        close_fleet();
    }
}

static void bytes_without_a_name(void **state)
{
    (void)state;
    open_fleet(20 * PIECE + 5, (enum manner[HOLDERS_MAX]){WRONG_BYTES, HONEST});
    begin_unnamed(20 * PIECE + 5, 0);
    until_done();
    assert_int_equal(fleet.result, 0);
    assert_int_equal(reader.told, 0);
    assert_int_equal(plat_pread(reader.file, reader.bytes, 20 * PIECE + 5, 0), 20 * PIECE + 5);
    assert_memory_equal(reader.bytes, fleet.truth, 20 * PIECE + 5);
    plat_close(reader.file);
    free(reader.bytes);
    assert_int_equal(files_left(), 0);
    close_fleet();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(downloads_end_right),     cmocka_unit_test(a_wrong_size_is_found_out),
        cmocka_unit_test(a_file_in_the_way_stays), cmocka_unit_test(goes_on_with_a_part),
        cmocka_unit_test(stops_when_told),         cmocka_unit_test(keeps_to_its_limit),
        cmocka_unit_test(a_stream_comes_in_order), cmocka_unit_test(bytes_without_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
