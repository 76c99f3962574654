/* SPDX-License-Identifier: MIT */
/* Addresses as text and back. IP literals are parsed here and not by libc, so that a name can never
 * start a look-up, "010.0.0.1" is refused instead of read as octal, and the result does not depend
 * on the system. Pure; any thread. */
#include "base/addr.h"

#include "base/hash.h"
#include "base/text.h"

#include <string.h>

static int addr_hex_value(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

static int addr_parse_port(struct str text, uint16_t *out)
{
    uint64_t port;
    if (text.len > 5 || text_to_u64(text, UINT16_MAX, &port) != 0)
        return -P2P_EINVAL;
    *out = (uint16_t)port;
    return 0;
}

/* Exactly four decimal numbers without leading zeros. */
static int addr_parse_ip4(struct str text, uint8_t out[static 4])
{
    struct str part;
    int count = 0;
    if (text_ends(text, STR(".")))
        return -P2P_EINVAL;
    while (text_split(&text, '.', &part)) {
        uint64_t value;
        if (count == 4 || part.len > 3 || (part.len > 1 && part.ptr[0] == '0') ||
            text_to_u64(part, 255, &value) != 0)
            return -P2P_EINVAL;
        out[count++] = (uint8_t)value;
    }
    return count == 4 ? 0 : -P2P_EINVAL;
}

/* One to four hex digits as two bytes. */
static int addr_parse_group(struct str text, uint8_t out[static 2])
{
    unsigned value = 0;
    if (text.len < 1 || text.len > 4)
        return -P2P_EINVAL;
    for (size_t i = 0; i < text.len; i++) {
        int digit = addr_hex_value(text.ptr[i]);
        if (digit < 0)
            return -P2P_EINVAL;
        value = value << 4 | (unsigned)digit;
    }
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
    return 0;
}

/* Groups between colons, the last one possibly an IPv4 address, into at most room bytes. Bytes
 * written, or an error. */
static int addr_parse_groups(struct str text, uint8_t *out, int room)
{
    int len = 0;
    struct str part;
    if (text_ends(text, STR(":")))
        return -P2P_EINVAL;
    while (text_split(&text, ':', &part)) {
        bool dotted = text.len == 0 && text_find(part, '.') >= 0;
        int need = dotted ? 4 : 2;
        if (len + need > room ||
            (dotted ? addr_parse_ip4(part, out + len) : addr_parse_group(part, out + len)) != 0)
            return -P2P_EINVAL;
        len += need;
    }
    return len;
}

/* Position of the "::", or -1. */
static ptrdiff_t addr_find_gap(struct str text)
{
    for (size_t i = 0; i + 1 < text.len; i++) {
        if (text.ptr[i] == ':' && text.ptr[i + 1] == ':')
            return (ptrdiff_t)i;
    }
    return -1;
}

static int addr_parse_ip6(struct str text, uint8_t out[static 16])
{
    uint8_t tail[16];
    ptrdiff_t gap = addr_find_gap(text);
    if (gap < 0)
        return addr_parse_groups(text, out, 16) == 16 ? 0 : -P2P_EINVAL;
    struct str before = text_first(text, (size_t)gap);
    if (text_find(before, '.') >= 0)
        return -P2P_EINVAL;
    int head = addr_parse_groups(before, out, 14);
    /* "::" stands for one group at least. */
    int rest =
        head < 0 ? head : addr_parse_groups(text_from_byte(text, (size_t)gap + 2), tail, 14 - head);
    if (rest < 0)
        return -P2P_EINVAL;
    memset(out + head, 0, 16 - (size_t)head);
    memcpy(out + 16 - rest, tail, (size_t)rest);
    return 0;
}

static void addr_unmap(struct plat_addr *addr)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (memcmp(addr->ip, mapped, sizeof(mapped)) != 0)
        return;
    memcpy(addr->ip, addr->ip + 12, 4);
    memset(addr->ip + 4, 0, 12);
    addr->family = 4;
    addr->scope = 0;
}

