/* SPDX-License-Identifier: MIT */
/* The poller: what it reports, how full it gets, and that it keeps descriptors apart through any
 * order of adding, changing and removing. The memory it gets is dirty on purpose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "platform/plat.h"
#include "platform/plat_file.h"
#include "platform/plat_net.h"

enum { PATIENCE_MS = 20000, PAIRS = 80 };

/* ends[i][1] is polled, ends[i][0] makes it ready; the ctx of a pair is its row here. */
struct fixture {
    struct plat_poller *poller;
    void *memory;
    int ends[PAIRS][2];
};

static void fixture_open(struct fixture *fixture, int max)
{
    size_t size = plat_poller_size(max);
    fixture->memory = malloc(size);
    memset(fixture->memory, 1, size);
    assert_int_equal(plat_poller_init(fixture->memory, max, &fixture->poller), 0);
    for (int i = 0; i < PAIRS; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fixture->ends[i]), 0);
        assert_int_equal(plat_set_nonblocking(fixture->ends[i][1]), 0);
    }
}

static void fixture_close(struct fixture *fixture)
{
    plat_poller_close(fixture->poller);
    for (int i = 0; i < PAIRS; i++) {
        plat_close(fixture->ends[i][0]);
        plat_close(fixture->ends[i][1]);
    }
    free(fixture->memory);
}

static int add(struct fixture *fixture, int pair, unsigned events)
{
    return plat_poller_add(fixture->poller, fixture->ends[pair][1], events, fixture->ends[pair]);
}

static void change(struct fixture *fixture, int pair, unsigned events)
{
    plat_poller_change(fixture->poller, fixture->ends[pair][1], events, fixture->ends[pair]);
}

/* The events of the only one that is ready; the others count as a failure. */
static unsigned only(struct fixture *fixture, int pair, int timeout_ms)
{
    struct plat_event events[4];
    int count = plat_poller_wait(fixture->poller, events, 4, timeout_ms);
    assert_true(count >= 0 && count <= 1);
    if (count == 0)
        return 0;
    assert_ptr_equal(events[0].ctx, fixture->ends[pair]);
    return events[0].events;
}

static void it_reports_what_was_asked(void **state)
{
    (void)state;
    struct fixture fixture;
    char byte;
    fixture_open(&fixture, 4);
    assert_int_equal(add(&fixture, 0, PLAT_READABLE), 0);
    assert_int_equal(only(&fixture, 0, 0), 0);
    assert_int_equal(only(&fixture, 0, 1), 0);
    assert_int_equal(write(fixture.ends[0][0], "x", 1), 1);
    assert_int_equal(only(&fixture, 0, PATIENCE_MS), PLAT_READABLE);
    assert_int_equal(only(&fixture, 0, 0), PLAT_READABLE); /* level-triggered */
    change(&fixture, 0, PLAT_WRITABLE);
    assert_int_equal(only(&fixture, 0, 0), PLAT_WRITABLE);
    change(&fixture, 0, PLAT_READABLE | PLAT_WRITABLE);
    assert_int_equal(only(&fixture, 0, 0), PLAT_READABLE | PLAT_WRITABLE);
    change(&fixture, 0, 0);
    assert_int_equal(only(&fixture, 0, 0), 0);
    change(&fixture, 0, PLAT_READABLE);
    assert_int_equal(read(fixture.ends[0][1], &byte, 1), 1);
    assert_int_equal(only(&fixture, 0, 0), 0);
    plat_poller_change(fixture.poller, fixture.ends[0][1], PLAT_WRITABLE, fixture.ends[1]);
    assert_int_equal(only(&fixture, 1, 0), PLAT_WRITABLE); /* another ctx */
    fixture_close(&fixture);
}

