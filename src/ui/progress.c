/* SPDX-License-Identifier: MIT */
/* Progress for people. The line is made for the width of the terminal and never wraps: the name
 * gives way first. */
#include "ui/progress.h"

#include "base/text.h"
#include "platform/plat.h"
#include "ui/print.h"

#include <stdio.h>

enum { LINE_SIZE = 512, WIDTH_MIN = 20, BAR_WIDTH = 20 };

static int active_sources(const struct transfer_progress *progress)
{
    int count = 0;

    for (int i = 0; i < progress->sources; i++) {
        count += progress->source[i].bytes > 0 && !progress->source[i].blamed;
    }
    return count;
}

static void put_figures(struct buf *buf, const struct transfer_progress *progress)
{
    int64_t left = progress->size - progress->done;
    int percent = progress->size > 0 ? (int)(progress->done * 100 / progress->size) : 100;

    buf_printf(buf, " %3d%%  ", percent);
    buf_put_size(buf, (uint64_t)progress->done);
    buf_put_text(buf, " of ");
    buf_put_size(buf, (uint64_t)progress->size);
    if (progress->phase == TRANSFER_FINDING) {
        buf_put_text(buf, "  looking for holders");
    } else if (progress->phase == TRANSFER_WAITING) {
        buf_put_text(buf, "  another get fetches it");
    } else if (progress->phase == TRANSFER_STUCK) {
        buf_printf(buf, "  nobody has %u of %u pieces, waiting ", (unsigned)progress->nowhere,
                   (unsigned)progress->pieces);
        buf_put_duration(buf, progress->wait_ms);
    } else if (progress->phase == TRANSFER_SILENT) {
        buf_put_text(buf, "  nothing came for ");
        buf_put_duration(buf, progress->wait_ms);
    } else if (progress->phase == TRANSFER_FINISHING) {
        buf_put_text(buf, "  writing to the disk");
    } else if (progress->rate >= 1) {
        buf_put_text(buf, "  ");
        buf_put_size(buf, (uint64_t)progress->rate);
        buf_put_text(buf, "/s  ");
        buf_put_duration(buf, (int64_t)((double)left * 1000 / progress->rate));
        buf_put_text(buf, " left");
    }
    int sources = active_sources(progress);
    if (sources > 0) {
        buf_printf(buf, "  %d source%s", sources, sources == 1 ? "" : "s");
    }
}

void progress_format(struct buf *out, const char *name, const struct transfer_progress *progress,
                     int width)
{
    char figures[LINE_SIZE], shown[LINE_SIZE];
    struct buf right = buf_on(figures, sizeof figures);
    struct buf left = buf_on(shown, sizeof shown);

    put_figures(&right, progress);
    buf_put_shown(&left, text_from(name));
    int room = width - 1 - (int)right.len;
    if (room < 4) {
        buf_put(out, text_first(buf_str(&right), (size_t)(width > 1 ? width - 1 : 0)));
        return;
    }
    struct str cut = buf_str(&left);
    if (cut.len > (size_t)room) {
        cut = text_first(cut, (size_t)room - 2);
        buf_put(out, cut);
        buf_put_text(out, "..");
    } else {
        buf_put(out, cut);
    }
    buf_put(out, buf_str(&right));
}

void progress_format_total(struct buf *out, const struct haul_progress *progress)
{
    buf_printf(out, "%u of %u files  ", (unsigned)progress->done, (unsigned)progress->count);
    buf_put_size(out, progress->bytes);
    buf_put_text(out, " of ");
    buf_put_size(out, progress->size);
    if (progress->staged > 0) {
        buf_printf(out, "  %u more came", (unsigned)progress->staged);
    }
}

static struct str cut_to_width(const struct buf *buf)
{
    int width = plat_terminal_width(2);

    return text_first(buf_str(buf), (size_t)(width > 1 ? width - 1 : 0));
}

/* The cursor goes back to the first line, so that whatever is written next stands there. */
static void put_lines(int *lines, struct str first, struct str last)
{
    bool both = first.len > 0 && last.len > 0;

    if (*lines > 1 && !both) {
        progress_clear(lines);
    }
    fprintf(stderr, "\r%.*s\033[K%s%.*s%s", (int)first.len, first.ptr, both ? "\n\r" : "",
            (int)last.len, last.ptr, both ? "\033[K\033[A\r" : "\033[K");
    fflush(stderr);
    *lines = both ? 2 : 1;
}

