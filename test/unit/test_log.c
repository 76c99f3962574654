/* SPDX-License-Identifier: MIT */
/* The log: what a line looks like, and that nothing that does not read can stop it. Each test logs
 * into a pipe of its own; that log_line comes back at all is the proof that it does not wait (a
 * full pipe would hold it for ever). */
#include "base/log.h"

#include "base/text.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

static int in;

/* What has arrived. */
static const char *arrived(void)
{
    static char text[1 << 20];
    size_t len = 0;
    ssize_t got;
    while ((got = read(in, text + len, sizeof(text) - 1 - len)) > 0)
        len += (size_t)got;
    text[len] = '\0';
    return text;
}

static void open_pipe(enum log_level level)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    in = fds[0];
    assert_int_equal(fcntl(in, F_SETFL, O_NONBLOCK), 0);
    log_open(fds[1], level);
    /* What was inherited must go on to block: it is shared with others. */
    assert_int_equal(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
    /* Takes the word of what earlier tests dropped. */
    log_line(LOG_ERROR, "x", "begin");
    arrived();
}

/* The line behind its time. */
static const char *behind_time(const char *line)
{
    static const char form[] = "dddd-dd-dd dd:dd:dd ";
    for (size_t i = 0; form[i]; i++) {
        bool good = form[i] == 'd' ? line[i] >= '0' && line[i] <= '9' : line[i] == form[i];
        if (!good)
            fail_msg("no time: %s", line);
    }
    return line + strlen(form);
}

static void test_form(void **state)
{
    (void)state;
    open_pipe(LOG_INFO);
    log_line(LOG_INFO, "index", "node %s joined with %d offers", "kitchen", 12);
    assert_string_equal(behind_time(arrived()),
                        "info  index: node kitchen joined with 12 offers\n");
    log_line(LOG_ERROR, "share", "x");
    assert_string_equal(behind_time(arrived()), "error share: x\n");
    log_line(LOG_DEBUG, "share", "x");
    assert_string_equal(arrived(), "");
    log_set_level(LOG_DEBUG);
    assert_true(log_is_on(LOG_DEBUG));
    log_line(LOG_DEBUG, "share", "x");
    assert_string_equal(behind_time(arrived()), "debug share: x\n");
    log_set_level(LOG_ERROR);
    log_line(LOG_WARN, "share", "x");
    assert_string_equal(arrived(), "");
}

static void test_foreign_text(void **state)
{
    (void)state;
    open_pipe(LOG_INFO);
    log_line(LOG_INFO, "x", "%s", "a\nb\x1b[2J\xff\xe2\x80\xae\xc3\xa9");
    assert_string_equal(behind_time(arrived()), "info  x: a\\nb\\x1b[2J\\xff\\u202e\xc3\xa9\n");
}

static void test_long_line(void **state)
{
    static char text[3000];
    (void)state;
    open_pipe(LOG_INFO);
    memset(text, 'a', sizeof(text) - 1);
    log_line(LOG_INFO, "x", "%s", text);
    size_t len = strlen(arrived());
    assert_in_range(len, 950, 1001);
    memset(text, '\n', sizeof(text) - 1);
    log_line(LOG_INFO, "x", "%s", text);
    const char *line = arrived();
    assert_in_range(strlen(line), 950, 1001);
    assert_true(text_ends(text_from(line), STR("\\n\n")));
}

