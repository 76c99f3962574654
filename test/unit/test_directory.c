/* SPDX-License-Identifier: MIT */
/* Which index a call reaches: in turn from the current one, past those that refuse, are silent or
 * are no index; each once, and the merely slow ones again at the end. Indexes are stand-ins on
 * loopback addresses, with the same loop. */
#include "rig_server.h"

#include "base/addr.h"
#include "node/directory.h"

enum stand_in { DEAD, GOOD, SILENT, SLOW, BUSY, STRANGER, BREAKS };
enum { STAND_INS = 4, SLOW_MS = 250, SILENT_MS = 100 };

struct world;
struct index {
    struct world *world;
    enum stand_in kind;
    struct server *server;
    struct plat_addr addr;
    int asked;
    struct exchange *held;
    struct loop_timer timer;
};

struct world {
    struct arena arena;
    struct loop *loop;
    struct client_pool *pool;
    struct worker worker;
    struct index index[STAND_INS];
    int count;
    struct directory *directory;
    char list[512];
};

/* What a call's handlers were told. */
struct heard {
    struct directory_call call;
    int heads, status, lines, dones, result;
    char line[64];
};

/* ---- stand-ins ---- */

static void say_name(struct index *index)
{
    struct exchange *exchange = index->held;
    index->held = NULL;
    exchange_begin(exchange, 200, "application/x-ndjson");
    buf_printf(exchange_body(exchange), "index %d\nend\n", (int)(index - index->world->index));
    exchange_end(exchange);
}

static void index_on_time(void *ctx)
{
    struct index *index = ctx;
    if (index->held && index->kind == BREAKS)
        exchange_cut(index->held);
    else if (index->held)
        say_name(index);
}

static void index_set_timer(struct index *index, int wait_ms)
{
    struct loop *loop = index->world->loop;
    index->timer.on_time = index_on_time;
    index->timer.ctx = index;
    assert_int_equal(loop_set_timer(loop, &index->timer, loop_now_ms(loop) + wait_ms), 0);
}

/* A part of the promised body, then nothing. */
static void produce_part(struct exchange *exchange, void *role, struct buf *room)
{
    (void)exchange;
    if (!((struct index *)role)->timer.place) {
        buf_put(room, STR("part\n"));
        index_set_timer(role, 20);
    }
}

static void index_begin(struct exchange *exchange, void *role)
{
    struct index *index = role;
    index->asked++;
    index->held = exchange;
    if (index->kind == GOOD) {
        say_name(index);
    } else if (index->kind == BUSY) {
        exchange_busy(exchange, "busy", "later");
    } else if (index->kind == BREAKS) {
        exchange_begin(exchange, 200, "text/plain");
        exchange_stream(exchange, 100, produce_part);
    } else if (index->kind == SLOW) {
        index_set_timer(index, SLOW_MS);
    } else if (index->kind == STRANGER) {
        say_name(index);
    }
}

static void index_gone(struct exchange *exchange, void *role, bool aborted)
{
    struct index *index = role;
    (void)aborted;
    if (index->held == exchange)
        index->held = NULL;
}

static void body_line(struct exchange *exchange, void *role, struct str line)
{
    (void)exchange;
    (void)role;
    (void)line;
}

static void body_begin(struct exchange *exchange, void *role)
{
    (void)exchange;
    (void)role;
}

static const struct route routes[] = {
    {.methods = SERVER_POST,
     .body = SERVER_NDJSON,
     .path = "/v1/body",
     .class = SERVER_CLIENT,
     .begin = body_begin,
     .line = body_line,
     .end = index_begin,
     .gone = index_gone},
    {.methods = SERVER_GET,
     .path = "/v1/x",
     .class = SERVER_CLIENT,
     .begin = index_begin,
     .gone = index_gone},
    {.path = NULL},
};

