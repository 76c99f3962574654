/* SPDX-License-Identifier: MIT */
/* What is to be hoped for from holders: each row is a crowd, a letter for each of them, and what
 * the download may expect of it. */
#include "swarm/prospect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

enum { PIECES = 4 };

static struct download download;
static uint8_t memory[64];

static int read_states(void *ctx, unsigned chain, uint32_t first, uint32_t count, uint8_t *out)
{
    (void)ctx;
    (void)chain;
    memset(out, (int)first, (size_t)count * P2P_SHA256_SIZE);
    return 0;
}

static void on_lost(void *ctx, uint32_t piece)
{
    (void)ctx;
    (void)piece;
}

/* n: to be asked; w: ready, whole; p: ready, a part; f: failed too often; l: refuted; s: states
 * another size. In capitals: the index's last answer names it no more. x: says that it has it no
 * more, and the index too; y: says so, and the index does not know yet. */
static void add(int number, char letter)
{
    struct holder *holder = &download.holders[number];
    struct proof_news news;
    bool listed = letter >= 'a' && letter != 'x';
    char kind = (char)(letter | 0x20);

    *holder = (struct holder){.state = HOLDER_NEW, .whole = true, .round = listed ? 5 : 4};
    if (kind == 'w' || kind == 'p') {
        holder->state = HOLDER_READY;
        holder->partial = kind == 'p';
        holder->whole = !holder->partial;
        assert_int_equal(proof_join(&download.proof, (unsigned)number, 0, &news), 0);
    } else if (kind == 'f' || kind == 'l') {
        holder->state = HOLDER_OUT;
        holder->fails = kind == 'f' ? DOWNLOAD_FAILS_MAX : 0;
    } else if (kind == 's') {
        holder->state = HOLDER_OTHER;
    }
    holder->lacks = kind == 'x' || kind == 'y';
}

static void crowd(const char *letters)
{
    static const struct proof_owner owner = {.read = read_states, .lost = on_lost};
    memset(&download, 0, sizeof download);
    proof_init(&download.proof, download.want.content.bytes, PIECES, &owner, memory);
    assert_int_equal(proof_add_chain(&download.proof, 0, PIECES - 1), 0);
    download.sources.round = download.sources.told = 5;
    for (int i = 0; letters[i] != 0; i++)
        add(i, letters[i]);
}

static void test_crowds(void **state)
{
    (void)state;
    static const struct {
        const char *crowd;
        bool useful, when_stuck, changed;
        enum prospect_end end;
    } rows[] = {
        {"", false, false, false, PROSPECT_OPEN},   {"n", true, true, false, PROSPECT_OPEN},
        {"w", true, true, false, PROSPECT_OPEN},    {"p", true, false, false, PROSPECT_OPEN},
        {"pp", true, false, false, PROSPECT_OPEN},  {"pw", true, true, false, PROSPECT_OPEN},
        {"f", false, false, false, PROSPECT_OPEN},  {"l", false, false, false, PROSPECT_OVER},
        {"x", false, false, true, PROSPECT_OVER},   {"y", true, true, false, PROSPECT_OPEN},
        {"s", false, false, false, PROSPECT_OPEN},  {"xn", true, true, false, PROSPECT_OPEN},
        {"xw", true, true, false, PROSPECT_OPEN},   {"xp", true, false, true, PROSPECT_OVER},
        {"xpp", true, false, true, PROSPECT_OVER},  {"xf", false, false, false, PROSPECT_OPEN},
        {"xF", false, false, true, PROSPECT_OVER},  {"xs", false, false, false, PROSPECT_OPEN},
        {"lp", true, false, false, PROSPECT_OVER},  {"lpp", true, false, false, PROSPECT_OVER},
        {"lpn", true, true, false, PROSPECT_OPEN},  {"lpf", true, false, false, PROSPECT_OPEN},
        {"lpF", true, false, false, PROSPECT_OVER}, {"lxp", true, false, false, PROSPECT_OVER},
        {"LxP", true, false, true, PROSPECT_OVER},  {"pf", true, false, false, PROSPECT_OPEN},
        {"pF", true, false, false, PROSPECT_GONE},  {"xpy", true, true, false, PROSPECT_OPEN},
        {"lpw", true, true, false, PROSPECT_OPEN},  {"F", false, false, false, PROSPECT_GONE},
        {"pFF", true, false, false, PROSPECT_GONE}, {"pFf", true, false, false, PROSPECT_OPEN},
        {"pFn", true, true, false, PROSPECT_OPEN},  {"pFl", true, false, false, PROSPECT_OVER},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        crowd(rows[i].crowd);
        if (prospect_is_useful(&download, false) != rows[i].useful ||
            prospect_is_useful(&download, true) != rows[i].when_stuck)
            fail_msg("\"%s\": useful", rows[i].crowd);
        if (prospect_is_changed(&download) != rows[i].changed)
            fail_msg("\"%s\": changed", rows[i].crowd);
        if (prospect_end(&download) != rows[i].end)
            fail_msg("\"%s\": end", rows[i].crowd);
    }
}

/* One that has failed again and again is no reason to wait, a last try or not. */
static void test_failures(void **state)
{
    (void)state;
    for (int fails = 0; fails <= DOWNLOAD_FAILS_MAX; fails++) {
        crowd("n");
        download.holders[0].fails = fails;
        assert_int_equal(prospect_is_useful(&download, false), fails < DOWNLOAD_FAILS_MAX - 1);
        crowd("w");
        download.holders[0].fails = fails;
        assert_int_equal(prospect_is_useful(&download, false), fails < DOWNLOAD_FAILS_MAX - 1);
    }
}

static void test_counts(void **state)
{
    (void)state;
    crowd("nwwpflsx");
    assert_int_equal(prospect_count(&download, HOLDER_READY), 3);
    assert_int_equal(prospect_count(&download, HOLDER_OUT), 2);
    assert_int_equal(prospect_count(&download, HOLDER_NEW), 2);
    assert_int_equal(prospect_count(&download, HOLDER_NONE), TRANSFER_HOLDERS_MAX - 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crowds),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
