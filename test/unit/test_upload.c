/* SPDX-License-Identifier: MIT */
/* Uploads and the peer's own listing, asked by raw clients: connections move to workers and back,
 * a file is served only while it is what was hashed, slots and rates hold, nothing outside the
 * share is ever served. */
#include "rig_share.h"
#include "rig_server.h"

#include "peer/listing.h"
#include "peer/upload.h"

enum { BIG = 150000, CONNECTIONS = 16 };

static struct world {
    struct shared shared;
    struct rig rig;
    struct worker transfers[2];
    struct upload *upload;
    struct listing *listing;
    struct identity identity;
    struct raw raw;
    struct raw_answer answer;
    char big[BIG], sha[2 * P2P_SHA256_SIZE + 1];
} * w;

static void on_elsewhere(struct exchange *exchange, void *ctx)
{
    (void)ctx;
    exchange_error(exchange, 404, "elsewhere", "");
}

static void sha_of(const char *bytes, size_t size, char out[2 * P2P_SHA256_SIZE + 1])
{
    uint8_t content[P2P_SHA256_SIZE];
    digest_of(bytes, size, content);
    text_hex_encode(content, sizeof content, out);
}

static void node_open(void)
{
    struct shared *shared = &w->shared;
    struct server_config config = rig_config(&w->rig);
    w->rig.loop = shared->loop;
    assert_int_equal(server_init(&w->rig.server, shared->loop, &shared->arena, &config), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(worker_init(&w->transfers[i], &shared->arena, CONNECTIONS + 8, 8), 0);
    struct upload_config upload = {.loop = shared->loop,
                                   .server = w->rig.server,
                                   .workers = w->transfers,
                                   .worker_count = 2,
                                   .connections = CONNECTIONS,
                                   .share = shared->share,
                                   .settings = &shared->settings,
                                   .elsewhere = on_elsewhere};
    assert_int_equal(upload_init(&w->upload, &shared->arena, &upload, config.node), 0);
    struct listing_config listing = {.loop = shared->loop,
                                     .server = w->rig.server,
                                     .share = shared->share,
                                     .identity = &w->identity,
                                     .name = STR("kitchen"),
                                     .port = 7751};
    assert_int_equal(listing_init(&w->listing, &shared->arena, &listing), 0);
}

static int setup_with(const char *key, const char *value)
{
    w = test_calloc(1, sizeof *w);
    shared_make(&w->shared);
    if (key)
        shared_set(&w->shared, key, value);
    for (int i = 0; i < BIG; i++)
        w->big[i] = (char)(i * 7 + i / 1000);
    sha_of(w->big, BIG, w->sha);
    shared_put(&w->shared, "a.txt", "alpha");
    shared_put(&w->shared, "empty", "");
    shared_put(&w->shared, "sub/\xc3\xa9 \"q\".txt", "odd");
    shared_write(&w->shared, "big.bin", w->big, BIG, 3600);
    shared_open(&w->shared);
    node_open();
    shared_run(&w->shared);
    for (int i = 0; i < 2; i++)
        assert_int_equal(worker_start(&w->transfers[i]), 0);
    shared_wait(&w->shared, shared_count(&w->shared) == 4);
    raw_open(&w->raw, &w->rig);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    setup_with(NULL, NULL);
    shared_wait(&w->shared, share_tree(w->shared.share)->counts.hashed == 4);
    return 0;
}

static int setup_slow(void **state)
{
    (void)state;
    return setup_with("share.hash_rate", "100K/s");
}

static int setup_one_slot(void **state)
{
    (void)state;
    setup_with("transfer.uploads", "1");
    shared_wait(&w->shared, share_tree(w->shared.share)->counts.hashed == 4);
    return 0;
}

static int setup_limited(void **state)
{
    (void)state;
    setup_with("transfer.upload_limit", "300K/s");
    shared_wait(&w->shared, share_tree(w->shared.share)->counts.hashed == 4);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    raw_close(&w->raw);
    for (int i = 0; i < 2; i++)
        worker_stop(&w->transfers[i]);
    server_close(w->rig.server);
    upload_close(w->upload);
    listing_close(w->listing);
    for (int i = 0; i < 2; i++)
        loop_close(w->transfers[i].loop);
    shared_stop(&w->shared);
    shared_remove(&w->shared);
    test_free(w);
    return 0;
}

static const struct raw_answer *ask_with(const char *method, const char *path, const char *headers)
{
    char request[1024];
    snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n", method, path,
             headers);
    raw_ask(&w->raw, request, &w->answer);
    return &w->answer;
}

