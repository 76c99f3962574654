/* SPDX-License-Identifier: MIT */
/* The hash cache: the file "hashes" in the state folder. Append-only records with checksums, each
 * what a file was when it was hashed, its content, and the chain. The caller keeps the places of
 * the records that count; chains are read from the file and never kept in memory. Losing it costs
 * only the time to hash again, so nothing is synced but a compaction. Loaded and compacted on the
 * loop thread, read and appended to from workers too. */
#ifndef CACHE_H
#define CACHE_H

#include "platform/plat_file.h"
#include "wire/record.h"

#include <stdatomic.h>

enum {
    CACHE_UNIT = 8,         /* places are multiples of this */
    CACHE_HEAD = 112,       /* bytes of a record before path and chain */
    CACHE_SPAN = 32 * 1024, /* read at once while loading */
};

/* A file as a record has it. */
struct cache_record {
    struct str path;
    struct plat_stat stat; /* device, inode, size and times */
    bool racy; /* changed so shortly before that a later change would not show: not to be trusted */
    struct record_content content;
    uint8_t chain_id[P2P_CHAIN_ID_SIZE];
    uint32_t states;     /* of the chain; pieces less one */
    uint32_t states_crc; /* CRC-32 of the chain */
};

struct cache {
    int folder;            /* of the file; -1: it has no name */
    int fd;                /* -1: there is no cache at all */
    _Atomic(uint32_t) end; /* in units */
    atomic_bool broken;    /* an append failed: no more of them */
    uint32_t live;         /* units of records that count; the caller's */
    /* Who reads chains, by descriptor: after a compaction the old file stays open for them. */
    uint32_t readers, old_readers;
    int old_fd; /* -1: none */
};

/* Opens the cache in the state folder (-1: none) and gives each good record with its place, later
 * ones after those that they replace. Torn ends are cut off. Without a folder that can be written,
 * it is an unnamed file in the system's temporary folder. 0, or the error that the folder has
 * (what there is works even so). */
struct cache_open {
    int folder;
    uint8_t *span; /* CACHE_SPAN bytes, until it returns */
    void (*found)(void *ctx, const struct cache_record *record, uint32_t place);
    void *ctx;
};
int cache_open(struct cache *cache, const struct cache_open *how);
void cache_close(struct cache *cache);

/* Units that a record takes. */
uint32_t cache_units(size_t path_len, uint32_t states);
/* Writes the record without its chain to out, which has cache_units(path_len, 0) * CACHE_UNIT
 * bytes; the chain follows that as it is. */
void cache_encode(const struct cache_record *record, uint8_t *out);
/* Appends whole records. The place of the first, or 0 when that failed. Any thread. */
uint32_t cache_append(struct cache *cache, const void *bytes, size_t size);
/* The same for one record that is followed by its chain of states * 32 bytes. */
uint32_t cache_append_chain(struct cache *cache, const void *bytes, size_t size,
                            const uint8_t *chain, uint32_t states);
/* The same with the chain at the start of a file. */
uint32_t cache_append_file(struct cache *cache, const void *bytes, size_t size, int chain_file,
                           uint32_t states);
/* For places as they are now: the file to read from, until it is dropped. Loop thread. */
int cache_hold(struct cache *cache);
void cache_drop(struct cache *cache, int fd);
/* Reads a record of that file; path has P2P_PATH_MAX + 1 bytes. 0, -P2P_EVERIFY, -P2P_EIO. Any
 * thread. */
int cache_read(int fd, uint32_t place, struct cache_record *out, char *path);
/* Where its chain lies. */
int64_t cache_chain_at(uint32_t place, const struct cache_record *record);
/* Reads the chain in parts of at most size bytes and checks it. 0 or -P2P_EVERIFY. Any thread. */
int cache_check_chain(int fd, uint32_t place, const struct cache_record *record, uint8_t *part,
                      size_t size);

/* Compaction into a new file: worth it (and nobody reads the file before this one any more), begin,
 * each record that counts, end, switch. Until the switch the old one is whole and read from; when
 * anything fails all stays as it was. move gives the new place, or 0. move and end may run on a
 * worker while nothing is appended. */
struct cache_move {
    struct cache *cache;
    int fd;
    uint32_t end;
    bool failed;
};
bool cache_is_wasteful(const struct cache *cache);
int cache_move_begin(struct cache_move *move, struct cache *cache);
uint32_t cache_move(struct cache_move *move, uint32_t place);
/* The new file has the name. 0, or an error: then it is gone. */
int cache_move_end(struct cache_move *move);
/* New places hold from now on. Loop thread. */
void cache_move_switch(struct cache_move *move);
/* In place of the end. */
void cache_move_abort(struct cache_move *move);

#endif
