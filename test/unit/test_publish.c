/* SPDX-License-Identifier: MIT */
/* What becomes public of a download, and when it is taken back. Chains and proof are real; which
 * pieces come is said here, without a holder. */
#include "rig_file.h"

#include "swarm/publish.h"

#include "platform/plat_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECES_MAX = 1100, FALSE_FROM = 3 };

static struct download download;
static struct download_lane lanes[DOWNLOAD_LANES];
static uint8_t tables[8192], bits[PIECES_MAX / 8 + 1];

/* Chain 1 is chain 0 but for its first states. */
static int read_states(void *ctx, unsigned chain, uint32_t first, uint32_t count, uint8_t *out)
{
    (void)ctx;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *state = out + (size_t)i * P2P_SHA256_SIZE;
        memset(state, (uint8_t)(first + i), P2P_SHA256_SIZE);
        state[0] = (uint8_t)((first + i) >> 8);
        state[1] = (uint8_t)(chain == 1 && first + i <= FALSE_FROM);
    }
    return 0;
}

static void on_lost(void *ctx, uint32_t piece)
{
    (void)ctx;
    (void)piece;
}

static void begin(uint32_t pieces)
{
    static const struct proof_owner owner = {.read = read_states, .lost = on_lost};
    publish_stop(&download);
    download.pieces = pieces;
    download.want.size = (int64_t)pieces * P2P_PIECE_MIN;
    download.want.window = 0;
    assert_true(proof_memory(pieces) <= sizeof tables);
    proof_init(&download.proof, download.want.content.bytes, pieces, &owner, tables);
    for (int i = 0; i < DOWNLOAD_LANES; i++) {
        memset(&lanes[i], 0, sizeof lanes[i]);
        lanes[i].holder = -1;
    }
}

static int setup(void **state)
{
    (void)state;
    memset(&download, 0, sizeof download);
    held_init(&download.held);
    download.lanes = lanes;
    download.held_bits = bits;
    download.want.unnamed = true;
    download.part.file = rig_open_unnamed();
    download.chains.file = rig_open_unnamed();
    for (uint8_t i = 0; i < PROOF_CHAINS_MAX; i++)
        memset(download.chains.id[i], i + 1, P2P_CHAIN_ID_SIZE);
    begin(20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    publish_stop(&download);
    close(download.part.file);
    close(download.chains.file);
    return 0;
}

static void state_chain(int chain)
{
    struct proof_news news;
    assert_int_equal(proof_add_chain(&download.proof, chain, download.pieces - 1), 0);
    assert_int_equal(proof_join(&download.proof, (unsigned)chain, chain, &news), 0);
}

static void come(uint32_t piece, unsigned sender)
{
    struct proof_job job;
    struct proof_news news;
    assert_int_equal(proof_job_begin(&download.proof, piece, sender, &job), 0);
    assert_int_equal(proof_job_end(&download.proof, &job, job.end, &news), 0);
    assert_true(news.held);
}

/* The first pieces as a number, piece 0 in its highest bit. */
static uint32_t published(void)
{
    uint32_t all = 0;
    for (uint32_t i = 0; i < 32 && i < download.pieces; i++)
        all |= (uint32_t)held_has_piece(&download.held, i) << (31 - i);
    return all;
}

static void writes(int lane, uint32_t piece)
{
    lanes[lane].holder = 0;
    lanes[lane].jobs++;
    lanes[lane].fetches[5] = (struct fetch){.busy = true, .job.piece = piece};
}

static void test_when_it_opens(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t pieces, window;
        bool chain, opens;
    } rows[] = {
        {"no chain yet", 20, 0, false, false}, {"two pieces", 2, 0, true, true},
        {"many", 20, 0, true, true},           {"a stream", 20, 16, true, false},
        {"one piece", 1, 0, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin(rows[i].pieces);
        download.want.window = rows[i].window;
        if (rows[i].chain)
            state_chain(0);
        publish_settle(&download); /* of nothing: nothing */
        publish_pump(&download);
        if ((download.held.file >= 0) != rows[i].opens)
            fail_msg("%s", rows[i].name);
        if (rows[i].opens) {
            assert_int_not_equal(download.held.file, download.part.file);
            assert_memory_equal(download.held.chain_id, download.chains.id[0], P2P_CHAIN_ID_SIZE);
            assert_int_equal(published(), 0);
        }
    }
}

/* Whoever reads must not see the bytes of one who still writes. */
static void test_not_while_it_is_written_to(void **state)
{
    (void)state;
    state_chain(0);
    come(0, 0);
    come(19, 0);
    writes(3, 0);
    writes(31, 7);
    publish_pump(&download);
    assert_int_equal(published(), UINT32_C(1) << 12);
    lanes[3].fetches[5].busy = false;
    lanes[3].jobs--;
    publish_pump(&download);
    assert_int_equal(published(), UINT32_C(1) << 31 | UINT32_C(1) << 12);
    come(7, 0);
    publish_pump(&download);
    assert_int_equal(published(), UINT32_C(1) << 31 | UINT32_C(1) << 12);
    lanes[31].holder = -1; /* closed: what it had under way is over */
    publish_pump(&download);
    assert_int_equal(published(), UINT32_C(1) << 31 | UINT32_C(1) << 24 | UINT32_C(1) << 12);
    assert_int_equal(download.held.count, 3);
}

static void test_taken_back(void **state)
{
    (void)state;
    struct held_ask ask = {0};
    state_chain(0);
    come(5, 0);
    come(6, 0);
    publish_pump(&download);
    ask.serial = download.held.serial;
    assert_true(held_has(&download.held, &ask));
    publish_pump(&download);
    assert_true(held_has(&download.held, &ask)); /* nothing changed */
    proof_spoil(&download.proof, 5);
    publish_pump(&download);
    assert_int_equal(published(), UINT32_C(1) << 25);
    assert_false(held_has(&download.held, &ask));
    come(5, 0);
    publish_pump(&download);
    assert_int_equal(published(), UINT32_C(3) << 25);
}

/* The chain that all belonged to turns out false: what was found along the true one goes on under
 * that one's name. */
static void test_another_chain(void **state)
{
    (void)state;
    state_chain(1);
    come(0, 1);
    come(1, 1);
    publish_pump(&download);
    assert_memory_equal(download.held.chain_id, download.chains.id[1], P2P_CHAIN_ID_SIZE);
    assert_int_equal(published(), UINT32_C(3) << 30);
    state_chain(0);
    uint32_t serial = download.held.serial;
    for (uint32_t piece = 20; piece-- > FALSE_FROM;)
        come(piece, 0);
    publish_pump(&download);
    assert_int_equal(download.proof.base, 0);
    assert_memory_equal(download.held.chain_id, download.chains.id[0], P2P_CHAIN_ID_SIZE);
    assert_int_not_equal(download.held.serial, serial);
    assert_int_equal(published(), (UINT32_C(1) << (32 - FALSE_FROM)) - (UINT32_C(1) << 12));
    assert_int_equal(download.held.frontier, FALSE_FROM);
    assert_int_equal(download.held.chain_at, 0);
}

/* Bitmaps are compared in parts: about their ends nothing is lost. */
static void test_many_pieces(void **state)
{
    (void)state;
    static const uint32_t counts[] = {2, 7, 8, 9, 511, 512, 513, 1023, 1024, 1025};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        begin(counts[i]);
        state_chain(0);
        for (uint32_t piece = 0; piece < counts[i]; piece++)
            come(piece, 0);
        publish_pump(&download);
        assert_int_equal(download.held.count, counts[i]);
        assert_int_equal(held_percent(&download.held), 100);
        assert_int_equal(download.held.frontier, 0);
        for (uint32_t piece = 0; piece < counts[i]; piece++)
            assert_true(held_has_piece(&download.held, piece));
    }
}

