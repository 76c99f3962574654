/* SPDX-License-Identifier: MIT */
/* Sockets over IPv4, IPv6 and both, on ports that the kernel chooses; what refused, taken and
 * closed look like; sending files up to their end and past it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "platform/plat.h"
#include "platform/plat_file.h"
#include "platform/plat_net.h"
#include "platform/posix.h"

enum { PATIENCE_MS = 20000 };

static const struct plat_addr any4 = {.family = 4}, any6 = {.family = 6};
static const struct plat_addr home4 = {.family = 4, .ip = {127, 0, 0, 1}};
static const struct plat_addr home6 = {.family = 6, .ip = {[15] = 1}};

static bool has_ipv6(void)
{
    int fd = plat_listen(&home6, 1);
    plat_close(fd);
    return fd >= 0;
}

static bool ready(int fd, short events)
{
    struct pollfd ask = {.fd = fd, .events = events};
    return poll(&ask, 1, PATIENCE_MS) == 1;
}

/* Two ends of one connection through a listener. */
struct ends {
    int listener, client, server;
    struct plat_addr peer; /* as accept told it */
};

static struct ends ends_open(const struct plat_addr *listen_at, struct plat_addr connect_to)
{
    struct ends ends = {-1, -1, -1, {{0}, 0, 0, 0}};
    struct plat_addr local;
    ends.listener = plat_listen(listen_at, 16);
    assert_true(ends.listener >= 0);
    assert_int_equal(plat_accept(ends.listener, &ends.peer), -P2P_EAGAIN);
    assert_int_equal(plat_local_addr(ends.listener, &local), 0);
    assert_int_not_equal(local.port, 0);
    connect_to.port = local.port;
    ends.client = plat_connect(&connect_to);
    assert_true(ends.client >= 0);
    assert_true(ready(ends.client, POLLOUT));
    assert_int_equal(plat_connect_result(ends.client), 0);
    assert_true(ready(ends.listener, POLLIN));
    ends.server = plat_accept(ends.listener, &ends.peer);
    assert_true(ends.server >= 0);
    return ends;
}

static void ends_close(struct ends *ends)
{
    plat_close(ends->client);
    plat_close(ends->server);
    plat_close(ends->listener);
}

static void connections_of_each_family(void **state)
{
    (void)state;
    const struct {
        const char *name;
        const struct plat_addr *listen_at, *connect_to;
        uint8_t expected; /* the family that both ends see */
        bool needs_ipv6;
    } rows[] = {
        {"v4", &home4, &home4, 4, false},
        {"v4 to any v4", &any4, &home4, 4, false},
        {"v6", &home6, &home6, 6, true},
        {"v6 to any", &any6, &home6, 6, true},
        {"v4 to any: unmapped", &any6, &home4, 4, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].needs_ipv6 && !has_ipv6())
            continue;
        struct ends ends = ends_open(rows[i].listen_at, *rows[i].connect_to);
        struct plat_addr client, server, seen;
        assert_int_equal(plat_local_addr(ends.client, &client), 0);
        assert_int_equal(plat_peer_addr(ends.client, &server), 0);
        assert_int_equal(plat_local_addr(ends.server, &seen), 0);
        if (ends.peer.family != rows[i].expected)
            fail_msg("%s: family %d", rows[i].name, ends.peer.family);
        assert_memory_equal(ends.peer.ip, client.ip, 16);
        assert_int_equal(ends.peer.port, client.port);
        assert_memory_equal(seen.ip, server.ip, 16);
        assert_int_equal(seen.family, server.family);
        assert_int_equal(seen.port, server.port);
        assert_int_equal(plat_peer_addr(ends.server, &seen), 0);
        assert_memory_equal(seen.ip, ends.peer.ip, 16);
        assert_memory_equal(seen.ip, rows[i].connect_to->ip, 16);
        ends_close(&ends);
    }
}

