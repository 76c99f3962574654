/* SPDX-License-Identifier: MIT */
/* Which addresses of a node an asker is told, and which a node may claim: tables of texts. */
#include "node/reach.h"

#include "base/addr.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct plat_addr parse(const char *text)
{
    struct plat_addr addr;
    if (addr_parse(text_from(text), 7750, &addr))
        fail_msg("%s is no address", text);
    return addr;
}

static int parse_list(const char *list, struct plat_addr *out)
{
    struct str rest = text_from(list), item;
    int count = 0;
    while (text_split(&rest, ' ', &item)) {
        assert_int_equal(addr_parse(item, 7750, &out[count]), 0);
        count++;
    }
    return count;
}

static void who_is_told_what(void **state)
{
    (void)state;
    static const struct {
        const char *name, *peer, *local, *node, *expected;
    } rows[] = {
        {"as it is", "10.0.0.9:4000", "10.0.0.1:7750", "10.0.0.7:7751", "10.0.0.7:7751"},
        {"local node, remote asker", "10.0.0.9:4000", "10.0.0.1:7750", "127.0.0.1:7751",
         "10.0.0.1:7751"},
        {"local node, asker by IPv6", "[fd00::9]:4000", "[fd00::1]:7750", "127.0.0.1:7751",
         "[fd00::1]:7751"},
        {"local node by IPv6", "10.0.0.9:4000", "10.0.0.1:7750", "[::1]:7751", "10.0.0.1:7751"},
        {"local node, local asker", "127.0.0.1:4000", "127.0.0.1:7750", "127.0.0.5:7751",
         "127.0.0.5:7751"},
        {"remote node, local asker", "127.0.0.1:4000", "127.0.0.1:7750", "10.0.0.7:7751",
         "10.0.0.7:7751"},
        {"link-local to link-local, no scope", "[fe80::9%3]:4000", "[fe80::1%3]:7750",
         "[fe80::7%2]:7751", "[fe80::7]:7751"},
        {"link-local to others", "10.0.0.9:4000", "10.0.0.1:7750", "[fe80::7%2]:7751", ""},
        {"local node, link-local asker", "[fe80::9%3]:4000", "[fe80::1%3]:7750", "127.0.0.1:7751",
         "[fe80::1]:7751"},
        {"several, in order", "10.0.0.9:4000", "10.0.0.1:7750",
         "10.0.0.7:7751 192.168.1.7:7751 [fe80::7%2]:7751 [fd00::7]:80",
         "10.0.0.7:7751 192.168.1.7:7751 [fd00::7]:80"},
        {"each once", "10.0.0.9:4000", "10.0.0.1:7750", "127.0.0.1:7751 10.0.0.1:7751",
         "10.0.0.1:7751"},
        {"same host, other port", "10.0.0.9:4000", "10.0.0.1:7750", "127.0.0.1:7751 10.0.0.1:80",
         "10.0.0.1:7751 10.0.0.1:80"},
        {"none known", "10.0.0.9:4000", "10.0.0.1:7750", "", ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct reach_asker asker = {parse(rows[i].peer), parse(rows[i].local)};
        struct plat_addr have[P2P_ADDRESSES_MAX], got[P2P_ADDRESSES_MAX];
        char line[P2P_ADDRESSES_MAX * ADDR_TEXT_MAX], text[ADDR_TEXT_MAX];
        struct buf buf = buf_on(line, sizeof(line));
        int count = reach_addresses(&asker, have, parse_list(rows[i].node, have), got);
        for (int j = 0; j < count; j++) {
            buf_put_text(&buf, j > 0 ? " " : "");
            buf_put_text(&buf, addr_format(&got[j], text));
        }
        if (!text_is(buf_str(&buf), rows[i].expected))
            fail_msg("%s: %.*s", rows[i].name, (int)buf.len, line);
    }
}

static void addresses_without_use_are_left_out(void **state)
{
    (void)state;
    struct reach_asker asker = {parse("10.0.0.9:1"), parse("10.0.0.1:7750")};
    struct plat_addr have[2] = {{.family = 0}, parse("10.0.0.7:7751")};
    struct plat_addr got[P2P_ADDRESSES_MAX];
    assert_int_equal(reach_addresses(&asker, have, 2, got), 1);
    have[1].port = 0;
    assert_int_equal(reach_addresses(&asker, have, 2, got), 0);
}

static void what_may_be_claimed(void **state)
{
    (void)state;
    static const struct {
        const char *source, *claimed;
        bool expected;
    } rows[] = {
        {"10.0.0.7:7751", "192.168.1.7:7751", true},
        {"10.0.0.7:7751", "[fd00::7]:7751", true},
        {"10.0.0.7:7751", "127.0.0.1:7751", false},
        {"10.0.0.7:7751", "[::1]:22", false},
        {"127.0.0.1:7751", "127.0.0.1:7751", true},
        {"127.0.0.1:7751", "10.0.0.7:7751", true},
        {"10.0.0.7:7751", "0.0.0.0:7751", false},
        {"10.0.0.7:7751", "0.1.2.3:7751", false},
        {"10.0.0.7:7751", "223.255.255.255:7751", true},
        {"10.0.0.7:7751", "224.0.0.1:7751", false},
        {"10.0.0.7:7751", "255.255.255.255:7751", false},
        {"10.0.0.7:7751", "[::]:7751", false},
        {"10.0.0.7:7751", "[ff02::1]:7751", false},
        {"10.0.0.7:7751", "[fe80::7]:7751", true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct plat_addr source = parse(rows[i].source), claimed = parse(rows[i].claimed);
        if (reach_may_claim(&source, &claimed) != rows[i].expected)
            fail_msg("%s for %s", rows[i].claimed, rows[i].source);
        claimed.port = 0;
        assert_false(reach_may_claim(&source, &claimed));
    }
}

static void who_is_near(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool expected;
    } rows[] = {
        {"10.0.0.7", "10.0.0.200", true},
        {"10.0.0.255", "10.0.1.0", false},
        {"10.0.0.7", "fd00::7", false},
        {"fd00:0:0:1::7", "fd00:0:0:1:ffff::9", true},
        {"fd00:0:0:1::7", "fd00:0:0:2::7", false},
        {"127.0.0.1", "127.9.9.9", true},
        {"127.0.0.1", "::1", true},
        {"127.0.0.1", "10.0.0.7", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct plat_addr a = parse(rows[i].a), b = parse(rows[i].b);
        if (reach_is_near(&a, &b) != rows[i].expected || reach_is_near(&b, &a) != rows[i].expected)
            fail_msg("%s and %s", rows[i].a, rows[i].b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_told_what),
        cmocka_unit_test(addresses_without_use_are_left_out),
        cmocka_unit_test(what_may_be_claimed),
        cmocka_unit_test(who_is_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
