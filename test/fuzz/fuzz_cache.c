/* SPDX-License-Identifier: MIT */
/* Opens a hash cache whose file is the input: every record that is given must be one that a share
 * can use, can be read again, and is there after another start; and one can be appended. */
#include "peer/cache.h"

#include "base/name.h"
#include "base/state.h"
#include "platform/plat.h"
#include "wire/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    uint32_t count, last;
    struct cache *cache;
};

static uint8_t span[CACHE_SPAN];

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void on_found(void *ctx, const struct cache_record *record, uint32_t place)
{
    struct seen *seen = ctx;
    require(place > seen->last);
    require(!name_fault(record->path));
    require(record->stat.size >= 0 && record->stat.size <= P2P_FILE_MAX);
    require(record->states == digest_piece_count(record->stat.size) - 1);
    seen->last = place;
    seen->count++;
}

static void check_again(const struct cache *cache, const struct seen *seen)
{
    char path[P2P_PATH_MAX + 1];
    struct cache_record record;
    uint8_t part[256];
    if (seen->count == 0)
        return;
    require(cache_read(cache->fd, seen->last, &record, path) == 0);
    (void)cache_check_chain(cache->fd, seen->last, &record, part, sizeof part);
}

static uint32_t open_cache(struct cache *cache, int folder, struct seen *seen)
{
    struct cache_open how = {.folder = folder, .span = span, .found = on_found, .ctx = seen};
    *seen = (struct seen){.cache = cache};
    require(cache_open(cache, &how) == 0);
    check_again(cache, seen);
    return seen->count;
}

static void append(struct cache *cache)
{
    uint8_t bytes[CACHE_HEAD + 16];
    struct cache_record record = {.path = STR("appended"), .stat = {.size = 5}};
    size_t size = cache_units(record.path.len, 0) * (size_t)CACHE_UNIT;
    cache_encode(&record, bytes);
    require(cache_append(cache, bytes, size) != 0);
}

static uint32_t number(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* Makes the checksums right, so that what else is wrong with a record is looked at. */
static void mend(uint8_t *bytes, size_t size)
{
    for (size_t at = 16; at + CACHE_HEAD <= size;) {
        uint32_t units = number(bytes + at), path_len = number(bytes + at + 104);
        size_t head = cache_units(path_len % 2048, 0) * (size_t)CACHE_UNIT;
        if (units == 0 || head > size - at)
            return;
        uint32_t crc = state_crc32(0, bytes + at + 8, head - 8);
        for (size_t i = 0; i < 4; i++)
            bytes[at + 4 + i] = (uint8_t)(crc >> (8 * i));
        at += (size_t)units * CACHE_UNIT;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[65536];
    static char root[] = "/tmp/fuzz_cache.XXXXXX";
    static int folder = -1;
    struct cache cache;
    struct seen seen;
    if (folder < 0) {
        require(mkdtemp(root) != NULL);
        folder = plat_open_folder(root);
    }
    size = size < sizeof bytes ? size : sizeof bytes;
    memcpy(bytes, data, size);
    if (size > 0 && data[size - 1] % 2 == 1)
        mend(bytes, size);
    int fd = plat_open_beneath(folder, "hashes", PLAT_WRITE | PLAT_CREATE | PLAT_TRUNCATE);
    require(fd >= 0 && plat_write(fd, bytes, size) == 0);
    plat_close(fd);
    uint32_t count = open_cache(&cache, folder, &seen);
    cache_close(&cache);
    require(open_cache(&cache, folder, &seen) == count);
    append(&cache);
    cache_close(&cache);
    require(open_cache(&cache, folder, &seen) == count + 1);
    cache_close(&cache);
    return 0;
}
