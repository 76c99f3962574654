/* SPDX-License-Identifier: MIT */
/* An index on a real loop and server, raw clients, and stand-ins for nodes that the index can
 * connect back to. For test_index*.c. */
#ifndef RIG_INDEX_H
#define RIG_INDEX_H

#include "rig_server.h"

#include "base/addr.h"
#include "base/log.h"
#include "index/index.h"
#include "index/probe.h"

enum { INDEX_LEASE_MS = 1500 };

struct world {
    struct rig rig; /* the index's server, for raw clients */
    struct index_role *role;
    struct client_pool *pool;
    struct server *nodes[8]; /* stand-ins */
    int node_count;
    uint32_t stats_asked; /* of stand-ins */
};

/* A node that announces itself through a raw client. */
struct node {
    struct raw raw;
    char token[2 * P2P_TOKEN_SIZE + 1], id[2 * P2P_ID_SIZE + 1];
    uint16_t port;
    struct raw_answer answer;
};

static inline void world_ticket_gone(void *context, void *ticket)
{
    struct world *world = context;
    index_ticket_gone(world->role, ticket);
}

struct world_limits {
    size_t bytes;
    uint32_t offers_per_node;
    int64_t lease_ms;
};

static inline void world_open(struct world *world, const struct world_limits *limits)
{
    memset(world, 0, sizeof(*world));
    log_set_level(LOG_ERROR);
    struct rig *rig = &world->rig;
    struct server_config server = rig_config(rig);
    server.connections = 256;
    server.buffers = 64;
    server.context = world;
    server.ticket_gone = world_ticket_gone;
    assert_int_equal(arena_init(&rig->arena, (size_t)48 << 20), 0);
    assert_int_equal(loop_init(&rig->loop, &rig->arena, 512, 32), 0);
    assert_int_equal(server_init(&rig->server, rig->loop, &rig->arena, &server), 0);
    assert_int_equal(client_pool_init(&world->pool, rig->loop, &rig->arena, PROBE_MAX, 8), 0);
    struct index_config config = {
        .loop = rig->loop,
        .pool = world->pool,
        .name = STR("hub"),
        .role = RECORD_ROLE_INDEX,
        .bytes = limits->bytes,
        .budget_bytes = (size_t)64 << 20,
        .connections = 256,
        .lease_ms = limits->lease_ms,
        .nodes_per_address = 64,
        .offers_per_node = limits->offers_per_node,
        .server = rig->server,
    };
    memset(config.id.bytes, 0xab, sizeof(config.id.bytes));
    assert_int_equal(index_init(&world->role, &rig->arena, &config), 0);
    assert_int_equal(server_add_routes(rig->server, index_routes, world->role), 0);
}

static inline void world_close(struct world *world)
{
    index_stop(world->role);
    for (int i = 0; i < world->node_count; i++)
        server_close(world->nodes[i]);
    server_close(world->rig.server);
    index_close(world->role);
    loop_close(world->rig.loop);
    arena_free(&world->rig.arena);
}

static inline int world_setup_lease(void **state, int64_t lease_ms)
{
    struct world *world = test_malloc(sizeof(*world));
    world_open(world, &(struct world_limits){(size_t)16 << 20, 0, lease_ms});
    *state = world;
    return 0;
}

static inline int world_setup(void **state)
{
    return world_setup_lease(state, INDEX_LEASE_MS);
}

/* Nobody is lost by silence. */
static inline int world_setup_patient(void **state)
{
    return world_setup_lease(state, 600000);
}

static inline int world_teardown(void **state)
{
    world_close(*state);
    test_free(*state);
    return 0;
}

/* ---- stand-ins ---- */

static inline void node_stats(struct exchange *exchange, void *role)
{
    struct world *world = role;
    world->stats_asked++;
    exchange_begin(exchange, 200, "application/json");
    buf_put(exchange_body(exchange), STR("{}"));
    exchange_end(exchange);
}

/* Somebody with this id listens there from now on (port 0: anywhere). Returns the port. */
static inline uint16_t world_listen(struct world *world, const char *ip, uint16_t port,
                                    const char *id)
{
    static const struct route routes[] = {
        {.methods = SERVER_GET, .path = "/v1/stats", .class = SERVER_CLIENT, .begin = node_stats},
        {.path = NULL},
    };
    struct server_config config = {.connections = 8, .buffers = 8};
    struct plat_addr addr;
    assert_int_equal(addr_parse(text_from(ip), port, &addr), 0);
    addr.port = port;
    memcpy(config.node, id, sizeof(config.node));
    config.listener = plat_listen(&addr, 16);
    assert_true(config.listener >= 0);
    assert_int_equal(plat_local_addr(config.listener, &addr), 0);
    struct server **server = &world->nodes[world->node_count++];
    assert_int_equal(server_init(server, world->rig.loop, &world->rig.arena, &config), 0);
    assert_int_equal(server_add_routes(*server, routes, world), 0);
    return addr.port;
}

