/* SPDX-License-Identifier: MIT */
/* A guest beside a scripted index on the same loop: when it joins, what it says, what it serves and
 * how it leaves. What it downloads is put there by hand. */
#include "rig_alive.h"

#include "base/addr.h"
#include "base/log.h"
#include "peer/guest.h"
#include "wire/digest.h"

#include <unistd.h>

enum { POSTS_MAX = 32, PIECES = 20, LAST = 100, WORKERS = 2 };

struct post {
    char path[16], text[1024];
};

static struct world {
    struct rig rig, node; /* the index; the guest as its clients see it */
    struct worker workers[WORKERS];
    struct client_pool *pool;
    struct directory *directory;
    struct config settings;
    struct guest *guest;
    struct held held;
    uint8_t bits[(PIECES + 7) / 8];
    struct record_offer offer;
    bool has_offer, left, mute; /* mute: the index holds what it was sent */
    struct post posts[POSTS_MAX];
    int count;
    struct raw raw;
    struct raw_answer answer;
} * w;

/* ---- the index ---- */

static void on_begin(struct exchange *exchange, void *role)
{
    struct post *post = &w->posts[w->count];
    (void)role;
    assert_true(w->count < POSTS_MAX);
    memset(post, 0, sizeof *post);
    (void)text_copy(exchange->head->path, post->path, sizeof post->path);
}

static void on_body_line(struct exchange *exchange, void *role, struct str line)
{
    struct post *post = &w->posts[w->count];
    size_t used = strlen(post->text);
    (void)exchange;
    (void)role;
    snprintf(post->text + used, sizeof post->text - used, "%.*s\n", (int)line.len, line.ptr);
}

static void on_end(struct exchange *exchange, void *role)
{
    const struct post *post = &w->posts[w->count++];
    (void)role;
    if (strcmp(post->path, "/v1/alive") == 0)
        rig_alive = exchange;
    else if (!w->mute || strcmp(post->path, "/v1/join") == 0)
        rig_say(exchange, 200, rig_yes(post->path));
}

#define POST(path, kind)                                                                           \
    {                                                                                              \
        SERVER_POST, kind, path, SERVER_MEMBERSHIP, on_begin, on_body_line, on_end,                \
            rig_alive_next, rig_alive_gone                                                         \
    }

static const struct route routes[] = {
    POST("/v1/join", SERVER_NDJSON),
    POST("/v1/update", SERVER_NDJSON),
    POST("/v1/alive", SERVER_JSON),
    POST("/v1/leave", SERVER_JSON),
    {0, 0, NULL, SERVER_CLIENT, NULL, NULL, NULL, NULL, NULL},
};

/* ---- the guest ---- */

static bool about(void *ctx, struct record_offer *out)
{
    (void)ctx;
    *out = w->offer;
    return w->has_offer;
}

static struct guest_config guest_config(void)
{
    return (struct guest_config){.loop = w->rig.loop,
                                 .directory = w->directory,
                                 .workers = w->workers,
                                 .worker_count = WORKERS,
                                 .settings = &w->settings,
                                 .about = about};
}

static void set(const char *key, const char *value)
{
    char err[256];
    assert_int_equal(config_set(&w->settings, key, text_from(value), err, sizeof err), 0);
}

static int setup(void **state)
{
    (void)state;
    char indexes[ADDR_TEXT_MAX];
    log_set_level(LOG_ERROR);
    w = test_calloc(1, sizeof *w);
    struct rig *rig = &w->rig;
    struct server_config server = rig_config(rig);
    assert_int_equal(arena_init(&rig->arena, (size_t)16 << 20), 0);
    assert_int_equal(loop_init(&rig->loop, &rig->arena, 256, 32), 0);
    assert_int_equal(server_init(&rig->server, rig->loop, &rig->arena, &server), 0);
    assert_int_equal(server_add_routes(rig->server, routes, NULL), 0);
    assert_int_equal(client_pool_init(&w->pool, rig->loop, &rig->arena, 4, 8), 0);
    (void)addr_format(&rig->addr, indexes);
    struct directory_config directory = {
        .indexes = text_from(indexes), .loop = rig->loop, .pool = w->pool};
    assert_int_equal(directory_init(&w->directory, &rig->arena, &directory), 0);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(worker_init(&w->workers[i], &rig->arena, 64, 8), 0);
    config_init(&w->settings);
    set("node.name", "bench");
    held_init(&w->held);
    w->offer = (struct record_offer){.path = STR("a/b.bin"),
                                     .size = (int64_t)(PIECES - 1) * P2P_PIECE_MIN + LAST};
    w->offer.hashed = w->offer.copy = true;
    w->offer.mtime = 1700000000;
    memset(&w->offer.content, 0xcd, sizeof w->offer.content);
    w->has_offer = true;
    return 0;
}

