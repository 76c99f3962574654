/* SPDX-License-Identifier: MIT */
/* Fields of a record that is being read, one after the other; only for the readers of records
 * (record_read.c, told.c). The first field that is missing or wrong ends the reading: it is the
 * reader's fault, and what is asked for after it is zero. Pure. */
#ifndef RECORD_FIELDS_H
#define RECORD_FIELDS_H

#include "wire/record.h"

/* 2^53: what every JSON reader can say exactly. */
#define RECORD_NUMBER_MAX (INT64_C(1) << 53)

struct record_reader {
    struct json_reader *json;
    const struct json_value *object;
    int error;
};

/* Parses a line; error is set when it is no object. */
struct record_reader record_open(struct json_reader *json, struct str line);
/* The record is wrong: "key: what". */
void record_refuse(struct record_reader *in, const char *key, const char *what);
/* The key is there. */
bool record_has(const struct record_reader *in, const char *key);

int64_t record_int(struct record_reader *in, const char *key, int64_t min, int64_t max);
uint64_t record_number(struct record_reader *in, const char *key);
uint32_t record_count(struct record_reader *in, const char *key);
struct str record_text(struct record_reader *in, const char *key);
bool record_bool(struct record_reader *in, const char *key);
/* Exactly size bytes. */
void record_hex(struct record_reader *in, const char *key, uint8_t *out, size_t size);
/* Which of the words, ended by NULL, the text is; else a refusal that says what. */
int record_choice(struct record_reader *in, const char *key, const char *const *words,
                  const char *what);
/* "path" and "name", by their rules. */
struct str record_path(struct record_reader *in);
struct str record_node_name(struct record_reader *in);
/* "addresses": how many stand in out, max at most. */
int record_addresses(struct record_reader *in, struct plat_addr *out, int max);
/* All fields of an offer. */
void record_offer(struct record_reader *in, struct record_offer *out);

#endif
