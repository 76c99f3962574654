/* SPDX-License-Identifier: MIT */
/* Records: each is written and read back; then one field at a time is spoilt, and the fault must
 * name it. */
#include "wire/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define ID "00112233445566778899aabbccddeeff"
#define SHA "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static struct arena arena;
static struct json_reader reader;

static int set_up(void **state)
{
    (void)state;
    return arena_init(&arena, 1 << 20) != 0 || json_reader_init(&reader, &arena) != 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

/* One reader for all tables: what kind of line it is. */
enum kind { JOIN, OFFER, CHANGE, SEQ, ALIVE, ANSWER, SEARCH, LIST, SOURCES };

static int read_any(enum kind kind, struct str line)
{
    union {
        struct record_join join;
        struct record_offer offer;
        struct record_change change;
        struct record_alive alive;
        struct record_answer answer;
        struct record_result result;
        uint64_t seq[2];
    } out;
    struct record_end end;
    switch (kind) {
    case JOIN:
        return record_read_join(&reader, line, &out.join);
    case OFFER:
        return record_read_offer(&reader, line, &out.offer);
    case CHANGE:
        return record_read_change(&reader, line, &out.change);
    case SEQ:
        return record_read_seq(&reader, line, &out.seq[0], &out.seq[1]);
    case ALIVE:
        return record_read_alive(&reader, line, &out.alive);
    case ANSWER:
        return record_read_answer(&reader, line, &out.answer);
    case SEARCH:
        return record_read_result(&reader, line, RECORD_SEARCH, &out.result, &end);
    case LIST:
        return record_read_result(&reader, line, RECORD_LIST, &out.result, &end);
    case SOURCES:
        return record_read_result(&reader, line, RECORD_SOURCES, &out.result, &end);
    }
    return -1;
}

static const char *const good[] = {
    [JOIN] = "{\"v\":1,\"epoch\":3,\"seq\":17,\"port\":7751,\"name\":\"kitchen\",\"role\":\"peer\","
             "\"addresses\":[]}",
    [OFFER] =
        "{\"path\":\"a/b.bin\",\"size\":70000,\"mtime\":1790000000,\"mode\":\"x\",\"sha256\":\"" SHA
        "\",\"kind\":\"copy\",\"origin\":\"" ID "\",\"have\":100}",
    [CHANGE] = "{\"op\":\"put\",\"path\":\"a\",\"size\":0,\"mtime\":0,\"mode\":\"\",\"sha256\":"
               "null,\"kind\":\"owned\"}",
    [SEQ] = "{\"epoch\":3,\"seq\":18}",
    [ALIVE] = "{\"epoch\":3,\"seq\":18,\"uploads\":2,\"rate\":1200000,\"slots\":6}",
    [ANSWER] = "{\"id\":\"" ID "\",\"lease_ms\":30000,\"feed\":\"f\",\"indexes\":[\"10.0.0.5:"
               "7750\"],\"accepted\":1,\"refused\":0,"
               "\"incomplete\":false}",
    [SEARCH] = "{\"path\":\"a\",\"size\":1,\"mtime\":2,\"sha256\":\"" SHA
               "\",\"kind\":\"owned\",\"have\":50,\"node\":\"" ID
               "\",\"name\":\"kitchen\",\"addresses\":[\"10.0.0.7:7751\",\"[::1]:1\"],\"hops\":0,"
               "\"index\":\"" ID "\"}",
    [LIST] = "{\"path\":\"a\",\"size\":1,\"mtime\":2,\"sha256\":null,\"holders\":3}",
    [SOURCES] = "{\"node\":\"" ID "\",\"name\":\"k\",\"addresses\":[],\"have\":100,\"uploads\":1,"
                "\"rate\":2,\"slots\":3,\"reachable\":true}",
};

/* Replaces the first old in line. */
static struct str spoil(const char *line, const char *old, const char *new, char *out, size_t size)
{
    const char *at = strstr(line, old);
    struct buf buf = buf_on(out, size);
    assert_non_null(at);
    buf_put(&buf, (struct str){line, (size_t)(at - line)});
    buf_put_text(&buf, new);
    buf_put_text(&buf, at + strlen(old));
    assert_false(buf.full);
    return buf_str(&buf);
}

static void test_good_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (read_any((enum kind)i, text_from(good[i])) != 0)
            fail_msg("%s: %s", good[i], reader.fault);
    }
}

