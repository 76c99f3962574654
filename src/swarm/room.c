/* SPDX-License-Identifier: MIT */
/* What an earlier download left counts as there; a stream needs its window only. Loop thread. */
#include "swarm/room.h"

#include "platform/plat_file.h"

#include <stdio.h>

bool room_is_there(const struct download *download, char *reason, size_t size)
{
    int64_t free_bytes = plat_free_space(download->want.folder);
    int64_t window = (int64_t)download->want.window * digest_piece_size(download->want.size);
    int64_t whole = download->want.size - download->part.found;
    int64_t needed = window > 0 && window < whole ? window : whole;
    char need[32], have[32], stay[32];

    if (free_bytes < 0 || needed <= 0 ||
        (uint64_t)needed + download->config.min_free <= (uint64_t)free_bytes) {
        return true;
    }
    struct buf a = buf_on(need, sizeof need), b = buf_on(have, sizeof have);
    struct buf c = buf_on(stay, sizeof stay);
    buf_put_size(&a, (uint64_t)needed);
    buf_put_size(&b, (uint64_t)free_bytes);
    buf_put_size(&c, download->config.min_free);
    snprintf(reason, size,
             "not enough room: it needs %.*s, %.*s are free and %.*s must stay free (min_free)",
             (int)a.len, a.ptr, (int)b.len, b.ptr, (int)c.len, c.ptr);
    return false;
}
