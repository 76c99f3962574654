/* SPDX-License-Identifier: MIT */
/* The catalog's invariants, for tests: walks everything. Loop thread. */
#ifndef CHECK_H
#define CHECK_H

#include "catalog/catalog.h"

/* NULL when all lists, counts and hash tables agree, else what does not. */
const char *check_catalog(const struct catalog *catalog);

#endif
