/* SPDX-License-Identifier: MIT */
/* Sessions of three nodes over three connections with an index. Of each step's first byte come the
 * connection, the node and the route; what follows up to a NUL is the body of a POST, sent whole or
 * cut off, or the variable part of a GET's target. After each input nothing may be left over: no
 * announce, answer under way, membership or connection, and the catalog's invariants hold. The
 * index has no clients, so that nothing is connected back to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "catalog/check.h"
#include "index/member.h"
#include "run/door.h"
#include "run/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FUZZ_LINKS = 3, FUZZ_TURNS = 200 };

static struct arena arena;
static struct loop *loop;
static struct server *server;
static struct index_role *role;

static void check(bool good)
{
    if (!good)
        abort();
}

static void ticket_gone(void *context, void *ticket)
{
    (void)context;
    index_ticket_gone(role, ticket);
}

static void start(void)
{
    struct server_config config = {
        .listener = -1, .connections = 8, .buffers = 16, .ticket_gone = ticket_gone};
    struct index_config index = {.name = STR("hub"),
                                 .role = RECORD_ROLE_INDEX,
                                 .bytes = 3 << 20,
                                 .connections = 8,
                                 .lease_ms = 30000,
                                 .nodes_per_address = 64,
                                 .offers_per_node = 20};
    log_set_level(LOG_ERROR);
    check(arena_init(&arena, 8 << 20) == 0);
    check(loop_init(&loop, &arena, 16, 16) == 0);
    check(server_init(&server, loop, &arena, &config) == 0);
    check(client_pool_init(&index.pool, loop, &arena, 0, 2) == 0);
    index.loop = loop;
    index.server = server;
    check(index_init(&role, &arena, &index) == 0);
    check(server_add_routes(server, index_routes, role) == 0);
}

struct session {
    int fd[FUZZ_LINKS]; /* our ends; -1: closed */
};

static void turn(struct session *session)
{
    static char bytes[65536];
    loop_turn(loop, 0);
    for (int i = 0; i < FUZZ_LINKS; i++) {
        while (session->fd[i] >= 0 && recv(session->fd[i], bytes, sizeof bytes, 0) > 0)
            ;
    }
}

static void session_open(struct session *session, int link)
{
    static const struct plat_addr peer = {.family = 4, .ip = {127, 0, 0, 1}, .port = 4000};
    int pair[2];
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    door_take(server, pair[0], &peer);
    session->fd[link] = pair[1];
}

static void session_close(struct session *session, int link)
{
    if (session->fd[link] >= 0)
        close(session->fd[link]);
    session->fd[link] = -1;
}

static void session_send(struct session *session, int link, struct str bytes)
{
    while (bytes.len > 0) {
        size_t part = bytes.len < 16000 ? bytes.len : 16000;
        if (send(session->fd[link], bytes.ptr, part, MSG_NOSIGNAL) < 0)
            return; /* refused and closed, or not read any more */
        bytes = text_from_byte(bytes, part);
        turn(session);
    }
}

/* cut: the body is promised longer than it is. */
static void session_post(struct session *session, int link, const char *path, int node, bool cut,
                         struct str body)
{
    char head[512];
    bool lines = strcmp(path, "join") == 0 || strcmp(path, "update") == 0;
    snprintf(head, sizeof head,
             "POST /v1/%s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %064d\r\n"
             "Content-Type: application/%s\r\nContent-Length: %zu\r\n\r\n",
             path, node, lines ? "x-ndjson" : "json", body.len + cut);
    session_send(session, link, text_from(head));
    session_send(session, link, body);
}

/* A token as somebody might send it; what would end the header line is left out. */
static void session_token(struct session *session, int link, struct str token)
{
    char request[2048];
    struct buf buf = buf_on(request, sizeof request);
    buf_put_text(&buf, "POST /v1/leave HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: ");
    for (size_t i = 0; i < token.len && i < 1000; i++)
        buf_put_char(&buf, (uint8_t)token.ptr[i] < 32 ? ' ' : token.ptr[i]);
    buf_put_text(&buf, "\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
    session_send(session, link, buf_str(&buf));
}

static void session_get(struct session *session, int link, const char *before, struct str value)
{
    char request[4096];
    struct buf buf = buf_on(request, sizeof request);
    buf_put_text(&buf, "GET ");
    buf_put_text(&buf, before);
    buf_put_url_path(&buf, text_first(value, 1200));
    buf_put_text(&buf, " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    if (!buf.full)
        session_send(session, link, buf_str(&buf));
}

static void step(struct session *session, uint8_t what, struct str value)
{
    static const char *const posts[] = {"join", "update", "alive", "leave"};
    static const char *const gets[] = {
        "/v1/search?q=",   "/v1/search?sha256=", "/v1/sources/", "/v1/list?limit=2&prefix=",
        "/v1/list?after=", "/download/",         "/v1/nodes",    "/v1/stats"};
    int link = what % FUZZ_LINKS, node = what / 3 % 3, route = what / 9 % 14;
    if (session->fd[link] < 0)
        session_open(session, link);
    if (route < 4)
        session_post(session, link, posts[route], node, what >= 126, value);
    else if (route < 12)
        session_get(session, link, gets[route - 4], value);
    else if (route == 12)
        session_token(session, link, value);
    else
        session_close(session, link);
    turn(session);
}

static void forget_all(void)
{
    struct catalog_node *node;
    while (catalog_step(role->catalog, 1000))
        ;
    while ((node = catalog_next_node(role->catalog, 0)))
        member_forget(role, node);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct session session = {{-1, -1, -1}};
    if (!server)
        start();
    while (size > 0) {
        const uint8_t *end = memchr(data + 1, 0, size - 1);
        size_t len = end ? (size_t)(end - data) : size;
        step(&session, data[0], (struct str){(const char *)data + 1, len - 1});
        len += end != NULL;
        data += len;
        size -= len;
    }
    for (int i = 0; i < FUZZ_LINKS; i++)
        session_close(&session, i);
    for (int i = 0; i < FUZZ_TURNS && (server_stats(server)->connections || role->committing); i++)
        turn(&session);
    check(server_stats(server)->connections == 0 && !role->committing);
    check(role->announces.used == 0 && role->replies.used == 0 && role->links.used == 0);
    const char *fault = check_catalog(role->catalog);
    if (fault)
        fprintf(stderr, "catalog: %s\n", fault);
    check(!fault);
    forget_all();
    return 0;
}
