/* SPDX-License-Identifier: MIT */
/* Membership against a scripted index on the same loop: what is sent and with which numbers, and
 * what each kind of answer or break leads to. The share is real. */
#include "rig_share.h"
#include "rig_alive.h"

#include "base/addr.h"
#include "peer/membership.h"

enum { POSTS_MAX = 64, BODY_MAX = 80000 };

struct post {
    char path[32], token[80], first[512], rest[BODY_MAX];
    uint64_t epoch, seq;
    int lines;
};

/* What the index answers to the next requests to a path, in turn; then 200. */
struct script {
    const char *path;
    int status;
    const char *body;
};

static struct world {
    struct shared shared;
    struct rig rig; /* the index */
    struct client_pool *pool;
    struct directory *directory;
    struct identity identity;
    struct membership *membership;
    struct post posts[POSTS_MAX];
    int count;
    struct script script[8];
    int scripted;
    bool left, cut_next;
    int renewed;
    struct json_reader reader;
} * w;

/* ---- the index ---- */

static void answer(struct exchange *exchange, const char *path)
{
    const struct script *script = NULL;
    char text[512];
    for (int i = 0; i < w->scripted && !script; i++)
        if (w->script[i].path && strcmp(w->script[i].path, path) == 0) {
            script = &w->script[i];
            w->script[i].path = NULL;
            snprintf(text, sizeof text, "%s\n", script->body);
        }
    rig_say(exchange, script ? script->status : 200, script ? text : rig_yes(path));
}

static void on_begin(struct exchange *exchange, void *role)
{
    struct post *post = &w->posts[w->count];
    (void)role;
    assert_true(w->count < POSTS_MAX);
    memset(post, 0, sizeof *post);
    (void)text_copy(exchange->head->path, post->path, sizeof post->path);
    (void)text_copy(exchange->head->header[HTTP_HEADER_AUTHORIZATION], post->token,
                    sizeof post->token);
    exchange->user = post;
}

static void on_body_line(struct exchange *exchange, void *role, struct str line)
{
    struct post *post = exchange->user;
    (void)role;
    if (post->lines++ > 0) {
        size_t used = strlen(post->rest);
        snprintf(post->rest + used, sizeof post->rest - used, "%.*s\n", (int)line.len, line.ptr);
        return;
    }
    (void)text_copy(line, post->first, sizeof post->first);
    assert_int_equal(record_read_seq(&w->reader, line, &post->epoch, &post->seq), 0);
}

static void on_end(struct exchange *exchange, void *role)
{
    struct post *post = exchange->user;
    (void)role;
    assert_ptr_equal(post, &w->posts[w->count]);
    w->count++;
    if (w->cut_next) {
        w->cut_next = false;
        exchange_cut(exchange);
        return;
    }
    bool scripted = false;
    for (int i = 0; i < w->scripted; i++)
        scripted = scripted || (w->script[i].path && strcmp(w->script[i].path, post->path) == 0);
    if (strcmp(post->path, "/v1/alive") == 0 && !scripted)
        rig_alive = exchange; /* held */
    else
        answer(exchange, post->path);
}

static const struct route routes[] = {
    {SERVER_POST, SERVER_NDJSON, "/v1/join", SERVER_MEMBERSHIP, on_begin, on_body_line, on_end,
     NULL, rig_alive_gone},
    {SERVER_POST, SERVER_NDJSON, "/v1/update", SERVER_MEMBERSHIP, on_begin, on_body_line, on_end,
     NULL, rig_alive_gone},
    {SERVER_POST, SERVER_JSON, "/v1/alive", SERVER_MEMBERSHIP, on_begin, on_body_line, on_end,
     rig_alive_next, rig_alive_gone},
    {SERVER_POST, SERVER_JSON, "/v1/leave", SERVER_MEMBERSHIP, on_begin, on_body_line, on_end, NULL,
     rig_alive_gone},
    {0, 0, NULL, SERVER_CLIENT, NULL, NULL, NULL, NULL, NULL},
};

static void index_open(uint16_t port)
{
    struct server_config config = rig_config(&w->rig);
    if (port != 0) {
        struct plat_addr addr = w->rig.addr;
        plat_close(config.listener);
        addr.port = port;
        config.listener = plat_listen(&addr, 64);
        w->rig.addr = addr;
    }
    assert_int_equal(server_init(&w->rig.server, w->shared.loop, &w->shared.arena, &config), 0);
    assert_int_equal(server_add_routes(w->rig.server, routes, NULL), 0);
}

/* ---- the node ---- */

