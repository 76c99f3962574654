/* SPDX-License-Identifier: MIT */
/* The worker's side of a download. Bytes go from the socket straight into a buffer, from there
 * through SHA-256 and into the file. A piece that fits into one buffer is written only when it
 * leads where it should; larger ones are written as they come, and again when they were wrong. Two
 * whole pieces that arrive one after the other are hashed interleaved. */
#include "swarm/lane.h"

#include "base/text.h"
#include "platform/plat_file.h"
#include "swarm/askers.h"
#include "swarm/limits.h"
#include "wire/json.h"

#include <string.h>

enum {
    LANE_SCRATCH = P2P_LINE_MAX,
    LANE_PAUSE_MS =
        20 /* lets a few thousand bytes gather, so that a slow limit does not mean tiny reads */
};

struct lane_slot {
    uint8_t *bytes;
    uint32_t size, fill;
    struct lane_job *job;
    struct lane_slot *next;
};

struct lane_crew {
    struct worker *worker;
    struct client_pool *pool;
    struct lane_limit *limit;      /* NULL: none */
    struct lane_slot *big, *small; /* free ones */
    struct lane *waiting;          /* for a slot, in order */
    struct json_reader json;
    char scratch[LANE_SCRATCH]; /* an error's body; one answer at a time, as all of it is read in
                                   one turn or lost */
};

static int add_slots(struct lane_slot **list, struct arena *arena, int count, uint32_t size)
{
    for (int i = 0; i < count; i++) {
        struct lane_slot *slot = arena_carve(arena, sizeof *slot, 8);
        uint8_t *bytes = arena_carve(arena, size, 4096);
        if (slot == NULL || bytes == NULL) {
            return -P2P_EFULL;
        }
        *slot = (struct lane_slot){.bytes = bytes, .size = size, .next = *list};
        *list = slot;
    }
    return 0;
}

int lane_crew_init(struct lane_crew **out, struct arena *arena, struct worker *worker,
                   const struct lane_room *room)
{
    struct lane_crew *crew = arena_carve(arena, sizeof *crew, 8);

    if (crew == NULL) {
        return -P2P_EFULL;
    }
    crew->worker = worker;
    int error = json_reader_init(&crew->json, arena);
    if (error == 0) {
        error = client_pool_init(&crew->pool, worker->loop, arena, room->clients, room->buffers);
    }
    if (error == 0) {
        error = add_slots(&crew->small, arena, room->small, LANE_SMALL);
    }
    *out = crew;
    return error;
}

void lane_crew_limit(struct lane_crew *crew, struct lane_limit *limit)
{
    crew->limit = limit;
}

int lane_crew_add(struct lane_crew *crew, struct arena *arena, int big)
{
    return add_slots(&crew->big, arena, big, LANE_BIG);
}

static struct lane_slot *take_slot(struct lane_crew *crew, struct lane_job *job)
{
    struct lane_slot **list = crew->big != NULL && job->length > LANE_SMALL ? &crew->big
                              : crew->small != NULL                         ? &crew->small
                                                                            : &crew->big;
    struct lane_slot *slot = *list;

    if (slot != NULL) {
        *list = slot->next;
        slot->job = job;
        slot->fill = 0;
        slot->next = NULL;
    }
    return slot;
}

static void give_slot(struct lane_crew *crew, struct lane_slot *slot)
{
    struct lane_slot **list = slot->size == LANE_BIG ? &crew->big : &crew->small;
    struct lane *lane = crew->waiting;

    slot->next = *list;
    *list = slot;
    if (lane != NULL) {
        crew->waiting = lane->next_waiting;
        lane->waiting = false;
        client_resume(lane->client);
    }
}

static void wait_for_slot(struct lane *lane)
{
    struct lane **end = &lane->config.crew->waiting;

    if (lane->waiting) {
        return;
    }
    while (*end != NULL) {
        end = &(*end)->next_waiting;
    }
    *end = lane;
    lane->next_waiting = NULL;
    lane->waiting = true;
}

static void stop_waiting(struct lane *lane)
{
    struct lane **at = &lane->config.crew->waiting;

    while (*at != NULL && *at != lane) {
        at = &(*at)->next_waiting;
    }
    if (*at == lane) {
        *at = lane->next_waiting;
    }
    lane->waiting = false;
}

static void arrive(void *ctx)
{
    struct lane_job *job = ctx;

    job->lane->config.on_result(job->lane->config.ctx, job);
}

