/* SPDX-License-Identifier: MIT */
/* Sends plain clients on to the index, which knows who has what this peer has not. Loop thread. */
#ifndef REFERRAL_H
#define REFERRAL_H

#include "run/exchange.h"

/* Answers 307 to the same name at the index, behind path, which ends in "/". False: the index has
 * no address that this client could use; nothing was answered. */
bool referral_answer(struct exchange *exchange, const char *path, const struct plat_addr *index);

#endif