/* An IP literal alone, with "%scope" as a number for IPv6. */
static int addr_parse_ip(struct str text, struct plat_addr *out)
{
    *out = (struct plat_addr){0};
    if (text_find(text, ':') < 0) {
        out->family = 4;
        return addr_parse_ip4(text, out->ip);
    }
    ptrdiff_t percent = text_find(text, '%');
    if (percent >= 0) {
        uint64_t scope;
        if (text_to_u64(text_from_byte(text, (size_t)percent + 1), UINT32_MAX, &scope) != 0)
            return -P2P_EINVAL;
        out->scope = (uint32_t)scope;
        text = text_first(text, (size_t)percent);
    }
    out->family = 6;
    if (addr_parse_ip6(text, out->ip) != 0)
        return -P2P_EINVAL;
    addr_unmap(out);
    return 0;
}

/* Cuts "HOST", "HOST:PORT", "[HOST]" or "[HOST]:PORT"; out_port is the empty view without ptr where
 * there is none. */
static int addr_cut(struct str text, struct str *out_host, struct str *out_port)
{
    ptrdiff_t colon = text_find(text, ':');
    *out_host = text;
    *out_port = (struct str){0};
    if (text_begins(text, STR("["))) {
        ptrdiff_t end = text_find(text, ']');
        if (end < 0)
            return -P2P_EINVAL;
        *out_host = text_first(text_from_byte(text, 1), (size_t)end - 1);
        struct str rest = text_from_byte(text, (size_t)end + 1);
        if (rest.len > 0 && rest.ptr[0] != ':')
            return -P2P_EINVAL;
        if (rest.len > 0)
            *out_port = text_from_byte(rest, 1);
        return text_find(*out_host, ':') < 0 ? -P2P_EINVAL : 0;
    }
    /* Two colons without brackets: an IPv6 address without a port. */
    if (colon >= 0 && colon == text_find_last(text, ':')) {
        *out_host = text_first(text, (size_t)colon);
        *out_port = text_from_byte(text, (size_t)colon + 1);
    }
    return 0;
}

int addr_parse(struct str text, uint16_t default_port, struct plat_addr *out)
{
    struct str host, port_text;
    uint16_t port = default_port;
    if (addr_cut(text, &host, &port_text) != 0 ||
        (port_text.ptr && addr_parse_port(port_text, &port) != 0) || addr_parse_ip(host, out) != 0)
        return -P2P_EINVAL;
    out->port = port;
    return 0;
}

int addr_parse_listen(struct str text, struct plat_addr *out)
{
    struct str host, port;
    *out = (struct plat_addr){.family = 6};
    if (addr_parse_port(text, &out->port) == 0)
        return 0;
    if (addr_cut(text, &host, &port) != 0 || !port.ptr)
        return -P2P_EINVAL;
    return addr_parse(text, 0, out);
}

static bool addr_is_host_byte(char byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z') || byte == '-' || byte == '.' || byte == '_';
}

int addr_split_host(struct str text, uint16_t default_port, char *out_host, uint16_t *out_port)
{
    struct str host, port_text;
    struct plat_addr ip;
    uint16_t port = default_port;
    if (addr_cut(text, &host, &port_text) != 0 ||
        (port_text.ptr && addr_parse_port(port_text, &port) != 0) || (port_text.ptr && port == 0) ||
        host.len == 0 || host.len > P2P_HOST_MAX)
        return -P2P_EINVAL;
    if (addr_parse_ip(host, &ip) != 0) {
        for (size_t i = 0; i < host.len; i++) {
            if (!addr_is_host_byte(host.ptr[i]))
                return -P2P_EINVAL;
        }
    }
    *out_port = port;
    return text_copy(host, out_host, P2P_HOST_MAX + 1);
}

static unsigned addr_group(const struct plat_addr *addr, int i)
{
    return (unsigned)addr->ip[2 * i] << 8 | addr->ip[2 * i + 1];
}