static void on_load(void *ctx, struct membership_load *out)
{
    (void)ctx;
    *out = (struct membership_load){.uploads = 1, .slots = 7, .rate = 1000};
}

static void on_renewed(void *ctx)
{
    (void)ctx;
    w->renewed++;
}

static void on_changed(void *ctx, uint32_t file)
{
    (void)ctx;
    membership_changed(w->membership, file);
}

static void on_left(void *ctx)
{
    (void)ctx;
    w->left = true;
}

static void node_open(void)
{
    char indexes[ADDR_TEXT_MAX];
    struct shared *shared = &w->shared;
    (void)addr_format(&w->rig.addr, indexes);
    assert_int_equal(client_pool_init(&w->pool, shared->loop, &shared->arena, 4, 8), 0);
    struct directory_config directory = {
        .indexes = text_from(indexes), .loop = shared->loop, .pool = w->pool};
    assert_int_equal(directory_init(&w->directory, &shared->arena, &directory), 0);
    assert_int_equal(identity_guest(&w->identity), 0);
    struct membership_config config = {.loop = shared->loop,
                                       .directory = w->directory,
                                       .identity = &w->identity,
                                       .share = shared->share,
                                       .name = STR("kitchen"),
                                       .role = RECORD_ROLE_PEER,
                                       .port = 7751,
                                       .settings = &shared->settings,
                                       .room_ms = 20,
                                       .load = on_load,
                                       .renewed = on_renewed};
    assert_int_equal(membership_init(&w->membership, &shared->arena, &config), 0);
    shared->changed = on_changed;
}

static int setup(void **state)
{
    (void)state;
    w = test_calloc(1, sizeof *w);
    shared_make(&w->shared);
    shared_put(&w->shared, "a.txt", "alpha");
    shared_open(&w->shared);
    assert_int_equal(json_reader_init(&w->reader, &w->shared.arena), 0);
    index_open(0);
    node_open();
    shared_run(&w->shared);
    shared_wait_text(&w->shared, "a.txt", "alpha");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    membership_close(w->membership);
    directory_close(w->directory);
    server_close(w->rig.server);
    identity_close(&w->identity);
    shared_stop(&w->shared);
    shared_remove(&w->shared);
    test_free(w);
    return 0;
}

/* ---- waiting ---- */

/* The nth (from 0) post to a path, NULL: not yet. */
static struct post *post_of(const char *path, int nth)
{
    for (int i = 0; i < w->count; i++)
        if (strcmp(w->posts[i].path, path) == 0 && nth-- == 0)
            return &w->posts[i];
    return NULL;
}

static struct post *wait_post(const char *path, int nth)
{
    shared_wait(&w->shared, post_of(path, nth) != NULL);
    return post_of(path, nth);
}

static void script(const char *path, int status, const char *body)
{
    w->script[w->scripted++] = (struct script){path, status, body};
}

static void joined(void)
{
    membership_start(w->membership);
    wait_post("/v1/alive", 0);
    assert_true(membership_is_joined(w->membership));
}

/* ---- tests ---- */

static void a_join_says_who_and_what(void **state)
{
    (void)state;
    joined();
    const struct post *join = post_of("/v1/join", 0), *alive = post_of("/v1/alive", 0);
    assert_string_equal(join->first, "{\"v\":1,\"epoch\":1,\"seq\":1,\"port\":7751,\"name\":"
                                     "\"kitchen\",\"role\":\"peer\",\"addresses\":[]}");
    assert_non_null(strstr(join->rest, "\"path\":\"a.txt\",\"size\":5,"));
    assert_non_null(strstr(join->rest, "\"sha256\":\"8ed3f6ad685b959ead7022518e1af76c"));
    assert_int_equal(join->lines, 2);
    assert_memory_equal(join->token, "Bearer ", 7);
    assert_int_equal(strlen(join->token), 7 + 64);
    assert_string_equal(alive->first,
                        "{\"epoch\":1,\"seq\":1,\"uploads\":1,\"rate\":1000,\"slots\":7}");
}

