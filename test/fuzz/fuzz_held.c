/* SPDX-License-Identifier: MIT */
/* A P2P-Have as strangers send it: whatever is read from it is a piece. Then, as the rest of the
 * input says, any order of what a download does with what others may have: bitmap, ranges, news and
 * promises must be those of a plain array, and news that were written are read as they were. */
#include "swarm/held.h"

#include "base/text.h"
#include "wire/digest.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PIECES_MAX = 600 };

static struct {
    const uint8_t *data;
    size_t size;
    struct held held;
    uint8_t bits[(PIECES_MAX + 7) / 8];
    uint32_t pieces, frontier;
    bool here[PIECES_MAX];
    uint32_t told[4 * PIECES_MAX], told_count; /* all that were ever added to this chain */
    uint64_t heard;
} fuzz;

static uint32_t fuzz_byte(void)
{
    if (fuzz.size == 0)
        return 0;
    fuzz.size--;
    return *fuzz.data++;
}

static uint32_t fuzz_piece(void)
{
    return (fuzz_byte() << 8 | fuzz_byte()) % fuzz.pieces;
}

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void read_list(void)
{
    size_t len = fuzz_byte();
    struct str list = {(const char *)fuzz.data, len < fuzz.size ? len : fuzz.size};
    size_t left = list.len + 1;
    uint32_t piece;
    fuzz.data += list.len;
    fuzz.size -= list.len;
    while (held_next_news(&list, fuzz.pieces, &piece)) {
        require(piece < fuzz.pieces && list.len < left);
        left = list.len;
    }
    require(list.len == 0);
}

static void begin(void)
{
    static const uint8_t id[P2P_CHAIN_ID_SIZE];
    held_bind(&fuzz.held, id, 0);
    memset(fuzz.here, 0, sizeof fuzz.here);
    fuzz.frontier = fuzz.pieces;
    fuzz.told_count = 0;
    fuzz.heard = 0;
}

static void open_held(void)
{
    struct record_content content = {{0}};
    struct held_source source = {
        .content = &content, .file = -1, .chain_file = -1, .bits = fuzz.bits};
    source.size = (int64_t)fuzz.pieces * P2P_PIECE_MIN - (int64_t)fuzz_byte();
    memset(fuzz.bits, 0x5a, sizeof fuzz.bits);
    held_open(&fuzz.held, &source);
    require(fuzz.held.pieces == fuzz.pieces);
    begin();
}

static void add_or_drop(uint32_t piece)
{
    uint32_t serial = fuzz.held.serial;
    require(held_has_piece(&fuzz.held, piece) == fuzz.here[piece]);
    if (fuzz.here[piece]) {
        held_drop(&fuzz.held, piece);
        require(fuzz.held.serial != serial);
    } else if (fuzz.told_count < sizeof fuzz.told / sizeof *fuzz.told) {
        held_add(&fuzz.held, piece);
        fuzz.told[fuzz.told_count++] = piece;
        require(fuzz.held.serial == serial);
    } else {
        return;
    }
    fuzz.here[piece] = !fuzz.here[piece];
}

static void hear(void)
{
    char text[HELD_HEADER + 1];
    size_t room = fuzz_byte() % (HELD_HEADER + 1);
    struct buf buf = buf_on(text, room);
    uint64_t first = fuzz.told_count > HELD_LOG ? fuzz.told_count - HELD_LOG : 0;
    uint64_t next = fuzz.heard > first ? fuzz.heard : first;
    uint32_t piece;
    held_news(&fuzz.held, &fuzz.heard, &buf);
    require(!buf.full && fuzz.heard <= fuzz.told_count);
    struct str list = buf_str(&buf);
    while (held_next_news(&list, fuzz.pieces, &piece))
        require(piece == fuzz.told[next++]);
    require(next == fuzz.heard);
}

static struct held_ask fuzz_ask(bool proven)
{
    return (struct held_ask){.serial = fuzz.held.serial, .file = -1, .proven = proven};
}

static void ask_range(void)
{
    bool proven = fuzz_byte() & 1, has = true;
    struct held_ask ask = fuzz_ask(proven);
    uint32_t piece = fuzz_piece(), count = fuzz_byte() % 9;
    ask.first = (int64_t)piece * P2P_PIECE_MIN + fuzz_byte();
    ask.length = (int64_t)count * P2P_PIECE_MIN / 2;
    int64_t end = ask.first + ask.length;
    for (int64_t i = ask.first / P2P_PIECE_MIN; count > 0 && i * P2P_PIECE_MIN < end; i++)
        has = has && i < fuzz.pieces && fuzz.here[i] && (!proven || i >= fuzz.frontier);
    require(held_has(&fuzz.held, &ask) == has);
    ask.serial++;
    require(!held_has(&fuzz.held, &ask));
}

static void check_bits(bool proven)
{
    uint8_t bits[sizeof fuzz.bits];
    struct held_ask ask = fuzz_ask(proven);
    size_t size = (fuzz.pieces + 7) / 8, part = fuzz_byte() % (size + 1);
    uint32_t count = 0;
    require(held_copy(&fuzz.held, &ask, 0, bits, part));
    require(held_copy(&fuzz.held, &ask, part, bits + part, size - part));
    require(!held_copy(&fuzz.held, &ask, part, bits + part, size - part + 1));
    for (uint32_t i = 0; i < size * 8; i++) {
        bool has = i < fuzz.pieces && fuzz.here[i] && (!proven || i >= fuzz.frontier);
        count += has;
        require((bits[i / 8] >> (7 - i % 8) & 1) == has);
    }
    require(proven || count == fuzz.held.count);
}

static void fuzz_step(void)
{
    switch (fuzz_byte() % 9) {
    case 0:
    case 1:
    case 2:
        add_or_drop(fuzz_piece());
        break;
    case 3:
        for (uint32_t piece = fuzz_piece(); piece < fuzz.pieces && !fuzz.here[piece]; piece++)
            add_or_drop(piece);
        break;
    case 4:
        fuzz.frontier = fuzz_piece();
        held_prove(&fuzz.held, fuzz.frontier);
        break;
    case 5:
        hear();
        break;
    case 6:
        ask_range();
        break;
    case 7:
        check_bits(fuzz_byte() & 1);
        break;
    default:
        begin();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memset(&fuzz, 0, sizeof fuzz);
    fuzz.data = data;
    fuzz.size = size < 2048 ? size : 2048;
    fuzz.pieces = 1 + (fuzz_byte() << 8 | fuzz_byte()) % PIECES_MAX;
    read_list();
    held_init(&fuzz.held);
    open_held();
    while (fuzz.size > 0)
        fuzz_step();
    held_close(&fuzz.held);
    return 0;
}
