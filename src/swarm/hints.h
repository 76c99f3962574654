/* SPDX-License-Identifier: MIT */
/* Holders that no index named: others who fetch the same content and asked this node for it, or
 * whom a holder named in its answer. Each is a hint until it has answered with the id that it goes
 * by; what it then says is judged as any holder's. Loop thread. */
#ifndef HINTS_H
#define HINTS_H

#include "swarm/download.h"

void hints_reset(struct download *download);
/* The header that says where this node serves what it fetches; nothing when it does not. */
void hints_put_self(const struct download *download, struct buf *buf);
/* Takes in who asked this node since the last time, and what they told of their pieces. */
void hints_hear(struct download *download);
/* A holder's P2P-Peers. */
void hints_read(struct download *download, int teller, struct str list);
/* The answer of a hint: true when it comes from whom it was said to. */
bool hints_is_true(const struct download *download, int number, const struct http_head *head);
/* It has said what it has: a holder as any other. */
void hints_confirm(struct download *download, int number);
/* It led nowhere. */
void hints_drop(struct download *download, int number);

#endif
