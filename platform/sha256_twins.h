/* SPDX-License-Identifier: MIT */
/* What the twins of the SHA-256 block function share among themselves; nobody else includes this.
 * Each twin is empty where the architecture is another one. Any thread. */
#ifndef SHA256_TWINS_H
#define SHA256_TWINS_H

#include "platform/plat_sha256.h"

#if defined(__x86_64__) || defined(__i386__)
#define SHA256_HAVE_X86 1
#else
#define SHA256_HAVE_X86 0
#endif

/* Clang declares the intrinsics only where the whole file may use the instructions, until
 * version 16. */
#if defined(__aarch64__) && !defined(__AARCH64EB__) &&                                             \
    (!defined(__clang__) || __clang_major__ >= 16 || defined(__ARM_FEATURE_SHA2))
#define SHA256_HAVE_ARM 1
#else
#define SHA256_HAVE_ARM 0
#endif

/* FIPS 180-4, 4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64
 * primes. Aligned to 16 bytes. */
extern const uint32_t sha256_k[64];

int sha256_c_usable(void);
void sha256_c_blocks(uint32_t state[static 8], const uint8_t *bytes, size_t count);
void sha256_c_blocks2(uint32_t a[static 8], const uint8_t *bytes_a, uint32_t b[static 8],
                      const uint8_t *bytes_b, size_t count);

#if SHA256_HAVE_X86
int sha256_x86_usable(void);
void sha256_x86_blocks(uint32_t state[static 8], const uint8_t *bytes, size_t count);
void sha256_x86_blocks2(uint32_t a[static 8], const uint8_t *bytes_a, uint32_t b[static 8],
                        const uint8_t *bytes_b, size_t count);
#endif

#if SHA256_HAVE_ARM
int sha256_arm_usable(void);
void sha256_arm_blocks(uint32_t state[static 8], const uint8_t *bytes, size_t count);
void sha256_arm_blocks2(uint32_t a[static 8], const uint8_t *bytes_a, uint32_t b[static 8],
                        const uint8_t *bytes_b, size_t count);
#endif

#endif
