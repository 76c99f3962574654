/* SPDX-License-Identifier: MIT */
/* list, search, who: questions to the index, printed by ui/print. A list comes in pages and in the
 * index's order; it is sorted here as far as it fits into memory, and what does not fit is printed
 * as it comes. */
#include "ui/files.h"

#include "ui/print.h"
#include "ui/query.h"

#include <stdlib.h>
#include <string.h>

enum { LIST_ROOM = 16384, PAGE = 1000 }; /* with their holders about half of a command's memory */

struct files {
    struct session session;
    struct query query;
    struct merge *merge;
    enum print_style style;
    struct str prefix;
    bool truncated, printed;
    uint32_t found, asked_entries;
    uint32_t asked, answered;
    const struct merge_entry *sorted[LIST_ROOM];
};

static int compare_paths(const void *a, const void *b)
{
    const struct merge_entry *left = *(const struct merge_entry *const *)a;
    const struct merge_entry *right = *(const struct merge_entry *const *)b;

    return text_compare(left->path, right->path);
}

static void head(struct files *files)
{
    if (!files->printed) {
        print_files_head(files->style);
        files->printed = true;
    }
}

/* Prints what was merged, sorted by name when sorted, and forgets it. */
static void flush_merge(struct files *files, bool sorted)
{
    const struct merge_entry **entries = files->sorted;
    uint32_t count = merge_count(files->merge);

    if (count == 0) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        entries[i] = merge_at(files->merge, i);
    }
    if (sorted) {
        qsort(entries, count, sizeof entries[0], compare_paths);
    }
    head(files);
    for (uint32_t i = 0; i < count; i++) {
        print_file(files->style, entries[i]);
    }
    files->found += count;
    merge_clear(files->merge);
}

static void on_search_line(void *ctx, const struct record_result *result);

static void finish(struct files *files, int status)
{
    if (status == 0 && files->found == 0) {
        if (files->answered < files->asked) {
            session_say("nothing found; %u of %u super-peers did not answer",
                        files->asked - files->answered, files->asked);
        } else if (!files->session.line->quiet) {
            session_say(files->session.line->count == 0
                            ? "nobody offers a file yet; p2p peer DIR does"
                            : "nothing found; p2p list shows all there is");
        }
        status = P2P_EXIT_NOT_FOUND;
    }
    if (files->truncated && !files->session.line->quiet) {
        session_say(files->query.on_result == on_search_line
                        ? "more files match; make the text longer to see them"
                        : "there are more holders than are shown");
    }
    session_end(&files->session, status);
}

static void on_list_line(void *ctx, const struct record_result *result)
{
    struct files *files = ctx;
    struct record_result one = *result;

    if (merge_add(files->merge, &one) == -P2P_EFULL) {
        flush_merge(files, true);
        merge_add(files->merge, &one);
    }
}

static int put_list(struct files *files, struct str after)
{
    struct buf buf = buf_on(files->query.target, sizeof files->query.target - 1);

    buf_put_text(&buf, "/v1/list?prefix=");
    buf_put_url_value(&buf, files->prefix);
    buf_printf(&buf, "&limit=%d", PAGE);
    if (after.len > 0) {
        buf_put_text(&buf, "&after=");
        buf_put_url_value(&buf, after);
    }
    files->query.target[buf.len] = 0;
    return buf.full ? -P2P_ETOOBIG : 0;
}

static void on_list_end(void *ctx, int status, const struct record_end *end)
{
    struct files *files = ctx;

    if (status == 0 && end->next.len > 0) {
        put_list(files, end->next);
        query_ask(&files->query);
        return;
    }
    if (status == 0) {
        flush_merge(files, true);
    }
    finish(files, status);
}

static void on_search_line(void *ctx, const struct record_result *result)
{
    struct files *files = ctx;

    if (merge_add(files->merge, result) == -P2P_EFULL) {
        files->truncated = true;
    }
}

static void on_search_again(void *ctx)
{
    struct files *files = ctx;

    merge_clear(files->merge);
    files->truncated = false;
}

static void on_search_end(void *ctx, int status, const struct record_end *end)
{
    struct files *files = ctx;

    files->truncated |= end->truncated;
    files->asked = end->asked;
    files->answered = end->answered;
    if (status == 0) {
        flush_merge(files, false);
    }
    finish(files, status);
}

