/* SPDX-License-Identifier: MIT */
/* The loop: descriptors, timers, tasks, posts and deferred work, deadlines on one timer, and jobs
 * that go to a worker and come back. The clock is the real one; nothing waits for a fixed time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/plat.h"
#include "run/deadline.h"
#include "run/loop.h"
#include "run/worker.h"

enum { FDS = 4, TIMERS = 8 };

static struct arena arena;
static struct loop *loop;
static char trace[128]; /* what happened, one letter each */
static size_t trace_len;

static void note(char letter)
{
    assert_true(trace_len + 1 < sizeof trace);
    trace[trace_len++] = letter;
    trace[trace_len] = 0;
}

static int setup(void **state)
{
    (void)state;
    trace_len = 0;
    trace[0] = 0;
    if (arena_init(&arena, 1 << 20) != 0)
        return -1;
    return loop_init(&loop, &arena, FDS, TIMERS);
}

static int teardown(void **state)
{
    (void)state;
    loop_close(loop);
    arena_free(&arena);
    return 0;
}

/* Turns until the trace has so many letters. */
static void turn_until(size_t letters)
{
    int64_t end_ms = plat_now_ms() + 40000;
    while (trace_len < letters && plat_now_ms() < end_ms)
        loop_turn(loop, 100);
    assert_int_equal(trace_len, letters);
}

static void note_letter(void *ctx)
{
    note(*(char *)ctx);
}

static void test_timers_in_order(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int after_ms[5]; /* of a b c d e; -1: not set */
        const char *expected;
    } rows[] = {
        {"rising", {0, 1, 2, 3, 4}, "abcde"},
        {"falling", {4, 3, 2, 1, 0}, "edcba"},
        {"mixed", {2, 4, 1, 3, 0}, "ecadb"},
        {"few", {-1, 1, -1, 0, -1}, "db"},
    };
    static char letters[] = "abcde";
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct loop_timer timers[5] = {0};
        trace_len = 0;
        int64_t now_ms = plat_now_ms();
        for (int t = 0; t < 5; t++) {
            timers[t].on_time = note_letter;
            timers[t].ctx = &letters[t];
            if (rows[i].after_ms[t] >= 0)
                assert_int_equal(loop_set_timer(loop, &timers[t], now_ms + rows[i].after_ms[t]), 0);
        }
        turn_until(strlen(rows[i].expected));
        assert_string_equal(trace, rows[i].expected);
    }
}

static void test_timers_moved_stopped_full(void **state)
{
    (void)state;
    static char letters[] = "abcdefghi";
    struct loop_timer timers[TIMERS + 1] = {0};
    int64_t now_ms = plat_now_ms();
    for (int t = 0; t < TIMERS + 1; t++) {
        timers[t].on_time = note_letter;
        timers[t].ctx = &letters[t];
        assert_int_equal(loop_set_timer(loop, &timers[t], now_ms + 100000 + t),
                         t < TIMERS ? 0 : -P2P_EFULL);
    }
    loop_stop_timer(loop, &timers[0]);
    loop_stop_timer(loop, &timers[0]);
    loop_stop_timer(loop, &timers[3]);
    assert_int_equal(loop_set_timer(loop, &timers[7], now_ms + 1), 0); /* forward */
    assert_int_equal(loop_set_timer(loop, &timers[5], now_ms), 0);
    assert_int_equal(loop_set_timer(loop, &timers[5], now_ms + 2), 0); /* and back */
    turn_until(2);
    assert_string_equal(trace, "hf");
    assert_int_equal(timers[7].place, 0);
    assert_int_equal(loop_set_timer(loop, &timers[TIMERS], now_ms + 100000), 0);
}

static void set_again(void *ctx)
{
    struct loop_timer *timer = ctx;
    note('t');
    loop_set_timer(loop, timer, loop_now_ms(loop));
}

/* A timer that is always due takes one place in each turn and starves nobody. */
static void test_timer_that_is_always_due(void **state)
{
    (void)state;
    struct loop_timer timer = {.on_time = set_again, .ctx = &timer};
    loop_set_timer(loop, &timer, 0);
    for (size_t turn = 1; turn <= 3; turn++) {
        loop_turn(loop, 0);
        assert_int_equal(trace_len, turn);
    }
}

struct pipe_fd {
    struct plat_wake wake;
    struct loop_fd fd;
    struct pipe_fd *victim; /* taken out when this one is served */
    char letter;
};

static void on_pipe(void *ctx, unsigned events)
{
    struct pipe_fd *pipe = ctx;
    assert_true((events & PLAT_READABLE) != 0);
    note(pipe->letter);
    if (pipe->victim)
        loop_remove_fd(loop, &pipe->victim->fd);
}

