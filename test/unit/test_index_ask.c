/* SPDX-License-Identifier: MIT */
/* What anybody may ask an index: search, sources, list, nodes, statistics, redirects; parameters at
 * their bounds; answers that fit one body and those that do not. */
#include "rig_index.h"

static struct node a, b;
static struct raw_answer answer;
static struct raw raw;

static void ask_with(struct world *world, const char *head)
{
    raw_open(&raw, &world->rig);
    raw_ask(&raw, head, &answer);
    raw_close(&raw);
}

static void parameters(void **state)
{
    struct world *world = *state;
    static const struct {
        const char *target, *expected;
        int status;
    } rows[] = {
        {"/v1/sources/" SHA_A, "{\"end\":true}\n", 200},
        {"/v1/sources/", "SHA-256", 400},
        {"/v1/sources/" SHA_A "0", "SHA-256", 400},
        {"/v1/sources/xyz", "SHA-256", 400},
        {"/v1/search", "nothing to search for", 400},
        {"/v1/search?q=", "{\"end\":true,\"asked\":0,\"answered\":0,\"truncated\":false}\n", 200},
        {"/v1/search?q=a&limit=1000", "end", 200},
        {"/v1/search?q=a&limit=4000000000", "end", 200},
        {"/v1/search?q=a&limit=0", "limit", 400},
        {"/v1/search?q=a&limit=-1", "limit", 400},
        {"/v1/search?q=a&limit=x", "limit", 400},
        {"/v1/search?q=a&ttl=16&wait_ms=1500&id=123e4567-e89b-12d3-a456-426614174000", "end", 200},
        {"/v1/search?q=a&ttl=99&wait_ms=99999", "end", 200},
        {"/v1/search?q=a&ttl=x", "ttl", 400},
        {"/v1/search?q=a&id=123", "UUID", 400},
        {"/v1/search?q=a&id=123e4567-e89b-12d3-a456-42661417400g", "UUID", 400},
        {"/v1/search?q=a&id=123e4567-e89b-12d3-a456-4266141740000", "UUID", 400},
        {"/v1/search?q=size%3E12x", "error", 400},
        {"/v1/search?q=%zz", "broken", 400},
        {"/v1/search?sha256=" SHA_A, "end", 200},
        {"/v1/search?sha256=12", "SHA-256", 400},
        {"/v1/search?sha256=", "SHA-256", 400},
        {"/v1/list", "{\"end\":true,\"next\":null}\n", 200},
        {"/v1/list?limit=0", "error", 400},
        {"/v1/list?after=nonsense", "cursor", 400},
        {"/v1/nodes", "{\"end\":true}\n", 200},
        {"/download/", "error", 404},
        {"/download/none.bin", "no such file", 404},
        {"/download/a%2f..%2fb", "error", 404},
        {"/download/none.bin?own=1", "no files of its own", 404},
        {"/metalink/", "error", 404},
        {"/metalink/none.bin", "no such file", 404},
        {"/metalink/a%2f..%2fb", "error", 404},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int status = world_ask(world, rows[i].target, &answer);
        if (status != rows[i].status || !answer_has(&answer, rows[i].expected))
            fail_msg("%s: %d %s", rows[i].target, status, answer.body);
    }
}

/* A whole name is found however long it is. */
static void text_length(void **state)
{
    struct world *world = *state;
    for (size_t length = P2P_PATH_MAX - 1; length <= P2P_PATH_MAX + 1; length++) {
        char target[P2P_PATH_MAX + 32] = "/v1/search?q=";
        size_t at = strlen(target);
        memset(target + at, 'a', length);
        assert_int_equal(world_ask(world, target, &answer), length <= P2P_PATH_MAX ? 200 : 400);
    }
}

