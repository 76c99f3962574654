/* SPDX-License-Identifier: MIT */
/* The file: a line that names the format, then records at multiples of 8 bytes. A record begins
 * with its length and a CRC-32 of the rest of its head and of its path; the chain behind them has a
 * CRC of its own, looked at when it is first asked for. Zeroes between records are where a process
 * died between taking its place and writing: passed over. Numbers are little-endian. */
#include "peer/cache.h"

#include "base/name.h"
#include "base/state.h"
#include "platform/plat.h"
#include "wire/digest.h"

#include <assert.h>
#include <string.h>

#define CACHE_NAME "hashes"
#define CACHE_NEW "hashes.new"
#define CACHE_MAGIC "p2p-hashes 2\n\0\0"

enum {
    CACHE_MAGIC_SIZE = 16,
    CACHE_WASTE_MIN = 64 * 1024 / CACHE_UNIT, /* smaller files are not worth the trouble */
    CACHE_FLAG_RACY = 1,
};
_Static_assert(sizeof CACHE_MAGIC == CACHE_MAGIC_SIZE, "whole units");

/* ---- numbers ---- */

static void put32(uint8_t *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

static void put64(uint8_t *out, uint64_t value)
{
    put32(out, (uint32_t)value);
    put32(out + 4, (uint32_t)(value >> 32));
}

static uint32_t get32(const uint8_t *in)
{
    return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

static uint64_t get64(const uint8_t *in)
{
    return (uint64_t)get32(in) | (uint64_t)get32(in + 4) << 32;
}

/* ---- records ---- */

enum {
    AT_UNITS = 0,
    AT_CRC = 4, /* of all behind it, up to the chain */
    AT_DEVICE = 8,
    AT_INODE = 16,
    AT_SIZE = 24,
    AT_MTIME = 32,
    AT_CTIME = 40,
    AT_CONTENT = 48,
    AT_CHAIN_ID = 80,
    AT_STATES = 96,
    AT_STATES_CRC = 100,
    AT_PATH_LEN = 104,
    AT_FLAGS = 108,
};
_Static_assert(AT_FLAGS + 4 == CACHE_HEAD, "the head is full");

uint32_t cache_units(size_t path_len, uint32_t states)
{
    return (uint32_t)((CACHE_HEAD + path_len + CACHE_UNIT - 1) / CACHE_UNIT) +
           states * (P2P_SHA256_SIZE / CACHE_UNIT);
}

void cache_encode(const struct cache_record *record, uint8_t *out)
{
    size_t len = record->path.len, size = cache_units(len, 0) * (size_t)CACHE_UNIT;
    memset(out, 0, size);
    put32(out + AT_UNITS, cache_units(len, record->states));
    put64(out + AT_DEVICE, record->stat.device);
    put64(out + AT_INODE, record->stat.inode);
    put64(out + AT_SIZE, (uint64_t)record->stat.size);
    put64(out + AT_MTIME, (uint64_t)record->stat.mtime_ns);
    put64(out + AT_CTIME, (uint64_t)record->stat.ctime_ns);
    memcpy(out + AT_CONTENT, record->content.bytes, P2P_SHA256_SIZE);
    memcpy(out + AT_CHAIN_ID, record->chain_id, P2P_CHAIN_ID_SIZE);
    put32(out + AT_STATES, record->states);
    put32(out + AT_STATES_CRC, record->states_crc);
    put32(out + AT_PATH_LEN, (uint32_t)len);
    put32(out + AT_FLAGS, record->racy ? CACHE_FLAG_RACY : 0);
    memcpy(out + CACHE_HEAD, record->path.ptr, len);
    put32(out + AT_CRC, state_crc32(0, out + AT_DEVICE, size - AT_DEVICE));
}

/* Bytes of head and path of the record at in, of which CACHE_HEAD bytes are there; 0: it is none.
 */
static size_t record_length(const uint8_t *in)
{
    uint32_t len = get32(in + AT_PATH_LEN), states = get32(in + AT_STATES);
    uint64_t size = get64(in + AT_SIZE);
    if (len == 0 || len > P2P_PATH_MAX || size > (uint64_t)P2P_FILE_MAX ||
        states != digest_piece_count((int64_t)size) - 1 ||
        get32(in + AT_UNITS) != cache_units(len, states))
        return 0;
    return cache_units(len, 0) * (size_t)CACHE_UNIT;
}

/* A record whose head and path are in. 0 or -P2P_EVERIFY. */
static int record_decode(const uint8_t *in, struct cache_record *out)
{
    size_t size = record_length(in);
    if (size == 0 || get32(in + AT_CRC) != state_crc32(0, in + AT_DEVICE, size - AT_DEVICE))
        return -P2P_EVERIFY;
    *out = (struct cache_record){
        .path = {(const char *)in + CACHE_HEAD, get32(in + AT_PATH_LEN)},
        .stat = {.kind = PLAT_KIND_FILE,
                 .device = get64(in + AT_DEVICE),
                 .inode = get64(in + AT_INODE),
                 .size = (int64_t)get64(in + AT_SIZE),
                 .mtime_ns = (int64_t)get64(in + AT_MTIME),
                 .ctime_ns = (int64_t)get64(in + AT_CTIME)},
        .racy = (get32(in + AT_FLAGS) & CACHE_FLAG_RACY) != 0,
        .states = get32(in + AT_STATES),
        .states_crc = get32(in + AT_STATES_CRC),
    };
    memcpy(out->content.bytes, in + AT_CONTENT, P2P_SHA256_SIZE);
    memcpy(out->chain_id, in + AT_CHAIN_ID, P2P_CHAIN_ID_SIZE);
    return name_fault(out->path) ? -P2P_EVERIFY : 0;
}

/* ---- opening ---- */

/* The place behind the record or hole at byte `at` of the file, of which left bytes are in the
 * span; 0: more must be read from `at`; -P2P_EVERIFY: nothing good from here on. */
static int64_t load_one(const uint8_t *in, size_t left, int64_t at, struct cache_record *out)
{
    out->path.len = 0;
    if (left < CACHE_UNIT)
        return 0;
    if (get32(in + AT_UNITS) == 0)
        return get32(in + AT_CRC) == 0 ? at + CACHE_UNIT : -P2P_EVERIFY;
    if (left < CACHE_HEAD)
        return 0;
    size_t size = record_length(in);
    if (size == 0)
        return -P2P_EVERIFY;
    if (left < size)
        return 0;
    if (record_decode(in, out) < 0)
        return -P2P_EVERIFY;
    return at + (int64_t)get32(in + AT_UNITS) * CACHE_UNIT;
}

/* Gives all good records up to the first that is none. The file's good length. */
static int64_t load_all(const struct cache *cache, int64_t size, const struct cache_open *how)
{
    int64_t at = CACHE_MAGIC_SIZE, good = CACHE_MAGIC_SIZE;
    while (at < size) {
        int64_t got = plat_pread(cache->fd, how->span, CACHE_SPAN, at), from = at, next = 1;
        while (got > 0 && at - from < got) {
            struct cache_record record;
            next = load_one(how->span + (at - from), (size_t)(got - (at - from)), at, &record);
            if (next <= 0 || next > size)
                break;
            if (record.path.len > 0) {
                how->found(how->ctx, &record, (uint32_t)(at / CACHE_UNIT));
                good = next;
            }
            at = next;
        }
        if (got <= 0 || next < 0 || next > size || at == from)
            break;
    }
    return good;
}

static int file_begin(int fd)
{
    int result = plat_truncate(fd, 0);
    return result < 0 ? result : plat_pwrite(fd, CACHE_MAGIC, CACHE_MAGIC_SIZE, 0);
}

static bool file_is_ours(int fd, int64_t *out_size)
{
    char magic[CACHE_MAGIC_SIZE];
    struct plat_stat stat;
    if (plat_fstat(fd, &stat) < 0 ||
        plat_pread(fd, magic, sizeof magic, 0) != (int64_t)sizeof magic ||
        memcmp(magic, CACHE_MAGIC, sizeof magic) != 0)
        return false;
    *out_size = stat.size;
    return true;
}

/* The descriptor of an unnamed file, or -1. */
static int open_unnamed(void)
{
    int folder = plat_open_folder("/tmp");
    int fd = folder >= 0 ? plat_open_unnamed(folder) : -1;
    if (folder >= 0)
        plat_close(folder);
    if (fd >= 0 && file_begin(fd) < 0) {
        plat_close(fd);
        fd = -1;
    }
    return fd < 0 ? -1 : fd;
}

static int open_named(int folder)
{
    if (folder < 0)
        return -P2P_EREADONLY;
    (void)plat_unlink_beneath(folder, CACHE_NEW);
    return plat_open_beneath(folder, CACHE_NAME,
                             PLAT_READ | PLAT_WRITE | PLAT_CREATE | PLAT_PRIVATE);
}

int cache_open(struct cache *cache, const struct cache_open *how)
{
    int64_t size = 0, good = CACHE_MAGIC_SIZE;
    int fd = open_named(how->folder), result = 0;
    *cache = (struct cache){.folder = how->folder, .fd = fd, .old_fd = -1};
    atomic_init(&cache->broken, false);
    if (fd >= 0 && file_is_ours(fd, &size)) {
        good = load_all(cache, size, how);
        if (good < size)
            result = plat_truncate(fd, good);
    } else if (fd >= 0) {
        result = file_begin(fd);
        state_count_written(CACHE_MAGIC_SIZE);
    } else {
        result = fd;
    }
    if (result < 0) {
        if (fd >= 0)
            plat_close(fd);
        cache->folder = -1;
        cache->fd = open_unnamed();
        good = CACHE_MAGIC_SIZE;
    }
    atomic_init(&cache->end, (uint32_t)((good + CACHE_UNIT - 1) / CACHE_UNIT));
    return how->folder < 0 ? 0 : result;
}

void cache_close(struct cache *cache)
{
    if (cache->fd >= 0)
        plat_close(cache->fd);
    if (cache->old_fd >= 0)
        plat_close(cache->old_fd);
    cache->fd = cache->old_fd = -1;
}

/* ---- appending and reading ---- */

/* 0: full. The room is taken without a lock, so that workers append side by side. */
static uint32_t take_room(struct cache *cache, uint64_t units)
{
    uint32_t end = atomic_load(&cache->end);
    do {
        if (units > UINT32_MAX - end)
            return 0;
    } while (!atomic_compare_exchange_weak(&cache->end, &end, end + (uint32_t)units));
    return end;
}

static bool write_at(struct cache *cache, const void *bytes, size_t size, uint32_t place)
{
    if (plat_pwrite(cache->fd, bytes, size, (int64_t)place * CACHE_UNIT) == 0)
        return true;
    atomic_store(&cache->broken, true);
    return false;
}

/* Room for a record with its chain; where the latter goes. 0: there is none. */
static uint32_t take_both(struct cache *cache, size_t size, uint32_t states, uint32_t *out_chain)
{
    assert(size % CACHE_UNIT == 0);
    uint64_t units = size / CACHE_UNIT + (uint64_t)states * (P2P_SHA256_SIZE / CACHE_UNIT);
    bool usable = cache->fd >= 0 && !atomic_load(&cache->broken);
    uint32_t place = usable ? take_room(cache, units) : 0;
    *out_chain = place + (uint32_t)(size / CACHE_UNIT);
    return place;
}

static void count_written(const struct cache *cache, size_t size, uint32_t states)
{
    if (cache->folder >= 0)
        state_count_written(size + (uint64_t)states * P2P_SHA256_SIZE);
}

/* The chain first: a record that can be read has one. */
uint32_t cache_append_chain(struct cache *cache, const void *bytes, size_t size,
                            const uint8_t *chain, uint32_t states)
{
    uint32_t chain_place, place = take_both(cache, size, states, &chain_place);
    size_t chain_size = (size_t)states * P2P_SHA256_SIZE;
    if (place == 0 || (states > 0 && !write_at(cache, chain, chain_size, chain_place)) ||
        !write_at(cache, bytes, size, place))
        return 0;
    count_written(cache, size, states);
    return place;
}

uint32_t cache_append(struct cache *cache, const void *bytes, size_t size)
{
    return cache_append_chain(cache, bytes, size, NULL, 0);
}

/* Copies size bytes. */
static bool copy(int from, int64_t from_at, int to, int64_t to_at, int64_t size)
{
    uint8_t part[8192];
    while (size > 0) {
        size_t want = size < (int64_t)sizeof part ? (size_t)size : sizeof part;
        int64_t got = plat_pread(from, part, want, from_at);
        if (got <= 0 || plat_pwrite(to, part, (size_t)got, to_at) < 0)
            return false;
        from_at += got;
        to_at += got;
        size -= got;
    }
    return true;
}

uint32_t cache_append_file(struct cache *cache, const void *bytes, size_t size, int chain_file,
                           uint32_t states)
{
    uint32_t chain_place, place = take_both(cache, size, states, &chain_place);
    if (place == 0)
        return 0;
    if (!copy(chain_file, 0, cache->fd, (int64_t)chain_place * CACHE_UNIT,
              (int64_t)states * P2P_SHA256_SIZE)) {
        atomic_store(&cache->broken, true);
        return 0;
    }
    if (!write_at(cache, bytes, size, place))
        return 0;
    count_written(cache, size, states);
    return place;
}

static int read_record(int fd, uint32_t place, struct cache_record *out, uint8_t *head)
{
    size_t most = cache_units(P2P_PATH_MAX, 0) * (size_t)CACHE_UNIT;
    int64_t got = plat_pread(fd, head, most, (int64_t)place * CACHE_UNIT);
    if (got < 0)
        return (int)got;
    if (got < CACHE_HEAD || record_length(head) == 0 || record_length(head) > (size_t)got)
        return -P2P_EVERIFY;
    return record_decode(head, out);
}

int cache_read(int fd, uint32_t place, struct cache_record *out, char *path)
{
    uint8_t head[CACHE_HEAD + P2P_PATH_MAX + CACHE_UNIT];
    int result = fd < 0 || place == 0 ? -P2P_EVERIFY : read_record(fd, place, out, head);
    if (result < 0)
        return result;
    memcpy(path, out->path.ptr, out->path.len);
    path[out->path.len] = '\0';
    out->path.ptr = path;
    return 0;
}

int cache_hold(struct cache *cache)
{
    cache->readers++;
    return cache->fd;
}

void cache_drop(struct cache *cache, int fd)
{
    if (fd == cache->fd) {
        cache->readers--;
        return;
    }
    assert(fd == cache->old_fd && cache->old_readers > 0);
    if (--cache->old_readers > 0)
        return;
    plat_close(cache->old_fd);
    cache->old_fd = -1;
}

int64_t cache_chain_at(uint32_t place, const struct cache_record *record)
{
    return ((int64_t)place + cache_units(record->path.len, 0)) * CACHE_UNIT;
}

int cache_check_chain(int fd, uint32_t place, const struct cache_record *record, uint8_t *part,
                      size_t size)
{
    int64_t at = cache_chain_at(place, record);
    int64_t left = (int64_t)record->states * P2P_SHA256_SIZE;
    uint32_t crc = 0;
    while (left > 0) {
        int64_t got = plat_pread(fd, part, left < (int64_t)size ? (size_t)left : size, at);
        if (got <= 0)
            return -P2P_EVERIFY;
        crc = state_crc32(crc, part, (size_t)got);
        at += got;
        left -= got;
    }
    return crc == record->states_crc ? 0 : -P2P_EVERIFY;
}

/* ---- compaction ---- */

bool cache_is_wasteful(const struct cache *cache)
{
    uint32_t end = atomic_load(&((struct cache *)cache)->end);
    return cache->fd >= 0 && cache->old_fd < 0 && end > CACHE_WASTE_MIN && end / 2 > cache->live &&
           !atomic_load(&((struct cache *)cache)->broken);
}

int cache_move_begin(struct cache_move *move, struct cache *cache)
{
    *move = (struct cache_move){.cache = cache, .end = CACHE_MAGIC_SIZE / CACHE_UNIT};
    unsigned modes = PLAT_READ | PLAT_WRITE | PLAT_CREATE | PLAT_TRUNCATE | PLAT_PRIVATE;
    move->fd =
        cache->folder >= 0 ? plat_open_beneath(cache->folder, CACHE_NEW, modes) : open_unnamed();
    if (move->fd < 0)
        return -P2P_EREADONLY;
    move->failed = file_begin(move->fd) < 0;
    return 0;
}

uint32_t cache_move(struct cache_move *move, uint32_t place)
{
    uint8_t head[CACHE_HEAD + P2P_PATH_MAX + CACHE_UNIT];
    struct cache_record record;
    if (move->failed || read_record(move->cache->fd, place, &record, head) < 0)
        return 0;
    uint32_t units = cache_units(record.path.len, record.states), to = move->end;
    if (!copy(move->cache->fd, (int64_t)place * CACHE_UNIT, move->fd, (int64_t)to * CACHE_UNIT,
              (int64_t)units * CACHE_UNIT)) {
        move->failed = true;
        return 0;
    }
    move->end += units;
    return to;
}

void cache_move_abort(struct cache_move *move)
{
    plat_close(move->fd);
    move->fd = -1;
    if (move->cache->folder >= 0)
        (void)plat_unlink_beneath(move->cache->folder, CACHE_NEW);
}

int cache_move_end(struct cache_move *move)
{
    int folder = move->cache->folder;
    int result = move->failed ? -P2P_EIO : folder < 0 ? 0 : plat_fsync(move->fd);
    if (result == 0 && folder >= 0)
        result = plat_rename_beneath(folder, CACHE_NEW, folder, CACHE_NAME, true);
    if (result < 0) {
        cache_move_abort(move);
        return result;
    }
    if (folder >= 0) {
        (void)plat_fsync(folder);
        state_count_written((uint64_t)move->end * CACHE_UNIT);
    }
    return 0;
}

void cache_move_switch(struct cache_move *move)
{
    struct cache *cache = move->cache;
    cache->old_fd = cache->fd;
    cache->old_readers = cache->readers;
    cache->readers = 0;
    cache->fd = move->fd;
    atomic_store(&cache->end, move->end);
    if (cache->old_readers > 0)
        return;
    plat_close(cache->old_fd);
    cache->old_fd = -1;
}
