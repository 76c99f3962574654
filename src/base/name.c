/* SPDX-License-Identifier: MIT */
/* The rule for names, and the patterns that match them. It guards the disk (no way out of the
 * share, nothing hidden), the terminal (no control byte) and the wire (UTF-8), so it is asked at
 * every door. Pure; any thread. */
#include "base/name.h"

#include "base/text.h"

#include <string.h>

static const char *name_part_fault(const char *part, size_t len, bool control)
{
    if (len == 0)
        return "a part is empty";
    if (part[0] == '.')
        return "a part begins with a dot";
    if (len > P2P_PART_MAX)
        return "a part is over 255 bytes";
    return control ? "it has a control character" : NULL;
}

/* The parts of the words at the beginning that are plain ASCII without control characters. Moves
 * *at behind these words, *begin behind their last slash. */
static const char *name_words_fault(struct str path, size_t *at, size_t *begin)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
    const char *fault = NULL;
    size_t i = *at;
    for (uint64_t word; i + sizeof(word) <= path.len && !fault; i += sizeof(word)) {
        memcpy(&word, path.ptr + i, sizeof(word));
        uint64_t del = word ^ ones * 0x7f, slash = word ^ ones * '/';
        if (((word | (word - ones * ' ') | (del - ones)) & highs) != 0)
            break;
        uint64_t ends = ~(slash + ones * 0x7f) & highs; /* bit 7 of each slash */
        for (; ends != 0 && !fault; ends &= ends - 1) {
            size_t end = i + (size_t)__builtin_ctzll(ends) / 8;
            fault = name_part_fault(path.ptr + *begin, end - *begin, false);
            *begin = end + 1;
        }
    }
    *at = i;
    return fault;
}

/* One pass over the bytes: an index asks this of each line that it is told. */
const char *name_fault(struct str path)
{
    const char *fault = NULL;
    size_t i = 0, begin = 0;
    bool control = false, wide = false;
    if (path.len == 0)
        return "it is empty";
    if (path.len > P2P_PATH_MAX)
        return "it is over 1024 bytes";
    if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
        fault = name_words_fault(path, &i, &begin);
    for (; i < path.len && !fault; i++) {
        uint8_t byte = (uint8_t)path.ptr[i];
        control |= (byte < 0x20) | (byte == 0x7f);
        wide |= byte >= 0x80;
        if (byte == '/') {
            fault = name_part_fault(path.ptr + begin, i - begin, control);
            begin = i + 1;
        }
    }
    if (!fault && begin == path.len)
        fault = "it ends in a slash";
    if (!fault)
        fault = name_part_fault(path.ptr + begin, path.len - begin, control);
    if (!fault && wide && !text_is_utf8(path))
        fault = "it is not UTF-8";
    return fault;
}

const char *name_node_fault(struct str name)
{
    if (name.len == 0)
        return "it is empty";
    if (name.len > P2P_NODE_NAME_MAX)
        return "it is over 63 bytes";
    for (size_t i = 0; i < name.len; i++) {
        char byte = name.ptr[i];
        bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        if (!letter && !(byte >= '0' && byte <= '9') && byte != '-' && byte != '_')
            return "it has something else than letters, digits, - and _";
    }
    return NULL;
}

struct str name_base(struct str path)
{
    return text_from_byte(path, (size_t)(text_find_last(path, '/') + 1));
}

struct str name_folder(struct str path)
{
    ptrdiff_t slash = text_find_last(path, '/');
    return text_first(path, slash < 0 ? 0 : (size_t)slash);
}

/* Takes one character off; broken bytes become numbers that no character has, so that they match
 * only themselves. */
static int32_t name_take_rune(struct str *text)
{
    size_t len = 1;
    uint8_t byte = (uint8_t)text->ptr[0];
    int32_t rune = byte < 0x80 ? byte : text_next_rune(*text, &len);
    if (rune < 0)
        rune = 0x110000 + byte;
    *text = text_from_byte(*text, len);
    return rune;
}

