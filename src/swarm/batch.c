/* SPDX-License-Identifier: MIT */
/* Each source walks through the list of files on its own, and asks for the next one that it has and
 * that nobody was asked for; so fast sources get more. What fails goes back to the list, and a
 * source that fails too often is out. Loop thread, but for keep() and the two jobs. */
#include "swarm/batch.h"

#include "base/hash.h"
#include "base/text.h"
#include "platform/plat.h"
#include "swarm/naming.h"

#include <string.h>

enum {
    BATCH_LANES = 16,
    BATCH_NAMES = 1024,              /* files that get their names together */
    BATCH_STAGED = 16 * 1024 * 1024, /* bytes that wait for names: what a slow card writes in 2 s */
    BATCH_FAILS = 4,                 /* in a row, then a source is out */
    BATCH_WRONG = 3,                 /* files with wrong bytes, then a source is out */
    BATCH_RETRY_MS = 200,            /* doubled for each failure, and up to half as long again */
    BATCH_NONE = UINT32_MAX
};

enum batch_state { BATCH_NOT_OURS, BATCH_WAITING, BATCH_ASKED, BATCH_CAME };

struct batch_source {
    uint32_t next; /* files before this one are nothing for it */
    int lanes, address, fails, wrong;
    int64_t retry_ms;
    bool out;
};

struct batch_job {
    struct lane_job job;
    uint32_t file;
    bool busy;
    int disk; /* what keeping it led to */
    const char *reason;
};

struct batch_lane {
    struct lane lane;
    struct batch *batch;
    int source, crew, jobs; /* source -1: free */
    bool closing;
    struct batch_job job[LANE_JOBS_MAX];
};

struct batch {
    struct batch_config config;
    struct batch_want want;
    struct stage stage;
    struct worker_job opening, closing;
    struct loop_timer timer;
    struct batch_source sources[BATCH_SOURCES_MAX];
    struct batch_lane lanes[BATCH_LANES];
    struct naming naming;
    struct hash_random random;
    uint32_t came_first, came_last, came_count; /* waiting for a name */
    uint64_t came_bytes;
    struct batch_progress progress;
    int stage_error, disk_error;
    const char *disk_reason;
    int synced; /* what closing the stage led to */
    bool running, opening_now, naming_now, stopping, ending;
};

static void pump(struct batch *batch);

/* --- files --------------------------------------------------------------------------------- */

static int source_bit(const struct wanted *file, int source)
{
    for (int i = 0; i < file->source_count; i++) {
        if (file->source[i] == source) {
            return 1 << i;
        }
    }
    return 0;
}

static void decide(struct batch *batch, struct wanted *file, int result, const char *reason)
{
    file->state = BATCH_NOT_OURS;
    file->result = result;
    file->reason = reason;
    batch->progress.files += result == 0;
    batch->want.on_file(batch->want.ctx, file);
}

/* Back into the list: whoever has it may look at it again. */
static void give_back(struct batch *batch, uint32_t number)
{
    struct wanted *file = &batch->want.files[number];

    file->state = BATCH_WAITING;
    for (int i = 0; i < file->source_count; i++) {
        struct batch_source *source = &batch->sources[file->source[i]];
        source->next = number < source->next ? number : source->next;
    }
}

/* The next file for a source, or BATCH_NONE. */
static uint32_t next_file(struct batch *batch, int number)
{
    struct batch_source *source = &batch->sources[number];

    for (; source->next < batch->want.count; source->next++) {
        const struct wanted *file = &batch->want.files[source->next];
        int bit = source_bit(file, number);
        if (file->state == BATCH_WAITING && bit != 0 && (file->tried & bit) == 0) {
            return source->next;
        }
    }
    return BATCH_NONE;
}

/* --- names --------------------------------------------------------------------------------- */

static void on_named(void *ctx, struct naming *naming)
{
    struct batch *batch = ctx;

    batch->naming_now = false;
    for (uint32_t i = 0; i < naming->count; i++) {
        decide(batch, &batch->want.files[naming->number[i]], naming->error[i], naming->reason[i]);
    }
    pump(batch);
}

