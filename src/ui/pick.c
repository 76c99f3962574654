/* SPDX-License-Identifier: MIT */
/* One search tells whether there is such a name; a glob's matches are in the same answer. What a
 * search says is checked here again, since it looks in any case and for parts of names, too. First
 * thread. */
#include "ui/pick.h"

#include "base/name.h"
#include "platform/plat.h"

#include <string.h>

static void search(struct pick *pick, struct str text);

/* --- what comes ---------------------------------------------------------------------------- */

/* The number of a node in the table, or -1: it is full. */
static int note_source(struct pick *pick, const struct record_result *result)
{
    for (uint32_t i = 0; i < pick->source_count; i++) {
        if (record_id_equal(&pick->sources[i].id, &result->node)) {
            return (int)i;
        }
    }
    if (pick->source_count == PICK_SOURCES || result->address_count == 0) {
        return -1;
    }
    struct wanted_source *source = &pick->sources[pick->source_count];
    *source = (struct wanted_source){.id = result->node, .addr_count = result->address_count};
    memcpy(source->addr, result->address, sizeof source->addr);
    text_copy(result->name, source->name, sizeof source->name);
    return (int)pick->source_count++;
}

static void note_holder(struct pick *pick, uint32_t number, const struct record_result *result)
{
    struct pick_holders *holders = &pick->holders[number];
    int source = holders->count < WANTED_SOURCES ? note_source(pick, result) : -1;

    for (int i = 0; i < holders->count; i++) {
        if (holders->source[i] == source) {
            return;
        }
    }
    if (source >= 0) {
        holders->source[holders->count++] = (uint16_t)source;
    }
}

static void add(struct pick *pick, const struct record_result *result)
{
    int added = merge_add(pick->merge, result);
    uint32_t number = merge_number(pick->merge, &result->offer);

    pick->truncated |= added == -P2P_EFULL;
    if (added != 0) {
        return;
    }
    if (merge_at(pick->merge, number)->holders == 1) {
        pick->holders[number].count = 0;
    }
    if (!result->offer.hashed || result->offer.have == 100) {
        note_holder(pick, pick->kind == PICK_CONTENT ? 0 : number, result);
    }
}

static bool glob_fits(void *ctx, struct str path)
{
    struct pick *pick = ctx;
    char folded[FOLD_SIZE(P2P_PATH_MAX)];
    size_t len = fold_text(path, folded, sizeof folded);

    return pattern_fit(&pick->pattern, path, (struct str){folded, len}) != PATTERN_NO &&
           pattern_ext_fits(&pick->pattern, name_base(path));
}

/* What the filters of a glob say of an offer. */
static bool filters_let(const struct pick *pick, const struct record_result *result)
{
    const struct pattern *pattern = &pick->pattern;

    return result->offer.size >= pattern->size_min && result->offer.size <= pattern->size_max &&
           (pattern->kind == PATTERN_ANY ||
            (pattern->kind == PATTERN_COPY) == result->offer.copy) &&
           pattern_node_fits(pattern, result->name, &result->node);
}

static bool is_at_node(const struct pick *pick, const struct record_result *result)
{
    char hex[2 * P2P_ID_SIZE + 1];

    text_hex_encode(result->node.bytes, sizeof result->node, hex);
    return text_equal(pick->node, result->name) ||
           (pick->node.len >= PATTERN_ID_MIN && text_begins(text_from(hex), pick->node));
}

static bool name_fits(void *ctx, struct str path)
{
    const struct pick *pick = ctx;

    return text_equal(path, pick->kind == PICK_AT_NODE ? pick->name : pick->what);
}

static void on_result(void *ctx, const struct record_result *result)
{
    struct pick *pick = ctx;
    struct str path = result->offer.path;
    bool wanted = true;

    switch (pick->kind) {
    case PICK_CONTENT:
        break;
    case PICK_NAME:
        wanted = name_fits(pick, path);
        break;
    case PICK_AT_NODE:
        wanted = name_fits(pick, path) && is_at_node(pick, result);
        break;
    case PICK_GLOB:
        wanted = glob_fits(pick, path) && filters_let(pick, result);
        break;
    case PICK_FOLDER:
        wanted = text_begins(path, pick->what);
        break;
    }
    if (wanted) {
        add(pick, result);
    }
}

/* --- the end of a portion ------------------------------------------------------------------ */

static void finish(struct pick *pick, int status, bool more)
{
    int what_len = (int)pick->what.len;
    const char *what = pick->what.ptr;

    pick->found |= merge_count(pick->merge) > 0;
    if (status == 0 && !more && !pick->found) {
        if (pick->answered < pick->asked) {
            session_say("%.*s: not found; %u of %u super-peers did not answer", what_len, what,
                        pick->asked - pick->answered, pick->asked);
        } else {
            session_say("%.*s: nobody offers it; p2p search finds parts of names", what_len, what);
        }
        status = P2P_EXIT_NOT_FOUND;
    }
    if (pick->truncated) {
        session_say("%.*s: more files than fit into memory; give more with --memory", what_len,
                    what);
        status = status == 0 ? P2P_EXIT_FAILED : status;
    }
    pick->done(pick->ctx, status, more);
}

static uint32_t room(void *ctx)
{
    return merge_room(((struct pick *)ctx)->merge);
}

static bool try_other_kind(struct pick *pick);

