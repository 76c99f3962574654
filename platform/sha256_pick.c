/* SPDX-License-Identifier: MIT */
/* Picks the best SHA-256 twin that this processor can run, at the first call. Any thread: two
 * threads that come first at once pick the same one and store the same pointer. */
#include "platform/sha256_twins.h"

#include <stdatomic.h>

const struct plat_sha256_twin plat_sha256_twins[] = {
#if SHA256_HAVE_X86
    {"sha-ni", sha256_x86_usable, sha256_x86_blocks, sha256_x86_blocks2},
#endif
#if SHA256_HAVE_ARM
    {"armv8", sha256_arm_usable, sha256_arm_blocks, sha256_arm_blocks2},
#endif
    {"c", sha256_c_usable, sha256_c_blocks, sha256_c_blocks2},
    {NULL, NULL, NULL, NULL},
};

static _Atomic(const struct plat_sha256_twin *) sha256_picked;

static const struct plat_sha256_twin *sha256_pick(void)
{
    const struct plat_sha256_twin *twin =
        atomic_load_explicit(&sha256_picked, memory_order_relaxed);
    if (twin != NULL)
        return twin;
    twin = plat_sha256_twins;
    while (!twin->usable())
        twin++;
    atomic_store_explicit(&sha256_picked, twin, memory_order_relaxed);
    return twin;
}

void plat_sha256_blocks(uint32_t state[static 8], const uint8_t *bytes, size_t count)
{
    sha256_pick()->blocks(state, bytes, count);
}

void plat_sha256_blocks2(uint32_t a[static 8], const uint8_t *bytes_a, uint32_t b[static 8],
                         const uint8_t *bytes_b, size_t count)
{
    sha256_pick()->blocks2(a, bytes_a, b, bytes_b, count);
}

const char *plat_sha256_name(void)
{
    return sha256_pick()->name;
}
