/* SPDX-License-Identifier: MIT */
/* What runs short: time (deadlines are milliseconds here), slots, places of an address, buffers,
 * descriptors. */
#include "rig_server.h"

#include "run/door.h"
#include "run/slots.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static struct rig rig;
static struct raw raw, other, raws[20];
static struct raw_answer answer;

static void hold_begin(struct exchange *exchange, void *role)
{
    (void)exchange;
    (void)role;
    rig.held_count++;
    rig_note(&rig, 'b');
}

static void note_gone(struct exchange *exchange, void *role, bool aborted)
{
    (void)exchange;
    (void)role;
    rig_note(&rig, aborted ? 'A' : 'g');
}

static void hello_begin(struct exchange *exchange, void *role)
{
    (void)role;
    exchange_begin(exchange, 200, "text/plain");
    buf_put_text(exchange_body(exchange), "hello");
    exchange_end(exchange);
}

static const struct route routes[] = {
    {.methods = SERVER_GET, .path = "/hello", .class = SERVER_CLIENT, .begin = hello_begin},
    {.methods = SERVER_GET, .path = "/transfer", .class = SERVER_TRANSFER, .begin = hello_begin},
    {.methods = SERVER_GET, .path = "/member", .class = SERVER_MEMBERSHIP, .begin = hello_begin},
    {.methods = SERVER_GET,
     .path = "/hold",
     .class = SERVER_MEMBERSHIP,
     .begin = hold_begin,
     .gone = note_gone},
    {.methods = SERVER_GET,
     .path = "/wait",
     .class = SERVER_CLIENT,
     .begin = hold_begin,
     .gone = note_gone},
    {.methods = SERVER_POST,
     .path = "/slow",
     .class = SERVER_CLIENT,
     .begin = hold_begin,
     .end = hello_begin,
     .gone = note_gone},
    {.path = NULL},
};

static void start(const struct server_config *config)
{
    rig_open(&rig, config);
    assert_int_equal(server_add_routes(rig.server, routes, &rig), 0);
}

static struct server_config config_new(void)
{
    memset(&rig, 0, sizeof rig);
    struct server_config config = rig_config(&rig);
    config.half_ms = 30;
    return config;
}

