/* SPDX-License-Identifier: MIT */
/* Host, Origin and Content-Type of a request. Nothing of the server's state; any thread. */
#include "run/guard.h"

#include "base/addr.h"

/* Host without its port: "[::1]:7750" is "[::1]". */
static struct str host_name(struct str host)
{
    ptrdiff_t end = text_find_last(host, ':');
    if (end < 0 || text_find(text_from_byte(host, (size_t)end), ']') >= 0)
        return host;
    return text_first(host, (size_t)end);
}

static bool text_same(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        unsigned char x = (unsigned char)a.ptr[i], y = (unsigned char)b.ptr[i];
        x = x >= 'A' && x <= 'Z' ? (unsigned char)(x + 32) : x;
        y = y >= 'A' && y <= 'Z' ? (unsigned char)(y + 32) : y;
        if (x != y)
            return false;
    }
    return true;
}

bool guard_host(struct str host, struct str hosts)
{
    struct plat_addr addr;
    if (!host.ptr || addr_parse(host, 1, &addr) == 0)
        return true;
    struct str name = host_name(host), allowed;
    if (text_is_nocase(name, "localhost"))
        return true;
    while (text_split(&hosts, ',', &allowed)) {
        allowed = text_trim(allowed);
        if (allowed.len > 0 && text_same(name, allowed))
            return true;
    }
    return false;
}

/* "http://HOST" or "https://HOST" of the very Host that the request names. */
static bool origin_is_own(struct str origin, struct str host)
{
    size_t scheme = text_is_nocase(text_first(origin, 7), "http://")    ? 7
                    : text_is_nocase(text_first(origin, 8), "https://") ? 8
                                                                        : 0;
    return scheme > 0 && host.len > 0 && text_same(text_from_byte(origin, scheme), host);
}

bool guard_origin(const struct http_head *head)
{
    struct str origin = head->header[HTTP_HEADER_ORIGIN];
    if (text_is_nocase(head->header[HTTP_HEADER_SEC_FETCH_SITE], "cross-site"))
        return false;
    return !origin.ptr || origin_is_own(origin, head->header[HTTP_HEADER_HOST]);
}

bool guard_type(struct str type, unsigned body)
{
    ptrdiff_t end = text_find(type, ';');
    struct str name = text_trim(end < 0 ? type : text_first(type, (size_t)end));
    if ((body & SERVER_NDJSON) != 0 && text_is_nocase(name, "application/x-ndjson"))
        return true;
    return (body == 0 || (body & SERVER_JSON) != 0) && text_is_nocase(name, "application/json");
}
