/* SPDX-License-Identifier: MIT */
/* Parsing and matching of search texts. Everything is folded before it is compared, so case and the
 * two forms of accented letters make no difference, in globs too. Pure; any thread. */
#include "catalog/pattern.h"

#include "base/name.h"
#include "base/text.h"

#include <string.h>

static bool pattern_take(struct str word, const char *prefix, struct str *out_value)
{
    struct str begin = text_from(prefix);
    if (!text_begins(word, begin))
        return false;
    *out_value = text_from_byte(word, begin.len);
    return true;
}

static const char *pattern_parse_size(struct str value, int64_t *bound, int by)
{
    uint64_t size;
    if (text_to_size(value, &size) != 0 || size > P2P_FILE_MAX)
        return "size> and size< want a size such as 10M";
    *bound = (int64_t)size + by;
    return NULL;
}

static const char *pattern_parse_kind(struct pattern *pattern, struct str value)
{
    if (text_is(value, "owned"))
        pattern->kind = PATTERN_OWNED;
    else if (text_is(value, "copy"))
        pattern->kind = PATTERN_COPY;
    else
        return "kind: wants owned or copy";
    return NULL;
}

static const char *pattern_parse_ext(struct pattern *pattern, struct str value)
{
    if (value.len > 0 && value.ptr[0] == '.')
        value = text_from_byte(value, 1);
    pattern->ext[0] = '.';
    pattern->ext_len = (uint16_t)(1 + fold_text(value, pattern->ext + 1, sizeof(pattern->ext) - 1));
    return value.len > 0 ? NULL : "ext: wants an extension such as iso";
}

static const char *pattern_parse_node(struct pattern *pattern, struct str value)
{
    pattern->node_len = (uint16_t)value.len;
    memcpy(pattern->node, value.ptr, value.len);
    return value.len > 0 ? NULL : "node: wants a name or at least 8 digits of an id";
}

/* True: the word is a filter; *out_fault is set when it is a bad one. */
static bool pattern_parse_filter(struct pattern *pattern, struct str word, const char **out_fault)
{
    struct str value;
    if (pattern_take(word, "size>", &value))
        *out_fault = pattern_parse_size(value, &pattern->size_min, 1);
    else if (pattern_take(word, "size<", &value))
        *out_fault = pattern_parse_size(value, &pattern->size_max, -1);
    else if (pattern_take(word, "ext:", &value))
        *out_fault = pattern_parse_ext(pattern, value);
    else if (pattern_take(word, "node:", &value))
        *out_fault = pattern_parse_node(pattern, value);
    else if (pattern_take(word, "kind:", &value))
        *out_fault = pattern_parse_kind(pattern, value);
    else
        return false;
    return true;
}

