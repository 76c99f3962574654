/* SPDX-License-Identifier: MIT */
/* Pages of texts. A removal only marks; a page is closed up when its room is wanted again, so that
 * this costs a constant share of each addition. A page that texts are added to has a signature that
 * rules nothing out; the right one is made when it is full, in one go. Pages with a quarter free
 * are kept in a list by kind, empty ones in a list for both. Loop thread. */
#include "catalog/texts.h"

#include "base/text.h"
#include "catalog/fold.h"

#include <assert.h>
#include <string.h>

enum {
    TEXTS_FILTER_ENOUGH = 6,      /* bits, until which pairs are added to triples */
    TEXTS_REUSE = TEXTS_PAGE / 4, /* free bytes that make a page worth closing up */
    TEXTS_TRIES = 4,              /* pages looked at for room before a fresh one is begun */
    TEXTS_FETCHED = 1024,         /* bytes of a page: processors fetch what follows by themselves */
    TEXTS_EXPECTED = 6,           /* words of a signature that most pages are ruled out by */
    TEXTS_BLOCK = 40, /* pages whose signatures lie together: an odd number of cache lines a word,
                         so that the words of one page do not crowd in few sets of the cache */
    TEXTS_TRIPLES = 4096,
    TEXTS_CLASSES = 42, /* of bytes, for pairs: letters, digits and what names have else */
    TEXTS_SINGLES = TEXTS_TRIPLES + (TEXTS_CLASSES * TEXTS_CLASSES + 63) / 64 * 64,
};

/* Stands at the start of each page. */
struct texts_page {
    uint32_t next, prev; /* in its list, page + 1 */
    uint16_t end, dead;  /* first free byte; bytes of removed records */
    uint8_t kind, wide, listed, unused;
};
enum { TEXTS_HEAD = sizeof(struct texts_page) };
_Static_assert(TEXTS_SINGLES + 128 == TEXTS_SIGN_WORDS * 64, "a signature has a bit for each");

static struct texts_page *texts_head(const struct texts *texts, uint32_t page)
{
    return (struct texts_page *)(void *)(texts->pages + (size_t)page * TEXTS_PAGE);
}

/* Word 0 of a page's signature; the next ones lie TEXTS_BLOCK words apart. A search asks all pages
 * for the same few words: those of neighbours lie side by side. */
static uint64_t *texts_sign(const struct texts *texts, uint32_t page)
{
    return texts->signs + (size_t)(page / TEXTS_BLOCK) * TEXTS_BLOCK * TEXTS_SIGN_WORDS +
           page % TEXTS_BLOCK;
}

static size_t texts_signs_size(uint32_t page_count)
{
    size_t blocks = ((size_t)page_count + TEXTS_BLOCK - 1) / TEXTS_BLOCK;
    return blocks * TEXTS_BLOCK * TEXTS_SIGN_WORDS * sizeof(uint64_t);
}

static uint32_t texts_free_bytes(const struct texts_page *head)
{
    return (uint32_t)(TEXTS_PAGE - head->end + head->dead);
}

static uint32_t *texts_list(struct texts *texts, const struct texts_page *head)
{
    bool empty = head->end - head->dead == TEXTS_HEAD;
    return empty ? &texts->empty : &texts->partial[head->kind];
}

static void texts_link(struct texts *texts, uint32_t page)
{
    struct texts_page *head = texts_head(texts, page);
    uint32_t *list = texts_list(texts, head);
    head->listed = 1;
    head->prev = 0;
    head->next = *list;
    if (*list != 0)
        texts_head(texts, *list - 1)->prev = page + 1;
    *list = page + 1;
}

static void texts_unlink(struct texts *texts, uint32_t page, uint32_t *list)
{
    struct texts_page *head = texts_head(texts, page);
    head->listed = 0;
    if (head->prev != 0)
        texts_head(texts, head->prev - 1)->next = head->next;
    else
        *list = head->next;
    if (head->next != 0)
        texts_head(texts, head->next - 1)->prev = head->prev;
}

size_t texts_size(uint32_t page_count)
{
    return texts_signs_size(page_count) + (size_t)page_count * (TEXTS_PAGE + 1) + TEXTS_PAGE;
}

