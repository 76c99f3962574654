/* SPDX-License-Identifier: MIT */
/* Membership on a real index: joins, updates, heartbeats and leaves as raw requests; drops, leases
 * and second users with stand-ins that can be connected back to. */
#include "rig_index.h"

static struct node a, b;
static struct raw_answer answer;

static void join_is_seen(void **state)
{
    struct world *world = *state;
    char line[128];
    node_open(&a, world, 'a', 0);
    assert_int_equal(node_join(&a, 1, 1, OFFER_A("x/a.bin") OFFER_UNHASHED("b.txt")), 200);
    snprintf(line, sizeof(line), "\"id\":\"%s\",\"lease_ms\":1500,\"feed\":\"", a.id);
    assert_body(&a.answer, line);
    snprintf(line, sizeof(line), "\"indexes\":[\"127.0.0.1:%u\"]", (unsigned)world->rig.addr.port);
    assert_body(&a.answer, line);
    assert_body(&a.answer, "\"accepted\":2,\"refused\":0,\"incomplete\":false}\n{\"end\":true}\n");

    snprintf(line, sizeof(line), "\"addresses\":[\"127.0.0.1:%u\"]", (unsigned)a.port);
    assert_int_equal(world_ask(world, "/v1/sources/" SHA_A, &answer), 200);
    assert_body(&answer, line);
    assert_body(&answer, "\"have\":100");
    assert_int_equal(answer_lines(&answer), 2);
    assert_int_equal(world_ask(world, "/v1/nodes", &answer), 200);
    assert_body(&answer, "\"epoch\":1,\"seq\":1");
    assert_body(&answer, "\"state\":\"active\",\"offers\":2");
    node_close(&a);
}

static void refused_requests(void **state)
{
    struct world *world = *state;
    static const struct {
        const char *name, *path, *body, *expected;
        int status;
    } rows[] = {
        {"empty join", "/v1/join", "", "the body is empty", 400},
        {"no JSON", "/v1/join", "hello\n", "error", 400},
        {"no epoch", "/v1/join",
         "{\"v\":1,\"seq\":1,\"port\":1,\"name\":\"n\",\"role\":\"peer\"}\n", "epoch", 400},
        {"port 0", "/v1/join",
         "{\"v\":1,\"epoch\":1,\"seq\":1,\"port\":0,\"name\":\"n\",\"role\":\"peer\",\"addresses\":"
         "[]}\n",
         "port", 400},
        {"bad node name", "/v1/join",
         "{\"v\":1,\"epoch\":1,\"seq\":1,\"port\":1,\"name\":\"a "
         "b\",\"role\":\"peer\",\"addresses\":[]}\n",
         "name", 400},
        {"bad path", "/v1/join",
         "{\"v\":1,\"epoch\":1,\"seq\":1,\"port\":1,\"name\":\"n\",\"role\":\"peer\",\"addresses\":"
         "[]}\n" OFFER_A("ok") OFFER_A("a/../b"),
         "line 3: path", 400},
        {"negative size", "/v1/join",
         "{\"v\":1,\"epoch\":1,\"seq\":1,\"port\":1,\"name\":\"n\",\"role\":\"peer\",\"addresses\":"
         "[]}\n"
         "{\"path\":\"a\",\"size\":-1,\"mtime\":1,\"mode\":\"\",\"sha256\":null,\"kind\":\"owned\"}"
         "\n",
         "line 2: size", 400},
        {"update of nobody", "/v1/update", "{\"epoch\":1,\"seq\":2}\n", "\"epoch\":0,\"seq\":0",
         409},
        {"update without seq", "/v1/update", "{\"epoch\":1}\n", "seq", 400},
        {"alive of nobody", "/v1/alive",
         "{\"epoch\":1,\"seq\":2,\"uploads\":0,\"rate\":0,\"slots\":1}", "not a member", 409},
        {"alive without a field", "/v1/alive", "{\"epoch\":1,\"seq\":2}", "uploads", 400},
        {"empty alive", "/v1/alive", "", "the body is empty", 400},
        {"leave of nobody", "/v1/leave", "{\"epoch\":1,\"seq\":2}", "not a member", 409},
        {"empty leave", "/v1/leave", "", "the body is empty", 400},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        node_open(&a, world, 'a', 9);
        int status = node_post(&a, rows[i].path, rows[i].body);
        if (status != rows[i].status || !answer_has(&a.answer, rows[i].expected))
            fail_msg("%s: %d %s", rows[i].name, status, a.answer.body);
        node_close(&a);
    }
    assert_int_equal(world_ask(world, "/v1/nodes", &answer), 200);
    assert_int_equal(answer_lines(&answer), 1);
}

