/* SPDX-License-Identifier: MIT */
/* Records from strangers: the first byte says of which kind the line is. What is accepted keeps the
 * rules, and once written, read and written again it stays the same. */
#include "base/name.h"
#include "wire/record_scan.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { JOIN, OFFER, CHANGE, SEQ, ALIVE, ANSWER, REFUSAL, RESULTS, KINDS = RESULTS + 3 };

union any {
    struct record_join join;
    struct record_offer offer;
    struct record_change change;
    struct record_alive alive;
    struct record_answer answer;
    uint64_t seq[2];
    struct {
        struct record_result result;
        struct record_end end;
    } line;
};

static struct json_reader *open_reader(void)
{
    static struct arena arena;
    static struct json_reader reader;
    if (!arena.base && (arena_init(&arena, 1 << 20) != 0 || json_reader_init(&reader, &arena) != 0))
        abort();
    return &reader;
}

static void check_offer(const struct record_offer *offer)
{
    if (name_fault(offer->path) || offer->size < 0 || offer->size > P2P_FILE_MAX ||
        offer->have > 100)
        abort();
}

static int read_any(struct json_reader *reader, int kind, struct str line, union any *out)
{
    struct str error, hint;
    switch (kind) {
    case JOIN:
        return record_read_join(reader, line, &out->join);
    case OFFER:
        return record_read_offer(reader, line, &out->offer);
    case CHANGE:
        return record_read_change(reader, line, &out->change);
    case SEQ:
        return record_read_seq(reader, line, &out->seq[0], &out->seq[1]);
    case ALIVE:
        return record_read_alive(reader, line, &out->alive);
    case ANSWER:
        return record_read_answer(reader, line, &out->answer);
    case REFUSAL:
        record_read_error(reader, line, &error, &hint);
        return -P2P_EINVAL; /* nothing to write */
    default:
        return record_read_result(reader, line, (enum record_stream)(kind - RESULTS),
                                  &out->line.result, &out->line.end);
    }
}

/* The same for the lines that have numbers alone. */
static void check_short_numbers(int kind, struct str line, const union any *other, int rc)
{
    union any one = {.seq = {0}};
    bool is_short = kind == SEQ ? record_scan_seq(line, &one.seq[0], &one.seq[1])
                                : record_scan_alive(line, &one.alive);
    const struct record_alive *a = &one.alive, *b = &other->alive;
    bool same = kind == SEQ ? one.seq[0] == other->seq[0] && one.seq[1] == other->seq[1]
                            : a->epoch == b->epoch && a->seq == b->seq && a->rate == b->rate &&
                                  a->uploads == b->uploads && a->slots == b->slots;
    if (is_short && (rc != 0 || !same))
        abort();
}

/* What is read on the short way is read the same by the JSON reader, to which a blank in front
 * sends the line. */
static void check_short_way(struct json_reader *reader, int kind, struct str line)
{
    static char blank[P2P_LINE_MAX + 1];
    union any one = {.seq = {0}}, other = {.seq = {0}};
    bool numbers = kind == SEQ || kind == ALIVE;
    if ((kind != OFFER && kind != CHANGE && !numbers) || line.len >= P2P_LINE_MAX)
        return;
    blank[0] = ' ';
    memcpy(blank + 1, line.ptr, line.len);
    if (numbers) {
        int rc = read_any(reader, kind, (struct str){blank, line.len + 1}, &other);
        check_short_numbers(kind, line, &other, rc);
        return;
    }
    struct record_offer *a = kind == OFFER ? &one.offer : &one.change.offer;
    struct record_offer *b = kind == OFFER ? &other.offer : &other.change.offer;
    bool is_short = kind == OFFER ? record_scan_offer(line, a) : record_scan_put(line, &one.change);
    if (!is_short)
        return;
    if (read_any(reader, kind, (struct str){blank, line.len + 1}, &other) != 0 ||
        (kind == CHANGE && one.change.op != other.change.op) || !text_equal(a->path, b->path))
        abort();
    if (a->size != b->size || a->mtime != b->mtime || a->have != b->have || a->copy != b->copy ||
        a->executable != b->executable || a->hashed != b->hashed ||
        memcmp(&a->content, &b->content, sizeof(a->content)) != 0)
        abort();
}

static void put_any(struct buf *buf, int kind, const union any *any)
{
    if (kind == JOIN)
        record_put_join(buf, &any->join);
    if (kind == OFFER)
        record_put_offer(buf, &any->offer);
    if (kind == CHANGE)
        record_put_change(buf, &any->change);
    if (kind == SEQ)
        record_put_seq(buf, any->seq[0], any->seq[1]);
    if (kind == ALIVE)
        record_put_alive(buf, &any->alive);
    if (kind >= RESULTS && any->line.end.is_end)
        record_put_end(buf, (enum record_stream)(kind - RESULTS), &any->line.end);
    if (kind >= RESULTS && !any->line.end.is_end)
        record_put_result(buf, (enum record_stream)(kind - RESULTS), &any->line.result);
}

static void check_any(int kind, const union any *any)
{
    if (kind == OFFER)
        check_offer(&any->offer);
    if (kind == CHANGE && name_fault(any->change.offer.path))
        abort();
    if (kind == JOIN && (name_node_fault(any->join.name) || any->join.port == 0 ||
                         any->join.address_count > P2P_ADDRESSES_MAX - 1))
        abort();
    if (kind >= RESULTS && kind < RESULTS + RECORD_SOURCES && !any->line.end.is_end)
        check_offer(&any->line.result.offer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char first[P2P_LINE_MAX], second[P2P_LINE_MAX];
    struct json_reader *reader = open_reader();
    struct buf a = buf_on(first, sizeof(first)), b = buf_on(second, sizeof(second));
    union any any;
    if (size < 1)
        return 0;
    int kind = data[0] % KINDS;
    check_short_way(reader, kind, (struct str){(const char *)data + 1, size - 1});
    if (read_any(reader, kind, (struct str){(const char *)data + 1, size - 1}, &any) != 0 ||
        kind == ANSWER)
        return 0;
    check_any(kind, &any);
    put_any(&a, kind, &any);
    if (a.full || read_any(reader, kind, buf_str(&a), &any) != 0)
        abort();
    put_any(&b, kind, &any);
    if (b.full || !text_equal(buf_str(&a), buf_str(&b)))
        abort();
    return 0;
}