/* Takes the job out of the queue (it is at or near its front) and sends it home. */
static void send_home(struct lane *lane, struct lane_job *job, int result)
{
    struct lane_job **at = &lane->first;

    while (*at != job) {
        at = &(*at)->next;
    }
    *at = job->next;
    if (lane->last == job) {
        lane->last = lane->first;
        while (lane->last != NULL && lane->last->next != NULL) {
            lane->last = lane->last->next;
        }
    }
    job->result = result;
    job->post.run = arrive;
    job->post.ctx = job;
    loop_post(lane->config.home, &job->post);
}

static void end_digest(struct lane_job *job)
{
    if (job->last) {
        digest_final(&job->digest, job->end);
    } else {
        digest_state(&job->digest, job->end);
    }
}

static bool is_as_expected(const struct lane_job *job)
{
    return memcmp(job->end, job->expected, sizeof job->end) == 0;
}

static int keep(struct lane *lane, struct lane_job *job, const struct lane_slot *slot)
{
    const struct lane_config *config = &lane->config;

    return config->keep != NULL ? config->keep(config->ctx, job, slot->bytes)
                                : plat_pwrite(config->file, slot->bytes, slot->fill, job->place);
}

/* A whole piece that was hashed: written if it is right. */
static void finish_whole(struct lane *lane, struct lane_slot *slot)
{
    struct lane_job *job = slot->job;
    int error = 0;

    end_digest(job);
    if (is_as_expected(job)) {
        job->wrote = true;
        error = keep(lane, job, slot);
    }
    give_slot(lane->config.crew, slot);
    send_home(lane, job, error);
}

/* Hashes the parked piece, and beside it another whole one (NULL: none). */
static void flush_pair(struct lane *lane, struct lane_slot *other)
{
    struct lane_slot *parked = lane->parked;

    lane->parked = NULL;
    if (parked == NULL) {
        return;
    }
    uint32_t both = other == NULL ? 0 : other->fill < parked->fill ? other->fill : parked->fill;
    if (both > 0) {
        digest_update2(&parked->job->digest, parked->bytes, &other->job->digest, other->bytes,
                       both);
        digest_update(&other->job->digest, other->bytes + both, other->fill - both);
    }
    digest_update(&parked->job->digest, parked->bytes + both, parked->fill - both);
    finish_whole(lane, parked);
    if (other != NULL) {
        finish_whole(lane, other);
    }
}

/* A buffer is full, or the piece's last bytes are in it, and the piece is larger than the buffer.
 */
static int write_part(struct lane *lane, struct lane_slot *slot)
{
    struct lane_job *job = slot->job;
    int64_t place = job->place + job->received - slot->fill;

    job->wrote = true;
    digest_update(&job->digest, slot->bytes, slot->fill);
    int error = plat_pwrite(lane->config.file, slot->bytes, slot->fill, place);
    slot->fill = 0;
    return error;
}

void lane_limit_init(struct lane_limit *limit, uint64_t rate)
{
    uint64_t burst = rate / BUCKET_BURST_PART;

    plat_mutex_init(&limit->mutex);
    bucket_init(&limit->bucket, rate, burst > LANE_SMALL ? burst : LANE_SMALL, plat_now_us());
}

static void on_pause_over(void *ctx)
{
    struct lane *lane = ctx;

    if (lane->client != NULL) {
        client_resume(lane->client);
    }
}

/* How much of room the limit lets in now; 0: the lane goes on when its pause is over. */
static size_t limited(struct lane *lane, size_t room)
{
    struct lane_limit *limit = lane->config.crew->limit;
    struct loop *loop = lane->config.crew->worker->loop;
    int64_t now_us = plat_now_us();
    int64_t wait_ms = 0;

    if (limit == NULL || limit->bucket.rate == 0) {
        return room;
    }
    if (lane->granted == 0) {
        plat_mutex_lock(&limit->mutex);
        lane->granted = (size_t)bucket_allow(&limit->bucket, LANE_SMALL, now_us);
        bucket_take(&limit->bucket, lane->granted);
        wait_ms = lane->granted > 0 ? 0 : bucket_wait_ms(&limit->bucket, now_us) + LANE_PAUSE_MS;
        plat_mutex_unlock(&limit->mutex);
    }
    if (lane->granted == 0) {
        lane->pause.on_time = on_pause_over;
        lane->pause.ctx = lane;
        loop_set_timer(loop, &lane->pause, plat_now_ms() + wait_ms);
    }
    return room < lane->granted ? room : lane->granted;
}