static const struct raw_answer *ask(const char *path)
{
    return ask_with("GET", path, "");
}

static const char *at_sha(const char *what, const char *sha)
{
    static char path[128];
    snprintf(path, sizeof path, "/v1/%s/%s", what, sha);
    return path;
}

static void body_is(const char *bytes, size_t size)
{
    assert_int_equal(w->answer.body_len, size);
    assert_memory_equal(w->answer.body, bytes, size);
}

/* ---- tests ---- */

static void content(void **state)
{
    char header[128];
    (void)state;
    assert_int_equal(ask(at_sha("content", w->sha))->status, 200);
    body_is(w->big, BIG);
    snprintf(header, sizeof header, "ETag: \"%s\"", w->sha);
    assert_header(&w->answer, header);
    assert_header(&w->answer, "Content-Type: application/octet-stream");
    assert_header(&w->answer, "P2P-Size: 150000");
    assert_header(&w->answer, "P2P-Piece: 65536");
    assert_int_equal(ask_with("HEAD", at_sha("content", w->sha), "")->status, 200);
    assert_header(&w->answer, "Content-Length: 150000");
    assert_int_equal(ask(at_sha("content", "00"))->status, 404);
    assert_int_equal(ask("/v1/content/")->status, 404);
    char other[2 * P2P_SHA256_SIZE + 1];
    sha_of("other", 5, other);
    assert_int_equal(ask(at_sha("content", other))->status, 404);
}

