/* SPDX-License-Identifier: MIT */
/* Lanes and pieces. What a lane writes may turn out to be wrong: a piece larger than its buffer is
 * written as it comes, and the chain that a piece led along may have been dropped when it arrives.
 * Then the same piece of any other lane is spoilt too, whether it has arrived already (it is
 * missing again) or not (it is tainted, and will not count). */
#include "swarm/fetch.h"

#include "base/addr.h"
#include "base/text.h"
#include "swarm/hints.h"
#include "swarm/stream.h"

#include <assert.h>
#include <string.h>

enum {
    RUN_BYTES = 1024 * 1024
}; /* a request: long enough to be worth it, short enough to be taken over */

int fetch_open(const struct download *download)
{
    int count = 0;

    for (int i = 0; i < DOWNLOAD_LANES; i++) {
        count += download->lanes[i].holder >= 0;
    }
    return count;
}

static void on_closed(void *ctx)
{
    struct download_lane *lane = ctx;
    struct download *download = lane->download;

    download->holders[lane->holder].lanes--;
    lane->holder = -1;
    download->changed(download);
}

static void close_lane(struct download_lane *lane)
{
    if (lane->holder >= 0 && !lane->closing) {
        lane->closing = true;
        lane_close(&lane->lane);
    }
}

static void close_lanes_of(struct download *download, int holder)
{
    for (int i = 0; i < DOWNLOAD_LANES; i++) {
        if (download->lanes[i].holder == holder) {
            close_lane(&download->lanes[i]);
        }
    }
}

bool fetch_leave_piece(struct download *download, uint32_t piece)
{
    bool left = true;

    for (int i = 0; i < DOWNLOAD_LANES; i++) {
        struct download_lane *lane = &download->lanes[i];
        for (int k = 0; k < LANE_JOBS_MAX && lane->holder >= 0; k++) {
            if (lane->fetches[k].busy && lane->fetches[k].job.piece == piece) {
                close_lane(lane);
                left = false;
            }
        }
    }
    return left;
}

void fetch_stop(struct download *download)
{
    for (int i = 0; i < DOWNLOAD_LANES; i++) {
        close_lane(&download->lanes[i]);
    }
}

void fetch_news(struct download *download, const struct proof_news *news)
{
    for (unsigned chain = 0; chain < PROOF_CHAINS_MAX; chain++) {
        if (news->dropped >> chain & 1) {
            chains_free(&download->chains, chain);
        }
    }
    for (int i = 0; i < TRANSFER_HOLDERS_MAX; i++) {
        uint64_t bit = UINT64_C(1) << i;
        if (news->out & bit) {
            contact_end(download, i, (news->blamed & bit) != 0);
            close_lanes_of(download, i);
        } else if (news->unbound & bit) {
            contact_again(download, i);
            close_lanes_of(download, i);
        }
    }
}

/* Bytes that are not the base's were written at this place: by a liar, or for a chain that has been
 * dropped meanwhile. */
static void taint(struct download *download, const struct fetch *wrong)
{
    uint32_t piece = wrong->job.piece;

    for (int i = 0; i < DOWNLOAD_LANES; i++) {
        for (int k = 0; k < LANE_JOBS_MAX; k++) {
            struct fetch *fetch = &download->lanes[i].fetches[k];
            if (fetch->busy && fetch != wrong && fetch->job.piece == piece) {
                fetch->tainted = true;
            }
        }
    }
    if (proof_is_held(&download->proof, piece)) {
        proof_spoil(&download->proof, piece);
        plan_lost(&download->plan, piece);
        download->held_bytes -= download_piece_length(download, piece);
    }
}

/* The bytes came; what are they worth? */
static bool judge(struct download *download, struct fetch *fetch, bool *out_same)
{
    struct holder *holder = &download->holders[fetch->holder];
    int64_t now = loop_now_ms(download->config.loop);
    struct proof_news news;
    int error = proof_job_end(&download->proof, &fetch->proof, fetch->job.end, &news);

    if (error != 0) {
        download->fatal = error;
        return false;
    }
    if (news.taken) {
        download->held_bytes += fetch->job.length;
        bucket_meter_add(&download->meter, fetch->job.length, plat_now_us());
        holder->bytes += fetch->job.length;
        bound_meter_add(&holder->meter, fetch->job.length, now);
        bound_meter_add(&download->downlink, fetch->job.length, now);
        holder->fails = 0;
    }
    fetch_news(download, &news);
    *out_same = news.same;
    return news.held;
}