/* The connection is of no more use: everything under way comes back. */
static void fail(struct lane *lane, int error)
{
    flush_pair(lane, NULL);
    if (lane->client != NULL) {
        client_close(lane->client);
        lane->client = NULL;
    }
    stop_waiting(lane);
    loop_stop_timer(lane->config.crew->worker->loop, &lane->pause);
    if (lane->filling != NULL) {
        give_slot(lane->config.crew, lane->filling);
        lane->filling = NULL;
    }
    while (lane->first != NULL) {
        send_home(lane, lane->first, error);
        error = -P2P_ECLOSED;
    }
}

static bool is_right_range(const struct lane_job *job, const struct http_head *head)
{
    int64_t first, length, size;
    int64_t whole = job->content != NULL ? job->length : job->lane->config.size;

    if (head->body_length != job->length) {
        return false;
    }
    if (head->status == 200) {
        return job->offset == 0 && job->length == whole;
    }
    return head->header[HTTP_HEADER_CONTENT_RANGE].ptr != NULL &&
           http_parse_content_range(head->header[HTTP_HEADER_CONTENT_RANGE], &first, &length,
                                    &size) == 0 &&
           first == job->offset && length == job->length && size == whole;
}

static void on_head(void *ctx, const struct http_head *head)
{
    struct lane_job *job = ctx;
    bool good = head->status == 200 || head->status == 206;

    job->http_status = head->status;
    if ((good || head->status == 503) && head->header[HTTP_HEADER_P2P_HAVE].ptr != NULL) {
        (void)text_copy(head->header[HTTP_HEADER_P2P_HAVE], job->have, sizeof job->have);
    }
    if (good && !is_right_range(job, head)) {
        fail(job->lane, -P2P_EPROTO);
    } else if (!good && (head->body_length < 0 || head->body_length > LANE_SCRATCH)) {
        fail(job->lane, head->status == 503 ? -P2P_EBUSY : -P2P_ENOTFOUND);
    }
}

static void *sink(void *ctx, size_t *out_room)
{
    struct lane_job *job = ctx;
    struct lane *lane = job->lane;
    struct lane_crew *crew = lane->config.crew;

    if (job->http_status != 200 && job->http_status != 206) {
        *out_room = LANE_SCRATCH - job->received;
        return crew->scratch + job->received;
    }
    if (lane->filling == NULL) {
        lane->filling = take_slot(crew, job);
    }
    if (lane->filling == NULL && lane->parked != NULL) {
        flush_pair(lane, NULL);
        lane->filling = take_slot(crew, job);
    }
    if (lane->filling == NULL) {
        wait_for_slot(lane);
        *out_room = 0;
        return NULL;
    }
    lane->filling->job = job;
    *out_room = limited(lane, lane->filling->size - lane->filling->fill);
    return *out_room == 0 ? NULL : lane->filling->bytes + lane->filling->fill;
}

static void on_body(void *ctx, struct str bytes)
{
    struct lane_job *job = ctx;
    struct lane_slot *slot = job->lane->filling;

    job->received += (uint32_t)bytes.len;
    if (job->http_status != 200 && job->http_status != 206) {
        return;
    }
    slot->fill += (uint32_t)bytes.len;
    job->lane->granted -= bytes.len < job->lane->granted ? bytes.len : job->lane->granted;
    if (slot->fill == slot->size && job->length > slot->size) {
        flush_pair(job->lane, NULL);
        int error = write_part(job->lane, slot);
        if (error != 0) {
            fail(job->lane, error);
        }
    }
}

/* How long a busy holder asks us to wait: retry_ms of its answer, and up to half as long again, by
 * the moment of the answer, since all that it refused would come back at the same time. */
static int retry_ms(struct lane_crew *crew, const struct lane_job *job)
{
    struct str body = {crew->scratch, job->received};
    const struct json_value *value = json_parse(&crew->json, text_trim(body));
    int64_t ms;

    if (value == NULL ||
        json_get_int(&crew->json, value, "retry_ms", (struct json_range){1, 60000}, &ms) != 0) {
        ms = LANE_RETRY_MS;
    }
    return (int)(ms + plat_now_us() % (ms / 2 + 1));
}

static void refused(struct lane *lane, struct lane_job *job)
{
    flush_pair(lane, NULL);
    if (job->http_status == 503) {
        job->retry_ms = retry_ms(lane->config.crew, job);
        send_home(lane, job, -P2P_EBUSY);
    } else {
        send_home(lane, job, -P2P_ENOTFOUND);
    }
}

