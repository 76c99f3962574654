/* SPDX-License-Identifier: MIT */
/* Opening a .part while other downloads of the same content end in the same folder. */
#include "swarm/part.h"

#include "platform/plat.h"
#include "platform/plat_file.h"
#include "rig_file.h"

#include <stdatomic.h>

enum { ROUNDS = 20000 };

struct other {
    int folder;
    atomic_bool stop;
};

static const struct record_content content = {.bytes = {1, 2, 3}};

/* Begins and gives up, again and again. */
static void come_and_go(void *ctx)
{
    struct other *other = ctx;
    struct part part;
    while (!atomic_load(&other->stop))
        if (part_open(&part, other->folder, &content) == 0)
            part_close(&part, false);
}

/* It is ours, or another has it: that it went in between is no error of the name. */
static void another_gives_up_meanwhile(void **state)
{
    char place[] = "/tmp/p2p-test-XXXXXX";
    struct other other = {.folder = -1};
    struct plat_thread thread;
    struct part part;
    int opened = 0;
    (void)state;
    assert_non_null(mkdtemp(place));
    other.folder = plat_open_folder(place);
    assert_true(other.folder >= 0);
    assert_int_equal(plat_thread_start(&thread, P2P_STACK_SIZE, come_and_go, &other), 0);
    while (opened < ROUNDS) {
        int result = part_open(&part, other.folder, &content);
        if (result == 0) {
            opened++;
            part_close(&part, false);
        } else {
            assert_int_equal(result, -P2P_EINUSE);
        }
    }
    atomic_store(&other.stop, true);
    plat_thread_join(&thread);
    plat_close(other.folder);
    assert_int_equal(rmdir(place), 0); /* nothing was left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_gives_up_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