static void tokens(void **state)
{
    struct world *world = *state;
    static const char *const headers[] = {
        "",
        "Authorization: Bearer\r\n",
        "Authorization: Bearer 12\r\n",
        "Authorization: Basic YTpi\r\n",
        "Authorization: Bearer " SHA_A "0\r\n",
        "Authorization: Bearer g" SHA_A "\r\n",
    };
    static const char *const paths[] = {"join", "update", "alive", "leave"};
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        for (size_t j = 0; j < 4; j++) {
            static struct raw raw;
            char request[512];
            snprintf(request, sizeof(request),
                     "POST /v1/%s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\n%s"
                     "Content-Length: 2\r\n\r\n{}",
                     paths[j], j < 2 ? "application/x-ndjson" : "application/json", headers[i]);
            raw_open(&raw, &world->rig);
            raw_ask(&raw, request, &answer);
            if (answer.status != 401)
                fail_msg("%s with %s: %d", paths[j], headers[i], answer.status);
            raw_close(&raw);
        }
    }
}

/* Offers of a body that broke off are not there, and those from before are all there. */
static void broken_join_changes_nothing(void **state)
{
    struct world *world = *state;
    static const char *const cut =
        "{\"v\":1,\"epoch\":1,\"seq\":2,\"port\":9,\"name\":\"n\",\"role\":\"peer\","
        "\"addresses\":[]}\n" OFFER_B("new.bin");
    node_open(&b, world, 'b', 9);
    node_post_begin(&b, "/v1/join", cut, strlen(cut) + 100);
    rig_until_connections(&world->rig, 1);
    node_close(&b);
    rig_until_connections(&world->rig, 0);
    assert_int_equal(world_ask(world, "/v1/nodes", &answer), 200);
    assert_int_equal(answer_lines(&answer), 1);

    node_open(&a, world, 'a', 0);
    assert_int_equal(node_join(&a, 1, 1, OFFER_A("old.bin")), 200);
    struct node again = {.port = a.port};
    memcpy(again.token, a.token, sizeof(a.token));
    raw_open(&again.raw, &world->rig);
    node_post_begin(&again, "/v1/join", cut, strlen(cut) + 100);
    rig_until_connections(&world->rig, 2);
    node_close(&again);
    rig_until_connections(&world->rig, 1);
    assert_int_equal(world_ask(world, "/v1/list", &answer), 200);
    assert_body(&answer, "old.bin");
    assert_false(answer_has(&answer, "new.bin"));
    /* And the node can go on from where it was. */
    assert_int_equal(node_post(&a, "/v1/update",
                               "{\"epoch\":1,\"seq\":2}\n{\"op\":\"del\",\"path\":\"old.bin\"}\n"),
                     200);
    node_close(&a);
}

static void updates_by_seq(void **state)
{
    struct world *world = *state;
    static const struct {
        const char *name, *body, *expected;
        int status;
    } rows[] = {
        {"repeated", "{\"epoch\":3,\"seq\":5}\n{\"op\":\"del\",\"path\":\"a.bin\"}\n",
         "\"ignored\":true", 200},
        {"older", "{\"epoch\":3,\"seq\":1}\n{\"op\":\"del\",\"path\":\"a.bin\"}\n",
         "\"ignored\":true", 200},
        {"gap", "{\"epoch\":3,\"seq\":7}\n{\"op\":\"del\",\"path\":\"a.bin\"}\n",
         "\"epoch\":3,\"seq\":5", 409},
        {"later epoch", "{\"epoch\":4,\"seq\":6}\n", "\"epoch\":3,\"seq\":5", 409},
        {"bad line", "{\"epoch\":3,\"seq\":6}\n{\"op\":\"jump\"}\n", "line 2: op", 400},
        {"next",
         "{\"epoch\":3,\"seq\":6}\n{\"op\":\"del\",\"path\":\"a.bin\"}\n{\"op\":\"put\",\"path\":"
         "\"c.bin\","
         "\"size\":1,\"mtime\":1,\"mode\":\"x\",\"sha256\":null,\"kind\":\"owned\"}\n",
         "\"epoch\":3,\"seq\":6,\"accepted\":2", 200},
        {"and next", "{\"epoch\":3,\"seq\":7}\n", "\"seq\":7,\"accepted\":0", 200},
    };
    node_open(&a, world, 'a', 0);
    assert_int_equal(node_join(&a, 3, 5, OFFER_A("a.bin") OFFER_B("b.bin")), 200);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int status = node_post(&a, "/v1/update", rows[i].body);
        if (status != rows[i].status || !answer_has(&a.answer, rows[i].expected))
            fail_msg("%s: %d %s", rows[i].name, status, a.answer.body);
        if (status == 400) { /* answered inside the body: the connection closes */
            node_close(&a);
            raw_open(&a.raw, &world->rig);
        }
    }
    assert_int_equal(world_ask(world, "/v1/list", &answer), 200);
    assert_false(answer_has(&answer, "a.bin"));
    assert_body(&answer, "b.bin");
    assert_body(&answer, "c.bin");
    node_close(&a);
}

