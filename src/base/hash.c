/* SPDX-License-Identifier: MIT */
/* SipHash-1-3 with a key of this process, and a small generator for choices. The key is written
 * once, before the first table and the first thread; from then on it is only read. Any thread. */
#include "base/hash.h"

#include "platform/plat.h"

#include <string.h>

static uint64_t hash_key[2];

int hash_seed(void)
{
    return plat_random(hash_key, sizeof(hash_key));
}

static uint64_t hash_rotate(uint64_t value, unsigned by)
{
    return value << by | value >> (64 - by);
}

static inline void hash_round(uint64_t v[static 4])
{
    v[0] += v[1];
    v[1] = hash_rotate(v[1], 13) ^ v[0];
    v[0] = hash_rotate(v[0], 32);
    v[2] += v[3];
    v[3] = hash_rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = hash_rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = hash_rotate(v[1], 17) ^ v[2];
    v[2] = hash_rotate(v[2], 32);
}

/* Little-endian whatever the machine, so that tests have one expected value. */
static uint64_t hash_load(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof(value));
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? value : __builtin_bswap64(value);
}

static inline void hash_word(uint64_t v[static 4], uint64_t word)
{
    v[3] ^= word;
    hash_round(v);
    v[0] ^= word;
}

/* The bytes behind the last whole word, the first the lowest. */
static inline uint64_t hash_rest(const uint8_t *end, size_t size)
{
    size_t rest = size % 8;
    uint64_t word = 0;
    if (rest > 0 && size > 8)
        return hash_load(end - 8) >> (64 - 8 * rest);
    for (size_t i = 0; i < rest; i++)
        word |= (uint64_t)end[(ptrdiff_t)i - (ptrdiff_t)rest] << (8 * i);
    return word;
}

uint64_t hash_bytes(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    uint64_t v[4] = {
        hash_key[0] ^ UINT64_C(0x736f6d6570736575), hash_key[1] ^ UINT64_C(0x646f72616e646f6d),
        hash_key[0] ^ UINT64_C(0x6c7967656e657261), hash_key[1] ^ UINT64_C(0x7465646279746573)};
    for (size_t i = 0; i + 8 <= size; i += 8)
        hash_word(v, hash_load(at + i));
    hash_word(v, (uint64_t)size << 56 | hash_rest(at + size, size));
    v[2] ^= 0xff;
    hash_round(v);
    hash_round(v);
    hash_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t hash_mix(uint64_t value)
{
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

uint64_t hash_u64(uint64_t value)
{
    return hash_mix(hash_mix(value ^ hash_key[0]) + hash_key[1]);
}

void hash_random_seed(struct hash_random *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += UINT64_C(0x9e3779b97f4a7c15);
        random->state[i] = hash_mix(seed);
    }
}

uint64_t hash_random_next(struct hash_random *random)
{
    uint64_t *s = random->state;
    uint64_t result = hash_rotate(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = hash_rotate(s[3], 45);
    return result;
}

uint32_t hash_random_below(struct hash_random *random, uint32_t bound)
{
    /* Lemire 2019: a multiplication instead of a division, and no bias. */
    uint32_t reject = (0 - bound) % bound;
    uint64_t product;
    do {
        product = (hash_random_next(random) >> 32) * bound;
    } while ((uint32_t)product < reject);
    return (uint32_t)(product >> 32);
}
