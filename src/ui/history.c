/* SPDX-License-Identifier: MIT */
/* One array of lines; the oldest ones are moved out when a new one needs their room. Looking back
 * goes through it from the end, which for 16 KiB is no cost that a person notices. Pure. */
#include "ui/history.h"

#include "base/text.h"

#include <string.h>

bool history_get(const struct history *history, unsigned back, struct str *out)
{
    size_t end = history->used, begin = end;

    for (unsigned i = 0; i < back; i++) {
        if (begin == 0) {
            return false;
        }
        end = begin - 1;
        begin = end;
        while (begin > 0 && history->text[begin - 1] != 0) {
            begin--;
        }
    }
    *out = (struct str){history->text + begin, end - begin};
    return back > 0;
}

static void forget_oldest(struct history *history)
{
    size_t len = strlen(history->text) + 1;

    history->used -= len;
    memmove(history->text, history->text + len, history->used);
}

void history_add(struct history *history, struct str line)
{
    struct str newest;

    if (text_trim(line).len == 0 || line.len >= HISTORY_SIZE ||
        (history_get(history, 1, &newest) && text_equal(newest, line))) {
        return;
    }
    while (history->used + line.len + 1 > HISTORY_SIZE) {
        forget_oldest(history);
    }
    memcpy(history->text + history->used, line.ptr, line.len);
    history->used += line.len;
    history->text[history->used++] = 0;
}
