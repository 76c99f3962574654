/* SPDX-License-Identifier: MIT */
/* Counts, and says it when there is nothing to wait for. Loop thread. */
#include "peer/notice.h"

#include "base/text.h"
#include "platform/plat.h"

enum {
    NOTICE_EVERY_MS = 10000, /* lines about what cannot be read, at most as often */
    NOTICE_LOUD_MS = 1000    /* hashing that took longer is worth a line */
};

void notice_scan(struct notice *notice)
{
    notice->skipped = notice->dark = 0;
}

void notice_found(struct notice *notice, uint32_t files, int64_t bytes, uint32_t to_hash,
                  int64_t took_ms)
{
    char size[32];
    struct buf buf = buf_on(size, sizeof size - 1);
    if (notice->told_counts)
        return;
    notice->told_counts = true;
    buf_put_size(&buf, (uint64_t)bytes);
    size[buf.len] = '\0';
    log_line(LOG_INFO, "share", "%u files, %s, found in %d ms; %u are to be hashed",
             (unsigned)files, size, (int)took_ms, (unsigned)to_hash);
}

void notice_unreadable(struct notice *notice, struct str path, int error)
{
    notice->error = error;
    (void)text_copy(path, notice->path, sizeof notice->path);
}

static void warn_unreadable(struct notice *notice, uint32_t unreadable)
{
    if (unreadable > notice->unreadable_told &&
        !log_pass(&notice->unreadable_gate, NOTICE_EVERY_MS))
        return;
    if (unreadable > notice->unreadable_told)
        log_line(LOG_WARN, "share", "%u files or folders cannot be read, the last: %s: %s",
                 (unsigned)unreadable, notice->path, log_error(notice->error));
    notice->unreadable_told = unreadable;
}

void notice_warn(struct notice *notice, uint32_t unreadable, uint32_t *refused, uint32_t present)
{
    if (notice->skipped > notice->skipped_told)
        log_line(LOG_WARN, "share",
                 "%u names are not offered: they are not UTF-8, too long, or have control "
                 "characters",
                 (unsigned)notice->skipped);
    notice->skipped_told = notice->skipped;
    if (*refused > 0 && log_pass(&notice->full_gate, NOTICE_EVERY_MS)) {
        log_line(LOG_WARN, "share",
                 "the table is full: no room for %u files beyond %u; raise memory in [node]",
                 (unsigned)*refused, (unsigned)present);
        *refused = 0;
    }
    warn_unreadable(notice, unreadable + notice->dark);
}

void notice_hashing(struct notice *notice)
{
    if (notice->since_ms == 0)
        notice->since_ms = plat_now_ms();
}

void notice_hashed(struct notice *notice, int64_t bytes)
{
    notice->files++;
    notice->bytes += (uint64_t)bytes;
}

void notice_hashed_all(struct notice *notice)
{
    int64_t took_ms = plat_now_ms() - notice->since_ms;
    if (notice->files > 0) {
        char text[64];
        struct buf buf = buf_on(text, sizeof text - 1);
        buf_put_size(&buf, notice->bytes);
        buf_put_text(&buf, " in ");
        buf_put_duration(&buf, took_ms);
        text[buf.len] = '\0';
        log_line(took_ms > NOTICE_LOUD_MS ? LOG_INFO : LOG_DEBUG, "share", "hashed %u files, %s",
                 (unsigned)notice->files, text);
    }
    notice->since_ms = 0;
    notice->files = 0;
    notice->bytes = 0;
}
