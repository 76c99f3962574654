/* SPDX-License-Identifier: MIT */
/* The SHA-256 block function in plain C, and the round constants that all twins read. The message
 * schedule is a ring of 16 words; the eight working variables rotate by name, not by moving. Any
 * thread. */
#include "platform/sha256_twins.h"

_Alignas(16) const uint32_t sha256_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t ror(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static inline uint32_t big_sigma0(uint32_t x)
{
    return ror(x, 2) ^ ror(x, 13) ^ ror(x, 22);
}

static inline uint32_t big_sigma1(uint32_t x)
{
    return ror(x, 6) ^ ror(x, 11) ^ ror(x, 25);
}

static inline uint32_t small_sigma0(uint32_t x)
{
    return ror(x, 7) ^ ror(x, 18) ^ x >> 3;
}

static inline uint32_t small_sigma1(uint32_t x)
{
    return ror(x, 17) ^ ror(x, 19) ^ x >> 10;
}

static inline uint32_t load_be(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* One round: only d and h change, so the caller names the variables one place further each time. */
#define ROUND(a, b, c, d, e, f, g, h, i)                                                           \
    do {                                                                                           \
        uint32_t t = (h) + big_sigma1(e) + ((((f) ^ (g)) & (e)) ^ (g)) + k[i] + w[i];              \
        (d) += t;                                                                                  \
        (h) = t + big_sigma0(a) + ((((a) | (b)) & (c)) | ((a) & (b)));                             \
    } while (0)

#define EIGHT_ROUNDS(i)                                                                            \
    do {                                                                                           \
        ROUND(a, b, c, d, e, f, g, h, (i) + 0);                                                    \
        ROUND(h, a, b, c, d, e, f, g, (i) + 1);                                                    \
        ROUND(g, h, a, b, c, d, e, f, (i) + 2);                                                    \
        ROUND(f, g, h, a, b, c, d, e, (i) + 3);                                                    \
        ROUND(e, f, g, h, a, b, c, d, (i) + 4);                                                    \
        ROUND(d, e, f, g, h, a, b, c, (i) + 5);                                                    \
        ROUND(c, d, e, f, g, h, a, b, (i) + 6);                                                    \
        ROUND(b, c, d, e, f, g, h, a, (i) + 7);                                                    \
    } while (0)

/* Replaces the 16 words of the ring by the next 16 of the schedule. */
static inline void schedule(uint32_t w[static 16])
{
    for (unsigned i = 0; i < 16; i++)
        w[i] += small_sigma1(w[(i + 14) & 15]) + w[(i + 9) & 15] + small_sigma0(w[(i + 1) & 15]);
}

static void one_block(uint32_t s[static 8], const uint8_t *bytes)
{
    uint32_t a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
    uint32_t w[16];
    for (unsigned i = 0; i < 16; i++)
        w[i] = load_be(bytes + 4 * i);
    for (const uint32_t *k = sha256_k;; k += 16) {
        EIGHT_ROUNDS(0);
        EIGHT_ROUNDS(8);
        if (k == sha256_k + 48)
            break;
        schedule(w);
    }
    s[0] += a, s[1] += b, s[2] += c, s[3] += d, s[4] += e, s[5] += f, s[6] += g, s[7] += h;
}

int sha256_c_usable(void)
{
    return 1;
}

void sha256_c_blocks(uint32_t state[static 8], const uint8_t *bytes, size_t count)
{
    for (; count > 0; count--, bytes += 64)
        one_block(state, bytes);
}

/* Interleaving would only spill registers here. */
void sha256_c_blocks2(uint32_t a[static 8], const uint8_t *bytes_a, uint32_t b[static 8],
                      const uint8_t *bytes_b, size_t count)
{
    sha256_c_blocks(a, bytes_a, count);
    sha256_c_blocks(b, bytes_b, count);
}