/* The "]" of the set that begins at i, or the end: a "]" at the very beginning is a member. */
static uint16_t pattern_set_end(const struct pattern *pattern, uint16_t i)
{
    const char *text = pattern->folded;
    uint16_t len = pattern->folded_len;
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
static void pattern_find_needle(struct pattern *pattern)
{
    uint16_t start = 0;
    for (uint16_t i = 0; i <= pattern->folded_len; i++) {
        char byte = i < pattern->folded_len ? pattern->folded[i] : '*';
        if (byte != '*' && byte != '?' && byte != '[' && byte != '/')
            continue;
        if (i - start > pattern->needle_len) {
            pattern->needle_at = start;
            pattern->needle_len = (uint16_t)(i - start);
        }
        if (byte == '[')
            i = pattern_set_end(pattern, i);
        start = (uint16_t)(i + 1);
    }
}

struct str pattern_needle(const struct pattern *pattern)
{
    return (struct str){pattern->folded + pattern->needle_at, pattern->needle_len};
}

static void pattern_set_rest(struct pattern *pattern)
{
    struct str rest = text_trim((struct str){pattern->rest, pattern->rest_len});
    memmove(pattern->rest, rest.ptr, rest.len);
    pattern->rest_len = (uint16_t)rest.len;
    rest.ptr = pattern->rest;
    pattern->folded_len = (uint16_t)fold_text(rest, pattern->folded, sizeof(pattern->folded));
    pattern->is_glob = name_is_glob(rest);
    pattern->is_base_glob = pattern->is_glob && text_find(rest, '/') < 0;
    pattern->needle_at = 0;
    pattern->needle_len = pattern->is_glob ? 0 : pattern->folded_len;
    if (pattern->is_glob)
        pattern_find_needle(pattern);
    pattern->anchor = (uint16_t)fold_anchor(pattern_needle(pattern));
}

static void pattern_add_word(struct pattern *pattern, struct str word, bool first)
{
    if (!first)
        pattern->rest[pattern->rest_len++] = ' ';
    memcpy(pattern->rest + pattern->rest_len, word.ptr, word.len);
    pattern->rest_len = (uint16_t)(pattern->rest_len + word.len);
}

int pattern_parse(struct pattern *pattern, struct str text, const char **out_fault)
{
    struct str word, words = text_trim(text);
    *out_fault = NULL;
    *pattern = (struct pattern){.size_min = 0, .size_max = P2P_FILE_MAX};
    if (text.len > P2P_PATH_MAX) {
        *out_fault = "the text is longer than a path can be";
        return -P2P_ETOOBIG;
    }
    pattern->whole_len = (uint16_t)text.len;
    if (text.len > 0)
        memcpy(pattern->whole, text.ptr, text.len);
    pattern->only_exact = words.len > P2P_PATTERN_MAX;
    if (pattern->only_exact)
        return 0;
    pattern->by_content = text_hex_decode(words, pattern->content.bytes, P2P_SHA256_SIZE) == 0;
    bool first = true;
    while (!*out_fault && text_split(&words, ' ', &word)) {
        if (pattern_parse_filter(pattern, word, out_fault))
            continue;
        pattern_add_word(pattern, word, first);
        first = false;
    }
    pattern_set_rest(pattern);
    return *out_fault ? -P2P_EINVAL : 0;
}

/* Bytes of characters beyond ASCII count as letters. */
static bool pattern_is_letter(char byte)
{
    uint8_t b = (uint8_t)byte;
    return b >= 0x80 || (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9');
}

static enum pattern_fit pattern_fit_at(struct str path, size_t at, size_t len)
{
    bool part = at == 0 || path.ptr[at - 1] == '/';
    bool end = at + len == path.len;
    if (part && end && (at == 0 || memchr(path.ptr + at, '/', len) == NULL))
        return PATTERN_EXACT;
    bool begins =
        at == 0 || !pattern_is_letter(path.ptr[at - 1]) || !pattern_is_letter(path.ptr[at]);
    bool ends =
        end || !pattern_is_letter(path.ptr[at + len]) || !pattern_is_letter(path.ptr[at + len - 1]);
    if (begins && ends)
        return PATTERN_WORD;
    return part ? PATTERN_PREFIX : PATTERN_SUBSTRING;
}

enum pattern_fit pattern_fit_between(const struct pattern *pattern, struct str folded, size_t from,
                                     size_t end)
{
    struct str needle = {pattern->folded, pattern->folded_len};
    enum pattern_fit best = PATTERN_NO;
    if (needle.len == 0)
        return PATTERN_SUBSTRING;
    ptrdiff_t at = fold_find(folded, needle, from, pattern->anchor);
    while (at >= 0 && (size_t)at < end && best < PATTERN_EXACT) {
        enum pattern_fit fit = pattern_fit_at(folded, (size_t)at, needle.len);
        best = fit > best ? fit : best;
        at = fold_find(folded, needle, (size_t)at + 1, pattern->anchor);
    }
    return best;
}

enum pattern_fit pattern_fit_folded(const struct pattern *pattern, struct str folded)
{
    struct str glob = {pattern->folded, pattern->folded_len};
    if (pattern->only_exact)
        return PATTERN_NO;
    if (!pattern->is_glob)
        return pattern_fit_between(pattern, folded, 0, folded.len);
    bool fits =
        name_glob(glob, folded) || (pattern->is_base_glob && name_glob(glob, name_base(folded)));
    return fits ? PATTERN_SUBSTRING : PATTERN_NO;
}

enum pattern_fit pattern_fit(const struct pattern *pattern, struct str path, struct str folded)
{
    if (text_equal(path, (struct str){pattern->rest, pattern->rest_len}) ||
        text_equal(path, (struct str){pattern->whole, pattern->whole_len}))
        return PATTERN_EXACT;
    return pattern_fit_folded(pattern, folded);
}

bool pattern_ext_fits(const struct pattern *pattern, struct str base)
{
    char folded[FOLD_SIZE(P2P_PART_MAX)];
    if (pattern->ext_len == 0)
        return true;
    size_t len = fold_text(base, folded, sizeof(folded));
    return text_ends((struct str){folded, len}, (struct str){pattern->ext, pattern->ext_len});
}

bool pattern_node_fits(const struct pattern *pattern, struct str name, const struct record_id *id)
{
    struct str node = {pattern->node, pattern->node_len};
    char hex[2 * P2P_ID_SIZE + 1], a[FOLD_SIZE(P2P_NODE_NAME_MAX)], b[FOLD_SIZE(P2P_PATTERN_MAX)];
    if (node.len == 0)
        return true;
    struct str name_folded = {a, fold_text(name, a, sizeof(a))};
    struct str node_folded = {b, fold_text(node, b, sizeof(b))};
    if (text_equal(name_folded, node_folded))
        return true;
    text_hex_encode(id->bytes, P2P_ID_SIZE, hex);
    return node.len >= PATTERN_ID_MIN &&
           text_begins((struct str){hex, sizeof(hex) - 1}, node_folded);
}
