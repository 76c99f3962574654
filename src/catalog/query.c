/* SPDX-License-Identifier: MIT */
/* Parsing and matching of search texts. Everything is folded before it is compared, so case and the
 * two forms of accented letters make no difference, in globs too. Pure; any thread. */
#include "catalog/query.h"

#include "base/name.h"
#include "base/text.h"

#include <string.h>

static bool query_take(struct str word, const char *prefix, struct str *out_value)
{
    struct str begin = text_from(prefix);
    if (!text_begins(word, begin))
        return false;
    *out_value = text_from_byte(word, begin.len);
    return true;
}

static const char *query_parse_size(struct str value, int64_t *bound, int by)
{
    uint64_t size;
    if (text_to_size(value, &size) != 0 || size > P2P_FILE_MAX)
        return "size> and size< want a size such as 10M";
    *bound = (int64_t)size + by;
    return NULL;
}

static const char *query_parse_kind(struct query *query, struct str value)
{
    if (text_is(value, "owned"))
        query->kind = QUERY_OWNED;
    else if (text_is(value, "copy"))
        query->kind = QUERY_COPY;
    else
        return "kind: wants owned or copy";
    return NULL;
}

static const char *query_parse_ext(struct query *query, struct str value)
{
    if (value.len > 0 && value.ptr[0] == '.')
        value = text_from_byte(value, 1);
    query->ext_len = (uint16_t)fold_text(value, query->ext, sizeof(query->ext));
    return query->ext_len > 0 ? NULL : "ext: wants an extension such as iso";
}

static const char *query_parse_node(struct query *query, struct str value)
{
    query->node_len = (uint16_t)value.len;
    memcpy(query->node, value.ptr, value.len);
    return value.len > 0 ? NULL : "node: wants a name or at least 8 digits of an id";
}

/* True: the word is a filter; *out_fault is set when it is a bad one. */
static bool query_parse_filter(struct query *query, struct str word, const char **out_fault)
{
    struct str value;
    if (query_take(word, "size>", &value))
        *out_fault = query_parse_size(value, &query->size_min, 1);
    else if (query_take(word, "size<", &value))
        *out_fault = query_parse_size(value, &query->size_max, -1);
    else if (query_take(word, "ext:", &value))
        *out_fault = query_parse_ext(query, value);
    else if (query_take(word, "node:", &value))
        *out_fault = query_parse_node(query, value);
    else if (query_take(word, "kind:", &value))
        *out_fault = query_parse_kind(query, value);
    else
        return false;
    return true;
}

/* The "]" of the set that begins at i, or the end: a "]" at the very beginning is a member. */
static uint16_t query_set_end(const struct query *query, uint16_t i)
{
    const char *text = query->folded;
    uint16_t len = query->folded_len;
    i++;
    if (i < len && (text[i] == '!' || text[i] == '^'))
        i++;
    if (i < len && text[i] == ']')
        i++;
    while (i < len && text[i] != ']')
        i++;
    return i;
}

/* The longest run of plain characters of a glob within one part: a folder or a base must have it.
 */
static void query_find_needle(struct query *query)
{
    uint16_t start = 0;
    for (uint16_t i = 0; i <= query->folded_len; i++) {
        char byte = i < query->folded_len ? query->folded[i] : '*';
        if (byte != '*' && byte != '?' && byte != '[' && byte != '/')
            continue;
        if (i - start > query->needle_len) {
            query->needle_at = start;
            query->needle_len = (uint16_t)(i - start);
        }
        if (byte == '[')
            i = query_set_end(query, i);
        start = (uint16_t)(i + 1);
    }
}

struct str query_needle(const struct query *query)
{
    return (struct str){query->folded + query->needle_at, query->needle_len};
}

static void query_set_rest(struct query *query)
{
    struct str rest = text_trim((struct str){query->rest, query->rest_len});
    memmove(query->rest, rest.ptr, rest.len);
    query->rest_len = (uint16_t)rest.len;
    rest.ptr = query->rest;
    query->folded_len = (uint16_t)fold_text(rest, query->folded, sizeof(query->folded));
    query->is_glob = name_is_glob(rest);
    query->is_base_glob = query->is_glob && text_find(rest, '/') < 0;
    query->needle_at = 0;
    query->needle_len = query->is_glob ? 0 : query->folded_len;
    if (query->is_glob)
        query_find_needle(query);
    query->anchor = (uint16_t)fold_anchor(query_needle(query));
}

