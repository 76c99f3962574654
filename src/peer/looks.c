/* SPDX-License-Identifier: MIT */
/* Two looks that take turns. Loop thread. */
#include "peer/looks.h"

#include "base/text.h"

void looks_init(struct looks *looks, const struct scan_root *root,
                void (*done)(void *ctx, struct scan_look *look), void *ctx)
{
    for (int i = 0; i < 2; i++) {
        looks->look[i].root = root;
        looks->look[i].done = done;
        looks->look[i].ctx = ctx;
    }
}

bool looks_add(struct looks *looks, struct str path, enum entries_cause cause)
{
    struct scan_look *look = &looks->look[looks->fill];
    for (uint32_t i = 0; i < look->count; i++) {
        struct scan_found *there = &look->found[i];
        if (!text_equal((struct str){look->paths + there->path, there->path_len}, path))
            continue;
        if (there->cause < cause)
            there->cause = (uint8_t)cause;
        return true;
    }
    return scan_look_add(look, path, (uint8_t)cause);
}

bool looks_is_busy(const struct looks *looks)
{
    return looks->look[looks->fill].count >= SCAN_LOOKS_MAX / 2;
}

void looks_send(struct looks *looks, bool check)
{
    struct scan_look *look = &looks->look[looks->fill];
    if (looks->away || (look->count == 0 && !check))
        return;
    looks->away = true;
    looks->fill = !looks->fill;
    scan_look_begin(look);
}

void looks_back(struct looks *looks, struct scan_look *look)
{
    looks->away = false;
    scan_look_clear(look);
}
