/* SPDX-License-Identifier: MIT */
/* The table of a share: found by path and by content, counted, freed, full; and a long random run
 * beside a plain model. */
#include "peer/tree.h"

#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { MEMORY = 4 << 20 };

static struct arena arena;
static struct tree tree;

static struct str view(const char *text)
{
    return (struct str){text, strlen(text)};
}

static int setup(void **state)
{
    (void)state;
    return arena_init(&arena, MEMORY) != 0 || tree_init(&tree, &arena, MEMORY - 65536) != 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static void path_is(uint32_t file, const char *wanted)
{
    char out[P2P_PATH_MAX + 1];
    struct str path = tree_file_path(&tree, file, out);
    assert_int_equal(path.len, strlen(wanted));
    assert_string_equal(out, wanted);
}

static void paths_go_in_and_come_out(void **state)
{
    char longest[P2P_PATH_MAX + 1];
    memset(longest, 'x', sizeof longest);
    for (int i = 200; i < P2P_PATH_MAX - 1; i += 201)
        longest[i] = '/';
    longest[P2P_PATH_MAX - 1] = 'y';
    longest[P2P_PATH_MAX] = '\0';
    const char *paths[] = {"a",    "a/b",      "a/b/c", "b", "deep/er/and/deeper",
                           "a/bb", "\xc3\xa9", longest};
    uint32_t slots[8];
    (void)state;
    for (int i = 0; i < 8; i++) {
        assert_int_equal(tree_find_path(&tree, view(paths[i])), 0);
        slots[i] = tree_add_path(&tree, view(paths[i]));
        assert_int_not_equal(slots[i], 0);
        assert_int_equal(tree_add_path(&tree, view(paths[i])), slots[i]);
    }
    for (int i = 0; i < 8; i++) {
        assert_int_equal(tree_find_path(&tree, view(paths[i])), slots[i]);
        path_is(slots[i], paths[i]);
    }
    assert_int_equal(tree_find_path(&tree, view("a/c")), 0);
    assert_int_equal(tree_find_path(&tree, view("deep")), 0);
    assert_int_equal(tree.counts.absent, 8);
}

static void folder_paths(void **state)
{
    char out[P2P_PATH_MAX + 1];
    (void)state;
    assert_string_equal(tree_folder_path(&tree, TREE_ROOT, out).ptr, "");
    uint32_t a = tree_add_folder(&tree, TREE_ROOT, STR("a"));
    uint32_t b = tree_add_folder(&tree, a, STR("b"));
    assert_string_equal(tree_folder_path(&tree, b, out).ptr, "a/b");
    assert_int_equal(tree_find_folder(&tree, a, STR("b")), b);
    assert_int_equal(tree_find_folder(&tree, TREE_ROOT, STR("b")), 0);
    tree_remove_folder(&tree, b);
    assert_int_equal(tree_find_folder(&tree, a, STR("b")), 0);
    assert_int_equal(tree_folder(&tree, a)->first_folder, 0);
    tree_remove_folder(&tree, a);
    assert_int_equal(tree_folder(&tree, TREE_ROOT)->first_folder, 0);
}

static void contents_find_present_files_only(void **state)
{
    struct record_content one = {{1}}, two = {{2}};
    uint32_t a = tree_add_path(&tree, STR("a")), b = tree_add_path(&tree, STR("b"));
    (void)state;
    tree_set_content(&tree, a, &one);
    assert_int_equal(tree_find_content(&tree, one.bytes), 0);
    tree_set_present(&tree, a, true);
    assert_int_equal(tree_find_content(&tree, one.bytes), a);
    tree_set_present(&tree, b, true);
    tree_set_content(&tree, b, &one);
    uint32_t first = tree_find_content(&tree, one.bytes), second = tree_next_content(&tree, first);
    assert_int_equal(first + second, a + b);
    assert_int_equal(tree_next_content(&tree, second), 0);
    tree_set_content(&tree, a, &two);
    assert_int_equal(tree_find_content(&tree, one.bytes), b);
    assert_int_equal(tree_find_content(&tree, two.bytes), a);
    tree_set_present(&tree, b, false);
    assert_int_equal(tree_find_content(&tree, one.bytes), 0);
    tree_set_present(&tree, b, true);
    assert_int_equal(tree_find_content(&tree, one.bytes), b);
    tree_set_content(&tree, b, NULL);
    assert_int_equal(tree_find_content(&tree, one.bytes), 0);
    tree_remove_file(&tree, a);
    assert_int_equal(tree_find_content(&tree, two.bytes), 0);
}

static void counts(void **state)
{
    struct record_content one = {{1}};
    uint32_t a = tree_add_path(&tree, STR("a"));
    (void)state;
    tree_set_size(&tree, a, 100);
    assert_int_equal(tree.counts.bytes, 0);
    tree_set_present(&tree, a, true);
    tree_set_present(&tree, a, true);
    assert_int_equal(tree.counts.bytes, 100);
    tree_set_size(&tree, a, 250);
    tree_set_content(&tree, a, &one);
    assert_int_equal(tree.counts.bytes, 250);
    assert_int_equal(tree.counts.hashed, 1);
    assert_int_equal(tree.counts.present, 1);
    assert_int_equal(tree.counts.absent, 0);
    tree_remove_file(&tree, a);
    struct tree_counts none = {0};
    assert_memory_equal(&tree.counts, &none, sizeof none);
}

/* At n - 1, n and n + 1 files, and again after some have gone. */
static void full(void **state)
{
    char name[32];
    uint32_t room = tree.files.count, last = 0;
    (void)state;
    for (uint32_t i = 0; i < room; i++) {
        int len = snprintf(name, sizeof name, "%u", (unsigned)i);
        last = tree_add_file(&tree, TREE_ROOT, (struct str){name, (size_t)len});
        assert_int_not_equal(last, 0);
    }
    assert_int_equal(tree_add_file(&tree, TREE_ROOT, STR("one more")), 0);
    assert_int_equal(tree_find_file(&tree, TREE_ROOT, STR("one more")), 0);
    tree_remove_file(&tree, last);
    assert_int_not_equal(tree_add_file(&tree, TREE_ROOT, STR("one more")), 0);
    assert_int_equal(tree_add_file(&tree, TREE_ROOT, STR("two more")), 0);
}

/* Long names run out before slots do; what is freed serves short names and long ones again. */
static void names_run_out(void **state)
{
    char name[P2P_PART_MAX + 1];
    uint32_t slots[65536], count = 0;
    (void)state;
    memset(name, 'n', sizeof name);
    for (; count < 65536; count++) {
        int len = snprintf(name, sizeof name, "%05u", (unsigned)count);
        name[len] = 'n';
        slots[count] = tree_add_file(&tree, TREE_ROOT, (struct str){name, P2P_PART_MAX});
        if (slots[count] == 0)
            break;
    }
    assert_true(count > 0 && count < tree.files.count);
    tree_remove_file(&tree, slots[0]);
    assert_int_not_equal(tree_add_file(&tree, TREE_ROOT, STR("short")), 0);
    assert_int_not_equal(tree_add_file(&tree, TREE_ROOT, STR("another")), 0);
    for (uint32_t i = 1; i < count; i++)
        tree_remove_file(&tree, slots[i]);
    assert_int_not_equal(tree_add_file(&tree, TREE_ROOT, (struct str){name, P2P_PART_MAX}), 0);
}

static void the_budget_holds(void **state)
{
    static const size_t sizes[] = {0, 1000, 5000, 1 << 20, 15 << 20, 64 << 20};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct arena own;
        struct tree other;
        assert_int_equal(arena_init(&own, sizes[i] + 4096), 0);
        size_t before = arena_left(&own);
        int result = tree_init(&other, &own, sizes[i]);
        assert_int_equal(result == 0, tree_budget(sizes[i]) > 0);
        assert_true(before - arena_left(&own) <= sizes[i] + 4096);
        arena_free(&own);
    }
    assert_true(tree_budget(16 << 20) >= 100000);
}

