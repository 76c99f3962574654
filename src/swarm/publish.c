/* SPDX-License-Identifier: MIT */
/* Two rules keep a reader from ever seeing bytes that are not what they were published as: a piece
 * is published when nobody writes to its place, and it is withdrawn, in the same turn of the loop,
 * before anybody is asked for it again. Loop thread. */
#include "swarm/publish.h"

#include "platform/plat_file.h"

#include <string.h>

enum { PUBLISH_RUN = 64 }; /* bytes of the bitmaps that are compared at a time */

static bool is_open(const struct download *download)
{
    return download->held.file >= 0;
}

/* The .part is opened a second time where it has a name: a copy of our own descriptor would keep
 * its lock after us. */
static int open_part(const struct download *download)
{
    const struct part *part = &download->part;

    return download->want.unnamed ? plat_dup(part->file)
                                  : plat_open_beneath(part->folder, part->name, PLAT_READ);
}

/* Of one piece there are none, and nothing is read there. */
static int open_states(const struct download *download)
{
    return download->pieces > 1 ? plat_dup(download->chains.file) : open_part(download);
}

static void open_held(struct download *download)
{
    struct held_source source = {.content = &download->want.content,
                                 .size = download->want.size,
                                 .file = open_part(download),
                                 .chain_file = open_states(download),
                                 .bits = download->held_bits};

    if (source.file >= 0 && source.chain_file >= 0) {
        held_open(&download->held, &source);
        download->held_chain = -1;
        return;
    }
    if (source.file >= 0) {
        plat_close(source.file);
    }
    if (source.chain_file >= 0) {
        plat_close(source.chain_file);
    }
}

/* The pieces belong to the base, which is another chain when the former turned out false. */
static void bind(struct download *download)
{
    int base = download->proof.base;
    unsigned serial = download->proof.chains[base].serial;

    if (download->held_chain == base && download->held_serial == serial) {
        return;
    }
    download->held_chain = base;
    download->held_serial = serial;
    held_bind(&download->held, download->chains.id[base],
              (int64_t)base * download->chains.states * P2P_SHA256_SIZE);
}

static bool is_written_to(const struct download *download, uint32_t piece)
{
    for (int i = 0; i < DOWNLOAD_LANES; i++) {
        const struct download_lane *lane = &download->lanes[i];
        for (int k = 0; k < LANE_JOBS_MAX && lane->holder >= 0 && lane->jobs > 0; k++) {
            if (lane->fetches[k].busy && lane->fetches[k].job.piece == piece) {
                return true;
            }
        }
    }
    return false;
}

static void change_byte(struct download *download, uint32_t byte, uint8_t now)
{
    for (uint32_t piece = byte * 8; piece < byte * 8 + 8 && piece < download->pieces; piece++) {
        bool is_held = now >> (7 - piece % 8) & 1;
        bool was_held = held_has_piece(&download->held, piece);
        if (was_held && !is_held) {
            held_drop(&download->held, piece);
        } else if (is_held && !was_held && !is_written_to(download, piece)) {
            held_add(&download->held, piece);
        }
    }
}

static void compare(struct download *download)
{
    size_t size = (download->pieces + 7) / 8;
    uint8_t now[PUBLISH_RUN];

    for (size_t offset = 0; offset < size; offset += sizeof now) {
        size_t run = size - offset < sizeof now ? size - offset : sizeof now;
        const uint8_t *before = download->held_bits + offset;
        proof_have(&download->proof, false, offset, now, run);
        for (size_t i = 0; i < run; i++) {
            if (now[i] != before[i]) {
                change_byte(download, (uint32_t)(offset + i), now[i]);
            }
        }
    }
}

void publish_pump(struct download *download)
{
    bool lasts = download->pieces > 1 || download->want.lasting;

    /* A stream's places are used over and over; of one piece nobody can have a part. */
    if (download->want.window > 0 || !lasts || download->proof.base < 0) {
        return;
    }
    if (!is_open(download)) {
        open_held(download);
    }
    if (is_open(download)) {
        bind(download);
        compare(download);
        held_prove(&download->held, download->proof.frontier);
    }
}

void publish_settle(struct download *download)
{
    if (is_open(download)) {
        held_settle(&download->held);
    }
}

void publish_stop(struct download *download)
{
    held_close(&download->held);
}
