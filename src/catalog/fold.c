/* SPDX-License-Identifier: MIT */
/* Folding for search. What matters is speed on ASCII and one form for common letters, not all of
 * Unicode: case by name_fold_rune, then a letter and the accents that follow it become the one
 * character that the composed form has. Marks in another than the canonical order are left as they
 * are. Pure; any thread. */
#include "catalog/fold.h"

#include "base/name.h"
#include "base/text.h"

#include <string.h>

enum { FOLD_BLOCK = 64, FOLD_WORD = 8 };

/* For each combining mark: pairs of a letter and the letter with that mark. Latin, Greek, Cyrillic.
 */
static const struct fold_mark {
    int32_t mark;
    const char *pairs;
} fold_marks[] = {
    {0x300, "aàeèiìnǹoòuùwẁyỳâầêềôồüǜăằēḕōṑơờưừеѐиѝ"},
    {0x301, "aácćeégǵiíkḱlĺmḿnńoópṕrŕsśuúwẃyýzź¨΅âấåǻæǽçḉêếïḯôốõṍøǿüǘ"
            "ăắēḗōṓũṹơớưứαάεέηήιίοόυύωώϊΐϋΰϒϓгѓкќ"},
    {0x302, "aâcĉeêgĝhĥiîjĵoôsŝuûwŵyŷzẑạậẹệọộ"},
    {0x303, "aãeẽiĩnñoõuũvṽyỹâẫêễôỗăẵơỡưữ"},
    {0x304, "aāeēgḡiīoōuūyȳäǟæǣõȭöȫüǖǫǭȧǡȯȱḷḹṛṝ"},
    {0x306, "aăeĕgğiĭoŏuŭȩḝийуўạặ"},
    {0x307, "aȧbḃcċdḋeėfḟgġhḣmṁnṅoȯpṗrṙsṡtṫwẇxẋyẏzżśṥšṧſẛṣṩ"},
    {0x308, "aäeëhḧiïoötẗuüwẅxẍyÿõṏūṻιϊυϋϒϔеёії"},
    {0x309, "aảeẻiỉoỏuủyỷâẩêểôổăẳơởưử"},
    {0x30a, "aåuůwẘyẙ"},
    {0x30b, "oőuű"},
    {0x30c, "aǎcčdďeěgǧhȟiǐjǰkǩlľnňoǒrřsštťuǔzžüǚʒǯ"},
    {0x30f, "aȁeȅiȉoȍrȑuȕ"},
    {0x311, "aȃeȇiȋoȏrȓuȗ"},
    {0x31b, "oơuư"},
    {0x323, "aạbḅdḍeẹhḥiịkḳlḷmṃnṇoọrṛsṣtṭuụvṿwẉyỵzẓơợưự"},
    {0x324, "uṳ"},
    {0x325, "aḁ"},
    {0x326, "sștț"},
    {0x327, "cçdḑeȩgģhḩkķlļnņrŗsştţ"},
    {0x328, "aąeęiįoǫuų"},
    {0x32d, "dḓeḙlḽnṋtṱuṷ"},
    {0x32e, "hḫ"},
    {0x330, "eḛiḭuṵ"},
    {0x331, "bḇdḏhẖkḵlḻnṉrṟtṯzẕ"},
};

/* The letter with the mark, or 0. */
static int32_t fold_compose(int32_t letter, int32_t mark)
{
    size_t i = 0, len;
    while (i < sizeof(fold_marks) / sizeof(fold_marks[0]) && fold_marks[i].mark != mark)
        i++;
    if (i == sizeof(fold_marks) / sizeof(fold_marks[0]))
        return 0;
    struct str rest = text_from(fold_marks[i].pairs);
    while (rest.len > 0) {
        int32_t first = text_next_rune(rest, &len);
        rest = text_from_byte(rest, len);
        int32_t second = text_next_rune(rest, &len);
        rest = text_from_byte(rest, len);
        if (first == letter)
            return second;
    }
    return 0;
}

/* Writes a character as UTF-8 when it fits; its length or 0. */
static size_t fold_put(int32_t rune, char *out, size_t room)
{
    uint32_t r = (uint32_t)rune;
    size_t len = r < 0x80 ? 1 : r < 0x800 ? 2 : r < 0x10000 ? 3 : 4;
    if (len > room)
        return 0;
    if (len == 1) {
        out[0] = (char)r;
        return 1;
    }
    for (size_t i = len - 1; i > 0; i--, r >>= 6)
        out[i] = (char)(0x80 | (r & 0x3f));
    out[0] = (char)((0xf00U >> len & 0xf0) | r);
    return len;
}

static size_t fold_runes(struct str text, char *out, size_t size)
{
    size_t used = 0, len, last = 0;
    int32_t letter = 0;
    while (text.len > 0) {
        int32_t rune = text_next_rune(text, &len);
        if (rune < 0)
            rune = 0xfffd;
        text = text_from_byte(text, len);
        rune = name_fold_rune(rune);
        int32_t both = rune >= 0x300 && rune <= 0x36f ? fold_compose(letter, rune) : 0;
        size_t at = both ? used - last : used;
        letter = both ? both : rune;
        last = fold_put(letter, out + at, size - at);
        if (last == 0)
            break;
        used = at + last;
    }
    return used;
}