static void start(void)
{
    struct guest_config config = guest_config();
    assert_int_equal(guest_init(&w->guest, &w->rig.arena, &config), 0);
    guest_start(w->guest, &w->held);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(worker_start(&w->workers[i]), 0);
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < WORKERS && w->guest; i++)
        worker_stop(&w->workers[i]);
    if (w->guest)
        guest_close(w->guest);
    held_close(&w->held);
    directory_close(w->directory);
    server_close(w->rig.server);
    for (int i = 0; i < WORKERS; i++)
        loop_close(w->workers[i].loop);
    loop_close(w->rig.loop);
    arena_free(&w->rig.arena);
    test_free(w);
    return 0;
}

static int open_unnamed(void)
{
    char path[] = "/tmp/p2p-guest-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    unlink(path);
    return file;
}

/* A download begins; each byte of piece i is i. */
static void download(void)
{
    struct held_source source = {
        .content = &w->offer.content, .size = w->offer.size, .bits = w->bits};
    static const uint8_t id[P2P_CHAIN_ID_SIZE] = {0xab, 0xcd};
    static uint8_t piece[P2P_PIECE_MIN];
    source.file = open_unnamed();
    source.chain_file = open_unnamed();
    for (int i = 0; i < PIECES; i++) {
        memset(piece, i, sizeof piece);
        size_t size = i + 1 < PIECES ? sizeof piece : LAST;
        assert_int_equal(pwrite(source.file, piece, size, (off_t)i * P2P_PIECE_MIN), (int)size);
        memset(piece, 0x40 + i, P2P_SHA256_SIZE);
        assert_int_equal(pwrite(source.chain_file, piece, P2P_SHA256_SIZE, 320 + 32 * i), 32);
    }
    held_open(&w->held, &source);
    held_bind(&w->held, id, 320);
}

/* ---- waiting ---- */