static void pipe_open(struct pipe_fd *pipe, char letter)
{
    assert_int_equal(plat_wake_open(&pipe->wake), 0);
    pipe->fd = (struct loop_fd){pipe->wake.read_fd, PLAT_READABLE, on_pipe, pipe};
    pipe->letter = letter;
}

static void test_fd_is_level_triggered_and_changed(void **state)
{
    (void)state;
    struct pipe_fd pipe = {0};
    pipe_open(&pipe, 'p');
    assert_int_equal(loop_add_fd(loop, &pipe.fd), 0);
    loop_turn(loop, 0);
    assert_int_equal(trace_len, 0);
    plat_wake(&pipe.wake);
    loop_turn(loop, 1000);
    loop_turn(loop, 1000);
    assert_string_equal(trace, "pp");
    loop_change_fd(loop, &pipe.fd, 0);
    loop_turn(loop, 0);
    assert_string_equal(trace, "pp");
    loop_change_fd(loop, &pipe.fd, PLAT_READABLE);
    loop_turn(loop, 1000);
    assert_string_equal(trace, "ppp");
    loop_remove_fd(loop, &pipe.fd);
    assert_int_equal(pipe.fd.fd, -1);
    loop_remove_fd(loop, &pipe.fd);
    loop_turn(loop, 0);
    assert_string_equal(trace, "ppp");
    plat_wake_close(&pipe.wake);
}

/* Both are ready in one turn; whichever is served first takes the other out. */
static void test_removed_fd_gets_no_event_that_waits(void **state)
{
    (void)state;
    struct pipe_fd pipes[2] = {{.letter = 0}};
    for (int i = 0; i < 2; i++) {
        pipe_open(&pipes[i], 'a');
        pipes[i].victim = &pipes[1 - i];
        assert_int_equal(loop_add_fd(loop, &pipes[i].fd), 0);
        plat_wake(&pipes[i].wake);
    }
    loop_turn(loop, 1000);
    assert_string_equal(trace, "a");
    for (int i = 0; i < 2; i++) {
        loop_remove_fd(loop, &pipes[i].fd);
        plat_wake_close(&pipes[i].wake);
    }
}

static void test_fds_full(void **state)
{
    (void)state;
    struct pipe_fd pipes[FDS + 1] = {{.letter = 0}};
    for (int i = 0; i < FDS + 1; i++) {
        pipe_open(&pipes[i], 'a');
        assert_int_equal(loop_add_fd(loop, &pipes[i].fd), i < FDS ? 0 : -P2P_EFULL);
    }
    for (int i = 0; i < FDS + 1; i++) {
        if (i < FDS)
            loop_remove_fd(loop, &pipes[i].fd);
        plat_wake_close(&pipes[i].wake);
    }
}

struct counted_task {
    struct loop_task task;
    int left;
    char letter;
    bool remove_itself;
};

static bool counted_step(void *ctx)
{
    struct counted_task *counted = ctx;
    note(counted->letter);
    if (counted->remove_itself) {
        loop_remove_task(loop, &counted->task);
        memset(counted, 0xff, sizeof *counted); /* as if it were freed */
        return false;
    }
    return --counted->left > 0;
}

static void task_open(struct counted_task *task, char letter, int steps)
{
    *task = (struct counted_task){.task = {.step = counted_step, .ctx = task}};
    task->left = steps;
    task->letter = letter;
    loop_add_task(loop, &task->task);
}

static void test_tasks_take_turns(void **state)
{
    (void)state;
    struct counted_task a, b, c;
    task_open(&a, 'a', 2);
    task_open(&b, 'b', 3);
    task_open(&c, 'c', 1);
    loop_add_task(loop, &a.task); /* twice is once */
    assert_true(loop_has_task(&a.task));
    for (int i = 0; i < 8; i++)
        loop_turn(loop, 0);
    assert_string_equal(trace, "abcabb");
    assert_false(loop_has_task(&a.task) || loop_has_task(&b.task) || loop_has_task(&c.task));
}

static void test_task_removes_itself_or_another(void **state)
{
    (void)state;
    struct counted_task a, b, c;
    task_open(&a, 'a', 9);
    task_open(&b, 'b', 9);
    task_open(&c, 'c', 2);
    a.remove_itself = true;
    loop_turn(loop, 0);
    loop_remove_task(loop, &b.task);
    for (int i = 0; i < 4; i++)
        loop_turn(loop, 0);
    assert_string_equal(trace, "acc");
}

struct letter_post {
    struct loop_post post;
    char letter;
    struct letter_post *then; /* deferred from within */
};

