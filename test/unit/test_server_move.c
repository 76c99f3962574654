/* SPDX-License-Identifier: MIT */
/* Connections that move between the server of the test's loop and one on a worker's thread, with
 * the request that they carry, what is pipelined behind it, and a ticket. Run under tsan, too. */
#include "rig_server.h"

#include "run/slots.h"

#include <stdatomic.h>

enum { CLIENTS = 8, ROUNDS = 20 };

static struct rig rig;
static struct worker worker;
static struct server *away; /* on the worker */
static struct raw raws[CLIENTS];
static struct raw_answer answer;
static atomic_int tickets_gone, away_begun, away_gone;

static void say(struct exchange *exchange, const char *text)
{
    exchange_begin(exchange, 200, "text/plain");
    buf_put_text(exchange_body(exchange), text);
    exchange_end(exchange);
}

static void home_begin(struct exchange *exchange, void *role)
{
    (void)role;
    say(exchange, "home");
}

/* "content/N" moves with the ticket N. */
static void move_begin(struct exchange *exchange, void *role)
{
    (void)role;
    uint64_t number = 0;
    assert_int_equal(text_to_u64(exchange->tail, 1000000, &number), 0);
    if (exchange_move(exchange, away, (void *)(uintptr_t)number) < 0)
        exchange_busy(exchange, "no slot", "");
}

static void move_gone(struct exchange *exchange, void *role, bool aborted)
{
    (void)exchange;
    (void)role;
    rig_note(&rig, aborted ? 'A' : 'g');
    if (rig.trace_len > 100)
        rig.trace_len = 0;
}

static void away_begin(struct exchange *exchange, void *role)
{
    (void)role;
    atomic_fetch_add(&away_begun, 1);
    exchange_begin(exchange, 200, "text/plain");
    buf_printf(exchange_body(exchange), "away %u %.*s from %u",
               (unsigned)(uintptr_t)exchange->ticket, (int)exchange->tail.len, exchange->tail.ptr,
               exchange->peer.ip[0]);
    exchange_end(exchange);
}

static void hold_begin(struct exchange *exchange, void *role)
{
    (void)exchange;
    (void)role;
    atomic_fetch_add(&away_begun, 1);
}

static void count_gone(struct exchange *exchange, void *role, bool aborted)
{
    (void)exchange;
    (void)role;
    (void)aborted;
    atomic_fetch_add(&away_gone, 1);
}

static void ticket_gone(void *context, void *ticket)
{
    (void)context;
    assert_non_null(ticket);
    atomic_fetch_add(&tickets_gone, 1);
}

static const struct route home_routes[] = {
    {.methods = SERVER_GET, .path = "/home", .class = SERVER_CLIENT, .begin = home_begin},
    {.methods = SERVER_GET,
     .path = "/content/",
     .class = SERVER_TRANSFER,
     .begin = move_begin,
     .gone = move_gone},
    {.methods = SERVER_GET,
     .path = "/hold/",
     .class = SERVER_TRANSFER,
     .begin = move_begin,
     .gone = move_gone},
    {.methods = SERVER_POST,
     .body = SERVER_JSON,
     .path = "/home",
     .class = SERVER_CLIENT,
     .begin = hold_begin,
     .end = home_begin},
    {.path = NULL},
};

static const struct route away_routes[] = {
    {.methods = SERVER_GET,
     .path = "/content/",
     .class = SERVER_TRANSFER,
     .begin = away_begin,
     .gone = count_gone},
    {.methods = SERVER_GET,
     .path = "/hold/",
     .class = SERVER_TRANSFER,
     .begin = hold_begin,
     .gone = count_gone},
    {.path = NULL},
};

static void start(uint32_t slots, uint32_t buffers)
{
    memset(&rig, 0, sizeof rig);
    atomic_store(&tickets_gone, 0);
    atomic_store(&away_begun, 0);
    atomic_store(&away_gone, 0);
    struct server_config config = rig_config(&rig);
    rig_open(&rig, &config);
    assert_int_equal(server_add_routes(rig.server, home_routes, &rig), 0);
    assert_int_equal(worker_init(&worker, &rig.arena, 32, 4), 0);
    struct server_config far = {.listener = -1,
                                .connections = slots,
                                .buffers = buffers,
                                .home = rig.server,
                                .ticket_gone = ticket_gone};
    assert_int_equal(server_init(&away, worker.loop, &rig.arena, &far), 0);
    assert_int_equal(server_add_routes(away, away_routes, NULL), 0);
    assert_int_equal(worker_start(&worker), 0);
}

static int teardown(void **state)
{
    (void)state;
    worker_stop(&worker);
    server_close(away);
    loop_close(worker.loop);
    rig_close(&rig);
    return 0;
}

#define H " HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n"

static void until(atomic_int *counter, int count)
{
    int64_t end_ms = plat_now_ms() + RIG_WAIT_MS;
    while (atomic_load(counter) < count && plat_now_ms() < end_ms)
        loop_turn(rig.loop, 1);
    assert_int_equal(atomic_load(counter), count);
}