static void older_joins_are_refused(void **state)
{
    struct world *world = *state;
    static const struct {
        unsigned epoch, seq;
        int status;
    } rows[] = {{4, 9, 409}, {5, 1, 409}, {5, 2, 200}, {5, 3, 200}, {6, 1, 200}, {5, 9, 409}};
    node_open(&a, world, 'a', 0);
    assert_int_equal(node_join(&a, 5, 2, OFFER_A("a.bin")), 200);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int status = node_join(&a, rows[i].epoch, rows[i].seq, OFFER_A("a.bin"));
        if (status != rows[i].status)
            fail_msg("(%u, %u): %d", rows[i].epoch, rows[i].seq, status);
        if (status == 409) {
            assert_body(&a.answer, "\"epoch\":");
            node_close(&a);
            raw_open(&a.raw, &world->rig);
        }
    }
    node_close(&a);
}

static bool is_answered(struct node *node)
{
    return raw_decode(&node->raw, &node->answer, false) != 0;
}

static void heartbeat_is_held(void **state)
{
    struct world *world = *state;
    node_open(&a, world, 'a', 0);
    assert_int_equal(node_join(&a, 1, 1, OFFER_A("a.bin")), 200);
    int64_t begin_ms = plat_now_ms();
    node_alive_begin(&a, 1, 1);
    raw_answer(&a.raw, &a.answer, false);
    assert_int_equal(a.answer.status, 200);
    assert_string_equal(a.answer.body, "{\"lease_ms\":1500,\"hints\":[]}\n");
    assert_true(plat_now_ms() - begin_ms >= INDEX_LEASE_MS / 3 - 1);
    assert_int_equal(world_ask(world, "/v1/sources/" SHA_A, &answer), 200);
    assert_body(&answer, "\"uploads\":1,\"rate\":1000,\"slots\":7");

    /* Another request behind it ends the wait. */
    node_alive_begin(&a, 1, 1);
    world_ask(world, "/v1/stats", &answer);
    assert_false(is_answered(&a));
    node_post_begin(&a, "/v1/update", "{\"epoch\":1,\"seq\":2}\n", 20);
    raw_answer(&a.raw, &a.answer, false);
    assert_body(&a.answer, "hints");
    raw_answer(&a.raw, &a.answer, false);
    assert_body(&a.answer, "\"seq\":2,\"accepted\":0");

    /* Behind what the index knows is fine, ahead of it is not. */
    node_alive_begin(&a, 1, 1);
    raw_answer(&a.raw, &a.answer, false);
    assert_int_equal(a.answer.status, 200);
    assert_int_equal(
        node_post(&a, "/v1/alive", "{\"epoch\":1,\"seq\":3,\"uploads\":0,\"rate\":0,\"slots\":1}"),
        409);
    assert_body(&a.answer, "\"epoch\":1,\"seq\":2");
    node_close(&a);
}

static void silent_node_is_lost_by_lease(void **state)
{
    struct world *world = *state;
    node_open(&a, world, 'a', 0);
    int64_t begin_ms = plat_now_ms();
    assert_int_equal(node_join(&a, 1, 1, OFFER_A("a.bin")), 200);
    /* Its connection stays open and its port answers: neither is a word of its own. */
    world_until(world, "/v1/sources/" SHA_A, "\"node\"", false);
    assert_true(plat_now_ms() - begin_ms >= INDEX_LEASE_MS);
    world_ask(world, "/v1/nodes", &answer);
    assert_body(&answer, "\"state\":\"left\"");
    assert_int_equal(node_post(&a, "/v1/update", "{\"epoch\":1,\"seq\":2}\n"), 409);
    assert_int_equal(node_join(&a, 1, 1, OFFER_A("a.bin")), 200);
    node_close(&a);
}

