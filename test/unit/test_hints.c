/* SPDX-License-Identifier: MIT */
/* Whom other downloaders name, and themselves: how many are taken, from whom, under which address,
 * and what becomes of those that led nowhere. */
#include "swarm/hints.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/text.h"

enum { PIECES = 16, TELLER = 0 };

static struct download download;
static struct arena arena;
static uint8_t memory[4096];

static uint32_t next_random(void *ctx)
{
    (void)ctx;
    return 0;
}

/* A download that knows one holder, at 10.0.0.1. */
static void begin(void)
{
    const struct plan_shape shape = {PIECES, P2P_PIECE_MIN, 4, next_random, NULL};
    struct loop *loop = download.config.loop;
    memset(&download, 0, sizeof download);
    download.config.loop = loop;
    download.config.port = 7751;
    download.pieces = PIECES;
    memset(download.config.self.bytes, 0xee, P2P_ID_SIZE);
    plan_init(&download.plan, &shape, memory);
    askers_init(&download.held.askers);
    hints_reset(&download);
    struct holder *teller = &download.holders[TELLER];
    *teller = (struct holder){.state = HOLDER_READY, .addr_count = 1, .teller = -1};
    memset(teller->id.bytes, 0xdd, P2P_ID_SIZE);
    assert_int_equal(addr_parse(STR("10.0.0.1:7751"), 0, &teller->addr[0]), 0);
}

static int setup(void **state)
{
    (void)state;
    if (arena_init(&arena, (size_t)1 << 20) != 0)
        return -1;
    return loop_init(&download.config.loop, &arena, 4, 4);
}

static int hints(void)
{
    int count = 0;
    for (int i = 0; i < TRANSFER_HOLDERS_MAX; i++)
        count += download.holders[i].hint;
    return count;
}

/* "ID@10.0.0.N:7751" for count numbers from first on; the id is the number. */
static void tell(int first, int count)
{
    char text[ASKERS_TOLD * 2 * 64];
    struct buf buf = buf_on(text, sizeof text);
    for (int i = first; i < first + count; i++)
        buf_printf(&buf, "%s%032x@10.0.0.%d:7751", i > first ? "," : "", (unsigned)i, i);
    hints_read(&download, TELLER, buf_str(&buf));
}

/* New ones are taken up to what is let in at once, then as time goes. */
static void test_burst(void **state)
{
    (void)state;
    for (int count = HINTS_BURST - 1; count <= HINTS_BURST + 1; count++) {
        begin();
        for (int i = 0; i < count; i++)
            tell(2 + i, 1);
        assert_int_equal(hints(), count < HINTS_BURST ? count : HINTS_BURST);
        tell(2, 1);
        assert_int_equal(hints(), count < HINTS_BURST ? count : HINTS_BURST);
    }
}

/* So many are not confirmed at a time; one that led nowhere makes way. */
static void test_table(void **state)
{
    (void)state;
    for (int count = HINTS_MAX - 1; count <= HINTS_MAX + 1; count++) {
        begin();
        for (int i = 0; i < count; i++) {
            hints_reset(&download); /* time passes */
            tell(2 + i, 1);
        }
        assert_int_equal(hints(), count < HINTS_MAX ? count : HINTS_MAX);
    }
    hints_drop(&download, 5);
    hints_reset(&download);
    tell(100, 1);
    assert_int_equal(hints(), HINTS_MAX);
    assert_int_equal(download.holders[5].state, HOLDER_NEW);
    assert_int_equal(download.holders[5].id.bytes[P2P_ID_SIZE - 1], 100);
    hints_confirm(&download, 6);
    assert_false(download.holders[6].hint);
    hints_reset(&download);
    tell(101, 1);
    assert_int_equal(hints(), HINTS_MAX);
}

/* What an answer names beyond so many is not looked at. */
static void test_told(void **state)
{
    (void)state;
    for (int count = ASKERS_TOLD - 1; count <= ASKERS_TOLD + 1; count++) {
        begin();
        tell(2, count);
        assert_int_equal(hints(), count < ASKERS_TOLD ? count : ASKERS_TOLD);
    }
}

