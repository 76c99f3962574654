/* SPDX-License-Identifier: MIT */
/* The client against a fake node that says raw bytes (a table, each row cut at every byte), and
 * against a real server on the same loop: sinks, lines, produced bodies, pipelines, deadlines, and
 * a client that is closed in each of its calls back. */
#include "rig_server.h"

#include "run/client.h"
#include "run/link.h"

enum { BODY_MAX = 300000 };

static struct rig rig;
static struct client_pool *pool;
static struct client *client;

/* What one request heard. */
struct heard {
    int status, result, heads, dones;
    size_t len, lines;
    char body[BODY_MAX];     /* of on_body, or lines each with "|" */
    char sink[BODY_MAX];     /* bytes received into it */
    size_t sink_room, taken; /* at most so many at once; 0 pauses */
    char close_in;           /* 'h' head, 's' sink, 'b' body, 'l' line, 'd' done */
};
static struct heard heard, others[CLIENT_PIPELINE_MAX];

static void maybe_close(struct heard *one, char where)
{
    if (one->close_in != where)
        return;
    client_close(client);
    client = NULL;
}

static void on_head(void *ctx, const struct http_head *head)
{
    struct heard *one = ctx;
    one->status = head->status;
    one->heads++;
    maybe_close(one, 'h');
}

static void *sink(void *ctx, size_t *out_room)
{
    struct heard *one = ctx;
    size_t left = sizeof one->sink - one->taken;
    *out_room = one->sink_room < left ? one->sink_room : left;
    maybe_close(one, 's');
    return one->sink + one->taken;
}

static void on_sunk(void *ctx, struct str bytes)
{
    struct heard *one = ctx;
    assert_ptr_equal(bytes.ptr, one->sink + one->taken);
    assert_true(bytes.len > 0 && bytes.len <= one->sink_room);
    one->taken += bytes.len;
    maybe_close(one, 'b');
}

static void hear(struct heard *one, struct str bytes)
{
    assert_true(one->len + bytes.len < sizeof one->body);
    if (bytes.len > 0)
        memcpy(one->body + one->len, bytes.ptr, bytes.len);
    one->len += bytes.len;
    one->body[one->len] = 0;
}

static void on_body(void *ctx, struct str bytes)
{
    hear(ctx, bytes);
    maybe_close(ctx, 'b');
}

static void on_line(void *ctx, struct str line)
{
    struct heard *one = ctx;
    hear(one, line);
    hear(one, STR("|"));
    one->lines++;
    maybe_close(one, 'l');
}

static void on_done(void *ctx, int result)
{
    struct heard *one = ctx;
    one->result = result;
    one->dones++;
    maybe_close(one, 'd');
}

static const struct client_handlers by_body = {
    .on_head = on_head, .on_body = on_body, .on_done = on_done};
static const struct client_handlers by_line = {
    .on_head = on_head, .on_line = on_line, .on_done = on_done};
static const struct client_handlers by_sink = {
    .on_head = on_head, .sink = sink, .on_body = on_sunk, .on_done = on_done};

static void turn(void)
{
    loop_turn(rig.loop, 1);
}

static void until_done(struct heard *one)
{
    int64_t end_ms = plat_now_ms() + RIG_WAIT_MS;
    while (one->dones == 0 && plat_now_ms() < end_ms)
        turn();
    assert_int_equal(one->dones, 1);
}

static void connect_to(const struct plat_addr *addr)
{
    int error = 0;
    client = client_open(pool, addr, &error);
    assert_non_null(client);
}

static int ask(struct heard *one, const char *target, const struct client_handlers *handlers)
{
    struct client_request request = {
        .method = HTTP_METHOD_GET, .target = text_from(target), .handlers = handlers, .ctx = one};
    memset(one, 0, offsetof(struct heard, body));
    one->body[0] = 0;
    one->taken = 0;
    one->sink_room = BODY_MAX;
    one->close_in = 0;
    return client_send(client, &request);
}

