/* SPDX-License-Identifier: MIT */
/* The SHA-256 block function with the SHA instructions of x86. The instructions want the state as
 * two vectors, ABEF and CDGH, from the highest word down; two rounds take the old ABEF as the new
 * CDGH. Two streams are interleaved, since one alone waits for the latency of each instruction. Any
 * thread; empty on other architectures. */
#include "platform/sha256_twins.h"

#if SHA256_HAVE_X86

#include <cpuid.h>
#include <immintrin.h>

#define TARGET __attribute__((target("sha,sse4.1,ssse3")))
#define INLINE static inline __attribute__((always_inline)) TARGET

struct lane {
    __m128i abef, cdgh;
    __m128i abef_before, cdgh_before;
    __m128i w[4]; /* 16 words of the schedule, four to a vector */
};

int sha256_x86_usable(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 9 & 1) || !(c >> 19 & 1))
        return 0; /* no SSSE3 or no SSE4.1 */
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1);
}

INLINE __m128i load16(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

INLINE void state_load(struct lane *lane, const uint32_t *state)
{
    __m128i dcba = _mm_shuffle_epi32(load16(state), 0x1b);
    __m128i hgfe = _mm_shuffle_epi32(load16(state + 4), 0x1b);
    lane->abef = _mm_unpackhi_epi64(hgfe, dcba);
    lane->cdgh = _mm_unpacklo_epi64(hgfe, dcba);
}

INLINE void state_store(const struct lane *lane, uint32_t *state)
{
    __m128i dcba = _mm_unpackhi_epi64(lane->cdgh, lane->abef);
    __m128i hgfe = _mm_unpacklo_epi64(lane->cdgh, lane->abef);
    _mm_storeu_si128((__m128i *)state, _mm_shuffle_epi32(dcba, 0x1b));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_shuffle_epi32(hgfe, 0x1b));
}

INLINE void block_begin(struct lane *lane, const uint8_t *bytes)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    lane->abef_before = lane->abef;
    lane->cdgh_before = lane->cdgh;
    lane->w[0] = _mm_shuffle_epi8(load16(bytes), swap);
    lane->w[1] = _mm_shuffle_epi8(load16(bytes + 16), swap);
    lane->w[2] = _mm_shuffle_epi8(load16(bytes + 32), swap);
    lane->w[3] = _mm_shuffle_epi8(load16(bytes + 48), swap);
}

INLINE void block_end(struct lane *lane)
{
    lane->abef = _mm_add_epi32(lane->abef, lane->abef_before);
    lane->cdgh = _mm_add_epi32(lane->cdgh, lane->cdgh_before);
}

/* Four rounds with vector i of the schedule. */
INLINE void rounds(struct lane *lane, const uint32_t *k, int i)
{
    __m128i wk = _mm_add_epi32(lane->w[i], _mm_load_si128((const __m128i *)(k + 4 * i)));
    lane->cdgh = _mm_sha256rnds2_epu32(lane->cdgh, lane->abef, wk);
    lane->abef = _mm_sha256rnds2_epu32(lane->abef, lane->cdgh, _mm_shuffle_epi32(wk, 0x0e));
}

/* Replaces vector i, just used, by the one 16 words on. */
INLINE void schedule(struct lane *lane, int i)
{
    __m128i seven_back = _mm_alignr_epi8(lane->w[(i + 3) & 3], lane->w[(i + 2) & 3], 4);
    __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(lane->w[i], lane->w[(i + 1) & 3]), seven_back);
    lane->w[i] = _mm_sha256msg2_epu32(sum, lane->w[(i + 3) & 3]);
}

/* Indices are constants after inlining: w[] never becomes memory. */
INLINE void step(struct lane *lane, const uint32_t *k, int i)
{
    rounds(lane, k, i);
    schedule(lane, i);
}

TARGET void sha256_x86_blocks(uint32_t state[static 8], const uint8_t *bytes, size_t count)
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

INLINE void steps2(struct lane *a, struct lane *b, const uint32_t *k)
{
    step2(a, b, k, 0);
    step2(a, b, k, 1);
    step2(a, b, k, 2);
    step2(a, b, k, 3);
}

INLINE void rounds2(struct lane *a, struct lane *b, const uint32_t *k, int i)
{
    rounds(a, k, i);
    rounds(b, k, i);
}

TARGET void sha256_x86_blocks2(uint32_t a[static 8], const uint8_t *bytes_a, uint32_t b[static 8],
                               const uint8_t *bytes_b, size_t count)
{
    struct lane la, lb;
    state_load(&la, a);
    state_load(&lb, b);
    for (; count > 0; count--, bytes_a += 64, bytes_b += 64) {
        block_begin(&la, bytes_a);
        block_begin(&lb, bytes_b);
        steps2(&la, &lb, sha256_k); /* in a loop GCC would spill more: 8 per cent slower */
        steps2(&la, &lb, sha256_k + 16);
        steps2(&la, &lb, sha256_k + 32);
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