static int setup(void **state)
{
    (void)state;
    struct server_config config = config_new();
    start(&config);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

#define H " HTTP/1.1\r\nHost: [::1]\r\n\r\n"

static void test_slow_senders(void **state)
{
    (void)state;
    rig_close(&rig);
    struct server_config config = config_new();
    config.head_ms = config.stall_ms = config.idle_ms = 40;
    start(&config);
    raw_open(&raw, &rig); /* says nothing at all */
    raw_until_closed(&raw);
    assert_int_equal(raw.len, 0);
    raw_close(&raw);
    raw_open(&raw, &rig); /* half a head */
    raw_ask(&raw, "GET /hello HTTP/1.1\r\nHo", &answer);
    assert_int_equal(answer.status, 408);
    raw_until_closed(&raw);
    raw_close(&raw);
    raw_open(&raw, &rig); /* half a body */
    raw_ask(&raw,
            "POST /slow HTTP/1.1\r\nHost: [::1]\r\nContent-Type: application/json\r\n"
            "Content-Length: 10\r\n\r\n12345",
            &answer);
    assert_int_equal(answer.status, 408);
    raw_until_closed(&raw);
    assert_string_equal(rig.trace, "bA");
    raw_close(&raw);
    raw_open(&raw, &rig); /* idle after an answer */
    raw_ask(&raw, "GET /hello" H, &answer);
    raw_until_closed(&raw);
    raw_close(&raw);
}

/* A head that comes byte by byte does not live longer for that. */
static void test_slow_loris(void **state)
{
    (void)state;
    rig_close(&rig);
    struct server_config config = config_new();
    config.head_ms = 60;
    start(&config);
    raw_open(&raw, &rig);
    int64_t start_ms = plat_now_ms(), sent_ms = 0;
    raw_say(&raw, "GET /hello HTTP/1.1\r\nX: ");
    while (!raw.closed) {
        if (plat_now_ms() > sent_ms) /* a byte each millisecond */
            (void)plat_send(raw.fd, "x", 1);
        sent_ms = plat_now_ms();
        raw_turn(&raw);
        assert_true(sent_ms < start_ms + RIG_WAIT_MS);
    }
    raw_answer(&raw, &answer, false);
    assert_int_equal(answer.status, 408);
    raw_close(&raw);
}

static void open_idle(int from, int to, const char *request)
{
    for (int i = from; i < to; i++) {
        raw_open(&raws[i], &rig);
        raw_ask(&raws[i], request, &answer);
        assert_int_equal(answer.status, 200);
    }
}

static void test_idle_make_room(void **state)
{
    (void)state;
    open_idle(0, 1, "GET /member" H);
    open_idle(1, 2, "GET /transfer" H);
    open_idle(2, 10, "GET /hello" H);
    raw_ask(&raws[1], "GET /transfer" H, &answer); /* the newest of all, and the least */
    open_idle(10, 16, "GET /member" H);
    assert_int_equal(server_stats(rig.server)->connections, 16);
    for (int i = 16; i < 18; i++) {
        open_idle(i, i + 1, "GET /member" H);
        assert_int_equal(server_stats(rig.server)->connections, 16);
    }
    raw_until_closed(&raws[1]); /* transfer first, then the client that idles longest */
    raw_until_closed(&raws[2]);
    for (int i = 0; i < 18; i++) {
        raw_turn(&raws[i]);
        assert_int_equal(raws[i].closed, i == 1 || i == 2);
        raw_close(&raws[i]);
    }
}

/* Members do not make room, not even for another member; and the last sixteenth of the slots is not
 * for them, so that clients are heard, one after the other, however many members there are. */
static void test_members_stay(void **state)
{
    (void)state;
    open_idle(0, 15, "GET /member" H);
    open_idle(15, 16, "GET /hello" H);
    open_idle(16, 17, "GET /hello" H);
    raw_until_closed(&raws[15]);
    raw_open(&raws[17], &rig);
    raw_ask(&raws[17], "GET /member" H, &answer);
    assert_int_equal(answer.status, 503);
    raw_until_closed(&raws[17]);
    for (int i = 0; i <= 17; i++) {
        raw_turn(&raws[i]);
        assert_int_equal(raws[i].closed, i > 14);
        raw_close(&raws[i]);
    }
    rig_until_connections(&rig, 0);
    open_idle(0, 15, "GET /member" H); /* who has gone does not count any more */
    for (int i = 0; i < 15; i++)
        raw_close(&raws[i]);
}

/* Nobody idles: each class is refused at its own limit, and a join gets in to the last slot but the
 * one that is not for members. The first two who are held are clients, so that this one is taken.
 */
static void test_class_limits(void **state)
{
    (void)state;
    static const struct {
        int held; /* connections beside the one that asks */
        const char *request;
        int status;
    } rows[] = {
        {9, "GET /transfer" H, 200}, {10, "GET /transfer" H, 503}, {11, "GET /transfer" H, 503},
        {11, "GET /hello" H, 200},   {12, "GET /hello" H, 503},    {13, "GET /hello" H, 503},
        {14, "GET /member" H, 200},  {15, "GET /member" H, 200},
    };
    int held = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (; held < rows[i].held; held++) {
            raw_open(&raws[held], &rig);
            raw_say(&raws[held], held < 2 ? "GET /wait" H : "GET /hold" H);
            while (rig.held_count <= held)
                loop_turn(rig.loop, 1);
        }
        raw_open(&raw, &rig);
        raw_ask(&raw, rows[i].request, &answer);
        assert_int_equal(answer.status, rows[i].status);
        if (answer.status == 503)
            assert_header(&answer, "Retry-After: 1");
        raw_close(&raw);
        rig_until_connections(&rig, (uint32_t)held);
    }
    raw_open(&raws[15], &rig);
    raw_say(&raws[15], "GET /hold" H);
    while (rig.held_count < 16)
        loop_turn(rig.loop, 1);
    raw_open(&raw, &rig); /* all slots are held */
    raw_until_closed(&raw);
    assert_int_equal(raw.len, 0);
    assert_true(server_stats(rig.server)->refused >= 5);
    raw_close(&raw);
    for (int i = 0; i < 16; i++)
        raw_close(&raws[i]);
    rig_until_connections(&rig, 0);
}