/* --- a fake node --- */

static int listener = -1, node = -1;
static struct plat_addr node_addr;

static void node_open(void)
{
    struct plat_addr any = {.family = 4, .ip = {127, 0, 0, 1}};
    listener = plat_listen(&any, 8);
    assert_true(listener >= 0);
    assert_int_equal(plat_local_addr(listener, &node_addr), 0);
}

static void node_accept(void)
{
    struct plat_addr peer;
    while ((node = plat_accept(listener, &peer)) == -P2P_EAGAIN)
        turn();
    assert_true(node >= 0);
}

/* Takes in what the client sent, so that a close does not reset. */
static void node_read(void)
{
    char bytes[4096];
    for (int i = 0; i < 2; i++) {
        turn();
        while (plat_recv(node, bytes, sizeof bytes) > 0)
            ;
    }
}

static void node_say(const char *bytes, size_t len)
{
    assert_int_equal(plat_send(node, bytes, len), (int)len);
}

static void node_close(void)
{
    plat_close(node);
    plat_close(listener);
}

/* --- a real server --- */

static char file_bytes[BODY_MAX];
static int file = -1;

static void file_begin(struct exchange *exchange, void *role)
{
    (void)role;
    exchange_begin(exchange, 200, "application/octet-stream");
    exchange_file(exchange, file, 0, BODY_MAX - 1000, NULL);
}

static void produce_lines(struct exchange *exchange, void *role, struct buf *room)
{
    (void)role;
    for (int i = 0; i < 7 && exchange->user_number < 5000; i++)
        buf_printf(room, "line %d\n", (int)exchange->user_number++);
    if (exchange->user_number == 5000)
        exchange_end(exchange);
}

static void lines_begin(struct exchange *exchange, void *role)
{
    (void)role;
    exchange_begin(exchange, 200, "application/x-ndjson");
    exchange_stream(exchange, -1, produce_lines);
}

static void short_produce(struct exchange *exchange, void *role, struct buf *room)
{
    (void)role;
    buf_put_text(room, "half of it");
    exchange_end(exchange);
}

static void short_begin(struct exchange *exchange, void *role)
{
    (void)role;
    exchange_begin(exchange, 200, "text/plain");
    exchange_stream(exchange, 1000, short_produce);
}

static void tail_begin(struct exchange *exchange, void *role)
{
    (void)role;
    exchange_begin(exchange, 200, "text/plain");
    buf_put(exchange_body(exchange), exchange->tail);
    exchange_end(exchange);
}

static void count_line(struct exchange *exchange, void *role, struct str line)
{
    (void)role;
    exchange->user_number += 1 + (line.len << 32);
}

static void count_end(struct exchange *exchange, void *role)
{
    (void)role;
    exchange_begin(exchange, 200, "text/plain");
    buf_printf(exchange_body(exchange), "%u lines, %u bytes", (unsigned)exchange->user_number,
               (unsigned)(exchange->user_number >> 32));
    exchange_end(exchange);
}

static void count_begin(struct exchange *exchange, void *role)
{
    (void)role;
    exchange->user_number = 0;
}

static void refuse_begin(struct exchange *exchange, void *role)
{
    (void)role;
    exchange_error(exchange, 409, "no", "");
}

static void hold_begin(struct exchange *exchange, void *role)
{
    (void)exchange;
    (void)role;
}

