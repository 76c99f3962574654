/* SPDX-License-Identifier: MIT */
/* Plays a session of several nodes, searchers and listers against a small catalog: each byte of the
 * input chooses what happens next, paths and search texts are taken from it raw. After each few
 * steps the invariants must hold. */
#include "catalog/check.h"
#include "catalog/list.h"
#include "catalog/search.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FUZZ_NODES = 4, FUZZ_MEMORY = 128 * 1024 };

struct fuzz {
    const uint8_t *data;
    size_t size;
    struct arena arena;
    struct catalog *catalog;
    struct search *search;
    struct lookup_offer read;
};

static uint32_t fuzz_byte(struct fuzz *fuzz)
{
    if (fuzz->size == 0)
        return 0;
    fuzz->size--;
    return *fuzz->data++;
}

/* A length, then so many bytes; long ones are eight times as long. */
static struct str fuzz_text(struct fuzz *fuzz)
{
    size_t len = fuzz_byte(fuzz);
    len = len > 128 ? (len - 128) * 8 : len;
    len = len < fuzz->size ? len : fuzz->size;
    struct str text = {(const char *)fuzz->data, len};
    fuzz->data += len;
    fuzz->size -= len;
    return text;
}

static struct catalog_node *fuzz_node(struct fuzz *fuzz, uint32_t number)
{
    struct record_id id = {{(uint8_t)number, 7}};
    struct plat_addr source = {.family = 4, .port = 7751, .ip = {10, 0, 0, (uint8_t)number}};
    struct catalog_node *node;
    if (catalog_add_node(fuzz->catalog, &id, &source, &node) != 0)
        abort();
    return node;
}

static void fuzz_apply(struct fuzz *fuzz, struct catalog_node *node, enum record_op op)
{
    struct record_change change = {.op = op, .offer = {.path = fuzz_text(fuzz)}};
    uint32_t kind = op == RECORD_PUT ? fuzz_byte(fuzz) : 0;
    change.offer.hashed = kind & 1;
    change.offer.copy = kind & 2;
    change.offer.executable = kind & 4;
    change.offer.have = kind & 8 ? 100 : (uint8_t)(kind >> 1);
    change.offer.size = kind & 16 ? P2P_FILE_MAX : (int64_t)kind;
    change.offer.mtime = kind & 32 ? INT64_MIN : (int64_t)kind;
    change.offer.content.bytes[0] = (uint8_t)(change.offer.hashed ? kind >> 5 : 0);
    change.offer.origin.bytes[0] = (uint8_t)(change.offer.copy ? kind >> 6 : 0);
    catalog_apply(fuzz->catalog, node, &change);
    lookup_best_named(fuzz->catalog, change.offer.path, 1000);
}

static void fuzz_search(struct fuzz *fuzz)
{
    const char *fault;
    if (!fuzz->search) {
        search_open(fuzz->catalog, &(struct search_request){fuzz_text(fuzz), fuzz_byte(fuzz), 1000},
                    &fuzz->search, &fault);
        return;
    }
    uint32_t work = fuzz_byte(fuzz);
    if (work == 0xff)
        search_stop(fuzz->search);
    else if (search_step(fuzz->search, work))
        return;
    while (search_next(fuzz->search, &fuzz->read)) {
    }
    search_close(fuzz->search);
    fuzz->search = NULL;
}

static void fuzz_list(struct fuzz *fuzz)
{
    struct list list;
    char cursor[LIST_CURSOR_MAX];
    struct str prefix = fuzz_text(fuzz), after = fuzz_text(fuzz);
    uint32_t work = 1000;
    if (list_init(&list, fuzz->catalog, prefix, after, 1000) != 0)
        return;
    while (list_next(&list, &work, &fuzz->read) == 1) {
        if (!text_begins(fuzz->read.offer.path, prefix))
            abort();
        list_cursor(&list, cursor);
    }
}

static void fuzz_transact(struct fuzz *fuzz, struct catalog_node *node, uint32_t what)
{
    struct record_join join = {.epoch = node->epoch + (what & 1),
                               .seq = node->seq + (what >> 4 & 3)};
    if (what & 2)
        join.name = (struct str){"node", what & 4 ? 4U : 0U};
    if (what & 8)
        catalog_update_begin(fuzz->catalog, node, node->epoch, node->seq + (what & 3));
    else
        catalog_join_begin(fuzz->catalog, node, &join);
}

static void fuzz_one(struct fuzz *fuzz)
{
    uint32_t what = fuzz_byte(fuzz), number = what % FUZZ_NODES;
    struct catalog_node *node = fuzz_node(fuzz, number);
    switch (what / FUZZ_NODES % 16) {
    case 0:
    case 1:
        fuzz_transact(fuzz, node, fuzz_byte(fuzz));
        break;
    case 2:
        catalog_commit(fuzz->catalog, node, fuzz_byte(fuzz));
        break;
    case 3:
        catalog_abort(fuzz->catalog, node);
        break;
    case 4:
        catalog_leave(fuzz->catalog, node, node->epoch, node->seq + (what >> 7), 1);
        break;
    case 5:
        catalog_lose(fuzz->catalog, node, 1);
        break;
    case 6:
        catalog_forget(fuzz->catalog, node);
        break;
    case 7:
        catalog_step(fuzz->catalog, fuzz_byte(fuzz));
        break;
    case 8:
    case 9:
        fuzz_search(fuzz);
        break;
    case 10:
        fuzz_list(fuzz);
        break;
    case 11:
        fuzz_apply(fuzz, node, RECORD_DEL);
        break;
    default:
        fuzz_apply(fuzz, node, RECORD_PUT);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {.data = data, .size = size};
    if (arena_init(&fuzz.arena, FUZZ_MEMORY) != 0 ||
        catalog_init(&fuzz.catalog, &fuzz.arena, FUZZ_MEMORY) != 0)
        abort();
    for (uint32_t i = 0; fuzz.size > 0; i++) {
        fuzz_one(&fuzz);
        if (i % 8 == 0 && check_catalog(fuzz.catalog))
            abort();
    }
    search_close(fuzz.search);
    if (check_catalog(fuzz.catalog))
        abort();
    arena_free(&fuzz.arena);
    return 0;
}