static void index_open(struct world *world, enum stand_in kind)
{
    struct index *index = &world->index[world->count];
    struct server_config config = {
        .connections = 8, .buffers = 8, .node = "0123456789abcdef0123456789abcdef"};
    config.node[0] = kind == STRANGER ? '\0' : '0';
    struct plat_addr addr = {.family = 4, .ip = {127, 0, 0, (uint8_t)(1 + world->count)}};
    world->count++;
    index->world = world;
    index->kind = kind;
    config.listener = plat_listen(&addr, 16);
    assert_true(config.listener >= 0);
    assert_int_equal(plat_local_addr(config.listener, &index->addr), 0);
    if (kind == DEAD) {
        plat_close(config.listener);
        return;
    }
    assert_int_equal(server_init(&index->server, world->loop, &world->arena, &config), 0);
    assert_int_equal(server_add_routes(index->server, routes, index), 0);
}

static void world_open(struct world *world, const enum stand_in *kinds, int count)
{
    memset(world, 0, sizeof(*world));
    assert_int_equal(arena_init(&world->arena, (size_t)8 << 20), 0);
    assert_int_equal(loop_init(&world->loop, &world->arena, 128, 32), 0);
    assert_int_equal(client_pool_init(&world->pool, world->loop, &world->arena, 8, 8), 0);
    assert_int_equal(worker_init(&world->worker, &world->arena, 8, 8), 0);
    assert_int_equal(worker_start(&world->worker), 0);
    struct buf list = buf_on(world->list, sizeof(world->list) - 1);
    for (int i = 0; i < count; i++) {
        char text[ADDR_TEXT_MAX];
        index_open(world, kinds[i]);
        buf_put_text(&list, i > 0 ? ", " : "");
        buf_put_text(&list, addr_format(&world->index[i].addr, text));
    }
}

static void world_directory(struct world *world, const char *list, uint32_t start)
{
    struct directory_config config = {
        .indexes = text_from(list),
        .loop = world->loop,
        .pool = world->pool,
        .background = &world->worker,
        .start = start,
        .silent_ms = SILENT_MS,
    };
    assert_int_equal(directory_init(&world->directory, &world->arena, &config), 0);
}

static void world_close(struct world *world)
{
    directory_close(world->directory);
    worker_stop(&world->worker);
    loop_close(world->worker.loop);
    for (int i = 0; i < world->count; i++) {
        if (world->index[i].server)
            server_close(world->index[i].server);
    }
    loop_close(world->loop);
    arena_free(&world->arena);
}

/* ---- calls ---- */

static void on_head(void *ctx, const struct http_head *head)
{
    struct heard *heard = ctx;
    heard->heads++;
    heard->status = head->status;
}

static void on_line(void *ctx, struct str line)
{
    struct heard *heard = ctx;
    if (heard->lines++ == 0)
        assert_int_equal(text_copy(line, heard->line, sizeof(heard->line)), 0);
}

static void on_done(void *ctx, int result)
{
    struct heard *heard = ctx;
    heard->dones++;
    heard->result = result;
}

static const struct client_handlers handlers = {
    .on_head = on_head, .on_line = on_line, .on_done = on_done};

static int call_begin(struct world *world, struct heard *heard, int timeout_ms)
{
    memset(heard, 0, sizeof(*heard));
    heard->call.request = (struct client_request){.method = HTTP_METHOD_GET,
                                                  .target = STR("/v1/x"),
                                                  .timeout_ms = timeout_ms,
                                                  .handlers = &handlers,
                                                  .ctx = heard};
    return directory_send(world->directory, &heard->call);
}

static void call_wait(struct world *world, struct heard *heard)
{
    int64_t end_ms = plat_now_ms() + RIG_WAIT_MS;
    while (!heard->dones && plat_now_ms() < end_ms)
        loop_turn(world->loop, 5);
    assert_int_equal(heard->dones, 1);
}

/* One call to its end; the error of directory_send counts as its result. */
static void call_run(struct world *world, struct heard *heard, int timeout_ms)
{
    int error = call_begin(world, heard, timeout_ms);
    if (error)
        heard->result = error;
    else
        call_wait(world, heard);
}

/* ---- tests ---- */