/* The longest run of zero groups, at least two (RFC 5952, 4.2). */
static void addr_longest_gap(const struct plat_addr *addr, int *out_start, int *out_len)
{
    *out_start = -1;
    *out_len = 1;
    for (int i = 0; i < 8; i++) {
        int len = 0;
        while (i + len < 8 && addr_group(addr, i + len) == 0)
            len++;
        if (len > *out_len) {
            *out_start = i;
            *out_len = len;
        }
        i += len;
    }
}

static void addr_put_ip6(struct buf *buf, const struct plat_addr *addr)
{
    int gap, gap_len;
    addr_longest_gap(addr, &gap, &gap_len);
    for (int i = 0; i < 8; i++) {
        if (i == gap) {
            buf_put_text(buf, "::");
            i += gap_len - 1;
            continue;
        }
        buf_printf(buf, i > 0 && i != gap + gap_len ? ":%x" : "%x", addr_group(addr, i));
    }
    if (addr->scope != 0)
        buf_printf(buf, "%%%u", (unsigned)addr->scope);
}

/* Not by printf: an answer of the index has some. */
static void addr_put_ip4(struct buf *buf, const struct plat_addr *addr)
{
    for (int i = 0; i < 4; i++) {
        if (i > 0)
            buf_put_char(buf, '.');
        buf_put_u64(buf, addr->ip[i]);
    }
}

static void addr_put_ip(struct buf *buf, const struct plat_addr *addr)
{
    if (addr->family == 6)
        addr_put_ip6(buf, addr);
    else if (addr->family == 4)
        addr_put_ip4(buf, addr);
    else
        buf_put_text(buf, "none");
}

const char *addr_format(const struct plat_addr *addr, char out[static ADDR_TEXT_MAX])
{
    struct buf buf = buf_on(out, ADDR_TEXT_MAX);
    if (addr->family == 6)
        buf_put_char(&buf, '[');
    addr_put_ip(&buf, addr);
    if (addr->family == 6)
        buf_put_char(&buf, ']');
    buf_put_char(&buf, ':');
    buf_put_u64(&buf, addr->port);
    buf_put_char(&buf, '\0');
    return out;
}

const char *addr_format_ip(const struct plat_addr *addr, char out[static ADDR_TEXT_MAX])
{
    struct buf buf = buf_on(out, ADDR_TEXT_MAX);
    addr_put_ip(&buf, addr);
    buf_put_char(&buf, '\0');
    return out;
}

bool addr_same_ip(const struct plat_addr *a, const struct plat_addr *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

bool addr_equal(const struct plat_addr *a, const struct plat_addr *b)
{
    return addr_same_ip(a, b) && a->port == b->port && a->scope == b->scope;
}

bool addr_is_loopback(const struct plat_addr *addr)
{
    static const uint8_t one[16] = {[15] = 1};
    if (addr->family == 4)
        return addr->ip[0] == 127;
    return addr->family == 6 && memcmp(addr->ip, one, sizeof(one)) == 0;
}

bool addr_is_link_local(const struct plat_addr *addr)
{
    if (addr->family == 4)
        return addr->ip[0] == 169 && addr->ip[1] == 254;
    return addr->family == 6 && addr->ip[0] == 0xfe && (addr->ip[1] & 0xc0) == 0x80;
}

int addr_common_bits(const struct plat_addr *a, const struct plat_addr *b)
{
    int bits = a->family == 4 ? 32 : 128;
    if (a->family != b->family || a->family == 0)
        return 0;
    for (int i = 0; i < bits; i++) {
        if (((a->ip[i / 8] ^ b->ip[i / 8]) >> (7 - i % 8) & 1) != 0)
            return i;
    }
    return bits;
}

uint64_t addr_hash_ip(const struct plat_addr *addr)
{
    uint8_t key[17];
    memcpy(key, addr->ip, 16);
    key[16] = addr->family;
    return hash_bytes(key, sizeof(key));
}