static const struct route routes[] = {
    {.methods = SERVER_GET, .path = "/file", .class = SERVER_CLIENT, .begin = file_begin},
    {.methods = SERVER_GET, .path = "/lines", .class = SERVER_CLIENT, .begin = lines_begin},
    {.methods = SERVER_GET, .path = "/short", .class = SERVER_CLIENT, .begin = short_begin},
    {.methods = SERVER_GET, .path = "/tail/", .class = SERVER_CLIENT, .begin = tail_begin},
    {.methods = SERVER_GET, .path = "/hold", .class = SERVER_CLIENT, .begin = hold_begin},
    {.methods = SERVER_POST,
     .body = SERVER_NDJSON,
     .path = "/count",
     .class = SERVER_CLIENT,
     .begin = count_begin,
     .line = count_line,
     .end = count_end},
    {.methods = SERVER_POST,
     .body = SERVER_NDJSON,
     .path = "/refuse",
     .class = SERVER_CLIENT,
     .begin = refuse_begin,
     .end = count_end},
    {.path = NULL},
};

static int setup(void **state)
{
    (void)state;
    memset(&rig, 0, sizeof rig);
    struct server_config config = rig_config(&rig);
    rig_open(&rig, &config);
    assert_int_equal(server_add_routes(rig.server, routes, &rig), 0);
    assert_int_equal(client_pool_init(&pool, rig.loop, &rig.arena, 4, 8), 0);
    for (size_t i = 0; i < sizeof file_bytes; i++)
        file_bytes[i] = (char)(i * 7 + i / 251);
    file = plat_open_unnamed(plat_open_folder("/tmp"));
    assert_true(file >= 0);
    assert_int_equal(plat_pwrite(file, file_bytes, sizeof file_bytes, 0), 0);
    client = NULL;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (client)
        client_close(client);
    turn(); /* turns that were posted still need their slots */
    plat_close(file);
    rig_close(&rig);
    return 0;
}

#define OK "HTTP/1.1 200 OK\r\n"

