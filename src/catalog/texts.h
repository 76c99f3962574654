/* SPDX-License-Identifier: MIT */
/* The heap of texts: short texts in pages of 2 KiB, each with its owner's number before it and NUL
 * behind it, and for each page a signature: the pairs and triples of bytes that its texts hold when
 * folded. A search looks at signatures first and then only at pages that may hold what it looks
 * for. A text stays in its page as long as it lives. Loop thread. */
#ifndef TEXTS_H
#define TEXTS_H

#include "base/arena.h"

enum texts_kind { TEXTS_BASE, TEXTS_FOLDER, TEXTS_KINDS };

enum {
    TEXTS_PAGE = 2048,     /* about 70 names: one false alarm costs well under a microsecond */
    TEXTS_SIGN_WORDS = 94, /* bits: 4,096 for triples, 1,792 for pairs, 128 for single bytes */
    TEXTS_RECORD_EXTRA = 5,
    TEXTS_FILTER_MAX = 24, /* more triples of a long needle do not make it rarer */
};

struct texts {
    /* Set before texts_init: the objects that own texts of each kind, and where they keep the
     * text's number. */
    struct {
        const struct pool *pool;
        uint32_t text_at;
    } owner[TEXTS_KINDS];
    /* its own */
    uint8_t *pages;
    uint64_t *signs;
    uint8_t *kinds; /* of each page: those of the other kind cost a search no cache miss */
    uint32_t page_count, fresh;
    uint32_t current[TEXTS_KINDS], partial[TEXTS_KINDS], empty; /* page + 1; 0 is none */
    uint64_t used;
    struct arena_front pages_front, signs_front;
};

/* 0 or -P2P_EFULL. */
int texts_init(struct texts *texts, struct arena *arena, uint32_t page_count);
size_t texts_size(uint32_t page_count);
/* Stores text (1 to 1,024 bytes, no NUL) and writes its number, never 0, to the owner. 0 or
 * -P2P_EFULL. */
int texts_add(struct texts *texts, enum texts_kind kind, uint32_t owner, struct str text);
void texts_remove(struct texts *texts, uint32_t number);
struct str texts_get(const struct texts *texts, uint32_t number);
/* It is this text, which has no NUL. */
bool texts_equal(const struct texts *texts, uint32_t number, struct str text);

/* What a page must have in its signature to hold some needles (folded); begin with count 0. */
struct texts_filter {
    uint16_t bit[TEXTS_FILTER_MAX];
    uint32_t count;
};
void texts_filter_add(struct texts_filter *filter, struct str folded);
/* Whether a page (0.. texts->fresh - 1) is of that kind. */
bool texts_is(const struct texts *texts, uint32_t page, enum texts_kind kind);
enum { TEXTS_GROUP = 8 }; /* pages whose words of signatures share a cache line */
/* Whether one of the pages of a group, of which page is the first, may be of that kind. */
bool texts_any(const struct texts *texts, uint32_t page, enum texts_kind kind);
/* False: page is of another kind or holds no such text. */
bool texts_may_hold(const struct texts *texts, uint32_t page, enum texts_kind kind,
                    const struct texts_filter *filter);

/* A page's bytes; *out_wide when some text is not ASCII. Offsets into it serve texts_record. */
struct str texts_page(const struct texts *texts, uint32_t page, bool *out_wide);
/* The record at *at (begin with 0), of a live text; moves *at behind it. False at the end. */
bool texts_record(struct str page, size_t *at, uint32_t *out_owner, struct str *out_text);

/* The text, dead or alive, in which byte `at` of a page lies. That byte is not zero. When it is one
 * of an owner's number, *out_owner and the text are nonsense: the text is not the owner's then. */
struct str texts_around(struct str page, size_t at, uint32_t *out_owner);
/* The number of a text that lies in a page. */
uint32_t texts_number(const struct texts *texts, struct str text);
/* The bytes of this page are to be read soon; the rest of them follows by itself. */
void texts_expect_page(const struct texts *texts, uint32_t page);
/* This page, if there is one, and its neighbours are to be asked for soon. */
void texts_expect(const struct texts *texts, uint32_t page, const struct texts_filter *filter);

/* For check_catalog: NULL or what is wrong. */
const char *texts_check(const struct texts *texts);

#endif