static void test_spoilt_lines(void **state)
{
    static const struct {
        enum kind kind;
        const char *old, *new, *fault; /* NULL: still good */
    } rows[] = {
        {JOIN, "\"v\":1", "\"v\":2", "v: only 1 is spoken here; upgrade"},
        {JOIN, "\"v\":1", "\"w\":1", "v: missing"},
        {JOIN, "\"epoch\"", "\"epic\"", "epoch: missing"},
        {JOIN, "17", "9007199254740992", NULL},
        {JOIN, "17", "9007199254740993", "seq: must be"},
        {JOIN, "17", "-1", "seq: must be"},
        {JOIN, "7751", "0", "port: must be 1 to 65535"},
        {JOIN, "7751", "1", NULL},
        {JOIN, "7751", "65535", NULL},
        {JOIN, "7751", "65536", "port: must be 1 to 65535"},
        {JOIN, "7751", "\"7751\"", "port: must be a whole number"},
        {JOIN, "kitchen", "kit chen", "name: "},
        {JOIN, "kitchen", "", "name: it is empty"},
        {JOIN, "\"peer\"", "\"Peer\"", "role: must be peer, index or both"},
        {JOIN, "\"peer\"", "\"both\"", NULL},
        {JOIN, "[]", "[\"10.0.0.1:1\",\"10.0.0.2:1\",\"[fe80::1]:1\"]", NULL},
        {JOIN, "[]", "[\"10.0.0.1:1\",\"10.0.0.2:1\",\"10.0.0.3:1\",\"10.0.0.4:1\"]",
         "addresses: too many"},
        {JOIN, "[]", "[\"host:1\"]", "addresses: must be"},
        {JOIN, "[]", "[\"10.0.0.1\"]", "addresses: must be"},
        {JOIN, "[]", "[\"10.0.0.1:0\"]", "addresses: must be"},
        {JOIN, "[]", "[7]", "addresses: must be"},
        {JOIN, "[]", "{}", "addresses: must be a list"},
        {JOIN, "\"addresses\"", "\"address\"", "addresses: missing"},
        {JOIN, "{", "{\"new\":[1],", NULL},
        {OFFER, "\"path\"", "\"pth\"", "path: missing"},
        {OFFER, "a/b.bin", "../b", "path: a part begins with a dot"},
        {OFFER, "a/b.bin", "/b", "path: a part is empty"},
        {OFFER, "a/b.bin", "a\\u0001", "path: it has a control character"},
        {OFFER, "a/b.bin", "a\\u0000", "a text has a NUL"},
        {OFFER, "70000", "-1", "size: must be"},
        {OFFER, "70000", "9007199254740991", NULL},
        {OFFER, "70000", "9007199254740992", "size: must be"},
        {OFFER, "70000", "1.0", "size: must be a whole number"},
        {OFFER, "1790000000", "-9007199254740992", NULL},
        {OFFER, "1790000000", "-9007199254740993", "mtime: must be"},
        {OFFER, "\"x\"", "\"y\"", "mode: must be"},
        {OFFER, "\"mode\"", "\"m\"", "mode: missing"},
        {OFFER, "\"sha256\"", "\"sha\"", "sha256: missing"},
        {OFFER, SHA, "abc", "sha256: must be 64 hex digits"},
        {OFFER, "\"" SHA "\"", "null", NULL},
        {OFFER, "\"" SHA "\"", "false", "sha256: must be a text"},
        {OFFER, "copy", "stolen", "kind: must be owned or copy"},
        {OFFER, "\"origin\"", "\"orig\"", "origin: missing"},
        {OFFER, ID, "00", "origin: must be 32 hex digits"},
        {OFFER, "100", "101", "have: must be 0 to 100"},
        {OFFER, "100", "0", NULL},
        {OFFER, ",\"have\":100", "", NULL},
        {CHANGE, "put", "pat", "op: must be put or del"},
        {CHANGE, "put", "del", NULL},
        {CHANGE, "\"kind\"", "\"kin\"", "kind: missing"},
        {SEQ, "\"seq\"", "\"s\"", "seq: missing"},
        {ALIVE, "\"slots\":6", "\"slots\":4294967295", NULL},
        {ALIVE, "\"slots\":6", "\"slots\":4294967296", "slots: must be"},
        {ALIVE, "\"uploads\"", "\"up\"", "uploads: missing"},
        {ALIVE, "\"rate\"", "\"r\"", "rate: missing"},
        {ANSWER, "10.0.0.5:7750", "10.0.0.5", "indexes: must be"},
        {ANSWER, "10.0.0.5:7750", "pi.lan:7750", NULL},
        {ANSWER, "30000", "0", "lease_ms: must be"},
        {ANSWER, "false", "0", "incomplete: must be"},
        {ANSWER, "\"accepted\":1,", "\"hints\":[{}],", NULL},
        {SEARCH, "\"node\"", "\"nod\"", "node: missing"},
        {SEARCH, "kitchen", "\\u001b[2J", "name: "},
        {SEARCH, "\"a\"", "\".a\"", "path: a part begins with a dot"},
        {SEARCH, "\"[::1]:1\"", "\"[::1]:1\",\"[::1]:2\",\"[::1]:3\",\"[::1]:4\"",
         "addresses: too many"},
        {SEARCH, "\"hops\"", "\"hop\"", "hops: missing"},
        {SEARCH, "\"index\"", "\"idx\"", "index: missing"},
        {SEARCH, "{", "{\"mode\":\"x\",\"origin\":\"" ID "\",", NULL},
        {SEARCH, "{", "{\"end\":false,", NULL},
        {SEARCH, "{", "{\"end\":1,", "end: must be"},
        {SEARCH, "{", "{\"end\":true,", "asked: missing"},
        {LIST, "\"holders\"", "\"holder\"", "holders: missing"},
        {LIST, "{", "{\"end\":true,", "next: missing"},
        {SOURCES, "100", "101", "have: must be 0 to 100"},
        {SOURCES, "\"reachable\"", "\"reach\"", "reachable: missing"},
        {SOURCES, "{", "{\"end\":true,", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char memory[P2P_LINE_MAX];
        struct str line =
            spoil(good[rows[i].kind], rows[i].old, rows[i].new, memory, sizeof(memory));
        int result = read_any(rows[i].kind, line);
        if (result != (rows[i].fault ? -P2P_EINVAL : 0) ||
            (rows[i].fault && strncmp(reader.fault, rows[i].fault, strlen(rows[i].fault)) != 0))
            fail_msg("%.*s: %d, %s", (int)line.len, line.ptr, result, reader.fault);
    }
}

static void test_join_round_trip(void **state)
{
    char memory[512];
    struct buf buf = buf_on(memory, sizeof(memory));
    struct record_join join = {.epoch = 3,
                               .seq = 17,
                               .port = 7751,
                               .name = STR("kitchen"),
                               .role = RECORD_ROLE_BOTH,
                               .address_count = 2};
    struct record_join back;
    (void)state;
    assert_int_equal(addr_parse(STR("10.0.0.9:80"), 0, &join.address[0]), 0);
    assert_int_equal(addr_parse(STR("[2001:db8::1]:81"), 0, &join.address[1]), 0);
    record_put_join(&buf, &join);
    assert_true(text_is(
        buf_str(&buf),
        "{\"v\":1,\"epoch\":3,\"seq\":17,\"port\":7751,\"name\":\"kitchen\",\"role\":\"both\","
        "\"addresses\":[\"10.0.0.9:80\",\"[2001:db8::1]:81\"]}"));
    assert_int_equal(record_read_join(&reader, buf_str(&buf), &back), 0);
    assert_int_equal(back.epoch, 3);
    assert_int_equal(back.seq, 17);
    assert_int_equal(back.port, 7751);
    assert_int_equal(back.role, RECORD_ROLE_BOTH);
    assert_int_equal(back.address_count, 2);
    assert_true(addr_equal(&back.address[1], &join.address[1]));
}

static struct record_offer sample_offer(void)
{
    struct record_offer offer = {.path = STR("a \"b\"/\\\xc3\xa9"),
                                 .size = P2P_FILE_MAX,
                                 .mtime = -5,
                                 .executable = true,
                                 .hashed = true,
                                 .copy = true,
                                 .have = 99};
    memset(offer.content.bytes, 0xab, sizeof(offer.content.bytes));
    memset(offer.origin.bytes, 0xcd, sizeof(offer.origin.bytes));
    return offer;
}

static void check_offer(const struct record_offer *a, const struct record_offer *b)
{
    assert_true(text_equal(a->path, b->path));
    assert_int_equal(a->size, b->size);
    assert_int_equal(a->mtime, b->mtime);
    assert_int_equal(a->hashed, b->hashed);
    assert_memory_equal(a->content.bytes, b->content.bytes, sizeof(a->content.bytes));
}

static void test_offer_round_trip(void **state)
{
    char memory[512];
    struct buf buf = buf_on(memory, sizeof(memory));
    struct record_offer offer = sample_offer(), back;
    (void)state;
    record_put_offer(&buf, &offer);
    assert_int_equal(record_read_offer(&reader, buf_str(&buf), &back), 0);
    check_offer(&offer, &back);
    assert_true(back.executable && back.copy);
    assert_int_equal(back.have, 99);
    assert_true(record_id_equal(&back.origin, &offer.origin));
    buf.len = 0;
    offer = (struct record_offer){.path = STR("a"), .have = 100};
    record_put_offer(&buf, &offer);
    assert_true(text_is(buf_str(&buf), "{\"path\":\"a\",\"size\":0,\"mtime\":0,\"sha256\":null,"
                                       "\"mode\":\"\",\"kind\":\"owned\"}"));
    assert_int_equal(record_read_offer(&reader, buf_str(&buf), &back), 0);
    assert_int_equal(back.have, 100);
    assert_false(back.hashed || back.copy || back.executable);
}

static void test_change_round_trip(void **state)
{
    char memory[512];
    struct buf buf = buf_on(memory, sizeof(memory));
    struct record_change change = {.op = RECORD_PUT, .offer = sample_offer()}, back;
    (void)state;
    record_put_change(&buf, &change);
    assert_int_equal(record_read_change(&reader, buf_str(&buf), &back), 0);
    assert_int_equal(back.op, RECORD_PUT);
    check_offer(&change.offer, &back.offer);
    buf.len = 0;
    change.op = RECORD_DEL;
    change.offer.path = STR("gone");
    record_put_change(&buf, &change);
    assert_true(text_is(buf_str(&buf), "{\"op\":\"del\",\"path\":\"gone\"}"));
    assert_int_equal(record_read_change(&reader, buf_str(&buf), &back), 0);
    assert_int_equal(back.op, RECORD_DEL);
}

static void test_small_round_trips(void **state)
{
    char memory[512];
    struct buf buf = buf_on(memory, sizeof(memory));
    struct record_alive alive = {.epoch = 1, .seq = 2, .uploads = 3, .slots = 4, .rate = 5}, back;
    uint64_t epoch, seq;
    struct str error, hint;
    (void)state;
    record_put_alive(&buf, &alive);
    assert_int_equal(record_read_alive(&reader, buf_str(&buf), &back), 0);
    assert_memory_equal(&alive, &back, sizeof(alive));
    buf.len = 0;
    record_put_seq(&buf, 7, UINT64_C(1) << 53);
    assert_int_equal(record_read_seq(&reader, buf_str(&buf), &epoch, &seq), 0);
    assert_int_equal(epoch, 7);
    assert_int_equal(seq, UINT64_C(1) << 53);
    buf.len = 0;
    record_put_error(&buf, STR("no \"x\""), STR("try y"));
    record_read_error(&reader, buf_str(&buf), &error, &hint);
    assert_true(text_is(error, "no \"x\"") && text_is(hint, "try y"));
    record_read_error(&reader, STR("<html>"), &error, &hint);
    assert_int_equal(error.len + hint.len, 0);
}

static void test_answer(void **state)
{
    struct record_answer answer;
    (void)state;
    assert_int_equal(record_read_answer(&reader, text_from(good[ANSWER]), &answer), 0);
    assert_int_equal(answer.lease_ms, 30000);
    assert_int_equal(answer.accepted, 1);
    assert_int_equal(answer.id.bytes[15], 0xff);
    assert_int_equal(answer.index_count, 1);
    assert_true(text_is(answer.indexes[0], "10.0.0.5:7750"));
    assert_int_equal(
        record_read_answer(&reader, STR("{\"error\":\"gap\",\"epoch\":4,\"seq\":9}"), &answer), 0);
    assert_int_equal(answer.epoch, 4);
    assert_int_equal(answer.seq, 9);
    assert_int_equal(answer.lease_ms, 0);
}

static struct record_result sample_result(void)
{
    struct record_result result = {.offer = sample_offer(),
                                   .name = STR("kitchen"),
                                   .address_count = P2P_ADDRESSES_MAX,
                                   .hops = 2,
                                   .holders = 3,
                                   .uploads = 4,
                                   .slots = 5,
                                   .have = 99,
                                   .rate = 6,
                                   .reachable = true};
    for (int i = 0; i < P2P_ADDRESSES_MAX; i++)
        addr_parse(STR("10.0.0.7:7751"), 0, &result.address[i]);
    memset(result.node.bytes, 1, sizeof(result.node.bytes));
    memset(result.index.bytes, 2, sizeof(result.index.bytes));
    return result;
}

static void test_result_round_trips(void **state)
{
    struct record_result result = sample_result();
    (void)state;
    for (int stream = RECORD_SEARCH; stream <= RECORD_SOURCES; stream++) {
        char memory[1024];
        struct buf buf = buf_on(memory, sizeof(memory));
        struct record_result back;
        struct record_end end;
        record_put_result(&buf, (enum record_stream)stream, &result);
        assert_int_equal(
            record_read_result(&reader, buf_str(&buf), (enum record_stream)stream, &back, &end), 0);
        assert_false(end.is_end);
        if (stream != RECORD_SOURCES)
            check_offer(&result.offer, &back.offer);
        if (stream != RECORD_LIST) {
            assert_true(record_id_equal(&back.node, &result.node));
            assert_true(text_is(back.name, "kitchen"));
            assert_int_equal(back.address_count, P2P_ADDRESSES_MAX);
            assert_int_equal(back.have, 99);
        }
        assert_int_equal(back.hops, stream == RECORD_SEARCH ? 2 : 0);
        assert_int_equal(back.holders, stream == RECORD_LIST ? 3 : 0);
        assert_int_equal(back.rate, stream == RECORD_SOURCES ? 6 : 0);
        assert_int_equal(back.offer.executable, stream == RECORD_SEARCH);
    }
}

static void test_ends(void **state)
{
    static const char *const expected[] = {
        "{\"end\":true,\"asked\":2,\"answered\":1,\"truncated\":true}",
        "{\"end\":true,\"next\":\"c\"}", "{\"end\":true}"};
    struct record_end end = {.asked = 2, .answered = 1, .truncated = true, .next = STR("c")};
    (void)state;
    for (int stream = RECORD_SEARCH; stream <= RECORD_SOURCES; stream++) {
        char memory[128];
        struct buf buf = buf_on(memory, sizeof(memory));
        struct record_result result;
        struct record_end back;
        record_put_end(&buf, (enum record_stream)stream, &end);
        assert_true(text_is(buf_str(&buf), expected[stream]));
        assert_int_equal(
            record_read_result(&reader, buf_str(&buf), (enum record_stream)stream, &result, &back),
            0);
        assert_true(back.is_end);
        assert_int_equal(back.asked, stream == RECORD_SEARCH ? 2 : 0);
        assert_int_equal(back.next.len, stream == RECORD_LIST ? 1 : 0);
    }
    char memory[64];
    struct buf buf = buf_on(memory, sizeof(memory));
    record_put_end(&buf, RECORD_LIST, &(struct record_end){0});
    assert_true(text_is(buf_str(&buf), "{\"end\":true,\"next\":null}"));
}

/* The longest name, made of what takes most room, still fits a line of every kind. */
static void test_longest_line(void **state)
{
    static char path[P2P_PATH_MAX];
    struct record_result result = sample_result();
    char memory[P2P_LINE_MAX], name[P2P_NODE_NAME_MAX];
    struct buf buf = buf_on(memory, sizeof(memory));
    struct record_end end;
    (void)state;
    memset(path, '"', sizeof(path));
    for (size_t i = P2P_PART_MAX / 2; i < sizeof(path); i += P2P_PART_MAX / 2 + 1)
        path[i] = '/';
    path[P2P_PATH_MAX - 1] = '"';
    memset(name, 'n', sizeof(name));
    result.offer.path = (struct str){path, sizeof(path)};
    result.name = (struct str){name, sizeof(name)};
    for (int i = 0; i < P2P_ADDRESSES_MAX; i++)
        addr_parse(STR("[1111:2222:3333:4444:5555:6666:7777:8888%4294967295]:65535"), 0,
                   &result.address[i]);
    record_put_result(&buf, RECORD_SEARCH, &result);
    assert_false(buf.full);
    assert_int_equal(record_read_result(&reader, buf_str(&buf), RECORD_SEARCH, &result, &end), 0);
}

static void test_words(void **state)
{
    static const uint8_t token[P2P_TOKEN_SIZE];
    struct record_id id;
    char text[2 * P2P_ID_SIZE + 1];
    (void)state;
    assert_string_equal(record_role_text(RECORD_ROLE_INDEX), "index");
    assert_string_equal(record_state_text(RECORD_HEARSAY), "hearsay");
    record_id_of_token(token, &id);
    text_hex_encode(id.bytes, sizeof(id.bytes), text);
    /* head -c 32 /dev/zero | sha256sum */
    assert_string_equal(text, "66687aadf862bd776c8fc18b8e9f8e20");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_lines),
        cmocka_unit_test(test_spoilt_lines),
        cmocka_unit_test(test_join_round_trip),
        cmocka_unit_test(test_offer_round_trip),
        cmocka_unit_test(test_change_round_trip),
        cmocka_unit_test(test_small_round_trips),
        cmocka_unit_test(test_answer),
        cmocka_unit_test(test_result_round_trips),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_longest_line),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
