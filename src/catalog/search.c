/* SPDX-License-Identifier: MIT */
/* The search task. First the very path, by hash. Where no text, or a node, is asked for, then all
 * offers in the order of their slots, which memory brings fastest. Else folders: where the needle
 * lies in a folder's text, or begins in it and ends in a name, all its names are looked at. Then
 * names, by pages that may hold the needle; those whose folder has it were seen before. A name
 * stays in its page and its folder's list as long as it lives, so nothing is missed or seen twice
 * while the catalog changes between the steps. Loop thread. */
#include "catalog/search.h"

#include "catalog/offers.h"
#include "catalog/pattern.h"
#include "catalog/ranking.h"

#include "base/text.h"

#include <string.h>

enum {
    SEARCH_PAGE_FOLDERS = TEXTS_PAGE / (TEXTS_RECORD_EXTRA + 1),
    /* units of work, about 100 ns each */
    SEARCH_COST_PAGE = 8,
    SEARCH_COST_NAME = 3,
    SEARCH_FREE = 8,   /* offers that are passed over for one unit */
    SEARCH_AHEAD = 24, /* pages whose signatures are fetched before they are asked for */
    SEARCH_BATCH = 32, /* cache lines that a small core can wait for, times a few */
    SEARCH_NEXT = 2,   /* results from one level to the next when they are given out */
    SEARCH_AGE_BITS = 40,
    SEARCH_HOLDERS_MAX = (1 << 20) - 1,
};

enum search_phase { SEARCH_BY_HASH, SEARCH_OFFERS, SEARCH_FOLDERS, SEARCH_NAMES, SEARCH_DONE };

struct search {
    struct catalog *catalog;
    uint32_t slot, matched, work;
    int64_t wall_s;
    enum search_phase phase;
    uint32_t page;  /* the next one */
    uint32_t ahead; /* one that may hold something, + 1: it comes in while that before is read */
    uint32_t offer; /* the last one that was looked at */
    uint32_t exact; /* the name that was found by hash */
    uint32_t freed; /* the catalog's count when it began */
    struct texts_filter filter, names_filter, suffix_filter;
    /* What pages are looked through for: the needle or, without one, the extension. */
    struct str part;
    size_t anchor; /* of part, for fold_find */
    /* The needle up to its last slash, when something follows, and that; in pattern.folded. */
    struct str suffix, tail;
    struct names_walk walk;
    bool walking, stopped;
    bool sifting; /* of the names walked over only those count that begin with the tail */
    uint16_t folder_at, folder_count;
    struct search_item {
        uint32_t name;
        struct str base;   /* where it must stand; ptr NULL: anywhere */
    } batch[SEARCH_BATCH]; /* names to look at, of one page or more; empty between steps */
    uint32_t batch_count;
    uint32_t found_at;
    struct pattern pattern;
    uint32_t folder[SEARCH_PAGE_FOLDERS]; /* of the page in hand, that match */
    struct ranking found;
};

size_t search_size(void)
{
    return sizeof(struct search);
}

static uint64_t search_age(const struct search *search, int64_t mtime)
{
    int64_t half = INT64_C(1) << (SEARCH_AGE_BITS - 1);
    int64_t age = lookup_age_rank(mtime, search->wall_s);
    age = age < -half ? -half : age >= half ? half - 1 : age;
    return (uint64_t)(age + half);
}

static uint64_t search_rank(const struct search *search, enum pattern_fit fit,
                            const struct tables_offer *offer)
{
    uint32_t holders = 1;
    if (offer->content)
        holders = tables_content(search->catalog, offer->content)->offers;
    if (holders > SEARCH_HOLDERS_MAX)
        holders = SEARCH_HOLDERS_MAX;
    return (uint64_t)fit << 60 | (uint64_t)holders << SEARCH_AGE_BITS |
           search_age(search, offer->mtime);
}

static bool search_node_fits(const struct search *search, uint32_t slot)
{
    const struct catalog_node *node = &tables_node(search->catalog, slot)->pub;
    struct str name = {node->name, node->name_len};
    return pattern_node_fits(&search->pattern, name, &node->id);
}

/* But for its node's name. */
static bool search_offer_may(const struct search *search, const struct tables_offer *offer)
{
    const struct pattern *pattern = &search->pattern;
    int64_t size = offers_size(offer);
    bool copy = offer->packed & TABLES_COPY;
    return size >= pattern->size_min && size <= pattern->size_max &&
           (pattern->kind == PATTERN_ANY || copy == (pattern->kind == PATTERN_COPY)) &&
           offers_shown(search->catalog, offer);
}