static void changes_go_into_updates(void **state)
{
    (void)state;
    joined();
    shared_put(&w->shared, "b.txt", "beta");
    const struct post *first = wait_post("/v1/update", 0);
    assert_int_equal(first->seq, 2);
    assert_non_null(strstr(first->rest, "{\"op\":\"put\",\"path\":\"b.txt\""));
    shared_wait_text(&w->shared, "b.txt", "beta");
    char path[512];
    shared_at(&w->shared, "a.txt", path);
    assert_int_equal(remove(path), 0);
    shared_wait(&w->shared,
                strstr(w->posts[w->count - 1].path, "alive") &&
                    strstr(w->posts[w->count - 2].rest, "{\"op\":\"del\",\"path\":\"a.txt\"}"));
    uint64_t seq = 1;
    for (int i = 0; i < w->count; i++) {
        if (strcmp(w->posts[i].path, "/v1/alive") == 0)
            assert_int_equal(w->posts[i].seq, seq);
        else if (strcmp(w->posts[i].path, "/v1/update") == 0)
            assert_int_equal(w->posts[i].seq, ++seq);
    }
    assert_null(post_of("/v1/join", 1));
    assert_int_equal(tree_find_path(share_tree(w->shared.share), STR("a.txt")) != 0,
                     true); /* remembered */
}

static void a_gap_leads_to_a_join(void **state)
{
    (void)state;
    joined();
    script("/v1/update", 409, "{\"error\":\"gap\",\"hint\":\"\",\"epoch\":1,\"seq\":0}");
    shared_put(&w->shared, "b.txt", "beta");
    const struct post *join = wait_post("/v1/join", 1);
    assert_int_equal(join->seq, post_of("/v1/update", 0)->seq + 1);
    assert_non_null(strstr(join->rest, "b.txt"));
    assert_non_null(strstr(join->rest, "a.txt"));
}

static void an_index_that_is_ahead_is_passed(void **state)
{
    (void)state;
    script("/v1/join", 409, "{\"error\":\"older\",\"hint\":\"\",\"epoch\":1,\"seq\":40}");
    membership_start(w->membership);
    assert_int_equal(wait_post("/v1/join", 1)->seq, 41);
    assert_int_equal(post_of("/v1/join", 1)->epoch, 1);
}

static void a_later_epoch_is_passed(void **state)
{
    (void)state;
    script("/v1/join", 409, "{\"error\":\"older\",\"hint\":\"\",\"epoch\":50,\"seq\":7}");
    membership_start(w->membership);
    assert_int_equal(wait_post("/v1/join", 1)->epoch, 51);
    assert_int_equal(post_of("/v1/join", 1)->seq, 1);
    assert_string_equal(post_of("/v1/join", 0)->token, post_of("/v1/join", 1)->token);
}

static void an_id_in_use_is_given_up(void **state)
{
    (void)state;
    script("/v1/join", 409, "{\"error\":\"id in use\",\"hint\":\"\"}");
    membership_start(w->membership);
    wait_post("/v1/join", 1);
    assert_string_not_equal(post_of("/v1/join", 0)->token, post_of("/v1/join", 1)->token);
    assert_int_equal(post_of("/v1/join", 1)->seq, 1);
    assert_int_equal(w->renewed, 1);
}

/* Just after it was a member: that is its own connection before this one. */
static void its_own_id_in_use_is_not_given_up(void **state)
{
    (void)state;
    joined();
    script("/v1/alive", 409, "{\"error\":\"id in use\",\"hint\":\"\"}");
    exchange_cut(rig_alive);
    wait_post("/v1/update", 0);
    wait_post("/v1/join", 1);
    assert_string_equal(post_of("/v1/join", 0)->token, post_of("/v1/join", 1)->token);
    assert_int_equal(w->renewed, 0);
}

static void a_busy_index_is_asked_again(void **state)
{
    (void)state;
    script("/v1/join", 503, "{\"error\":\"busy\",\"hint\":\"\"}");
    script("/v1/join", 507, "{\"error\":\"full\",\"hint\":\"\"}");
    membership_start(w->membership);
    wait_post("/v1/alive", 0);
    assert_int_equal(post_of("/v1/join", 2)->seq, 3); /* each with its own number */
}

#define NO_ROOM(accepted, refused)                                                                 \
    "{\"id\":\"00000000000000000000000000000000\",\"lease_ms\":3000,\"feed\":\"x\",\"indexes\":[]" \
    ","                                                                                            \
    "\"accepted\":" accepted ",\"refused\":" refused ",\"incomplete\":true}"

/* Room may have come back: all is told again, after a join and after an update, until all is in. */
static void what_found_no_room_is_told_again(void **state)
{
    (void)state;
    script("/v1/join", 200, NO_ROOM("0", "1") "\n{\"end\":true}");
    script("/v1/join", 200, NO_ROOM("0", "1") "\n{\"end\":true}");
    membership_start(w->membership);
    wait_post("/v1/join", 2);
    assert_int_equal(post_of("/v1/join", 2)->lines, 2);
    assert_int_equal(post_of("/v1/join", 2)->seq, 3);
    wait_post("/v1/alive", 2);
    script("/v1/update", 200, NO_ROOM("0", "1"));
    shared_put(&w->shared, "b.txt", "beta");
    wait_post("/v1/update", 0);
    assert_null(post_of("/v1/join", 3));
    wait_post("/v1/join", 3);
    assert_int_equal(post_of("/v1/join", 3)->lines, 3);
}

