/* SPDX-License-Identifier: MIT */
/* Which settings a running node can take over. Memory is carved and ports are bound at start, so
 * most of them have to wait for the next one; the lists say which is which. Pure. */
#include "app/reload.h"

#include "base/text.h"

static const char *const live[] = {
    "node.log",        "share.ignore",     "share.scan",           "share.scan_idle",
    "share.hash_rate", "transfer.uploads", "transfer.upload_limit"};

static bool is_live(const char *name)
{
    for (size_t i = 0; i < sizeof live / sizeof live[0]; i++) {
        if (text_is(text_from(name), live[i])) {
            return true;
        }
    }
    return false;
}

void reload_compare(struct reload_changes *out, const struct config *old, const struct config *new)
{
    for (const struct config_key *key = config_keys; key->section != NULL; key++) {
        if (text_equal(config_text(old, key->name), config_text(new, key->name))) {
            continue;
        }
        struct buf *list = is_live(key->name) ? &out->now : &out->later;
        if (list->len > 0) {
            buf_put_text(list, ", ");
        }
        buf_put_text(list, key->name);
    }
}