static void ranges(void **state)
{
    static const struct {
        const char *range;
        int status;
        int64_t first, length;
    } rows[] = {
        {"bytes=0-0", 206, 0, 1},          {"bytes=65535-65536", 206, 65535, 2},
        {"bytes=149999-", 206, 149999, 1}, {"bytes=-5", 206, 149995, 5},
        {"bytes=150000-", 416, 0, 0},      {"bytes=0-9,20-29", 200, 0, 150000},
        {"lines=1-2", 200, 0, 150000},     {"bytes=5-2", 416, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char header[64];
        snprintf(header, sizeof header, "Range: %s\r\n", rows[i].range);
        int status = ask_with("GET", at_sha("content", w->sha), header)->status;
        if (rows[i].status == 416 && status == 200)
            continue; /* a range that means nothing may be passed over */
        assert_int_equal(status, rows[i].status);
        if (status == 416)
            assert_header(&w->answer, "Content-Range: bytes */150000");
        else
            body_is(w->big + rows[i].first, (size_t)rows[i].length);
    }
}

static void conditions(void **state)
{
    char header[256];
    (void)state;
    snprintf(header, sizeof header, "If-None-Match: \"x\", W/\"%s\"\r\n", w->sha);
    assert_int_equal(ask_with("GET", at_sha("content", w->sha), header)->status, 304);
    assert_int_equal(ask_with("GET", "/download/big.bin?own=1", header)->status, 304);
    assert_int_equal(ask_with("GET", "/download/a.txt", header)->status, 200);
    snprintf(header, sizeof header, "If-Range: \"%s\"\r\nRange: bytes=1-2\r\n", w->sha);
    assert_int_equal(ask_with("GET", at_sha("content", w->sha), header)->status, 206);
    snprintf(header, sizeof header, "If-Range: W/\"%s\"\r\nRange: bytes=1-2\r\n", w->sha);
    assert_int_equal(ask_with("GET", at_sha("content", w->sha), header)->status, 200);
}

static void chain_and_have(void **state)
{
    uint8_t states[2][P2P_SHA256_SIZE], id[P2P_CHAIN_ID_SIZE];
    char hex[2 * P2P_CHAIN_ID_SIZE + 1], header[96], small[2 * P2P_SHA256_SIZE + 1];
    struct digest digest, chain;
    (void)state;
    digest_init(&digest);
    digest_chain_id_begin(&chain, BIG);
    for (int i = 0; i < 2; i++) {
        digest_update(&digest, w->big + i * 65536, 65536);
        digest_state(&digest, states[i]);
        digest_update(&chain, states[i], sizeof states[i]);
    }
    digest_chain_id_end(&chain, id);
    text_hex_encode(id, sizeof id, hex);
    snprintf(header, sizeof header, "P2P-Chain: %s", hex);
    assert_int_equal(ask(at_sha("chain", w->sha))->status, 200);
    body_is((const char *)states, sizeof states);
    assert_header(&w->answer, header);
    assert_int_equal(ask(at_sha("have", w->sha))->status, 200);
    body_is("\xe0", 1);
    assert_header(&w->answer, header);
    assert_int_equal(ask(at_sha("content", w->sha))->status, 200);
    assert_header(&w->answer, header);
    sha_of("alpha", 5, small);
    assert_int_equal(ask(at_sha("chain", small))->status, 200);
    body_is("", 0);
    assert_int_equal(ask(at_sha("have", small))->status, 200);
    body_is("\x80", 1);
}

/* printf alpha | openssl dgst -sha256 -binary | base64 */
#define DIGEST_OF_ALPHA "Repr-Digest: sha-256=:jtP2rWhblZ6tcCJRjhr3bNgW+OjsfM3aHtQBjo8iI/g=:"

static void downloads(void **state)
{
    (void)state;
    assert_int_equal(ask("/download/a.txt?own=1")->status, 200);
    body_is("alpha", 5);
    assert_header(&w->answer, "Content-Disposition: attachment; filename=\"a.txt\"");
    assert_header(&w->answer, "Content-Security-Policy: sandbox; default-src 'none'");
    assert_header(&w->answer, "X-Content-Type-Options: nosniff");
    assert_header(&w->answer, DIGEST_OF_ALPHA);
    assert_int_equal(ask_with("GET", "/download/a.txt", "Range: bytes=1-2\r\n")->status, 206);
    assert_header(&w->answer, DIGEST_OF_ALPHA);
    assert_int_equal(ask_with("GET", "/download/a.txt", "Range: bytes=9-\r\n")->status, 416);
    assert_null(strstr(w->answer.head, "Repr-Digest"));
    assert_int_equal(ask("/download/empty")->status, 200);
    body_is("", 0);
    assert_int_equal(ask("/download/sub/%C3%A9%20%22q%22.txt")->status, 200);
    body_is("odd", 3);
    assert_non_null(strstr(w->answer.head, "filename*=UTF-8''%C3%A9%20%22q%22.txt"));
    assert_int_equal(ask("/download/none?own=1")->status, 404);
    assert_null(strstr(w->answer.body, "elsewhere"));
    assert_int_equal(ask("/download/none")->status, 404);
    assert_non_null(strstr(w->answer.body, "elsewhere"));
    assert_int_equal(ask("/download/sub")->status, 404);
    assert_int_equal(ask("/download/../a.txt?own=1")->status, 404);
}

/* One connection goes to a worker and back as its requests want. */
static void to_and_fro(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++) {
        assert_int_equal(ask("/download/a.txt")->status, 200);
        body_is("alpha", 5);
        assert_int_equal(ask("/v1/list")->status, 200);
        assert_int_equal(ask(at_sha("content", w->sha))->status, 200);
        body_is(w->big, BIG);
        assert_int_equal(ask("/nothing")->status, 404);
        assert_int_equal(ask(at_sha("have", w->sha))->status, 200);
    }
}

/* A file that changed is not served as what it was; soon it is offered as what it is. */
static void a_changed_file(void **state)
{
    char small[2 * P2P_SHA256_SIZE + 1];
    (void)state;
    sha_of("alpha", 5, small);
    assert_int_equal(ask("/download/a.txt")->status, 200);
    shared_put(&w->shared, "a.txt", "other");
    int status = ask(at_sha("content", small))->status;
    assert_true(status == 503 || status == 404);
    shared_wait_text(&w->shared, "a.txt", "other");
    assert_int_equal(ask("/download/a.txt")->status, 200);
    body_is("other", 5);
    assert_int_equal(ask(at_sha("content", small))->status, 404);
}

