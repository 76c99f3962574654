/* SPDX-License-Identifier: MIT */
/* The headers that downloaders tell each other in, and the table of who asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/addr.h"
#include "base/text.h"
#include "swarm/askers.h"

#define ID "00112233445566778899aabbccddeeff"

static void test_read(void **state)
{
    static const struct {
        const char *list;
        int count;
        const char *last; /* its address */
    } rows[] = {
        {"", 0, NULL},
        {ID "@10.0.0.3:7751", 1, "10.0.0.3:7751"},
        {" " ID "@10.0.0.3:7751 , " ID "@[fd00::1]:80", 2, "[fd00::1]:80"},
        {ID "@0.0.0.0:65535", 1, "0.0.0.0:65535"},
        {ID "@10.0.0.3:0", 0, NULL},
        {ID "@10.0.0.3:65536", 0, NULL},
        {ID "@10.0.0.3", 0, NULL},
        {ID "@host:7751", 0, NULL},
        {ID "@", 0, NULL},
        {ID, 0, NULL},
        {ID "ff@10.0.0.3:7751", 0, NULL},
        {"0011@10.0.0.3:7751", 0, NULL},
        {"x" ID "@10.0.0.3:7751", 0, NULL},
        {ID "@10.0.0.3:1,," ID "@10.0.0.4:2", 1, "10.0.0.3:1"},
        {ID "@10.0.0.3:1," ID "@10.0.0.4:2," ID "@10.0.0.5:3", 3, "10.0.0.5:3"},
        {ID "@10.0.0.3:1," ID "@10.0.0.4:2," ID "@10.0.0.5:3," ID "@10.0.0.6:4", 3, "10.0.0.5:3"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct asker out[3];
        char text[ADDR_TEXT_MAX];
        int count = askers_read(text_from(rows[i].list), out, 3);
        if (count != rows[i].count ||
            (count > 0 && strcmp(addr_format(&out[count - 1].addr, text), rows[i].last) != 0))
            fail_msg("%s: %d", rows[i].list, count);
    }
    assert_int_equal(askers_read((struct str){NULL, 0}, NULL, 3), 0);
}

static void test_put_have(void **state)
{
    char text[64];
    struct buf buf = buf_on(text, sizeof text);
    (void)state;
    askers_put_have(&buf, STR(""));
    assert_int_equal(buf.len, 0);
    askers_put_have(&buf, STR("17,18"));
    assert_int_equal(buf.len, 17);
    assert_memory_equal(text, "P2P-Have: 17,18\r\n", 17);
}

static void test_put_is_read(void **state)
{
    struct asker out, who = {.addr = {.family = 6, .ip = {0xfd}, .port = 7751}};
    char text[128];
    struct buf buf = buf_on(text, sizeof text);
    (void)state;
    memset(who.id.bytes, 0xa7, sizeof who.id.bytes);
    askers_put(&buf, &who);
    assert_int_equal(askers_read(buf_str(&buf), &out, 1), 1);
    assert_true(record_id_equal(&out.id, &who.id) && addr_equal(&out.addr, &who.addr));
}