static void search_lines(void **state)
{
    struct world *world = *state;
    char line[512];
    node_open(&a, world, 'a', 0);
    assert_int_equal(
        node_join(&a, 1, 1, OFFER_A("music/\\\"Song\\\" \u00e9.mp3") OFFER_UNHASHED("b.txt")), 200);
    snprintf(line, sizeof(line),
             "\"node\":\"%s\",\"name\":\"n-61\",\"addresses\":[\"127.0.0.1:%u\"],\"hops\":0,"
             "\"index\":\"abababababababababababababababab\"",
             a.id, (unsigned)a.port);
    world_ask(world, "/v1/search?q=song", &answer);
    assert_int_equal(answer_lines(&answer), 2);
    assert_body(&answer,
                "\"path\":\"music/\\\"Song\\\" \u00e9.mp3\",\"size\":70000,\"mtime\":1700000000");
    assert_body(&answer, "\"sha256\":\"" SHA_A "\"");
    assert_body(&answer, line);
    world_ask(world, "/v1/search?sha256=" SHA_A, &answer);
    assert_int_equal(answer_lines(&answer), 2);
    assert_body(&answer, line);
    world_ask(world, "/v1/search?q=b.txt", &answer);
    assert_body(&answer, "\"sha256\":null");
    world_ask(world, "/v1/search?q=music&limit=1", &answer);
    assert_body(&answer, "\"truncated\":false");
    world_ask(world, "/v1/search?q=&limit=1", &answer);
    assert_int_equal(answer_lines(&answer), 2);
    assert_body(&answer, "\"truncated\":true");
    node_close(&a);
}

/* 120 holders do not fit one body: the answer comes in parts, and has each once. */
static void many_holders(void **state)
{
    struct world *world = *state;
    enum { HOLDERS = 120 };
    static struct node nodes[HOLDERS];
    for (int i = 0; i < HOLDERS; i++) {
        node_open(&nodes[i], world, (char)(i + 1), 9);
        assert_int_equal(node_join(&nodes[i], 1, 1, OFFER_A("x.bin") OFFER_A("again.bin")), 200);
    }
    static const char *const targets[] = {"/v1/sources/" SHA_A, "/v1/search?sha256=" SHA_A,
                                          "/v1/nodes"};
    static const int lines[] = {HOLDERS + 1, 2 * HOLDERS + 1, HOLDERS + 1};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(world_ask(world, targets[i], &answer), 200);
        assert_int_equal(answer_lines(&answer), lines[i]);
        for (int j = 0; j < HOLDERS; j++)
            assert_body(&answer, nodes[j].id);
    }
    world_ask(world, "/v1/search?limit=7&sha256=" SHA_A, &answer);
    assert_int_equal(answer_lines(&answer), 8);
    assert_body(&answer, "\"truncated\":true");
    world_ask(world, "/v1/list", &answer);
    assert_int_equal(answer_lines(&answer), 2);
    assert_body(&answer, "\"holders\":120");
    for (int i = 0; i < HOLDERS; i++)
        node_close(&nodes[i]);
}

/* An asker that goes in the middle of an answer takes nothing with it: all slots come back. */
static void askers_that_go(void **state)
{
    struct world *world = *state;
    static char offers[200 * 1024];
    static struct raw raws[40];
    size_t at = 0;
    for (int i = 0; i < 600; i++)
        at += (size_t)snprintf(
            offers + at, sizeof(offers) - at,
            "{\"path\":\"folder/with a long name/%0100d\",\"size\":%d,\"mtime\":1,\"mode\":\"\","
            "\"sha256\":null,\"kind\":\"owned\"}\n",
            i, i);
    node_open(&a, world, 'a', 9);
    assert_int_equal(node_join(&a, 1, 1, offers), 200);
    static const char *const targets[] = {"/v1/list", "/v1/search?q=folder", "/v1/nodes"};
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 40; i++) {
            char request[128];
            raw_open(&raws[i], &world->rig);
            snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
                     targets[(round + i) % 3]);
            raw_say(&raws[i], request);
        }
        for (int i = 0; i < 40; i++)
            raw_close(&raws[i]);
        rig_until_connections(&world->rig, 1);
    }
    world_ask(world, "/v1/stats", &answer);
    assert_body(&answer, "\"replies\":{\"used\":0,");
    world_ask(world, "/v1/search?q=folder", &answer);
    assert_int_equal(answer_lines(&answer), 601);
    node_close(&a);
}