static bool search_offer_fits(const struct search *search, const struct tables_offer *offer)
{
    return search_offer_may(search, offer) && search_node_fits(search, offer->node);
}

static void search_spend(struct search *search, uint32_t units)
{
    search->work -= units < search->work ? units : search->work;
}

/* A match, of an offer that fits. */
static void search_count(struct search *search, uint32_t offer, enum pattern_fit fit)
{
    search->matched++;
    ranking_add(&search->found, search_rank(search, fit, tables_offer(search->catalog, offer)),
                offer);
}

static void search_match(struct search *search, uint32_t offer, enum pattern_fit fit)
{
    if (search_offer_fits(search, tables_offer(search->catalog, offer)))
        search_count(search, offer, fit);
}

/* A path, folded: the folder's part is made once for all names of a run that lie in it. Good only
 * until the catalog changes. */
struct search_path {
    uint32_t folder; /* 0: none yet */
    struct str in;   /* the folder, as it is */
    size_t folder_len, len;
    size_t from;          /* what begins before it ends in the folder */
    enum pattern_fit fit; /* of that, for a substring */
    bool seen;            /* the folder has the needle itself: its names were looked at before */
    char folded[FOLD_SIZE(P2P_PATH_MAX)];
};

static void search_path_init(struct search_path *path)
{
    path->folder = 0;
    path->in = (struct str){NULL, 0};
    path->folder_len = path->len = path->from = 0;
    path->fit = PATTERN_NO;
    path->seen = false;
}

static void search_enter(const struct search *search, struct search_path *path, uint32_t folder)
{
    struct str needle = pattern_needle(&search->pattern);
    if (path->folder == folder)
        return;
    path->folder = folder;
    path->in = names_folder_text(&search->catalog->names, folder);
    path->folder_len = fold_text(path->in, path->folded, sizeof(path->folded));
    struct str folded = {path->folded, path->folder_len};
    path->from = path->folder_len > needle.len ? path->folder_len - needle.len : 0;
    path->fit = PATTERN_NO;
    if (search->pattern.is_glob) {
        path->seen = needle.len > 0 && fold_find(folded, needle, 0, search->pattern.anchor) >= 0;
    } else {
        path->fit = pattern_fit_between(&search->pattern, folded, 0, path->from);
        path->seen = needle.len > 0 && path->fit != PATTERN_NO;
    }
}

static enum pattern_fit search_name_fit(const struct search *search, struct search_path *path,
                                        uint32_t name, struct str base)
{
    const struct names *names = &search->catalog->names;
    const struct pattern *pattern = &search->pattern;
    char text[P2P_PATH_MAX];
    search_enter(search, path, names_at(names, name)->folder);
    if (!pattern_ext_fits(pattern, base))
        return PATTERN_NO;
    path->len = path->folder_len + fold_text(base, path->folded + path->folder_len,
                                             sizeof(path->folded) - path->folder_len);
    struct str folded = {path->folded, path->len};
    size_t len = path->in.len + base.len;
    if (len == pattern->rest_len || len == pattern->whole_len)
        return pattern_fit(pattern, names_path(names, name, text), folded);
    if (pattern->is_glob || pattern->only_exact)
        return pattern_fit_folded(pattern, folded);
    enum pattern_fit fit = pattern_fit_between(pattern, folded, path->from, path->len);
    return fit > path->fit ? fit : path->fit;
}

/* Looks at a name that may fit, and at its offers. */
static void search_look_at(struct search *search, struct search_path *path,
                           const struct search_item *item)
{
    const struct catalog *catalog = search->catalog;
    uint32_t name = item->name;
    search_spend(search, SEARCH_COST_NAME);
    search_enter(search, path, names_at(&catalog->names, name)->folder);
    if (search->phase == SEARCH_NAMES && path->seen)
        return;
    struct str base = item->base.ptr ? item->base : names_base(&catalog->names, name);
    enum pattern_fit fit = search_name_fit(search, path, name, base);
    if (fit == PATTERN_NO)
        return;
    uint32_t offer = names_at(&catalog->names, name)->offers, count = 0;
    for (; offer && count < SEARCH_RANKED_MIN; count++) {
        search_match(search, offer, fit);
        offer = tables_offer(catalog, offer)->name_next;
    }
    search_spend(search, count / 2);
}