static void a_hang_up_is_told_unasked(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 4);
    assert_int_equal(add(&fixture, 0, 0), 0);
    assert_int_equal(only(&fixture, 0, 0), 0);
    plat_close(fixture.ends[0][0]);
    fixture.ends[0][0] = -1;
    assert_int_equal(only(&fixture, 0, PATIENCE_MS), PLAT_HUNGUP);
    plat_poller_remove(fixture.poller, fixture.ends[0][1]);
    assert_int_equal(only(&fixture, 0, 0), 0);
    fixture_close(&fixture);
}

static void half_a_close_is_only_readable(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 4);
    assert_int_equal(add(&fixture, 0, PLAT_READABLE), 0);
    assert_int_equal(shutdown(fixture.ends[0][0], SHUT_WR), 0);
    assert_int_equal(only(&fixture, 0, PATIENCE_MS), PLAT_READABLE);
    fixture_close(&fixture);
}

static void it_holds_max_and_no_more(void **state)
{
    (void)state;
    static const int maxima[] = {1, 2, 3, 4, 5, 63, 64, 65};
    for (size_t i = 0; i < sizeof maxima / sizeof maxima[0]; i++) {
        struct fixture fixture;
        int max = maxima[i];
        fixture_open(&fixture, max);
        for (int pair = 0; pair < max; pair++)
            assert_int_equal(add(&fixture, pair, PLAT_READABLE), 0);
        assert_int_equal(add(&fixture, max, PLAT_READABLE), -P2P_EFULL);
        assert_int_equal(write(fixture.ends[max][0], "x", 1), 1);
        assert_int_equal(write(fixture.ends[max - 1][0], "x", 1), 1);
        assert_int_equal(only(&fixture, max - 1, PATIENCE_MS), PLAT_READABLE);
        plat_poller_remove(fixture.poller, fixture.ends[max - 1][1]);
        plat_poller_remove(fixture.poller, fixture.ends[max - 1][1]); /* twice takes one place */
        assert_int_equal(add(&fixture, max, PLAT_READABLE), 0);
        assert_int_equal(only(&fixture, max, PATIENCE_MS), PLAT_READABLE);
        assert_int_equal(add(&fixture, max - 1, PLAT_READABLE), -P2P_EFULL);
        fixture_close(&fixture);
    }
}

static void what_cannot_be_added_takes_no_place(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 2);
    assert_int_equal(add(&fixture, 0, 0), 0);
    assert_int_equal(add(&fixture, 0, PLAT_WRITABLE), -P2P_EEXIST);
    assert_int_equal(only(&fixture, 0, 0), 0);
    int closed = dup(fixture.ends[0][0]);
    plat_close(closed);
    plat_poller_remove(fixture.poller, closed);
    plat_poller_change(fixture.poller, closed, PLAT_READABLE, NULL);
    assert_int_equal(add(&fixture, 1, PLAT_WRITABLE), 0);
    assert_int_equal(only(&fixture, 1, 0), PLAT_WRITABLE);
    fixture_close(&fixture);
}

/* More are ready than fit: all must get their turn. */
static void none_starves(void **state)
{
    (void)state;
    struct fixture fixture;
    int seen[PAIRS] = {0}, missing = PAIRS;
    fixture_open(&fixture, PAIRS);
    for (int i = 0; i < PAIRS; i++)
        assert_int_equal(add(&fixture, i, PLAT_WRITABLE), 0);
    for (int turn = 0; turn < PAIRS && missing > 0; turn++) {
        struct plat_event events[3];
        assert_int_equal(plat_poller_wait(fixture.poller, events, 3, 0), 3);
        for (int i = 0; i < 3; i++) {
            ptrdiff_t pair =
                ((char *)events[i].ctx - (char *)fixture.ends) / (ptrdiff_t)sizeof fixture.ends[0];
            missing -= seen[pair]++ == 0;
        }
    }
    assert_int_equal(missing, 0);
    fixture_close(&fixture);
}

/* What the poller should hold: 0 not in it, else events asked + 1. */
struct model {
    unsigned held[PAIRS];
    int count, max;
};