static void heartbeats_keep_a_node(void **state)
{
    struct world *world = *state;
    node_open(&a, world, 'a', 0);
    assert_int_equal(node_join(&a, 1, 1, OFFER_A("a.bin")), 200);
    int64_t end_ms = plat_now_ms() + 2 * INDEX_LEASE_MS;
    while (plat_now_ms() < end_ms) {
        node_alive_begin(&a, 1, 1);
        raw_answer(&a.raw, &a.answer, false);
        assert_int_equal(a.answer.status, 200);
    }
    world_ask(world, "/v1/sources/" SHA_A, &answer);
    assert_body(&answer, "\"node\"");
    node_close(&a);
}

static void killed_node_is_lost_at_once(void **state)
{
    static const bool with_heartbeat[] = {false, true};
    for (size_t i = 0; i < 2; i++) {
        struct world *world = *state;
        node_open(&a, world, (char)('a' + i), 0);
        assert_int_equal(node_join(&a, 1, 1, OFFER_A("a.bin")), 200);
        world_until(world, "/v1/nodes", "\"reachable\":true", true);
        if (with_heartbeat[i])
            node_alive_begin(&a, 1, 1);
        uint32_t before = world->stats_asked;
        server_stop(world->nodes[world->node_count - 1]);
        node_close(&a);
        world_until(world, "/v1/sources/" SHA_A, "\"node\"", false);
        assert_int_equal(world->stats_asked, before);
    }
}

/* The port answers with another id: the node is gone, somebody else took its port. */
static void replaced_node_is_lost_at_once(void **state)
{
    struct world *world = *state;
    node_open(&a, world, 'a', 0);
    assert_int_equal(node_join(&a, 1, 1, OFFER_A("a.bin")), 200);
    world_until(world, "/v1/nodes", "\"reachable\":true", true);
    server_stop(world->nodes[0]);
    world_listen(world, "127.0.0.1", a.port, "00000000000000000000000000000000");
    node_close(&a);
    world_until(world, "/v1/sources/" SHA_A, "\"node\"", false);
}

/* A process that is killed may close its connections before its port: connecting back then ends in
 * a reset, once. */
static void dying_node_is_lost_too(void **state)
{
    struct world *world = *state;
    struct plat_addr addr = {.family = 4, .ip = {127, 0, 0, 1}};
    int listener = plat_listen(&addr, 8);
    assert_true(listener >= 0);
    assert_int_equal(plat_local_addr(listener, &addr), 0);
    node_open(&a, world, 'a', addr.port);
    assert_int_equal(node_join(&a, 1, 1, OFFER_A("a.bin")), 200);
    node_close(&a);
    rig_until_connections(&world->rig, 0);
    for (int i = 0; i < 20; i++)
        loop_turn(world->rig.loop, 1);
    plat_close(listener);
    world_until(world, "/v1/sources/" SHA_A, "\"node\"", false);
}

static void blip_costs_nothing(void **state)
{
    struct world *world = *state;
    node_open(&a, world, 'a', 0);
    int64_t begin_ms = plat_now_ms();
    assert_int_equal(node_join(&a, 1, 1, OFFER_A("a.bin")), 200);
    world_until(world, "/v1/nodes", "\"reachable\":true", true);
    uint32_t before = world->stats_asked;
    node_close(&a);
    while (world->stats_asked == before)
        loop_turn(world->rig.loop, 1);
    world_ask(world, "/v1/sources/" SHA_A, &answer);
    assert_body(&answer, "\"reachable\":true");
    /* Until the lease: it did not say a word. */
    world_until(world, "/v1/sources/" SHA_A, "\"node\"", false);
    assert_true(plat_now_ms() - begin_ms >= INDEX_LEASE_MS);
}

