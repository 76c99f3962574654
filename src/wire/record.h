/* SPDX-License-Identifier: MIT */
/* The records of the wire (docs/protocol.md) as structs, to and from JSON lines. Everything a
 * stranger can put in a record is checked here: types, ranges, the name rule. Unknown fields are
 * ignored. Views live as the reader's values. */
#ifndef RECORD_H
#define RECORD_H

#include "base/addr.h"
#include "wire/json.h"

enum record_role { RECORD_ROLE_PEER, RECORD_ROLE_INDEX, RECORD_ROLE_BOTH };
enum record_state { RECORD_ACTIVE, RECORD_SUSPECT, RECORD_HEARSAY, RECORD_LEFT };

struct record_id {
    uint8_t bytes[P2P_ID_SIZE];
};
struct record_content {
    uint8_t bytes[P2P_SHA256_SIZE];
};

/* What a node says of itself on joining. */
struct record_join {
    uint64_t epoch, seq;
    uint16_t port;
    enum record_role role;
    struct str name;
    struct plat_addr address[P2P_ADDRESSES_MAX - 1]; /* advertised */
    int address_count;
};

struct record_offer {
    struct str path;
    int64_t size, mtime;
    bool executable, hashed, copy;
    uint8_t have; /* per cent */
    struct record_content content;
    struct record_id origin; /* of a copy; zero otherwise */
};

enum record_op { RECORD_PUT, RECORD_DEL };
struct record_change {
    enum record_op op;
    struct record_offer offer; /* DEL: only the path */
};

struct record_alive {
    uint64_t epoch, seq;
    uint32_t uploads, slots;
    uint64_t rate;
};

/* The answer to join, update and alive. indexes is the list as text "host:port". */
struct record_answer {
    struct record_id id;
    int64_t lease_ms;
    uint64_t accepted, refused, epoch, seq;
    bool incomplete;
    struct str indexes[P2P_INDEXES_MAX];
    int index_count;
};

/* A line of search. list and sources use parts of it. */
struct record_result {
    struct record_offer offer;
    struct record_id node, index;
    struct str name; /* of the node */
    struct plat_addr address[P2P_ADDRESSES_MAX];
    int address_count;
    uint32_t hops, holders;        /* holders: list only */
    uint32_t uploads, slots, have; /* sources only */
    uint64_t rate;
    bool reachable;
};
/* The last line of a stream (is_end is false when another one was read). next: list only, empty
 * when the list is done. */
struct record_end {
    bool is_end;
    uint32_t asked, answered;
    bool truncated;
    struct str next;
};

/* Parsing: 0 or -P2P_EINVAL with reader->fault naming the field. A line with "end":true
 * fills *out_end, and any other one *out. */
int record_read_join(struct json_reader *reader, struct str line, struct record_join *out);
int record_read_offer(struct json_reader *reader, struct str line, struct record_offer *out);
int record_read_change(struct json_reader *reader, struct str line, struct record_change *out);
/* First line of update, and of leave: epoch and seq. */
int record_read_seq(struct json_reader *reader, struct str line, uint64_t *out_epoch,
                    uint64_t *out_seq);
int record_read_alive(struct json_reader *reader, struct str line, struct record_alive *out);
int record_read_answer(struct json_reader *reader, struct str line, struct record_answer *out);
enum record_stream { RECORD_SEARCH, RECORD_LIST, RECORD_SOURCES };
int record_read_result(struct json_reader *reader, struct str line, enum record_stream stream,
                       struct record_result *out, struct record_end *out_end);
/* {"error","hint"} of a refusal; empty views where missing. */
void record_read_error(struct json_reader *reader, struct str line, struct str *out_error,
                       struct str *out_hint);

/* Writing: one object, no newline. */
void record_put_join(struct buf *buf, const struct record_join *join);
void record_put_offer(struct buf *buf, const struct record_offer *offer);
void record_put_change(struct buf *buf, const struct record_change *change);
void record_put_seq(struct buf *buf, uint64_t epoch, uint64_t seq);
void record_put_alive(struct buf *buf, const struct record_alive *alive);
void record_put_result(struct buf *buf, enum record_stream stream,
                       const struct record_result *result);
void record_put_end(struct buf *buf, enum record_stream stream, const struct record_end *end);
void record_put_error(struct buf *buf, struct str error, struct str hint);
/* The "addresses" array, as given: which of them an asker may have is the index's affair. */
void record_put_addresses(struct buf *buf, const struct plat_addr *address, int count);

const char *record_role_text(enum record_role role);
const char *record_state_text(enum record_state state);
bool record_id_equal(const struct record_id *a, const struct record_id *b);
/* id = first 128 bits of SHA-256(token). */
void record_id_of_token(const uint8_t token[static P2P_TOKEN_SIZE], struct record_id *out);

#endif