/* Leaves the names out whose text is not where it was found: what was found was no text. */
static void search_sieve(struct search *search)
{
    const struct names *names = &search->catalog->names;
    uint32_t count = 0;
    for (uint32_t i = 0; i < search->batch_count; i++) {
        struct search_item item = search->batch[i];
        if (!item.base.ptr ||
            names_at(names, item.name)->text == texts_number(&names->texts, item.base))
            search->batch[count++] = item;
    }
    search->batch_count = count;
}

/* Looks at all names of the batch. What they point to is scattered over memory, so it is fetched
 * for all of them at once, level by level. */
static void search_flush(struct search *search)
{
    const struct catalog *catalog = search->catalog;
    const struct names *names = &catalog->names;
    struct search_path path;
    search_path_init(&path);
    search_sieve(search);
    for (uint32_t i = 0; i < search->batch_count; i++) {
        const struct names_name *name = names_at(names, search->batch[i].name);
        __builtin_prefetch(tables_offer(catalog, name->offers));
        __builtin_prefetch(names_folder_at(names, name->folder));
        __builtin_prefetch(names->texts.pages + name->text);
    }
    for (uint32_t i = 0; i < search->batch_count; i++) {
        const struct names_name *name = names_at(names, search->batch[i].name);
        const struct tables_offer *offer = tables_offer(catalog, name->offers);
        if (offer->content)
            __builtin_prefetch(&tables_content(catalog, offer->content)->offers);
        __builtin_prefetch(names->texts.pages + names_folder_at(names, name->folder)->text);
    }
    for (uint32_t i = 0; i < search->batch_count; i++)
        search_look_at(search, &path, &search->batch[i]);
    search->batch_count = 0;
}

static void search_add(struct search *search, uint32_t name, struct str base)
{
    if (name == search->exact)
        return;
    __builtin_prefetch(names_at(&search->catalog->names, name));
    search->batch[search->batch_count++] = (struct search_item){name, base};
    if (search->batch_count == SEARCH_BATCH)
        search_flush(search);
}

static void search_by_hash(struct search *search)
{
    struct pattern *pattern = &search->pattern;
    struct names *names = &search->catalog->names;
    struct search_path path;
    search_path_init(&path);
    uint32_t name = names_find(names, (struct str){pattern->whole, pattern->whole_len});
    if (name == 0)
        name = names_find(names, (struct str){pattern->rest, pattern->rest_len});
    if (name)
        search_look_at(search, &path, &(struct search_item){.name = name});
    search->exact = name;
    search->phase = SEARCH_FOLDERS;
    if (pattern->only_exact)
        search->phase = SEARCH_DONE;
    else if (pattern->node_len > 0 || (pattern->needle_len == 0 && pattern->ext_len == 0))
        search->phase = SEARCH_OFFERS;
    else if (pattern->needle_len == 0)
        search->phase = SEARCH_NAMES;
}

/* Offers of one node mostly lie side by side, so that its name is compared once. */
static void search_offers(struct search *search)
{
    const struct catalog *catalog = search->catalog;
    uint32_t fresh = catalog->offers.fresh, node = 0;
    bool node_fits = false;
    struct search_path path;
    search_path_init(&path);
    while (search->offer < fresh && search->work > 0 && search->matched < SEARCH_RANKED_MIN) {
        const struct tables_offer *at = tables_offer(catalog, ++search->offer);
        search_spend(search, search->offer % SEARCH_FREE == 0);
        if (at->name == 0 || at->name == search->exact || !search_offer_may(search, at))
            continue;
        if (at->node != node)
            node_fits = search_node_fits(search, at->node);
        node = at->node;
        if (!node_fits)
            continue;
        search_spend(search, SEARCH_COST_NAME);
        enum pattern_fit fit =
            search_name_fit(search, &path, at->name, names_base(&catalog->names, at->name));
        if (fit != PATTERN_NO)
            search_count(search, search->offer, fit);
    }
    if (search->offer == fresh)
        search->phase = SEARCH_DONE;
}

static void search_by_content(struct search *search)
{
    const struct catalog *catalog = search->catalog;
    uint32_t content = offers_find_content(catalog, &search->pattern.content);
    uint32_t offer = content ? tables_content(catalog, content)->first : 0;
    for (; offer && search->matched <= SEARCH_RANKED_MIN;) {
        search_match(search, offer, PATTERN_EXACT);
        offer = tables_offer(catalog, offer)->content_next;
    }
    search->phase = SEARCH_DONE;
}

/* The number that stands before a text in which the needle lies. When it is no text but another
 * text's number, it is nobody's, which is found out here, or by search_sieve when it has the name.
 */
