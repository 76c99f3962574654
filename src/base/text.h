/* SPDX-License-Identifier: MIT */
/* Views of text (struct str): comparing, splitting, numbers and units, hex, UTF-8,
 * percent-decoding. A view never owns. The bounded builder is buf.h, which comes along. Pure; any
 * thread. */
#ifndef TEXT_H
#define TEXT_H

#include "base/buf.h"

struct str text_from(const char *cstr);
bool text_equal(struct str a, struct str b);
bool text_is(struct str a, const char *cstr);
/* ASCII case is ignored. */
bool text_is_nocase(struct str a, const char *cstr);
bool text_equal_nocase(struct str a, struct str b);
bool text_begins(struct str text, struct str prefix);
bool text_ends(struct str text, struct str suffix);
/* Byte order, shorter first: <0, 0, >0. */
int text_compare(struct str a, struct str b);
/* Position of the first / last such byte, or -1. */
ptrdiff_t text_find(struct str text, char byte);
ptrdiff_t text_find_last(struct str text, char byte);
/* From byte i to the end / the first len bytes; both clamp. */
struct str text_from_byte(struct str text, size_t i);
struct str text_first(struct str text, size_t len);
struct str text_trim(struct str text);
/* Takes the part before the next separator off *rest, and the separator. False when *rest is empty:
 * a separator at the very end adds no empty part. */
bool text_split(struct str *rest, char separator, struct str *out_part);
/* Copies to out with a NUL. 0, or -P2P_ETOOBIG when it does not fit (out is then ""). */
int text_copy(struct str text, char *out, size_t size);

/* How many letters must be put in, left out or changed to make b of a: "did you mean". Texts over
 * TEXT_WORD_MAX bytes count as cut there. */
enum { TEXT_WORD_MAX = 63 };
size_t text_distance(struct str a, struct str b);

/* Whole text as a number. 0, -P2P_EINVAL, -P2P_ETOOBIG (over max). */
int text_to_u64(struct str text, uint64_t max, uint64_t *out);
/* Each of these: 0, -P2P_EINVAL, or -P2P_ETOOBIG when the number does not fit.
 * "512", "64K", "1.5M", "2G": bytes, binary multiples. */
int text_to_size(struct str text, uint64_t *out);
/* "250ms", "10s", "5m", "2h", "7d"; never bare, but "0" is 0. */
int text_to_ms(struct str text, int64_t *out);
/* "2M/s"; "0" is none. */
int text_to_rate(struct str text, uint64_t *out);

/* Lower-case hex. hex_decode: exactly 2 * size digits, either case; 0 or -P2P_EINVAL. out of
 * encode: 2 * size + 1. */
void text_hex_encode(const uint8_t *bytes, size_t size, char *out);
int text_hex_decode(struct str hex, uint8_t *out, size_t size);

/* Valid UTF-8 (RFC 3629: no overlong form, no surrogate). */
bool text_is_utf8(struct str text);
/* The next code point and its length; -1 for a broken byte (length 1). text must not be empty. */
int32_t text_next_rune(struct str text, size_t *out_len);

/* Undoes percent-encoding into out, without a NUL. Length, -P2P_EINVAL (bad escape, or NUL),
 * -P2P_ETOOBIG. */
ptrdiff_t text_url_decode(struct str text, char *out, size_t size);

#endif