/* pattern stands behind a "[". Moves it behind the "]" and tells whether rune is in the set;
 * without a "]" pattern is left alone, and the "[" counts as itself. A "]" at the very beginning is
 * a member. */
static bool name_match_set(struct str *pattern, int32_t rune)
{
    struct str at = *pattern;
    bool negated = text_begins(at, STR("!")) || text_begins(at, STR("^"));
    bool found = false;
    if (negated)
        at = text_from_byte(at, 1);
    for (bool first = true; at.len > 0; first = false) {
        int32_t low = name_take_rune(&at);
        if (low == ']' && !first) {
            *pattern = at;
            return found != negated;
        }
        int32_t high = low;
        if (at.len >= 2 && at.ptr[0] == '-' && at.ptr[1] != ']') {
            at = text_from_byte(at, 1);
            high = name_take_rune(&at);
        }
        found = found || (rune >= low && rune <= high);
    }
    return rune == '[';
}

/* Matches one character of the pattern (not a star) against one of the text; both are taken off. */
static bool name_match_one(struct str *pattern, struct str *text)
{
    int32_t rune = name_take_rune(text);
    int32_t wanted = name_take_rune(pattern);
    if (wanted == '?')
        return true;
    if (wanted == '[')
        return name_match_set(pattern, rune);
    return wanted == rune;
}

/* Where in the text what follows a star may begin at the earliest: most patterns say its first
 * byte. */
static struct str name_after_star(struct str pattern, struct str text)
{
    char byte = pattern.len > 0 ? pattern.ptr[0] : '*';
    ptrdiff_t at = 0;
    if (pattern.len == 0)
        at = -1; /* nothing: at the end */
    else if ((uint8_t)byte < 0x80 && byte != '*' && byte != '?' && byte != '[')
        at = text_find(text, byte);
    return text_from_byte(text, at < 0 ? text.len : (size_t)at);
}

bool name_glob(struct str pattern, struct str text)
{
    /* Only the last star can have to take more: what an earlier one took was enough for all up to
     * the last. */
    struct str star = {0}, retry = {0};
    bool starred = false;
    for (;;) {
        if (pattern.len > 0 && pattern.ptr[0] == '*') {
            pattern = text_from_byte(pattern, 1);
            star = pattern;
            retry = text = name_after_star(star, text);
            starred = true;
        } else if (pattern.len == 0 && text.len == 0) {
            return true;
        } else if (pattern.len == 0 || text.len == 0 || !name_match_one(&pattern, &text)) {
            if (!starred || retry.len == 0)
                return false;
            name_take_rune(&retry);
            pattern = star;
            retry = text = name_after_star(star, retry);
        }
    }
}

bool name_is_glob(struct str pattern)
{
    return text_find(pattern, '*') >= 0 || text_find(pattern, '?') >= 0 ||
           text_find(pattern, '[') >= 0;
}

bool name_is_ignored(struct str patterns, struct str path)
{
    struct str pattern;
    while (text_split(&patterns, ',', &pattern)) {
        pattern = text_trim(pattern);
        bool whole = text_find(pattern, '/') >= 0;
        if (pattern.len > 0 && name_glob(pattern, whole ? path : name_base(path)))
            return true;
    }
    return false;
}

/* Ranges of capitals: every step-th character of first..last folds by delta (Unicode's simple
 * folding). Rare letters of single languages (African Latin, Coptic) are left out. */
