/* SPDX-License-Identifier: MIT */
/* Answers that take time: held, streamed, from files; clients that go away, close one side, or read
 * slowly. */
#include "rig_server.h"

#include "run/slots.h"

enum { FILE_SIZE = 12000000 };

static struct rig rig;
static struct raw raw;
static struct raw_answer answer;
static int file = -1;
static char *file_bytes;
static int still_calls, still_until; /* the call at which still says no; 0: never */

static void hold_begin(struct exchange *exchange, void *role)
{
    (void)role;
    assert_null(exchange->user);
    exchange->user = &rig;
    rig.held[rig.held_count++ % 8] = exchange;
    rig_note(&rig, 'b');
}

static void note_next(struct exchange *exchange, void *role)
{
    (void)exchange;
    (void)role;
    rig_note(&rig, 'n');
}

static void note_gone(struct exchange *exchange, void *role, bool aborted)
{
    (void)exchange;
    (void)role;
    rig_note(&rig, aborted ? 'A' : 'g');
}

static void say(struct exchange *exchange, const char *text)
{
    exchange_begin(exchange, 200, "text/plain");
    buf_put_text(exchange_body(exchange), text);
    exchange_end(exchange);
}

static void hello_begin(struct exchange *exchange, void *role)
{
    (void)role;
    say(exchange, "hello");
}

/* Lines with numbers until user_number is used up; says nothing while it is zero. */
static void produce(struct exchange *exchange, void *role, struct buf *room)
{
    (void)role;
    assert_true(room->size - room->len >= P2P_LINE_MAX);
    for (int i = 0; i < 100 && exchange->user_number > 0; i++)
        buf_printf(room, "%08u\n", (unsigned)exchange->user_number--);
    if (exchange->user_number == 0 && exchange->user)
        exchange_end(exchange);
}

static void stream_of(struct exchange *exchange, int64_t length, uint64_t lines, bool ends)
{
    exchange->user_number = lines;
    exchange->user = ends ? &rig : NULL;
    rig.held[0] = exchange;
    exchange_begin(exchange, 200, "text/plain");
    exchange_stream(exchange, length, produce);
}

static void stream_begin(struct exchange *exchange, void *role)
{
    (void)role;
    uint64_t lines = 0;
    (void)text_to_u64(exchange->tail, 100000000, &lines);
    stream_of(exchange, -1, lines, lines > 0);
}

static void sized_begin(struct exchange *exchange, void *role)
{
    (void)role;
    uint64_t lines = 0;
    (void)text_to_u64(exchange->tail, 1000, &lines);
    stream_of(exchange, 9 * 500, lines, true);
}

static bool still(struct exchange *exchange, void *role)
{
    (void)exchange;
    (void)role;
    return ++still_calls != still_until;
}

static void file_begin(struct exchange *exchange, void *role)
{
    (void)role;
    uint64_t offset = 0;
    (void)text_to_u64(exchange->tail, 2 * FILE_SIZE, &offset);
    exchange_begin(exchange, 206, "application/octet-stream");
    exchange_file(exchange, file, (int64_t)offset, FILE_SIZE - 1000, still);
}