#define until(condition)                                                                           \
    do {                                                                                           \
        int64_t end_ms_ = plat_now_ms() + RIG_WAIT_MS;                                             \
        while (!(condition)) {                                                                     \
            if (plat_now_ms() > end_ms_)                                                           \
                fail_msg("not in time: %s", #condition);                                           \
            loop_turn(w->rig.loop, 5);                                                             \
        }                                                                                          \
    } while (0)

/* The last post to a path; NULL: none. */
static const struct post *post_of(const char *path)
{
    for (int i = w->count; i-- > 0;)
        if (strcmp(w->posts[i].path, path) == 0)
            return &w->posts[i];
    return NULL;
}

static void join(void)
{
    download();
    held_add(&w->held, 0);
    guest_look(w->guest);
    until(post_of("/v1/alive"));
}

static void on_left(void *ctx)
{
    (void)ctx;
    w->left = true;
}

/* ---- tests ---- */

static void test_who_has_nothing_does_not_join(void **state)
{
    (void)state;
    start();
    static const struct {
        const char *name;
        bool offers, downloads;
        uint32_t pieces;
    } rows[] = {
        {"no download", false, false, 0},
        {"not begun", true, false, 0},
        {"no piece", true, true, 0},
        {"pieces, but nobody could want them", false, true, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        w->has_offer = rows[i].offers;
        if (rows[i].downloads)
            download();
        for (uint32_t k = 0; k < rows[i].pieces; k++)
            held_add(&w->held, k);
        guest_look(w->guest);
        if (guest_is_in(w->guest) || guest_is_telling(w->guest))
            fail_msg("%s", rows[i].name);
    }
    assert_int_equal(w->count, 0);
    w->has_offer = true;
    until(guest_is_in(w->guest)); /* it looks by itself */
    until(post_of("/v1/join"));
}

static void test_what_it_says(void **state)
{
    (void)state;
    start();
    join();
    const char *text = post_of("/v1/join")->text;
    assert_non_null(strstr(text, "\"name\":\"bench\",\"role\":\"peer\""));
    assert_non_null(strstr(text, "\"path\":\"a/b.bin\",\"size\":1245284,"));
    assert_non_null(strstr(text, "\"sha256\":\"cdcdcdcd"));
    assert_non_null(strstr(text, "\"kind\":\"copy\""));
    assert_non_null(strstr(text, "\"have\":5}\n"));
    assert_null(post_of("/v1/update"));
    for (uint32_t i = 1; i < PIECES; i++)
        held_add(&w->held, i);
    guest_look(w->guest);
    until(post_of("/v1/update"));
    text = post_of("/v1/update")->text;
    assert_non_null(strstr(text, "\"op\":\"put\",\"path\":\"a/b.bin\""));
    assert_null(strstr(text, "\"have\""));
    int before = w->count;
    w->has_offer = false;
    guest_look(w->guest);
    until(w->count > before && post_of("/v1/update") >= &w->posts[before]);
    assert_non_null(strstr(post_of("/v1/update")->text, "{\"op\":\"del\",\"path\":\"a/b.bin\"}"));
    until(!guest_is_telling(w->guest));
}

/* left() comes once the index has answered, or soon all the same. */
static void test_leaving(void **state)
{
    for (int mute = 0; mute <= 1; mute++) {
        if (mute)
            setup(state);
        start();
        join();
        w->mute = mute;
        guest_leave(w->guest, on_left, NULL);
        until(w->left);
        assert_non_null(post_of("/v1/leave"));
        if (!mute)
            teardown(state);
    }
}

static void ask(const char *path, const char *headers)
{
    char request[512];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n", path,
             headers);
    raw_ask(&w->raw, request, &w->answer);
}

static void connect_guest(void)
{
    const char *port = strstr(post_of("/v1/join")->text, "\"port\":");
    w->node = (struct rig){.loop = w->rig.loop, .addr = w->rig.addr};
    w->node.addr.port = (uint16_t)strtoul(port + 7, NULL, 10);
    raw_open(&w->raw, &w->node);
}

#define SHA "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
#define CHAIN "P2P-Chain: abcd0000000000000000000000000000\r\n"
#define OTHER "P2P-Chain: abcd0000000000000000000000000001\r\n"

/* Pieces 0, 2 and the last two are here; the last is proven. */
static void test_what_it_serves(void **state)
{
    (void)state;
    static const struct {
        const char *path, *headers;
        int status;
        size_t length; /* of the body of a 200 or 206 */
        int byte;      /* with which it begins */
    } rows[] = {
        {"/v1/have/" SHA, CHAIN, 200, 3, 0xa0},
        {"/v1/have/" SHA, "", 200, 3, 0},
        {"/v1/have/" SHA, OTHER, 200, 3, 0},
        {"/v1/chain/" SHA, "", 200, 32 * (PIECES - 1), 0x40},
        {"/v1/content/" SHA, CHAIN "Range: bytes=0-65535\r\n", 206, 65536, 0},
        {"/v1/content/" SHA, "Range: bytes=0-65535\r\n", 404, 0, 0},
        {"/v1/content/" SHA, OTHER "Range: bytes=0-65535\r\n", 404, 0, 0},
        {"/v1/content/" SHA, CHAIN "Range: bytes=0-65536\r\n", 404, 0, 0},
        {"/v1/content/" SHA, CHAIN "Range: bytes=65536-65536\r\n", 404, 0, 0},
        {"/v1/content/" SHA, CHAIN "Range: bytes=131072-196607\r\n", 206, 65536, 2},
        {"/v1/content/" SHA, CHAIN "Range: bytes=131071-131072\r\n", 404, 0, 0},
        {"/v1/content/" SHA, CHAIN "Range: bytes=1179648-\r\n", 206, 65536 + LAST, 18},
        {"/v1/content/" SHA, "Range: bytes=1179648-\r\n", 404, 0, 0},
        {"/v1/content/" SHA, "Range: bytes=1245184-\r\n", 206, LAST, 19},
        {"/v1/content/" SHA, "Range: bytes=-100\r\n", 206, LAST, 19},
        {"/v1/content/" SHA, "Range: bytes=-101\r\n", 404, 0, 0},
        {"/v1/content/" SHA, CHAIN "Range: bytes=1245284-\r\n", 416, 0, 0},
        {"/v1/content/" SHA, CHAIN, 404, 0, 0},
        {"/v1/content/" SHA, "P2P-Chain: nonsense\r\nRange: bytes=0-1\r\n", 404, 0, 0},
        {"/v1/content/ab" SHA, CHAIN, 404, 0, 0},
        {"/v1/content/0dcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd", CHAIN, 404,
         0, 0},
        {"/v1/list", "", 404, 0, 0},
        {"/download/a/b.bin", "", 404, 0, 0},
    };
    static const uint32_t here[] = {0, 2, 18, 19};
    start();
    download();
    for (size_t i = 0; i < sizeof here / sizeof *here; i++)
        held_add(&w->held, here[i]);
    held_prove(&w->held, 19);
    guest_look(w->guest);
    until(post_of("/v1/alive"));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        connect_guest();
        ask(rows[i].path, rows[i].headers);
        bool good = rows[i].status == 200 || rows[i].status == 206;
        if (w->answer.status != rows[i].status ||
            (good &&
             (w->answer.body_len != rows[i].length || (uint8_t)w->answer.body[0] != rows[i].byte)))
            fail_msg("%s %s: %d, %zu bytes, %.200s", rows[i].path, rows[i].headers,
                     w->answer.status, w->answer.body_len, w->answer.body);
        raw_close(&w->raw);
    }
}