static void which_one_answers(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum stand_in kinds[STAND_INS];
        int count;
        uint32_t start;
        int answers; /* which; -1: none */
        int status, result;
        int asked[STAND_INS];
    } rows[] = {
        {"the only one", {GOOD}, 1, 0, 0, 200, 0, {1}},
        {"begins at start", {GOOD, GOOD, GOOD}, 3, 2, 2, 200, 0, {0, 0, 1}},
        {"start wraps", {GOOD, GOOD}, 2, 5, 1, 200, 0, {0, 1}},
        {"past a dead one", {DEAD, GOOD}, 2, 0, 1, 200, 0, {0, 1}},
        {"round the end", {GOOD, DEAD, DEAD}, 3, 1, 0, 200, 0, {1}},
        {"past a silent one", {SILENT, GOOD}, 2, 0, 1, 200, 0, {1, 1}},
        {"past a busy one", {BUSY, GOOD}, 2, 0, 1, 200, 0, {1, 1}},
        {"past what is no index", {STRANGER, GOOD}, 2, 0, 1, 200, 0, {1, 1}},
        {"a slow one answers when nobody else does", {SLOW, DEAD}, 2, 0, 0, 200, 0, {2}},
        {"the only one may be slow", {SLOW}, 1, 0, 0, 200, 0, {1}},
        {"the last one may be busy", {DEAD, BUSY}, 2, 0, 1, 503, 0, {0, 1}},
        {"all dead", {DEAD, DEAD}, 2, 0, -1, 0, -P2P_EREFUSED, {0}},
        {"all strangers", {STRANGER, STRANGER}, 2, 0, -1, 0, -P2P_EPROTO, {1, 1}},
        {"all silent", {SILENT, SILENT}, 2, 0, -1, 0, -P2P_ETIMEOUT, {2, 2}},
        {"breaks in the middle", {BREAKS, GOOD}, 2, 0, 0, 200, -P2P_ECLOSED, {1, 0}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static struct world world;
        struct heard heard;
        char name[24] = "";
        world_open(&world, rows[i].kinds, rows[i].count);
        world_directory(&world, world.list, rows[i].start);
        call_run(&world, &heard, 4 * SLOW_MS);
        bool good = heard.result == rows[i].result && heard.status == rows[i].status &&
                    heard.heads == (rows[i].answers >= 0);
        for (int j = 0; j < rows[i].count; j++)
            good = good && world.index[j].asked == rows[i].asked[j];
        if (rows[i].answers >= 0 && rows[i].status == 200 && !rows[i].result)
            snprintf(name, sizeof(name), "index %d", rows[i].answers);
        if (name[0])
            good = good && strcmp(heard.line, name) == 0 && heard.lines == 2 &&
                   addr_equal(directory_current(world.directory),
                              &world.index[rows[i].answers].addr) &&
                   directory_local(world.directory)->family == 4;
        if (!good)
            fail_msg("%s: result %d, status %d, %s, asked %d %d", rows[i].name, heard.result,
                     heard.status, heard.line, world.index[0].asked, world.index[1].asked);
        world_close(&world);
    }
}

/* Who was found dead or silent is not tried first again, and the one that answered stays. */
static void the_next_call_does_not_pay_again(void **state)
{
    (void)state;
    static struct world world;
    struct heard heard;
    world_open(&world, (enum stand_in[]){SILENT, GOOD, GOOD}, 3);
    world_directory(&world, world.list, 0);
    for (int i = 0; i < 3; i++)
        call_run(&world, &heard, 1000);
    assert_int_equal(world.index[0].asked, 1);
    assert_int_equal(world.index[1].asked, 3);
    directory_move_on(world.directory);
    call_run(&world, &heard, 1000);
    assert_int_equal(world.index[2].asked, 1);
    world_close(&world);
}

/* Its membership broke in the middle: the next call goes elsewhere. */
static void a_broken_answer_moves_on(void **state)
{
    (void)state;
    static struct world world;
    struct heard heard;
    world_open(&world, (enum stand_in[]){BREAKS, GOOD}, 2);
    world_directory(&world, world.list, 0);
    call_run(&world, &heard, 1000);
    assert_int_equal(heard.result, -P2P_ECLOSED);
    assert_string_equal(heard.line, "part");
    call_run(&world, &heard, 1000);
    assert_string_equal(heard.line, "index 1");
    world_close(&world);
}

