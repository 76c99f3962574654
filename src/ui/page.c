/* SPDX-License-Identifier: MIT */
/* Serves the packed files of web/. They are few and small; what only a browser asks for is sent as
 * gzip, which each of them takes. Each has a strong ETag, so that a browser asks again at each
 * visit (a new version shows at once) and gets 304. The policy lets the page load its own script
 * and style and nothing else, and lets nobody frame it. Loop thread. */
#include "ui/page.h"

#include "ui/web.h"
#include "wire/digest.h"

enum { PAGE_TAG_SIZE = 8 }; /* bytes of the SHA-256: a change must not go unseen, no more */

static const struct web_file *page_find(struct str path)
{
    struct str name = text_is(path, "/") ? STR("index.html") : text_from_byte(path, 1);
    const struct web_file *file = web_files;

    while (file->path != NULL && !text_is(name, file->path)) {
        file++;
    }
    return file->path != NULL ? file : NULL;
}

/* With its quotes, as it stands in the header. */
static struct str page_tag(const struct web_file *file, char out[static 2 * PAGE_TAG_SIZE + 3])
{
    uint8_t hash[P2P_SHA256_SIZE];
    struct buf buf = buf_on(out, 2 * PAGE_TAG_SIZE + 2);

    digest_of(file->bytes, file->size, hash);
    buf_put_char(&buf, '"');
    buf_put_hex(&buf, hash, PAGE_TAG_SIZE);
    buf_put_char(&buf, '"');
    return buf_str(&buf);
}

/* True when If-None-Match names the tag, or any. */
static bool page_is_known(struct str header, struct str tag)
{
    struct str item;

    while (text_split(&header, ',', &item)) {
        item = text_trim(item);
        if (text_begins(item, STR("W/"))) {
            item = text_from_byte(item, 2);
        }
        if (text_equal(item, tag) || text_is(item, "*")) {
            return true;
        }
    }
    return false;
}

static void page_produce(struct exchange *exchange, void *role, struct buf *room)
{
    const struct web_file *file = exchange->user;
    size_t at = (size_t)exchange->user_number, left = file->size - at;
    size_t space = room->size - room->len;
    size_t part = left < space ? left : space;

    (void)role;
    buf_put_bytes(room, file->bytes + at, part);
    exchange->user_number += part;
    if (part == left) {
        exchange_end(exchange);
    }
}

static void page_begin(struct exchange *exchange, void *role)
{
    const struct web_file *file = page_find(exchange->head->path);
    char text[2 * PAGE_TAG_SIZE + 3];

    (void)role;
    if (file == NULL) {
        exchange_error(exchange, 404, "no such page", "the search page is at /");
        return;
    }
    struct str tag = page_tag(file, text);
    bool known = page_is_known(exchange->head->header[HTTP_HEADER_IF_NONE_MATCH], tag);
    exchange_begin(exchange, known ? 304 : 200, known ? NULL : file->type);
    exchange_header(exchange, "ETag", tag);
    exchange_header(exchange, "Cache-Control", STR("no-cache"));
    exchange_header(exchange, "Content-Security-Policy",
                    STR("default-src 'none'; script-src 'self'; style-src 'self'; "
                        "connect-src 'self'; img-src data:; base-uri 'none'; "
                        "form-action 'none'; frame-ancestors 'none'"));
    if (known) {
        exchange_end(exchange);
        return;
    }
    if (file->compressed) {
        exchange_header(exchange, "Content-Encoding", STR("gzip"));
    }
    exchange->user = (void *)(uintptr_t)file;
    exchange_stream(exchange, (int64_t)file->size, page_produce);
}

const struct route page_routes[] = {
    {.methods = SERVER_GET, .path = "/", .class = SERVER_CLIENT, .begin = page_begin},
    {.methods = SERVER_GET, .path = "/app.js", .class = SERVER_CLIENT, .begin = page_begin},
    {.methods = SERVER_GET, .path = "/style.css", .class = SERVER_CLIENT, .begin = page_begin},
    {.path = NULL},
};
