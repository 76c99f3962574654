/* SPDX-License-Identifier: MIT */
/* The SHA-256 block function with the SHA instructions of ARMv8. Two streams are interleaved, since
 * one alone waits for the latency of each instruction. Any thread; empty on other architectures. */
#include "platform/sha256_twins.h"

#if SHA256_HAVE_ARM

#include <arm_neon.h>
#include <sys/auxv.h>

#if defined(__clang__)
#define TARGET __attribute__((target("sha2")))
#else
#define TARGET __attribute__((target("+crypto")))
#endif
#define INLINE static inline __attribute__((always_inline)) TARGET

enum { HWCAP_BIT_SHA2 = 1 << 6 }; /* asm/hwcap.h of the kernel; part of its ABI */

struct lane {
    uint32x4_t abcd, efgh;
    uint32x4_t abcd_before, efgh_before;
    uint32x4_t w[4]; /* 16 words of the schedule, four to a vector */
};

int sha256_arm_usable(void)
{
    return (getauxval(AT_HWCAP) & HWCAP_BIT_SHA2) != 0;
}

INLINE void state_load(struct lane *lane, const uint32_t *state)
{
    lane->abcd = vld1q_u32(state);
    lane->efgh = vld1q_u32(state + 4);
}

INLINE void state_store(const struct lane *lane, uint32_t *state)
{
    vst1q_u32(state, lane->abcd);
    vst1q_u32(state + 4, lane->efgh);
}

INLINE void block_begin(struct lane *lane, const uint8_t *bytes)
{
    lane->abcd_before = lane->abcd;
    lane->efgh_before = lane->efgh;
    lane->w[0] = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(bytes)));
    lane->w[1] = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(bytes + 16)));
    lane->w[2] = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(bytes + 32)));
    lane->w[3] = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(bytes + 48)));
}

INLINE void block_end(struct lane *lane)
{
    lane->abcd = vaddq_u32(lane->abcd, lane->abcd_before);
    lane->efgh = vaddq_u32(lane->efgh, lane->efgh_before);
}

/* Four rounds with vector i of the schedule. */
INLINE void rounds(struct lane *lane, const uint32_t *k, int i)
{
    uint32x4_t wk = vaddq_u32(lane->w[i], vld1q_u32(k + 4 * i));
    uint32x4_t abcd = lane->abcd;
    lane->abcd = vsha256hq_u32(abcd, lane->efgh, wk);
    lane->efgh = vsha256h2q_u32(lane->efgh, abcd, wk);
}

/* The same, and vector i is replaced by the one 16 words on. */
INLINE void step(struct lane *lane, const uint32_t *k, int i)
{
    rounds(lane, k, i);
    uint32x4_t half = vsha256su0q_u32(lane->w[i], lane->w[(i + 1) & 3]);
    lane->w[i] = vsha256su1q_u32(half, lane->w[(i + 2) & 3], lane->w[(i + 3) & 3]);
}

TARGET void sha256_arm_blocks(uint32_t state[static 8], const uint8_t *bytes, size_t count)
{
    struct lane lane;
    state_load(&lane, state);
    for (; count > 0; count--, bytes += 64) {
        block_begin(&lane, bytes);
        for (const uint32_t *k = sha256_k; k < sha256_k + 48; k += 16) {
            step(&lane, k, 0);
            step(&lane, k, 1);
            step(&lane, k, 2);
            step(&lane, k, 3);
        }
        rounds(&lane, sha256_k + 48, 0);
        rounds(&lane, sha256_k + 48, 1);
        rounds(&lane, sha256_k + 48, 2);
        rounds(&lane, sha256_k + 48, 3);
        block_end(&lane);
    }
    state_store(&lane, state);
}

INLINE void step2(struct lane *a, struct lane *b, const uint32_t *k, int i)
{
    step(a, k, i);
    step(b, k, i);
}

INLINE void rounds2(struct lane *a, struct lane *b, const uint32_t *k, int i)
{
    rounds(a, k, i);
    rounds(b, k, i);
}

TARGET void sha256_arm_blocks2(uint32_t a[static 8], const uint8_t *bytes_a, uint32_t b[static 8],
                               const uint8_t *bytes_b, size_t count)
{
    struct lane la, lb;
    state_load(&la, a);
    state_load(&lb, b);
    for (; count > 0; count--, bytes_a += 64, bytes_b += 64) {
        block_begin(&la, bytes_a);
        block_begin(&lb, bytes_b);
        for (const uint32_t *k = sha256_k; k < sha256_k + 48; k += 16) {
            step2(&la, &lb, k, 0);
            step2(&la, &lb, k, 1);
            step2(&la, &lb, k, 2);
            step2(&la, &lb, k, 3);
        }
        rounds2(&la, &lb, sha256_k + 48, 0);
        rounds2(&la, &lb, sha256_k + 48, 1);
        rounds2(&la, &lb, sha256_k + 48, 2);
        rounds2(&la, &lb, sha256_k + 48, 3);
        block_end(&la);
        block_end(&lb);
    }
    state_store(&la, a);
    state_store(&lb, b);
}

#endif
