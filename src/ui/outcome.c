/* SPDX-License-Identifier: MIT */
/* Of several causes the exit status tells the one that a script must not miss: wrong bytes before a
 * name that nobody has, and that before what may work at the next try. First thread. */
#include "ui/outcome.h"

#include "base/text.h"
#include "ui/progress.h"
#include "ui/session.h"

#include <stdio.h>

enum { LINE_SIZE = 16384 };

static int severity(int status)
{
    static const int order[] = {P2P_EXIT_OK,          P2P_EXIT_FAILED,   P2P_EXIT_NOT_FOUND,
                                P2P_EXIT_UNVERIFIED,  P2P_EXIT_NO_INDEX, P2P_EXIT_USAGE,
                                P2P_EXIT_INTERRUPTED, P2P_EXIT_HUNG_UP,  P2P_EXIT_TERMINATED};
    int i = 0;

    while (i + 1 < (int)(sizeof order / sizeof order[0]) && order[i] != status) {
        i++;
    }
    return i;
}

void outcome_note(struct outcome *outcome, int status)
{
    if (severity(status) > severity(outcome->status)) {
        outcome->status = status;
    }
}

int outcome_status(int result)
{
    switch (result) {
    case 0:
        return P2P_EXIT_OK;
    case -P2P_ENOTFOUND:
        return P2P_EXIT_NOT_FOUND;
    case -P2P_EVERIFY:
        return P2P_EXIT_UNVERIFIED;
    case -P2P_EAGAIN:
        return P2P_EXIT_INTERRUPTED;
    default:
        return P2P_EXIT_FAILED;
    }
}

static void put_source(struct buf *buf, const struct transfer_source *source, int64_t size)
{
    if (buf->ptr[buf->len - 1] == '}') {
        buf_put_char(buf, ',');
    }
    buf_put_char(buf, '{');
    json_put_field_hex(buf, "node", source->id.bytes, sizeof source->id);
    json_put_field_text(buf, "name", text_from(source->name));
    json_put_field_i64(buf, "bytes", (int64_t)source->bytes);
    json_put_field_i64(buf, "share", progress_share(source, size));
    if (source->rate > 0) {
        json_put_field_i64(buf, "rate", (int64_t)source->rate);
    }
    json_put_field_bool(buf, "blamed", source->blamed);
    buf_put_char(buf, '}');
}

static struct transfer_source giver_of(const struct outcome_file *here)
{
    struct transfer_source source = {.id = here->giver->id, .addr = here->giver->addr[0]};

    source.bytes = (uint64_t)here->file->size;
    text_copy(text_from(here->giver->name), source.name, sizeof source.name);
    return source;
}

/* The transfer's figures, or those of a batch, in which a file has one source. */
static void put_sources(struct buf *buf, const struct outcome_file *here)
{
    const struct transfer_progress *progress = here->progress;

    json_put_key(buf, "sources");
    buf_put_char(buf, '[');
    for (int i = 0; progress != NULL && i < progress->sources; i++) {
        put_source(buf, &progress->source[i], here->file->size);
    }
    if (progress == NULL && here->giver != NULL) {
        struct transfer_source source = giver_of(here);
        put_source(buf, &source, here->file->size);
    }
    buf_put_char(buf, ']');
}

static void print_json(const struct outcome_file *here)
{
    char line[LINE_SIZE];
    struct buf buf = buf_on(line, sizeof line);

    buf_put_char(&buf, '{');
    json_put_field_hex(&buf, "sha256", here->file->content.bytes, sizeof here->file->content);
    json_put_field_text(&buf, "path", text_from(here->shown));
    json_put_field_i64(&buf, "size", here->file->size);
    json_put_field_bool(&buf, "was_there", here->file->was_there);
    if (here->progress != NULL) {
        json_put_field_i64(&buf, "elapsed_ms", here->progress->elapsed_ms);
        json_put_field_i64(
            &buf, "rate",
            progress_rate(here->file->size - here->progress->resumed, here->progress->elapsed_ms));
        json_put_field_i64(&buf, "bound_ms", here->progress->bound_ms);
        json_put_key(&buf, "ratio");
        progress_put_ratio(&buf, here->progress);
        json_put_field_i64(&buf, "retries", here->progress->retries);
        json_put_field_i64(&buf, "wasted", (int64_t)here->progress->wasted);
    }
    put_sources(&buf, here);
    buf_put_text(&buf, "}\n");
    fwrite(buf.ptr, 1, buf.len, stdout);
}

