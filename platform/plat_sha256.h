/* SPDX-License-Identifier: MIT */
/* The SHA-256 block function (FIPS 180-4), picked at run time: SHA-NI, ARMv8 instructions, or plain
 * C. Any thread. */
#ifndef PLAT_SHA256_H
#define PLAT_SHA256_H

#include <stddef.h>
#include <stdint.h>

/* Feeds count blocks of 64 bytes into state. */
void plat_sha256_blocks(uint32_t state[static 8], const uint8_t *bytes, size_t count);
/* The same for two independent messages of count blocks each, interleaved: 1.9 times the speed
 * where there are SHA instructions, the same speed elsewhere. */
void plat_sha256_blocks2(uint32_t a[static 8], const uint8_t *bytes_a, uint32_t b[static 8],
                         const uint8_t *bytes_b, size_t count);
/* "sha-ni", "armv8" or "c". */
const char *plat_sha256_name(void);

/* The twins; a twin that this machine cannot run says so. Tests compare them. */
struct plat_sha256_twin {
    const char *name;
    int (*usable)(void);
    void (*blocks)(uint32_t state[static 8], const uint8_t *bytes, size_t count);
    void (*blocks2)(uint32_t a[static 8], const uint8_t *bytes_a, uint32_t b[static 8],
                    const uint8_t *bytes_b, size_t count);
};
/* Ended by a NULL name; best first; the plain C one is always last and usable. */
extern const struct plat_sha256_twin plat_sha256_twins[];

#endif