void progress_show(int *lines, const char *name, const struct haul_progress *progress)
{
    char line[LINE_SIZE], total[LINE_SIZE];
    struct buf first = buf_on(line, sizeof line), last = buf_on(total, sizeof total);
    int width = plat_terminal_width(2);

    if (progress->file != NULL) {
        progress_format(&first, name, &progress->transfer, width < WIDTH_MIN ? WIDTH_MIN : width);
    }
    if (progress->count > 1) {
        progress_format_total(&last, progress);
    }
    put_lines(lines, buf_str(&first), cut_to_width(&last));
}

void progress_show_text(int *lines, struct buf *text)
{
    put_lines(lines, cut_to_width(text), STR(""));
}

void progress_clear(int *lines)
{
    if (*lines > 0) {
        fprintf(stderr, *lines > 1 ? "\r\033[K\n\r\033[K\033[A\r" : "\r\033[K");
        fflush(stderr);
    }
    *lines = 0;
}

int64_t progress_rate(int64_t size, int64_t elapsed_ms)
{
    return (int64_t)((double)size * 1000 / (double)(elapsed_ms > 0 ? elapsed_ms : 1));
}

int progress_share(const struct transfer_source *source, int64_t size)
{
    return size > 0 ? (int)((int64_t)source->bytes * 100 / size) : 0;
}

void progress_put_ratio(struct buf *buf, const struct transfer_progress *progress)
{
    int64_t bound = progress->bound_ms > 0 ? progress->bound_ms : 1;
    int64_t elapsed = progress->elapsed_ms > bound ? progress->elapsed_ms : bound;
    int64_t hundredths = elapsed * 100 / bound;

    buf_printf(buf, "%lld.%02d", (long long)(hundredths / 100), (int)(hundredths % 100));
}

void progress_put_time(struct buf *buf, int64_t size, int64_t elapsed_ms)
{
    buf_put_text(buf, " in ");
    buf_put_duration(buf, elapsed_ms);
    buf_put_text(buf, ", ");
    buf_put_size(buf, (uint64_t)progress_rate(size, elapsed_ms));
    buf_put_text(buf, "/s, SHA-256 verified");
}

void progress_put_waste(struct buf *buf, uint64_t wasted, uint32_t retries)
{
    if (wasted > 0) {
        buf_put_text(buf, "  wasted: ");
        buf_put_size(buf, wasted);
        buf_printf(buf, ", %u pieces asked for again\n", (unsigned)retries);
    }
}

void progress_put_source(struct buf *buf, const struct transfer_source *source, int64_t size)
{
    char addr[ADDR_TEXT_MAX];

    buf_put_text(buf, "  ");
    buf_put_shown(
        buf, text_from(source->name[0] != 0 ? source->name : addr_format(&source->addr, addr)));
    buf_put_text(buf, ": ");
    buf_put_size(buf, source->bytes);
    if (size > 0) {
        buf_printf(buf, " (%d%%)", progress_share(source, size));
    }
    if (source->rate > 0) {
        buf_put_text(buf, ", at best ");
        buf_put_size(buf, source->rate);
        buf_put_text(buf, "/s");
    }
    if (source->blamed) {
        buf_put_text(buf, ", sent wrong bytes");
    }
    buf_put_char(buf, '\n');
}

void progress_summary(const char *name, const struct transfer_progress *progress)
{
    char text[8192];
    struct buf buf = buf_on(text, sizeof text - 1);

    buf_put_shown(&buf, text_from(name));
    buf_put_text(&buf, ": ");
    buf_put_size(&buf, (uint64_t)progress->size);
    if (progress->resumed > 0) {
        buf_put_text(&buf, ", ");
        buf_put_size(&buf, (uint64_t)progress->resumed);
        buf_put_text(&buf, " of them here before,");
    }
    progress_put_time(&buf, progress->size - progress->resumed, progress->elapsed_ms);
    if (progress->bound_ms > 0) {
        buf_put_text(&buf, "; ");
        progress_put_ratio(&buf, progress);
        buf_put_text(&buf, " times the bound");
    }
    buf_put_char(&buf, '\n');
    for (int i = 0; i < progress->sources; i++) {
        progress_put_source(&buf, &progress->source[i], progress->size);
    }
    progress_put_waste(&buf, progress->wasted, progress->retries);
    text[buf.len] = 0;
    print_stderr("", text);
}
