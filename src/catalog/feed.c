/* SPDX-License-Identifier: MIT */
/* The ring. A line never wraps: where the end is too near, the next one stands at 0, and its number
 * is kept. Lines are dropped as room is needed, oldest first. Marks make finding a number cheap.
 * Loop thread. */
#include "catalog/feed.h"

#include <assert.h>
#include <string.h>

enum { FEED_ALIGN = 8 };

/* Before each line; behind it the extra bytes, aligned to 4. */
struct feed_head {
    uint64_t n;
    uint32_t size; /* of all: the next head stands there */
    uint32_t length, gap;
    uint16_t extra;
    struct record_id node;
};

enum { FEED_ENTRY_MAX = sizeof(struct feed_head) + FEED_LINE_MAX + FEED_EXTRA_MAX + FEED_ALIGN };
_Static_assert(FEED_SIZE_MIN >= 2 * FEED_ENTRY_MAX, "a line and its successor fit");

static uint32_t feed_mark_count(uint32_t size)
{
    return size / (FEED_STRIDE * (uint32_t)sizeof(struct feed_head)) + 1;
}

size_t feed_size(uint32_t size)
{
    return size + feed_mark_count(size) * sizeof(uint32_t) + 2 * FEED_ALIGN;
}

int feed_init(struct feed *feed, struct arena *arena, uint32_t size)
{
    size -= size % FEED_ALIGN;
    *feed = (struct feed){.size = size, .mark_count = feed_mark_count(size), .first = 1};
    if (size < FEED_SIZE_MIN)
        return -P2P_EFULL;
    feed->ring = arena_carve(arena, size, FEED_ALIGN);
    feed->marks = arena_carve(arena, feed->mark_count * sizeof(uint32_t), sizeof(uint32_t));
    return feed->ring && feed->marks ? 0 : -P2P_EFULL;
}

static struct feed_head *feed_head_at(const struct feed *feed, uint32_t at)
{
    return (struct feed_head *)(void *)(feed->ring + at);
}

/* Where line n stands that was to come at `at`. */
static uint32_t feed_land(const struct feed *feed, uint64_t n, uint32_t at)
{
    return n == feed->zero ? 0 : at;
}

static void feed_drop(struct feed *feed)
{
    feed->tail = feed_land(feed, feed->first, feed->tail);
    feed->tail += feed_head_at(feed, feed->tail)->size;
    feed->first++;
    __builtin_prefetch(feed->ring + feed->tail); /* looked at when the next line needs its room */
}

/* Drops what stands in the room bytes from at on. */
static void feed_clear(struct feed *feed, uint32_t at, uint32_t room)
{
    while (feed->first <= feed->last) {
        uint32_t tail = feed_land(feed, feed->first, feed->tail);
        if (tail < at || tail >= at + room)
            return;
        feed_drop(feed);
    }
}

char *feed_room(struct feed *feed)
{
    uint32_t left = feed->size - feed->head;
    if (left < FEED_ENTRY_MAX) {
        feed_clear(feed, feed->head, left);
        feed->head = 0;
    }
    feed_clear(feed, feed->head, FEED_ENTRY_MAX);
    return (char *)feed->ring + feed->head + sizeof(struct feed_head);
}

static uint32_t feed_up(size_t size, uint32_t align)
{
    return ((uint32_t)size + align - 1) / align * align;
}

void feed_append(struct feed *feed, struct feed_line *line)
{
    struct feed_head *head = feed_head_at(feed, feed->head);
    uint32_t length = (uint32_t)line->text.len;
    uint32_t behind = feed_up(sizeof(*head) + length, 4);
    assert(length <= FEED_LINE_MAX && line->extra.len <= FEED_EXTRA_MAX && line->gap <= length);
    line->n = ++feed->last;
    line->text.ptr = (const char *)(head + 1);
    *head = (struct feed_head){.n = line->n,
                               .size = feed_up(behind + line->extra.len, FEED_ALIGN),
                               .length = length,
                               .gap = line->gap,
                               .extra = (uint16_t)line->extra.len,
                               .node = line->node};
    if (line->extra.len > 0)
        memcpy(feed->ring + feed->head + behind, line->extra.ptr, line->extra.len);
    if (feed->first == feed->last)
        feed->tail = feed->head;
    if (feed->head == 0)
        feed->zero = line->n;
    if (line->n % FEED_STRIDE == 0)
        feed->marks[line->n / FEED_STRIDE % feed->mark_count] = feed->head;
    feed->head += head->size;
}

void feed_cut(struct feed *feed)
{
    feed->last++;
    feed->first = feed->last + 1;
}

struct feed_place feed_end(const struct feed *feed)
{
    return (struct feed_place){feed->last + 1, feed->head};
}

int feed_find(const struct feed *feed, uint64_t n, struct feed_place *out)
{
    uint64_t mark = n / FEED_STRIDE * FEED_STRIDE;
    struct feed_line line;
    if (n > feed->last || n + 1 < feed->first)
        return -P2P_ENOTFOUND;
    *out = (struct feed_place){feed->first, feed->tail};
    if (mark >= feed->first)
        *out = (struct feed_place){mark, feed->marks[mark / FEED_STRIDE % feed->mark_count]};
    while (out->n <= n)
        (void)feed_next(feed, out, &line);
    if (out->n > feed->last)
        *out = feed_end(feed);
    return 0;
}

int feed_next(const struct feed *feed, struct feed_place *place, struct feed_line *out)
{
    if (place->n < feed->first)
        return -P2P_ENOTFOUND;
    if (place->n > feed->last)
        return 0;
    uint32_t at = feed_land(feed, place->n, place->at);
    const struct feed_head *head = feed_head_at(feed, at);
    assert(head->n == place->n);
    *out = (struct feed_line){.n = head->n, .node = head->node, .gap = head->gap};
    out->text = (struct str){(const char *)(head + 1), head->length};
    out->extra = (struct str){
        (const char *)feed->ring + at + feed_up(sizeof(*head) + head->length, 4), head->extra};
    *place = (struct feed_place){head->n + 1, at + head->size};
    return 1;
}
