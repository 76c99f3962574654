/* SPDX-License-Identifier: MIT */
/* The checks of a head that hold for every path. They keep web pages of strangers, which a person
 * inside the network has open, from reading and writing here. Pure. */
#ifndef GUARD_H
#define GUARD_H

#include "run/route.h"

/* True when Host is an IP literal, localhost or one of hosts (by comma), with any port: what a
 * rebound DNS name is not. host.ptr NULL (HTTP/1.0) is allowed: no browser sends that. */
bool guard_host(struct str host, struct str hosts);
/* False when a browser says that the request comes from a page of another origin. */
bool guard_origin(const struct http_head *head);
/* True when a Content-Type, parameters aside, is one of those in body (SERVER_NDJSON, …; 0 means
 * SERVER_JSON). A form of a foreign page can have none of them. */
bool guard_type(struct str type, unsigned body);

#endif
