/* SPDX-License-Identifier: MIT */
/* Pieces beyond the window count as done in the plan, so that nobody is asked for them; each piece
 * that was given opens one more. Loop thread. */
#include "swarm/stream.h"

static bool is_stream(const struct download *download)
{
    return download->want.window > 0;
}

void stream_reset(struct download *download)
{
    download->stream = (struct stream){.next = 0};
    for (uint32_t i = download->want.window; is_stream(download) && i < download->pieces; i++) {
        plan_done(&download->plan, i);
    }
}

void stream_wish(const struct download *download, struct proof_wish *wish)
{
    if (is_stream(download)) {
        *wish = (struct proof_wish){.first = download->pieces};
    }
}

bool stream_is_due(const struct download *download)
{
    const struct stream *stream = &download->stream;

    return is_stream(download) && !stream->giving && stream->next < download->pieces &&
           proof_is_held(&download->proof, stream->next);
}

void stream_give(struct download *download)
{
    struct stream *stream = &download->stream;

    stream->giving = true;
    download->want.on_piece(download->want.ctx, download_piece_place(download, stream->next),
                            download_piece_length(download, stream->next));
}

void stream_given(struct download *download)
{
    struct stream *stream = &download->stream;
    uint32_t opened = stream->next + download->want.window;

    stream->giving = false;
    stream->next++;
    if (opened < download->pieces) {
        plan_lost(&download->plan, opened);
    }
}

void stream_lost(struct download *download, uint32_t piece)
{
    struct stream *stream = &download->stream;

    stream->broken |= is_stream(download) && piece < stream->next + stream->giving;
}

bool stream_is_over(const struct download *download)
{
    return !is_stream(download) || download->stream.next == download->pieces;
}