static void pages_of_a_list(void **state)
{
    struct world *world = *state;
    node_open(&a, world, 'a', 9);
    assert_int_equal(node_join(&a, 1, 1,
                               OFFER_A("p/1") OFFER_B("p/2") OFFER_UNHASHED("p/3")
                                   OFFER_UNHASHED("q/4")),
                     200);
    static const struct {
        const char *query;
        int lines;
    } rows[] = {{"?", 5}, {"?prefix=p/", 4}, {"?prefix=q", 2}, {"?prefix=x", 1}, {"?limit=2", 3}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char target[64];
        snprintf(target, sizeof(target), "/v1/list%s", rows[i].query);
        assert_int_equal(world_ask(world, target, &answer), 200);
        if (answer_lines(&answer) != rows[i].lines)
            fail_msg("%s: %s", rows[i].query, answer.body);
    }
    char seen[4096] = "";
    char target[256] = "/v1/list?limit=1";
    for (int page = 0; page < 5; page++) {
        assert_int_equal(world_ask(world, target, &answer), 200);
        char *next = strstr(answer.body, "\"next\":\"");
        assert_true(strlen(seen) + answer.body_len < sizeof(seen));
        strcat(seen, answer.body);
        if (!next)
            break;
        next += 8;
        next[strcspn(next, "\"")] = '\0';
        snprintf(target, sizeof(target), "/v1/list?limit=1&after=%.200s", next);
    }
    static const char *const paths[] = {"p/1", "p/2", "p/3", "q/4"};
    for (int i = 0; i < 4; i++) {
        char *first = strstr(seen, paths[i]);
        assert_non_null(first);
        assert_null(strstr(first + 1, paths[i]));
    }
    node_close(&a);
}