/* A port where nobody listens. */
static inline uint16_t world_dead_port(void)
{
    struct plat_addr addr = {.family = 4, .ip = {127, 0, 0, 1}};
    int listener = plat_listen(&addr, 1);
    assert_true(listener >= 0);
    assert_int_equal(plat_local_addr(listener, &addr), 0);
    plat_close(listener);
    return addr.port;
}

/* ---- nodes ---- */

/* letter makes the token; port 0: a stand-in listens for it. */
static inline void node_open(struct node *node, struct world *world, char letter, uint16_t port)
{
    uint8_t token[P2P_TOKEN_SIZE];
    struct record_id id;
    memset(token, letter, sizeof(token));
    record_id_of_token(token, &id);
    text_hex_encode(token, sizeof(token), node->token);
    text_hex_encode(id.bytes, sizeof(id.bytes), node->id);
    node->port = port ? port : world_listen(world, "127.0.0.1", 0, node->id);
    raw_open(&node->raw, &world->rig);
}

static inline void node_post_begin(struct node *node, const char *path, const char *body,
                                   size_t length)
{
    char head[512];
    const char *type = strcmp(path, "/v1/join") == 0 || strcmp(path, "/v1/update") == 0
                           ? "application/x-ndjson"
                           : "application/json";
    snprintf(
        head, sizeof(head),
        "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\n"
        "Content-Length: %zu\r\n\r\n",
        path, node->token, type, length);
    raw_say(&node->raw, head);
    raw_say(&node->raw, body);
}

static inline int node_post(struct node *node, const char *path, const char *body)
{
    node_post_begin(node, path, body, strlen(body));
    raw_answer(&node->raw, &node->answer, false);
    return node->answer.status;
}

/* Joins at (epoch, seq) with these offer lines. */
static inline int node_join(struct node *node, unsigned epoch, unsigned seq, const char *offers)
{
    static char body[RIG_BYTES];
    snprintf(body, sizeof(body),
             "{\"v\":1,\"epoch\":%u,\"seq\":%u,\"port\":%u,\"name\":\"n-%.2s\",\"role\":\"peer\","
             "\"addresses\":[]}\n%s",
             epoch, seq, (unsigned)node->port, node->token, offers);
    return node_post(node, "/v1/join", body);
}

static inline int node_alive_begin(struct node *node, unsigned epoch, unsigned seq)
{
    char body[128];
    snprintf(body, sizeof(body),
             "{\"epoch\":%u,\"seq\":%u,\"uploads\":1,\"rate\":1000,\"slots\":7}", epoch, seq);
    node_post_begin(node, "/v1/alive", body, strlen(body));
    return 0;
}

static inline void node_close(struct node *node)
{
    raw_close(&node->raw);
}

/* ---- askers ---- */

static inline int world_ask(struct world *world, const char *target, struct raw_answer *answer)
{
    static struct raw raw;
    char request[4096];
    raw_open(&raw, &world->rig);
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", target);
    raw_ask(&raw, request, answer);
    raw_close(&raw);
    return answer->status;
}

static inline bool answer_has(const struct raw_answer *answer, const char *text)
{
    return strstr(answer->body, text) != NULL;
}

static inline void assert_body(const struct raw_answer *answer, const char *text)
{
    if (!answer_has(answer, text))
        fail_msg("no %s in %d %s", text, answer->status, answer->body);
}

static inline int answer_lines(const struct raw_answer *answer)
{
    int lines = 0;
    for (size_t i = 0; i < answer->body_len; i++)
        lines += answer->body[i] == '\n';
    return lines;
}

/* Asks again and again until the answer has the text (or, with has false, does not). */
static inline void world_until(struct world *world, const char *target, const char *text, bool has)
{
    static struct raw_answer answer;
    int64_t end_ms = plat_now_ms() + RIG_WAIT_MS;
    do {
        world_ask(world, target, &answer);
        if (plat_now_ms() > end_ms)
            fail_msg("%s: still %s %s: %s", target, has ? "no" : "has", text, answer.body);
    } while (answer_has(&answer, text) != has);
}

#define SHA_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SHA_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define OFFER(path, sha)                                                                           \
    "{\"path\":\"" path "\",\"size\":70000,\"mtime\":1700000000,\"mode\":\"\",\"sha256\":" sha     \
    ",\"kind\":\"owned\"}\n"
#define OFFER_A(path) OFFER(path, "\"" SHA_A "\"")
#define OFFER_B(path) OFFER(path, "\"" SHA_B "\"")
#define OFFER_UNHASHED(path) OFFER(path, "null")

#endif