int texts_init(struct texts *texts, struct arena *arena, uint32_t page_count)
{
    texts->page_count = page_count;
    texts->fresh = texts->empty = 0;
    texts->used = 0;
    memset(texts->current, 0, sizeof(texts->current));
    memset(texts->partial, 0, sizeof(texts->partial));
    texts->signs = arena_carve(arena, texts_signs_size(page_count), 64);
    texts->pages = arena_carve(arena, (size_t)page_count * TEXTS_PAGE, TEXTS_PAGE);
    texts->kinds = arena_carve(arena, page_count, 1);
    texts->signs_front = arena_front(texts->signs, texts_signs_size(page_count));
    texts->pages_front = arena_front(texts->pages, (size_t)page_count * TEXTS_PAGE);
    return texts->signs && texts->pages && texts->kinds ? 0 : -P2P_EFULL;
}

/* Three bytes, the first the lowest. */
static uint32_t texts_triple_bit(uint32_t triple)
{
    return triple * UINT32_C(0x9e3779b1) >> 20;
}

/* 0: all others. */
static const uint8_t texts_classes[128] = {
    ['a'] = 1,  ['b'] = 2,  ['c'] = 3,  ['d'] = 4,  ['e'] = 5,  ['f'] = 6,  ['g'] = 7,  ['h'] = 8,
    ['i'] = 9,  ['j'] = 10, ['k'] = 11, ['l'] = 12, ['m'] = 13, ['n'] = 14, ['o'] = 15, ['p'] = 16,
    ['q'] = 17, ['r'] = 18, ['s'] = 19, ['t'] = 20, ['u'] = 21, ['v'] = 22, ['w'] = 23, ['x'] = 24,
    ['y'] = 25, ['z'] = 26, ['0'] = 27, ['1'] = 28, ['2'] = 29, ['3'] = 30, ['4'] = 31, ['5'] = 32,
    ['6'] = 33, ['7'] = 34, ['8'] = 35, ['9'] = 36, ['.'] = 37, ['-'] = 38, ['_'] = 39, ['/'] = 40,
};

static uint32_t texts_class(uint8_t byte)
{
    return byte < 128 ? texts_classes[byte] : TEXTS_CLASSES - 1;
}

/* Each pair of letters or digits has a bit of its own: pages that hold none of the sort are passed
 * over, however few bits a needle of two letters has. */
static uint32_t texts_pair_bit(uint32_t first_class, uint32_t second_class)
{
    return TEXTS_TRIPLES + first_class * TEXTS_CLASSES + second_class;
}

static uint32_t texts_single_bit(uint8_t byte)
{
    return TEXTS_SINGLES + (byte & 127U);
}

/* Marks the bits of a text, a byte each: a store is cheaper than to turn on a bit among others. */
static void texts_mark(uint8_t marks[static TEXTS_SIGN_WORDS * 64], struct str text)
{
    char folded[FOLD_SIZE(P2P_PATH_MAX)];
    size_t len = fold_text(text, folded, sizeof(folded));
    const uint8_t *at = (const uint8_t *)folded;
    uint32_t before = texts_class(at[0]), triple = (uint32_t)at[0] << 16;
    marks[texts_single_bit(at[0])] = 1;
    for (size_t i = 1; i < len; i++) {
        uint32_t class = texts_class(at[i]);
        triple = triple >> 8 | (uint32_t)at[i] << 16;
        marks[texts_single_bit(at[i])] = 1;
        marks[texts_pair_bit(before, class)] = 1;
        if (i > 1)
            marks[texts_triple_bit(triple)] = 1;
        before = class;
    }
}

/* Eight marks, as they lie in memory, to eight bits. */
static uint64_t texts_gather(const uint8_t *marks)
{
    uint64_t word;
    memcpy(&word, marks, sizeof(word));
    if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
        word = __builtin_bswap64(word);
    return word * UINT64_C(0x0102040810204080) >> 56;
}

/* The signature of all texts that live in a page. */
static void texts_make_sign(struct texts *texts, uint32_t page)
{
    uint8_t marks[TEXTS_SIGN_WORDS * 64] = {0};
    bool wide;
    struct str text, bytes = texts_page(texts, page, &wide);
    uint32_t owner;
    for (size_t at = 0; texts_record(bytes, &at, &owner, &text);)
        texts_mark(marks, text);
    uint64_t *sign = texts_sign(texts, page);
    for (size_t i = 0; i < TEXTS_SIGN_WORDS; i++) {
        uint64_t word = 0;
        for (size_t k = 0; k < 8; k++)
            word |= texts_gather(marks + 64 * i + 8 * k) << 8 * k;
        sign[i * TEXTS_BLOCK] = word;
    }
}

