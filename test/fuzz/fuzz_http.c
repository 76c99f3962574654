/* SPDX-License-Identifier: MIT */
/* HTTP messages in pieces: the same bytes, whole and cut at random, must give the same messages.
 * The first byte of the input says what is parsed, the second is the seed of the cuts. */
#include "base/hash.h"
#include "wire/http.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a run saw, as one number. */
struct outcome {
    uint64_t sum;
    bool error;
};

static void note(struct outcome *outcome, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        outcome->sum = (outcome->sum ^ (uint8_t)bytes[i]) * UINT64_C(0x100000001b3);
}

static void note_head(struct outcome *outcome, const struct http_head *head, struct str bytes)
{
    const struct str views[] = {head->path, head->query};
    int64_t numbers[] = {head->method, head->status, head->body_length, head->chunked,
                         head->keep_alive};
    note(outcome, (const char *)numbers, sizeof(numbers));
    for (size_t i = 0; i < 2; i++)
        note(outcome, views[i].ptr, views[i].len);
    for (size_t i = 0; i < HTTP_HEADER_COUNT; i++) {
        struct str view = head->header[i];
        if (!view.ptr)
            continue;
        if (view.ptr < bytes.ptr || view.ptr + view.len > bytes.ptr + bytes.len)
            abort();
        note(outcome, view.ptr, view.len);
    }
}

/* One message after the other until the bytes are used up; each call sees a copy of exactly what is
 * there. */
static struct outcome play(struct str input, bool response, bool no_body, struct hash_random *cuts)
{
    struct outcome outcome = {.sum = 1};
    struct http_parser parser;
    size_t start = 0, have = 0;
    http_parser_init(&parser, response);
    if (no_body)
        http_parser_no_body(&parser);
    for (;;) {
        size_t used = 0, len = have - start;
        char *copy = malloc(len ? len : 1);
        if (len > 0)
            memcpy(copy, input.ptr + start, len);
        struct str bytes = {copy, len};
        enum http_event event = http_parse(&parser, bytes, &used);
        if (used > len || (event == HTTP_BODY && (parser.span.len == 0 || used == 0)))
            abort();
        if (event == HTTP_HEAD)
            note_head(&outcome, &parser.head, bytes);
        if (event == HTTP_BODY)
            note(&outcome, parser.span.ptr, parser.span.len);
        if (event == HTTP_END)
            note(&outcome, "end", 3);
        free(copy);
        start += used;
        outcome.error = event == HTTP_ERROR;
        if (outcome.error || (event == HTTP_NEED_MORE && have == input.len))
            break;
        if (event == HTTP_NEED_MORE)
            have =
                cuts ? have + 1 + hash_random_below(cuts, (uint32_t)(input.len - have)) : input.len;
    }
    if (!outcome.error && http_parse_close(&parser) == HTTP_END)
        note(&outcome, "close", 5);
    return outcome;
}

static void check_small_texts(struct str text)
{
    int64_t first = 0, length = 0, size = 0;
    char out[64];
    if (http_parse_range(text, 1000, &first, &length) == 0 &&
        (first < 0 || length < 1 || first > 1000 - length))
        abort();
    if (http_parse_content_range(text, &first, &length, &size) == 0 &&
        (first < 0 || length < 1 || first > size - length))
        abort();
    ptrdiff_t got = http_query(text, "q", out, sizeof(out));
    if (got > (ptrdiff_t)sizeof(out) || (got > 0 && memchr(out, '\0', (size_t)got)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hash_random cuts;
    if (size < 2)
        return 0;
    struct str input = {(const char *)data + 2, size - 2};
    bool response = data[0] & 1, no_body = response && (data[0] & 2);
    hash_random_seed(&cuts, data[1]);
    struct outcome whole = play(input, response, no_body, NULL);
    struct outcome parts = play(input, response, no_body, &cuts);
    if (whole.sum != parts.sum || whole.error != parts.error)
        abort();
    check_small_texts(input);
    return 0;
}