static void begin_naming(struct batch *batch)
{
    struct naming *naming = &batch->naming;

    naming->count = 0;
    while (batch->came_count > 0 && naming->count < NAMING_MAX) {
        const struct wanted *file = &batch->want.files[batch->came_first];
        naming->number[naming->count++] = batch->came_first;
        batch->came_bytes -= (uint64_t)file->size;
        batch->came_count--;
        batch->came_first = file->next;
    }
    naming->stage = &batch->stage;
    naming->files = batch->want.files;
    naming->replace = batch->want.replace;
    naming->done = on_named;
    naming->ctx = batch;
    batch->naming_now = true;
    naming_start(naming, batch->config.background, batch->config.loop);
}

static void came(struct batch *batch, uint32_t number)
{
    struct wanted *file = &batch->want.files[number];

    file->state = BATCH_CAME;
    file->next = BATCH_NONE;
    if (batch->came_count++ == 0) {
        batch->came_first = number;
    } else {
        batch->want.files[batch->came_last].next = number;
    }
    batch->came_last = number;
    batch->came_bytes += (uint64_t)file->size;
    batch->progress.bytes += (uint64_t)file->size;
}

/* --- bytes --------------------------------------------------------------------------------- */

/* On a transfer worker: the bytes are right. */
static int keep(void *ctx, struct lane_job *job, const void *bytes)
{
    struct batch_lane *lane = ctx;
    struct batch *batch = lane->batch;
    struct batch_job *self = &lane->job[job->number];

    self->disk = stage_put(&batch->stage, self->file, &batch->want.files[self->file], bytes);
    self->reason = self->disk != 0 ? plat_reason() : NULL;
    return 0;
}

static void close_lane(struct batch_lane *lane)
{
    if (lane->source >= 0 && !lane->closing) {
        lane->closing = true;
        lane_close(&lane->lane);
    }
}

static void drop_source(struct batch *batch, int number)
{
    batch->sources[number].out = true;
    for (int i = 0; i < BATCH_LANES; i++) {
        if (batch->lanes[i].source == number) {
            close_lane(&batch->lanes[i]);
        }
    }
}

/* The connection, not the file: wait a little, try another address. */
static void connection_failed(struct batch *batch, int number)
{
    struct batch_source *source = &batch->sources[number];
    int64_t now = loop_now_ms(batch->config.loop);

    if (source->retry_ms > now) {
        return; /* one failure ends all that was under way */
    }
    uint32_t rest_ms = (uint32_t)BATCH_RETRY_MS << source->fails;
    source->retry_ms = now + rest_ms + hash_random_below(&batch->random, rest_ms / 2 + 1);
    source->address++;
    if (++source->fails >= BATCH_FAILS) {
        batch->want.sources[number].silent = true;
        drop_source(batch, number);
        return;
    }
    for (int i = 0; i < BATCH_LANES; i++) {
        if (batch->lanes[i].source == number) {
            close_lane(&batch->lanes[i]);
        }
    }
}

static void wrong_bytes(struct batch *batch, int number, const struct lane_job *job)
{
    batch->progress.wasted += job->received;
    batch->want.sources[number].blamed = true;
    if (++batch->sources[number].wrong >= BATCH_WRONG) {
        drop_source(batch, number);
    }
}

/* True when the file is there. */
static bool judge(struct batch *batch, int number, const struct batch_job *self)
{
    const struct lane_job *job = &self->job;
    struct wanted *file = &batch->want.files[self->file];
    struct batch_source *source = &batch->sources[number];
    bool right = job->result == 0 && memcmp(job->end, job->expected, sizeof job->end) == 0;

    if (right) {
        source->fails = 0;
        batch->want.sources[number].bytes += job->received;
        file->giver = number;
        return true;
    }
    if (job->result == 0) {
        wrong_bytes(batch, number, job);
    } else if (job->result == -P2P_EBUSY) {
        source->retry_ms = loop_now_ms(batch->config.loop) + job->retry_ms;
        return false;
    } else if (job->result != -P2P_ENOTFOUND) {
        connection_failed(batch, number);
    }
    if (job->result == 0 || job->result == -P2P_ENOTFOUND || job->result == -P2P_EPROTO) {
        file->tried = (uint8_t)(file->tried | source_bit(file, number));
    }
    return false;
}