static void test_raw_answers(void **state)
{
    (void)state;
    static const struct {
        const char *name, *answer;
        int result, status;
        const char *body;
    } rows[] = {
        {"length", OK "Content-Length: 5\r\n\r\nhello", 0, 200, "hello"},
        {"empty", OK "Content-Length: 0\r\n\r\n", 0, 200, ""},
        {"no content", "HTTP/1.1 204 No Content\r\n\r\n", 0, 204, ""},
        {"not modified", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 0, 304, ""},
        {"chunked",
         OK "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x\r\nlo\r\n0\r\nT: x\r\n\r\n", 0, 200,
         "hello"},
        {"until close", OK "\r\nhello", 0, 200, "hello"},
        {"1.0", "HTTP/1.0 404 Not Found\r\n\r\nnothing", 0, 404, "nothing"},
        {"interim", "HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 2\r\n\r\nok", 0, 200, "ok"},
        {"close", OK "Connection: close\r\nContent-Length: 2\r\n\r\nok", 0, 200, "ok"},
        {"too short", OK "Content-Length: 6\r\n\r\nhello", -P2P_ECLOSED, 200, "hello"},
        {"chunk cut", OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", -P2P_ECLOSED, 200, "hel"},
        {"no last chunk", OK "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n", -P2P_ECLOSED, 200,
         "he"},
        {"head cut", "HTTP/1.1 200 OK\r\nContent-Le", -P2P_ECLOSED, 0, ""},
        {"nothing", "", -P2P_ECLOSED, 0, ""},
        {"not HTTP", "SSH-2.0-OpenSSH_9\r\n\r\n", -P2P_EPROTO, 0, ""},
        {"broken chunk", OK "Transfer-Encoding: chunked\r\n\r\nxx\r\n", -P2P_EPROTO, 200, ""},
        {"switching", "HTTP/1.1 101 Switching\r\n\r\n", -P2P_EPROTO, 0, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t len = strlen(rows[i].answer);
        for (size_t cut = 0; cut <= len; cut++) {
            node_open();
            connect_to(&node_addr);
            assert_int_equal(ask(&heard, "/x", &by_body), 0);
            node_accept();
            node_read();
            if (cut > 0)
                node_say(rows[i].answer, cut);
            turn();
            if (cut < len && heard.dones == 0)
                node_say(rows[i].answer + cut, len - cut);
            node_close();
            until_done(&heard);
            if (heard.result != rows[i].result || heard.status != rows[i].status ||
                strcmp(heard.body, rows[i].body) != 0)
                fail_msg("%s, cut at %zu: %d, %d, %s", rows[i].name, cut, heard.result,
                         heard.status, heard.body);
            client_close(client);
            client = NULL;
        }
    }
}

static void test_refused_and_full(void **state)
{
    (void)state;
    int error = 0;
    node_open();
    plat_close(listener); /* nobody listens there any more */
    struct client *clients[5];
    for (int i = 0; i < 4; i++) {
        clients[i] = client_open(pool, &node_addr, &error);
        assert_non_null(clients[i]);
    }
    assert_null(client_open(pool, &node_addr, &error));
    assert_int_equal(error, -P2P_EFULL);
    client = clients[0];
    assert_int_equal(ask(&heard, "/x", &by_body), 0);
    assert_int_equal(ask(&others[0], "/y", &by_body), 0);
    assert_int_equal(heard.dones, 0); /* not within the call */
    until_done(&heard);
    assert_int_equal(heard.result, -P2P_EREFUSED);
    assert_int_equal(others[0].result, -P2P_EREFUSED);
    assert_int_equal(ask(&others[1], "/z", &by_body), -P2P_ECLOSED);
    for (int i = 1; i < 4; i++)
        client_close(clients[i]);
    clients[4] = client_open(pool, &node_addr, &error);
    assert_non_null(clients[4]);
    client_close(clients[4]);
}

static void test_deadlines(void **state)
{
    (void)state;
    node_open();
    connect_to(&node_addr);
    struct client_request request = {.method = HTTP_METHOD_GET,
                                     .target = STR("/x"),
                                     .timeout_ms = 20,
                                     .handlers = &by_body,
                                     .ctx = &heard};
    memset(&heard, 0, sizeof heard);
    assert_int_equal(client_send(client, &request), 0);
    until_done(&heard);
    assert_int_equal(heard.result, -P2P_ETIMEOUT);
    client_close(client);
    node_accept(); /* that one; then a body that stalls */
    plat_close(node);
    pool->stall_ms = 20;
    connect_to(&node_addr);
    assert_int_equal(ask(&heard, "/x", &by_body), 0);
    node_accept();
    node_say(OK "Content-Length: 5\r\n\r\nhe", 40);
    until_done(&heard);
    assert_int_equal(heard.result, -P2P_ETIMEOUT);
    assert_string_equal(heard.body, "he");
    node_close();
}

/* A patient answer and a paused one may be silent for longer than the stall. */
static void test_silence_that_is_allowed(void **state)
{
    (void)state;
    pool->stall_ms = 5;
    node_open();
    for (int patient = 0; patient < 2; patient++) {
        connect_to(&node_addr);
        struct client_request request = {.method = HTTP_METHOD_GET,
                                         .target = STR("/x"),
                                         .patient = patient != 0,
                                         .handlers = patient ? &by_body : &by_sink,
                                         .ctx = &heard};
        memset(&heard, 0, sizeof heard); /* its sink has no room */
        assert_int_equal(client_send(client, &request), 0);
        node_accept();
        node_say(OK "Content-Length: 5\r\n\r\nhe", 40);
        int64_t end_ms = plat_now_ms() + 50;
        while (plat_now_ms() < end_ms)
            turn();
        assert_int_equal(heard.heads, 1);
        assert_int_equal(heard.dones, 0);
        heard.sink_room = 4;
        client_resume(client);
        node_say("llo", 3);
        until_done(&heard);
        assert_int_equal(heard.result, 0);
        assert_string_equal(patient ? heard.body : heard.sink, "hello");
        client_close(client);
        plat_close(node);
    }
    plat_close(listener);
    client = NULL;
}

static void test_sink(void **state)
{
    (void)state;
    static const size_t rooms[] = {BODY_MAX, 65536, 1000, 333};
    connect_to(&rig.addr);
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
        assert_int_equal(ask(&heard, "/file", &by_sink), 0);
        heard.sink_room = rooms[i];
        until_done(&heard);
        assert_int_equal(heard.result, 0);
        assert_int_equal(heard.taken, BODY_MAX - 1000);
        assert_memory_equal(heard.sink, file_bytes, BODY_MAX - 1000);
    }
    struct plat_addr local;
    assert_int_equal(client_local_addr(client, &local), 0);
    assert_int_equal(local.ip[0], 127);
}

/* The sink gives room for some bytes, then none until it is resumed. */
static void test_sink_pauses(void **state)
{
    (void)state;
    static const char *const targets[] = {"/file", "/lines"}; /* with a length, chunked */
    connect_to(&rig.addr);
    for (int t = 0; t < 2; t++) {
        assert_int_equal(ask(&heard, targets[t], &by_sink), 0);
        heard.sink_room = 0;
        for (size_t pause = 0; pause < 100000 && heard.dones == 0; pause++) {
            turn();
            heard.sink_room = heard.sink_room == 0 ? 20011 : 0;
            if (heard.sink_room > 0)
                client_resume(client);
        }
        assert_int_equal(heard.result, 0);
        assert_int_equal(heard.dones, 1);
    }
    assert_memory_equal(heard.sink, "line 0\nline 1\nline 2\n", 21);
}

static void test_lines(void **state)
{
    (void)state;
    connect_to(&rig.addr);
    assert_int_equal(ask(&heard, "/lines", &by_line), 0);
    until_done(&heard);
    assert_int_equal(heard.result, 0);
    assert_int_equal(heard.lines, 5000);
    size_t at = 0;
    for (int i = 0; i < 5000; i++) {
        char expected[24];
        int len = snprintf(expected, sizeof expected, "line %d|", i);
        assert_memory_equal(heard.body + at, expected, (size_t)len);
        at += (size_t)len;
    }
    assert_int_equal(at, heard.len);
}

static void test_pipeline(void **state)
{
    (void)state;
    char target[32];
    connect_to(&rig.addr);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < CLIENT_PIPELINE_MAX; i++) {
            snprintf(target, sizeof target, "/tail/%d", i);
            assert_int_equal(ask(&others[i], target, &by_body), 0);
        }
        assert_int_equal(client_pending(client), CLIENT_PIPELINE_MAX);
        assert_int_equal(ask(&heard, "/tail/x", &by_body), -P2P_EFULL);
        for (int i = 0; i < CLIENT_PIPELINE_MAX; i++) {
            until_done(&others[i]);
            snprintf(target, sizeof target, "%d", i);
            assert_string_equal(others[i].body, target);
            for (int later = i + 1; later < CLIENT_PIPELINE_MAX; later++)
                assert_true(others[later].dones == 0 || others[later].result == 0);
        }
    }
    assert_int_equal(client_pending(client), 0);
}

