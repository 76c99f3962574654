/* SPDX-License-Identifier: MIT */
/* Contents in the order of their slots, then offers without one. A slot is a content's for as long
 * as the content is here, so a cursor is just the last slot. Loop thread. */
#include "catalog/list.h"

#include "catalog/offers.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* "INSTANCE-CONTENT-OFFER" */
static int list_parse(struct list *list, struct str after)
{
    struct str part;
    uint64_t value[3] = {0};
    for (int i = 0; i < 3; i++) {
        if (!text_split(&after, '-', &part) || text_to_u64(part, UINT32_MAX, &value[i]) != 0)
            return -P2P_EINVAL;
    }
    if (after.len > 0)
        return -P2P_EINVAL;
    if (value[0] != list->catalog->instance)
        return -P2P_ENOTFOUND;
    if (value[1] > list->catalog->contents.count || value[2] > list->catalog->offers.count)
        return -P2P_EINVAL;
    list->content = (uint32_t)value[1];
    list->offer = (uint32_t)value[2];
    return 0;
}

int list_init(struct list *list, const struct catalog *catalog, struct str prefix, struct str after,
              int64_t wall_s)
{
    list->catalog = catalog;
    list->wall_s = wall_s;
    list->content = list->offer = 0;
    if (prefix.len > sizeof(list->prefix))
        return -P2P_ETOOBIG;
    list->prefix_len = (uint16_t)prefix.len;
    if (prefix.len > 0)
        memcpy(list->prefix, prefix.ptr, prefix.len);
    return after.len > 0 ? list_parse(list, after) : 0;
}

static bool list_begins(const struct list *list, const struct tables_offer *offer)
{
    const struct names *names = &list->catalog->names;
    struct str prefix = {list->prefix, list->prefix_len};
    struct str folder = names_folder_text(names, names_at(names, offer->name)->folder);
    if (prefix.len <= folder.len)
        return text_begins(folder, prefix);
    return text_begins(prefix, folder) &&
           text_begins(names_base(names, offer->name), text_from_byte(prefix, folder.len));
}

/* The offer that stands for a content among those with the prefix, or 0. */
static uint32_t list_pick(const struct list *list, uint32_t content, uint32_t *work)
{
    const struct catalog *catalog = list->catalog;
    uint32_t best = 0, offer = tables_content(catalog, content)->first;
    for (; offer; offer = tables_offer(catalog, offer)->content_next) {
        const struct tables_offer *at = tables_offer(catalog, offer);
        *work -= *work > 0;
        if (offers_shown(catalog, at) && lookup_is_better(catalog, offer, best, list->wall_s) &&
            list_begins(list, at))
            best = offer;
    }
    return best;
}

static uint32_t list_next_content(struct list *list, uint32_t *work)
{
    uint32_t best = 0, end = list->catalog->contents.fresh;
    while (best == 0 && *work > 0 && list->content < end) {
        list->content++;
        (*work)--;
        best = list_pick(list, list->content, work);
    }
    return best;
}

static uint32_t list_next_unhashed(struct list *list, uint32_t *work)
{
    uint32_t end = list->catalog->offers.fresh;
    while (*work > 0 && list->offer < end) {
        const struct tables_offer *at = tables_offer(list->catalog, ++list->offer);
        (*work)--;
        if (at->name && !at->content && offers_shown(list->catalog, at) && list_begins(list, at))
            return list->offer;
    }
    return 0;
}

int list_next(struct list *list, uint32_t *work, struct lookup_offer *out)
{
    uint32_t offer = list_next_content(list, work);
    bool more = list->content < list->catalog->contents.fresh;
    if (offer == 0 && !more) {
        offer = list_next_unhashed(list, work);
        more = list->offer < list->catalog->offers.fresh;
    }
    if (offer == 0)
        return more ? -P2P_EAGAIN : 0;
    lookup_read(list->catalog, offer, out);
    return 1;
}

const char *list_cursor(const struct list *list, char out[static LIST_CURSOR_MAX])
{
    snprintf(out, LIST_CURSOR_MAX, "%lu-%lu-%lu", (unsigned long)list->catalog->instance,
             (unsigned long)list->content, (unsigned long)list->offer);
    return out;
}