static void test_there_and_back(void **state)
{
    (void)state;
    start(4, 8);
    struct raw *raw = &raws[0];
    raw_open(raw, &rig);
    raw_ask(raw, "GET /content/17" H, &answer);
    assert_string_equal(answer.body, "away 17 17 from 127");
    assert_string_equal(rig.trace, "g");
    assert_int_equal(server_stats(rig.server)->connections, 0);
    raw_ask(raw, "GET /content/18" H, &answer); /* it stays there, and so does its ticket */
    assert_string_equal(answer.body, "away 17 18 from 127");
    assert_string_equal(rig.trace, "g");
    assert_int_equal(atomic_load(&tickets_gone), 0);
    raw_ask(raw, "GET /home" H, &answer);
    assert_string_equal(answer.body, "home");
    assert_int_equal(server_stats(rig.server)->connections, 1);
    assert_int_equal(atomic_load(&tickets_gone), 1);
    raw_ask(raw, "GET /nothing" H, &answer);
    assert_int_equal(answer.status, 404);
    raw_ask(raw, "GET /content/19" H, &answer);
    assert_string_equal(answer.body, "away 19 19 from 127");
    raw_close(raw);
    until(&tickets_gone, 2);
    assert_int_equal(atomic_load(&away_gone), 3);
}

/* All in one segment: each request finds its way, in order, with what is behind it. */
static void test_pipelined(void **state)
{
    (void)state;
    start(4, 8);
    struct raw *raw = &raws[0];
    raw_open(raw, &rig);
    raw_say(raw, "GET /content/1" H "GET /home" H "GET /content/2" H "GET /content/3" H
                 "POST /home HTTP/1.1\r\nHost: [::1]\r\nContent-Type: application/json\r\n"
                 "Content-Length: 3\r\n\r\n{}\n"
                 "GET /content/4" H);
    static const char *const bodies[] = {"away 1 1 from 127", "home", "away 2 2 from 127",
                                         "away 2 3 from 127", "home", "away 4 4 from 127"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        raw_answer(raw, &answer, false);
        assert_string_equal(answer.body, bodies[i]);
    }
    raw_close(raw);
    until(&tickets_gone, 3);
}

static void test_no_slot(void **state)
{
    (void)state;
    start(2, 8);
    for (int i = 0; i < 2; i++) {
        raw_open(&raws[i], &rig);
        raw_say(&raws[i], "GET /hold/1" H);
    }
    until(&away_begun, 2);
    raw_open(&raws[2], &rig);
    raw_ask(&raws[2], "GET /content/1" H, &answer);
    assert_int_equal(answer.status, 503);
    raw_ask(&raws[2], "GET /home" H, &answer); /* and is still here */
    assert_string_equal(answer.body, "home");
    raw_close(&raws[0]);
    until(&away_gone, 1);
    int64_t end_ms = plat_now_ms() + RIG_WAIT_MS;
    do
        raw_ask(&raws[2], "GET /content/5" H, &answer);
    while (answer.status == 503 && plat_now_ms() < end_ms);
    assert_string_equal(answer.body, "away 5 5 from 127");
    raw_close(&raws[1]);
    raw_close(&raws[2]);
    until(&tickets_gone, 3);
}

/* Home is full: who cannot go back is told so. */
static void test_no_slot_at_home(void **state)
{
    (void)state;
    start(4, 8);
    raw_open(&raws[0], &rig);
    raw_ask(&raws[0], "GET /content/1" H, &answer);
    while (slots_reserve(rig.server))
        ;
    raw_ask(&raws[0], "GET /home" H, &answer);
    assert_int_equal(answer.status, 503);
    assert_header(&answer, "Connection: close");
    raw_until_closed(&raws[0]);
    raw_close(&raws[0]);
    until(&tickets_gone, 1);
}

/* Many connections go back and forth at the same time; nothing is left over. */
static void test_many(void **state)
{
    (void)state;
    start(CLIENTS, 8);
    for (int i = 0; i < CLIENTS; i++)
        raw_open(&raws[i], &rig);
    for (int round = 0; round < ROUNDS; round++) {
        char request[64], expected[64];
        snprintf(request, sizeof request, "GET /content/%d" H, round + 1);
        snprintf(expected, sizeof expected, "away %d %d from 127", round + 1, round + 1);
        for (int i = 0; i < CLIENTS; i++)
            raw_say(&raws[i], request);
        for (int i = 0; i < CLIENTS; i++) {
            raw_answer(&raws[i], &answer, false);
            assert_string_equal(answer.body, expected);
        }
        for (int i = 0; i < CLIENTS; i++)
            raw_say(&raws[i], "GET /home" H);
        for (int i = 0; i < CLIENTS; i++) {
            raw_answer(&raws[i], &answer, false);
            assert_string_equal(answer.body, "home");
        }
    }
    for (int i = 0; i < CLIENTS; i++)
        raw_close(&raws[i]);
    rig_until_connections(&rig, 0);
    until(&tickets_gone, CLIENTS * ROUNDS);
    assert_int_equal(atomic_load(&rig.server->used), 0);
    assert_int_equal(rig.server->buffers.free, rig.server->config.buffers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_there_and_back, teardown),
        cmocka_unit_test_teardown(test_pipelined, teardown),
        cmocka_unit_test_teardown(test_no_slot, teardown),
        cmocka_unit_test_teardown(test_no_slot_at_home, teardown),
        cmocka_unit_test_teardown(test_many, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