static uint64_t fold_load(const char *in)
{
    uint64_t word;
    memcpy(&word, in, sizeof(word));
    return word;
}

/* Eight bytes at once; bytes over 127 stay. */
static uint64_t fold_word(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t low = word & 0x7f * ones;
    uint64_t from_a = low + (0x80 - 'A') * ones;
    uint64_t past_z = low + (0x7f - 'Z') * ones;
    uint64_t upper = (from_a ^ past_z) & ~word & 0x80 * ones;
    return word | upper >> 2;
}

static char fold_byte(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
}

/* Folds size bytes and returns them all or-ed: over 127 when one is not ASCII. */
static uint64_t fold_bytes(const char *in, char *out, size_t size)
{
    uint64_t any = 0;
    for (; size >= sizeof(any); size -= sizeof(any), in += sizeof(any), out += sizeof(any)) {
        uint64_t word = fold_load(in), folded = fold_word(word);
        any |= word;
        memcpy(out, &folded, sizeof(folded));
    }
    for (; size > 0; size--, in++, out++) {
        any |= (uint8_t)*in;
        *out = fold_byte(*in);
    }
    return any;
}

bool fold_is_ascii(struct str text)
{
    uint64_t any = 0;
    size_t i = 0;
    for (; i + FOLD_WORD <= text.len; i += FOLD_WORD)
        any |= fold_load(text.ptr + i);
    for (; i < text.len; i++)
        any |= (uint8_t)text.ptr[i];
    return (any & UINT64_C(0x8080808080808080)) == 0;
}

size_t fold_text(struct str text, char *out, size_t size)
{
    size_t len = text.len < size ? text.len : size;
    if (fold_bytes(text.ptr, out, len) & UINT64_C(0x8080808080808080))
        len = fold_runes(text, out, size);
    return len;
}

/* How often a byte stands in file names, roughly: the rarest one of a needle is looked for. */
static uint8_t fold_commonness(char byte)
{
    static const char common[] = "/e.-_aitnosrclmdpuhgbfv0123456789ykwxjqz";
    const char *at = memchr(common, byte, sizeof(common) - 1);
    return at ? (uint8_t)(common + sizeof(common) - at) : 0;
}

size_t fold_anchor(struct str needle)
{
    size_t rarest = 0;
    for (size_t i = 1; i < needle.len; i++) {
        if (fold_commonness(needle.ptr[i]) < fold_commonness(needle.ptr[rarest]))
            rarest = i;
    }
    return rarest;
}

/* Two neighbours of a needle, as they are looked for: what a byte is or-ed with before it is
 * compared. A letter and no other byte becomes that letter. */
struct fold_want {
    uint8_t byte[2], or [2];
};

/* Not 0 when at one of eight places both bytes are the wanted ones. */
static inline uint64_t fold_hits(const char *a, const char *b, struct fold_want want)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t differ = ((fold_load(a) | want.or [0] * ones) ^ want.byte[0] * ones) |
                      ((fold_load(b) | want.or [1] * ones) ^ want.byte[1] * ones);
    return (differ - ones) & ~differ & ones << 7;
}

/* The same for a block: of a constant size this is vector code; memchr for a common letter stops
 * every few bytes. */
static inline bool fold_any(const char *a, const char *b, struct fold_want want)
{
    uint64_t any = 0;
    for (size_t i = 0; i < FOLD_BLOCK; i += FOLD_WORD)
        any |= fold_hits(a + i, b + i, want);
    return any != 0;
}

static bool fold_same(const char *text, struct str needle)
{
    size_t i = 0;
    while (i < needle.len && fold_byte(text[i]) == needle.ptr[i])
        i++;
    return i == needle.len;
}

static void fold_want_byte(struct fold_want *want, int i, char byte)
{
    want->byte[i] = (uint8_t)byte;
    want->or [i] = byte >= 'a' && byte <= 'z' ? 0x20 : 0;
}

ptrdiff_t fold_find(struct str text, struct str needle, size_t from, size_t anchor)
{
    if (needle.len > text.len || from > text.len - needle.len)
        return -1;
    size_t count = text.len - needle.len + 1; /* places where it may begin */
    size_t beside = anchor + 1 < needle.len ? anchor + 1 : anchor > 0 ? anchor - 1 : anchor;
    struct fold_want want;
    fold_want_byte(&want, 0, needle.ptr[anchor]);
    fold_want_byte(&want, 1, needle.ptr[beside]);
    const char *a = text.ptr + anchor, *b = text.ptr + beside;
    size_t near = from; /* up to here places are looked at by the word */
    for (size_t clear = from; from < count; from = clear) {
        size_t left = count - from;
        if (from >= near && left >= FOLD_BLOCK) {
            clear = near = from + FOLD_BLOCK;
            if (!fold_any(a + from, b + from, want))
                continue;
        }
        clear = from + (left >= FOLD_WORD ? FOLD_WORD : left);
        if (left >= FOLD_WORD && fold_hits(a + from, b + from, want) == 0)
            continue;
        for (; from < clear; from++) {
            if (((uint8_t)a[from] | want.or [0]) == want.byte[0] &&
                fold_same(text.ptr + from, needle))
                return (ptrdiff_t)from;
        }
    }
    return -1;
}
