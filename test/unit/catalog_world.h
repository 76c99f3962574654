/* SPDX-License-Identifier: MIT */
/* What the tests of the catalog share: a catalog in an arena of its own, and short ways to put
 * nodes and offers into it. */
#ifndef CATALOG_WORLD_H
#define CATALOG_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "catalog/catalog.h"
#include "catalog/check.h"
#include "catalog/list.h"
#include "catalog/lookup.h"
#include "catalog/relay.h"
#include "catalog/search.h"

#include "base/text.h"

struct world {
    struct arena arena;
    struct catalog *catalog;
};

static inline void world_open(struct world *world, size_t bytes)
{
    assert_int_equal(arena_init(&world->arena, bytes), 0);
    assert_int_equal(catalog_init(&world->catalog, &world->arena, bytes), 0);
}

static inline void world_check(const struct world *world)
{
    const char *fault = check_catalog(world->catalog);
    if (fault)
        fail_msg("%s", fault);
}

static inline void world_close(struct world *world)
{
    world_check(world);
    arena_free(&world->arena);
}

static inline struct record_id world_id(uint32_t number)
{
    struct record_id id = {{0}};
    memcpy(id.bytes, &number, sizeof(number));
    id.bytes[15] = 0xab;
    return id;
}

static inline struct record_content world_content(uint32_t number)
{
    struct record_content content = {{0}};
    memcpy(content.bytes + 7, &number, sizeof(number));
    return content;
}

static inline struct plat_addr world_address(uint32_t number)
{
    struct plat_addr addr = {.family = 4, .port = 7751, .ip = {10, 0, 0, 0}};
    addr.ip[2] = (uint8_t)(number >> 8);
    addr.ip[3] = (uint8_t)number;
    return addr;
}

static inline struct catalog_node *world_node(struct world *world, uint32_t number)
{
    struct record_id id = world_id(number);
    struct plat_addr source = world_address(number);
    struct catalog_node *node = NULL;
    assert_int_equal(catalog_add_node(world->catalog, &id, &source, &node), 0);
    return node;
}

static inline int world_begin(struct world *world, struct catalog_node *node, uint64_t epoch,
                              uint64_t seq)
{
    struct record_join join = {.epoch = epoch, .seq = seq, .port = 7751, .name = STR("kitchen")};
    return catalog_join_begin(world->catalog, node, &join);
}

/* content 0: not hashed. */
static inline struct record_change world_put(const char *path, uint32_t content, int64_t mtime)
{
    struct record_change change = {.op = RECORD_PUT,
                                   .offer = {.path = text_from(path),
                                             .size = 1000,
                                             .mtime = mtime,
                                             .hashed = content != 0,
                                             .have = 100}};
    if (content)
        change.offer.content = world_content(content);
    return change;
}

static inline int world_apply(struct world *world, struct catalog_node *node, const char *path,
                              uint32_t content)
{
    struct record_change change = world_put(path, content, 100);
    return catalog_apply(world->catalog, node, &change);
}

static inline int world_del(struct world *world, struct catalog_node *node, const char *path)
{
    struct record_change change = {.op = RECORD_DEL, .offer = {.path = text_from(path)}};
    return catalog_apply(world->catalog, node, &change);
}

static inline void world_commit(struct world *world, struct catalog_node *node)
{
    assert_int_equal(catalog_commit(world->catalog, node, UINT32_MAX), 0);
    assert_false(node->open || node->busy);
}

/* A join of one node with one offer. */
static inline struct catalog_node *world_offer(struct world *world, uint32_t number,
                                               const struct record_change *change)
{
    struct catalog_node *node = world_node(world, number);
    uint64_t seq = node->seq + 1;
    if (node->epoch == 0)
        assert_int_equal(world_begin(world, node, 1, seq), 0);
    else
        assert_int_equal(catalog_update_begin(world->catalog, node, node->epoch, seq), 0);
    assert_int_equal(catalog_apply(world->catalog, node, change), 0);
    world_commit(world, node);
    return node;
}

static inline bool world_has(const struct world *world, const struct catalog_node *node,
                             const char *path, uint32_t content)
{
    uint32_t offer = lookup_find_offer(world->catalog, node, text_from(path));
    struct lookup_offer read;
    struct record_content wanted = world_content(content);
    if (!offer)
        return false;
    lookup_read(world->catalog, offer, &read);
    assert_true(text_is(read.offer.path, path));
    assert_ptr_equal(read.node, node);
    return content ? read.offer.hashed && memcmp(&read.offer.content, &wanted, sizeof(wanted)) == 0
                   : !read.offer.hashed;
}

#endif