/* Texts come: whatever is looked for may stand in it. */
static void texts_open_sign(struct texts *texts, uint32_t page)
{
    for (size_t i = 0; i < TEXTS_SIGN_WORDS; i++)
        texts_sign(texts, page)[i * TEXTS_BLOCK] = UINT64_MAX;
}

static void texts_set_number(struct texts *texts, enum texts_kind kind, uint32_t owner,
                             uint32_t number)
{
    uint8_t *item = pool_at(texts->owner[kind].pool, owner);
    memcpy(item + texts->owner[kind].text_at, &number, sizeof(number));
}

/* The lowest byte first, so that the byte before a text is always zero, like that behind it. */
static void texts_set_owner(uint8_t *record, uint32_t owner)
{
    for (size_t i = 0; i < sizeof(owner); i++)
        record[i] = (uint8_t)(owner >> 8 * i);
}

static uint32_t texts_owner(const char *record)
{
    const uint8_t *at = (const uint8_t *)record;
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* Appends to a page that has room behind its end. */
static void texts_put(struct texts *texts, uint32_t page, uint32_t owner, struct str text)
{
    struct texts_page *head = texts_head(texts, page);
    uint8_t *record = (uint8_t *)head + head->end;
    texts_set_owner(record, owner);
    buf_copy((char *)record + sizeof(owner), text.ptr, text.len);
    record[sizeof(owner) + text.len] = 0;
    if (!fold_is_ascii((struct str){(char *)record + sizeof(owner), text.len}))
        head->wide = 1;
    texts_set_number(texts, head->kind, owner,
                     page * TEXTS_PAGE + head->end + (uint32_t)sizeof(owner));
    head->end = (uint16_t)(head->end + text.len + TEXTS_RECORD_EXTRA);
}

/* Moves the live records together. Each moves towards the start, so a record is read before one is
 * written over it. */
static void texts_close_up(struct texts *texts, uint32_t page)
{
    bool wide;
    struct str text, bytes = texts_page(texts, page, &wide);
    struct texts_page *head = texts_head(texts, page);
    uint32_t owner;
    size_t at = 0;
    head->end = TEXTS_HEAD;
    head->dead = head->wide = 0;
    while (texts_record(bytes, &at, &owner, &text)) {
        char copy[P2P_PATH_MAX];
        buf_copy(copy, text.ptr, text.len);
        texts_put(texts, page, owner, (struct str){copy, text.len});
    }
}

/* Gives up the current page of a kind. */
static void texts_retire(struct texts *texts, enum texts_kind kind)
{
    uint32_t page = texts->current[kind] - 1;
    texts->current[kind] = 0;
    texts_make_sign(texts, page);
    if (texts_free_bytes(texts_head(texts, page)) >= TEXTS_REUSE)
        texts_link(texts, page);
}

/* A page that never was used; page + 1, or 0. */
static uint32_t texts_fresh(struct texts *texts)
{
    if (texts->fresh == texts->page_count)
        return 0;
    uint32_t page = ++texts->fresh;
    arena_reach(&texts->pages_front, (size_t)page * TEXTS_PAGE);
    arena_reach(&texts->signs_front, texts_signs_size(page));
    return page;
}

/* A listed page of the kind with room for need bytes, else an empty or fresh one; page + 1, or 0.
 */
static uint32_t texts_find_room(struct texts *texts, enum texts_kind kind, uint32_t need)
{
    uint32_t page = texts->partial[kind];
    for (int tries = 0; page != 0 && tries < TEXTS_TRIES; tries++) {
        struct texts_page *head = texts_head(texts, page - 1);
        if (texts_free_bytes(head) >= need) {
            texts_unlink(texts, page - 1, &texts->partial[kind]);
            return page;
        }
        page = head->next;
    }
    page = texts->empty;
    if (page != 0)
        texts_unlink(texts, page - 1, &texts->empty);
    else
        page = texts_fresh(texts);
    if (page != 0) {
        struct texts_page *head = texts_head(texts, page - 1);
        head->kind = texts->kinds[page - 1] = (uint8_t)kind;
        if (head->end == 0)
            head->end = TEXTS_HEAD;
    }
    return page;
}

/* The page to append to; page + 1, or 0 when all is full. */
static uint32_t texts_open_page(struct texts *texts, enum texts_kind kind, uint32_t need)
{
    uint32_t page = texts->current[kind];
    if (page != 0) {
        struct texts_page *head = texts_head(texts, page - 1);
        if (head->end + need <= TEXTS_PAGE)
            return page;
        if (head->dead < TEXTS_REUSE || texts_free_bytes(head) < need) {
            texts_retire(texts, kind);
            page = 0;
        }
    }
    if (page == 0) {
        page = texts_find_room(texts, kind, need);
        if (page != 0)
            texts_open_sign(texts, page - 1);
    }
    texts->current[kind] = page;
    if (page != 0 && texts_head(texts, page - 1)->dead > 0)
        texts_close_up(texts, page - 1);
    return page;
}

int texts_add(struct texts *texts, enum texts_kind kind, uint32_t owner, struct str text)
{
    assert(text.len >= 1 && text.len <= P2P_PATH_MAX);
    uint32_t page = texts_open_page(texts, kind, (uint32_t)text.len + TEXTS_RECORD_EXTRA);
    if (page == 0)
        return -P2P_EFULL;
    texts_put(texts, page - 1, owner, text);
    texts->used += text.len + TEXTS_RECORD_EXTRA;
    return 0;
}

void texts_remove(struct texts *texts, uint32_t number)
{
    uint32_t page = number / TEXTS_PAGE;
    struct texts_page *head = texts_head(texts, page);
    size_t size = texts_get(texts, number).len + TEXTS_RECORD_EXTRA;
    memset(texts->pages + number - sizeof(uint32_t), 0, sizeof(uint32_t));
    bool listed = head->listed;
    uint32_t *list = texts_list(texts, head);
    head->dead = (uint16_t)(head->dead + size);
    texts->used -= size;
    if (texts->current[head->kind] == page + 1)
        return;
    if (listed && texts_list(texts, head) != list) {
        texts_unlink(texts, page, list);
        listed = false;
    }
    if (!listed && texts_free_bytes(head) >= TEXTS_REUSE)
        texts_link(texts, page);
}

/* strlen for what is mostly twenty bytes; whole words are read only before end. */
static size_t texts_length(const char *text, const char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
    const char *at = text;
    uint64_t word;
    for (; at + sizeof(word) <= end; at += sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        if (((word - ones) & ~word & highs) != 0)
            break;
    }
    while (*at)
        at++;
    return (size_t)(at - text);
}

struct str texts_get(const struct texts *texts, uint32_t number)
{
    const char *text = (const char *)texts->pages + number;
    const char *end = (const char *)texts->pages + (number / TEXTS_PAGE + 1) * (size_t)TEXTS_PAGE;
    return (struct str){text, texts_length(text, end)};
}

bool texts_equal(const struct texts *texts, uint32_t number, struct str text)
{
    const char *at = (const char *)texts->pages + number;
    return number % TEXTS_PAGE + text.len < TEXTS_PAGE && at[text.len] == 0 &&
           text_equal((struct str){at, text.len}, text);
}

void texts_filter_add(struct texts_filter *filter, struct str folded)
{
    const uint8_t *at = (const uint8_t *)folded.ptr;
    if (folded.len == 1 && filter->count < TEXTS_FILTER_MAX)
        filter->bit[filter->count++] = (uint16_t)texts_single_bit(*at);
    if (folded.len == 2 && filter->count < TEXTS_FILTER_MAX)
        filter->bit[filter->count++] =
            (uint16_t)texts_pair_bit(texts_class(at[0]), texts_class(at[1]));
    for (size_t i = 0; i + 2 < folded.len && filter->count < TEXTS_FILTER_MAX; i++)
        filter->bit[filter->count++] = (uint16_t)texts_triple_bit(
            (uint32_t)at[i] | (uint32_t)at[i + 1] << 8 | (uint32_t)at[i + 2] << 16);
    for (size_t i = 0; folded.len > 2 && i + 1 < folded.len; i++) {
        if (filter->count < TEXTS_FILTER_ENOUGH)
            filter->bit[filter->count++] =
                (uint16_t)texts_pair_bit(texts_class(at[i]), texts_class(at[i + 1]));
    }
}

bool texts_is(const struct texts *texts, uint32_t page, enum texts_kind kind)
{
    return texts->kinds[page] == kind;
}

bool texts_any(const struct texts *texts, uint32_t page, enum texts_kind kind)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t kinds;
    if (page + TEXTS_GROUP > texts->page_count)
        return true;
    memcpy(&kinds, texts->kinds + page, sizeof(kinds));
    return kinds != ones * (kind == TEXTS_BASE ? TEXTS_FOLDER : TEXTS_BASE);
}

