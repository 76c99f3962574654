/* SPDX-License-Identifier: MIT */
/* The framing of a chunked body (RFC 9112, 7.1) around bytes that were made in place. Pure. */
#ifndef CHUNK_H
#define CHUNK_H

#include "p2p.h"

enum {
    CHUNK_HEAD = 6, /* four digits of the size and CRLF: bytes are made this far behind at */
    CHUNK_TAIL = 2,
    CHUNK_LAST = 5, /* "0\r\n\r\n" */
    CHUNK_EXTRA = CHUNK_HEAD + CHUNK_TAIL + CHUNK_LAST,
    CHUNK_ROOM = P2P_LINE_MAX + CHUNK_EXTRA /* for a longest line and the end */
};

/* Puts head and tail around size bytes (1 to 65,535) at at + CHUNK_HEAD. Size of the chunk. */
size_t chunk_frame(uint8_t *at, size_t size);
/* The chunk that ends a body. Its size. */
size_t chunk_last(uint8_t *at);

#endif
