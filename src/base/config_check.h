/* SPDX-License-Identifier: MIT */
/* Checks of values against the table of settings; used by config.c and config_file.c only. Pure. */
#ifndef CONFIG_CHECK_H
#define CONFIG_CHECK_H

#include "base/buf.h"
#include "base/config.h"

/* Reads a SIZE, TIME ("forever": UINT64_MAX), RATE or COUNT. 0, -P2P_EINVAL (no such number),
 * -P2P_ETOOBIG. */
int config_check_parse(const struct config_key *key, struct str value, uint64_t *out);
/* 0, or -P2P_EINVAL with what is wrong and what to write appended to err. */
int config_check_value(const struct config_key *key, struct str value, struct buf *err);

#endif
