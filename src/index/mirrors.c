/* SPDX-License-Identifier: MIT */
/* The list. How one of them is followed is follow.c's, what becomes of what they tell is
 * intake.c's. Loop thread. */
#include "index/mirrors.h"

#include "base/addr.h"
#include "index/follow.h"

#include <stdio.h>

enum { MIRRORS_AWAIT_MS = 10000 }; /* what has not come until then is not waited for */

struct mirrors {
    struct follow follow[P2P_INDEXES_MAX];
    int count;
    bool known; /* they are not awaited any more */
};

int mirrors_init(struct index_role *role, struct arena *arena)
{
    struct str list = role->config.mirrors, item;
    struct mirrors *mirrors = NULL;
    while (text_split(&list, ',', &item)) {
        item = text_trim(item);
        if (item.len == 0)
            continue;
        if (!mirrors)
            mirrors = arena_carve(arena, sizeof(*mirrors), _Alignof(struct mirrors));
        if (!mirrors)
            return -P2P_EFULL;
        if (mirrors->count == P2P_INDEXES_MAX ||
            follow_init(&mirrors->follow[mirrors->count], role, mirrors->count, item))
            return -P2P_EINVAL;
        mirrors->count++;
    }
    role->mirrors = mirrors;
    return 0;
}

void mirrors_begin(struct index_role *role)
{
    for (int i = 0; role->mirrors && i < role->mirrors->count; i++)
        follow_begin(&role->mirrors->follow[i]);
}

void mirrors_stop(struct index_role *role)
{
    for (int i = 0; role->mirrors && i < role->mirrors->count; i++)
        follow_stop(&role->mirrors->follow[i]);
}

static bool mirrors_are_known(const struct index_role *role)
{
    const struct mirrors *mirrors = role->mirrors;
    int tried = 0;
    for (int i = 0; i < mirrors->count; i++) {
        if (mirrors->follow[i].state == FOLLOW_IN)
            return true;
        tried += mirrors->follow[i].tried;
    }
    return tried == mirrors->count ||
           loop_now_ms(role->config.loop) - role->started_ms >= MIRRORS_AWAIT_MS;
}

bool mirrors_are_awaited(struct index_role *role, struct exchange *exchange)
{
    struct mirrors *mirrors = role->mirrors;
    if (!mirrors || mirrors->known)
        return false;
    mirrors->known = mirrors_are_known(role);
    if (!mirrors->known)
        role_refuse(role, exchange, 503, "this index has just begun and asks its mirrors",
                    "come again");
    return !mirrors->known;
}

void mirrors_put_addresses(const struct index_role *role, struct buf *buf,
                           const struct reach_asker *asker)
{
    char text[ADDR_TEXT_MAX];
    struct plat_addr given[P2P_ADDRESSES_MAX];
    for (int i = 0; role->mirrors && i < role->mirrors->count; i++) {
        const struct follow *follow = &role->mirrors->follow[i];
        if (follow->state == FOLLOW_SELF || !follow->ever ||
            reach_addresses(asker, follow_address(follow), 1, given) == 0)
            continue;
        buf_put_char(buf, ',');
        json_put_text(buf, text_from(addr_format(&given[0], text)));
    }
}

/* Short: the whole document is to be one line of P2P_LINE_MAX. */
static void mirrors_put_one(const struct index_role *role, struct buf *buf,
                            const struct follow *follow)
{
    char text[P2P_HOST_MAX + 8];
    snprintf(text, sizeof(text), "%s:%u", follow->host, (unsigned)follow->port);
    buf_put_char(buf, '{');
    json_put_field_text(buf, "at", text_from(text));
    json_put_field_text(buf, "state", text_from(follow_state_text(follow)));
    if (follow->ever) {
        json_put_field_i64(buf, "heard_ms",
                           loop_now_ms(role->config.loop) - role->homes[follow->number].heard_ms);
        json_put_field_i64(buf, "lag", (int64_t)(follow->their_n - follow->n));
    }
    buf_put_char(buf, '}');
}

void mirrors_put_stats(const struct index_role *role, struct buf *buf)
{
    buf_put_char(buf, '[');
    for (int i = 0; role->mirrors && i < role->mirrors->count; i++) {
        if (i > 0)
            buf_put_char(buf, ',');
        mirrors_put_one(role, buf, &role->mirrors->follow[i]);
    }
    buf_put_char(buf, ']');
}