static void redirects(void **state)
{
    struct world *world = *state;
    char location[128];
    node_open(&a, world, 'a', 0);
    assert_int_equal(node_join(&a, 1, 1, OFFER_A("d/a b#?\\u00e9.bin") OFFER_UNHASHED("new.bin")),
                     200);
    world_until(world, "/v1/nodes", "\"reachable\":true", true);
    snprintf(location, sizeof(location),
             "Location: http://127.0.0.1:%u/download/d/a%%20b%%23%%3F%%C3%%A9.bin?own=1",
             (unsigned)a.port);
    assert_int_equal(world_ask(world, "/download/d/a%20b%23%3F%C3%A9.bin", &answer), 307);
    assert_header(&answer, location);
    ask_with(world, "HEAD /download/d/a%20b%23%3f%c3%a9.bin HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    assert_int_equal(answer.status, 307);
    assert_header(&answer, location);
    snprintf(location, sizeof(location), "Location: http://127.0.0.1:%u/download/new.bin?own=1",
             (unsigned)a.port);
    assert_int_equal(world_ask(world, "/download/new.bin", &answer), 307);
    assert_header(&answer, location);
    assert_int_equal(world_ask(world, "/metalink/new.bin", &answer), 503);
    assert_header(&answer, "Retry-After: 1");
    assert_int_equal(world_ask(world, "/download/D/a", &answer), 404);
    node_close(&a);
}

/* Of several contents the newest owned one; where nobody in reach has that, another of that name.
 */
static void redirect_chooses(void **state)
{
    struct world *world = *state;
    char location[96];
    node_open(&a, world, 'a', 0);
    node_open(&b, world, 'b', world_dead_port());
    assert_int_equal(node_join(&a, 1, 1, OFFER_A("x.bin")), 200);
    assert_int_equal(
        node_join(
            &b, 1, 1,
            "{\"path\":\"x.bin\",\"size\":1,\"mtime\":1700000001,\"mode\":\"\",\"sha256\":\"" SHA_B
            "\",\"kind\":\"owned\"}\n"),
        200);
    world_until(world, "/v1/nodes", "\"reachable\":false", true);
    snprintf(location, sizeof(location), "Location: http://127.0.0.1:%u/download/x.bin?own=1",
             (unsigned)a.port);
    assert_int_equal(world_ask(world, "/download/x.bin", &answer), 307);
    assert_header(&answer, location);
    assert_int_equal(node_post(&a, "/v1/leave", "{\"epoch\":1,\"seq\":2}"), 200);
    assert_int_equal(world_ask(world, "/download/x.bin", &answer), 503);
    assert_int_equal(world_ask(world, "/metalink/x.bin", &answer), 503);
    node_close(&a);
    node_close(&b);
}

static int count_of(const char *text, const char *part)
{
    int count = 0;
    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
        count++;
    return count;
}

/* Whole holders within reach, each once, whatever they call it; not those out of reach. */
static void metalinks(void **state)
{
    struct world *world = *state;
    static struct node c;
    char url[160];
    node_open(&a, world, 'a', 0);
    node_open(&b, world, 'b', 0);
    node_open(&c, world, 'c', world_dead_port());
    assert_int_equal(node_join(&a, 1, 1, OFFER_A("d/x & y.bin") OFFER_A("again.bin")), 200);
    assert_int_equal(node_join(&b, 1, 1, OFFER_A("other.bin")), 200);
    assert_int_equal(node_join(&c, 1, 1, OFFER_A("d/x & y.bin")), 200);
    world_until(world, "/v1/nodes", "\"reachable\":false", true);
    assert_int_equal(world_ask(world, "/metalink/d/x%20%26%20y.bin", &answer), 200);
    assert_header(&answer, "Content-Type: application/metalink4+xml");
    assert_header(&answer, "Content-Disposition: attachment; filename=\"x & y.bin.meta4\"");
    assert_body(&answer, "<file name=\"x &amp; y.bin\">\n<size>70000</size>\n"
                         "<hash type=\"sha-256\">" SHA_A "</hash>\n<url priority=\"1\">http:");
    assert_int_equal(count_of(answer.body, "<url "), 2);
    for (int i = 0; i < 2; i++) {
        snprintf(url, sizeof(url), ">http://127.0.0.1:%u/v1/content/" SHA_A "</url>",
                 (unsigned)(i == 0 ? a.port : b.port));
        assert_int_equal(count_of(answer.body, url), 1);
    }
    assert_body(&answer, "<url priority=\"2\">");
    assert_body(&answer, "</file>\n</metalink>\n");
    ask_with(world, "HEAD /metalink/other.bin HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    assert_int_equal(answer.status, 200);
    node_close(&a);
    node_close(&b);
    node_close(&c);
}

/* More than one buffer takes. One stand-in is each of the nodes in turn. */
static void long_metalink(void **state)
{
    struct world *world = *state;
    enum { HOLDERS = 150 };
    static struct node nodes[HOLDERS];
    char url[40];
    for (int i = 0; i < HOLDERS; i++) {
        node_open(&nodes[i], world, (char)(i + 1), i > 0 ? nodes[0].port : 0);
        server_set_node(world->nodes[0], nodes[i].id);
        assert_int_equal(node_join(&nodes[i], 1, 1, OFFER_A("x.bin")), 200);
        world_until(world, "/v1/sources/" SHA_A, "\"reachable\":false", false);
    }
    assert_int_equal(world_ask(world, "/metalink/x.bin", &answer), 200);
    snprintf(url, sizeof(url), "<url priority=\"%d\">", HOLDERS);
    assert_int_equal(count_of(answer.body, "<url "), HOLDERS);
    assert_body(&answer, url);
    for (int i = 0; i < HOLDERS; i++)
        node_close(&nodes[i]);
}

/* Who has a part is named to those that ask for sources; a plain client is sent to whole ones only,
 * and what a node said last counts. */
static void partial_holders_are_no_target(void **state)
{
    struct world *world = *state;
    static const struct {
        const char *have, *source;
        bool whole;
    } rows[] = {
        {"", "\"have\":100,", true},
        {",\"have\":0", "\"have\":0,", false},
        {",\"have\":1", "\"have\":1,", false},
        {",\"have\":99", "\"have\":99,", false},
        {",\"have\":100", "\"have\":100,", true},
        {",\"have\":50", "\"have\":50,", false},
        {"", "\"have\":100,", true},
    };
    node_open(&a, world, 'a', 0);
    assert_int_equal(node_join(&a, 1, 1, OFFER_A("x.bin")), 200);
    world_until(world, "/v1/nodes", "\"reachable\":true", true);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        char body[512];
        snprintf(body, sizeof body,
                 "{\"epoch\":1,\"seq\":%u}\n{\"op\":\"put\",\"path\":\"x.bin\",\"size\":70000,"
                 "\"mtime\":1,\"mode\":\"\",\"sha256\":\"" SHA_A "\",\"kind\":\"owned\"%s}\n",
                 i + 2, rows[i].have);
        assert_int_equal(node_post(&a, "/v1/update", body), 200);
        assert_int_equal(world_ask(world, "/download/x.bin", &answer), rows[i].whole ? 307 : 503);
        assert_int_equal(world_ask(world, "/metalink/x.bin", &answer), rows[i].whole ? 200 : 503);
        world_ask(world, "/v1/sources/" SHA_A, &answer);
        assert_body(&answer, rows[i].source);
    }
    node_close(&a);
}

/* A node that has the content under several names is named once, with the most of them; beside a
 * whole one a part comes last, and the whole one is where clients are sent. */
static void parts_and_whole_ones(void **state)
{
    struct world *world = *state;
#define PART(path, have)                                                                           \
    "{\"path\":\"" path "\",\"size\":70000,\"mtime\":1,\"mode\":\"\",\"sha256\":\"" SHA_A          \
    "\",\"kind\":\"owned\",\"have\":" #have "}\n"
    node_open(&a, world, 'a', 0);
    node_open(&b, world, 'b', 0);
    assert_int_equal(node_join(&a, 1, 1, PART("x.bin", 20) PART("y.bin", 70) PART("z.bin", 0)),
                     200);
    world_until(world, "/v1/sources/" SHA_A, "\"have\":70", true);
    world_ask(world, "/v1/sources/" SHA_A, &answer);
    assert_int_equal(count_of(answer.body, "\"node\""), 1);
    assert_int_equal(node_join(&b, 1, 1, OFFER_A("x.bin")), 200);
    world_until(world, "/v1/nodes", "\"reachable\":false", false);
    char port[32];
    snprintf(port, sizeof port, "127.0.0.1:%u/", (unsigned)b.port);
    for (int i = 0; i < 20; i++) {
        world_ask(world, "/v1/sources/" SHA_A, &answer);
        assert_int_equal(answer_lines(&answer), 3);
        assert_true(strstr(answer.body, "\"have\":100") < strstr(answer.body, "\"have\":70"));
        assert_int_equal(world_ask(world, "/download/x.bin", &answer), 307);
        assert_non_null(strstr(answer.head, port));
        assert_int_equal(world_ask(world, "/metalink/x.bin", &answer), 200);
        assert_int_equal(count_of(answer.body, "<url "), 1);
    }
    node_close(&a);
    node_close(&b);
}

static void statistics(void **state)
{
    struct world *world = *state;
    node_open(&a, world, 'a', 9);
    assert_int_equal(node_join(&a, 1, 1, OFFER_A("1") OFFER_B("2")), 200);
    world_ask(world, "/v1/search?q=1", &answer);
    world_ask(world, "/v1/sources/" SHA_A, &answer);
    assert_int_equal(world_ask(world, "/v1/stats", &answer), 200);
    static const char *const parts[] = {
        "{\"role\":\"index\",\"id\":\"abababababababababababababababab\",\"name\":\"hub\","
        "\"version\":\"" P2P_VERSION "\"",
        "\"nodes\":1,\"offers\":2,\"contents\":2",
        "\"searches\":1,\"lookups\":1,\"redirects\":0,\"joins\":1",
        "\"memory_bytes\":67108864",
        "\"attached\":{\"used\":1,\"peak\":1,\"size\":256}",
        "\"state_bytes_written\":",
        "\"connections\":{\"open\":",
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        assert_body(&answer, parts[i]);
    struct json_reader reader;
    assert_int_equal(json_reader_init(&reader, &world->rig.arena), 0);
    assert_non_null(json_parse(&reader, text_trim((struct str){answer.body, answer.body_len})));
    node_close(&a);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, world_setup_patient, world_teardown)
    const struct CMUnitTest tests[] = {
        ROW(parameters),   ROW(text_length),      ROW(search_lines),
        ROW(many_holders), ROW(askers_that_go),   ROW(pages_of_a_list),
        ROW(redirects),    ROW(redirect_chooses), ROW(partial_holders_are_no_target),
        ROW(metalinks),    ROW(long_metalink),    ROW(parts_and_whole_ones),
        ROW(statistics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
