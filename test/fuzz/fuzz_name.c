/* SPDX-License-Identifier: MIT */
/* Names, patterns, addresses and their encodings. The input is a pattern and, behind the first
 * newline, a text. */
#include "base/addr.h"
#include "base/name.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A good name can be joined to a folder without leaving it, whatever else it is. */
static void check_rule(struct str path)
{
    struct str part, rest = path;
    if (name_fault(path))
        return;
    if (path.len == 0 || path.len > P2P_PATH_MAX || !text_is_utf8(path) ||
        text_find(path, '\0') >= 0)
        abort();
    while (text_split(&rest, '/', &part)) {
        if (part.len == 0 || part.len > P2P_PART_MAX || part.ptr[0] == '.')
            abort();
    }
    if (path.ptr[path.len - 1] == '/')
        abort();
}

static void check_url(struct str text)
{
    static char encoded[3 * 4096], decoded[4096];
    struct buf buf = buf_on(encoded, sizeof(encoded));
    if (text.len > sizeof(decoded))
        return;
    buf_put_url_path(&buf, text);
    ptrdiff_t len = text_url_decode(buf_str(&buf), decoded, sizeof(decoded));
    bool nul = text_find(text, '\0') >= 0;
    if (nul ? len != -P2P_EINVAL : len < 0 || !text_equal(text, (struct str){decoded, (size_t)len}))
        abort();
    text_url_decode(text, decoded, sizeof(decoded));
}

/* Nothing that was shown can move a cursor. */
static void check_shown(struct str text)
{
    static char shown[6 * 4096];
    struct buf buf = buf_on(shown, sizeof(shown));
    buf_put_shown(&buf, text_first(text, 4096));
    for (size_t i = 0; i < buf.len; i++) {
        if ((uint8_t)shown[i] < 0x20 || shown[i] == 0x7f)
            abort();
    }
    if (buf.full || !text_is_utf8(buf_str(&buf)))
        abort();
}

static void check_address(struct str text)
{
    struct plat_addr addr, again;
    char out[ADDR_TEXT_MAX], host[P2P_HOST_MAX + 1];
    uint16_t port;
    addr_parse_listen(text, &addr);
    addr_split_host(text, 1, host, &port);
    if (addr_parse(text, 7, &addr) != 0)
        return;
    if (addr_parse(text_from(addr_format(&addr, out)), 0, &again) != 0 ||
        !addr_equal(&addr, &again))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str all = {(const char *)data, size}, pattern = all, text = all;
    ptrdiff_t newline = text_find(all, '\n');
    if (newline >= 0) {
        pattern = text_first(all, (size_t)newline);
        text = text_from_byte(all, (size_t)newline + 1);
    }
    pattern = text_first(pattern, P2P_PATTERN_MAX);
    text = text_first(text, P2P_PATH_MAX + 1);
    check_rule(text);
    check_url(text);
    check_shown(text);
    check_address(text);
    name_glob(pattern, text);
    name_is_ignored(pattern, text);
    if (!name_is_glob(pattern) && name_glob(pattern, text) != text_equal(pattern, text))
        abort();
    return 0;
}