/* How many lines nobody read; the others arrive. */
static uint64_t fill_pipe(void)
{
    uint64_t before = log_dropped();
    for (int i = 0; i < 5000; i++)
        log_line(LOG_INFO, "x", "line %04d, long enough to fill any pipe sooner or later", i);
    log_flush();
    uint64_t dropped = log_dropped() - before;
    assert_true(dropped > 0 && dropped < 5000);
    size_t lines = 0;
    for (const char *at = arrived(); (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    assert_int_equal(lines + dropped, 5000);
    return dropped;
}

static void test_full_pipe(void **state)
{
    (void)state;
    open_pipe(LOG_INFO);
    uint64_t dropped = fill_pipe();
    log_line(LOG_INFO, "x", "again");
    char wanted[128];
    snprintf(wanted, sizeof(wanted), "warn  log: lines dropped because nobody read them: %llu\n",
             (unsigned long long)dropped);
    const char *text = arrived();
    assert_true(text_begins(text_from(behind_time(text)), text_from(wanted)));
    assert_true(text_ends(text_from(text), STR("info  x: again\n")));
}

static void test_closed_pipe(void **state)
{
    (void)state;
    open_pipe(LOG_INFO);
    close(in);
    uint64_t before = log_dropped();
    log_line(LOG_INFO, "x", "nobody");
    assert_int_equal(log_dropped() - before, 1);
}

static void test_full_socket(void **state)
{
    int fds[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    log_open(fds[1], LOG_INFO);
    uint64_t before = log_dropped();
    for (int i = 0; i < 50000 && log_dropped() == before; i++)
        log_line(LOG_INFO, "x", "line %d, long enough to fill any socket sooner or later", i);
    assert_true(log_dropped() > before);
    assert_int_equal(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
    close(fds[0]);
}

/* A terminal stopped with Ctrl-S. */
static void test_stopped_terminal(void **state)
{
    (void)state;
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0)
        skip();
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    assert_true(slave >= 0);
    log_open(slave, LOG_INFO);
    assert_int_equal(fcntl(slave, F_GETFL) & O_NONBLOCK, 0);
    assert_int_equal(tcflow(slave, TCOOFF), 0);
    uint64_t before = log_dropped();
    log_line(LOG_INFO, "x", "stopped");
    assert_int_equal(log_dropped() - before, 1);
    assert_int_equal(tcflow(slave, TCOON), 0);
    log_line(LOG_INFO, "x", "goes on");
    char text[512];
    ssize_t got = read(master, text, sizeof(text) - 1);
    assert_true(got > 0);
    text[got] = '\0';
    assert_non_null(strstr(text, "warn  log: lines dropped because nobody read them: "));
    /* A terminal that nobody reads. */
    before = log_dropped();
    for (int i = 0; i < 5000; i++)
        log_line(LOG_INFO, "x", "line %d, long enough to fill any terminal sooner or later", i);
    assert_true(log_dropped() > before);
    close(slave);
    close(master);
}

static void test_gate(void **state)
{
    struct log_gate gate = {0};
    (void)state;
    open_pipe(LOG_INFO);
    assert_true(log_pass(&gate, 1000000));
    for (int i = 0; i < 7; i++)
        assert_false(log_pass(&gate, 1000000));
    assert_string_equal(arrived(), "");
    gate.next_ms = 0;
    assert_true(log_pass(&gate, 1000000));
    assert_string_equal(behind_time(arrived()),
                        "info  log: lines like the next one that were left out: 7\n");
    assert_int_equal(gate.dropped, 0);
}

static void test_gate_for_some(void **state)
{
    struct log_gate gate = {0};
    (void)state;
    open_pipe(LOG_INFO);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 3; i++)
            assert_true(log_pass_some(&gate, 1000000, 3));
        for (int i = 0; i < 2; i++)
            assert_false(log_pass_some(&gate, 1000000, 3));
        gate.next_ms = 0;
    }
    assert_string_equal(behind_time(arrived()),
                        "info  log: lines like the next one that were left out: 2\n");
}

static void *log_many(void *name)
{
    for (int i = 0; i < 200; i++)
        log_line(LOG_INFO, name, "a line of which no byte may end up in another one");
    return NULL;
}

static void test_threads(void **state)
{
    pthread_t threads[4];
    static char names[4][2] = {"a", "b", "c", "d"};
    int lines = 0;
    (void)state;
    open_pipe(LOG_INFO);
    uint64_t before = log_dropped();
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, names[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    struct str rest = text_from(arrived()), line;
    while (text_split(&rest, '\n', &line)) {
        assert_int_equal(line.len,
                         20 + strlen("info  a: a line of which no byte may end up in another one"));
        lines++;
    }
    assert_int_equal((uint64_t)lines + log_dropped() - before, 800);
}

static void test_errors(void **state)
{
    (void)state;
    for (int i = P2P_EINVAL; i <= P2P_EBUSY; i++) {
        assert_string_not_equal(log_error(i), "unknown error");
        assert_ptr_equal(log_error(i), log_error(-i));
    }
    assert_string_equal(log_error(-9999), "unknown error");
    assert_string_equal(log_error(-P2P_ENOSPC), "the disk is full");
}

struct divert {
    char text[256];
    int64_t answer; /* instead of the length, unless 0 */
};

static int64_t divert_write(void *ctx, struct str line)
{
    struct divert *divert = ctx;
    snprintf(divert->text, sizeof(divert->text), "%.*s", (int)line.len, line.ptr);
    return divert->answer ? divert->answer : (int64_t)line.len;
}

static void test_divert(void **state)
{
    struct divert divert = {"", 0};
    const struct log_sink sink = {divert_write, &divert};
    (void)state;
    open_pipe(LOG_INFO);
    log_divert(&sink);
    log_line(LOG_INFO, "index", "elsewhere");
    assert_string_equal(behind_time(divert.text), "info  index: elsewhere\n");
    uint64_t before = log_dropped();
    divert.answer = -P2P_EAGAIN;
    log_line(LOG_INFO, "index", "not taken");
    assert_int_equal(log_dropped(), before + 1);
    log_divert(NULL);
    assert_string_equal(arrived(), "");
    log_line(LOG_INFO, "index", "here again");
    assert_non_null(strstr(arrived(), "info  index: here again\n"));
}

struct slow {
    sem_t entered, go;
    atomic_bool written;
};

static int64_t slow_write(void *ctx, struct str line)
{
    struct slow *slow = ctx;
    assert_int_equal(sem_post(&slow->entered), 0);
    assert_int_equal(sem_wait(&slow->go), 0);
    atomic_store(&slow->written, true);
    return (int64_t)line.len;
}

static void *log_one(void *name)
{
    log_line(LOG_INFO, name, "to the old place");
    return NULL;
}

/* A line that another thread is writing is waited for: it must not come after what the new place
 * shows. */
static void test_divert_waits(void **state)
{
    struct slow slow = {.written = false};
    const struct log_sink sink = {slow_write, &slow};
    pthread_t thread;
    static char name[] = "other";
    (void)state;
    open_pipe(LOG_INFO);
    assert_int_equal(sem_init(&slow.entered, 0, 0), 0);
    assert_int_equal(sem_init(&slow.go, 0, 0), 0);
    log_divert(&sink);
    assert_int_equal(pthread_create(&thread, NULL, log_one, name), 0);
    assert_int_equal(sem_wait(&slow.entered), 0);
    assert_int_equal(sem_post(&slow.go), 0);
    log_divert(NULL);
    assert_true(atomic_load(&slow.written));
    assert_int_equal(pthread_join(thread, NULL), 0);
    sem_destroy(&slow.entered);
    sem_destroy(&slow.go);
}

static void test_gathered(void **state)
{
    (void)state;
    open_pipe(LOG_INFO);
    log_gather(true);
    log_line(LOG_INFO, "x", "first");
    log_line(LOG_WARN, "x", "second");
    assert_string_equal(arrived(), "");
    log_flush();
    const char *text = arrived(), *next = strchr(text, '\n');
    assert_string_equal(behind_time(next + 1), "warn  x: second\n");
    assert_true(text_begins(text_from(behind_time(text)), STR("info  x: first\n")));
    log_flush();
    assert_string_equal(arrived(), "");
    log_line(LOG_INFO, "x", "before");
    log_line(LOG_ERROR, "x", "an error");
    text = arrived();
    next = strchr(text, '\n');
    assert_true(text_begins(text_from(behind_time(text)), STR("info  x: before\n")));
    assert_string_equal(behind_time(next + 1), "error x: an error\n");
    log_line(LOG_INFO, "x", "last");
    log_gather(false);
    assert_string_equal(behind_time(arrived()), "info  x: last\n");
}

/* Lines that wait are counted like others when nobody takes them, and those that fit still go. */
static void test_gathered_in_full_pipe(void **state)
{
    (void)state;
    open_pipe(LOG_INFO);
    log_gather(true);
    uint64_t dropped = fill_pipe();
    log_line(LOG_INFO, "x", "again");
    log_gather(false);
    char wanted[128];
    snprintf(wanted, sizeof(wanted), "warn  log: lines dropped because nobody read them: %llu\n",
             (unsigned long long)dropped);
    assert_true(text_begins(text_from(behind_time(arrived())), text_from(wanted)));
}

/* A socket takes part of what waits: each line is whole, torn or counted, and none stands twice. */
static void test_gathered_torn(void **state)
{
    int fds[2], small = 1;
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    in = fds[0];
    log_open(fds[1], LOG_INFO);
    log_line(LOG_ERROR, "x", "begin");
    arrived();
    log_gather(true);
    uint64_t before = log_dropped();
    for (int i = 0; i < 2000; i++)
        log_line(LOG_INFO, "x", "line %04d of those that wait", i);
    log_gather(false);
    char text[1 << 17];
    snprintf(text, sizeof(text), "%s", arrived());
    log_line(LOG_ERROR, "x", "end");
    size_t len = strlen(text);
    snprintf(text + len, sizeof(text) - len, "%s", arrived());
    struct str rest = text_from(text), line;
    int64_t last = -1, whole = 0, torn = 0;
    while (text_split(&rest, '\n', &line)) {
        int number;
        char copy[128];
        snprintf(copy, sizeof(copy), "%.*s", (int)line.len, line.ptr);
        const char *at = strstr(copy, "line ");
        bool good =
            at && strstr(copy, " of those that wait") && sscanf(at, "line %d", &number) == 1;
        torn += !good && !strstr(copy, "dropped because") && !strstr(copy, "x: end");
        if (!good)
            continue;
        assert_true(number > last);
        last = number;
        whole++;
    }
    assert_int_equal((uint64_t)(whole + torn) + log_dropped() - before, 2000);
    assert_true(whole > 0 && log_dropped() > before);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_foreign_text),
        cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_full_pipe),
        cmocka_unit_test(test_closed_pipe),
        cmocka_unit_test(test_full_socket),
        cmocka_unit_test(test_stopped_terminal),
        cmocka_unit_test(test_gate),
        cmocka_unit_test(test_gate_for_some),
        cmocka_unit_test(test_gathered),
        cmocka_unit_test(test_gathered_in_full_pipe),
        cmocka_unit_test(test_gathered_torn),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_divert),
        cmocka_unit_test(test_divert_waits),
        cmocka_unit_test(test_errors),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
