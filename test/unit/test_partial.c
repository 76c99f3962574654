/* SPDX-License-Identifier: MIT */
/* When the index is told how much of a download is here. The membership is the test's own: it
 * writes down what it is to offer. */
#include "peer/partial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

enum { PIECES = 200, NONE = -1, SILENT = -2 };

static struct held held;
static uint8_t bits[(PIECES + 7) / 8];
static int told; /* per cent; NONE: to offer nothing; SILENT: nothing was said */
static int64_t told_size;

void membership_offer(struct membership *membership, const struct record_offer *offer)
{
    (void)membership;
    told = offer ? offer->have : NONE;
    told_size = offer ? offer->size : 0;
}

/* The content whose name is full of that byte. */
static struct record_content content_of(uint8_t byte)
{
    struct record_content content;
    memset(&content, byte, sizeof content);
    return content;
}

static void download_of(uint8_t byte)
{
    struct record_content content = content_of(byte);
    struct held_source source = {.content = &content,
                                 .size = (int64_t)PIECES * P2P_PIECE_MIN,
                                 .file = 0,
                                 .chain_file = -1,
                                 .bits = bits};
    held.file = -1; /* 0 is not to be closed */
    held_open(&held, &source);
}

static void test_what_is_told_and_when(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t now_ms;
        int about;     /* the content of the download that there is; NONE: none */
        uint8_t opens; /* a download of this content begins; 0: it goes on */
        uint32_t count;
        int expected;
    } rows[] = {
        {"no download", 0, NONE, 0, 0, SILENT},
        {"nothing is here", 10, 1, 1, 0, SILENT},
        {"nothing is here still", 9000, 1, 0, 0, SILENT},
        {"the first piece", 10000, 1, 0, 1, 0},
        {"as much as was told", 20000, 1, 0, 1, SILENT},
        {"more, but not a per cent", 30000, 1, 0, 1, SILENT},
        {"a per cent", 30000, 1, 0, 2, 1},
        {"another, a moment before its time", 31999, 1, 0, 4, SILENT},
        {"in its time", 32000, 1, 0, 4, 2},
        {"later than that", 40001, 1, 0, 60, 30},
        {"less, since a chain was false", 42001, 1, 0, 20, 10},
        {"nothing is left of it", 42002, 1, 0, 0, NONE},
        {"nothing still", 50000, 1, 0, 0, SILENT},
        {"something again, at once", 50001, 1, 0, 1, 0},
        {"nearly all, too soon", 50002, 1, 0, 199, SILENT},
        {"all, at once", 50003, 1, 0, 200, 100},
        {"all is told once", 60000, 1, 0, 200, SILENT},
        {"another download, of which nothing is here", 60001, 2, 2, 0, NONE},
        {"its first piece, at once", 60002, 2, 0, 1, 0},
        {"another one that is that far already", 60003, 3, 3, 100, 50},
        {"what is here is not what is spoken of", 60004, 1, 0, 100, NONE},
        {"what is here is", 60005, 3, 0, 100, 50},
        {"no download any more", 60006, NONE, 0, 100, NONE},
        {"none still", 60007, NONE, 0, 100, SILENT},
    };
    struct partial partial = {.held = &held};
    struct record_offer offer = {.path = STR("a"), .size = 77, .hashed = true, .have = 100};
    held_init(&held);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].opens != 0)
            download_of(rows[i].opens);
        held.count = rows[i].count;
        told = SILENT;
        offer.content = content_of((uint8_t)rows[i].about);
        partial_tell(&partial, rows[i].about != NONE ? &offer : NULL, rows[i].now_ms);
        if (told != rows[i].expected || (told >= 0 && told_size != 77))
            fail_msg("%s: %d", rows[i].name, told);
        assert_int_equal(offer.have, 100);
    }
}

/* However fast it comes, the index hears of it once in two seconds. */
static void test_how_often(void **state)
{
    (void)state;
    struct partial partial = {.held = &held};
    struct record_offer offer = {.path = STR("a"), .content = content_of(1)};
    int lines = 0;
    held_init(&held);
    download_of(1);
    for (int64_t now_ms = 0; now_ms <= 20000; now_ms += 100) {
        held.count = (uint32_t)(now_ms / 100);
        told = SILENT;
        partial_tell(&partial, &offer, now_ms);
        lines += told != SILENT;
    }
    assert_in_range(lines, 10, 12);
    assert_int_equal(told, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_told_and_when),
        cmocka_unit_test(test_how_often),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
