/* SPDX-License-Identifier: MIT */
/* The rule for names, globs, ignore lists, case folding. */
#include "base/name.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_fault(void **state)
{
    static const struct {
        struct str path;
        const char *fault;
    } rows[] = {
        {{"a", 1}, NULL},
        {{"a/b/c.txt", 9}, NULL},
        {{"a b/\xc3\xa9.\xe2\x82\xac", 10}, NULL},
        {{"a..b", 4}, NULL},
        {{"a.", 2}, NULL},
        {{"a\\b", 3}, NULL},
        {{"-", 1}, NULL},
        {{" ", 1}, NULL},
        {{"~", 1}, NULL},
        {{NULL, 0}, "it is empty"},
        {{"/a", 2}, "a part is empty"},
        {{"a//b", 4}, "a part is empty"},
        {{"a/", 2}, "it ends in a slash"},
        {{"/", 1}, "a part is empty"},
        {{".", 1}, "a part begins with a dot"},
        {{"..", 2}, "a part begins with a dot"},
        {{"a/..", 4}, "a part begins with a dot"},
        {{"../a", 4}, "a part begins with a dot"},
        {{"a/../b", 6}, "a part begins with a dot"},
        {{"a/./b", 5}, "a part begins with a dot"},
        {{".hidden", 7}, "a part begins with a dot"},
        {{"a/.b/c", 6}, "a part begins with a dot"},
        {{"a\nb", 3}, "it has a control character"},
        {{"a\0b", 3}, "it has a control character"},
        {{"a/b\x1f", 4}, "it has a control character"},
        {{"a\x7f", 2}, "it has a control character"},
        {{"a\xff", 2}, "it is not UTF-8"},
        {{"\xed\xa0\x80", 3}, "it is not UTF-8"},
        {{"\xc0\xae\xc0\xae/a", 6}, "it is not UTF-8"},
        {{"\xc3/\xa9", 3}, "it is not UTF-8"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *fault = name_fault(rows[i].path);
        if (fault != rows[i].fault &&
            (!fault || !rows[i].fault || strcmp(fault, rows[i].fault) != 0))
            fail_msg("row %zu: %s", i, fault ? fault : "good");
    }
}

static void test_limits(void **state)
{
    static char text[2048];
    (void)state;
    memset(text, 'a', sizeof(text));
    assert_null(name_fault((struct str){text, P2P_PART_MAX - 1}));
    assert_null(name_fault((struct str){text, P2P_PART_MAX}));
    assert_string_equal(name_fault((struct str){text, P2P_PART_MAX + 1}),
                        "a part is over 255 bytes");
    for (size_t i = 200; i < sizeof(text); i += 200)
        text[i] = '/';
    assert_null(name_fault((struct str){text, P2P_PATH_MAX - 1}));
    assert_null(name_fault((struct str){text, P2P_PATH_MAX}));
    assert_string_equal(name_fault((struct str){text, P2P_PATH_MAX + 1}), "it is over 1024 bytes");
    assert_null(name_node_fault((struct str){text, P2P_NODE_NAME_MAX}));
    assert_non_null(name_node_fault((struct str){text, P2P_NODE_NAME_MAX + 1}));
}

static void test_node_name(void **state)
{
    static const char *const good[] = {"a", "kitchen", "Pi-4_b", "0", "-"}, *const bad[] = {
                                                                                "",         "a.b",
                                                                                "a b",      "a/b",
                                                                                "\xc3\xa9", "a\n"};
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_null(name_node_fault(text_from(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_non_null(name_node_fault(text_from(bad[i])));
}

static void test_parts(void **state)
{
    static const struct {
        const char *path, *base, *folder;
    } rows[] = {
        {"a/b/c.tar.gz", "c.tar.gz", "a/b"},
        {"c", "c", ""},
        {"a.d/c", "c", "a.d"},
        {"", "", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct str path = text_from(rows[i].path);
        assert_true(text_is(name_base(path), rows[i].base));
        assert_true(text_is(name_folder(path), rows[i].folder));
    }
}

static void test_glob(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool match;
    } rows[] = {
        {"", "", true},
        {"", "a", false},
        {"a", "", false},
        {"abc", "abc", true},
        {"abc", "abd", false},
        {"abc", "ab", false},
        {"ab", "abc", false},
        {"*", "", true},
        {"*", "a/b", true},
        {"**", "x", true},
        {"a*", "a", true},
        {"a*c", "abbc", true},
        {"a*c", "abbd", false},
        {"*.txt", "a/b.txt", true},
        {"*.txt", "a.txt.gz", false},
        {"a*b*c", "a1b2b3c", true},
        {"a*b*c", "a1c2b", false},
        {"*a*a*a*", "aa", false},
        {"?", "a", true},
        {"?", "", false},
        {"?", "ab", false},
        {"?", "\xc3\xa9", true},
        {"??", "\xc3\xa9", false},
        {"?", "/", true},
        {"?", "\xff", true},
        {"[abc]", "b", true},
        {"[abc]", "d", false},
        {"[a-c]x", "bx", true},
        {"[a-c]", "d", false},
        {"[!a-c]", "d", true},
        {"[!a-c]", "a", false},
        {"[^a]", "b", true},
        {"[]]", "]", true},
        {"[]a]", "a", true},
        {"[!]]", "]", false},
        {"[a-]", "-", true},
        {"[-a]", "-", true},
        {"[\xc3\xa0-\xc3\xbf]", "\xc3\xa9", true},
        {"[*]", "*", true},
        {"[*]", "a", false},
        {"[", "[", true},
        {"[", "a", false},
        {"[a", "[a", true},
        {"[a", "a", false},
        {"*[", "x[", true},
        {"[!", "[!", true},
        {"[]", "[]", true},
        {"[z-a]", "m", false},
        {"A", "a", false},
        {"\xff", "\xff", true},
        {"\xff", "\xfe", false},
        {"*\xff", "\xfe\xff", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (name_glob(text_from(rows[i].pattern), text_from(rows[i].text)) != rows[i].match)
            fail_msg("%s with %s", rows[i].pattern, rows[i].text);
    }
    assert_true(name_is_glob(STR("a*")) && name_is_glob(STR("a?")) && name_is_glob(STR("[a")));
    assert_false(name_is_glob(STR("a.b]")));
}

/* By the table of which beginnings fit. */
static bool plain_glob(const char *pattern, const char *text)
{
    bool fits[8][8] = {{true}};
    size_t n = strlen(pattern), m = strlen(text);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k <= m; k++) {
            if (pattern[i] == '*')
                fits[i + 1][k] = fits[i][k] || (k > 0 && fits[i + 1][k - 1]);
            else
                fits[i + 1][k] =
                    k > 0 && fits[i][k - 1] && (pattern[i] == '?' || pattern[i] == text[k - 1]);
        }
    }
    return fits[n][m];
}

/* The number in digits of the alphabet. */
static void spell(unsigned number, const char *alphabet, char out[static 8])
{
    size_t base = strlen(alphabet);
    for (; number > 0; number = (unsigned)((number - 1) / base))
        *out++ = alphabet[(number - 1) % base];
    *out = 0;
}

/* Every pattern of up to five of these characters with every text of up to five. */
static void test_glob_all(void **state)
{
    char pattern[8], text[8];
    (void)state;
    for (unsigned i = 0; i < 1365; i++) {
        spell(i, "ab*?", pattern);
        for (unsigned k = 0; k < 63; k++) {
            spell(k, "ab", text);
            if (name_glob(text_from(pattern), text_from(text)) != plain_glob(pattern, text))
                fail_msg("%s with %s", pattern, text);
        }
    }
}

/* The pattern that makes recursive matchers take for ever must end, and at once: the whole test
 * fails by its time limit otherwise. */
static void test_glob_worst(void **state)
{
    static char pattern[P2P_PATTERN_MAX], text[P2P_PATH_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = i % 2 ? 'a' : '*';
    memset(text, 'a', sizeof(text));
    pattern[sizeof(pattern) - 1] = 'b';
    assert_false(
        name_glob((struct str){pattern, sizeof(pattern)}, (struct str){text, sizeof(text)}));
    text[sizeof(text) - 1] = 'b';
    assert_true(
        name_glob((struct str){pattern, sizeof(pattern)}, (struct str){text, sizeof(text)}));
}

static void test_ignored(void **state)
{
    static const struct {
        const char *patterns, *path;
        bool ignored;
    } rows[] = {
        {"", "a", false},
        {"*.tmp", "x/a.tmp", true},
        {"*.tmp", "a.txt", false},
        {"*~, *.tmp", "a.tmp", true},
        {"*~,*.tmp", "a~", true},
        {"cache/*", "cache/x/y", true},
        {"cache/*", "a/cache/x", false},
        {"cache", "a/cache", true},
        {"cache", "cache/x", false},
        {" , ", "a", false},
        {"a b*", "x/a b.txt", true},
        {"[Tt]humbs.db", "x/thumbs.db", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (name_is_ignored(text_from(rows[i].patterns), text_from(rows[i].path)) !=
            rows[i].ignored)
            fail_msg("%s with %s", rows[i].patterns, rows[i].path);
    }
}

static void test_fold(void **state)
{
    static const struct {
        int32_t rune, folded;
    } rows[] = {
        {'A', 'a'},       {'Z', 'z'},         {'[', '['},           {'@', '@'},
        {'a', 'a'},       {'1', '1'},         {0xc4, 0xe4},         {0xd7, 0xd7},
        {0xde, 0xfe},     {0xdf, 0xdf},       {0x1e9e, 0xdf},       {0x100, 0x101},
        {0x101, 0x101},   {0x130, 0x130},     {0x131, 0x131},       {0x139, 0x13a},
        {0x178, 0xff},    {0x17d, 0x17e},     {0x17f, 's'},         {0x218, 0x219},
        {0x391, 0x3b1},   {0x3a9, 0x3c9},     {0x3c2, 0x3c3},       {0x386, 0x3ac},
        {0x410, 0x430},   {0x401, 0x451},     {0x42f, 0x44f},       {0x490, 0x491},
        {0x4c0, 0x4cf},   {0x531, 0x561},     {0x556, 0x586},       {0x557, 0x557},
        {0x1ea0, 0x1ea1}, {0x1f08, 0x1f00},   {0x212a, 'k'},        {0xff21, 0xff41},
        {0x4e00, 0x4e00}, {0x1f600, 0x1f600}, {0x10ffff, 0x10ffff}, {-1, -1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (name_fold_rune(rows[i].rune) != rows[i].folded)
            fail_msg("U+%04X: U+%04X", (unsigned)rows[i].rune,
                     (unsigned)name_fold_rune(rows[i].rune));
    }
    /* Folding twice is folding once. */
    for (int32_t rune = 0; rune < 0x20000; rune++)
        assert_int_equal(name_fold_rune(name_fold_rune(rune)), name_fold_rune(rune));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fault),      cmocka_unit_test(test_limits),
        cmocka_unit_test(test_node_name),  cmocka_unit_test(test_parts),
        cmocka_unit_test(test_glob),       cmocka_unit_test(test_glob_all),
        cmocka_unit_test(test_glob_worst), cmocka_unit_test(test_ignored),
        cmocka_unit_test(test_fold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