static void complete(struct lane *lane, struct lane_job *job)
{
    struct lane_slot *slot = lane->filling;

    lane->filling = NULL;
    if (job->length > slot->size) {
        int error = slot->fill > 0 ? write_part(lane, slot) : 0;
        end_digest(job);
        give_slot(lane->config.crew, slot);
        send_home(lane, job, error);
        return;
    }
    if (lane->parked != NULL) {
        flush_pair(lane, slot);
        return;
    }
    lane->parked = slot;
    if (job->next == NULL) {
        flush_pair(lane, NULL);
    }
}

static void on_done(void *ctx, int result)
{
    struct lane_job *job = ctx;
    struct lane *lane = job->lane;

    if (result != 0) {
        fail(lane, result);
    } else if (job->http_status != 200 && job->http_status != 206) {
        refused(lane, job);
    } else if (job->received != job->length) {
        fail(lane, -P2P_EPROTO);
    } else {
        complete(lane, job);
    }
}

static void on_idle_close(void *ctx)
{
    struct lane *lane = ctx;

    lane->client = NULL;
}

static void put_range(const struct lane *lane, const struct lane_job *job, struct buf *buf)
{
    buf_put_text(buf, "Range: bytes=");
    buf_put_i64(buf, job->offset);
    buf_put_char(buf, '-');
    buf_put_i64(buf, job->offset + job->length - 1);
    buf_put_text(buf, "\r\n");
    buf_put_text(buf, lane->headers);
    askers_put_have(buf, text_from(job->have));
}

static int request(struct lane *lane, struct lane_job *job)
{
    static const struct client_handlers handlers = {
        .on_head = on_head, .sink = sink, .on_body = on_body, .on_done = on_done};
    char lines[480], path[96];
    struct buf buf = buf_on(lines, sizeof lines), target = buf_on(path, sizeof path);
    int error = 0;

    if (lane->client == NULL) {
        lane->client = client_open(lane->config.crew->pool, &lane->config.addr, &error);
        if (lane->client == NULL) {
            return error;
        }
        client_on_idle_close(lane->client, on_idle_close, lane);
    }
    if (job->content != NULL) {
        buf_put_text(&target, "/v1/content/");
        buf_put_hex(&target, job->content, P2P_SHA256_SIZE);
    } else {
        put_range(lane, job, &buf);
    }
    struct client_request request = {.method = HTTP_METHOD_GET,
                                     .target = job->content != NULL ? buf_str(&target)
                                                                    : text_from(lane->target),
                                     .headers = buf_str(&buf),
                                     .timeout_ms = LANE_HEAD_MS,
                                     .handlers = &handlers,
                                     .ctx = job};
    return client_send(lane->client, &request);
}

static void begin(void *ctx)
{
    struct lane_job *job = ctx;
    struct lane *lane = job->lane;

    job->next = NULL;
    job->received = 0;
    job->wrote = false;
    job->http_status = 0;
    job->retry_ms = 0;
    digest_resume(&job->digest, job->start, (uint64_t)job->offset);
    if (lane->last != NULL) {
        lane->last->next = job;
    } else {
        lane->first = job;
    }
    lane->last = job;
    int error = request(lane, job);
    job->have[0] = 0;
    if (error != 0) {
        send_home(lane, job, error);
    }
}

static void tell_closed(void *ctx)
{
    struct lane *lane = ctx;

    lane->config.on_closed(lane->config.ctx);
}

static void end(void *ctx)
{
    struct lane *lane = ctx;

    fail(lane, -P2P_ECLOSED);
    lane->message.run = tell_closed;
    loop_post(lane->config.home, &lane->message);
}

void lane_open(struct lane *lane, const struct lane_config *config)
{
    memset(lane, 0, sizeof *lane);
    lane->config = *config;
    text_copy(config->target, lane->target, sizeof lane->target);
    text_copy(config->headers, lane->headers, sizeof lane->headers);
}

void lane_fetch(struct lane *lane, struct lane_job *job)
{
    job->lane = lane;
    job->post.run = begin;
    job->post.ctx = job;
    loop_post(lane->config.crew->worker->loop, &job->post);
}

void lane_close(struct lane *lane)
{
    lane->message.run = end;
    lane->message.ctx = lane;
    loop_post(lane->config.crew->worker->loop, &lane->message);
}
