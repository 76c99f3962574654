/* SPDX-License-Identifier: MIT */
/* What contacts, fetches and the transfer do alike. */
#include "swarm/download.h"

int64_t download_piece_offset(const struct download *download, uint32_t piece)
{
    return (int64_t)piece * digest_piece_size(download->want.size);
}

int64_t download_piece_place(const struct download *download, uint32_t piece)
{
    uint32_t place = download->want.window > 0 ? piece % download->want.window : piece;

    return (int64_t)place * digest_piece_size(download->want.size);
}

uint32_t download_piece_length(const struct download *download, uint32_t piece)
{
    return digest_piece_length(download->want.size, piece);
}

void download_rest(struct download *download, int holder, int64_t rest_ms)
{
    rest_ms += hash_random_below(&download->random, (uint32_t)rest_ms / 2 + 1);
    download->holders[holder].retry_ms = loop_now_ms(download->config.loop) + rest_ms;
}

void download_leave(struct download *download, int holder)
{
    struct proof_news news;

    proof_leave(&download->proof, (unsigned)holder, &news);
    plan_leave(&download->plan, (unsigned)holder);
    for (unsigned chain = 0; chain < PROOF_CHAINS_MAX; chain++) {
        if (news.dropped >> chain & 1) {
            chains_free(&download->chains, chain);
        }
    }
    for (int i = 0; i < DOWNLOAD_LANES; i++) {
        for (int k = 0; k < LANE_JOBS_MAX; k++) {
            struct fetch *fetch = &download->lanes[i].fetches[k];
            if (fetch->busy && fetch->holder == holder) {
                fetch->request = -1;
            }
        }
    }
}
