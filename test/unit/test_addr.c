/* SPDX-License-Identifier: MIT */
/* Addresses: tables of texts, read, written and refused. */
#include "base/addr.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_parse(void **state)
{
    static const struct {
        const char *text, *shown; /* NULL: refused */
    } rows[] = {
        {"10.0.0.5", "10.0.0.5:99"},
        {"10.0.0.5:7750", "10.0.0.5:7750"},
        {"0.0.0.0:0", "0.0.0.0:0"},
        {"255.255.255.255:65535", "255.255.255.255:65535"},
        {"[::1]:7750", "[::1]:7750"},
        {"[::1]", "[::1]:99"},
        {"::1", "[::1]:99"},
        {"::", "[::]:99"},
        {"1::", "[1::]:99"},
        {"::1:7750", "[::1:7750]:99"},
        {"2001:DB8:0:0:1:0:0:1", "[2001:db8::1:0:0:1]:99"},
        {"1:0:0:2:0:0:0:3", "[1:0:0:2::3]:99"},
        {"1:2:3:4:5:6:7:8", "[1:2:3:4:5:6:7:8]:99"},
        {"1:2:3:4:5:6:7::", "[1:2:3:4:5:6:7:0]:99"},
        {"::2:3:4:5:6:7:8", "[0:2:3:4:5:6:7:8]:99"},
        {"0:1:0:1:0:1:0:1", "[0:1:0:1:0:1:0:1]:99"},
        {"::1.2.3.4", "[::102:304]:99"},
        {"64:ff9b::1.2.3.4", "[64:ff9b::102:304]:99"},
        {"1:2:3:4:5:6:7.8.9.10", "[1:2:3:4:5:6:708:90a]:99"},
        {"::ffff:10.0.0.5", "10.0.0.5:99"},
        {"[::ffff:a00:5]:1", "10.0.0.5:1"},
        {"[fe80::1%3]:7750", "[fe80::1%3]:7750"},
        {"fe80::1%4294967295", "[fe80::1%4294967295]:99"},
        {"", NULL},
        {"10.0.0", NULL},
        {"10.0.0.5.6", NULL},
        {"10.0.0.", NULL},
        {"10.0.0.256", NULL},
        {"010.0.0.5", NULL},
        {"10.0.0.05", NULL},
        {"10.0.0.0x5", NULL},
        {"10.0.0.5 ", NULL},
        {" 10.0.0.5", NULL},
        {"10.0.0.5:", NULL},
        {"10.0.0.5:x", NULL},
        {"10.0.0.5:65536", NULL},
        {"10.0.0.5:000001", NULL},
        {"[10.0.0.5]:1", NULL},
        {"[::1", NULL},
        {"[::1]x", NULL},
        {"[::1]:", NULL},
        {"[]:1", NULL},
        {":", NULL},
        {":::", NULL},
        {"1::2::3", NULL},
        {"1:2:3:4:5:6:7", NULL},
        {"1:2:3:4:5:6:7:8:9", NULL},
        {"1:2:3:4:5:6:7:8::", NULL},
        {"::1:2:3:4:5:6:7:8", NULL},
        {"12345::", NULL},
        {"::g", NULL},
        {":1::", NULL},
        {"1::2:", NULL},
        {"1.2.3.4::", NULL},
        {"::1.2.3.4:5", NULL},
        {"1:2:3:4:5:6:7:1.2.3.4", NULL},
        {"fe80::1%", NULL},
        {"fe80::1%eth0", NULL},
        {"fe80::1%4294967296", NULL},
        {"10.0.0.5%1", NULL},
        {"localhost", NULL},
        {"localhost:1", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct plat_addr addr, again;
        char text[ADDR_TEXT_MAX];
        int result = addr_parse(text_from(rows[i].text), 99, &addr);
        if (result != (rows[i].shown ? 0 : -P2P_EINVAL) ||
            (result == 0 && strcmp(addr_format(&addr, text), rows[i].shown) != 0))
            fail_msg("%s: %d, %s", rows[i].text, result, result == 0 ? text : "");
        if (result == 0) {
            assert_int_equal(addr_parse(text_from(text), 0, &again), 0);
            assert_true(addr_equal(&addr, &again));
        }
    }
}

static void test_listen(void **state)
{
    static const struct {
        const char *text, *shown;
    } rows[] = {
        {"7750", "[::]:7750"},
        {"0", "[::]:0"},
        {"65535", "[::]:65535"},
        {"65536", NULL},
        {"10.0.0.5:80", "10.0.0.5:80"},
        {"[::1]:80", "[::1]:80"},
        {"10.0.0.5", NULL},
        {"::1", NULL},
        {"[::1]", NULL},
        {"", NULL},
        {":80", NULL},
        {"-1", NULL},
        {"host:80", NULL},
        {"80 ", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct plat_addr addr;
        char text[ADDR_TEXT_MAX] = "";
        int result = addr_parse_listen(text_from(rows[i].text), &addr);
        if (result != (rows[i].shown ? 0 : -P2P_EINVAL) ||
            (result == 0 && strcmp(addr_format(&addr, text), rows[i].shown) != 0))
            fail_msg("%s: %d, %s", rows[i].text, result, text);
    }
}

static void test_split_host(void **state)
{
    static const struct {
        const char *text, *host;
        int port;
    } rows[] = {
        {"pi", "pi", 7},
        {"pi:80", "pi", 80},
        {"a-b_c.lan:1", "a-b_c.lan", 1},
        {"10.0.0.5:80", "10.0.0.5", 80},
        {"[::1]:80", "::1", 80},
        {"::1", "::1", 7},
        {"[fe80::1%2]", "fe80::1%2", 7},
        {"", NULL, 0},
        {":80", NULL, 0},
        {"pi:0", NULL, 0},
        {"pi:65536", NULL, 0},
        {"pi:", NULL, 0},
        {"p i", NULL, 0},
        {"pi/x", NULL, 0},
        {"a@b", NULL, 0},
        {"a:b:c", NULL, 0},
        {"[pi]:1", NULL, 0},
        {"\xc3\xa4", NULL, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char host[P2P_HOST_MAX + 1] = "";
        uint16_t port = 0;
        int result = addr_split_host(text_from(rows[i].text), 7, host, &port);
        if (result != (rows[i].host ? 0 : -P2P_EINVAL) ||
            (result == 0 && (strcmp(host, rows[i].host) != 0 || port != rows[i].port)))
            fail_msg("%s: %d, %s, %d", rows[i].text, result, host, port);
    }
}

static void test_longest_host(void **state)
{
    char name[P2P_HOST_MAX + 1], host[P2P_HOST_MAX + 1];
    uint16_t port;
    (void)state;
    memset(name, 'h', sizeof(name));
    for (size_t len = P2P_HOST_MAX - 1; len <= P2P_HOST_MAX + 1; len++)
        assert_int_equal(addr_split_host((struct str){name, len}, 1, host, &port),
                         len <= P2P_HOST_MAX ? 0 : -P2P_EINVAL);
}

static void test_format_ip(void **state)
{
    struct plat_addr addr = {0};
    char text[ADDR_TEXT_MAX];
    (void)state;
    assert_string_equal(addr_format_ip(&addr, text), "none");
    assert_int_equal(addr_parse(STR("[fe80::1%3]:1"), 0, &addr), 0);
    assert_string_equal(addr_format_ip(&addr, text), "fe80::1%3");
    assert_int_equal(
        addr_parse(STR("1111:2222:3333:4444:5555:6666:7777:8888%4294967295"), 65535, &addr), 0);
    assert_string_equal(addr_format(&addr, text),
                        "[1111:2222:3333:4444:5555:6666:7777:8888%4294967295]:65535");
}

static void test_kinds(void **state)
{
    static const struct {
        const char *text;
        bool loopback, link_local;
    } rows[] = {
        {"127.0.0.1", true, false},
        {"127.255.255.255", true, false},
        {"126.0.0.1", false, false},
        {"::1", true, false},
        {"::2", false, false},
        {"169.254.1.1", false, true},
        {"169.253.1.1", false, false},
        {"fe80::1", false, true},
        {"febf::1", false, true},
        {"fec0::1", false, false},
        {"::ffff:127.0.0.1", true, false},
        {"10.0.0.1", false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct plat_addr addr;
        assert_int_equal(addr_parse(text_from(rows[i].text), 1, &addr), 0);
        if (addr_is_loopback(&addr) != rows[i].loopback ||
            addr_is_link_local(&addr) != rows[i].link_local)
            fail_msg("%s", rows[i].text);
    }
}

static void test_common_bits(void **state)
{
    static const struct {
        const char *a, *b;
        int bits;
    } rows[] = {
        {"10.0.0.1", "10.0.0.1", 32},
        {"10.0.0.1", "10.0.0.0", 31},
        {"10.0.0.1", "138.0.0.1", 0},
        {"10.0.0.1", "10.0.1.1", 23},
        {"::1", "::1", 128},
        {"::1", "8000::1", 0},
        {"2001:db8::", "2001:db9::", 31},
        {"10.0.0.1", "::1", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct plat_addr a, b;
        assert_int_equal(addr_parse(text_from(rows[i].a), 1, &a), 0);
        assert_int_equal(addr_parse(text_from(rows[i].b), 2, &b), 0);
        assert_int_equal(addr_common_bits(&a, &b), rows[i].bits);
        assert_int_equal(addr_common_bits(&b, &a), rows[i].bits);
        assert_false(addr_equal(&a, &b));
        bool same = rows[i].bits == (a.family == 4 ? 32 : 128);
        assert_int_equal(addr_same_ip(&a, &b), same);
        assert_int_equal(addr_hash_ip(&a) == addr_hash_ip(&b), same);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),       cmocka_unit_test(test_listen),
        cmocka_unit_test(test_split_host),  cmocka_unit_test(test_longest_host),
        cmocka_unit_test(test_format_ip),   cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_common_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