static bool is_ours(int error)
{
    return error == -P2P_ENOSPC || error == -P2P_ETOOBIG || error == -P2P_EIO ||
           error == -P2P_EREADONLY;
}

static void failed(struct download *download, const struct fetch *fetch)
{
    struct holder *holder = &download->holders[fetch->holder];
    int64_t now = loop_now_ms(download->config.loop);

    if (is_ours(fetch->job.result)) {
        download->fatal = fetch->job.result;
    } else if (fetch->job.result == -P2P_EBUSY) {
        holder->retry_ms = now + fetch->job.retry_ms;
    } else if (holder->state == HOLDER_READY && holder->retry_ms <= now) {
        bool strange = fetch->job.result == -P2P_EPROTO || fetch->job.result == -P2P_ENOTFOUND;
        contact_fail(download, fetch->holder); /* once for all pieces that were under way */
        if (strange) {
            contact_again(download, fetch->holder);
        }
        if (holder->state != HOLDER_READY) {
            close_lanes_of(download, fetch->holder);
        }
    }
}

/* The request is over when none of its pieces is under way any more. */
static void end_request(struct download *download, int request)
{
    for (int i = 0; i < DOWNLOAD_LANES; i++) {
        for (int k = 0; k < LANE_JOBS_MAX; k++) {
            const struct fetch *fetch = &download->lanes[i].fetches[k];
            if (fetch->busy && fetch->request == request) {
                return;
            }
        }
    }
    plan_end(&download->plan, request);
}

/* Lanes that only bring what others have brought already. */
static void cancel_needless(struct download *download)
{
    for (int i = 0; i < DOWNLOAD_LANES; i++) {
        struct download_lane *lane = &download->lanes[i];
        bool needed = lane->jobs == 0 || lane->holder < 0;
        for (int k = 0; k < LANE_JOBS_MAX && !needed; k++) {
            const struct fetch *fetch = &lane->fetches[k];
            needed = fetch->busy && fetch->request >= 0 &&
                     plan_is_needed(&download->plan, fetch->request);
        }
        if (!needed) {
            close_lane(lane);
        }
    }
}

/* Tells the plan, if the request is still its holder's. */
static void note(struct download *download, struct fetch *fetch, bool held)
{
    int request = fetch->request;

    fetch->busy = false;
    if (request < 0) {
        if (held) {
            plan_done(&download->plan, fetch->job.piece);
        }
        return;
    }
    plan_judged(&download->plan, request, fetch->job.piece, held);
    end_request(download, request);
}

/* The pieces that the holder told of in the head of its answer. */
static void learn(struct download *download, const struct fetch *fetch)
{
    struct str list = text_from(fetch->job.have);
    uint32_t piece;

    if (download->holders[fetch->holder].state != HOLDER_READY || fetch->request < 0) {
        return;
    }
    while (askers_next_piece(&list, download->pieces, &piece)) {
        plan_has_piece(&download->plan, (unsigned)fetch->holder, piece);
    }
}

/* What came here since the last request on this lane, for one who still fetches it, too. */
static void tell(struct download *download, struct download_lane *lane, struct lane_job *job)
{
    struct buf buf = buf_on(job->have, sizeof job->have - 1);

    if (download->holders[lane->holder].partial && download->held.file >= 0 &&
        proof_chain_of(&download->proof, (unsigned)lane->holder) == download->held_chain) {
        held_news(&download->held, &lane->told, &buf);
    }
    job->have[buf.len] = 0;
}

static void on_result(void *ctx, struct lane_job *job)
{
    struct download_lane *lane = ctx;
    struct download *download = lane->download;
    struct fetch *fetch = &lane->fetches[job->number];
    bool right = job->result == 0 && memcmp(job->end, job->expected, sizeof job->end) == 0;
    bool held = false, same = false;

    lane->jobs--;
    if (download->phase == TRANSFER_RUNNING) {
        if (fetch->request >= 0) {
            plan_bytes(&download->plan, fetch->request, job->received,
                       loop_now_ms(download->config.loop));
        }
        learn(download, fetch);
        if (job->result != 0) {
            failed(download, fetch);
        } else if (!right || !fetch->tainted) {
            held = judge(download, fetch, &same);
        }
    }
    if (job->wrote && !same) {
        taint(download, fetch);
        held = false;
    }
    if (!right || !held) {
        download->wasted += job->received;
        download->retries++;
    }
    note(download, fetch, held);
    if (held) {
        cancel_needless(download);
    }
    download->changed(download);
}