static void test_closed_in_the_middle(void **state)
{
    (void)state;
    connect_to(&rig.addr);
    assert_int_equal(ask(&heard, "/short", &by_body), 0);
    assert_int_equal(ask(&others[0], "/tail/x", &by_body), 0);
    until_done(&heard);
    assert_int_equal(heard.result, -P2P_ECLOSED);
    assert_int_equal(others[0].result, -P2P_ECLOSED);
    assert_int_equal(others[0].heads, 0);
}

static int produced, produce_pauses;

static void produce_body(void *ctx, struct buf *room, bool *out_end)
{
    (void)ctx;
    if (produce_pauses > 0) {
        produce_pauses--;
        return;
    }
    for (int i = 0; i < 11 && produced < 20000; i++)
        buf_printf(room, "{\"n\":%05d}\n", produced++);
    *out_end = produced == 20000;
    if (produced % 5000 < 11)
        produce_pauses = 1;
}

static struct client_request post(const char *target)
{
    return (struct client_request){.method = HTTP_METHOD_POST,
                                   .target = text_from(target),
                                   .headers = STR("Authorization: Bearer x\r\n"),
                                   .type = "application/x-ndjson",
                                   .handlers = &by_body,
                                   .ctx = &heard};
}

static void test_produced_body(void **state)
{
    (void)state;
    struct client_request request = post("/count");
    request.produce = produce_body;
    produced = 0;
    produce_pauses = 1;
    memset(&heard, 0, sizeof heard);
    connect_to(&rig.addr);
    assert_int_equal(client_send(client, &request), 0);
    assert_int_equal(ask(&others[0], "/tail/x", &by_body), -P2P_EFULL); /* not behind that */
    int64_t end_ms = plat_now_ms() + RIG_WAIT_MS;
    while (heard.dones == 0 && plat_now_ms() < end_ms) {
        turn();
        client_resume(client);
    }
    assert_int_equal(heard.result, 0);
    assert_string_equal(heard.body, "20000 lines, 220000 bytes");
    assert_int_equal(ask(&others[0], "/tail/x", &by_body), 0);
    until_done(&others[0]);
    assert_string_equal(others[0].body, "x");
}

