/* SPDX-License-Identifier: MIT */
/* Two lists of names, each ended by NUL; one that was taken is cut out, so that what is left was
 * not found. First thread. */
#include "ui/again.h"

#include "base/text.h"

#include <string.h>

void again_reset(struct again *again)
{
    again->tries = 0;
    again->noted = again->wanted = again->told = 0;
}

bool again_note(struct again *again, struct str path)
{
    if (again->tries + 1 >= AGAIN_TRIES || path.len + 1 > AGAIN_ROOM - again->noted) {
        return false;
    }
    memcpy(again->note + again->noted, path.ptr, path.len);
    again->note[again->noted + path.len] = 0;
    again->noted += (uint32_t)path.len + 1;
    return true;
}

bool again_is_due(const struct again *again)
{
    return again->noted > 0;
}

void again_turn(struct again *again)
{
    memcpy(again->want, again->note, again->noted);
    again->wanted = again->noted;
    again->noted = again->told = 0;
    again->tries++;
}

static void cut(struct again *again, uint32_t at, uint32_t size)
{
    memmove(again->want + at, again->want + at + size, again->wanted - at - size);
    again->wanted -= size;
}

bool again_take(struct again *again, struct str path)
{
    if (again->tries == 0) {
        return true;
    }
    for (uint32_t at = 0; at < again->wanted;) {
        struct str name = text_from(again->want + at);
        if (text_equal(name, path)) {
            cut(again, at, (uint32_t)name.len + 1);
            return true;
        }
        at += (uint32_t)name.len + 1;
    }
    return false;
}

struct str again_missing(struct again *again)
{
    struct str name = STR("");

    if (again->told < again->wanted) {
        name = text_from(again->want + again->told);
        again->told += (uint32_t)name.len + 1;
    }
    return name;
}
