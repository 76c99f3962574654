/* SPDX-License-Identifier: MIT */
/* Metalink 4 (RFC 5854): one file, its size and SHA-256, and where to fetch it. Written only, in
 * this order: head, an URL for each holder, end. Pure; any thread. */
#ifndef METALINK_H
#define METALINK_H

#include "base/buf.h"

#define METALINK_TYPE "application/metalink4+xml"

struct metalink_file {
    struct str name; /* a path: its last part is the name that clients write to */
    int64_t size;
    const uint8_t *sha256; /* P2P_SHA256_SIZE bytes */
};

/* At most P2P_LINE_MAX bytes. */
void metalink_put_head(struct buf *buf, const struct metalink_file *file);
/* A holder at "IP:PORT", asked for the content by its SHA-256, so that it can send nothing else.
 * Priorities begin at 1, which is the best. */
void metalink_put_holder(struct buf *buf, const struct metalink_file *file, const char *address,
                         unsigned priority);
void metalink_put_end(struct buf *buf);

#endif