/* Our own disk: what is full stays full, and all that follow would fail alike. */
static void disk_failed(struct batch *batch, const struct batch_job *self)
{
    decide(batch, &batch->want.files[self->file], self->disk, self->reason);
    stage_drop(&batch->stage, self->file);
    batch->disk_error = self->disk;
    batch->disk_reason = self->reason;
}

static void on_result(void *ctx, struct lane_job *job)
{
    struct batch_lane *lane = ctx;
    struct batch *batch = lane->batch;
    struct batch_job *self = &lane->job[job->number];

    self->busy = false;
    lane->jobs--;
    if (!judge(batch, lane->source, self)) {
        give_back(batch, self->file);
    } else if (self->disk != 0) {
        disk_failed(batch, self);
    } else {
        came(batch, self->file);
    }
    pump(batch);
}

static void on_closed(void *ctx)
{
    struct batch_lane *lane = ctx;
    struct batch *batch = lane->batch;

    batch->sources[lane->source].lanes--;
    lane->source = -1;
    pump(batch);
}

/* --- lanes --------------------------------------------------------------------------------- */

static struct batch_lane *open_lane(struct batch *batch, int number)
{
    const struct wanted_source *source = &batch->want.sources[number];
    struct batch_lane *lane = batch->lanes;

    while (lane < batch->lanes + BATCH_LANES && lane->source >= 0) {
        lane++;
    }
    if (lane == batch->lanes + BATCH_LANES || source->addr_count == 0) {
        return NULL;
    }
    lane->batch = batch;
    lane->source = number;
    lane->jobs = 0;
    lane->closing = false;
    lane->crew = (int)(lane - batch->lanes) % batch->config.crew_count;
    batch->sources[number].lanes++;
    struct lane_config config = {
        .crew = batch->config.crews[lane->crew],
        .home = batch->config.loop,
        .addr = source->addr[batch->sources[number].address % source->addr_count],
        .target = STR(""),
        .headers = STR(""),
        .file = -1,
        .keep = keep,
        .on_result = on_result,
        .on_closed = on_closed,
        .ctx = lane};
    lane_open(&lane->lane, &config);
    return lane;
}

/* A connection that has nothing to do makes room for a source that has none. */
static void free_a_lane(struct batch *batch)
{
    for (int i = 0; i < BATCH_LANES; i++) {
        if (batch->lanes[i].source < 0 || batch->lanes[i].closing) {
            return;
        }
    }
    for (int i = 0; i < BATCH_LANES; i++) {
        struct batch_lane *lane = &batch->lanes[i];
        if (lane->jobs == 0 && next_file(batch, lane->source) == BATCH_NONE) {
            close_lane(lane);
            return;
        }
    }
}

/* The source's connection with the most room; NULL: all are busy. */
static struct batch_lane *choose_lane(struct batch *batch, int number, int most)
{
    struct batch_lane *best = NULL;

    for (int i = 0; i < BATCH_LANES; i++) {
        struct batch_lane *lane = &batch->lanes[i];
        if (lane->source == number && !lane->closing && (best == NULL || lane->jobs < best->jobs)) {
            best = lane;
        }
    }
    if (batch->sources[number].lanes < most && (best == NULL || best->jobs > 1)) {
        struct batch_lane *opened = open_lane(batch, number);
        best = opened != NULL ? opened : best;
    }
    if (best == NULL) {
        free_a_lane(batch);
    }
    return best != NULL && best->jobs < LANE_JOBS_MAX ? best : NULL;
}

static void send(struct batch *batch, struct batch_lane *lane, uint32_t number)
{
    struct wanted *file = &batch->want.files[number];
    uint32_t place = 0;

    while (lane->job[place].busy) {
        place++;
    }
    struct batch_job *self = &lane->job[place];
    *self = (struct batch_job){.file = number, .busy = true};
    self->job.content = file->content.bytes;
    self->job.length = (uint32_t)file->size;
    self->job.last = true;
    self->job.number = place;
    memcpy(self->job.start, digest_initial, sizeof self->job.start);
    memcpy(self->job.expected, file->content.bytes, sizeof self->job.expected);
    file->state = BATCH_ASKED;
    lane->jobs++;
    lane_fetch(&lane->lane, &self->job);
}