static void count_source(struct outcome *outcome, const struct transfer_source *source)
{
    int i = 0;

    while (i < outcome->source_count && !record_id_equal(&outcome->source[i].id, &source->id)) {
        i++;
    }
    if (i == OUTCOME_SOURCES) {
        return;
    }
    if (i == outcome->source_count) {
        outcome->source_count++;
        outcome->source[i] = *source;
    } else {
        outcome->source[i].bytes += source->bytes;
        outcome->source[i].rate = 0; /* of one file only */
        outcome->source[i].blamed |= source->blamed;
    }
}

void outcome_blame(struct outcome *outcome, const struct wanted_source *source)
{
    struct transfer_source liar = {.id = source->id, .addr = source->addr[0], .blamed = true};

    text_copy(text_from(source->name), liar.name, sizeof liar.name);
    if (source->blamed) {
        count_source(outcome, &liar);
    }
}

static void count(struct outcome *outcome, const struct outcome_file *here)
{
    const struct transfer_progress *progress = here->progress;

    outcome->files++;
    outcome->there += here->file->was_there;
    outcome->bytes += here->file->was_there ? 0 : (uint64_t)here->file->size;
    outcome->bytes -= progress != NULL && !here->file->was_there ? (uint64_t)progress->resumed : 0;
    outcome->wasted += progress != NULL ? progress->wasted : 0;
    outcome->retries += progress != NULL ? progress->retries : 0;
    for (int i = 0; progress != NULL && i < progress->sources; i++) {
        count_source(outcome, &progress->source[i]);
    }
    if (progress == NULL && here->giver != NULL) {
        struct transfer_source source = giver_of(here);
        count_source(outcome, &source);
    }
}

void outcome_summary(const struct outcome *outcome, int64_t elapsed_ms)
{
    char text[8192];
    struct buf buf = buf_on(text, sizeof text - 1);

    buf_printf(&buf, "%u file%s, ", (unsigned)outcome->files, outcome->files == 1 ? "" : "s");
    if (outcome->there > 0) {
        buf_printf(&buf, "%u of them here before, ", (unsigned)outcome->there);
    }
    buf_put_size(&buf, outcome->bytes);
    progress_put_time(&buf, (int64_t)outcome->bytes, elapsed_ms);
    if (outcome->failed > 0) {
        buf_printf(&buf, "; %u failed", (unsigned)outcome->failed);
    }
    buf_put_char(&buf, '\n');
    for (int i = 0; i < outcome->source_count; i++) {
        progress_put_source(&buf, &outcome->source[i], (int64_t)outcome->bytes);
    }
    progress_put_waste(&buf, outcome->wasted, outcome->retries);
    text[buf.len] = 0;
    print_stderr("", text);
}

void outcome_here(struct outcome *outcome, const struct outcome_file *here)
{
    count(outcome, here);
    progress_clear(&outcome->lines);
    if (outcome->style == PRINT_JSON) {
        print_json(here);
    } else {
        print_fetched(&here->file->content, here->shown);
    }
    if (outcome->on_terminal) {
        fflush(stdout);
    }
}

/* key: whether it is a path or a WHAT that failed. */
static void print_failed(const char *key, struct str value, const char *reason, int status)
{
    char line[LINE_SIZE];
    struct buf buf = buf_on(line, sizeof line);

    buf_put_char(&buf, '{');
    json_put_field_text(&buf, key, value);
    json_put_field_text(&buf, "error", text_from(reason));
    json_put_field_i64(&buf, "status", status);
    buf_put_text(&buf, "}\n");
    fwrite(buf.ptr, 1, buf.len, stdout);
}

void outcome_failed(struct outcome *outcome, const char *shown, const char *reason, int status)
{
    outcome->failed++;
    outcome_note(outcome, status);
    progress_clear(&outcome->lines);
    session_say("%s: %s", shown, reason);
    if (outcome->style == PRINT_JSON) {
        print_failed("path", text_from(shown), reason, status);
    }
}

void outcome_missed(const struct outcome *outcome, struct str what, const char *reason, int status)
{
    if (outcome->style == PRINT_JSON) {
        print_failed("what", what, reason, status);
    }
}