static void search_hit(struct search *search, uint32_t owner, struct str text)
{
    const struct names *names = &search->catalog->names;
    bool is_name = search->phase == SEARCH_NAMES;
    if (owner == 0 || owner > (is_name ? names->names.fresh : names->folders.fresh))
        return;
    if (is_name)
        search_add(search, owner, text);
    else if (names_folder_at(names, owner)->text == texts_number(&names->texts, text))
        search->folder[search->folder_count++] = owner;
}

/* An ASCII page is looked through as a whole, as it is. */
static void search_ascii_page(struct search *search, struct str page)
{
    ptrdiff_t hit;
    for (size_t at = 0; (hit = fold_find(page, search->part, at, search->anchor)) >= 0;) {
        uint32_t owner;
        struct str text = texts_around(page, (size_t)hit, &owner);
        search_hit(search, owner, text);
        at = (size_t)(text.ptr - page.ptr) + text.len + 1;
    }
    search_spend(search, SEARCH_COST_PAGE);
}

static bool search_folder_has(const struct search *search, struct str folded)
{
    return fold_find(folded, pattern_needle(&search->pattern), 0, search->pattern.anchor) >= 0;
}

/* The needle begins in the folder, whose text ends in a slash, and may end in a name there. */
static bool search_folder_begins(const struct search *search, struct str folded)
{
    return search->suffix.len > 0 && text_ends(folded, search->suffix);
}

static void search_take_folders(struct search *search, uint32_t page)
{
    const struct names *names = &search->catalog->names;
    char folded[FOLD_SIZE(P2P_PATH_MAX)];
    uint32_t owner;
    bool wide;
    size_t at = 0;
    struct str text, bytes = texts_page(&names->texts, page, &wide);
    search->folder_at = search->folder_count = 0;
    if (!wide && search->suffix.len == 0) {
        search_ascii_page(search, bytes);
        return;
    }
    while (texts_record(bytes, &at, &owner, &text)) {
        size_t len = fold_text(text, folded, sizeof(folded));
        struct str folder = {folded, len};
        if (search_folder_has(search, folder) || search_folder_begins(search, folder))
            search->folder[search->folder_count++] = owner;
    }
    search_spend(search, SEARCH_COST_PAGE);
}

/* Begins a walk over its names. The folder may have gone since its page was looked at, and its slot
 * may be another's. */
static void search_walk_begin(struct search *search, uint32_t folder)
{
    struct names *names = &search->catalog->names;
    char folded[FOLD_SIZE(P2P_PATH_MAX)];
    if (names_folder_at(names, folder)->count == 0)
        return;
    size_t len = fold_text(names_folder_text(names, folder), folded, sizeof(folded));
    struct str text = {folded, len};
    search->sifting = !search_folder_has(search, text);
    if (search->sifting && !search_folder_begins(search, text))
        return;
    search->walking = true;
    names_walk_begin(names, &search->walk, folder);
}

/* Names lie side by side, what they point to does not: in a folder of very many, most are passed
 * over by their first bytes alone. Only names that fold byte by byte can be. */
static bool search_is_sifted_out(const struct search *search, uint32_t name)
{
    struct str tail = search->tail, base = names_base(&search->catalog->names, name);
    return fold_is_ascii(base) &&
           (base.len < tail.len || fold_find(text_first(base, tail.len), tail, 0, 0) != 0);
}

static void search_walk(struct search *search)
{
    struct names *names = &search->catalog->names;
    uint32_t name = 1;
    while (name && search->work > 0 && search->matched < SEARCH_RANKED_MIN) {
        uint32_t room = search->work / SEARCH_COST_NAME + 1;
        for (uint32_t i = 0; name && i < SEARCH_BATCH && i < room; i++) {
            name = names_walk_next(names, &search->walk);
            if (name && search->sifting && search_is_sifted_out(search, name))
                search_spend(search, 1);
            else if (name)
                search_add(search, name, (struct str){NULL, 0});
        }
        search_flush(search);
    }
    if (name)
        return;
    names_walk_end(names, &search->walk);
    search->walking = false;
}

static bool search_page_may(const struct search *search, uint32_t page)
{
    const struct texts *texts = &search->catalog->names.texts;
    if (search->phase == SEARCH_NAMES)
        return texts_may_hold(texts, page, TEXTS_BASE, &search->names_filter);
    return texts_may_hold(texts, page, TEXTS_FOLDER, &search->filter) ||
           (search->suffix.len > 0 &&
            texts_may_hold(texts, page, TEXTS_FOLDER, &search->suffix_filter));
}

