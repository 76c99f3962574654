/* SPDX-License-Identifier: MIT */
/* Addresses as text: "10.0.0.5:7750", "[::1]:7750", "[fe80::1%3]:7750"; parsing and comparing.
 * Pure. */
#ifndef ADDR_H
#define ADDR_H

#include "platform/plat_net.h"

enum { ADDR_TEXT_MAX = 64 };

/* An IP literal with an optional port (default_port where it is missing). 0 or -P2P_EINVAL.
 * IPv4-mapped is unmapped. */
int addr_parse(struct str text, uint16_t default_port, struct plat_addr *out);
/* A "[ADDR:]PORT" listen value: a bare number is the port on all addresses (family 6, ::). 0 or
 * -P2P_EINVAL. */
int addr_parse_listen(struct str text, struct plat_addr *out);
/* "HOST[:PORT]": host may be a name, an IPv6 address with a port needs brackets (they are taken
 * off). out_host has P2P_HOST_MAX + 1 bytes. 0 or -P2P_EINVAL. */
int addr_split_host(struct str text, uint16_t default_port, char *out_host, uint16_t *out_port);
/* Text with port, or without (an IPv6 address then has no brackets). Returns out. */
const char *addr_format(const struct plat_addr *addr, char out[static ADDR_TEXT_MAX]);
const char *addr_format_ip(const struct plat_addr *addr, char out[static ADDR_TEXT_MAX]);
/* With port and scope / the IP alone. */
bool addr_equal(const struct plat_addr *a, const struct plat_addr *b);
bool addr_same_ip(const struct plat_addr *a, const struct plat_addr *b);
bool addr_is_loopback(const struct plat_addr *addr);
bool addr_is_link_local(const struct plat_addr *addr);
/* Leading bits that two addresses of one family share (0 when the families differ): nearness. */
int addr_common_bits(const struct plat_addr *a, const struct plat_addr *b);
uint64_t addr_hash_ip(const struct plat_addr *addr);

#endif