static const struct route routes[] = {
    {.methods = SERVER_GET, .path = "/hello", .class = SERVER_CLIENT, .begin = hello_begin},
    {.methods = SERVER_GET,
     .path = "/hold",
     .class = SERVER_MEMBERSHIP,
     .begin = hold_begin,
     .next = note_next,
     .gone = note_gone},
    {.methods = SERVER_GET,
     .path = "/search",
     .class = SERVER_CLIENT,
     .begin = hold_begin,
     .gone = note_gone},
    {.methods = SERVER_GET,
     .path = "/stream/",
     .class = SERVER_CLIENT,
     .begin = stream_begin,
     .gone = note_gone},
    {.methods = SERVER_GET,
     .path = "/sized/",
     .class = SERVER_CLIENT,
     .begin = sized_begin,
     .gone = note_gone},
    {.methods = SERVER_GET,
     .path = "/file/",
     .class = SERVER_TRANSFER,
     .begin = file_begin,
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
    still_calls = still_until = 0;
    return rig_config(&rig);
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

static void test_held_costs_no_buffer(void **state)
{
    (void)state;
    raw_open(&raw, &rig);
    raw_say(&raw, "GET /hold" H);
    rig_until(&rig, "b");
    loop_turn(rig.loop, 0);
    assert_int_equal(rig.server->buffers.free, rig.server->config.buffers);
    assert_true(sizeof(struct conn) + sizeof(struct slots_address) < 400);
    say(rig.held[0], "now");
    assert_string_equal(rig.trace, "b"); /* gone is not called from within */
    raw_answer(&raw, &answer, false);
    assert_string_equal(answer.body, "now");
    assert_string_equal(rig.trace, "bg");
    raw_ask(&raw, "GET /hello" H, &answer);
    assert_int_equal(rig.server->buffers.free, rig.server->config.buffers);
    raw_close(&raw);
}

/* More answers in one turn than there are buffers. */
static void test_many_held_answered_in_one_turn(void **state)
{
    (void)state;
    enum { COUNT = 12 };
    static struct raw raws[COUNT];
    struct exchange *held[COUNT];
    rig.server->buffers.free = 2;
    rig.server->spare = 0;
    for (int i = 0; i < COUNT; i++) {
        raw_open(&raws[i], &rig);
        raw_say(&raws[i], "GET /hold" H);
        while (rig.held_count <= i)
            loop_turn(rig.loop, 1);
        held[i] = rig.held[i % 8];
    }
    for (int i = 0; i < COUNT; i++)
        say(held[i], "at once");
    for (int i = 0; i < COUNT; i++) {
        raw_answer(&raws[i], &answer, false);
        assert_string_equal(answer.body, "at once");
        raw_close(&raws[i]);
    }
    assert_int_equal(server_stats(rig.server)->cut, 0);
}

static void test_next_is_told_once(void **state)
{
    (void)state;
    for (int apart = 0; apart < 2; apart++) {
        rig.trace_len = 0;
        raw_open(&raw, &rig);
        raw_say(&raw, apart ? "GET /hold" H : "GET /hold" H "GET /hello" H);
        if (apart) {
            rig_until(&rig, "b");
            raw_say(&raw, "GET /he");
            rig_until(&rig, "bn");
            raw_say(&raw, "llo" H);
        }
        rig_until(&rig, "bn");
        say(rig.held[(rig.held_count - 1) % 8], "first");
        raw_answer(&raw, &answer, false);
        assert_string_equal(answer.body, "first");
        raw_answer(&raw, &answer, false);
        assert_string_equal(answer.body, "hello");
        assert_string_equal(rig.trace, "bng");
        raw_close(&raw);
    }
}

static void test_close_is_noticed(void **state)
{
    (void)state;
    raw_open(&raw, &rig);
    raw_say(&raw, "GET /hold" H);
    rig_until(&rig, "b");
    raw_close(&raw);
    rig_until(&rig, "bA");
    rig_until_connections(&rig, 0);
}

/* printf … | nc -N: the client has closed its side, and is answered; all that it asked for. */
static void test_half_closed(void **state)
{
    (void)state;
    raw_open(&raw, &rig);
    raw_say(&raw, "GET /search" H "GET /hello" H "GET /stream/3" H);
    plat_shutdown_write(raw.fd);
    rig_until(&rig, "b");
    loop_turn(rig.loop, 0);
    loop_turn(rig.loop, 0);
    say(rig.held[0], "found");
    static const char *const bodies[] = {"found", "hello", "00000003\n00000002\n00000001\n"};
    for (int i = 0; i < 3; i++) {
        raw_answer(&raw, &answer, false);
        assert_string_equal(answer.body, bodies[i]);
    }
    raw_until_closed(&raw);
    raw_close(&raw);
}

static void test_half_closed_ends(void **state)
{
    (void)state;
    rig_close(&rig);
    struct server_config config = config_new();
    config.half_ms = 30;
    start(&config);
    raw_open(&raw, &rig);
    raw_say(&raw, "GET /search" H);
    rig_until(&rig, "b");
    plat_shutdown_write(raw.fd);
    rig_until(&rig, "bA");
    raw_close(&raw);
}

/* Reads all of an endless answer of lines and checks their order. */
static void read_lines(struct raw *from, unsigned lines, int per_turn)
{
    struct http_parser parser;
    char line[16];
    size_t at = 0, used, len = 0;
    unsigned next = lines;
    int64_t end_ms = plat_now_ms() + RIG_WAIT_MS;
    http_parser_init(&parser, true);
    for (enum http_event event = HTTP_NEED_MORE; event != HTTP_END;) {
        struct str rest = {from->bytes + at, from->len - at};
        event = http_parse(&parser, rest, &used);
        at += used;
        assert_int_not_equal(event, HTTP_ERROR);
        for (size_t i = 0; event == HTTP_BODY && i < parser.span.len; i++) {
            line[len++] = parser.span.ptr[i];
            if (parser.span.ptr[i] != '\n')
                continue;
            assert_int_equal(len, 9);
            assert_int_equal(strtoul(line, NULL, 10), next--);
            len = 0;
        }
        if (event != HTTP_NEED_MORE)
            continue;
        memmove(from->bytes, from->bytes + at, from->len - at);
        from->len -= at;
        at = 0;
        loop_turn(rig.loop, 1);
        int64_t got = plat_recv(from->fd, from->bytes + from->len, (size_t)per_turn);
        assert_true(got != 0 && plat_now_ms() < end_ms);
        from->len += got > 0 ? (size_t)got : 0;
    }
    assert_int_equal(next, 0);
    from->len -= at;
    memmove(from->bytes, from->bytes + at, from->len);
}

static void test_stream(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        unsigned lines;
        int per_turn;
    } rows[] = {
        {"GET /stream/1" H, 1, 1000},
        {"GET /stream/100000" H, 100000, 100000},
        {"GET /stream/20000" H, 20000, 1777}, /* a slow reader */
        {"GET /sized/500" H, 500, 1000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rig.trace_len = 0;
        raw_open(&raw, &rig);
        raw_say(&raw, rows[i].request);
        read_lines(&raw, rows[i].lines, rows[i].per_turn);
        rig_until(&rig, "g");
        raw_ask(&raw, "GET /hello" H, &answer);
        assert_string_equal(answer.body, "hello");
        raw_close(&raw);
    }
}

static void test_stream_wrong_length(void **state)
{
    (void)state;
    static const char *const requests[] = {"GET /sized/499" H, "GET /sized/501" H};
    for (int i = 0; i < 2; i++) {
        rig.trace_len = 0;
        raw_open(&raw, &rig);
        raw_say(&raw, requests[i]);
        rig_until(&rig, "A");
        raw_until_closed(&raw);
        assert_true(raw.len < 4600);
        raw_close(&raw);
    }
}

static void test_stream_of_old_clients_and_head(void **state)
{
    (void)state;
    raw_open(&raw, &rig);
    raw_say(&raw, "GET /stream/2 HTTP/1.0\r\n\r\n");
    raw_until_closed(&raw);
    raw_answer(&raw, &answer, false);
    assert_string_equal(answer.body, "00000002\n00000001\n");
    assert_null(strstr(answer.head, "chunked"));
    raw_close(&raw);
    raw_open(&raw, &rig);
    raw_ask(&raw, "HEAD /stream/2" H, &answer);
    assert_header(&answer, "Transfer-Encoding: chunked");
    raw_ask(&raw, "HEAD /file/0" H, &answer);
    assert_header(&answer, "Content-Length: 11999000");
    raw_ask(&raw, "GET /hello" H, &answer);
    assert_string_equal(answer.body, "hello");
    raw_close(&raw);
}

static void test_stream_waits_and_is_woken(void **state)
{
    (void)state;
    raw_open(&raw, &rig);
    raw_say(&raw, "GET /stream/0" H);
    for (unsigned round = 1; round <= 3; round++) {
        size_t before = raw.len;
        while (!rig.held[0])
            raw_turn(&raw);
        loop_turn(rig.loop, 0);
        assert_int_equal(rig.server->buffers.free, rig.server->config.buffers);
        rig.held[0]->user_number = round;
        exchange_wake(rig.held[0]);
        while (raw.len < before + 9 * round)
            raw_turn(&raw);
    }
    exchange_end(rig.held[0]);
    rig_until(&rig, "g");
    raw_answer(&raw, &answer, false);
    assert_int_equal(answer.body_len, 9 * 6);
    raw_close(&raw);
}

static void test_file(void **state)
{
    (void)state;
    raw_open(&raw, &rig);
    raw_say(&raw, "GET /file/700" H);
    size_t head = 0, got = 0;
    int64_t end_ms = plat_now_ms() + RIG_WAIT_MS;
    while (got < FILE_SIZE - 1000) {
        raw_turn(&raw);
        if (head == 0 && raw.len > 300) {
            const char *end = strstr(raw.bytes, "\r\n\r\n");
            assert_non_null(end);
            head = (size_t)(end + 4 - raw.bytes);
            raw.len -= head;
            memmove(raw.bytes, raw.bytes + head, raw.len);
        }
        if (head > 0) {
            assert_memory_equal(raw.bytes, file_bytes + 700 + got, raw.len);
            got += raw.len;
            raw.len = 0;
        }
        assert_true(plat_now_ms() < end_ms);
    }
    rig_until(&rig, "g");
    assert_true(still_calls >= 13); /* parts of a MiB, and after the last */
    raw_ask(&raw, "GET /hello" H, &answer);
    assert_string_equal(answer.body, "hello");
    raw_close(&raw);
}

/* The file changes while it is sent: the client sees a short body, never a wrong whole one. */
static void test_file_that_changes(void **state)
{
    (void)state;
    static const char *const requests[] = {"GET /file/0" H, "GET /file/0" H, "GET /file/2000" H};
    for (int i = 0; i < 3; i++) {
        rig.trace_len = 0;
        still_calls = 0;
        still_until = i == 0 ? 1 : i == 1 ? 3 : 0; /* the third: it is too short */
        raw_open(&raw, &rig);
        raw_say(&raw, requests[i]);
        size_t got = 0;
        int64_t end_ms = plat_now_ms() + RIG_WAIT_MS;
        while (!raw.closed) {
            raw_turn(&raw);
            got += raw.len;
            raw.len = 0;
            assert_true(plat_now_ms() < end_ms);
        }
        assert_true(got < FILE_SIZE - 1000);
        assert_string_equal(rig.trace, "A");
        raw_close(&raw);
    }
    still_until = 0;
}

static size_t granted;

static size_t pace(void *context, size_t wanted, int *out_wait_ms)
{
    int *calls = context;
    *out_wait_ms = 1;
    if (++*calls % 2 == 0)
        return 0;
    size_t grant = wanted < 200000 ? wanted : 200000;
    granted += grant;
    return grant;
}

static void test_pace(void **state)
{
    (void)state;
    int calls = 0;
    granted = 0;
    rig_close(&rig);
    struct server_config config = config_new();
    config.pace = pace;
    config.context = &calls;
    start(&config);
    raw_open(&raw, &rig);
    raw_say(&raw, "GET /file/0" H);
    size_t got = 0;
    while (strcmp(rig.trace, "g") != 0 || got < FILE_SIZE - 1000) {
        raw_turn(&raw);
        got += raw.len;
        raw.len = 0;
    }
    assert_int_equal(granted, FILE_SIZE - 1000); /* each byte was granted once */
    assert_true(calls >= 2 * 60 - 1);
    raw_close(&raw);
}

static void test_slow_reader_is_cut(void **state)
{
    (void)state;
    static const char *const requests[] = {"GET /stream/90000000" H, "GET /file/0" H};
    for (int i = 0; i < 2; i++) {
        rig_close(&rig);
        struct server_config config = config_new();
        config.stall_ms = 50;
        start(&config);
        raw_open(&raw, &rig);
        plat_set_buffers(raw.fd, 0, 4096);
        assert_int_equal(plat_send(raw.fd, requests[i], strlen(requests[i])),
                         (int)strlen(requests[i]));
        rig_until(&rig, "A"); /* it reads nothing at all */
        assert_int_equal(server_stats(rig.server)->cut, 1);
        raw_close(&raw);
    }
}

static int group_setup(void **state)
{
    (void)state;
    int folder = plat_open_folder("/tmp");
    file = plat_open_unnamed(folder);
    plat_close(folder);
    file_bytes = malloc(FILE_SIZE);
    if (!file_bytes || file < 0)
        return -1;
    for (size_t i = 0; i < FILE_SIZE; i++)
        file_bytes[i] = (char)(i * 7 + i / 251);
    return plat_pwrite(file, file_bytes, FILE_SIZE, 0);
}

static int group_teardown(void **state)
{
    (void)state;
    free(file_bytes);
    plat_close(file);
    return 0;
}

int main(void)
{
#define HELD_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        HELD_TEST(test_held_costs_no_buffer),
        HELD_TEST(test_many_held_answered_in_one_turn),
        HELD_TEST(test_next_is_told_once),
        HELD_TEST(test_close_is_noticed),
        HELD_TEST(test_half_closed),
        HELD_TEST(test_half_closed_ends),
        HELD_TEST(test_stream),
        HELD_TEST(test_stream_wrong_length),
        HELD_TEST(test_stream_of_old_clients_and_head),
        HELD_TEST(test_stream_waits_and_is_woken),
        HELD_TEST(test_file),
        HELD_TEST(test_file_that_changes),
        HELD_TEST(test_pace),
        HELD_TEST(test_slow_reader_is_cut),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
