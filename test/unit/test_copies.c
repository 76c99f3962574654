/* SPDX-License-Identifier: MIT */
/* Which files are copies: what is remembered over restarts, torn ends, foreign lines, the limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "peer/copies.h"
#include "platform/plat.h"
#include "platform/plat_file.h"

static struct rig {
    struct arena arena;
    struct worker worker;
    struct loop *loop;
    struct copies *copies;
    char folder[64];
    int fd;
    bool saved;
} rig;

static void begin(int folder)
{
    assert_int_equal(arena_init(&rig.arena, (size_t)4 << 20), 0);
    assert_int_equal(loop_init(&rig.loop, &rig.arena, 8, 8), 0);
    assert_int_equal(worker_init(&rig.worker, &rig.arena, 8, 8), 0);
    assert_int_equal(worker_start(&rig.worker), 0);
    assert_int_equal(copies_init(&rig.copies, &rig.arena, folder), 0);
}

static void on_saved(void *ctx)
{
    (void)ctx;
    rig.saved = true;
}

static void save(void)
{
    rig.saved = false;
    copies_save(rig.copies, &rig.worker, rig.loop, on_saved, NULL);
    for (int i = 0; i < 100 && !rig.saved; i++)
        loop_turn(rig.loop, 100);
    assert_true(rig.saved);
}

static void end(void)
{
    save();
    copies_close(rig.copies);
    worker_stop(&rig.worker);
    loop_close(rig.worker.loop);
    loop_close(rig.loop);
    arena_free(&rig.arena);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(rig.folder, sizeof rig.folder, "/tmp/p2p-copies-XXXXXX");
    rig.fd = mkdtemp(rig.folder) ? plat_open_folder(rig.folder) : -1;
    return rig.fd < 0;
}

static int remove_folder(void **state)
{
    (void)state;
    plat_unlink_beneath(rig.fd, "copies");
    plat_close(rig.fd);
    return rmdir(rig.folder);
}

static int add(const char *path, uint8_t content, uint8_t origin)
{
    struct copies_entry entry = {.path = text_from(path)};
    memset(&entry.content, content, sizeof entry.content);
    memset(&entry.origin, origin, sizeof entry.origin);
    return copies_add(rig.copies, &entry);
}

/* The origin's byte, 0: it is the node's own. content 0: not hashed. */
static int origin_of(const char *path, uint8_t content)
{
    struct record_offer offer = {.path = text_from(path), .hashed = content != 0};
    memset(&offer.content, content, sizeof offer.content);
    copies_mark(rig.copies, &offer);
    return offer.copy ? offer.origin.bytes[0] : 0;
}

static void the_last_line_of_a_path_counts(void **state)
{
    (void)state;
    begin(rig.fd);
    assert_int_equal(add("downloads/a b.txt", 1, 7), 0);
    assert_int_equal(add("downloads/c.txt", 2, 8), 0);
    save();
    assert_int_equal(add("downloads/a b.txt", 3, 9), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(copies_count(rig.copies), 2);
        assert_int_equal(origin_of("downloads/a b.txt", 3), 9);
        assert_int_equal(origin_of("downloads/a b.txt", 0), 9);
        assert_int_equal(origin_of("downloads/a b.txt", 1), 0); /* edited, or put back */
        assert_int_equal(origin_of("downloads/c.txt", 2), 8);
        assert_int_equal(origin_of("downloads/b.txt", 2), 0);
        end();
        begin(rig.fd);
    }
    end();
}

static void append(const char *text)
{
    int fd = plat_open_beneath(rig.fd, "copies", PLAT_WRITE | PLAT_APPEND | PLAT_CREATE);
    assert_true(fd >= 0);
    assert_int_equal(plat_write(fd, text, strlen(text)), 0);
    plat_close(fd);
}

static void what_is_torn_or_foreign_is_passed_over(void **state)
{
    char noise[6000];
    (void)state;
    memset(noise, 'x', sizeof noise - 1);
    noise[sizeof noise - 1] = 0;
    begin(rig.fd);
    assert_int_equal(add("one", 1, 1), 0);
    end();
    append("not a line\n\n");
    append(noise);
    append("\n");
    begin(rig.fd);
    assert_int_equal(add("two", 2, 2), 0);
    end();
    append("0123abcd 00000000000000000000000000000000000000000000000000000000000000"); /* torn */
    begin(rig.fd);
    assert_int_equal(add("three", 3, 3), 0);
    end();
    begin(rig.fd);
    assert_int_equal(copies_count(rig.copies), 3);
    assert_int_equal(origin_of("one", 1), 1);
    assert_int_equal(origin_of("two", 2), 2);
    assert_int_equal(origin_of("three", 3), 3);
    end();
}

static int64_t file_size(void)
{
    struct plat_stat stat;
    assert_int_equal(plat_stat_beneath(rig.fd, "copies", &stat), 0);
    return stat.size;
}

static void outdated_lines_go(void **state)
{
    (void)state;
    begin(rig.fd);
    for (int i = 0; i < 700; i++) {
        assert_int_equal(add(i % 2 == 0 ? "even" : "odd", (uint8_t)(i % 250 + 1), 5), 0);
        if (i % 100 == 0)
            save();
    }
    end();
    int64_t before = file_size();
    begin(rig.fd);
    assert_int_equal(copies_count(rig.copies), 2);
    assert_int_equal(add("third", 6, 6), 0);
    end();
    assert_true(file_size() < before / 100);
    begin(rig.fd);
    assert_int_equal(copies_count(rig.copies), 3);
    assert_int_equal(origin_of("even", 698 % 250 + 1), 5);
    assert_int_equal(origin_of("odd", 699 % 250 + 1), 5);
    assert_int_equal(origin_of("third", 6), 6);
    end();
}

static void there_is_a_limit(void **state)
{
    char path[32];
    (void)state;
    begin(rig.fd);
    for (int i = 0; i < COPIES_MAX; i++) {
        snprintf(path, sizeof path, "file%d", i);
        assert_int_equal(add(path, 1, 2), 0);
        if (i % 200 == 0)
            save();
    }
    assert_int_equal(add("one more", 1, 2), -P2P_EFULL);
    assert_int_equal(add("file0", 3, 4), 0);
    assert_int_equal(origin_of("one more", 1), 0);
    end();
    begin(rig.fd);
    assert_int_equal(copies_count(rig.copies), COPIES_MAX);
    assert_int_equal(origin_of("file0", 3), 4);
    end();
}

static void without_a_folder_it_lasts_while_it_runs(void **state)
{
    (void)state;
    begin(-1);
    assert_int_equal(add("a", 1, 2), 0);
    save();
    assert_int_equal(origin_of("a", 1), 2);
    end();
    append("");
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(the_last_line_of_a_path_counts),
        IN_FOLDER(what_is_torn_or_foreign_is_passed_over),
        IN_FOLDER(outdated_lines_go),
        IN_FOLDER(there_is_a_limit),
        IN_FOLDER(without_a_folder_it_lasts_while_it_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