static void model_step(struct fixture *fixture, struct model *model, uint32_t random)
{
    int pair = (int)(random >> 8) % PAIRS;
    unsigned events = (random & 1) != 0 ? PLAT_WRITABLE : 0;
    if (model->held[pair] == 0) {
        int expected = model->count < model->max ? 0 : -P2P_EFULL;
        assert_int_equal(add(fixture, pair, events), expected);
        if (expected == 0) {
            model->held[pair] = events + 1;
            model->count++;
        }
    } else if ((random & 2) != 0) {
        change(fixture, pair, events);
        model->held[pair] = events + 1;
    } else {
        plat_poller_remove(fixture->poller, fixture->ends[pair][1]);
        model->held[pair] = 0;
        model->count--;
    }
}

static void model_compare(struct fixture *fixture, const struct model *model)
{
    struct plat_event events[PAIRS];
    int told[PAIRS] = {0}, count;
    for (int i = 0; i < 8; i++) { /* epoll tells 64 at a time */
        count = plat_poller_wait(fixture->poller, events, PAIRS, 0);
        for (int k = 0; k < count; k++) {
            ptrdiff_t pair = ((char *)events[k].ctx - (char *)fixture->ends) /
                             (ptrdiff_t)sizeof fixture->ends[0];
            assert_int_equal(events[k].events, PLAT_WRITABLE);
            told[pair] = 1;
        }
    }
    for (int i = 0; i < PAIRS; i++)
        assert_int_equal(told[i], model->held[i] == PLAT_WRITABLE + 1);
}

/* Descriptors far apart and with equal low bits: the hard case for a table. */
static void any_order_of_calls_keeps_them_apart(void **state)
{
    (void)state;
    struct fixture fixture;
    struct model model = {.max = 60};
    uint32_t random = 1;
    fixture_open(&fixture, model.max);
    assert_true(plat_raise_descriptors(1024) >= 1024);
    for (int i = 0; i < PAIRS / 2; i++) {
        int far = 300 + i % 5 * 128 + i / 5;
        assert_int_equal(dup2(fixture.ends[i][1], far), far);
        plat_close(fixture.ends[i][1]);
        fixture.ends[i][1] = far;
    }
    for (int step = 0; step < 20000; step++) {
        random = random * 1664525u + 1013904223u;
        model_step(&fixture, &model, random);
        if (step % 50 == 0)
            model_compare(&fixture, &model);
    }
    fixture_close(&fixture);
}

static void wake_soon(void *ctx)
{
    plat_wake(ctx);
}

static void a_wake_ends_a_wait(void **state)
{
    (void)state;
    struct fixture fixture;
    struct plat_wake wake;
    struct plat_thread thread;
    struct plat_event event;
    fixture_open(&fixture, 1);
    assert_int_equal(plat_wake_open(&wake), 0);
    assert_int_equal(plat_poller_add(fixture.poller, wake.read_fd, PLAT_READABLE, &wake), 0);
    assert_int_equal(plat_thread_start(&thread, P2P_STACK_SIZE, wake_soon, &wake), 0);
    assert_int_equal(plat_poller_wait(fixture.poller, &event, 1, -1), 1);
    assert_ptr_equal(event.ctx, &wake);
    plat_thread_join(&thread);
    plat_wake_drain(&wake);
    assert_int_equal(plat_poller_wait(fixture.poller, &event, 1, 0), 0);
    plat_wake_close(&wake);
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_reports_what_was_asked),
        cmocka_unit_test(a_hang_up_is_told_unasked),
        cmocka_unit_test(half_a_close_is_only_readable),
        cmocka_unit_test(it_holds_max_and_no_more),
        cmocka_unit_test(what_cannot_be_added_takes_no_place),
        cmocka_unit_test(none_starves),
        cmocka_unit_test(any_order_of_calls_keeps_them_apart),
        cmocka_unit_test(a_wake_ends_a_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