static struct download_lane *free_lane(struct download *download)
{
    for (int i = 0; i < DOWNLOAD_LANES; i++) {
        if (download->lanes[i].holder < 0) {
            return &download->lanes[i];
        }
    }
    return NULL;
}

/* The worker with the fewest lanes. */
static int idle_worker(const struct download *download)
{
    int load[P2P_WORKERS_MAX] = {0};
    int best = 0;

    for (int i = 0; i < DOWNLOAD_LANES; i++) {
        if (download->lanes[i].holder >= 0) {
            load[download->lanes[i].worker]++;
        }
    }
    for (int i = 1; i < download->config.worker_count; i++) {
        if (load[i] < load[best]) {
            best = i;
        }
    }
    return best;
}

static void put_headers(const struct download *download, int holder, struct buf *buf)
{
    int chain = proof_chain_of(&download->proof, (unsigned)holder);

    if (download->chains.states > 0 && chain >= 0) {
        buf_put_text(buf, "P2P-Chain: ");
        buf_put_hex(buf, download->chains.id[chain], P2P_CHAIN_ID_SIZE);
        buf_put_text(buf, "\r\n");
    }
    hints_put_self(download, buf);
}

static struct download_lane *open_lane(struct download *download, int number)
{
    struct holder *holder = &download->holders[number];
    struct download_lane *lane = free_lane(download);
    char target[96], headers[128];
    struct buf path = buf_on(target, sizeof target);
    struct buf lines = buf_on(headers, sizeof headers);

    if (lane == NULL) {
        return NULL;
    }
    buf_put_text(&path, "/v1/content/");
    buf_put_text(&path, download->hex);
    put_headers(download, number, &lines);
    lane->download = download;
    lane->holder = number;
    lane->worker = idle_worker(download);
    lane->jobs = 0;
    lane->closing = false;
    lane->told = 0;
    holder->lanes++;
    struct lane_config config = {.crew = download->crews[lane->worker],
                                 .home = download->config.loop,
                                 .addr = holder->addr[holder->addr_now],
                                 .target = buf_str(&path),
                                 .headers = buf_str(&lines),
                                 .size = download->want.size,
                                 .file = download->part.file,
                                 .on_result = on_result,
                                 .on_closed = on_closed,
                                 .ctx = lane};
    lane_open(&lane->lane, &config);
    return lane;
}

/* One holder alone is asked over a connection for each worker; many share the workers. */
static int wanted_lanes(const struct download *download)
{
    int holders = 0;

    for (int i = 0; i < TRANSFER_HOLDERS_MAX; i++) {
        holders += download->holders[i].state == HOLDER_READY;
    }
    int wanted = (download->config.worker_count + holders - 1) / (holders > 0 ? holders : 1);
    return wanted < download->config.connections ? wanted : download->config.connections;
}

/* The holder's lane with the most room for another request; a new one where it should have more. */
static struct download_lane *choose_lane(struct download *download, int number, int wanted)
{
    struct holder *holder = &download->holders[number];
    struct download_lane *best = NULL;

    for (int i = 0; i < DOWNLOAD_LANES; i++) {
        struct download_lane *lane = &download->lanes[i];
        if (lane->holder != number || lane->closing) {
            continue;
        }
        if (lane->jobs == 0 &&
            !addr_equal(&lane->lane.config.addr, &holder->addr[holder->addr_now])) {
            close_lane(lane); /* the holder is asked at another address by now */
        } else if (best == NULL || lane->jobs < best->jobs) {
            best = lane;
        }
    }
    if (holder->lanes < wanted && (best == NULL || best->jobs > 0)) {
        struct download_lane *opened = open_lane(download, number);
        best = opened != NULL ? opened : best;
    }
    bool has_room = best != NULL && best->jobs + (int)download->run <= LANE_JOBS_MAX;
    return has_room ? best : NULL;
}

static struct fetch *free_fetch(struct download_lane *lane, uint32_t *out_number)
{
    for (uint32_t i = 0; i < LANE_JOBS_MAX; i++) {
        if (!lane->fetches[i].busy) {
            *out_number = i;
            return &lane->fetches[i];
        }
    }
    return NULL;
}