static const struct texts_filter *search_filter(const struct search *search)
{
    return search->phase == SEARCH_NAMES ? &search->names_filter : &search->filter;
}

/* True: a page that may hold something is in hand (search->page - 1). */
static bool search_next_page(struct search *search)
{
    const struct texts *texts = &search->catalog->names.texts;
    enum texts_kind kind = search->phase == SEARCH_NAMES ? TEXTS_BASE : TEXTS_FOLDER;
    while (search->page < texts->fresh && search->work > 0) {
        uint32_t page = search->page++;
        if (page % TEXTS_GROUP == 0) {
            search->work--;
            if (texts_any(texts, page + SEARCH_AHEAD, kind))
                texts_expect(texts, page + SEARCH_AHEAD, search_filter(search));
            if (!texts_any(texts, page, kind))
                search->page += TEXTS_GROUP - 1;
        }
        if (!texts_is(texts, page, kind))
            continue;
        if (search_page_may(search, page))
            return true;
    }
    return false;
}

static void search_folders(struct search *search)
{
    if (search->walking) {
        search_walk(search);
    } else if (search->folder_at < search->folder_count) {
        search_walk_begin(search, search->folder[search->folder_at++]);
    } else if (search_next_page(search)) {
        search_take_folders(search, search->page - 1);
    } else if (search->page >= search->catalog->names.texts.fresh) {
        search->page = 0;
        bool slash = text_find(pattern_needle(&search->pattern), '/') >= 0;
        search->phase = slash ? SEARCH_DONE : SEARCH_NAMES;
    }
}

/* Names of a page with other letters than ASCII are folded one by one. */
static void search_wide_page(struct search *search, struct str page)
{
    struct str text;
    char folded[FOLD_SIZE(P2P_PART_MAX)];
    uint32_t name;
    size_t at = 0;
    while (texts_record(page, &at, &name, &text)) {
        size_t len = fold_text(text, folded, sizeof(folded));
        if (fold_find((struct str){folded, len}, search->part, 0, search->anchor) >= 0)
            search_add(search, name, (struct str){NULL, 0});
    }
    search_spend(search, SEARCH_COST_PAGE);
}

static void search_page(struct search *search, uint32_t number)
{
    bool wide;
    struct str page = texts_page(&search->catalog->names.texts, number, &wide);
    if (wide)
        search_wide_page(search, page);
    else
        search_ascii_page(search, page);
}

static void search_names(struct search *search)
{
    uint32_t page = search->ahead;
    search->ahead = search_next_page(search) ? search->page : 0;
    if (search->ahead)
        texts_expect_page(&search->catalog->names.texts, search->ahead - 1);
    if (page)
        search_page(search, page - 1);
    if (page || search->ahead)
        return;
    search_flush(search);
    if (search->page >= search->catalog->names.texts.fresh)
        search->phase = SEARCH_DONE;
}

/* Until the next step pages and names may change. */
static void search_pause(struct search *search)
{
    if (search->ahead)
        search_page(search, search->ahead - 1);
    search->ahead = 0;
    search_flush(search);
}

bool search_step(struct search *search, uint32_t max_work)
{
    search->work = max_work;
    while (search->phase != SEARCH_DONE && search->work > 0) {
        if (search->matched >= SEARCH_RANKED_MIN)
            search->phase = SEARCH_DONE;
        else if (search->phase == SEARCH_BY_HASH && search->pattern.by_content)
            search_by_content(search);
        else if (search->phase == SEARCH_BY_HASH)
            search_by_hash(search);
        else if (search->phase == SEARCH_OFFERS)
            search_offers(search);
        else if (search->phase == SEARCH_FOLDERS)
            search_folders(search);
        else
            search_names(search);
        if (search->phase == SEARCH_DONE)
            ranking_sort(&search->found);
    }
    if (search->phase != SEARCH_DONE)
        search_pause(search);
    return search->phase != SEARCH_DONE;
}

void search_stop(struct search *search)
{
    if (search->phase == SEARCH_DONE)
        return;
    search->phase = SEARCH_DONE;
    search->stopped = true;
    ranking_sort(&search->found);
}

