/* SPDX-License-Identifier: MIT */
/* SHA-256 against published vectors and `sha256sum`, its twins against each other, states taken out
 * and put in, and the sizes of pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "platform/plat_sha256.h"
#include "wire/digest.h"

enum { PATTERN_SIZE = 65536 };
static uint8_t pattern[PATTERN_SIZE];

static uint32_t random_state;

static uint32_t random_next(void)
{
    random_state = random_state * 1103515245u + 12345u;
    return random_state >> 8;
}

static int make_pattern(void **state)
{
    (void)state;
    uint32_t x = 12345;
    for (size_t i = 0; i < PATTERN_SIZE; i++) {
        x = x * 1103515245u + 12345u;
        pattern[i] = (uint8_t)(x >> 24);
    }
    const char *seed = getenv("TEST_SEED");
    random_state = seed ? (uint32_t)strtoul(seed, NULL, 0) : (uint32_t)time(NULL);
    print_message("TEST_SEED=%" PRIu32 "\n", random_state);
    return 0;
}

static void assert_hex(const uint8_t *bytes, size_t size, const char *expected)
{
    char hex[2 * P2P_SHA256_SIZE + 1] = "";
    for (size_t i = 0; i < size; i++)
        snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    assert_string_equal(hex, expected);
}

/* FIPS 180-4 examples; the expected ones of the pattern are what sha256sum prints. */
static void test_vectors(void **state)
{
    (void)state;
    static const struct {
        const char *name, *input, *expected;
    } rows[] = {
        {"empty", "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"24 bits", "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"448 bits", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"896 bits",
         "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmno"
         "ijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t out[P2P_SHA256_SIZE];
        digest_of(rows[i].input, strlen(rows[i].input), out);
        assert_hex(out, sizeof out, rows[i].expected);
    }
}

static void test_million(void **state)
{
    (void)state;
    char block[1000];
    memset(block, 'a', sizeof block);
    struct digest digest;
    digest_init(&digest);
    for (int i = 0; i < 1000; i++)
        digest_update(&digest, block, sizeof block);
    uint8_t out[P2P_SHA256_SIZE];
    digest_final(&digest, out);
    assert_hex(out, sizeof out, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void test_lengths(void **state)
{
    (void)state;
    static const struct {
        size_t size;
        const char *expected;
    } rows[] = {
        {55, "de8ecaacd17b7b3c930ce92aee684f01be0f9d51e79cac480468285357ea222c"},
        {56, "e387cd9820f9f40de1c32a9520672bc83118e44dc460a53ada22a0e37b395148"},
        {63, "aabcb078117b89e753bf3288fbab76bdc4ff41a4c50c4895712ae628203eb260"},
        {64, "07ef99a5568f61060103669d5ba609650b3f9e4b8934c6056bb23de35e0412a7"},
        {65, "9905034cd389d4abb4c51b8cfb978c15e3ad5d4b77e68b7a978d6e1f5d50a3aa"},
        {119, "d59842df4f4fbdbe412eb4bcf550d98d24549937567f707a072a6f8598d4fb6d"},
        {120, "16cf2e045872e5532e48bdb3392465e7931b818f04bf558f92919344dc07428b"},
        {128, "fd17f7afa513c8ac8ed05adccae814d1fc4e7d27743747653791a6f655fe9bc8"},
        {65535, "cf0f9c2892e870fc387d86438fd1fcbff45f413a241af5f4fa619d5f77a7d320"},
        {65536, "ce32f0a59607d888e101d6ce4fef9e4a0dd258d00dec72e5c79dbd082f14a5e5"},
    };
    uint8_t out[P2P_SHA256_SIZE];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        digest_of(pattern, rows[i].size, out);
        assert_hex(out, sizeof out, rows[i].expected);
    }
    struct digest all; /* the digest of the digests of each length up to 300 */
    digest_init(&all);
    for (size_t size = 0; size <= 300; size++) {
        digest_of(pattern, size, out);
        digest_update(&all, out, sizeof out);
    }
    digest_final(&all, out);
    assert_hex(out, sizeof out, "0a1e124a8ad201589d225d2642b15df5c85cf7e15d4f95d8a299391b1ed946c6");
}

static void test_splits(void **state)
{
    (void)state;
    for (int round = 0; round < 300; round++) {
        size_t size = random_next() % 4000, at = 0;
        uint8_t expected[P2P_SHA256_SIZE], out[P2P_SHA256_SIZE];
        digest_of(pattern, size, expected);
        struct digest digest;
        digest_init(&digest);
        while (at < size) {
            size_t part = random_next() % (random_next() % 8 ? 70 : 700);
            part = part > size - at ? size - at : part;
            digest_update(&digest, pattern + at, part);
            at += part;
        }
        digest_update(&digest, NULL, 0);
        digest_final(&digest, out);
        assert_memory_equal(out, expected, sizeof out);
    }
}

static void test_resume(void **state)
{
    (void)state;
    enum { SIZE = 4096 + 37 };
    uint8_t expected[P2P_SHA256_SIZE];
    digest_of(pattern, SIZE, expected);
    for (size_t at = 0; at <= SIZE; at += 64) {
        uint8_t middle[P2P_SHA256_SIZE], out[P2P_SHA256_SIZE];
        struct digest front, back;
        digest_init(&front);
        digest_update(&front, pattern, at);
        digest_state(&front, middle);
        if (at == 0)
            assert_memory_equal(middle, digest_initial, sizeof middle);
        digest_resume(&back, middle, at);
        digest_update(&back, pattern + at, SIZE - at);
        digest_final(&back, out);
        assert_memory_equal(out, expected, sizeof out);
    }
}

static void test_update2(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        size_t size = random_next() % 1500;
        size_t before[2] = {64 * (random_next() % 3), 64 * (random_next() % 3)};
        if (round % 4 == 0)
            before[round / 4 % 2] += random_next() % 64;
        const uint8_t *from[2] = {pattern + random_next() % 1000, pattern + random_next() % 1000};
        struct digest pair[2];
        uint8_t out[P2P_SHA256_SIZE], expected[P2P_SHA256_SIZE];
        for (int i = 0; i < 2; i++) {
            digest_init(&pair[i]);
            digest_update(&pair[i], from[i], before[i]);
        }
        digest_update2(&pair[0], from[0] + before[0], &pair[1], from[1] + before[1], size);
        for (int i = 0; i < 2; i++) {
            digest_final(&pair[i], out);
            digest_of(from[i], before[i] + size, expected);
            assert_memory_equal(out, expected, sizeof out);
        }
    }
}

static void assert_twin(const struct plat_sha256_twin *twin, const struct plat_sha256_twin *c)
{
    for (size_t count = 0; count < 20; count++) {
        uint32_t a[8], b[8], want_a[8], want_b[8];
        for (int i = 0; i < 8; i++) {
            a[i] = want_a[i] = random_next() << 16 ^ random_next();
            b[i] = want_b[i] = random_next() << 16 ^ random_next();
        }
        const uint8_t *bytes_a = pattern + random_next() % 4096;
        const uint8_t *bytes_b = pattern + random_next() % 4096;
        c->blocks(want_a, bytes_a, count);
        c->blocks(want_b, bytes_b, count);
        twin->blocks2(a, bytes_a, b, bytes_b, count);
        assert_memory_equal(a, want_a, sizeof a);
        assert_memory_equal(b, want_b, sizeof b);
        c->blocks(want_a, bytes_b, count);
        twin->blocks(a, bytes_b, count);
        assert_memory_equal(a, want_a, sizeof a);
    }
}

static void test_twins(void **state)
{
    (void)state;
    const struct plat_sha256_twin *twin = plat_sha256_twins, *c = plat_sha256_twins;
    while (c[1].name != NULL)
        c++;
    assert_string_equal(c->name, "c");
    const char *best = NULL;
    for (; twin->name != NULL; twin++) {
        if (!twin->usable())
            continue;
        best = best ? best : twin->name;
        assert_twin(twin, c);
    }
    assert_string_equal(plat_sha256_name(), best);
}

/* A chain made in one pass closes piece by piece, in any order, up to the digest. */
static void test_chain(void **state)
{
    (void)state;
    static const struct {
        size_t size, piece;
    } rows[] = {{0, 64},  {1, 64},     {63, 64},    {64, 64},
                {65, 64}, {1024, 256}, {1025, 256}, {4095, 1024}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t size = rows[i].size, piece = rows[i].piece;
        size_t count = size == 0 ? 1 : (size + piece - 1) / piece;
        uint8_t states[18][P2P_SHA256_SIZE];
        struct digest whole, part;
        digest_init(&whole);
        for (size_t p = 0; p < count; p++) {
            digest_state(&whole, states[p]);
            digest_update(&whole, pattern + p * piece, p + 1 < count ? piece : size - p * piece);
        }
        digest_of(pattern, size, states[count]);
        for (size_t p = count; p-- > 0;) {
            uint8_t end[P2P_SHA256_SIZE];
            digest_resume(&part, states[p], p * piece);
            digest_update(&part, pattern + p * piece, p + 1 < count ? piece : size - p * piece);
            digest_piece_end(&part, (int64_t)size, end);
            assert_memory_equal(end, states[p + 1], sizeof end);
        }
    }
}

static void test_chain_id(void **state)
{
    (void)state;
    static const struct {
        int64_t size;
        size_t chain;
        const char *expected;
    } rows[] = {
        {0, 0, "af5570f5a1810b7af78caf4bc70a660f"},
        {70000, 32, "7af0728fc678589345bd3e4cd8c75f14"},
        {P2P_FILE_MAX, 4096, "63789bf903b1228bcd3e255257c1dd7d"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct digest digest;
        uint8_t id[P2P_CHAIN_ID_SIZE];
        digest_chain_id_begin(&digest, rows[i].size);
        for (size_t at = 0; at < rows[i].chain; at += P2P_SHA256_SIZE)
            digest_update(&digest, pattern + at, P2P_SHA256_SIZE);
        digest_chain_id_end(&digest, id);
        assert_hex(id, sizeof id, rows[i].expected);
    }
}

static void test_pieces(void **state)
{
    (void)state;
    static const struct {
        int64_t size;
        uint32_t piece, count, last;
    } rows[] = {
        {0, 65536, 1, 0},
        {1, 65536, 1, 1},
        {65535, 65536, 1, 65535},
        {65536, 65536, 1, 65536},
        {65537, 65536, 2, 1},
        {INT64_C(134217727), 65536, 2048, 65535},
        {INT64_C(134217728), 65536, 2048, 65536},
        {INT64_C(134217729), 131072, 1025, 1},
        {INT64_C(34359738367), 16777216, 2048, 16777215},
        {INT64_C(34359738368), 16777216, 2048, 16777216},
        {INT64_C(34359738369), 16777216, 2049, 1},
        {INT64_C(1099511627776), 16777216, 65536, 16777216},
        {P2P_FILE_MAX, 16777216, 536870912, 16777215},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(digest_piece_size(rows[i].size), rows[i].piece);
        assert_int_equal(digest_piece_count(rows[i].size), rows[i].count);
        assert_int_equal(digest_piece_length(rows[i].size, rows[i].count - 1), rows[i].last);
        if (rows[i].count > 1)
            assert_int_equal(digest_piece_length(rows[i].size, 0), rows[i].piece);
    }
}

/* At each size where the piece doubles: full before, doubled after, and never more pieces than
 * promised. */
static void test_piece_boundaries(void **state)
{
    (void)state;
    for (uint32_t piece = P2P_PIECE_MIN; piece <= P2P_PIECE_MAX; piece *= 2) {
        int64_t full = (int64_t)piece * P2P_PIECES_AIM;
        uint32_t next = piece == P2P_PIECE_MAX ? piece : piece * 2;
        assert_int_equal(digest_piece_size(full - 1), piece);
        assert_int_equal(digest_piece_size(full), piece);
        assert_int_equal(digest_piece_size(full + 1), next);
        assert_int_equal(digest_piece_count(full - 1), P2P_PIECES_AIM);
        assert_int_equal(digest_piece_count(full), P2P_PIECES_AIM);
        assert_int_equal(digest_piece_count(full + 1),
                         next == piece ? P2P_PIECES_AIM + 1 : P2P_PIECES_AIM / 2 + 1);
        assert_int_equal(digest_piece_length(full + 1, digest_piece_count(full + 1) - 1), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_million),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_splits),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_update2),
        cmocka_unit_test(test_twins),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_chain_id),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_piece_boundaries),
    };
    return cmocka_run_group_tests(tests, make_pattern, NULL);
}