static void send_piece(struct download *download, struct download_lane *lane, int request,
                       uint32_t piece)
{
    uint32_t number = 0;
    struct fetch *fetch = free_fetch(lane, &number);

    assert(fetch != NULL); /* choose_lane saw room */

    if (proof_job_begin(&download->proof, piece, (unsigned)lane->holder, &fetch->proof) != 0) {
        plan_judged(&download->plan, request, piece, false);
        return;
    }
    fetch->busy = true;
    fetch->tainted = false;
    fetch->request = request;
    fetch->holder = lane->holder;
    tell(download, lane, &fetch->job);
    fetch->job.piece = piece;
    fetch->job.number = number;
    fetch->job.offset = download_piece_offset(download, piece);
    fetch->job.place = download_piece_place(download, piece);
    fetch->job.length = download_piece_length(download, piece);
    fetch->job.last = piece + 1 == download->pieces;
    memcpy(fetch->job.start, fetch->proof.start, sizeof fetch->job.start);
    memcpy(fetch->job.expected, fetch->proof.end, sizeof fetch->job.expected);
    lane->jobs++;
    lane_fetch(&lane->lane, &fetch->job);
}

static uint32_t pieces_at(const struct download *download, int number)
{
    uint32_t count = 0;

    for (int i = 0; i < DOWNLOAD_LANES; i++) {
        if (download->lanes[i].holder == number) {
            count += (uint32_t)download->lanes[i].jobs;
        }
    }
    return count;
}

/* How many pieces the next request may have: trust grows with what was right, so that a liar costs
 * little. 0: none now. */
static uint32_t next_run(const struct download *download, int number)
{
    uint32_t allowed = FETCH_TRUST + download->proof.held_count;
    uint32_t busy = pieces_at(download, number);
    uint32_t run = download->run;

    while (run > 0 && busy + run > allowed) {
        run /= 2;
    }
    return run;
}

static bool ask(struct download *download, int number, const struct proof_wish *wish, int wanted)
{
    unsigned source = (unsigned)number;
    enum proof_may may = proof_may_ask(&download->proof, source);
    unsigned window = plan_window(&download->plan, source, download->run);
    uint32_t run = next_run(download, number);

    plan_trust(&download->plan, source, may, proof_chain_of(&download->proof, source));
    if (may == PROOF_NO || run == 0 ||
        download->plan.sources[source].in_flight >= window + (unsigned)wanted) {
        return false;
    }
    struct download_lane *lane = choose_lane(download, number, wanted);
    if (lane == NULL) {
        return false;
    }
    int request = plan_ask(&download->plan, source, wish, run, loop_now_ms(download->config.loop));
    if (request < 0) {
        return false;
    }
    const struct plan_request *pieces = &download->plan.requests[request];
    uint32_t first = pieces->first, count = pieces->count;
    for (uint32_t i = 0; i < count; i++) {
        send_piece(download, lane, request, first + i);
    }
    end_request(download, request); /* where nothing of it could be sent */
    return true;
}

/* With one giver of the chain all ask for the same pieces, the last ones. Another one may be known
 * in a moment. */
static bool is_early(const struct download *download, int64_t now)
{
    int ready = 0, coming = 0;

    for (int i = 0; i < TRANSFER_HOLDERS_MAX; i++) {
        const struct holder *holder = &download->holders[i];
        ready += holder->state == HOLDER_READY;
        coming += holder->state == HOLDER_ASKED ||
                  (holder->state == HOLDER_NEW && holder->retry_ms <= now);
    }
    return ready == 1 && coming > 0 && download->plan.done_count == 0 &&
           now - download->chain_ms < FETCH_MEET_MS;
}

void fetch_pump(struct download *download)
{
    int64_t now = loop_now_ms(download->config.loop);
    int wanted = wanted_lanes(download);
    struct proof_wish wish;
    bool more = !is_early(download, now);

    while (more) {
        more = false;
        for (int i = 0; i < TRANSFER_HOLDERS_MAX; i++) {
            const struct holder *holder = &download->holders[i];
            if (holder->state == HOLDER_READY && holder->retry_ms <= now) {
                proof_wish(&download->proof, &wish);
                stream_wish(download, &wish);
                more |= ask(download, i, &wish, wanted);
            }
        }
    }
}