/* After a break the next update is tried first; the index knows the state before it. */
static void a_break_is_mended_by_an_update(void **state)
{
    (void)state;
    joined();
    exchange_cut(rig_alive);
    const struct post *update = wait_post("/v1/update", 0);
    assert_int_equal(update->seq, 2);
    assert_int_equal(update->lines, 1);
    wait_post("/v1/alive", 1);
    assert_null(post_of("/v1/join", 1));
}

/* An update whose answer was lost: the number after it tells whether it was applied. */
static void a_lost_answer(void **state)
{
    (void)state;
    joined();
    w->cut_next = true;
    shared_put(&w->shared, "b.txt", "beta");
    wait_post("/v1/update", 1);
    assert_int_equal(post_of("/v1/update", 1)->seq, post_of("/v1/update", 0)->seq + 1);
}

static void an_index_that_comes_back(void **state)
{
    (void)state;
    uint16_t port = w->rig.addr.port;
    joined();
    server_close(w->rig.server);
    shared_put(&w->shared, "b.txt", "beta");
    shared_wait_text(&w->shared, "b.txt", "beta");
    shared_wait(&w->shared, !membership_is_joined(w->membership));
    script("/v1/update", 409, "{\"error\":\"not a member\",\"hint\":\"\"}");
    index_open(port);
    const struct post *join = wait_post("/v1/join", 1);
    assert_non_null(strstr(join->rest, "b.txt"));
}

static void leaving(void **state)
{
    (void)state;
    joined();
    membership_leave(w->membership, on_left, NULL);
    assert_int_equal(wait_post("/v1/leave", 0)->seq, 2);
    shared_wait(&w->shared, w->left);
    assert_false(membership_is_joined(w->membership));
    shared_put(&w->shared, "b.txt", "beta");
    shared_wait_text(&w->shared, "b.txt", "beta");
    assert_null(post_of("/v1/update", 0));
}

static void leaving_what_was_not_joined(void **state)
{
    (void)state;
    membership_leave(w->membership, on_left, NULL);
    shared_wait(&w->shared, w->left);
    assert_int_equal(w->count, 0);
}

/* The join is long and the share changes meanwhile: nothing is lost between the two. */
static void changes_during_a_join(void **state)
{
    char name[64];
    (void)state;
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "many/file-with-a-name-of-some-length-%03d", i);
        shared_put(&w->shared, name, name);
    }
    shared_wait(&w->shared, share_tree(w->shared.share)->counts.hashed == 301);
    membership_start(w->membership);
    loop_turn(w->shared.loop, 0);
    for (int i = 0; i < 300; i += 50) {
        snprintf(name, sizeof name, "many/file-with-a-name-of-some-length-%03d", i);
        shared_put(&w->shared, name, "changed");
    }
    shared_wait_text(&w->shared, name, "changed");
    wait_post("/v1/alive", 0);
    for (int i = 0; i < 300; i += 50) {
        uint8_t content[P2P_SHA256_SIZE];
        char hex[2 * P2P_SHA256_SIZE + 1], line[160];
        digest_of("changed", 7, content);
        text_hex_encode(content, sizeof content, hex);
        snprintf(name, sizeof name, "many/file-with-a-name-of-some-length-%03d", i);
        snprintf(line, sizeof line, "%s\",\"size\":7", name);
        bool told = false;
        int64_t until_ms = plat_now_ms() + SHARE_WAIT_MS;
        while (!told && plat_now_ms() < until_ms) {
            loop_turn(w->shared.loop, 20);
            for (int k = 0; k < w->count; k++) {
                const char *at = strstr(w->posts[k].rest, line);
                told = told || (at && strstr(at, hex));
            }
        }
        assert_true(told);
    }
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_join_says_who_and_what),
        test(changes_go_into_updates),
        test(a_gap_leads_to_a_join),
        test(an_index_that_is_ahead_is_passed),
        test(a_later_epoch_is_passed),
        test(an_id_in_use_is_given_up),
        test(its_own_id_in_use_is_not_given_up),
        test(a_busy_index_is_asked_again),
        test(what_found_no_room_is_told_again),
        test(a_break_is_mended_by_an_update),
        test(a_lost_answer),
        test(an_index_that_comes_back),
        test(leaving),
        test(leaving_what_was_not_joined),
        test(changes_during_a_join),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