static void sockets_are_as_promised(void **state)
{
    (void)state;
    struct ends ends = ends_open(&home4, home4);
    const int fds[] = {ends.listener, ends.client, ends.server};
    for (size_t i = 0; i < 3; i++) {
        int on = 0;
        socklen_t size = sizeof on;
        assert_true((fcntl(fds[i], F_GETFD) & FD_CLOEXEC) != 0);
        assert_true((fcntl(fds[i], F_GETFL) & O_NONBLOCK) != 0);
        assert_int_equal(getsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
        assert_true(on != 0);
    }
    ends_close(&ends);
}

static void listening_fails_with_a_reason(void **state)
{
    (void)state;
    struct plat_addr taken, none = {.family = 0}, foreign = {.family = 4, .ip = {203, 0, 113, 77}};
    int fd = plat_listen(&home4, 1);
    assert_int_equal(plat_local_addr(fd, &taken), 0);
    assert_int_equal(plat_listen(&taken, 1), -P2P_EINUSE);
    assert_string_equal(plat_reason(), strerror(EADDRINUSE));
    struct plat_addr both = any6;
    both.port = taken.port;
    assert_int_equal(plat_listen(&both, 1), -P2P_EINUSE); /* [::] takes IPv4 too */
    assert_int_equal(plat_listen(&none, 1), -P2P_EINVAL);
    assert_int_equal(plat_listen(&foreign, 1), -P2P_EUNREACH);
    plat_close(fd);
    fd = plat_listen(&taken, 1); /* SO_REUSEADDR */
    assert_true(fd >= 0);
    plat_close(fd);
}

static int connect_whole(const struct plat_addr *to)
{
    int fd = plat_connect(to);
    if (fd < 0)
        return fd;
    assert_true(ready(fd, POLLOUT));
    int result = plat_connect_result(fd);
    plat_close(fd);
    return result;
}

static void nobody_there_is_refused(void **state)
{
    (void)state;
    struct plat_addr to, none = {.family = 0};
    int fd = plat_listen(&home4, 1);
    assert_int_equal(plat_local_addr(fd, &to), 0);
    plat_close(fd);
    assert_int_equal(connect_whole(&to), -P2P_EREFUSED);
    assert_string_equal(plat_reason(), strerror(ECONNREFUSED));
    if (has_ipv6()) {
        fd = plat_listen(&home6, 1);
        assert_int_equal(plat_local_addr(fd, &to), 0);
        plat_close(fd);
        assert_int_equal(connect_whole(&to), -P2P_EREFUSED);
    }
    assert_int_equal(plat_connect(&none), -P2P_EINVAL);
}

/* Two sockets bound to one port could do the same by chance: a socket that connects to its own
 * address. */
static void a_socket_connected_to_itself_is_refused(void **state)
{
    (void)state;
    struct sockaddr_in self = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof self;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&self, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&self, &size), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&self, size), 0);
    assert_int_equal(plat_connect_result(fd), -P2P_EREFUSED);
    plat_close(fd);
}

static void bytes_arrive_and_ends_are_told(void **state)
{
    (void)state;
    struct ends ends = ends_open(&home4, home4);
    char got[32] = {0};
    assert_int_equal(plat_recv(ends.server, got, sizeof got), -P2P_EAGAIN);
    assert_int_equal(plat_send(ends.client, "abc", 3), 3);
    assert_int_equal(plat_send2(ends.client, STR("de"), STR("fgh")), 5);
    assert_int_equal(plat_send2(ends.client, (struct str){NULL, 0}, STR("i")), 1);
    assert_int_equal(plat_send2(ends.client, STR("j"), (struct str){NULL, 0}), 1);
    plat_shutdown_write(ends.client);
    for (size_t have = 0; have < 10;) {
        assert_true(ready(ends.server, POLLIN));
        int64_t part = plat_recv(ends.server, got + have, sizeof got - have);
        assert_true(part > 0);
        have += (size_t)part;
    }
    assert_string_equal(got, "abcdefghij");
    assert_true(ready(ends.server, POLLIN));
    assert_int_equal(plat_recv(ends.server, got, sizeof got), 0);
    assert_int_equal(plat_send(ends.server, "still", 5), 5); /* only one way is closed */
    assert_true(ready(ends.client, POLLIN));
    assert_int_equal(plat_recv(ends.client, got, sizeof got), 5);
    ends_close(&ends);
}