static void on_walked(void *ctx, int status, bool more)
{
    struct pick *pick = ctx;

    if (status != 0 || more || pick->found || merge_count(pick->merge) > 0 ||
        !try_other_kind(pick)) {
        finish(pick, status, more);
    }
}

/* prefix: of all paths. */
static void begin_walk(struct pick *pick, struct str prefix)
{
    merge_clear(pick->merge);
    pick->source_count = 0;
    pick->walk.session = pick->session;
    pick->walk.prefix = prefix;
    pick->walk.fits = pick->kind == PICK_FOLDER ? NULL
                      : pick->kind == PICK_GLOB ? glob_fits
                                                : name_fits;
    pick->walk.on_result = on_result;
    pick->walk.room = room;
    pick->walk.done = on_walked;
    pick->walk.ctx = pick;
    walk_begin(&pick->walk);
}

/* Nothing has that name. What else can the text mean? */
static bool try_other_kind(struct pick *pick)
{
    ptrdiff_t at = text_find_last(pick->what, '@');
    const char *fault;

    if (pick->kind == PICK_NAME && at > 0 && (size_t)at + 1 < pick->what.len) {
        pick->kind = PICK_AT_NODE;
        pick->name = text_first(pick->what, (size_t)at);
        pick->node = text_from_byte(pick->what, (size_t)at + 1);
        search(pick, pick->name);
        return true;
    }
    if ((pick->kind == PICK_NAME || pick->kind == PICK_AT_NODE) && name_is_glob(pick->what) &&
        pattern_parse(&pick->pattern, pick->what, &fault) == 0) {
        pick->kind = PICK_GLOB;
        search(pick, pick->what);
        return true;
    }
    return false;
}

static void on_end(void *ctx, int status, const struct record_end *end)
{
    struct pick *pick = ctx;

    pick->asked = end->asked;
    pick->answered = end->answered;
    if (status != 0) {
        finish(pick, status, false);
    } else if (pick->kind == PICK_GLOB && end->truncated) {
        begin_walk(pick, STR(""));
    } else if (merge_count(pick->merge) > 0 || !try_other_kind(pick)) {
        finish(pick, 0, false);
    }
}

/* A search would take words of the name for filters, or for mistakes ("size>x"). */
static bool is_name_with_filters(struct pick *pick, struct str text)
{
    const char *fault;

    if (pick->kind != PICK_NAME && pick->kind != PICK_AT_NODE) {
        return false;
    }
    return pattern_parse(&pick->pattern, text, &fault) == -P2P_EINVAL ||
           (!pick->pattern.only_exact && pick->pattern.rest_len != text.len);
}

/* Such a name is found by the list. */
static void search(struct pick *pick, struct str text)
{
    if (is_name_with_filters(pick, text)) {
        begin_walk(pick, text);
        return;
    }
    merge_clear(pick->merge);
    pick->source_count = 0;
    pick->query = (struct query){.session = pick->session,
                                 .stream = RECORD_SEARCH,
                                 .on_result = on_result,
                                 .on_end = on_end,
                                 .ctx = pick};
    if (query_put_search(&pick->query, text, P2P_RESULTS_MAX) != 0) {
        session_say("%.*s: too long for a name", (int)pick->what.len, pick->what.ptr);
        pick->done(pick->ctx, P2P_EXIT_USAGE, false);
        return;
    }
    query_ask(&pick->query);
}

/* --- from outside -------------------------------------------------------------------------- */

void pick_begin(struct pick *pick, struct str what)
{
    struct record_content content;

    pick->what = what;
    pick->truncated = pick->found = pick->walk.cut = false;
    pick->asked = pick->answered = 0;
    if (text_ends(what, STR("/"))) {
        pick->kind = PICK_FOLDER;
        begin_walk(pick, what);
        return;
    }
    pick->kind = query_is_content(what, &content) ? PICK_CONTENT : PICK_NAME;
    search(pick, what);
}

void pick_on(struct pick *pick)
{
    merge_clear(pick->merge);
    pick->source_count = 0;
    walk_on(&pick->walk);
}

void pick_stop(struct pick *pick)
{
    query_cancel(&pick->query);
    walk_stop(&pick->walk);
}

int pick_init(struct pick *pick, struct arena *arena)
{
    pick->holders = arena_carve(arena, PICK_FILES * sizeof *pick->holders, 8);
    pick->sources = arena_carve(arena, PICK_SOURCES * sizeof *pick->sources, 8);
    if (pick->holders == NULL || pick->sources == NULL) {
        return -P2P_EFULL;
    }
    return merge_init(&pick->merge, arena, PICK_FILES);
}

const struct merge_entry *pick_file(const struct pick *pick, uint32_t i, bool *out_other)
{
    const struct merge_entry *entry = merge_at(pick->merge, i);

    *out_other = false;
    if (pick->kind == PICK_CONTENT) {
        return i == 0 ? entry : NULL; /* all have the same bytes */
    }
    if (merge_best(pick->merge, entry->path, plat_wall_s()) == entry) {
        return entry;
    }
    *out_other = entry->hashed;
    return NULL;
}

struct str pick_place(const struct pick *pick, struct str path)
{
    if (pick->kind != PICK_FOLDER) {
        return name_base(path);
    }
    struct str folder = text_first(pick->what, pick->what.len - 1);
    return text_from_byte(path, folder.len - name_base(folder).len);
}
