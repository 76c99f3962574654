/* SPDX-License-Identifier: MIT */
/* The search page: the files of web/, served by every node. What it shows it asks for itself, from
 * the paths that everybody may ask. Loop thread. */
#ifndef PAGE_H
#define PAGE_H

#include "run/route.h"

/* For server_add_routes; the role is not used. */
extern const struct route page_routes[];

#endif