/* --- the course ---------------------------------------------------------------------------- */

static bool is_behind(const struct batch *batch)
{
    return batch->came_count >= NAMING_MAX || batch->came_bytes >= BATCH_STAGED;
}

/* Asks a source for one more file. */
static bool ask(struct batch *batch, int number, int most)
{
    uint32_t file = next_file(batch, number);

    if (file == BATCH_NONE) {
        return false;
    }
    struct batch_lane *lane = choose_lane(batch, number, most);
    if (lane == NULL) {
        return false;
    }
    send(batch, lane, file);
    return true;
}

/* Milliseconds until a source that rests may be asked again; -1: none rests. */
static int64_t ask_all(struct batch *batch)
{
    int64_t now = loop_now_ms(batch->config.loop), wait_ms = -1;
    int useful = 0;
    bool more = true;

    for (uint32_t i = 0; i < batch->want.source_count; i++) {
        struct batch_source *source = &batch->sources[i];
        if (source->out || next_file(batch, (int)i) == BATCH_NONE) {
            continue;
        }
        useful++;
        if (source->retry_ms > now && (wait_ms < 0 || source->retry_ms - now < wait_ms)) {
            wait_ms = source->retry_ms - now;
        }
    }
    int most = (batch->config.crew_count + useful - 1) / (useful > 0 ? useful : 1);
    while (more && !is_behind(batch)) {
        more = false;
        for (uint32_t i = 0; i < batch->want.source_count; i++) {
            if (!batch->sources[i].out && batch->sources[i].retry_ms <= now) {
                more |= ask(batch, (int)i, most);
            }
        }
    }
    return wait_ms;
}

static int jobs_under_way(const struct batch *batch)
{
    int count = 0;

    for (int i = 0; i < BATCH_LANES; i++) {
        count += batch->lanes[i].jobs;
    }
    return count;
}

static bool lanes_are_closed(const struct batch *batch)
{
    for (int i = 0; i < BATCH_LANES; i++) {
        if (batch->lanes[i].source >= 0) {
            return false;
        }
    }
    return true;
}

static struct batch *of_closing(struct worker_job *job)
{
    return (struct batch *)((char *)job - offsetof(struct batch, closing));
}

static void closing_work(struct worker_job *job)
{
    struct batch *batch = of_closing(job);

    if (batch->stage.folder < 0) {
        stage_sweep(batch->want.root);
    }
    batch->synced = stage_close(&batch->stage);
}

static void closing_done(struct worker_job *job)
{
    struct batch *batch = of_closing(job);

    batch->want.done(batch->want.ctx, batch->synced);
}

/* What is left: after an error of the disk it has that error too, else it stays open. */
static void end(struct batch *batch)
{
    batch->running = false;
    loop_stop_timer(batch->config.loop, &batch->timer);
    for (uint32_t i = 0; i < batch->want.count; i++) {
        struct wanted *file = &batch->want.files[i];
        if (file->state == BATCH_NOT_OURS) {
            continue;
        }
        if (batch->disk_error != 0 && !batch->stopping) {
            decide(batch, file, batch->disk_error, batch->disk_reason);
        }
        file->state = BATCH_NOT_OURS;
    }
    batch->closing =
        (struct worker_job){.work = closing_work, .done = closing_done, .home = batch->config.loop};
    worker_submit(batch->config.background, &batch->closing);
}

static void wind_up(struct batch *batch)
{
    for (int i = 0; i < BATCH_LANES; i++) {
        close_lane(&batch->lanes[i]);
    }
    if (lanes_are_closed(batch) && !batch->naming_now && !batch->opening_now) {
        end(batch);
    }
}

static void drop_what_came(struct batch *batch)
{
    while (batch->came_count > 0) {
        uint32_t number = batch->came_first;
        batch->came_first = batch->want.files[number].next;
        batch->came_count--;
        stage_drop(&batch->stage, number);
    }
    batch->came_bytes = 0;
}

