/* SPDX-License-Identifier: MIT */
/* Raw bytes into a server: the first byte says how large the parts are in which they arrive, and
 * whether the client closes its side. Routes that answer at once, hold, stream, read lines and send
 * a file. After each input no connection, buffer or exchange may be left over. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "platform/plat_file.h"
#include "run/door.h"
#include "run/server.h"
#include "run/slots.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct arena arena;
static struct loop *loop;
static struct server *server;
static int file;
static int open_exchanges;

static void check(bool good)
{
    if (!good)
        abort();
}

static void say(struct exchange *exchange, struct str text)
{
    exchange_begin(exchange, 200, "text/plain");
    buf_put(exchange_body(exchange), text);
    exchange_end(exchange);
}

static void tail_begin(struct exchange *exchange, void *role)
{
    (void)role;
    open_exchanges++;
    check(exchange->tail.len <= P2P_PATH_MAX);
    say(exchange, exchange->tail);
}

static void hold_begin(struct exchange *exchange, void *role)
{
    (void)exchange;
    (void)role;
    open_exchanges++;
}

static void hold_next(struct exchange *exchange, void *role)
{
    (void)role;
    say(exchange, STR("next"));
}

static void count_line(struct exchange *exchange, void *role, struct str line)
{
    (void)role;
    check(line.len > 0 && line.len <= P2P_LINE_MAX);
    if (line.ptr[0] == '!')
        exchange_error(exchange, 409, "refused", "");
    if (line.ptr[0] == '?')
        exchange_cut(exchange);
}

static void count_end(struct exchange *exchange, void *role)
{
    (void)role;
    say(exchange, STR("end"));
}

static void produce(struct exchange *exchange, void *role, struct buf *room)
{
    (void)role;
    buf_put_text(room, "0123456789abcdef\n");
    if (++exchange->user_number == 100)
        exchange_end(exchange);
}

static void stream_begin(struct exchange *exchange, void *role)
{
    (void)role;
    open_exchanges++;
    exchange->user_number = 0;
    exchange_begin(exchange, 200, "text/plain");
    exchange_stream(exchange, exchange->head->query.len > 0 ? 1700 : -1, produce);
}

static void file_begin(struct exchange *exchange, void *role)
{
    (void)role;
    int64_t first = 0, length = 4096;
    open_exchanges++;
    if (http_parse_range(exchange->head->header[HTTP_HEADER_RANGE], 4096, &first, &length) < 0) {
        exchange_error(exchange, 416, "range", "");
        return;
    }
    exchange_begin(exchange, 206, NULL);
    exchange_file(exchange, file, first, length, NULL);
}

static void gone(struct exchange *exchange, void *role, bool aborted)
{
    (void)exchange;
    (void)role;
    (void)aborted;
    open_exchanges--;
}

static const struct route routes[] = {
    {.methods = SERVER_GET,
     .path = "/t/",
     .class = SERVER_CLIENT,
     .begin = tail_begin,
     .gone = gone},
    {.methods = SERVER_GET,
     .path = "/hold",
     .class = SERVER_MEMBERSHIP,
     .begin = hold_begin,
     .next = hold_next,
     .gone = gone},
    {.methods = SERVER_GET,
     .path = "/stream",
     .class = SERVER_CLIENT,
     .begin = stream_begin,
     .gone = gone},
    {.methods = SERVER_GET,
     .path = "/f",
     .class = SERVER_TRANSFER,
     .begin = file_begin,
     .gone = gone},
    {.methods = SERVER_POST,
     .body = SERVER_NDJSON | SERVER_JSON,
     .path = "/p",
     .class = SERVER_MEMBERSHIP,
     .begin = hold_begin,
     .line = count_line,
     .end = count_end,
     .gone = gone},
    {.path = NULL},
};

static void start(void)
{
    static char bytes[4096];
    struct server_config config = {.listener = -1, .connections = 4, .buffers = 8};
    config.hosts = STR("a,b");
    check(arena_init(&arena, 4 << 20) == 0);
    check(loop_init(&loop, &arena, 8, 4) == 0);
    check(server_init(&server, loop, &arena, &config) == 0);
    check(server_add_routes(server, routes, NULL) == 0);
    int folder = plat_open_folder("/tmp");
    file = plat_open_unnamed(folder);
    check(file >= 0 && plat_pwrite(file, bytes, sizeof bytes, 0) == 0);
    plat_close(folder);
}

/* Turns the server and throws away what it says. */
static void turn(int fd)
{
    static char bytes[65536];
    loop_turn(loop, 0);
    while (fd >= 0 && recv(fd, bytes, sizeof bytes, 0) > 0)
        ;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct plat_addr peer = {.family = 4, .ip = {10, 0, 0, 1}};
    static const size_t parts[] = {1, 3, 64, 1000, 4096, 16384, 65536, 7};
    int pair[2];
    if (!server)
        start();
    if (size < 1 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0)
        return 0;
    door_take(server, pair[0], &peer);
    size_t part = parts[data[0] & 7];
    for (size_t at = 1; at < size; at += part) {
        size_t len = size - at < part ? size - at : part;
        if (send(pair[1], data + at, len, MSG_NOSIGNAL) < 0)
            break;
        turn(pair[1]);
    }
    if ((data[0] & 8) != 0)
        shutdown(pair[1], SHUT_WR);
    for (int i = 0; i < 4; i++)
        turn(pair[1]);
    close(pair[1]);
    for (int i = 0; i < 8 && server_stats(server)->connections > 0; i++)
        turn(-1);
    check(server_stats(server)->connections == 0 && open_exchanges == 0);
    check(server->buffers.free == 8 && server->conns.used == 0 && server->addresses.used == 0);
    return 0;
}
