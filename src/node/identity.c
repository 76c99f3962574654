/* SPDX-License-Identifier: MIT */
/* Identity and state folder of a node. Two files: "lock" (held while the node runs; pid, port, role
 * as text for commands on this machine) and "identity" (token, control key, epoch, port,
 * fingerprint; written whole by state_write, and only when something in it changed). The epoch is
 * on the disk before anybody hears of it, so that no two starts share one. Does not print, does not
 * talk to the network. Loop thread. */
#include "node/identity.h"

#include "base/state.h"
#include "platform/plat.h"
#include "platform/plat_file.h"
#include "wire/digest.h"

#include <stdlib.h>
#include <string.h>

enum {
    IDENTITY_BOARD_MAX = 256, /* a serial, or a handful of MAC addresses */
    IDENTITY_BODY_MAX = 512,  /* three keys as hex, two numbers, their names */
    IDENTITY_NAME_PART = 32,  /* of the share's name, for people who look into the folder */
    IDENTITY_LOCK_WAIT_MS =
        100, /* a command that asks who holds the lock holds it for microseconds */
};

/* ---- where ---- */

static bool identity_is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* "music-0123456789abcdef": the last part of the real path made plain, and the start of the path's
 * hash. */
static int identity_put_share(struct buf *buf, const char *share)
{
    char real[P2P_PATH_MAX];
    int error = plat_real_path(share, real, sizeof(real));
    if (error)
        return error;
    struct str path = text_from(real);
    struct str base = text_first(text_from_byte(path, (size_t)(text_find_last(path, '/') + 1)),
                                 IDENTITY_NAME_PART);
    for (size_t i = 0; i < base.len; i++)
        buf_put_char(buf, identity_is_plain(base.ptr[i]) ? base.ptr[i] : '-');
    uint8_t hash[P2P_SHA256_SIZE];
    digest_of(path.ptr, path.len, hash);
    buf_put_char(buf, '-');
    buf_put_hex(buf, hash, 8);
    return 0;
}

static int identity_put_root(struct buf *buf)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    if (state && state[0] == '/') {
        buf_put_text(buf, state);
    } else if (plat_is_root()) {
        buf_put_text(buf, "/var/lib");
    } else if (home && home[0] == '/') {
        buf_put_text(buf, home);
        buf_put_text(buf, "/.local/state");
    } else {
        return -P2P_ENOTFOUND;
    }
    buf_put_text(buf, "/p2p/");
    return 0;
}

int identity_folder(const char *share, uint16_t port, char *out, size_t size)
{
    struct buf buf = buf_on(out, size);
    int error = identity_put_root(&buf);
    if (error)
        return error;
    if (share) {
        error = identity_put_share(&buf, share);
        if (error)
            return error;
    } else {
        buf_put_text(&buf, "index-");
        buf_put_u64(&buf, port);
    }
    buf_put_char(&buf, '\0');
    return buf.full ? -P2P_ETOOBIG : 0;
}

/* ---- what is kept ---- */

static void identity_fingerprint(struct str board, struct str share,
                                 uint8_t out[static P2P_ID_SIZE])
{
    uint8_t hash[P2P_SHA256_SIZE];
    struct digest digest;
    digest_init(&digest);
    digest_update(&digest, board.ptr, board.len);
    digest_update(&digest, "", 1);
    digest_update(&digest, share.ptr, share.len);
    digest_final(&digest, hash);
    memcpy(out, hash, P2P_ID_SIZE);
}

static int identity_fresh(struct identity *identity)
{
    int error = plat_random(identity->token, sizeof(identity->token));
    if (!error)
        error = plat_random(identity->control, sizeof(identity->control));
    record_id_of_token(identity->token, &identity->id);
    identity->epoch = 1;
    return error;
}

static void identity_put_secret(struct buf *buf, const char *key, const uint8_t *bytes, size_t size)
{
    buf_put_text(buf, key);
    buf_put_char(buf, ' ');
    buf_put_hex(buf, bytes, size);
    buf_put_char(buf, '\n');
}

static int identity_store(const struct identity *identity)
{
    char body[IDENTITY_BODY_MAX];
    struct buf buf = buf_on(body, sizeof(body));
    if (identity->folder < 0)
        return 0;
    identity_put_secret(&buf, "token", identity->token, sizeof(identity->token));
    identity_put_secret(&buf, "control", identity->control, sizeof(identity->control));
    identity_put_secret(&buf, "place", identity->place, sizeof(identity->place));
    buf_put_text(&buf, "epoch ");
    buf_put_u64(&buf, identity->epoch);
    buf_put_text(&buf, "\nport ");
    buf_put_u64(&buf, identity->last_port);
    buf_put_char(&buf, '\n');
    int error = buf.full ? -P2P_EFULL : state_write(identity->folder, "identity", buf_str(&buf));
    return error;
}