bool texts_may_hold(const struct texts *texts, uint32_t page, enum texts_kind kind,
                    const struct texts_filter *filter)
{
    const uint64_t *sign = texts_sign(texts, page);
    if (!texts_is(texts, page, kind))
        return false;
    for (uint32_t i = 0; i < filter->count; i++) {
        if (!(sign[filter->bit[i] / 64 * TEXTS_BLOCK] >> filter->bit[i] % 64 & 1))
            return false;
    }
    return true;
}

struct str texts_page(const struct texts *texts, uint32_t page, bool *out_wide)
{
    const struct texts_page *head = texts_head(texts, page);
    *out_wide = head->wide;
    return (struct str){(const char *)head + TEXTS_HEAD, (size_t)head->end - TEXTS_HEAD};
}

bool texts_record(struct str page, size_t *at, uint32_t *out_owner, struct str *out_text)
{
    while (*at < page.len) {
        const char *record = page.ptr + *at;
        *out_owner = texts_owner(record);
        out_text->ptr = record + sizeof(*out_owner);
        out_text->len = texts_length(out_text->ptr, page.ptr + page.len);
        *at += out_text->len + TEXTS_RECORD_EXTRA;
        if (*out_owner != 0)
            return true;
    }
    return false;
}

struct str texts_around(struct str page, size_t at, uint32_t *out_owner)
{
    size_t begin = at;
    while (begin > 0 && page.ptr[begin - 1] != 0)
        begin--;
    const char *text = page.ptr + begin;
    *out_owner = begin < sizeof(uint32_t) ? 0 : texts_owner(text - sizeof(uint32_t));
    return (struct str){text, texts_length(text, page.ptr + page.len)};
}