static void a_reset_is_closed_not_a_signal(void **state)
{
    (void)state;
    struct ends ends = ends_open(&home4, home4);
    struct linger now = {.l_onoff = 1};
    char byte;
    signal(SIGPIPE, SIG_DFL);
    assert_int_equal(setsockopt(ends.server, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    plat_close(ends.server);
    ends.server = -1;
    assert_true(ready(ends.client, POLLIN));
    assert_int_equal(plat_recv(ends.client, &byte, 1), -P2P_ECLOSED);
    assert_int_equal(plat_send(ends.client, "x", 1), -P2P_ECLOSED);
    assert_int_equal(plat_send2(ends.client, STR("x"), STR("y")), -P2P_ECLOSED);
    signal(SIGPIPE, SIG_IGN);
    ends_close(&ends);
}

static void a_full_socket_says_again(void **state)
{
    (void)state;
    struct ends ends = ends_open(&home4, home4);
    static char bytes[65536];
    int64_t put, total = 0;
    plat_set_buffers(ends.client, 16384, 0);
    plat_set_buffers(ends.server, 0, 16384);
    while ((put = plat_send(ends.client, bytes, sizeof bytes)) > 0)
        total += put;
    assert_int_equal(put, -P2P_EAGAIN);
    assert_true(total > 0 && total < 64 << 20);
    assert_int_equal(plat_send2(ends.client, STR("x"), STR("y")), -P2P_EAGAIN);
    ends_close(&ends);
}

static void accept_tells_when_descriptors_are_out(void **state)
{
    (void)state;
    struct plat_addr peer;
    struct rlimit before, less;
    struct ends ends = ends_open(&home4, home4);
    struct plat_addr to;
    assert_int_equal(plat_local_addr(ends.listener, &to), 0);
    int waiting = plat_connect(&to);
    assert_true(ready(ends.listener, POLLIN));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    less = before;
    less.rlim_cur = (rlim_t)waiting + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &less), 0);
    int got = plat_accept(ends.listener, &peer);
    int raised = plat_raise_descriptors(waiting + 64);
    assert_int_equal(got, -P2P_EMFILE);
    assert_int_equal(raised, waiting + 64);
    assert_int_equal(plat_raise_descriptors(10), waiting + 64); /* never lowered */
    got = plat_accept(ends.listener, &peer);                    /* it waited */
    assert_true(got >= 0);
    plat_close(got);
    plat_close(waiting);
    setrlimit(RLIMIT_NOFILE, &before);
    ends_close(&ends);
}

enum { FILE_SIZE = 100000 };

static int file_make(char *bytes)
{
    char name[] = "/tmp/p2p-net-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(unlink(name), 0);
    for (int i = 0; i < FILE_SIZE; i++)
        bytes[i] = (char)(i * 7 % 253);
    assert_int_equal(plat_pwrite(fd, bytes, FILE_SIZE, 0), 0);
    return fd;
}

typedef int64_t send_file(int fd, int file, int64_t offset, size_t size);

/* Sends from offset with one of the ways and compares what arrives with expected bytes. */
static void send_and_compare(send_file *way, const struct ends *ends, int file, int64_t offset,
                             const char *bytes)
{
    static char got[FILE_SIZE];
    int64_t sent = 0, have = 0, end = FILE_SIZE - offset;
    while (have < end) {
        if (sent < end) {
            int64_t put = way(ends->client, file, offset + sent, 30000);
            assert_true(put > 0 || put == -P2P_EAGAIN);
            sent += put > 0 ? put : 0;
        }
        int64_t part = plat_recv(ends->server, got + have, (size_t)(FILE_SIZE - have));
        assert_true(part > 0 || part == -P2P_EAGAIN);
        have += part > 0 ? part : 0;
    }
    assert_int_equal(have, end);
    assert_memory_equal(got, bytes + offset, (size_t)end);
}