/* What pages must hold. Of a needle that a name may end, also its part up to the last slash. */
static void search_set_filters(struct search *search)
{
    struct str needle = pattern_needle(&search->pattern);
    struct str ext = {search->pattern.ext, search->pattern.ext_len};
    size_t head = (size_t)(text_find_last(needle, '/') + 1);
    search->part = needle.len > 0 ? needle : ext;
    search->anchor = fold_anchor(search->part);
    texts_filter_add(&search->filter, needle);
    search->names_filter = search->filter;
    texts_filter_add(&search->names_filter, ext);
    if (head > 0 && head < needle.len && !search->pattern.is_glob) {
        search->suffix = text_first(needle, head);
        search->tail = text_from_byte(needle, head);
        texts_filter_add(&search->suffix_filter, search->suffix);
    }
}

static int search_take(struct catalog *catalog, uint32_t limit, struct search **out)
{
    uint32_t slot = pool_take(&catalog->searches);
    *out = NULL;
    if (slot == 0)
        return -P2P_EBUSY;
    struct search *search = pool_at(&catalog->searches, slot);
    search->catalog = catalog;
    search->slot = slot;
    search->freed = catalog->freed;
    search->found.limit = limit < P2P_RESULTS_MAX ? limit : P2P_RESULTS_MAX;
    *out = search;
    return 0;
}

int search_open(struct catalog *catalog, const struct search_request *request, struct search **out,
                const char **out_fault)
{
    *out_fault = NULL;
    int rc = search_take(catalog, request->limit, out);
    if (rc != 0)
        return rc;
    rc = pattern_parse(&(*out)->pattern, request->text, out_fault);
    if (rc != 0) {
        search_close(*out);
        *out = NULL;
        return rc;
    }
    (*out)->wall_s = request->wall_s;
    search_set_filters(*out);
    return 0;
}

int search_open_content(struct catalog *catalog, const struct record_content *content,
                        uint32_t limit, struct search **out)
{
    int rc = search_take(catalog, limit, out);
    if (rc != 0)
        return rc;
    (*out)->pattern.size_max = P2P_FILE_MAX;
    (*out)->pattern.by_content = true;
    (*out)->pattern.content = *content;
    return 0;
}

/* The offer may have gone since it was found, and its slot may be another's. */
static bool search_still_fits(const struct search *search, uint32_t offer)
{
    const struct tables_offer *at = tables_offer(search->catalog, offer);
    struct search_path path;
    search_path_init(&path);
    if (at->name == 0 || !search_offer_fits(search, at))
        return false;
    if (search->freed == search->catalog->freed)
        return true;
    if (!search->pattern.by_content)
        return search_name_fit(search, &path, at->name,
                               names_base(&search->catalog->names, at->name)) != PATTERN_NO;
    return at->content && memcmp(&tables_content(search->catalog, at->content)->sha256,
                                 &search->pattern.content, sizeof(struct record_content)) == 0;
}

/* What the next results point to comes in while this one is written, a level each. */
static void search_expect_found(const struct search *search)
{
    const struct catalog *catalog = search->catalog;
    const struct names *names = &catalog->names;
    const struct ranking *found = &search->found;
    uint32_t at = search->found_at;
    if (at + 3 * SEARCH_NEXT >= found->count)
        return;
    __builtin_prefetch(tables_offer(catalog, found->entry[at + 3 * SEARCH_NEXT].offer));
    const struct tables_offer *offer =
        tables_offer(catalog, found->entry[at + 2 * SEARCH_NEXT].offer);
    __builtin_prefetch(&names->names.items[offer->name * sizeof(struct names_name)]);
    __builtin_prefetch(&catalog->contents.items[offer->content * sizeof(struct tables_content)]);
    offer = tables_offer(catalog, found->entry[at + SEARCH_NEXT].offer);
    if (offer->name == 0)
        return;
    const struct names_name *name = names_at(names, offer->name);
    __builtin_prefetch(names->texts.pages + name->text);
    __builtin_prefetch(names->texts.pages + names_folder_at(names, name->folder)->text);
}

int search_next(struct search *search, struct lookup_offer *out)
{
    while (search->found_at < search->found.count) {
        uint32_t offer = search->found.entry[search->found_at].offer;
        search_expect_found(search);
        search->found_at++;
        if (search_still_fits(search, offer)) {
            lookup_read(search->catalog, offer, out);
            return 1;
        }
    }
    return 0;
}

bool search_truncated(const struct search *search)
{
    return search->stopped || search->matched > search->found.count;
}

void search_close(struct search *search)
{
    if (!search)
        return;
    if (search->walking)
        names_walk_end(&search->catalog->names, &search->walk);
    pool_give(&search->catalog->searches, search->slot);
}