/* It is served on after its end, and not any more when the next download begins. */
static void test_settled_and_stopped(void **state)
{
    (void)state;
    state_chain(0);
    come(19, 0);
    publish_pump(&download);
    publish_settle(&download);
    assert_true(download.held.settled);
    struct held_ask ask = {.serial = download.held.serial,
                           .file = download.held.file,
                           .first = 19 * (int64_t)P2P_PIECE_MIN,
                           .length = P2P_PIECE_MIN,
                           .proven = true};
    assert_true(held_has(&download.held, &ask));
    publish_stop(&download);
    assert_false(held_has(&download.held, &ask));
    assert_int_equal(download.held.file, -1);
    publish_stop(&download);
}

/* Of one piece nobody can have a part; but what lasts is served when it is here. */
static void test_one_piece(void **state)
{
    (void)state;
    for (int lasting = 0; lasting < 2; lasting++) {
        begin(1);
        download.want.lasting = lasting != 0;
        come(0, PROOF_LOCAL);
        publish_pump(&download);
        assert_int_equal(held_percent(&download.held), lasting ? 100 : 0);
    }
}

/* Without a descriptor left nothing is published, and the next time it is. */
static void test_no_descriptors(void **state)
{
    (void)state;
    int chains = download.chains.file, part = download.part.file;
    state_chain(0);
    come(19, 0);
    download.chains.file = -1;
    publish_pump(&download);
    assert_int_equal(download.held.file, -1);
    download.chains.file = chains;
    download.part.file = -1;
    publish_pump(&download);
    assert_int_equal(download.held.file, -1);
    download.part.file = part;
    publish_pump(&download);
    assert_int_equal(published(), UINT32_C(1) << 12);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(test_when_it_opens),  test(test_not_while_it_is_written_to),
        test(test_taken_back),     test(test_another_chain),
        test(test_many_pieces),    test(test_settled_and_stopped),
        test(test_no_descriptors), test(test_one_piece),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