static void a_kept_connection(void **state)
{
    (void)state;
    static struct world world;
    struct heard heard, second;
    world_open(&world, (enum stand_in[]){DEAD, GOOD}, 2);
    world_directory(&world, world.list, 0);
    memset(&heard, 0, sizeof(heard));
    assert_int_equal(call_begin(&world, &heard, 1000), 0);
    heard.call.keep = true;
    call_wait(&world, &heard);
    assert_non_null(heard.call.client);
    memset(&second, 0, sizeof(second));
    struct client_request request = heard.call.request;
    request.ctx = &second;
    assert_int_equal(client_send(heard.call.client, &request), 0);
    call_wait(&world, &second);
    assert_string_equal(second.line, "index 1");
    assert_int_equal(server_stats(world.index[1].server)->accepted, 1);
    client_close(heard.call.client);
    world_close(&world);
}

static void a_cancelled_call_is_silent(void **state)
{
    (void)state;
    static struct world world;
    struct heard first, second, third;
    world_open(&world, (enum stand_in[]){SILENT, GOOD}, 2);
    world_directory(&world, world.list, 0);
    assert_int_equal(call_begin(&world, &first, 1000), 0);
    assert_int_equal(call_begin(&world, &second, 1000), 0);
    directory_cancel(&first.call);
    directory_cancel(&first.call);
    call_wait(&world, &second);
    assert_string_equal(second.line, "index 1");
    assert_int_equal(first.heads + first.dones, 0);
    assert_int_equal(call_begin(&world, &third, 1000), 0);
    world_close(&world); /* with a call under way */
    assert_int_equal(third.dones, 0);
}

static void produce_half(void *ctx, struct buf *room, bool *out_end)
{
    struct heard *heard = ctx;
    heard->lines++;
    buf_put(room, STR("{}\n"));
    *out_end = true;
}

/* A body that was begun cannot be sent again to another index; one that was not, can. */
static void a_produced_body_is_sent_once(void **state)
{
    (void)state;
    static const struct {
        enum stand_in first;
        int lines, asked, result;
    } rows[] = {{DEAD, 1, 1, 0}, {SILENT, 1, 0, -P2P_ETIMEOUT}};
    for (size_t i = 0; i < 2; i++) {
        static struct world world;
        struct heard heard = {.dones = 0};
        static const struct client_handlers only_done = {.on_done = on_done};
        world_open(&world, (enum stand_in[]){rows[i].first, GOOD}, 2);
        world_directory(&world, world.list, 0);
        heard.call.request = (struct client_request){.method = HTTP_METHOD_POST,
                                                     .target = STR("/v1/body"),
                                                     .type = "application/x-ndjson",
                                                     .produce = produce_half,
                                                     .timeout_ms = 1000,
                                                     .handlers = &only_done,
                                                     .ctx = &heard};
        assert_int_equal(directory_send(world.directory, &heard.call), 0);
        call_wait(&world, &heard);
        assert_int_equal(heard.lines, rows[i].lines);
        assert_int_equal(heard.result, rows[i].result);
        world_close(&world);
    }
}

static void a_name_is_looked_up(void **state)
{
    (void)state;
    static struct world world;
    struct heard heard, second;
    char list[64];
    world_open(&world, (enum stand_in[]){GOOD}, 1);
    snprintf(list, sizeof(list), "localhost:%u", (unsigned)world.index[0].addr.port);
    world_directory(&world, list, 0);
    assert_int_equal(call_begin(&world, &heard, 1000), 0);
    assert_int_equal(call_begin(&world, &second, 1000), 0); /* waits for the same look-up */
    call_wait(&world, &heard);
    call_wait(&world, &second);
    assert_int_equal(heard.result, 0);
    assert_int_equal(second.result, 0);
    assert_string_equal(heard.line, "index 0");
    /* What the index calls itself is the same one. */
    char text[ADDR_TEXT_MAX];
    directory_learn(world.directory, text_from(addr_format(&world.index[0].addr, text)));
    assert_int_equal(directory_count(world.directory), 1);
    directory_close(world.directory);

    struct directory_config config = {
        .indexes = text_from(list), .loop = world.loop, .pool = world.pool};
    assert_int_equal(directory_init(&world.directory, &world.arena, &config), 0);
    assert_int_equal(call_begin(&world, &heard, 1000), -P2P_ENOTFOUND);
    world_close(&world);
}

