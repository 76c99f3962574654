/* SPDX-License-Identifier: MIT */
/* A line is "CRC CONTENT ORIGIN PATH", the checksum over what follows it. The last line of a path
 * counts; what is torn or foreign is passed over. Paths are not kept in memory, only their hashes.
 * When most lines are outdated, the file is written anew at the next start. Loop thread. */
#include "peer/copies.h"

#include "base/hash.h"
#include "base/log.h"
#include "base/state.h"
#include "base/text.h"
#include "platform/plat_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    COPIES_TABLE = 2 * COPIES_MAX,
    COPIES_CRC = 8,
    COPIES_FIELDS = COPIES_CRC + 1 + 2 * P2P_SHA256_SIZE + 1 + 2 * P2P_ID_SIZE + 1,
    COPIES_LINE = COPIES_FIELDS + P2P_PATH_MAX + 1,
    COPIES_PENDING = 80 * 1024, /* lines that wait to be written: those of one job of fetch */
    COPIES_SPARE = 256          /* outdated lines that are not worth writing anew */
};

#define COPIES_FILE "copies"
#define COPIES_NEW "copies.new"

struct copies_item {
    uint64_t path; /* its hash */
    uint32_t line; /* the number of its last line */
    struct record_content content;
    struct record_id origin;
};

struct copies {
    struct worker_job job;
    int folder, fd;
    uint32_t count, lines;
    uint32_t table[COPIES_TABLE]; /* item + 1 */
    struct copies_item items[COPIES_MAX];
    char pending[COPIES_PENDING], writing[COPIES_PENDING];
    size_t pending_len, writing_len;
    void (*done)(void *ctx);
    void *ctx;
};

static uint64_t path_hash(struct str path)
{
    return hash_bytes(path.ptr, path.len);
}

/* The place of a path in the table: its own, or the free one where it would go. */
static uint32_t find(const struct copies *copies, uint64_t path)
{
    uint32_t at = (uint32_t)path % COPIES_TABLE;
    while (copies->table[at] != 0 && copies->items[copies->table[at] - 1].path != path)
        at = (at + 1) % COPIES_TABLE;
    return at;
}

static int note(struct copies *copies, const struct copies_entry *entry)
{
    uint64_t path = path_hash(entry->path);
    uint32_t at = find(copies, path);
    if (copies->table[at] == 0) {
        if (copies->count == COPIES_MAX)
            return -P2P_EFULL;
        copies->table[at] = ++copies->count;
    }
    copies->items[copies->table[at] - 1] = (struct copies_item){
        .path = path, .line = copies->lines, .content = entry->content, .origin = entry->origin};
    copies->lines++;
    return 0;
}

/* ---- lines ---- */

static void put_line(struct buf *buf, const struct copies_entry *entry)
{
    char text[COPIES_LINE];
    struct buf line = buf_on(text, sizeof text);
    buf_put_hex(&line, entry->content.bytes, sizeof entry->content);
    buf_put_char(&line, ' ');
    buf_put_hex(&line, entry->origin.bytes, sizeof entry->origin);
    buf_put_char(&line, ' ');
    buf_put(&line, entry->path);
    buf_printf(buf, "%08" PRIx32 " %.*s\n", state_crc32(0, line.ptr, line.len), (int)line.len,
               line.ptr);
}

static bool read_line(struct str line, struct copies_entry *out)
{
    char crc[COPIES_CRC + 1];
    if (line.len <= COPIES_FIELDS || line.len >= COPIES_LINE)
        return false;
    struct str rest = text_from_byte(line, COPIES_CRC + 1);
    snprintf(crc, sizeof crc, "%08" PRIx32, state_crc32(0, rest.ptr, rest.len));
    out->path = text_from_byte(line, COPIES_FIELDS);
    return memcmp(crc, line.ptr, COPIES_CRC) == 0 &&
           text_hex_decode(text_first(rest, 2 * P2P_SHA256_SIZE), out->content.bytes,
                           sizeof out->content) == 0 &&
           text_hex_decode(
               text_first(text_from_byte(rest, 2 * P2P_SHA256_SIZE + 1), 2 * P2P_ID_SIZE),
               out->origin.bytes, sizeof out->origin) == 0;
}

/* Gives each good line of a file to take, with its number. Returns where the last whole line ends.
 */
static int64_t each_line(int fd, void (*take)(void *ctx, const struct copies_entry *, uint32_t),
                         void *ctx)
{
    char text[2 * COPIES_LINE];
    size_t len = 0;
    uint32_t number = 0;
    int64_t offset = 0, got;
    while ((got = plat_pread(fd, text + len, sizeof text - len, offset)) > 0) {
        struct str all = {text, len + (size_t)got}, rest = all;
        ptrdiff_t end;
        offset += got;
        while ((end = text_find(rest, '\n')) >= 0) {
            struct copies_entry entry;
            if (read_line(text_first(rest, (size_t)end), &entry))
                take(ctx, &entry, number++);
            rest = text_from_byte(rest, (size_t)end + 1);
        }
        len = rest.len < sizeof text ? rest.len : 0; /* a line without end is none of ours */
        memmove(text, rest.ptr, len);
    }
    return offset - (int64_t)len;
}