static void on_holder(void *ctx, const struct record_result *result)
{
    struct files *files = ctx;

    if (!files->printed) {
        print_holders_head(files->style);
        files->printed = true;
    }
    print_holder(files->style, result);
    files->found++;
}

/* The first answer named the contents; each is then asked for by its SHA-256, which finds it under
 * all names. */
static void ask_next_holders(struct files *files)
{
    const struct merge_entry *entry;

    while ((entry = merge_at(files->merge, files->asked_entries)) != NULL) {
        files->asked_entries++;
        if (entry->hashed && text_equal(entry->path, files->prefix)) {
            char hex[2 * P2P_SHA256_SIZE + 1];
            text_hex_encode(entry->content.bytes, sizeof entry->content, hex);
            query_put_search(&files->query, text_from(hex), P2P_RESULTS_MAX);
            files->query.on_result = on_holder;
            query_ask(&files->query);
            return;
        }
    }
    finish(files, 0);
}

static void on_holders_end(void *ctx, int status, const struct record_end *end)
{
    struct files *files = ctx;
    struct record_content content;

    files->truncated |= end->truncated && files->query.on_result == on_holder;
    files->asked = end->asked;
    files->answered = end->answered;
    if (status != 0 || query_is_content(files->prefix, &content)) {
        finish(files, status);
    } else {
        ask_next_holders(files);
    }
}

/* Exact matches of the name: unhashed ones are shown at once, the others lead to all holders of
 * their content. */
static void on_named(void *ctx, const struct record_result *result)
{
    struct files *files = ctx;

    if (!text_equal(result->offer.path, files->prefix)) {
        return;
    }
    if (result->offer.hashed) {
        merge_add(files->merge, result);
    } else {
        on_holder(files, result);
    }
}

static int open_files(struct files *files, struct command_line *line, uint32_t entries)
{
    memset(files, 0, offsetof(struct files, sorted)); /* of the command before, at a prompt */
    int status = session_open(&files->session, line);

    if (status == 0 && merge_init(&files->merge, &files->session.arena, entries) != 0) {
        session_say("not enough memory; give more with --memory");
        status = P2P_EXIT_FAILED;
    }
    files->style = print_style(line->json);
    files->query.session = &files->session;
    files->query.ctx = files;
    if (line->count > 0) {
        files->prefix = text_from(line->words[0]);
    }
    return status;
}

static int run_files(struct files *files, int error)
{
    int status = P2P_EXIT_USAGE;

    if (error != 0) {
        session_say("%s is too long: at most %d bytes", files->session.line->words[0],
                    P2P_PATTERN_MAX);
    } else {
        query_ask(&files->query);
        status = session_run(&files->session);
    }
    session_close(&files->session);
    return status;
}

int files_list(struct command_line *line)
{
    static struct files files;
    int status = open_files(&files, line, LIST_ROOM);

    if (status != 0) {
        session_close(&files.session);
        return status;
    }
    files.query.stream = RECORD_LIST;
    files.query.on_result = on_list_line;
    files.query.on_end = on_list_end;
    return run_files(&files, put_list(&files, (struct str){NULL, 0}));
}

int files_search(struct command_line *line)
{
    static struct files files;
    int status = open_files(&files, line, P2P_RESULTS_MAX);

    if (status != 0) {
        session_close(&files.session);
        return status;
    }
    files.query.stream = RECORD_SEARCH;
    files.query.on_result = on_search_line;
    files.query.on_again = on_search_again;
    files.query.on_end = on_search_end;
    return run_files(&files, query_put_search(&files.query, files.prefix, P2P_RESULTS_MAX));
}

int files_who(struct command_line *line)
{
    static struct files files;
    struct record_content content;
    int status = open_files(&files, line, P2P_RESULTS_MAX);

    if (status != 0) {
        session_close(&files.session);
        return status;
    }
    files.query.stream = RECORD_SEARCH;
    files.query.on_result = query_is_content(files.prefix, &content) ? on_holder : on_named;
    files.query.on_end = on_holders_end;
    return run_files(&files, query_put_search(&files.query, files.prefix, P2P_RESULTS_MAX));
}