static void leaving(void **state)
{
    struct world *world = *state;
    node_open(&a, world, 'a', 0);
    assert_int_equal(node_join(&a, 1, 1, OFFER_A("a.bin")), 200);
    node_alive_begin(&a, 1, 1);
    node_open(&b, world, 'a', a.port);
    assert_int_equal(node_post(&b, "/v1/leave", "{\"epoch\":1,\"seq\":2}"), 200);
    raw_answer(&a.raw, &a.answer, false); /* the held heartbeat ends */
    assert_int_equal(a.answer.status, 200);
    world_ask(world, "/v1/sources/" SHA_A, &answer);
    assert_false(answer_has(&answer, "\"node\""));
    assert_int_equal(node_post(&b, "/v1/leave", "{\"epoch\":1,\"seq\":2}"), 200);
    /* Nothing that was sent before the leave brings it back. */
    assert_int_equal(node_post(&a, "/v1/update", "{\"epoch\":1,\"seq\":3}\n"), 409);
    node_close(&a);
    raw_open(&a.raw, &world->rig);
    assert_int_equal(node_join(&a, 1, 1, OFFER_A("a.bin")), 409);
    node_close(&a);
    raw_open(&a.raw, &world->rig);
    assert_int_equal(node_join(&a, 1, 3, OFFER_A("a.bin")), 200);
    node_close(&a);
    node_close(&b);
}

/* A tombstone goes after two leases, and then nothing of the node is left. */
static void tombstones_end(void **state)
{
    struct world *world = *state;
    node_open(&a, world, 'a', 0);
    assert_int_equal(node_join(&a, 1, 1, OFFER_A("a.bin")), 200);
    int64_t begin_ms = plat_now_ms();
    assert_int_equal(node_post(&a, "/v1/leave", "{\"epoch\":1,\"seq\":2}"), 200);
    world_until(world, "/v1/nodes", "\"node\"", false);
    assert_true(plat_now_ms() - begin_ms >= 2 * INDEX_LEASE_MS);
    node_close(&a);
}

static void second_user_of_a_living_id(void **state)
{
    struct world *world = *state;
    node_open(&a, world, 'a', 0);
    assert_int_equal(node_join(&a, 1, 1, OFFER_A("a.bin")), 200);
    node_open(&b, world, 'a', world_dead_port());
    assert_int_equal(node_join(&b, 2, 1, OFFER_B("b.bin")), 409);
    assert_body(&b.answer, "id in use");
    node_close(&b);
    world_ask(world, "/v1/list", &answer);
    assert_body(&answer, "a.bin");
    assert_false(answer_has(&answer, "b.bin"));

    /* The first one does not answer any more: it is taken for dead. */
    server_stop(world->nodes[0]);
    raw_open(&b.raw, &world->rig);
    assert_int_equal(node_join(&b, 2, 1, OFFER_B("b.bin")), 200);
    world_ask(world, "/v1/list", &answer);
    assert_body(&answer, "b.bin");
    assert_false(answer_has(&answer, "a.bin"));
    node_close(&a);
    node_close(&b);
}

static void own_retry_is_no_second_user(void **state)
{
    struct world *world = *state;
    node_open(&a, world, 'a', 0);
    assert_int_equal(node_join(&a, 1, 1, OFFER_A("a.bin")), 200);
    world_until(world, "/v1/nodes", "\"reachable\":true", true);
    node_open(&b, world, 'a', a.port);
    assert_int_equal(node_join(&b, 2, 1, OFFER_B("b.bin")), 200);
    node_close(&a);
    node_close(&b);
}

/* The index closes a connection on which it refused a body half way. That it did so itself says
 * nothing of the node. */
