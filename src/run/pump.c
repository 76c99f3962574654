/* SPDX-License-Identifier: MIT */
/* Streams and files. A stream's bytes are made in the output buffer, with the chunk's framing put
 * around them there; a file's bytes never enter the program. Each turn moves a bounded part, then
 * the others have theirs. The server's thread. */
#include "run/pump.h"

#include "base/text.h"
#include "run/chunk.h"
#include "run/output.h"
#include "run/slots.h"

#include <string.h>

/* Moves what waits to the front when there is no room behind it. */
static bool stream_room(struct conn *conn)
{
    if (CONN_OUTPUT_SIZE - conn->out_end < CHUNK_ROOM && conn->out_begin > 0) {
        uint8_t *out = slots_out(conn);
        size_t size = (size_t)(conn->out_end - conn->out_begin);
        memmove(out, out + conn->out_begin, size);
        conn->out_begin = 0;
        conn->out_end = (uint16_t)size;
    }
    return CONN_OUTPUT_SIZE - conn->out_end >= CHUNK_ROOM;
}

/* One call of produce. Bytes made, or -P2P_EINVAL when it made more than it had promised. */
static int stream_make(struct conn *conn)
{
    int head = conn->chunked ? CHUNK_HEAD : 0;
    uint8_t *at = slots_out(conn) + conn->out_end;
    size_t size = (size_t)(CONN_OUTPUT_SIZE - conn->out_end - CHUNK_EXTRA);
    struct buf *build = slots_build(conn);
    *build = buf_on(at + head, size);
    conn->make.produce(&conn->exchange, conn->route ? conn->route->role : NULL, build);
    size_t made = build->len;
    if (conn->left >= 0 && (uint64_t)conn->left < made)
        return -P2P_EINVAL;
    if (conn->left >= 0)
        conn->left -= (int64_t)made;
    if (made == 0)
        return 0;
    size_t size_out = conn->chunked ? chunk_frame(at, made) : made;
    conn->out_end = (uint16_t)(conn->out_end + size_out);
    return (int)made;
}

/* The last chunk goes with the bytes before it. */
static enum pump_result stream_finish(struct conn *conn)
{
    if (conn->left > 0 && !conn->head_only)
        return PUMP_CUT;
    if (conn->chunked && !conn->head_only) {
        size_t size = chunk_last(slots_out(conn) + conn->out_end);
        conn->out_end = (uint16_t)(conn->out_end + size);
        conn->chunked = false;
    }
    int sent = output_flush(conn);
    return sent < 0 ? PUMP_CUT : sent == 0 ? PUMP_WAIT : PUMP_DONE;
}

/* Several calls of produce fill the buffer before it is sent: small lines do not make small
 * segments. */
static enum pump_result stream_run(struct conn *conn)
{
    if (!slots_output(conn, false)) {
        slots_hungry(conn);
        return PUMP_WAIT;
    }
    for (size_t turn = 0; turn < CONN_TURN_BYTES;) {
        int made = 1; /* with no room there is nobody to ask yet */
        while (!conn->ended && !conn->cut && made > 0 && stream_room(conn)) {
            made = stream_make(conn);
            turn += made > 0 ? (size_t)made : 0;
        }
        if (made < 0 || conn->cut)
            return PUMP_CUT;
        if (conn->ended)
            return stream_finish(conn);
        int sent = output_flush(conn);
        if (sent <= 0)
            return sent < 0 ? PUMP_CUT : PUMP_WAIT;
        if (made == 0)
            return PUMP_WAIT; /* it has nothing to say, or woke itself for the next turn */
    }
    conn->yield = true;
    return PUMP_WAIT;
}

static bool file_is_still(struct conn *conn)
{
    return !conn->make.still || conn->make.still(&conn->exchange, conn->route->role);
}

/* Bytes of the file that may go now; 0: pace says when. */
static size_t file_grant(struct conn *conn)
{
    struct server *server = conn->server;
    size_t wanted = conn->left < CONN_PART_BYTES ? (size_t)conn->left : CONN_PART_BYTES;
    if (!server->config.pace)
        return wanted;
    if (conn->grant == 0) {
        int wait_ms = 0;
        conn->grant = (uint32_t)server->config.pace(server->config.context, wanted, &wait_ms);
        if (conn->grant == 0)
            slots_deadline(conn, &server->paced,
                           loop_now_ms(server->loop) + (wait_ms > 0 ? wait_ms : 1));
    }
    return conn->grant < wanted ? conn->grant : wanted;
}

static enum pump_result file_part(struct conn *conn, size_t size)
{
    int64_t sent = conn->transport.ops->send_file(&conn->transport, conn->file, conn->offset, size);
    if (sent == -P2P_EAGAIN) {
        output_blocked(conn);
        return PUMP_WAIT;
    }
    if (sent <= 0)
        return PUMP_CUT; /* also when the file has become shorter */
    output_sent(conn, (size_t)sent);
    conn->offset += sent;
    conn->left -= sent;
    conn->grant -= conn->grant < (uint32_t)sent ? conn->grant : (uint32_t)sent;
    if ((size_t)sent < size)
        output_blocked(conn);
    else
        conn->blocked = false;
    conn->yield = !conn->blocked && conn->left > 0;
    return conn->left > 0 ? PUMP_WAIT : PUMP_DONE;
}

static enum pump_result file_run(struct conn *conn)
{
    if (conn->head_only)
        return PUMP_DONE;
    if (!file_is_still(conn))
        return PUMP_CUT;
    if (conn->left == 0)
        return PUMP_DONE;
    size_t size = file_grant(conn);
    if (size == 0) {
        conn->blocked = false; /* it is not the client that is waited for */
        return PUMP_WAIT;
    }
    enum pump_result result = file_part(conn, size);
    if (result == PUMP_DONE && !file_is_still(conn))
        return PUMP_CUT;
    return result;
}

enum pump_result pump_run(struct conn *conn)
{
    conn->yield = false;
    if (conn->cut)
        return PUMP_CUT;
    int sent = conn->mode == ANSWER_STREAM                ? 1
               : conn->ended || conn->mode == ANSWER_FILE ? output_flush(conn)
                                                          : 1;
    if (sent <= 0)
        return sent < 0 ? PUMP_CUT : PUMP_WAIT;
    if (conn->mode == ANSWER_STREAM)
        return stream_run(conn);
    if (conn->mode == ANSWER_FILE)
        return file_run(conn);
    return conn->ended ? PUMP_DONE : PUMP_WAIT;
}