static void test_whole_body(void **state)
{
    (void)state;
    static char body[CLIENT_BODY_MAX + 1];
    struct client_request request = post("/count");
    memset(body, 'x', sizeof body);
    for (size_t i = 99; i < sizeof body; i += 100)
        body[i] = '\n';
    connect_to(&rig.addr);
    for (size_t size = CLIENT_BODY_MAX - 1; size <= CLIENT_BODY_MAX + 1; size++) {
        memset(&heard, 0, sizeof heard);
        request.body = (struct str){body, size};
        int result = client_send(client, &request);
        assert_int_equal(result, size > CLIENT_BODY_MAX ? -P2P_ETOOBIG : 0);
        if (result != 0)
            continue;
        until_done(&heard);
        char expected[40];
        snprintf(expected, sizeof expected, "82 lines, %zu bytes", size - 81);
        assert_string_equal(heard.body, expected);
    }
}

/* The answer comes while the body is still being sent, and the connection closes after it. */
static void test_refused_while_sending(void **state)
{
    (void)state;
    struct client_request request = post("/refuse");
    request.produce = produce_body;
    produced = 0;
    produce_pauses = 0;
    memset(&heard, 0, sizeof heard);
    connect_to(&rig.addr);
    assert_int_equal(client_send(client, &request), 0);
    int64_t end_ms = plat_now_ms() + RIG_WAIT_MS;
    while (heard.dones == 0 && plat_now_ms() < end_ms) {
        turn();
        client_resume(client);
    }
    assert_int_equal(heard.result, 0);
    assert_int_equal(heard.status, 409);
    assert_true(client_is_closed(client));
}

static void test_head_method(void **state)
{
    (void)state;
    struct client_request request = post("/file");
    request.method = HTTP_METHOD_HEAD;
    memset(&heard, 0, sizeof heard);
    connect_to(&rig.addr);
    assert_int_equal(client_send(client, &request), 0);
    assert_int_equal(ask(&others[0], "/tail/after", &by_body), 0);
    until_done(&others[0]);
    assert_int_equal(heard.status, 200);
    assert_int_equal(heard.len, 0);
    assert_string_equal(others[0].body, "after");
}