static void post_run(void *ctx)
{
    struct letter_post *post = ctx;
    note(post->letter);
    if (post->then)
        loop_defer(loop, &post->then->post);
}

static void test_posts_and_deferred(void **state)
{
    (void)state;
    struct letter_post posts[3];
    for (int i = 0; i < 3; i++) {
        posts[i] = (struct letter_post){{.run = post_run, .ctx = &posts[i]}, (char)('a' + i), 0};
        loop_post(loop, &posts[i].post);
    }
    struct letter_post second = {{.run = post_run, .ctx = &second}, 'e', 0};
    struct letter_post first = {{.run = post_run, .ctx = &first}, 'd', &second};
    loop_defer(loop, &first.post);
    loop_turn(loop, 1000); /* posts, then what was deferred, in the same turn */
    assert_true(trace_len >= 4);
    loop_turn(loop, 0);
    assert_string_equal(trace, "abcde");
    loop_turn(loop, 0);
    assert_string_equal(trace, "abcde");
}

struct square {
    struct worker_job job;
    int value;
    bool done;
};

static void square_work(struct worker_job *job)
{
    struct square *square = (struct square *)job;
    square->value *= square->value;
}

static void square_done(struct worker_job *job)
{
    ((struct square *)job)->done = true;
    note('s');
}

static void test_jobs_go_and_come_back(void **state)
{
    (void)state;
    enum { JOBS = 100 };
    struct square squares[JOBS] = {0};
    struct worker worker;
    assert_int_equal(worker_init(&worker, &arena, 2, 2), 0);
    assert_int_equal(worker_start(&worker), 0);
    for (int i = 0; i < JOBS; i++) {
        squares[i].job = (struct worker_job){square_work, square_done, loop, {0}};
        squares[i].value = i;
        worker_submit(&worker, &squares[i].job);
    }
    turn_until(JOBS);
    for (int i = 0; i < JOBS; i++)
        assert_true(squares[i].done && squares[i].value == i * i);
    worker_stop(&worker);
    worker_stop(&worker);
    loop_close(worker.loop);
}

static void stop_loop(struct worker_job *job)
{
    loop_stop(job->home);
}

static void test_stop_from_another_thread(void **state)
{
    (void)state;
    struct worker worker;
    struct worker_job job = {stop_loop, stop_loop, loop, {0}};
    assert_int_equal(worker_init(&worker, &arena, 2, 2), 0);
    assert_int_equal(worker_start(&worker), 0);
    worker_submit(&worker, &job);
    loop_run(loop);
    worker_stop(&worker);
    loop_close(worker.loop);
    loop_stop(loop); /* before loop_run: it returns at once */
    loop_run(loop);
}

static struct deadlines set;
static struct deadline three[3];

static void on_late(void *ctx, struct deadline *deadline)
{
    struct deadline *other = ctx;
    note((char)('a' + (deadline - three)));
    if (other && deadline != other)
        deadline_stop(other);
}

static void test_deadlines(void **state)
{
    (void)state;
    memset(three, 0, sizeof three);
    deadlines_init(&set, loop, 1);
    set.on_late = on_late;
    int64_t now_ms = plat_now_ms();
    for (int i = 0; i < 3; i++)
        deadline_set(&set, &three[i], now_ms + 5);
    deadline_set(&set, &three[0], now_ms + 20); /* later */
    deadline_set(&set, &three[1], now_ms);      /* sooner */
    turn_until(3);
    assert_string_equal(trace, "bca");
    assert_true(plat_now_ms() >= now_ms + 20);
    assert_int_equal(set.timer.place, 0); /* nothing left, no timer */
    trace_len = 0;
    set.ctx = &three[1]; /* whoever is late takes b out */
    for (int i = 0; i < 3; i++)
        deadline_set(&set, &three[i], now_ms);
    turn_until(2);
    assert_string_equal(trace, "ac");
    assert_null(three[1].next);
    deadlines_close(&set);
}

int main(void)
{
#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_timers_in_order),
        LOOP_TEST(test_timers_moved_stopped_full),
        LOOP_TEST(test_timer_that_is_always_due),
        LOOP_TEST(test_fd_is_level_triggered_and_changed),
        LOOP_TEST(test_removed_fd_gets_no_event_that_waits),
        LOOP_TEST(test_fds_full),
        LOOP_TEST(test_tasks_take_turns),
        LOOP_TEST(test_task_removes_itself_or_another),
        LOOP_TEST(test_posts_and_deferred),
        LOOP_TEST(test_jobs_go_and_come_back),
        LOOP_TEST(test_stop_from_another_thread),
        LOOP_TEST(test_deadlines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