/* The head of an answer tells what came since the last one on that connection. */
static void test_news_on_a_connection(void **state)
{
    (void)state;
    start();
    join();
    connect_guest();
    ask("/v1/content/" SHA, CHAIN "Range: bytes=0-0\r\n");
    assert_header(&w->answer, "P2P-Have: 0");
    ask("/v1/content/" SHA, CHAIN "Range: bytes=0-0\r\n");
    assert_null(strstr(w->answer.head, "P2P-Have"));
    held_add(&w->held, 7);
    held_add(&w->held, 3);
    ask("/v1/content/" SHA, CHAIN "Range: bytes=0-0\r\n");
    assert_header(&w->answer, "P2P-Have: 7,3");
    held_drop(&w->held, 7); /* what the connection was promised does not hold any more */
    ask("/v1/have/" SHA, CHAIN);
    assert_true(w->answer.status == 200 || w->answer.status == 503);
    raw_close(&w->raw);
    connect_guest();
    ask("/v1/have/" SHA, CHAIN);
    assert_int_equal(w->answer.status, 200);
    assert_memory_equal(w->answer.body, "\x90\0\0", 3);
    ask("/v1/content/" SHA, CHAIN "Range: bytes=458752-458752\r\n");
    assert_int_equal(w->answer.status, 404);
    raw_close(&w->raw);
}

static void test_figures(void **state)
{
    (void)state;
    start();
    join();
    connect_guest();
    ask("/v1/stats", "");
    assert_int_equal(w->answer.status, 200);
    assert_non_null(strstr(w->answer.body, "\"name\":\"bench\",\"role\":\"peer\",\"guest\":true"));
    assert_non_null(strstr(w->answer.body, "\"have\":5,\"uploads\":0"));
    char id[2 * P2P_ID_SIZE + 1];
    struct record_id own = guest_id(w->guest);
    text_hex_encode(own.bytes, sizeof own.bytes, id);
    assert_non_null(strstr(w->answer.body, id));
    raw_close(&w->raw);
}

/* In too little memory there is none, and nothing is left open. */
static void test_memory(void **state)
{
    (void)state;
    size_t needed = guest_size(WORKERS);
    struct guest_config config = guest_config();
    for (size_t size = needed - 65536; size <= needed + 65536; size += 4096) {
        struct arena arena;
        struct guest *guest;
        assert_int_equal(arena_init(&arena, size), 0);
        int first = dup(0);
        close(first);
        if (guest_init(&guest, &arena, &config) == 0) {
            assert_true(size >= needed);
            guest_close(guest);
        } else {
            assert_null(guest);
            assert_true(size <= needed + 4096);
        }
        int now = dup(0);
        close(now);
        assert_int_equal(now, first);
        arena_free(&arena);
    }
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(test_who_has_nothing_does_not_join),
        test(test_what_it_says),
        test(test_leaving),
        test(test_what_it_serves),
        test(test_news_on_a_connection),
        test(test_figures),
        test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
