/* SPDX-License-Identifier: MIT */
/* A server on a real loop in the test's own thread, and raw clients on loopback that the test
 * drives between its turns. Ports are the kernel's choice. For test_server*.c. */
#ifndef RIG_SERVER_H
#define RIG_SERVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "platform/plat.h"
#include "platform/plat_file.h"
#include "run/server.h"

enum { RIG_WAIT_MS = 40000, RIG_BYTES = 256 * 1024 };

struct rig {
    struct arena arena;
    struct loop *loop;
    struct server *server;
    struct plat_addr addr;
    struct exchange *held[8]; /* by handlers that hold */
    int held_count;
    char trace[256]; /* what handlers were told, one letter each */
    size_t trace_len;
};

/* A client; open until the test closes it. */
struct raw {
    struct rig *rig;
    int fd;
    bool closed; /* by the server */
    size_t len;
    char bytes[RIG_BYTES];
};

/* One answer, decoded. */
struct raw_answer {
    int status;
    size_t body_len, head_len;
    char head[4096], body[RIG_BYTES];
};

static inline void rig_note(struct rig *rig, char letter)
{
    assert_true(rig->trace_len + 1 < sizeof rig->trace);
    rig->trace[rig->trace_len++] = letter;
    rig->trace[rig->trace_len] = 0;
}

static inline struct server_config rig_config(struct rig *rig)
{
    struct plat_addr any = {.family = 4, .ip = {127, 0, 0, 1}};
    struct server_config config = {.connections = 16, .buffers = 16, .per_address = 4};
    config.hosts = STR("kitchen, kitchen.lan");
    memcpy(config.node, "0123456789abcdef0123456789abcdef", 32);
    config.listener = plat_listen(&any, 64);
    assert_true(config.listener >= 0);
    assert_int_equal(plat_local_addr(config.listener, &rig->addr), 0);
    return config;
}

static inline void rig_open(struct rig *rig, const struct server_config *config)
{
    assert_int_equal(arena_init(&rig->arena, (size_t)8 << 20), 0);
    assert_int_equal(loop_init(&rig->loop, &rig->arena, 64, 8), 0);
    assert_int_equal(server_init(&rig->server, rig->loop, &rig->arena, config), 0);
}

static inline void rig_close(struct rig *rig)
{
    server_close(rig->server);
    loop_close(rig->loop);
    arena_free(&rig->arena);
}

static inline void raw_open(struct raw *raw, struct rig *rig)
{
    raw->rig = rig;
    raw->closed = false;
    raw->len = 0;
    raw->fd = plat_connect(&rig->addr);
    assert_true(raw->fd >= 0);
}

static inline void raw_close(struct raw *raw)
{
    plat_close(raw->fd);
    raw->fd = -1;
}

/* One turn of the server, then what has come. */
static inline void raw_turn(struct raw *raw)
{
    loop_turn(raw->rig->loop, 1);
    while (raw->len < sizeof raw->bytes) {
        int64_t got = plat_recv(raw->fd, raw->bytes + raw->len, sizeof raw->bytes - raw->len);
        if (got == -P2P_EAGAIN)
            return;
        if (got <= 0) {
            raw->closed = true;
            return;
        }
        raw->len += (size_t)got;
    }
}

static inline void raw_send(struct raw *raw, const char *bytes, size_t len)
{
    int64_t end_ms = plat_now_ms() + RIG_WAIT_MS;
    while (len > 0 && !raw->closed) {
        int64_t sent = plat_send(raw->fd, bytes, len);
        if (sent > 0) {
            bytes += sent;
            len -= (size_t)sent;
        } else if (sent != -P2P_EAGAIN) {
            raw->closed = true; /* reset: what came before stays readable */
        }
        raw_turn(raw);
        assert_true(plat_now_ms() < end_ms);
    }
}

static inline void raw_say(struct raw *raw, const char *text)
{
    raw_send(raw, text, strlen(text));
}

/* Decodes an answer from the first bytes; 0 while it is incomplete. */
static inline size_t raw_decode(const struct raw *raw, struct raw_answer *out, bool head_only)
{
    struct http_parser parser;
    size_t at = 0, used;
    http_parser_init(&parser, true);
    if (head_only)
        http_parser_no_body(&parser);
    out->body_len = out->head_len = 0;
    for (;;) {
        struct str rest = {raw->bytes + at, raw->len - at};
        enum http_event event = http_parse(&parser, rest, &used);
        at += used;
        if (event == HTTP_HEAD) {
            out->status = parser.head.status;
            out->head_len = at < sizeof out->head ? at : sizeof out->head - 1;
            memcpy(out->head, raw->bytes, out->head_len);
            out->head[out->head_len] = 0;
        } else if (event == HTTP_BODY) {
            memcpy(out->body + out->body_len, parser.span.ptr, parser.span.len);
            out->body_len += parser.span.len;
        } else if (event == HTTP_END || (event == HTTP_NEED_MORE && raw->closed &&
                                         http_parse_close(&parser) == HTTP_END)) {
            out->body[out->body_len] = 0;
            return at;
        } else if (event == HTTP_NEED_MORE) {
            return 0;
        } else {
            fail_msg("the answer breaks HTTP: %s", parser.reason);
        }
    }
}

/* Waits for one answer and takes it off. */
static inline void raw_answer(struct raw *raw, struct raw_answer *out, bool head_only)
{
    int64_t end_ms = plat_now_ms() + RIG_WAIT_MS;
    size_t used;
    while ((used = raw_decode(raw, out, head_only)) == 0) {
        if (raw->closed || plat_now_ms() > end_ms)
            fail_msg("no answer; closed %d, bytes: %.*s", raw->closed, (int)raw->len, raw->bytes);
        raw_turn(raw);
    }
    memmove(raw->bytes, raw->bytes + used, raw->len - used);
    raw->len -= used;
}

static inline void raw_ask(struct raw *raw, const char *request, struct raw_answer *out)
{
    raw_say(raw, request);
    raw_answer(raw, out, strncmp(request, "HEAD ", 5) == 0);
}

/* Turns until the server has closed. */
static inline void raw_until_closed(struct raw *raw)
{
    int64_t end_ms = plat_now_ms() + RIG_WAIT_MS;
    while (!raw->closed) {
        assert_true(plat_now_ms() < end_ms);
        raw_turn(raw);
    }
}

/* Turns until the handlers were told this. */
static inline void rig_until(struct rig *rig, const char *trace)
{
    int64_t end_ms = plat_now_ms() + RIG_WAIT_MS;
    while (strcmp(rig->trace, trace) != 0 && plat_now_ms() < end_ms)
        loop_turn(rig->loop, 1);
    assert_string_equal(rig->trace, trace);
}

static inline void rig_until_connections(struct rig *rig, uint32_t count)
{
    int64_t end_ms = plat_now_ms() + RIG_WAIT_MS;
    while (server_stats(rig->server)->connections != count && plat_now_ms() < end_ms)
        loop_turn(rig->loop, 1);
    assert_int_equal(server_stats(rig->server)->connections, count);
}

static inline void assert_header(const struct raw_answer *answer, const char *line)
{
    char text[256];
    snprintf(text, sizeof text, "\r\n%s\r\n", line);
    if (!strstr(answer->head, text))
        fail_msg("no \"%s\" in: %s", line, answer->head);
}

#endif
