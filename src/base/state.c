/* SPDX-License-Identifier: MIT */
/* State files: "p2p-state 1\n", the body, "\ncrc32 xxxxxxxx\n". A power cut leaves the old file or
 * the new one; a torn disk block is found by the CRC. Any thread, one at a time for each file. */
#include "base/state.h"

#include "base/text.h"
#include "platform/plat_file.h"

#include <stdatomic.h>
#include <string.h>

#define STATE_HEAD "p2p-state 1\n"
#define STATE_MARK "\ncrc32 "

enum {
    STATE_HEAD_SIZE = sizeof(STATE_HEAD) - 1,
    STATE_MARK_SIZE = sizeof(STATE_MARK) - 1,
    STATE_TAIL_SIZE = STATE_MARK_SIZE + 8 + 1, /* mark, hex digits, newline */
    STATE_NAME_MAX = P2P_PART_MAX + 1
};

/* 32 bits: 64-bit atomics want a library on 32-bit boards. Counts KiB and keeps what is below in
 * the other. */
static _Atomic(uint32_t) state_kib, state_rest;

void state_count_written(uint64_t bytes)
{
    uint32_t rest = (uint32_t)(bytes & 1023);
    uint32_t before = atomic_fetch_add(&state_rest, rest);
    uint32_t carry = ((before & 1023) + rest) >> 10;
    atomic_fetch_add(&state_kib, (uint32_t)(bytes >> 10) + carry);
}

uint64_t state_written(void)
{
    return ((uint64_t)atomic_load(&state_kib) << 10) + (atomic_load(&state_rest) & 1023);
}

uint64_t state_written_per_day(int64_t uptime_ms)
{
    uint64_t hour_ms = 3600 * 1000, up_ms = uptime_ms > 0 ? (uint64_t)uptime_ms : 0;
    double days = (double)(up_ms > hour_ms ? up_ms : hour_ms) / (24.0 * (double)hour_ms);

    return (uint64_t)((double)state_written() / days);
}

uint32_t state_crc32(uint32_t crc, const void *bytes, size_t size)
{
    /* Of four bits at a time: 64 bytes of table instead of a kilobyte, and faster than the disk. */
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    const uint8_t *at = bytes;
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= at[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

/* name and ending in out, which has STATE_NAME_MAX bytes. */
static int state_name(const char *name, const char *ending, char *out)
{
    struct buf buf = buf_on(out, STATE_NAME_MAX);
    buf_put_text(&buf, name);
    buf_put_text(&buf, ending);
    buf_put_char(&buf, '\0');
    return buf.full ? -P2P_ETOOBIG : 0;
}

static int state_put(int fd, struct str body)
{
    char memory[STATE_TAIL_SIZE + 1];
    struct buf tail = buf_on(memory, sizeof(memory));
    buf_printf(&tail, STATE_MARK "%08x\n", (unsigned)state_crc32(0, body.ptr, body.len));
    int error = plat_write(fd, STATE_HEAD, STATE_HEAD_SIZE);
    if (error == 0 && body.len > 0)
        error = plat_write(fd, body.ptr, body.len);
    if (error == 0)
        error = plat_write(fd, tail.ptr, tail.len);
    if (error == 0)
        error = plat_fsync(fd);
    return error;
}

int state_write(int folder_fd, const char *name, struct str body)
{
    char temporary[STATE_NAME_MAX];
    int error = state_name(name, ".new", temporary);
    if (error != 0)
        return error;
    int fd = plat_open_beneath(folder_fd, temporary,
                               PLAT_WRITE | PLAT_CREATE | PLAT_TRUNCATE | PLAT_PRIVATE);
    if (fd < 0)
        return fd;
    error = state_put(fd, body);
    plat_close(fd);
    if (error == 0)
        error = plat_rename_beneath(folder_fd, temporary, folder_fd, name, true);
    if (error == 0)
        error = plat_fsync(folder_fd);
    else
        plat_unlink_beneath(folder_fd, temporary);
    if (error == 0)
        state_count_written(STATE_HEAD_SIZE + body.len + STATE_TAIL_SIZE);
    return error;
}

/* Exactly size bytes, or -P2P_EVERIFY where there are fewer. */
static int state_get(int fd, void *out, size_t size, int64_t offset)
{
    int64_t got = plat_pread(fd, out, size, offset);
    return got < 0 ? (int)got : (size_t)got == size ? 0 : -P2P_EVERIFY;
}

static bool state_is_tail(struct str tail, uint32_t crc)
{
    char memory[STATE_TAIL_SIZE + 1];
    struct buf wanted = buf_on(memory, sizeof(memory));
    buf_printf(&wanted, STATE_MARK "%08x\n", (unsigned)crc);
    return text_equal(tail, buf_str(&wanted));
}

static ptrdiff_t state_get_body(int fd, char *out, size_t size)
{
    struct plat_stat stat;
    char head[STATE_HEAD_SIZE], tail[STATE_TAIL_SIZE];
    int error = plat_fstat(fd, &stat);
    if (error == 0 && stat.size < STATE_HEAD_SIZE + STATE_TAIL_SIZE)
        error = -P2P_EVERIFY;
    if (error == 0)
        error = state_get(fd, head, sizeof(head), 0);
    if (error == 0 && memcmp(head, STATE_HEAD, sizeof(head)) != 0)
        error = -P2P_EVERIFY;
    if (error != 0)
        return error;
    uint64_t length = (uint64_t)stat.size - STATE_HEAD_SIZE - STATE_TAIL_SIZE;
    if (length > size)
        return -P2P_ETOOBIG;
    error = state_get(fd, out, (size_t)length, STATE_HEAD_SIZE);
    if (error == 0)
        error = state_get(fd, tail, sizeof(tail), STATE_HEAD_SIZE + (int64_t)length);
    struct str tail_text = {tail, sizeof(tail)};
    if (error == 0 && !state_is_tail(tail_text, state_crc32(0, out, (size_t)length)))
        error = -P2P_EVERIFY;
    return error != 0 ? error : (ptrdiff_t)length;
}

ptrdiff_t state_read(int folder_fd, const char *name, char *out, size_t size)
{
    char bad[STATE_NAME_MAX];
    int fd = plat_open_beneath(folder_fd, name, PLAT_READ);
    if (fd < 0)
        return fd;
    ptrdiff_t length = state_get_body(fd, out, size);
    plat_close(fd);
    if (length == -P2P_EVERIFY && state_name(name, ".bad", bad) == 0)
        plat_rename_beneath(folder_fd, name, folder_fd, bad, true);
    return length;
}