static void query_add_word(struct query *query, struct str word, bool first)
{
    if (!first)
        query->rest[query->rest_len++] = ' ';
    memcpy(query->rest + query->rest_len, word.ptr, word.len);
    query->rest_len = (uint16_t)(query->rest_len + word.len);
}

int query_parse(struct query *query, struct str text, const char **out_fault)
{
    struct str word, words = text_trim(text);
    *out_fault = NULL;
    *query = (struct query){.size_min = 0, .size_max = P2P_FILE_MAX};
    if (text.len > P2P_PATH_MAX) {
        *out_fault = "the text is longer than a path can be";
        return -P2P_ETOOBIG;
    }
    query->whole_len = (uint16_t)text.len;
    if (text.len > 0)
        memcpy(query->whole, text.ptr, text.len);
    query->only_exact = words.len > P2P_PATTERN_MAX;
    if (query->only_exact)
        return 0;
    query->by_content = text_hex_decode(words, query->content.bytes, P2P_SHA256_SIZE) == 0;
    bool first = true;
    while (!*out_fault && text_split(&words, ' ', &word)) {
        if (query_parse_filter(query, word, out_fault))
            continue;
        query_add_word(query, word, first);
        first = false;
    }
    query_set_rest(query);
    return *out_fault ? -P2P_EINVAL : 0;
}

/* Bytes of characters beyond ASCII count as letters. */
static bool query_is_letter(char byte)
{
    uint8_t b = (uint8_t)byte;
    return b >= 0x80 || (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9');
}

static enum query_fit query_fit_at(struct str path, size_t at, size_t len)
{
    bool part = at == 0 || path.ptr[at - 1] == '/';
    bool end = at + len == path.len;
    if (part && end && (at == 0 || memchr(path.ptr + at, '/', len) == NULL))
        return QUERY_EXACT;
    bool begins = at == 0 || !query_is_letter(path.ptr[at - 1]) || !query_is_letter(path.ptr[at]);
    bool ends =
        end || !query_is_letter(path.ptr[at + len]) || !query_is_letter(path.ptr[at + len - 1]);
    if (begins && ends)
        return QUERY_WORD;
    return part ? QUERY_PREFIX : QUERY_SUBSTRING;
}

static enum query_fit query_fit_substring(const struct query *query, struct str folded)
{
    struct str needle = {query->folded, query->folded_len};
    enum query_fit best = QUERY_NO;
    if (needle.len == 0)
        return QUERY_SUBSTRING;
    ptrdiff_t at = fold_find(folded, needle, 0, query->anchor);
    while (at >= 0 && best < QUERY_EXACT) {
        enum query_fit fit = query_fit_at(folded, (size_t)at, needle.len);
        best = fit > best ? fit : best;
        at = fold_find(folded, needle, (size_t)at + 1, query->anchor);
    }
    return best;
}

enum query_fit query_fit(const struct query *query, struct str path, struct str folded)
{
    struct str glob = {query->folded, query->folded_len};
    if (text_equal(path, (struct str){query->rest, query->rest_len}) ||
        text_equal(path, (struct str){query->whole, query->whole_len}))
        return QUERY_EXACT;
    if (query->only_exact)
        return QUERY_NO;
    if (!query->is_glob)
        return query_fit_substring(query, folded);
    bool fits =
        name_glob(glob, folded) || (query->is_base_glob && name_glob(glob, name_base(folded)));
    return fits ? QUERY_SUBSTRING : QUERY_NO;
}

bool query_ext_fits(const struct query *query, struct str base)
{
    char folded[FOLD_SIZE(P2P_PART_MAX)];
    if (query->ext_len == 0)
        return true;
    struct str ext = name_extension(base);
    size_t len = fold_text(ext, folded, sizeof(folded));
    return len == query->ext_len && memcmp(folded, query->ext, len) == 0;
}

bool query_node_fits(const struct query *query, struct str name, const struct record_id *id)
{
    struct str node = {query->node, query->node_len};
    char hex[2 * P2P_ID_SIZE + 1], a[FOLD_SIZE(P2P_NODE_NAME_MAX)], b[FOLD_SIZE(P2P_PATTERN_MAX)];
    if (node.len == 0)
        return true;
    struct str name_folded = {a, fold_text(name, a, sizeof(a))};
    struct str node_folded = {b, fold_text(node, b, sizeof(b))};
    if (text_equal(name_folded, node_folded))
        return true;
    text_hex_encode(id->bytes, P2P_ID_SIZE, hex);
    return node.len >= QUERY_ID_MIN && text_begins((struct str){hex, sizeof(hex) - 1}, node_folded);
}
