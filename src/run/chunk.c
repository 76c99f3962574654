/* SPDX-License-Identifier: MIT */
/* Chunks with a head of one size, so that their bytes need not be moved. Pure; any thread. */
#include "run/chunk.h"

#include <string.h>

size_t chunk_frame(uint8_t *at, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)digits[size >> (12 - 4 * i) & 15];
    memcpy(at + 4, "\r\n", 2);
    memcpy(at + CHUNK_HEAD + size, "\r\n", CHUNK_TAIL);
    return CHUNK_HEAD + size + CHUNK_TAIL;
}

size_t chunk_last(uint8_t *at)
{
    memcpy(at, "0\r\n\r\n", CHUNK_LAST);
    return CHUNK_LAST;
}