static void test_per_address(void **state)
{
    (void)state;
    static const struct {
        struct plat_addr peer;
        uint32_t expected;
    } rows[] = {
        {{.family = 4, .ip = {10, 0, 0, 1}, .port = 1}, 1},
        {{.family = 4, .ip = {10, 0, 0, 1}, .port = 2}, 2},
        {{.family = 4, .ip = {10, 0, 0, 1}, .port = 3}, 3},
        {{.family = 4, .ip = {10, 0, 0, 1}, .port = 4}, 4},
        {{.family = 4, .ip = {10, 0, 0, 1}, .port = 5}, 4}, /* one too many */
        {{.family = 4, .ip = {10, 0, 0, 2}, .port = 5}, 5},
        {{.family = 6, .ip = {[15] = 1}, .port = 5}, 6},
    };
    int ends[sizeof rows / sizeof *rows];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int pair[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
        door_take(rig.server, pair[0], &rows[i].peer);
        ends[i] = pair[1];
        assert_int_equal(server_stats(rig.server)->connections, rows[i].expected);
    }
    assert_int_equal(slots_count(rig.server, &rows[0].peer), 4);
    plat_close(ends[0]); /* whose place can be taken */
    rig_until_connections(&rig, 5);
    assert_int_equal(slots_count(rig.server, &rows[0].peer), 3);
    for (size_t i = 1; i < sizeof rows / sizeof *rows; i++)
        plat_close(ends[i]);
    rig_until_connections(&rig, 0);
    assert_int_equal(rig.server->addresses.used, 0);
}

/* Half heads hold all the buffers there are for reading: the stalest make room for who speaks. */
static void test_buffers_run_short(void **state)
{
    (void)state;
    rig_close(&rig);
    struct server_config config = config_new();
    config.buffers = 8;
    start(&config);
    for (int i = 0; i < 8; i++) {
        raw_open(&raws[i], &rig);
        raw_say(&raws[i], "GET /hello HTTP/1.1\r\nX: ");
    }
    while (rig.server->buffers.free > rig.server->spare)
        loop_turn(rig.loop, 1);
    raw_open(&raw, &rig);
    raw_ask(&raw, "GET /hello" H, &answer);
    assert_string_equal(answer.body, "hello");
    assert_true(server_stats(rig.server)->cut >= 1);
    raw_close(&raw);
    for (int i = 0; i < 8; i++)
        raw_close(&raws[i]);
    rig_until_connections(&rig, 0);
    assert_int_equal(rig.server->buffers.free, 8);
}

/* Bodies that come in byte by byte hold all the buffers there are for reading: who waits in vain is
 * told so, and heard as soon as there is one. */
