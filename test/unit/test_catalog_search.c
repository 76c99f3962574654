/* SPDX-License-Identifier: MIT */
/* What a search text finds and in which order, and that a search in slices misses nothing that was
 * there all the time. */
#include "catalog_world.h"

#include "catalog/fold.h"
#include "catalog/pattern.h"
#include "catalog/ranking.h"
#include "catalog/texts.h"

#include "base/hash.h"

#include <stdio.h>

enum { WORLD_SIZE = 1 << 20, NOW = 1790000000 };

/* All results of one text, joined by "|". */
static const char *found(struct world *world, const char *text, uint32_t limit)
{
    static char out[4096];
    struct buf buf = buf_on(out, sizeof(out) - 1);
    struct search *search;
    struct lookup_offer read;
    const char *fault;
    int rc = search_open(world->catalog, &(struct search_request){text_from(text), limit, NOW},
                         &search, &fault);
    if (rc != 0)
        return fault;
    while (search_step(search, 1)) {
    }
    while (search_next(search, &read)) {
        if (buf.len > 0)
            buf_put_char(&buf, '|');
        buf_put(&buf, read.offer.path);
    }
    out[buf.len] = 0;
    search_close(search);
    return out;
}

static void folding(void **state)
{
    (void)state;
    static const struct {
        const char *text, *folded;
    } rows[] = {
        {"", ""},
        {"ABC xyz @[`{", "abc xyz @[`{"},
        {"0123456789ABCDEFGHIJ/Z", "0123456789abcdefghij/z"},
        {"\xc3\x89t\xc3\xa9", "\xc3\xa9t\xc3\xa9"},   /* composed */
        {"E\xcc\x81te\xcc\x81", "\xc3\xa9t\xc3\xa9"}, /* decomposed */
        {"\xcc\x81x", "\xcc\x81x"},                   /* a mark alone */
        {"q\xcc\x81", "q\xcc\x81"},                   /* no such letter */
        {"\xe1\xba\xbe", "\xe1\xba\xbf"},             /* E with circumflex and acute */
        {"E\xcc\x82\xcc\x81", "\xe1\xba\xbf"},
        {"\xd0\x99\xd0\x98\xcc\x86", "\xd0\xb9\xd0\xb9"}, /* Cyrillic short i */
        {"\xce\x91\xcc\x81\xce\xa9", "\xce\xac\xcf\x89"}, /* Greek */
        {"\xf0\x9f\x8e\xb5"
         "A",
         "\xf0\x9f\x8e\xb5"
         "a"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[64];
        size_t len = fold_text(text_from(rows[i].text), out, sizeof(out) - 1);
        out[len] = 0;
        assert_string_equal(out, rows[i].folded);
    }
    char block[200], folded[FOLD_SIZE(200)];
    for (size_t i = 0; i < sizeof(block); i++)
        block[i] = (char)((i * 7 + 1) % 128);
    for (size_t size = 0; size <= sizeof(block); size++) {
        assert_int_equal(fold_text((struct str){block, size}, folded, sizeof(folded)), size);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(folded[i],
                             block[i] >= 'A' && block[i] <= 'Z' ? block[i] + 32 : block[i]);
    }
}

static void folding_stays_in_its_room(void **state)
{
    (void)state;
    struct str text = STR("ab\xc3\x89\xc3\xa9\xe2\x82\xac");
    for (size_t size = 0; size < 10; size++) {
        char *out = malloc(size + 1);
        size_t len = fold_text(text, out, size);
        assert_true(len <= size && text_is_utf8((struct str){out, len}));
        free(out);
    }
}

static void finding(void **state)
{
    (void)state;
    static const struct {
        const char *text, *needle;
        size_t from;
        ptrdiff_t at;
    } rows[] = {{"abc", "abc", 0, 0},   {"abc", "abcd", 0, -1}, {"aab", "ab", 0, 1},
                {"abab", "ab", 1, 2},   {"abab", "ab", 3, -1},  {"abab", "b", 4, -1},
                {"xqxqy", "xqy", 0, 2}, {"", "a", 0, -1},       {"eeeeq", "eq", 0, 3},
                {"ABaB", "ab", 1, 2},   {"`@{[", "`{", 0, -1},  {"[@`@{", "@{", 0, 3}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct str needle = text_from(rows[i].needle);
        for (size_t anchor = 0; anchor < needle.len; anchor++)
            assert_int_equal(fold_find(text_from(rows[i].text), needle, rows[i].from, anchor),
                             rows[i].at);
        assert_true(fold_anchor(needle) < needle.len);
    }
}

/* As a plain loop finds it, at every place of texts of every length around the blocks in which it
 * is looked for, in either case. */
static void finding_everywhere(void **state)
{
    (void)state;
    static const char *const needles[] = {"q", "q7", "[q{", "needle-of-some-length"};
    char text[160];
    for (size_t k = 0; k < sizeof(needles) / sizeof(needles[0]); k++) {
        struct str needle = text_from(needles[k]);
        for (size_t size = needle.len; size <= sizeof(text); size++) {
            for (size_t at = 0; at + needle.len <= size; at++) {
                memset(text, at % 2 ? 'N' : 'e', sizeof(text));
                for (size_t i = 0; i < needle.len; i++)
                    text[at + i] =
                        (char)(at % 3 == 0 && needle.ptr[i] >= 'a' && needle.ptr[i] <= 'z'
                                   ? needle.ptr[i] - 32
                                   : needle.ptr[i]);
                for (size_t anchor = 0; anchor < needle.len; anchor++) {
                    struct str in = {text, size};
                    assert_int_equal(fold_find(in, needle, at / 2, anchor), at);
                    assert_int_equal(fold_find(in, needle, at + 1, anchor), -1);
                }
            }
        }
    }
}

static void matching(void **state)
{
    (void)state;
    static const struct {
        const char *text, *results;
    } rows[] = {
        {"report",
         "Report|docs/report|docs/my report.txt|old-report/x|docs/reports.txt|old/sreport"},
        {"REPORT.TXT", "docs/my report.txt"},
        {"docs/rep", "docs/report|docs/reports.txt"},
        {"s/report", "docs/report|docs/reports.txt"},
        {"docs/", "docs/report|docs/my report.txt|docs/reports.txt"},
        {"t/x", "old-report/x"},
        {"my report", "docs/my report.txt"},
        {"caf\xc3\xa9", "music/Cafe\xcc\x81.ogg|music/caf\xc3\xa9 2.ogg"},
        {"CAFE\xcc\x81", "music/Cafe\xcc\x81.ogg|music/caf\xc3\xa9 2.ogg"},
        {"music/caf", "music/Cafe\xcc\x81.ogg|music/caf\xc3\xa9 2.ogg"},
        {"IC/Caf\xc3\xa9", "music/Cafe\xcc\x81.ogg|music/caf\xc3\xa9 2.ogg"},
        {"ic/cafe\xcc\x81 2.ogg", "music/caf\xc3\xa9 2.ogg"},
        {"ic/afe", ""},
        {"docs/REPORTS.txt", "docs/reports.txt"},
        {"ocs/reports.txt.gz", ""},
        {"ocs/eport", ""},
        {"nothing", ""},
        {"twice", "twice/twice.txt"},
        {"*.ogg", "music/Cafe\xcc\x81.ogg|music/caf\xc3\xa9 2.ogg"},
        {"rep*s.txt", "docs/reports.txt"},
        {"docs/r*", "docs/report|docs/reports.txt"},
        {"ocs/r*", ""},
        {"r?port", "Report|docs/report"},
        {"[qr]eport", "Report|docs/report"},
        {"[]r]eport", "Report|docs/report"},
        {"[!r]eport", ""},
        {"[", ""},
        {"odd[name", "odd[name"},
        {"ext:TXT", "docs/my report.txt|docs/reports.txt|twice/twice.txt"},
        {"ext:t", ""},
        {"ext:ogg", "music/Cafe\xcc\x81.ogg|music/caf\xc3\xa9 2.ogg"},
        {"ext:2.ogg", ""},
        {"*e* ext:Gz", "old/safe.tar.gz"},
        {"ext:tar.gz", "old/safe.tar.gz"},
        {"ext:tar", ""},
        {"report ext:.txt", "docs/my report.txt|docs/reports.txt"},
        {"size>48 size<70 report", "docs/report|docs/my report.txt|docs/reports.txt"},
        {"size>49 size<69 report", "docs/my report.txt"},
        {"size<1K size>1000", ""},
        {"kind:copy", "old/sreport"},
        {"node:NODE7", "old-report/x"},
        {"node:07000000", "old-report/x"},
        {"node:0700000", ""},
        {"node:node7 D-R", "old-report/x"},
        {"node:node7 s/r", ""},
        {"node:other report", "Report|docs/report|docs/my report.txt|docs/reports.txt|old/sreport"},
        {"node:other Report size>20",
         "docs/report|docs/my report.txt|docs/reports.txt|old/sreport"},
        {"node:other *.ogg kind:owned", "music/Cafe\xcc\x81.ogg|music/caf\xc3\xa9 2.ogg"},
        {"size>98", "odd[name|twice/twice.txt|old/safe.tar.gz"},
        {"0000000000000009000000000000000000000000000000000000000000000000", "odd[name"},
        {"size>x", "size> and size< want a size such as 10M"},
        {"kind:mine", "kind: wants owned or copy"},
        {"ext:", "ext: wants an extension such as iso"},
        {"node:", "node: wants a name or at least 8 digits of an id"},
    };
    /* paths in the order of their mtime, the newest first; sizes 10, 20, … */
    static const char *const paths[] = {"Report",
                                        "music/Cafe\xcc\x81.ogg",
                                        "music/caf\xc3\xa9 2.ogg",
                                        "docs/report",
                                        "docs/my report.txt",
                                        "docs/reports.txt",
                                        "old-report/x",
                                        "old/sreport",
                                        "odd[name",
                                        "twice/twice.txt",
                                        "old/safe.tar.gz"};
    struct world world;
    world_open(&world, WORLD_SIZE);
    for (uint32_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct record_change put = world_put(paths[i], i + 1, 1000 - i);
        put.offer.size = 10 * (i + 1) + 9;
        put.offer.copy = i == 7;
        struct catalog_node *node = world_node(&world, i + 1);
        struct record_join join = {.epoch = 1, .seq = 1, .name = STR("node7")};
        if (i + 1 != 7)
            join.name = STR("other");
        assert_int_equal(catalog_join_begin(world.catalog, node, &join), 0);
        assert_int_equal(catalog_apply(world.catalog, node, &put), 0);
        world_commit(&world, node);
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(found(&world, rows[i].text, 100), rows[i].results);
    assert_string_equal(found(&world, "report", 2), "Report|docs/report");
    assert_string_equal(found(&world, "report", 0), "");
    world_close(&world);
}

static void fit(void **state)
{
    (void)state;
    static const struct {
        const char *text, *path;
        enum pattern_fit fit;
    } rows[] = {{"a/b", "a/b", PATTERN_EXACT},         {"b", "a/b", PATTERN_EXACT},
                {"A/B", "a/b", PATTERN_EXACT},         {"a", "a/b", PATTERN_WORD},
                {"b", "a/b.c", PATTERN_WORD},          {"b", "a/bc", PATTERN_PREFIX},
                {"c", "a/bc", PATTERN_SUBSTRING},      {"b", "a/x bc", PATTERN_SUBSTRING},
                {"b", "abc-b", PATTERN_WORD},          {"/b", "a/b/c", PATTERN_WORD},
                {"a/b/", "a/b/c", PATTERN_WORD},       {"d", "a/b/c", PATTERN_NO},
                {"", "a", PATTERN_SUBSTRING},          {"a*", "a/b", PATTERN_SUBSTRING},
                {"a*", "a*", PATTERN_EXACT},           {"b*", "a/b", PATTERN_SUBSTRING},
                {"a/b*", "x/a/b", PATTERN_NO},         {"a/b", "x/a/b", PATTERN_WORD},
                {"kind:owned b", "a/b", PATTERN_EXACT}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pattern pattern;
        const char *fault;
        char folded[64];
        struct str path = text_from(rows[i].path);
        assert_int_equal(pattern_parse(&pattern, text_from(rows[i].text), &fault), 0);
        size_t len = fold_text(path, folded, sizeof(folded));
        assert_int_equal(pattern_fit(&pattern, path, (struct str){folded, len}), rows[i].fit);
    }
}

static void text_limits(void **state)
{
    (void)state;
    static char text[P2P_PATH_MAX + 2];
    struct world world;
    struct search *search;
    const char *fault;
    world_open(&world, WORLD_SIZE);
    memset(text, 'a', sizeof(text));
    for (size_t i = 100; i < sizeof(text); i += 100)
        text[i] = '/';
    for (size_t len = P2P_PATH_MAX - 1; len <= P2P_PATH_MAX + 1; len++) {
        int rc =
            search_open(world.catalog, &(struct search_request){(struct str){text, len}, 10, NOW},
                        &search, &fault);
        assert_int_equal(rc, len <= P2P_PATH_MAX ? 0 : -P2P_ETOOBIG);
        assert_true((rc == 0) == (fault == NULL));
        search_close(search);
    }
    /* A text over a pattern's length is a path and nothing else. */
    struct record_change put = world_put("", 1, 1);
    put.offer.path = (struct str){text, P2P_PATTERN_MAX + 1};
    world_offer(&world, 1, &put);
    for (size_t len = P2P_PATTERN_MAX - 1; len <= P2P_PATTERN_MAX + 1; len++) {
        struct lookup_offer read;
        assert_int_equal(search_open(world.catalog,
                                     &(struct search_request){(struct str){text, len}, 10, NOW},
                                     &search, &fault),
                         0);
        while (search_step(search, 100)) {
        }
        assert_int_equal(search_next(search, &read), 1);
        search_close(search);
    }
    text[50] = 'b';
    assert_int_equal(
        search_open(world.catalog,
                    &(struct search_request){(struct str){text, P2P_PATTERN_MAX + 1}, 10, NOW},
                    &search, &fault),
        0);
    struct lookup_offer read;
    while (search_step(search, 100)) {
    }
    assert_int_equal(search_next(search, &read), 0);
    search_close(search);
    world_close(&world);
}

static void order(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, WORLD_SIZE);
    const struct record_change puts[] = {
        world_put("a/new song", 1, 900), world_put("a/old song", 2, 100),
        world_put("a/shared song", 3, 50), world_put("b/future song", 4, NOW + 86401),
        world_put("b/tomorrow song", 5, NOW + 86400)};
    for (uint32_t i = 0; i < 5; i++)
        world_offer(&world, i + 1, &puts[i]);
    world_offer(&world, 9, &puts[2]);
    assert_string_equal(found(&world, "song", 10),
                        "a/shared song|a/shared song|b/tomorrow song|a/new song|a/old song|"
                        "b/future song");
    world_close(&world);
}

/* Before each text stands its owner's number, whose bytes may be letters: 0x6b00 has a 'k'. On its
 * page another name has one too, and what stands before that number looks like the number of
 * n12336: each is found once. */
static void numbers_are_no_text(void **state)
{
    (void)state;
    enum { COUNT = 0x6b00, NAMED = '0' << 8 | '0' };
    struct world world;
    char path[16];
    world_open(&world, 16 << 20);
    struct catalog_node *node = world_node(&world, 1);
    assert_int_equal(world_begin(&world, node, 1, 1), 0);
    for (int i = 1; i <= COUNT + 1; i++) {
        snprintf(path, sizeof(path), i == NAMED || i > COUNT ? "n%05d-k-00" : "n%05d-00", i);
        assert_int_equal(world_apply(&world, node, path, 0), 0);
    }
    world_commit(&world, node);
    assert_string_equal(found(&world, "k", 10), "n12336-k-00|n27393-k-00");
    for (char byte = 'a'; byte <= 'z'; byte++) {
        char text[2] = {byte, 0};
        if (byte != 'k' && byte != 'n')
            assert_string_equal(found(&world, text, 10), "");
    }
    world_close(&world);
}

static void too_many_searches(void **state)
{
    (void)state;
    struct world world;
    struct search *search[SEARCH_OPEN_MAX + 1];
    const char *fault;
    world_open(&world, 40 << 20);
    for (int i = 0; i <= SEARCH_OPEN_MAX; i++)
        assert_int_equal(search_open(world.catalog, &(struct search_request){STR("a"), 1, NOW},
                                     &search[i], &fault),
                         i < SEARCH_OPEN_MAX ? 0 : -P2P_EBUSY);
    assert_null(search[SEARCH_OPEN_MAX]);
    search_close(search[3]);
    assert_int_equal(
        search_open(world.catalog, &(struct search_request){STR("a"), 1, NOW}, &search[3], &fault),
        0);
    for (int i = 0; i <= SEARCH_OPEN_MAX; i++)
        search_close(search[i]);
    world_close(&world);
}

static void truncation_is_told(void **state)
{
    (void)state;
    struct world world;
    char path[40];
    const char *fault;
    struct search *search;
    struct lookup_offer read;
    world_open(&world, 8 << 20);
    struct catalog_node *node = world_node(&world, 1);
    world_begin(&world, node, 1, 1);
    for (uint32_t i = 0; i < 6000; i++) {
        snprintf(path, sizeof(path), "%u/some file %u", (unsigned)i % 30, (unsigned)i);
        assert_int_equal(world_apply(&world, node, path, i + 1), 0);
    }
    world_commit(&world, node);
    static const struct {
        const char *text;
        uint32_t limit, results;
        bool truncated;
    } rows[] = {{"some", 1000, 1000, true},        {"some", 5000, 1000, true},
                {"file 599", 11, 11, false},       {"file 599", 10, 10, true},
                {"file 599", 12, 11, false},       {"7/some file 37", 50, 12, false},
                {"29/some file 5999", 1, 1, false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint32_t results = 0;
        assert_int_equal(
            search_open(world.catalog,
                        &(struct search_request){text_from(rows[i].text), rows[i].limit, NOW},
                        &search, &fault),
            0);
        while (search_step(search, 50)) {
        }
        while (search_next(search, &read))
            results++;
        assert_int_equal(results, rows[i].results);
        assert_int_equal(search_truncated(search), rows[i].truncated);
        search_close(search);
    }
    /* Stopped before its time it gives what it has, the best first; after it nothing changes. */
    for (int steps = 1; steps <= 200; steps += 199) {
        bool more = true;
        uint32_t results = 0;
        assert_int_equal(search_open(world.catalog,
                                     &(struct search_request){text_from("7/some file 37"), 50, NOW},
                                     &search, &fault),
                         0);
        for (int i = 0; i < steps && more; i++)
            more = search_step(search, 50);
        search_stop(search);
        while (search_next(search, &read))
            results++;
        assert_int_equal(more, steps == 1);
        assert_int_equal(search_truncated(search), more);
        assert_true(more ? results > 0 && results < 12 : results == 12);
        search_close(search);
    }
    /* However many match: the very name is found, by hash. */
    assert_true(
        text_begins(text_from(found(&world, "29/some file 5999", 10)), STR("29/some file 5999")));
    world_close(&world);
}

/* The best of as many as are always ranked comes first, wherever it stands. */
static void so_many_are_ranked(void **state)
{
    (void)state;
    static const uint32_t places[] = {0, 1, 4096 / 2, 4096 - 1};
    char path[40];
    for (size_t k = 0; k < sizeof(places) / sizeof(places[0]); k++) {
        struct world world;
        world_open(&world, 8 << 20);
        struct catalog_node *node = world_node(&world, 1);
        world_begin(&world, node, 1, 1);
        for (uint32_t i = 0; i < 4096; i++) {
            snprintf(path, sizeof(path), i == places[k] ? "d/a word-%u" : "d/awords%u",
                     (unsigned)i);
            assert_int_equal(world_apply(&world, node, path, i + 1), 0);
        }
        world_commit(&world, node);
        assert_true(text_begins(text_from(found(&world, "word", 3)), STR("d/a word-")));
        world_close(&world);
    }
}

static void holders_of_a_content(void **state)
{
    (void)state;
    struct world world;
    struct search *search;
    struct lookup_offer read;
    struct record_content content = world_content(7);
    world_open(&world, WORLD_SIZE);
    for (uint32_t i = 1; i <= 5; i++) {
        struct record_change put = world_put(i % 2 ? "a" : "b", i == 5 ? 8 : 7, i);
        world_offer(&world, i, &put);
    }
    catalog_lose(world.catalog, world_node(&world, 2), 1);
    assert_int_equal(search_open_content(world.catalog, &content, 100, &search), 0);
    while (search_step(search, 1)) {
    }
    int count = 0;
    for (; search_next(search, &read); count++)
        assert_memory_equal(&read.offer.content, &content, sizeof(content));
    assert_int_equal(count, 3);
    search_close(search);
    world_close(&world);
}

/* Some with other letters than ASCII, so that both kinds of pages occur. */
static void stay_path(uint32_t i, char *out, size_t size)
{
    snprintf(out, size, "folder %u/stay%u%s", (unsigned)i % 9, (unsigned)i,
             i > 250 ? "\xc3\xa9" : "");
}

/* Other offers come and go between the steps of one search after another. */
static void nothing_that_stays_is_missed(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part; /* part: of the paths that fit */
    } rows[] = {{"stay", "stay"},     {"folder", "folder"}, {"r/stay", "r/stay"},
                {"e", "e"},           {"*ta?*", "tay"},     {"", ""},
                {"er 3/s", "er 3/s"}, {"kind:owned", ""},   {"node:01000000 7/stay", "7/stay"}};
    enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
    struct world world;
    struct hash_random random;
    char path[60];
    world_open(&world, 2 << 20);
    hash_random_seed(&random, 77);
    struct catalog_node *node = world_node(&world, 1), *other = world_node(&world, 2);
    world_begin(&world, node, 1, 1);
    for (uint32_t i = 0; i < 500; i++) {
        stay_path(i, path, sizeof(path));
        assert_int_equal(world_apply(&world, node, path, i + 1), 0);
    }
    world_commit(&world, node);
    for (uint64_t round = 1; round <= 63; round++) {
        struct search *search;
        struct lookup_offer read;
        const char *fault;
        const char *text = rows[round % ROWS].text, *part = rows[round % ROWS].part;
        uint32_t wanted = 0, count = 0;
        bool seen[500] = {false};
        for (uint32_t i = 0; i < 500; i++) {
            stay_path(i, path, sizeof(path));
            wanted += strstr(path, part) != NULL;
        }
        assert_int_equal(search_open(world.catalog,
                                     &(struct search_request){text_from(text), 1000, NOW}, &search,
                                     &fault),
                         0);
        while (search_step(search, 4)) {
            if (!other->open)
                assert_int_equal(world_begin(&world, other, round, other->seq + 1), 0);
            for (int k = 0; k < 3; k++) {
                uint32_t i = hash_random_below(&random, 400);
                snprintf(path, sizeof(path), "folder %u/%s%u", (unsigned)i % 15,
                         i % 2 ? "go" : "stay", (unsigned)i + 500);
                world_apply(&world, other, path, i + 1);
            }
            if (hash_random_below(&random, 8) == 0)
                world_commit(&world, other);
        }
        while (search_next(search, &read)) {
            uint32_t name;
            if (read.node != node)
                continue;
            char copy[60];
            text_copy(read.offer.path, copy, sizeof(copy));
            const char *digits = strstr(copy, "stay");
            assert_non_null(digits);
            name = (uint32_t)strtoul(digits + 4, NULL, 10);
            assert_true(name < 500 && !seen[name]);
            seen[name] = true;
            count++;
        }
        search_close(search);
        assert_int_equal(count, wanted);
        if (other->open)
            catalog_abort(world.catalog, other);
    }
    world_close(&world);
}

static int texts_add_new(struct texts *texts, struct pool *pool, struct str text)
{
    return texts_add(texts, TEXTS_BASE, pool_take(pool), text);
}

/* A page that is full knows what it holds, also when it is used again; until then it may hold
 * anything. */
static void signatures_are_made_anew(void **state)
{
    (void)state;
    struct arena arena;
    struct pool pool;
    struct texts texts = {.fresh = 0};
    struct texts_filter old = {.count = 0}, fresh = {.count = 0};
    assert_int_equal(arena_init(&arena, 1 << 20), 0);
    assert_int_equal(pool_init(&pool, &arena, sizeof(uint32_t), 20), 0);
    texts.owner[TEXTS_BASE].pool = texts.owner[TEXTS_FOLDER].pool = &pool;
    assert_int_equal(texts_init(&texts, &arena, 2), 0);
    static char long_text[900];
    memset(long_text, 'x', sizeof(long_text));
    struct str filling = {long_text, sizeof(long_text)};
    assert_int_equal(texts_add_new(&texts, &pool, STR("Needle")), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(texts_add_new(&texts, &pool, filling), 0);
    texts_filter_add(&old, STR("needle"));
    texts_filter_add(&fresh, STR("other"));
    assert_true(texts_may_hold(&texts, 0, TEXTS_BASE, &fresh));
    for (int i = 0; i < 2; i++)
        assert_int_equal(texts_add_new(&texts, &pool, filling), 0);
    assert_true(texts_may_hold(&texts, 0, TEXTS_BASE, &old));
    assert_false(texts_may_hold(&texts, 0, TEXTS_FOLDER, &old));
    assert_false(texts_may_hold(&texts, 0, TEXTS_BASE, &fresh));
    assert_int_equal(texts_add_new(&texts, &pool, filling), -P2P_EFULL);
    assert_int_equal(texts_add(&texts, TEXTS_FOLDER, pool_take(&pool), STR("a/")), -P2P_EFULL);
    for (uint32_t i = 1; i <= 2; i++)
        texts_remove(&texts, *(uint32_t *)pool_at(&pool, i));
    assert_null(texts_check(&texts));
    assert_int_equal(texts_add_new(&texts, &pool, filling), 0);
    assert_int_equal(texts_add_new(&texts, &pool, STR("other one")), 0);
    assert_true(
        text_equal(texts_get(&texts, *(uint32_t *)pool_at(&pool, pool.fresh)), STR("other one")));
    assert_int_equal(texts_add_new(&texts, &pool, filling), -P2P_EFULL);
    assert_false(texts_may_hold(&texts, 0, TEXTS_BASE, &old));
    assert_true(texts_may_hold(&texts, 0, TEXTS_BASE, &fresh));
    assert_null(texts_check(&texts));
    arena_free(&arena);
}

static void ranking_keeps_the_best(void **state)
{
    (void)state;
    static struct ranking ranking;
    for (uint32_t limit = 0; limit <= 40; limit++) {
        ranking = (struct ranking){.limit = limit};
        for (uint32_t i = 0; i < 40; i++) {
            uint32_t value = i * 17 % 40; /* each of 0..39 once, mixed */
            ranking_add(&ranking, value / 4, 100 - value % 4);
        }
        ranking_sort(&ranking);
        assert_int_equal(ranking.count, limit);
        for (uint32_t i = 0; i < limit; i++) {
            assert_int_equal(ranking.entry[i].rank, (39 - i) / 4);
            assert_int_equal(ranking.entry[i].offer, 97 + i % 4);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folding),
        cmocka_unit_test(folding_stays_in_its_room),
        cmocka_unit_test(finding),
        cmocka_unit_test(finding_everywhere),
        cmocka_unit_test(matching),
        cmocka_unit_test(fit),
        cmocka_unit_test(text_limits),
        cmocka_unit_test(order),
        cmocka_unit_test(numbers_are_no_text),
        cmocka_unit_test(too_many_searches),
        cmocka_unit_test(truncation_is_told),
        cmocka_unit_test(so_many_are_ranked),
        cmocka_unit_test(holders_of_a_content),
        cmocka_unit_test(nothing_that_stays_is_missed),
        cmocka_unit_test(signatures_are_made_anew),
        cmocka_unit_test(ranking_keeps_the_best),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
