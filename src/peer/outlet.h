/* SPDX-License-Identifier: MIT */
/* How the bytes of a ticket's file leave: the whole of it or a range, in an upload slot of those
 * that all workers share, or after a place in a line for one. The worker's thread. */
#ifndef OUTLET_H
#define OUTLET_H

#include "peer/handout.h"

/* The pieces that the request means, as held.h asks for them. */
struct held_ask outlet_held_ask(const struct handout_ticket *ticket);
/* Whether the open file, or the download's piece, is still what the ticket says. */
bool outlet_is_as_hashed(const struct handout_ticket *ticket);
/* The same for exchange_file(); false is noted in the ticket as its complaint. */
bool outlet_still(struct exchange *exchange, void *role);

/* P2P-Size, P2P-Piece and, where there is a chain, P2P-Chain. */
void outlet_put_chain(struct exchange *exchange, const struct handout_ticket *ticket);
/* Answers for the bytes of the exchange's ticket, whose file is open: now, when a slot is free, or
 * with 503. is_download: for any HTTP client, with a name to save it by. */
void outlet_serve(struct exchange *exchange, struct handout *handout, bool is_download);
/* The answer has ended: gives back its slot, or its place in the line. exchange->user is the ticket
 * or NULL. */
void outlet_gone(struct exchange *exchange, struct handout *handout, bool aborted);
/* The time of handout->line_timer; ctx: the handout. */
void outlet_on_time(void *ctx);

#endif