static void test_who_gets_no_buffer(void **state)
{
    (void)state;
    rig_close(&rig);
    struct server_config config = config_new();
    config.buffers = 8;
    config.queue_ms = 50;
    start(&config);
    for (int i = 0; i < 6; i++) {
        raw_open(&raws[i], &rig);
        raw_say(&raws[i], "POST /slow HTTP/1.1\r\nHost: [::1]\r\nContent-Type: application/json\r\n"
                          "Content-Length: 100000\r\n\r\n");
    }
    rig_until(&rig, "bbbbbb");
    raw_open(&raw, &rig);
    raw_ask(&raw, "GET /hello" H, &answer);
    assert_int_equal(answer.status, 503);
    assert_non_null(strstr(answer.head, "Retry-After: 1\r\n"));
    assert_string_equal(answer.body,
                        "{\"error\":\"all buffers are in use\",\"hint\":\"try again\"}\n");
    assert_int_equal(server_stats(rig.server)->refused, 1);
    raw_until_closed(&raw);
    raw_close(&raw);
    raw_close(&raws[0]);
    rig_until_connections(&rig, 5);
    raw_open(&raw, &rig);
    raw_ask(&raw, "GET /hello" H, &answer);
    assert_string_equal(answer.body, "hello");
    for (int i = 1; i < 6; i++)
        raw_close(&raws[i]);
    raw_close(&raw);
    rig_until_connections(&rig, 0);
    assert_int_equal(rig.server->buffers.free, 8);
}

static void test_how_long_a_request_waits(void **state)
{
    (void)state;
    static const struct {
        enum conn_state in;
        int64_t hungry_ms;
        int waited_ms;
        bool overdue;
    } rows[] = {
        {CONN_IDLE, 7, P2P_QUEUE_MS - 1, false}, {CONN_IDLE, 7, P2P_QUEUE_MS, true},
        {CONN_IDLE, 7, P2P_QUEUE_MS + 1, true},  {CONN_HEAD, 7, P2P_QUEUE_MS - 1, false},
        {CONN_HEAD, 7, P2P_QUEUE_MS, true},      {CONN_HEAD, 0, P2P_QUEUE_MS + 1, false},
        {CONN_ANSWER, 7, P2P_QUEUE_MS, false},   {CONN_BODY, 7, P2P_QUEUE_MS, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct conn conn = {.server = rig.server, .hungry_ms = rows[i].hungry_ms};
        conn.state = (uint8_t)rows[i].in;
        assert_int_equal(slots_overdue(&conn, rows[i].hungry_ms + rows[i].waited_ms),
                         rows[i].overdue);
    }
}

static int fill_descriptors(int fds[static 64])
{
    int count = 0;
    while (count < 64 && (fds[count] = dup(0)) >= 0)
        count++;
    return count;
}

static void test_out_of_descriptors(void **state)
{
    (void)state;
    struct rlimit before, small;
    int fds[64];
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    small = before;
    small.rlim_cur = 64;
    raw_open(&other, &rig);
    raw_ask(&other, "GET /hello" H, &answer);
    raw_open(&raw, &rig); /* not yet let in */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
    int count = fill_descriptors(fds);
    raw_say(&raw, "GET /hold" H); /* the idle one makes room */
    rig_until(&rig, "b");
    raw_until_closed(&other);
    plat_close(fds[--count]);
    raw_open(&raws[0], &rig);
    int64_t end_ms = plat_now_ms() + RIG_WAIT_MS;
    while (rig.server->listener.events != 0 && plat_now_ms() < end_ms)
        loop_turn(rig.loop, 1);
    assert_int_equal(rig.server->listener.events, 0); /* it does not spin */
    assert_int_equal(server_stats(rig.server)->connections, 1);
    plat_close(fds[--count]);
    raw_ask(&raws[0], "GET /hello" H, &answer);
    assert_string_equal(answer.body, "hello");
    while (count > 0)
        plat_close(fds[--count]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    raw_close(&other);
    raw_close(&raw);
    raw_close(&raws[0]);
}

int main(void)
{
#define LIMIT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        LIMIT_TEST(test_slow_senders),
        LIMIT_TEST(test_slow_loris),
        LIMIT_TEST(test_idle_make_room),
        LIMIT_TEST(test_members_stay),
        LIMIT_TEST(test_class_limits),
        LIMIT_TEST(test_per_address),
        LIMIT_TEST(test_buffers_run_short),
        LIMIT_TEST(test_who_gets_no_buffer),
        LIMIT_TEST(test_how_long_a_request_waits),
        LIMIT_TEST(test_out_of_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