uint32_t texts_number(const struct texts *texts, struct str text)
{
    return (uint32_t)((const uint8_t *)text.ptr - texts->pages);
}

void texts_expect_page(const struct texts *texts, uint32_t page)
{
    for (size_t i = 0; i < TEXTS_FETCHED; i += 64)
        __builtin_prefetch(texts->pages + (size_t)page * TEXTS_PAGE + i);
}

void texts_expect(const struct texts *texts, uint32_t page, const struct texts_filter *filter)
{
    if (page >= texts->fresh)
        return;
    for (uint32_t i = 0; i < filter->count && i < TEXTS_EXPECTED; i++)
        __builtin_prefetch(texts_sign(texts, page) + filter->bit[i] / 64 * TEXTS_BLOCK);
}

static const char *texts_check_page(const struct texts *texts, uint32_t page, uint64_t *live)
{
    const struct texts_page *head = texts_head(texts, page);
    bool wide;
    struct str text, bytes = texts_page(texts, page, &wide);
    uint32_t owner, number;
    size_t at = 0, here = 0;
    while (texts_record(bytes, &at, &owner, &text)) {
        const uint8_t *item = pool_at(texts->owner[head->kind].pool, owner);
        memcpy(&number, item + texts->owner[head->kind].text_at, sizeof(number));
        if (texts->pages + number != (const uint8_t *)text.ptr)
            return "a text is not its owner's";
        here += text.len + TEXTS_RECORD_EXTRA;
    }
    if (at != bytes.len || here + head->dead != bytes.len)
        return "a page of texts has a wrong count of dead bytes";
    bool current = texts->current[head->kind] == page + 1;
    if (head->listed != (!current && texts_free_bytes(head) >= TEXTS_REUSE))
        return "a page of texts is in no list, or in one too many";
    *live += here;
    return NULL;
}

const char *texts_check(const struct texts *texts)
{
    uint64_t live = 0;
    const char *fault = NULL;
    for (uint32_t page = 0; !fault && page < texts->fresh; page++)
        fault = texts_check_page(texts, page, &live);
    return fault ? fault : live == texts->used ? NULL : "the bytes of texts do not add up";
}