static void test_closed_in_each_call_back(void **state)
{
    (void)state;
    static const struct {
        char where;
        const char *target;
        const struct client_handlers *handlers;
    } rows[] = {
        {'h', "/tail/x", &by_body}, {'b', "/tail/x", &by_body}, {'d', "/tail/x", &by_body},
        {'l', "/lines", &by_line},  {'s', "/file", &by_sink},   {'b', "/file", &by_sink},
        {'s', "/lines", &by_sink},  {'b', "/lines", &by_sink},  {'d', "/short", &by_body},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        connect_to(&rig.addr);
        struct client *before = client;
        assert_int_equal(ask(&heard, rows[i].target, rows[i].handlers), 0);
        assert_int_equal(ask(&others[0], "/tail/y", &by_body), 0);
        heard.close_in = rows[i].where;
        int64_t end_ms = plat_now_ms() + RIG_WAIT_MS;
        while (client == before && plat_now_ms() < end_ms)
            turn();
        assert_null(client);
        int dones = heard.dones + others[0].dones;
        for (int turns = 0; turns < 5; turns++)
            turn();
        assert_int_equal(heard.dones + others[0].dones, dones); /* nothing is told any more */
        assert_true(others[0].heads == 0);
    }
    assert_int_equal(pool->clients.used, 0);
    assert_int_equal(pool->buffers.free, 8);
}

static int idle_closes;

static void on_idle_close(void *ctx)
{
    assert_ptr_equal(ctx, &idle_closes);
    idle_closes++;
    client = NULL;
}

static void test_idle_close(void **state)
{
    (void)state;
    node_open();
    connect_to(&node_addr);
    client_on_idle_close(client, on_idle_close, &idle_closes);
    idle_closes = 0;
    assert_int_equal(ask(&heard, "/x", &by_body), 0);
    node_accept();
    node_say(OK "Content-Length: 2\r\n\r\nok", 40);
    until_done(&heard);
    assert_int_equal(idle_closes, 0);
    plat_close(node);
    int64_t end_ms = plat_now_ms() + RIG_WAIT_MS;
    while (idle_closes == 0 && plat_now_ms() < end_ms)
        turn();
    assert_int_equal(idle_closes, 1);
    assert_int_equal(pool->clients.used, 0);
    /* an answer that nobody asked for closes, too; unset, the client stays */
    connect_to(&node_addr);
    node_accept();
    node_say(OK "Content-Length: 0\r\n\r\n", 38);
    while (!client_is_closed(client) && plat_now_ms() < end_ms)
        turn();
    assert_int_equal(ask(&heard, "/x", &by_body), -P2P_ECLOSED);
    node_close();
}

/* Four clients and fewer buffers than they want: all get their answers. */
static void test_few_buffers(void **state)
{
    (void)state;
    struct client_pool *small;
    struct client *clients[4];
    int error;
    assert_int_equal(client_pool_init(&small, rig.loop, &rig.arena, 4, 2), 0);
    for (int i = 0; i < 4; i++) {
        clients[i] = client_open(small, &rig.addr, &error);
        client = clients[i];
        int result = ask(&others[i], "/lines", &by_line);
        while (result == -P2P_EFULL) { /* no buffer for the request: when those before are sent */
            turn();
            result = ask(&others[i], "/lines", &by_line);
        }
        assert_int_equal(result, 0);
    }
    for (int i = 0; i < 4; i++) {
        until_done(&others[i]);
        assert_int_equal(others[i].result, 0);
        assert_int_equal(others[i].lines, 5000);
        client_close(clients[i]);
    }
    client = NULL;
}

int main(void)
{
#define CLIENT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CLIENT_TEST(test_raw_answers),
        CLIENT_TEST(test_refused_and_full),
        CLIENT_TEST(test_deadlines),
        CLIENT_TEST(test_silence_that_is_allowed),
        CLIENT_TEST(test_sink),
        CLIENT_TEST(test_sink_pauses),
        CLIENT_TEST(test_lines),
        CLIENT_TEST(test_pipeline),
        CLIENT_TEST(test_closed_in_the_middle),
        CLIENT_TEST(test_produced_body),
        CLIENT_TEST(test_whole_body),
        CLIENT_TEST(test_refused_while_sending),
        CLIENT_TEST(test_head_method),
        CLIENT_TEST(test_closed_in_each_call_back),
        CLIENT_TEST(test_idle_close),
        CLIENT_TEST(test_few_buffers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