static int identity_parse_line(struct identity *identity, struct str key, struct str value)
{
    uint64_t number = 0;
    int error = 0;
    if (text_is(key, "token"))
        return text_hex_decode(value, identity->token, sizeof(identity->token));
    if (text_is(key, "control"))
        return text_hex_decode(value, identity->control, sizeof(identity->control));
    if (text_is(key, "place"))
        return text_hex_decode(value, identity->place, sizeof(identity->place));
    if (text_is(key, "epoch")) {
        error = text_to_u64(value, IDENTITY_EPOCH_MAX, &number);
        identity->epoch = number;
    } else if (text_is(key, "port")) {
        error = text_to_u64(value, UINT16_MAX, &number);
        identity->last_port = (uint16_t)number;
    }
    return error;
}

/* A key that a later version adds is skipped; one that is missing leaves its zero, and an epoch of
 * 0 is no identity. */
static int identity_parse(struct identity *identity, struct str body)
{
    struct str line, key;
    while (text_split(&body, '\n', &line)) {
        if (!text_split(&line, ' ', &key) || identity_parse_line(identity, key, line))
            return -P2P_EVERIFY;
    }
    record_id_of_token(identity->token, &identity->id);
    return identity->epoch > 0 ? 0 : -P2P_EVERIFY;
}

static int identity_load(struct identity *identity, int folder)
{
    char body[IDENTITY_BODY_MAX];
    ptrdiff_t length = state_read(folder, "identity", body, sizeof(body));
    int error =
        length < 0 ? (int)length : identity_parse(identity, (struct str){body, (size_t)length});
    return error;
}

/* ---- the lock ---- */

/* "pid 12", "port 7751", "role peer", a line each; what is missing stays as it was. */
static void identity_read_lock(int lock, struct identity_local *out)
{
    char text[128];
    struct str line, key, rest;
    int64_t length = plat_pread(lock, text, sizeof(text), 0);
    uint64_t number = 0;
    rest = (struct str){text, length > 0 ? (size_t)length : 0};
    while (text_split(&rest, '\n', &line)) {
        if (!text_split(&line, ' ', &key))
            continue;
        if (text_is(key, "pid") && !text_to_u64(line, INT32_MAX, &number))
            out->pid = (int)number;
        if (text_is(key, "port") && !text_to_u64(line, UINT16_MAX, &number))
            out->port = (uint16_t)number;
        for (int role = RECORD_ROLE_PEER; role <= RECORD_ROLE_BOTH; role++) {
            if (text_is(key, "role") && text_is(line, record_role_text((enum record_role)role)))
                out->role = (enum record_role)role;
        }
    }
}

/* Shorter texts never leave an older one's tail: the file is cut first. */
static int identity_write_lock(const struct identity *identity, uint16_t port, const char *role)
{
    char text[128];
    struct buf buf = buf_on(text, sizeof(text));
    buf_put_text(&buf, "pid ");
    buf_put_u64(&buf, (uint64_t)plat_pid());
    if (port)
        buf_printf(&buf, "\nport %u\nrole %s", (unsigned)port, role);
    buf_put_char(&buf, '\n');
    int error = plat_truncate(identity->lock, 0);
    return error ? error : plat_pwrite(identity->lock, buf.ptr, buf.len, 0);
}

/* A command that looks for this node holds the lock for a moment, and a holder writes its pid a
 * moment after it has it: so "in use" is believed when the holder's pid can be read and lives, or
 * after a while. */
static int identity_take_lock(int lock, int *out_pid)
{
    int64_t until = plat_now_ms() + IDENTITY_LOCK_WAIT_MS;
    for (;;) {
        struct identity_local holder = {0};
        int error = plat_lock(lock);
        if (error != -P2P_EINUSE)
            return error;
        identity_read_lock(lock, &holder);
        *out_pid = holder.pid;
        if ((holder.pid > 0 && plat_pid_alive(holder.pid)) || plat_now_ms() >= until)
            return error;
    }
}

/* Opens folder and lock. 0, -P2P_EINUSE, or why the folder cannot be used. */
static int identity_enter(struct identity *identity, const char *path, int *out_pid)
{
    int error = plat_make_folders(path, true);
    if (error)
        return error;
    identity->folder = plat_open_folder(path);
    if (identity->folder < 0)
        return identity->folder;
    identity->lock = plat_open_beneath(identity->folder, "lock",
                                       PLAT_READ | PLAT_WRITE | PLAT_CREATE | PLAT_PRIVATE);
    if (identity->lock < 0)
        return identity->lock;
    error = identity_take_lock(identity->lock, out_pid);
    return error ? error : identity_write_lock(identity, 0, "");
}

static void identity_leave(struct identity *identity)
{
    plat_close(identity->lock);
    plat_close(identity->folder);
    identity->lock = -1;
    identity->folder = -1;
}

/* ---- opening ---- */

static const char *identity_reason(int error)
{
    switch (-error) {
    case P2P_EREADONLY:
        return "the state folder's file system cannot be written";
    case P2P_ENOSPC:
        return "the state folder's disk is full";
    case P2P_EDENIED:
        return "the state folder may not be written by this user";
    case P2P_ETOOBIG:
        return "the state folder's path is too long";
    default:
        return "the state folder cannot be used";
    }
}