static void test_pieces(void **state)
{
    static const struct {
        const char *list;
        uint32_t count, pieces[4];
    } rows[] = {
        {"", 0, {0}},
        {"0", 1, {0}},
        {"17,18,40", 3, {17, 18, 40}},
        {" 17 , 18", 2, {17, 18}},
        {"98,99,100", 2, {98, 99}},
        {"-1,x,1.5,0x3,,7,4294967296,18446744073709551616,8", 2, {7, 8}},
        {",,,", 0, {0}},
        {"1 2", 0, {0}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct str list = text_from(rows[i].list);
        uint32_t piece, count = 0;
        while (askers_next_piece(&list, 100, &piece)) {
            assert_true(count < rows[i].count);
            assert_int_equal(piece, rows[i].pieces[count]);
            count++;
        }
        if (count != rows[i].count)
            fail_msg("%s: %u", rows[i].list, (unsigned)count);
    }
}

/* ---- the table ---- */

static struct askers table;
static const struct record_content film = {{1}}, song = {{2}};
static const struct record_id nobody = {{0xff}};

static struct asker asker(uint8_t number, uint8_t host)
{
    struct asker who = {.addr = {.family = 4, .ip = {10, 0, 0, host}, .port = 7751}};
    who.id.bytes[0] = number;
    return who;
}

static void note(uint8_t number, uint8_t host, int64_t now_ms)
{
    struct asker who = asker(number, host);
    askers_note(&table, &film, &who, STR(""), now_ms);
}

/* Who is named, as bits, when asked so often that all had their turn. */
static uint64_t named(int64_t now_ms)
{
    struct asker out[ASKERS_TOLD];
    uint64_t bits = 0;
    for (int round = 0; round < ASKERS_MAX; round++) {
        int count = askers_name(&table, &film, &nobody, now_ms, out);
        assert_true(count <= ASKERS_TOLD);
        for (int i = 0; i < count; i++)
            bits |= UINT64_C(1) << out[i].id.bytes[0];
    }
    return bits;
}

static void test_name(void **state)
{
    struct asker out[ASKERS_TOLD], first = asker(1, 1);
    (void)state;
    askers_init(&table);
    assert_int_equal(named(1000), 0);
    note(1, 1, 1000);
    note(2, 2, 2000);
    askers_note(&table, &song, &(struct asker){.id = {{3}}, .addr = first.addr}, STR(""), 2000);
    assert_int_equal(named(2000), 1 << 1 | 1 << 2);
    assert_int_equal(askers_name(&table, &film, &first.id, 2000, out), 1);
    assert_int_equal(out[0].id.bytes[0], 2);
    assert_int_equal(named(1000 + ASKERS_KEEP_MS - 1), 1 << 1 | 1 << 2);
    assert_int_equal(named(1000 + ASKERS_KEEP_MS), 1 << 2);
    note(1, 1, 9000);
    assert_int_equal(named(1000 + ASKERS_KEEP_MS), 1 << 1 | 1 << 2);
}

static void test_many_take_turns(void **state)
{
    (void)state;
    for (int more = -1; more <= 1; more++) {
        askers_init(&table);
        for (uint8_t i = 0; i < ASKERS_TOLD + more; i++)
            note(i, i, 1000);
        assert_int_equal(named(1000), (UINT64_C(1) << (ASKERS_TOLD + more)) - 1);
    }
}

/* The table holds so many; of one machine so many, and more drive out its own. */
static void test_limits(void **state)
{
    uint64_t all = (UINT64_C(1) << ASKERS_MAX) - 1;
    (void)state;
    askers_init(&table);
    for (uint8_t i = 0; i < ASKERS_MAX; i++)
        note(i, i, 1000 + i);
    assert_int_equal(named(2000), all);
    note(ASKERS_MAX, ASKERS_MAX, 2000);
    assert_int_equal(named(2000), (all | UINT64_C(1) << ASKERS_MAX) & ~UINT64_C(1));
    askers_init(&table);
    note(0, 200, 500);
    for (uint8_t i = 1; i <= ASKERS_PER_ADDRESS; i++)
        note(i, 7, 1000 + i);
    assert_int_equal(named(2000), (1u << (ASKERS_PER_ADDRESS + 1)) - 1);
    note(60, 7, 2000);
    assert_int_equal(named(2000), (((1u << (ASKERS_PER_ADDRESS + 1)) - 1) & ~2u) | UINT64_C(1)
                                                                                       << 60);
}

static void test_on_this_machine_are_as_many_as_there_is_room(void **state)
{
    (void)state;
    askers_init(&table);
    for (uint8_t i = 0; i < ASKERS_MAX; i++) {
        struct asker who = asker(i, 1);
        who.addr.ip[0] = 127;
        askers_note(&table, &film, &who, STR(""), 1000);
    }
    assert_int_equal(named(1000), (UINT64_C(1) << ASKERS_MAX) - 1);
}

/* An id elsewhere is another one: nobody takes another's place by claiming its id. */
static void test_an_id_at_two_places(void **state)
{
    struct askers_entry entry;
    int at = 0, count = 0;
    (void)state;
    askers_init(&table);
    note(1, 1, 1000);
    note(1, 2, 1001);
    while ((at = askers_take(&table, &film, at, &entry)) > 0)
        count++;
    assert_int_equal(count, 2);
}

static void test_take(void **state)
{
    struct asker who = asker(1, 1);
    struct askers_entry entry;
    char many[8 * ASKERS_NEWS];
    struct buf buf = buf_on(many, sizeof many);
    (void)state;
    askers_init(&table);
    assert_int_equal(askers_take(&table, &film, 0, &entry), 0);
    askers_note(&table, &film, &who, STR("5,6"), 1000);
    askers_note(&table, &film, &who, STR("x,7"), 1001);
    assert_int_equal(askers_take(&table, &song, 0, &entry), 0);
    assert_int_equal(askers_take(&table, &film, 0, &entry), 1);
    assert_int_equal(entry.news_count, 3);
    assert_int_equal(entry.news[2], 7);
    assert_int_equal(askers_take(&table, &film, 0, &entry), 0);
    askers_note(&table, &film, &who, STR(""), 1002);
    assert_int_equal(askers_take(&table, &film, 0, &entry), 1);
    assert_int_equal(entry.news_count, 0);
    for (int i = 0; i <= ASKERS_NEWS; i++)
        buf_printf(&buf, "%d,", i);
    askers_note(&table, &film, &who, buf_str(&buf), 1003);
    assert_int_equal(askers_take(&table, &film, 0, &entry), 1);
    assert_int_equal(entry.news_count, ASKERS_NEWS);
    assert_int_equal(entry.news[ASKERS_NEWS - 1], ASKERS_NEWS - 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_put_have),
        cmocka_unit_test(test_put_is_read),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_name),
        cmocka_unit_test(test_many_take_turns),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_on_this_machine_are_as_many_as_there_is_room),
        cmocka_unit_test(test_an_id_at_two_places),
        cmocka_unit_test(test_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