static void nobody_to_ask(void **state)
{
    (void)state;
    static struct world world;
    struct heard heard;
    world_open(&world, NULL, 0);
    world_directory(&world, "", 0);
    assert_int_equal(directory_count(world.directory), 0);
    assert_int_equal(call_begin(&world, &heard, 1000), -P2P_EUNREACH);
    assert_int_equal(directory_current(world.directory)->family, 0);
    directory_move_on(world.directory);
    world_close(&world);
}

static void faults_in_lists(void **state)
{
    (void)state;
    static const struct {
        const char *list, *expected; /* a part of the words; NULL: none */
    } rows[] = {
        {"", NULL},
        {"10.0.0.5", NULL},
        {"10.0.0.5:1,[fe80::1%2]:65535 , hub, hub.lan:80", NULL},
        {"kitchen.local", "IP address"},
        {"hub,Kitchen.LOCAL:7750", "Kitchen.LOCAL:7750: names ending in .local"},
        {"kitchen.local.", "IP address"},
        {"local", NULL},
        {"10.0.0.5:0", "port"},
        {"hub:0", "HOST"},
        {"hub:65536", "HOST"},
        {"1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,a", NULL},
        {"1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,a,b", "too many"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[256];
        const char *fault = directory_fault(text_from(rows[i].list), text, sizeof(text));
        if ((fault == NULL) != (rows[i].expected == NULL) ||
            (fault && !strstr(fault, rows[i].expected)))
            fail_msg("%s: %s", rows[i].list, fault ? fault : "no fault");
    }
}

static void learnt_ones(void **state)
{
    (void)state;
    static struct world world;
    char text[512], item[32];
    struct buf buf = buf_on(text, sizeof(text));
    world_open(&world, NULL, 0);
    world_directory(&world, "10.0.0.5, hub.lan:80", 0);
    directory_learn(world.directory, STR("10.0.0.6"));
    directory_learn(world.directory, STR("10.0.0.5:7750"));
    directory_learn(world.directory, STR("hub.lan:80"));
    directory_learn(world.directory, STR("x.local"));
    directory_learn(world.directory, STR("[fe80::1]:7750"));
    directory_learn(world.directory, STR("[::ffff:10.0.0.6]:7750"));
    assert_int_equal(directory_count(world.directory), 3);
    directory_describe(world.directory, &buf);
    assert_true(text_is(buf_str(&buf), "10.0.0.5:7750, hub.lan:80, 10.0.0.6:7750"));
    for (int i = 3; i <= P2P_INDEXES_MAX; i++) { /* n-1, n, n+1 */
        snprintf(item, sizeof(item), "10.1.0.%d", i);
        directory_learn(world.directory, text_from(item));
        assert_int_equal(directory_count(world.directory),
                         i < P2P_INDEXES_MAX ? i + 1 : P2P_INDEXES_MAX);
    }
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which_one_answers),
        cmocka_unit_test(the_next_call_does_not_pay_again),
        cmocka_unit_test(a_broken_answer_moves_on),
        cmocka_unit_test(a_kept_connection),
        cmocka_unit_test(a_cancelled_call_is_silent),
        cmocka_unit_test(a_produced_body_is_sent_once),
        cmocka_unit_test(a_name_is_looked_up),
        cmocka_unit_test(nobody_to_ask),
        cmocka_unit_test(faults_in_lists),
        cmocka_unit_test(learnt_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