static void on_timer(void *ctx)
{
    pump(ctx);
}

/* Looks what is due; after each event. */
static void pump(struct batch *batch)
{
    int64_t wait_ms = -1;

    if (!batch->running || batch->opening_now) {
        return;
    }
    if (batch->stopping) {
        drop_what_came(batch);
        wind_up(batch);
        return;
    }
    if (batch->disk_error == 0) {
        wait_ms = ask_all(batch);
    }
    bool idle = jobs_under_way(batch) == 0;
    if (batch->came_count > 0 && !batch->naming_now && (idle || is_behind(batch))) {
        begin_naming(batch);
    }
    if (wait_ms >= 0) {
        loop_set_timer(batch->config.loop, &batch->timer,
                       loop_now_ms(batch->config.loop) + wait_ms);
    } else if (idle && batch->came_count == 0 && !batch->naming_now) {
        wind_up(batch);
    }
}

/* --- from outside -------------------------------------------------------------------------- */

static struct batch *of_opening(struct worker_job *job)
{
    return (struct batch *)((char *)job - offsetof(struct batch, opening));
}

static void opening_work(struct worker_job *job)
{
    struct batch *batch = of_opening(job);

    batch->stage_error = stage_open(&batch->stage, batch->want.root);
    batch->disk_reason = batch->stage_error != 0 ? plat_reason() : NULL;
}

static void opening_done(struct worker_job *job)
{
    struct batch *batch = of_opening(job);

    batch->opening_now = false;
    batch->disk_error = batch->stage_error;
    pump(batch);
}

static bool is_empty(const struct wanted *file)
{
    uint8_t hash[P2P_SHA256_SIZE];

    digest_of("", 0, hash);
    return memcmp(hash, &file->content, sizeof hash) == 0;
}

/* Files that are ours. An empty one is here already: its hash says so. */
static uint32_t take_files(struct batch *batch)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < batch->want.count; i++) {
        struct wanted *file = &batch->want.files[i];
        bool ours = file->result == WANTED_OPEN && file->size <= BATCH_SIZE_MAX &&
                    (file->size == 0 ? is_empty(file) : file->source_count > 0);
        file->state = ours ? BATCH_WAITING : BATCH_NOT_OURS;
        file->giver = ours ? -1 : file->giver;
        file->tried = 0;
        count += ours;
        if (ours && file->size == 0) {
            came(batch, i);
        }
    }
    return count;
}

void batch_start(struct batch *batch, const struct batch_want *want)
{
    batch->want = *want;
    batch->running = true;
    batch->stopping = false;
    batch->disk_error = 0;
    batch->came_count = 0;
    batch->came_bytes = 0;
    memset(&batch->progress, 0, sizeof batch->progress);
    memset(batch->sources, 0, sizeof batch->sources);
    if (take_files(batch) == 0) {
        end(batch);
        return;
    }
    batch->opening_now = true;
    batch->opening =
        (struct worker_job){.work = opening_work, .done = opening_done, .home = batch->config.loop};
    worker_submit(batch->config.background, &batch->opening);
}

void batch_stop(struct batch *batch)
{
    if (batch->running) {
        batch->stopping = true;
        pump(batch);
    }
}

void batch_progress(const struct batch *batch, struct batch_progress *out)
{
    *out = batch->progress;
    out->staged = batch->came_count + (batch->naming_now ? batch->naming.count : 0);
}

void batch_close(struct batch *batch)
{
    stage_close(&batch->stage);
}

size_t batch_size(void)
{
    return sizeof(struct batch) + 8;
}

int batch_init(struct batch **out, struct arena *arena, const struct batch_config *config)
{
    struct batch *batch = arena_carve(arena, sizeof *batch, 8);

    if (batch == NULL) {
        return -P2P_EFULL;
    }
    batch->config = *config;
    batch->timer = (struct loop_timer){.on_time = on_timer, .ctx = batch};
    hash_random_seed(&batch->random, (uint64_t)plat_now_us());
    stage_init(&batch->stage);
    for (int i = 0; i < BATCH_LANES; i++) {
        batch->lanes[i].source = -1;
    }
    *out = batch;
    return 0;
}