struct name_fold {
    uint16_t first, last, step;
    int16_t delta;
};
static const struct name_fold name_folds[] = {
    {0x0041, 0x005a, 1, 32},    {0x00b5, 0x00b5, 1, 775},   {0x00c0, 0x00d6, 1, 32},
    {0x00d8, 0x00de, 1, 32},    {0x0100, 0x012e, 2, 1},     {0x0132, 0x0136, 2, 1},
    {0x0139, 0x0147, 2, 1},     {0x014a, 0x0176, 2, 1},     {0x0178, 0x0178, 1, -121},
    {0x0179, 0x017d, 2, 1},     {0x017f, 0x017f, 1, -268},  {0x018f, 0x018f, 1, 202},
    {0x01a0, 0x01a4, 2, 1},     {0x01af, 0x01af, 1, 1},     {0x01c4, 0x01c4, 1, 2},
    {0x01c5, 0x01c5, 1, 1},     {0x01c7, 0x01c7, 1, 2},     {0x01c8, 0x01c8, 1, 1},
    {0x01ca, 0x01ca, 1, 2},     {0x01cb, 0x01db, 2, 1},     {0x01de, 0x01ee, 2, 1},
    {0x01f1, 0x01f1, 1, 2},     {0x01f2, 0x01f4, 2, 1},     {0x01f8, 0x021e, 2, 1},
    {0x0222, 0x0232, 2, 1},     {0x0246, 0x024e, 2, 1},     {0x0386, 0x0386, 1, 38},
    {0x0388, 0x038a, 1, 37},    {0x038c, 0x038c, 1, 64},    {0x038e, 0x038f, 1, 63},
    {0x0391, 0x03a1, 1, 32},    {0x03a3, 0x03ab, 1, 32},    {0x03c2, 0x03c2, 1, 1},
    {0x03d0, 0x03d0, 1, -30},   {0x03d1, 0x03d1, 1, -25},   {0x03d5, 0x03d5, 1, -15},
    {0x03d6, 0x03d6, 1, -22},   {0x03f0, 0x03f0, 1, -54},   {0x03f1, 0x03f1, 1, -48},
    {0x03f5, 0x03f5, 1, -64},   {0x0400, 0x040f, 1, 80},    {0x0410, 0x042f, 1, 32},
    {0x0460, 0x0480, 2, 1},     {0x048a, 0x04be, 2, 1},     {0x04c0, 0x04c0, 1, 15},
    {0x04c1, 0x04cd, 2, 1},     {0x04d0, 0x052e, 2, 1},     {0x0531, 0x0556, 1, 48},
    {0x1e00, 0x1e94, 2, 1},     {0x1e9e, 0x1e9e, 1, -7615}, {0x1ea0, 0x1efe, 2, 1},
    {0x1f08, 0x1f0f, 1, -8},    {0x1f18, 0x1f1d, 1, -8},    {0x1f28, 0x1f2f, 1, -8},
    {0x1f38, 0x1f3f, 1, -8},    {0x1f48, 0x1f4d, 1, -8},    {0x1f59, 0x1f5f, 2, -8},
    {0x1f68, 0x1f6f, 1, -8},    {0x1fb8, 0x1fb9, 1, -8},    {0x1fba, 0x1fbb, 1, -74},
    {0x1fc8, 0x1fcb, 1, -86},   {0x1fd8, 0x1fd9, 1, -8},    {0x1fda, 0x1fdb, 1, -100},
    {0x1fe8, 0x1fe9, 1, -8},    {0x1fea, 0x1feb, 1, -112},  {0x1fec, 0x1fec, 1, -7},
    {0x1ff8, 0x1ff9, 1, -128},  {0x1ffa, 0x1ffb, 1, -126},  {0x212a, 0x212a, 1, -8383},
    {0x212b, 0x212b, 1, -8262}, {0xff21, 0xff3a, 1, 32},
};

int32_t name_fold_rune(int32_t rune)
{
    size_t low = 0, high = sizeof(name_folds) / sizeof(name_folds[0]);
    if (rune < 0x80)
        return rune >= 'A' && rune <= 'Z' ? rune + 32 : rune;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct name_fold *fold = &name_folds[middle];
        if (rune < fold->first)
            high = middle;
        else if (rune > fold->last)
            low = middle + 1;
        else
            return (rune - fold->first) % fold->step == 0 ? rune + fold->delta : rune;
    }
    return rune;
}
