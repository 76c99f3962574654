/* SPDX-License-Identifier: MIT */
/* One redirect. It cannot lead in a circle: an index sends nobody to a peer without own=1. Loop
 * thread. */
#include "peer/referral.h"

#include "base/addr.h"
#include "base/buf.h"
#include "node/reach.h"

enum { REFERRAL_URL_MAX = ADDR_TEXT_MAX + 3 * P2P_PATH_MAX + 24 };

bool referral_answer(struct exchange *exchange, const char *path, const struct plat_addr *index)
{
    char text[REFERRAL_URL_MAX], host[ADDR_TEXT_MAX];
    struct buf url = buf_on(text, sizeof text);
    struct plat_addr address[P2P_ADDRESSES_MAX];
    struct reach_asker asker = {.peer = exchange->peer, .local = exchange->local};
    if (reach_addresses(&asker, index, 1, address) == 0)
        return false;
    buf_put_text(&url, "http://");
    buf_put_text(&url, addr_format(&address[0], host));
    buf_put_text(&url, path);
    buf_put_url_path(&url, exchange->tail);
    exchange_begin(exchange, 307, NULL);
    exchange_header(exchange, "Location", buf_str(&url));
    exchange_end(exchange);
    return true;
}