static void files_are_sent_up_to_their_end(void **state)
{
    (void)state;
    send_file *const ways[] = {plat_send_file, posix_send_copied};
    static char bytes[FILE_SIZE];
    static const int64_t offsets[] = {0, 1, 16383, 16384, 16385, FILE_SIZE - 1};
    int file = file_make(bytes);
    for (size_t way = 0; way < 2; way++) {
        struct ends ends = ends_open(&home4, home4);
        plat_set_buffers(ends.client, 8192, 0); /* short sends */
        for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++)
            send_and_compare(ways[way], &ends, file, offsets[i], bytes);
        assert_int_equal(ways[way](ends.client, file, FILE_SIZE, 10), 0);
        assert_int_equal(ways[way](ends.client, file, FILE_SIZE + 1, 10), 0);
        assert_int_equal(ways[way](ends.client, file, (int64_t)1 << 40, 10), 0);
        assert_int_equal(ways[way](ends.client, file, 0, 0), 0);
        assert_int_equal(ways[way](ends.client, file, FILE_SIZE - 3, 10), 3);
        ends_close(&ends);
    }
    plat_close(file);
}

static void sending_a_file_tells_what_is_wrong(void **state)
{
    (void)state;
    send_file *const ways[] = {plat_send_file, posix_send_copied};
    static char bytes[FILE_SIZE];
    int file = file_make(bytes);
    signal(SIGPIPE, SIG_IGN);
    for (size_t way = 0; way < 2; way++) {
        struct ends ends = ends_open(&home4, home4);
        int64_t put;
        assert_true(ways[way](ends.client, -1, 0, 10) < 0);
        while ((put = ways[way](ends.client, file, 0, FILE_SIZE)) > 0)
            ;
        assert_int_equal(put, -P2P_EAGAIN);
        struct linger now = {.l_onoff = 1};
        setsockopt(ends.server, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        plat_close(ends.server);
        ends.server = -1;
        assert_true(ready(ends.client, POLLIN));
        while ((put = ways[way](ends.client, file, 0, FILE_SIZE)) > 0)
            ;
        assert_int_equal(put, -P2P_ECLOSED);
        ends_close(&ends);
    }
    plat_close(file);
}

static void names_are_resolved(void **state)
{
    (void)state;
    struct plat_addr out[4];
    assert_int_equal(plat_resolve("127.0.0.1", 7750, out, 4), 1);
    assert_int_equal(out[0].port, 7750);
    assert_memory_equal(out[0].ip, home4.ip, 16);
    assert_int_equal(out[0].family, 4);
    assert_int_equal(plat_resolve("::1", 1, out, 4), 1);
    assert_int_equal(out[0].family, 6);
    assert_memory_equal(out[0].ip, home6.ip, 16);
    assert_int_equal(plat_resolve("::ffff:192.0.2.1", 1, out, 4), 1);
    assert_int_equal(out[0].family, 4);
    assert_int_equal(out[0].ip[0], 192);
    int count = plat_resolve("localhost", 5, out, 4);
    assert_true(count >= 1);
    for (int i = 0; i < count; i++) {
        assert_memory_equal(out[i].ip, out[i].family == 4 ? home4.ip : home6.ip, 16);
        assert_true(i == 0 || out[i].family != out[i - 1].family);
    }
    assert_int_equal(plat_resolve("localhost", 5, out, 1), 1);
    assert_int_equal(plat_resolve("localhost", 5, out, 0), -P2P_ENOTFOUND);
    int got = plat_resolve("no such name", 5, out, 4);
    assert_true(got == -P2P_ENOTFOUND || got == -P2P_ETIMEOUT);
    assert_true(strlen(plat_reason()) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_of_each_family),
        cmocka_unit_test(sockets_are_as_promised),
        cmocka_unit_test(listening_fails_with_a_reason),
        cmocka_unit_test(nobody_there_is_refused),
        cmocka_unit_test(a_socket_connected_to_itself_is_refused),
        cmocka_unit_test(bytes_arrive_and_ends_are_told),
        cmocka_unit_test(a_reset_is_closed_not_a_signal),
        cmocka_unit_test(a_full_socket_says_again),
        cmocka_unit_test(accept_tells_when_descriptors_are_out),
        cmocka_unit_test(files_are_sent_up_to_their_end),
        cmocka_unit_test(sending_a_file_tells_what_is_wrong),
        cmocka_unit_test(names_are_resolved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