static void a_file_that_shrinks_while_it_is_sent(void **state)
{
    char request[256];
    (void)state;
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
             at_sha("content", w->sha));
    raw_say(&w->raw, request);
    while (w->raw.len < 20000)
        raw_turn(&w->raw);
    shared_write(&w->shared, "big.bin", "short", 5, 0);
    raw_until_closed(&w->raw);
    assert_true(w->raw.len < BIG);
}

/* The loop has not heard of it when the request comes: only the worker can tell. */
static void swapped_for_a_symlink(void **state)
{
    char path[512], outside[512];
    (void)state;
    snprintf(outside, sizeof outside, "%s/outside", w->shared.root);
    shared_put(&w->shared, "../outside/x.bin", "secret");
    shared_put(&w->shared, "in/x.bin", "public");
    shared_wait_text(&w->shared, "in/x.bin", "public");
    assert_int_equal(ask("/download/a.txt")->status, 200);
    shared_at(&w->shared, "in", path);
    shared_shell("rm -rf '%s'%s", path, "");
    assert_int_equal(symlink(outside, path), 0);
    assert_int_not_equal(ask("/download/in/x.bin?own=1")->status, 200);
    assert_null(strstr(w->answer.body, "secret"));
    shared_wait(&w->shared, !shared_find(&w->shared, "in/x.bin"));
    assert_int_equal(ask("/download/in/x.bin?own=1")->status, 404);
}

static void not_hashed_yet(void **state)
{
    (void)state;
    const struct tree_file *file = shared_find(&w->shared, "big.bin");
    assert_non_null(file);
    if ((file->flags & TREE_HASHED) != 0)
        return;
    assert_int_equal(ask("/download/big.bin")->status, 503);
    assert_header(&w->answer, "Retry-After: 1");
    assert_non_null(strstr(w->answer.body, "\"total\":150000,\"retry_ms\":"));
    assert_int_equal(ask(at_sha("content", w->sha))->status, 404);
    shared_wait(&w->shared, shared_has(&w->shared, "big.bin", w->big, BIG));
    assert_int_equal(ask("/download/big.bin")->status, 200);
}

/* One slot: the second is told to come again, and gets it when the first is done. */
static void slots(void **state)
{
    struct raw *other = test_calloc(1, sizeof *other);
    struct upload_stats stats;
    char request[256];
    (void)state;
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
             at_sha("content", w->sha));
    raw_open(other, &w->rig);
    plat_set_buffers(other->fd, 0, 4096);
    for (int i = 0; i < 200; i++) /* more than socket buffers hold */
        assert_int_equal(plat_send(other->fd, request, strlen(request)), strlen(request));
    for (int64_t until_ms = plat_now_ms() + SHARE_WAIT_MS; plat_now_ms() < until_ms;) {
        loop_turn(w->shared.loop, 5);
        upload_stats(w->upload, &stats);
        if (stats.active == 1)
            break;
    }
    assert_int_equal(stats.active, 1);
    assert_int_equal(stats.slots, 0);
    int busy = 0;
    for (int64_t until_ms = plat_now_ms() + SHARE_WAIT_MS; busy == 0 && plat_now_ms() < until_ms;)
        busy = ask("/download/a.txt")->status == 503;
    assert_int_equal(busy, 1);
    assert_header(&w->answer, "Retry-After: 1");
    assert_non_null(strstr(w->answer.body, "\"retry_ms\":"));
    assert_int_equal(ask_with("HEAD", "/download/a.txt", "")->status, 200);
    raw_close(other);
    test_free(other);
    int64_t until_ms = plat_now_ms() + SHARE_WAIT_MS;
    while (ask("/download/a.txt")->status != 200)
        assert_true(plat_now_ms() < until_ms);
}