/* ---- beside a model ---- */

enum { MODEL = 300, STEPS = 60000 };

struct model {
    bool used, present, hashed;
    uint8_t content;
    uint32_t slot;
};

static void model_name(uint32_t i, char out[32])
{
    snprintf(out, 32, "f%u/g%u/h%u", (unsigned)(i % 7), (unsigned)(i % 3), (unsigned)i);
}

static void model_check(const struct model *model)
{
    uint32_t present = 0, hashed = 0, used = 0, walked = 0;
    char name[32];
    for (uint32_t i = 0; i < MODEL; i++) {
        model_name(i, name);
        uint32_t slot = tree_find_path(&tree, view(name));
        assert_int_equal(slot != 0, model[i].used);
        if (!model[i].used)
            continue;
        path_is(slot, name);
        used++;
        present += model[i].present;
        hashed += model[i].present && model[i].hashed;
    }
    for (uint8_t c = 0; c < 5; c++) {
        struct record_content content = {{c, 9}};
        uint32_t wanted = 0, found = 0;
        for (uint32_t i = 0; i < MODEL; i++)
            wanted += model[i].used && model[i].present && model[i].hashed && model[i].content == c;
        for (uint32_t s = tree_find_content(&tree, content.bytes); s != 0;
             s = tree_next_content(&tree, s))
            found++;
        assert_int_equal(found, wanted);
    }
    for (uint32_t s = 0; (s = tree_next_file(&tree, s)) != 0;)
        walked++;
    assert_int_equal(walked, used);
    assert_int_equal(tree.counts.present, present);
    assert_int_equal(tree.counts.hashed, hashed);
    assert_int_equal(tree.counts.absent, used - present);
}

static void model_step(struct model *one, const char *name, uint32_t what, uint8_t content)
{
    struct record_content bytes = {{content, 9}};
    if (!one->used) {
        one->slot = tree_add_path(&tree, view(name));
        assert_int_not_equal(one->slot, 0);
        *one = (struct model){.used = true, .slot = one->slot};
    } else if (what == 0) {
        tree_remove_file(&tree, one->slot);
        one->used = false;
    } else if (what < 3) {
        one->present = !one->present;
        tree_set_present(&tree, one->slot, one->present);
    } else {
        one->hashed = what < 6;
        one->content = content;
        tree_set_content(&tree, one->slot, one->hashed ? &bytes : NULL);
    }
}

static void as_the_model(void **state)
{
    struct hash_random random;
    static struct model model[MODEL];
    char name[32];
    (void)state;
    memset(model, 0, sizeof model);
    hash_random_seed(&random, 7);
    for (uint32_t step = 0; step < STEPS; step++) {
        uint32_t i = hash_random_below(&random, MODEL);
        model_name(i, name);
        model_step(&model[i], name, hash_random_below(&random, 8),
                   (uint8_t)hash_random_below(&random, 5));
        if (step % 5000 == 0)
            model_check(model);
    }
    model_check(model);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(paths_go_in_and_come_out),
        test(folder_paths),
        test(contents_find_present_files_only),
        test(counts),
        test(full),
        test(names_run_out),
        cmocka_unit_test(the_budget_holds),
        test(as_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