static void refusal_is_no_drop(void **state)
{
    struct world *world = *state;
    static const struct {
        const char *path, *body;
    } rows[] = {
        {"/v1/join", "hello\n"},
        {"/v1/join", "{\"v\":1,\"epoch\":1,\"seq\":2,\"port\":9,\"name\":\"n\",\"role\":\"peer\","
                     "\"addresses\":[]}\nhello\n"},
        {"/v1/join", "{\"v\":1,\"epoch\":1,\"seq\":0,\"port\":9,\"name\":\"n\",\"role\":\"peer\","
                     "\"addresses\":[]}\n" OFFER_B("b")},
        {"/v1/update", "hello\n"},
        {"/v1/alive", "hello\n"},
        {"/v1/leave", "hello\n"},
    };
    node_open(&a, world, 'a', world_dead_port());
    assert_int_equal(node_join(&a, 1, 1, OFFER_A("a.bin")), 200);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        node_post_begin(&a, rows[i].path, rows[i].body, strlen(rows[i].body) + 10);
        raw_answer(&a.raw, &a.answer, false);
        assert_in_range(a.answer.status, 400, 409);
        raw_until_closed(&a.raw);
        node_close(&a);
        rig_until_connections(&world->rig, 0);
        world_ask(world, "/v1/sources/" SHA_A, &answer);
        if (!answer_has(&answer, "\"node\""))
            fail_msg("row %zu: the node is gone", i);
        raw_open(&a.raw, &world->rig);
        node_alive_begin(&a, 1, 1);
        node_post_begin(&a, "/v1/update", "{\"epoch\":1,\"seq\":1}\n", 20);
        raw_answer(&a.raw, &a.answer, false);
        assert_int_equal(a.answer.status, 200);
        raw_answer(&a.raw, &a.answer, false);
        assert_int_equal(a.answer.status, 200);
    }
    node_close(&a);
    world_until(world, "/v1/sources/" SHA_A, "\"node\"", false);
}

/* A join whose body never ends gives way to the node's next try. */
static void newer_join_takes_over(void **state)
{
    struct world *world = *state;
    static const char *const body =
        "{\"v\":1,\"epoch\":1,\"seq\":1,\"port\":9,\"name\":\"n\",\"role\":\"peer\","
        "\"addresses\":[]}\n" OFFER_A("half.bin");
    node_open(&b, world, 'a', 9);
    node_post_begin(&b, "/v1/join", body, strlen(body) + 50);
    world_ask(world, "/v1/stats", &answer);
    node_open(&a, world, 'a', 9);
    assert_int_equal(node_join(&a, 1, 2, OFFER_B("whole.bin")), 200);
    raw_answer(&b.raw, &b.answer, false);
    assert_int_equal(b.answer.status, 503);
    world_ask(world, "/v1/list", &answer);
    assert_body(&answer, "whole.bin");
    assert_false(answer_has(&answer, "half.bin"));
    node_close(&a);
    node_close(&b);
}

static void claims_are_checked(void **state)
{
    struct world *world = *state;
    char body[1024], good[64], bad[64], own[128];
    node_open(&a, world, 'a', 0);
    uint16_t port = world_listen(world, "127.0.0.2", 0, a.id);
    uint16_t other = world_listen(world, "127.0.0.3", 0, "00000000000000000000000000000000");
    snprintf(good, sizeof(good), "\"127.0.0.2:%u\"", (unsigned)port);
    snprintf(bad, sizeof(bad), "\"127.0.0.3:%u\"", (unsigned)other);
    snprintf(own, sizeof(own), "[\"127.0.0.1:%u\",%s]", (unsigned)a.port, good);
    snprintf(body, sizeof(body),
             "{\"v\":1,\"epoch\":1,\"seq\":1,\"port\":%u,\"name\":\"n\",\"role\":\"peer\","
             "\"addresses\":[%s,%s,\"127.0.0.1:%u\"]}\n" OFFER_A("a.bin"),
             (unsigned)a.port, bad, good, (unsigned)a.port);
    assert_int_equal(node_post(&a, "/v1/join", body), 200);
    world_until(world, "/v1/sources/" SHA_A, own, true);
    world_ask(world, "/v1/sources/" SHA_A, &answer);
    assert_false(answer_has(&answer, bad));
    node_close(&a);
}

static void out_of_reach_is_told(void **state)
{
    struct world *world = *state;
    node_open(&a, world, 'a', world_dead_port());
    assert_int_equal(node_join(&a, 1, 1, OFFER_A("a.bin")), 200);
    world_until(world, "/v1/sources/" SHA_A, "\"reachable\":false", true);
    node_close(&a);
    world_until(world, "/v1/sources/" SHA_A, "\"node\"", false);
}