/* Who told of many in vain is not listened to, until one of them is found. */
static void test_misled(void **state)
{
    (void)state;
    for (int vain = HINTS_MISLED - 1; vain <= HINTS_MISLED + 1; vain++) {
        begin();
        for (int i = 0; i < vain; i++) {
            hints_reset(&download);
            tell(2 + i, 1);
            for (int k = 1; k < TRANSFER_HOLDERS_MAX; k++)
                if (download.holders[k].state == HOLDER_NEW)
                    hints_drop(&download, k);
        }
        hints_reset(&download);
        tell(120, 1);
        bool taken = false;
        for (int k = 1; k < TRANSFER_HOLDERS_MAX; k++)
            taken |= download.holders[k].id.bytes[P2P_ID_SIZE - 1] == 120;
        assert_int_equal(taken, vain < HINTS_MISLED);
    }
    begin();
    download.holders[TELLER].misled = HINTS_MISLED - 1;
    tell(2, 1);
    hints_confirm(&download, 1);
    assert_int_equal(download.holders[TELLER].misled, 0);
}

/* Addresses that a stranger may not send a node to. */
static void test_addresses(void **state)
{
    static const struct {
        const char *address;
        int taken;
    } rows[] = {
        {"10.0.0.9:7751", 1},  {"192.168.1.9:7751", 1}, {"127.0.0.1:7751", 0},
        {"224.0.0.1:7751", 0}, {"0.0.0.0:7751", 0},     {"255.255.255.255:7751", 0},
        {"[fe80::1]:7751", 0}, {"[::1]:7751", 0},       {"[ff02::1]:7751", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[128];
        begin();
        snprintf(text, sizeof text, "%032x@%s", 9u, rows[i].address);
        hints_read(&download, TELLER, text_from(text));
        if (hints() != rows[i].taken)
            fail_msg("%s", rows[i].address);
    }
}

/* Itself, and one that is known, are no hints. */
static void test_known(void **state)
{
    char text[128];
    (void)state;
    begin();
    for (int i = 0; i < 2; i++) {
        const struct record_id *id = i == 0 ? &download.config.self : &download.holders[TELLER].id;
        struct buf buf = buf_on(text, sizeof text);
        buf_put_hex(&buf, id->bytes, P2P_ID_SIZE);
        buf_put_text(&buf, "@10.0.0.9:7751");
        hints_read(&download, TELLER, buf_str(&buf));
        assert_int_equal(hints(), 0);
    }
}

/* The answer of a hint counts only with the id that it goes by. */
static void test_is_true(void **state)
{
    static const struct {
        const char *node;
        bool truth;
    } rows[] = {
        {"00000000000000000000000000000002", true},
        {" 00000000000000000000000000000002 ", true},
        {"00000000000000000000000000000003", false},
        {"0000000000000000000000000000002", false},
        {"", false},
        {NULL, false},
    };
    (void)state;
    begin();
    tell(2, 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_head head = {.status = 200};
        if (rows[i].node != NULL)
            head.header[HTTP_HEADER_P2P_NODE] = text_from(rows[i].node);
        if (hints_is_true(&download, 1, &head) != rows[i].truth)
            fail_msg("%s", rows[i].node != NULL ? rows[i].node : "none");
        assert_true(hints_is_true(&download, TELLER, &head));
    }
}

/* Who asked here speaks for itself, and of its pieces when it is known at that address. */
static void test_hear(void **state)
{
    struct asker who = {.addr = {.family = 4, .ip = {10, 0, 0, 7}, .port = 7751}};
    (void)state;
    begin();
    who.id.bytes[0] = 7;
    askers_note(&download.held.askers, &download.want.content, &who, STR("1,2"), 1000);
    hints_hear(&download);
    assert_int_equal(hints(), 1);
    assert_int_equal(download.holders[1].teller, -1);
    assert_true(record_id_equal(&download.holders[1].id, &who.id));
    hints_hear(&download);
    assert_int_equal(hints(), 1);
}

/* It says where it serves, unless it does not. */
static void test_self(void **state)
{
    static const struct {
        uint16_t port;
        uint32_t pieces, window;
        bool said;
    } rows[] = {{7751, 2, 0, true}, {0, 2, 0, false}, {7751, 1, 0, false}, {7751, 2, 8, false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[128];
        struct buf buf = buf_on(text, sizeof text);
        begin();
        download.config.port = rows[i].port;
        download.pieces = rows[i].pieces;
        download.want.window = rows[i].window;
        hints_put_self(&download, &buf);
        if ((buf.len > 0) != rows[i].said)
            fail_msg("row %zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burst),     cmocka_unit_test(test_table),
        cmocka_unit_test(test_told),      cmocka_unit_test(test_misled),
        cmocka_unit_test(test_addresses), cmocka_unit_test(test_known),
        cmocka_unit_test(test_is_true),   cmocka_unit_test(test_hear),
        cmocka_unit_test(test_self),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