/* ---- the file ---- */

static void take_line(void *ctx, const struct copies_entry *entry, uint32_t number)
{
    struct copies *copies = ctx;
    copies->lines = number;
    if (note(copies, entry) < 0)
        copies->lines = number + 1;
}

struct rewrite {
    const struct copies *copies;
    int fd, error;
};

static void keep_line(void *ctx, const struct copies_entry *entry, uint32_t number)
{
    struct rewrite *rewrite = ctx;
    const struct copies *copies = rewrite->copies;
    uint32_t at = copies->table[find(copies, path_hash(entry->path))];
    char text[COPIES_LINE + 1];
    struct buf buf = buf_on(text, sizeof text);
    if (at == 0 || copies->items[at - 1].line != number || rewrite->error != 0)
        return;
    put_line(&buf, entry);
    rewrite->error = plat_write(rewrite->fd, buf.ptr, buf.len);
    state_count_written(buf.len);
}

/* Only the lines that count. When it fails the old file stays. */
static void compact(struct copies *copies)
{
    struct rewrite rewrite = {.copies = copies};
    rewrite.fd = plat_open_beneath(copies->folder, COPIES_NEW,
                                   PLAT_WRITE | PLAT_CREATE | PLAT_TRUNCATE | PLAT_PRIVATE);
    if (rewrite.fd < 0)
        return;
    each_line(copies->fd, keep_line, &rewrite);
    if (rewrite.error == 0)
        rewrite.error = plat_fsync(rewrite.fd);
    plat_close(rewrite.fd);
    if (rewrite.error == 0)
        rewrite.error =
            plat_rename_beneath(copies->folder, COPIES_NEW, copies->folder, COPIES_FILE, true);
    if (rewrite.error != 0)
        plat_unlink_beneath(copies->folder, COPIES_NEW);
}

static int open_file(const struct copies *copies)
{
    return copies->folder < 0 ? -1
                              : plat_open_beneath(copies->folder, COPIES_FILE,
                                                  PLAT_READ | PLAT_WRITE | PLAT_APPEND |
                                                      PLAT_CREATE | PLAT_PRIVATE);
}

static void load(struct copies *copies)
{
    copies->fd = open_file(copies);
    if (copies->fd < 0)
        return;
    (void)plat_truncate(copies->fd, each_line(copies->fd, take_line, copies));
    if (copies->lines <= 2 * copies->count + COPIES_SPARE)
        return;
    compact(copies);
    plat_close(copies->fd);
    copies->fd = open_file(copies);
}

size_t copies_size(void)
{
    return sizeof(struct copies) + 64;
}

int copies_init(struct copies **out, struct arena *arena, int state_folder)
{
    struct copies *copies = arena_carve(arena, sizeof *copies, 64);
    if (!copies)
        return -P2P_EFULL;
    copies->folder = state_folder;
    load(copies);
    *out = copies;
    return 0;
}

void copies_close(struct copies *copies)
{
    if (copies->fd >= 0)
        plat_close(copies->fd);
    copies->fd = -1;
}

/* ---- use ---- */

int copies_add(struct copies *copies, const struct copies_entry *entry)
{
    struct buf buf = buf_on(copies->pending, sizeof copies->pending);
    int result = note(copies, entry);
    buf.len = copies->pending_len;
    if (result == 0 && copies->fd >= 0)
        put_line(&buf, entry);
    copies->pending_len = buf.len;
    return result < 0 || !buf.full ? result : -P2P_EFULL;
}

void copies_mark(const struct copies *copies, struct record_offer *offer)
{
    uint32_t at = copies->table[find(copies, path_hash(offer->path))];
    if (at == 0)
        return;
    const struct copies_item *item = &copies->items[at - 1];
    if (offer->hashed && memcmp(&item->content, &offer->content, sizeof item->content) != 0)
        return;
    offer->copy = true;
    offer->origin = item->origin;
}

uint32_t copies_count(const struct copies *copies)
{
    return copies->count;
}

static void save_work(struct worker_job *job)
{
    struct copies *copies = (struct copies *)job;
    if (copies->writing_len == 0)
        return;
    int error = plat_write(copies->fd, copies->writing, copies->writing_len);
    if (error == 0)
        error = plat_fsync(copies->fd);
    state_count_written(copies->writing_len);
    if (error < 0)
        log_line(LOG_WARN, "copies",
                 "cannot write down what was fetched: %s; after a restart it "
                 "is offered as this node's own",
                 log_error(error));
}

static void save_done(struct worker_job *job)
{
    struct copies *copies = (struct copies *)job;
    copies->done(copies->ctx);
}

void copies_save(struct copies *copies, struct worker *worker, struct loop *home,
                 void (*done)(void *ctx), void *ctx)
{
    memcpy(copies->writing, copies->pending, copies->pending_len);
    copies->writing_len = copies->pending_len;
    copies->pending_len = 0;
    copies->done = done;
    copies->ctx = ctx;
    copies->job = (struct worker_job){.work = save_work, .done = save_done, .home = home};
    worker_submit(worker, &copies->job);
}
