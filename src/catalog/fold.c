/* SPDX-License-Identifier: MIT */
/* Folding for search. What matters is speed on ASCII and one form for common letters, not all of
 * Unicode: case by name_fold_rune, then a letter and the accents that follow it become the one
 * character that the composed form has. Marks in another than the canonical order are left as they
 * are. Pure; any thread. */
#include "catalog/fold.h"

#include "base/name.h"
#include "base/text.h"

#include <string.h>

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

bool fold_is_ascii(struct str text)
{
    uint8_t any = 0;
    for (size_t i = 0; i < text.len; i++)
        any |= (uint8_t)text.ptr[i];
    return any < 0x80;
}

void fold_ascii(const char *in, char *out, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)in[i];
        uint8_t upper = (uint8_t)(byte - 'A') < 26;
        out[i] = (char)(byte | (uint8_t)(upper << 5));
    }
}

size_t fold_text(struct str text, char *out, size_t size)
{
    if (!fold_is_ascii(text))
        return fold_runes(text, out, size);
    size_t len = text.len < size ? text.len : size;
    fold_ascii(text.ptr, out, len);
    return len;
}

ptrdiff_t fold_find(struct str text, struct str needle, size_t from)
{
    if (needle.len > text.len)
        return -1;
    const char *end = text.ptr + (text.len - needle.len) + 1;
    const char *at = text.ptr + from;
    while (at < end) {
        at = memchr(at, needle.ptr[0], (size_t)(end - at));
        if (!at)
            return -1;
        if (memcmp(at, needle.ptr, needle.len) == 0)
            return at - text.ptr;
        at++;
    }
    return -1;
}