/* One slot, and one client that asks again and again: another one has its turn even so. */
static void in_turn(void **state)
{
    struct raw *other = test_calloc(1, sizeof *other);
    static const char request[] = "GET /download/a.txt HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    (void)state;
    raw_open(other, &w->rig);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 20; i++)
            assert_int_equal(plat_send(other->fd, request, strlen(request)), strlen(request));
        assert_int_equal(ask("/download/empty")->status, 200);
        for (int i = 0; i < 20; i++) {
            raw_answer(other, &w->answer, false);
            assert_int_equal(w->answer.status, 200);
        }
    }
    raw_close(other);
    test_free(other);
}

static void the_rate_holds(void **state)
{
    struct upload_stats stats;
    int64_t began_ms = plat_now_ms();
    (void)state;
    assert_int_equal(ask(at_sha("content", w->sha))->status, 200);
    body_is(w->big, BIG);
    /* 150,000 bytes, less the burst, at 300 KiB a second */
    assert_true(plat_now_ms() - began_ms >= 200);
    upload_stats(w->upload, &stats);
    assert_int_equal(stats.sent, BIG);
}

/* ---- list and search ---- */

static int count_lines(const char *needle)
{
    int count = 0;
    for (const char *at = w->answer.body; (at = strstr(at, needle)) != NULL; at++)
        count++;
    return count;
}

static void listing(void **state)
{
    static const struct {
        const char *path, *needle;
        int count;
        const char *end;
    } rows[] = {
        {"/v1/list", "\"holders\":1", 4, "{\"end\":true,\"next\":null}\n"},
        {"/v1/list?prefix=sub/", "\"holders\":1", 1, "{\"end\":true,\"next\":null}\n"},
        {"/v1/list?prefix=none", "\"holders\":1", 0, "{\"end\":true,\"next\":null}\n"},
        {"/v1/search?q=BIG", "\"path\":\"big.bin\"", 1, "\"truncated\":false}\n"},
        {"/v1/search?q=*.txt", "\"path\":", 2, "\"truncated\":false}\n"},
        {"/v1/search?q=", "\"path\":", 4, "\"truncated\":false}\n"},
        {"/v1/search?q=&limit=3", "\"path\":", 3, "\"truncated\":true}\n"},
        {"/v1/search?q=nothing", "\"path\":", 0, "\"truncated\":false}\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(ask(rows[i].path)->status, 200);
        assert_int_equal(count_lines(rows[i].needle), rows[i].count);
        assert_true(text_ends(text_from(w->answer.body), text_from(rows[i].end)));
    }
    char path[128];
    snprintf(path, sizeof path, "/v1/search?sha256=%s", w->sha);
    assert_int_equal(ask(path)->status, 200);
    assert_int_equal(count_lines("\"path\":\"big.bin\""), 1);
    assert_int_equal(count_lines("\"addresses\":[\"127.0.0.1:7751\"]"), 1);
    assert_int_equal(ask("/v1/list?limit=0")->status, 400);
    assert_int_equal(ask("/v1/list?limit=x")->status, 400);
    assert_int_equal(ask("/v1/search?sha256=12")->status, 400);
}

static void pages(void **state)
{
    char path[128] = "/v1/list?limit=1";
    int seen = 0;
    (void)state;
    for (int page = 0; page < 8; page++) {
        assert_int_equal(ask(path)->status, 200);
        seen += count_lines("\"path\":");
        const char *next = strstr(w->answer.body, "\"next\":\"");
        if (!next)
            break;
        snprintf(path, sizeof path, "/v1/list?limit=1&after=%d", atoi(next + 8));
    }
    assert_int_equal(seen, 4);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(content),
        test(ranges),
        test(conditions),
        test(chain_and_have),
        test(downloads),
        test(to_and_fro),
        test(a_changed_file),
        cmocka_unit_test_setup_teardown(a_file_that_shrinks_while_it_is_sent, setup_limited,
                                        teardown),
        test(swapped_for_a_symlink),
        cmocka_unit_test_setup_teardown(not_hashed_yet, setup_slow, teardown),
        cmocka_unit_test_setup_teardown(slots, setup_one_slot, teardown),
        cmocka_unit_test_setup_teardown(in_turn, setup_one_slot, teardown),
        cmocka_unit_test_setup_teardown(the_rate_holds, setup_limited, teardown),
        test(listing),
        test(pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
