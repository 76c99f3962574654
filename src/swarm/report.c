/* SPDX-License-Identifier: MIT */
/* Looks at holders only, changes nothing. Loop thread. */
#include "swarm/report.h"

#include "swarm/resume.h"
#include "wire/digest.h"

#include <string.h>

/* One that can be asked is counted to the end, whether it was asked or not. */
static struct bound_source times_of(const struct holder *holder, int64_t began_ms)
{
    bool stays = holder->state == HOLDER_READY;

    return (struct bound_source){.from_ms = holder->meter.known_ms - began_ms,
                                 .to_ms = stays ? INT64_MAX : holder->meter.last_ms - began_ms,
                                 .rate = bound_meter_best(&holder->meter)};
}

/* What came in a while may be more than the limit lets through: a burst. */
static uint64_t downlink_of(const struct download *download)
{
    uint64_t best = bound_meter_best(&download->downlink), limit = download->limit.bucket.rate;

    return limit > 0 && limit < best ? limit : best;
}

void report_sources(const struct download *download, int64_t began_ms,
                    struct transfer_progress *out)
{
    struct bound_source times[TRANSFER_HOLDERS_MAX];
    struct bound bound = {
        .downlink = downlink_of(download), .elapsed_ms = out->elapsed_ms, .sources = times};

    for (int i = 0; i < TRANSFER_HOLDERS_MAX; i++) {
        const struct holder *holder = &download->holders[i];
        if (holder->bytes == 0 && !holder->blamed) {
            continue;
        }
        struct transfer_source *source = &out->source[out->sources++];
        source->id = holder->id;
        memcpy(source->name, holder->name, sizeof source->name);
        source->addr = holder->addr[holder->addr_now];
        source->bytes = holder->bytes;
        source->blamed = holder->blamed;
        source->failed = holder->state == HOLDER_OUT;
        bound.bytes += holder->bytes;
        times[bound.count] = times_of(holder, began_ms);
        source->rate = times[bound.count++].rate;
    }
    out->bound_ms = bound_ms(&bound);
}

void report_silence(const struct download *download, int64_t now_ms, struct transfer_progress *out)
{
    int64_t since = now_ms - download->downlink.last_ms;
    int64_t usual = digest_piece_size(download->want.size) / TRANSFER_SLOW_RATE;

    if (out->phase == TRANSFER_RUNNING && !resume_is_busy(download) &&
        since >= TRANSFER_SILENT_MS + usual) {
        out->phase = TRANSFER_SILENT;
        out->wait_ms = since;
    }
}