static void copies_that_went_stale(void **state)
{
    struct world *world = *state;
    char copy[1024];
    static const char *const format = "{\"path\":\"%s\",\"size\":70000,\"mtime\":1700000000,"
                                      "\"mode\":\"\",\"sha256\":\"%s\",\"kind\":\"copy\","
                                      "\"origin\":\"%s\"}\n";
    node_open(&a, world, 'a', 0);
    assert_int_equal(
        node_join(&a, 1, 1, OFFER_A("same.bin") OFFER_B("changed.bin") OFFER_UNHASHED("new.bin")),
        200);
    size_t at = 0;
    static const char *const paths[] = {"same.bin", "changed.bin", "new.bin", "gone.bin"};
    for (size_t i = 0; i < 4; i++)
        at += (size_t)snprintf(copy + at, sizeof(copy) - at, format, paths[i], SHA_A, a.id);
    node_open(&b, world, 'b', 0);
    assert_int_equal(node_join(&b, 1, 1, copy), 200);
    assert_body(&b.answer, "}\n{\"stale\":\"changed.bin\"}\n{\"end\":true}\n");
    assert_int_equal(answer_lines(&b.answer), 3);
    node_close(&a);
    node_close(&b);
}

static void full_tables(void **state)
{
    (void)state;
    static struct world small;
    world_open(&small, &(struct world_limits){(size_t)3 << 20, 3, 60000});
    static const struct {
        const char *offers, *expected;
    } rows[] = {
        {OFFER_A("1") OFFER_A("2"), "\"accepted\":2,\"refused\":0,\"incomplete\":false"},
        {OFFER_A("1") OFFER_A("2") OFFER_A("3"),
         "\"accepted\":3,\"refused\":0,\"incomplete\":false"},
        {OFFER_A("1") OFFER_A("2") OFFER_A("3") OFFER_A("4"),
         "\"accepted\":3,\"refused\":1,\"incomplete\":true"},
    };
    node_open(&a, &small, 'a', 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(node_join(&a, 1, i + 1, rows[i].offers), 200);
        assert_body(&a.answer, rows[i].expected);
    }
    node_close(&a);
    world_close(&small);
}

/* The offers' table is full: 507 for a newcomer, and those who were first keep all. */
static void no_room_at_all(void **state)
{
    (void)state;
    static struct world small;
    static char offers[RIG_BYTES / 2];
    world_open(&small, &(struct world_limits){(size_t)1350 << 10, 0, 60000});
    uint32_t room = index_budget(small.role).offers;
    assert_in_range(room, 64, 1900);
    size_t at = 0;
    for (uint32_t i = 0; i < room + 10; i++)
        at += (size_t)snprintf(
            offers + at, sizeof(offers) - at,
            "{\"path\":\"f%u\",\"size\":1,\"mtime\":1,\"mode\":\"\",\"sha256\":null,"
            "\"kind\":\"owned\"}\n",
            i);
    node_open(&a, &small, 'a', 0);
    node_open(&b, &small, 'b', 0);
    assert_int_equal(node_join(&a, 1, 1, offers), 200);
    assert_body(&a.answer, "\"incomplete\":true");
    assert_int_equal(node_join(&b, 1, 1, OFFER_A("other.bin")), 507);
    world_ask(&small, "/v1/nodes", &answer);
    assert_int_equal(answer_lines(&answer), 2);
    /* Room comes back when the first leaves. */
    assert_int_equal(node_post(&a, "/v1/leave", "{\"epoch\":1,\"seq\":2}"), 200);
    while (node_join(&b, 1, 2, OFFER_A("other.bin")) == 507)
        loop_turn(small.rig.loop, 1);
    assert_int_equal(b.answer.status, 200);
    node_close(&a);
    node_close(&b);
    world_close(&small);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, world_setup_patient, world_teardown)
#define LEASE_ROW(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        LEASE_ROW(join_is_seen),
        ROW(refused_requests),
        ROW(tokens),
        ROW(broken_join_changes_nothing),
        ROW(updates_by_seq),
        ROW(older_joins_are_refused),
        LEASE_ROW(heartbeat_is_held),
        LEASE_ROW(silent_node_is_lost_by_lease),
        LEASE_ROW(heartbeats_keep_a_node),
        ROW(killed_node_is_lost_at_once),
        ROW(replaced_node_is_lost_at_once),
        ROW(dying_node_is_lost_too),
        LEASE_ROW(blip_costs_nothing),
        ROW(leaving),
        LEASE_ROW(tombstones_end),
        ROW(second_user_of_a_living_id),
        ROW(own_retry_is_no_second_user),
        ROW(refusal_is_no_drop),
        ROW(newer_join_takes_over),
        ROW(claims_are_checked),
        ROW(out_of_reach_is_told),
        ROW(copies_that_went_stale),
        cmocka_unit_test(full_tables),
        cmocka_unit_test(no_room_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