static bool identity_is_inside(struct str path, struct str share)
{
    return text_begins(path, share) &&
           (path.len == share.len || share.len == 1 || path.ptr[share.len] == '/');
}

/* Real paths of both; the folder exists by now. */
static int identity_resolve(struct identity *identity, const struct identity_place *place)
{
    char share[P2P_PATH_MAX] = "";
    int error = plat_real_path(place->folder, identity->path, sizeof(identity->path));
    if (!error && place->share)
        error = plat_real_path(place->share, share, sizeof(share));
    if (!error && place->share && identity_is_inside(text_from(identity->path), text_from(share)))
        error = -P2P_EINVAL;
    identity_fingerprint(place->board, text_from(share), identity->place);
    return error;
}

/* Loads what is there, or makes it; then the next epoch, stored. */
static int identity_begin(struct identity *identity, const char **out_reason)
{
    struct identity stored = *identity;
    int error = identity_load(&stored, identity->folder);
    bool same = !error && memcmp(stored.place, identity->place, sizeof(stored.place)) == 0 &&
                stored.epoch < IDENTITY_EPOCH_MAX;
    if (error == -P2P_EVERIFY)
        *out_reason = "the identity file was damaged and set aside: this node has a new id";
    else if (!error && !same)
        *out_reason =
            "the state folder comes from another machine or share: this node has a new id";
    else if (error && error != -P2P_ENOTFOUND)
        return error;
    if (!error)
        identity->last_port = stored.last_port;
    if (!same) {
        error = identity_fresh(identity);
        return error ? error : identity_store(identity);
    }
    *identity = stored;
    identity->epoch++;
    return identity_store(identity);
}

int identity_open_at(struct identity *identity, const struct identity_place *place, int *out_pid,
                     const char **out_reason)
{
    *identity = (struct identity){.folder = -1, .lock = -1};
    *out_pid = 0;
    *out_reason = NULL;
    int error = identity_enter(identity, place->folder, out_pid);
    if (!error)
        error = identity_resolve(identity, place);
    if (!error)
        error = identity_begin(identity, out_reason);
    if (!error)
        return 0;
    identity_leave(identity);
    if (error == -P2P_EINVAL)
        *out_reason = "the state folder lies in the share";
    if (error == -P2P_EINUSE || error == -P2P_EINVAL)
        return error;
    *out_reason = identity_reason(error);
    return identity_guest(identity);
}

int identity_open(struct identity *identity, const char *folder, const char *share, int *out_pid,
                  const char **out_reason)
{
    char board[IDENTITY_BOARD_MAX];
    size_t length = plat_board(board, sizeof(board));
    struct identity_place place = {folder, share, {board, length}};
    return identity_open_at(identity, &place, out_pid, out_reason);
}

int identity_guest(struct identity *identity)
{
    *identity = (struct identity){.folder = -1, .lock = -1};
    return identity_fresh(identity);
}

/* ---- while it runs ---- */

int identity_publish(struct identity *identity, uint16_t port, enum record_role role)
{
    uint16_t before = identity->last_port;
    identity->last_port = port;
    if (identity->folder < 0)
        return 0;
    int error = identity_write_lock(identity, port, record_role_text(role));
    return error || before == port ? error : identity_store(identity);
}

int identity_renew(struct identity *identity)
{
    int error = identity_fresh(identity);
    return error ? error : identity_store(identity);
}

int identity_raise_epoch(struct identity *identity, uint64_t above)
{
    uint64_t base = above > identity->epoch ? above : identity->epoch;
    if (base >= IDENTITY_EPOCH_MAX)
        return -P2P_EINVAL;
    identity->epoch = base + 1;
    return identity_store(identity);
}

void identity_close(struct identity *identity)
{
    if (identity->lock >= 0)
        plat_truncate(identity->lock, 0);
    identity_leave(identity);
    memset(identity->token, 0, sizeof(identity->token));
    memset(identity->control, 0, sizeof(identity->control));
}

/* ---- from outside ---- */

static void identity_find_control(int folder, struct identity_local *out)
{
    struct identity stored = {.folder = -1, .lock = -1};
    out->has_control = identity_load(&stored, folder) == 0;
    if (out->has_control)
        memcpy(out->control, stored.control, sizeof(out->control));
}

/* The lock decides, not the file's text: a node that was killed leaves the text. */
int identity_find_local(const char *folder, struct identity_local *out)
{
    *out = (struct identity_local){0};
    int dir = plat_open_folder(folder);
    if (dir < 0)
        return -P2P_ENOTFOUND;
    int lock = plat_open_beneath(dir, "lock", PLAT_READ | PLAT_WRITE);
    if (lock >= 0 && plat_lock(lock) == -P2P_EINUSE)
        identity_read_lock(lock, out);
    if (lock >= 0)
        plat_close(lock);
    if (out->port)
        identity_find_control(dir, out);
    plat_close(dir);
    return out->port ? 0 : -P2P_ENOTFOUND;
}
