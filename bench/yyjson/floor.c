/* SPDX-License-Identifier: MIT */
/* The least that an index could do for joins when it parses by yyjson: receive each body over HTTP,
 * parse its lines, keep so many bytes of each offer in memory that was not used before, and write
 * two hash tables. It checks nothing, compares nothing and finds nothing again, so no index can be
 * made of it; one that is much faster cannot be either. bench_million.py compiles it like parse.c,
 * warms up memory, and counts its CPU seconds.
 *
 * floor STEPS OFFERS BYTES: STEPS is 1 to receive, 2 to parse as well, 3 to keep as well; BYTES are
 * what an offer takes, its places in the tables included. Prints its port; ends when killed.
 *
 * What makes it fast: reads of 64 KiB, lines parsed where they
 * lie with one pool for all, one connection at a time, fields told by their first letters, huge
 * pages, tables that are written once memory has brought the place. */
#include "yyjson.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { ROOM = 1 << 16, FIELDS = 6, WAITING = 32, HASH = 32, FIXED = HASH + 2 * sizeof(uint64_t) };

struct floor {
    int steps;
    size_t offer_bytes;
    uint8_t *store;
    uint32_t *by_content, *by_name, mask, kept;
    struct {
        uint32_t *at, value;
    } waiting[WAITING]; /* until memory has brought what they are written to */
    uint32_t written;
    yyjson_alc alc;
};

struct offer {
    const char *path, *content;
    size_t path_len;
    uint64_t size, mtime;
};

static void check(int good, const char *what)
{
    if (good)
        return;
    perror(what);
    exit(1);
}

static void *map(size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(at != MAP_FAILED, "mmap");
    (void)madvise(at, size, MADV_HUGEPAGE);
    return at;
}

static uint64_t word_of(const char *at, size_t size)
{
    uint64_t word = 0;
    memcpy(&word, at, size < sizeof(word) ? size : sizeof(word));
    return word;
}

/* Enough for keys that nobody chose to collide. */
static uint32_t hash(const char *at, size_t size)
{
    const uint64_t golden = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t hash = size;
    for (; size > sizeof(hash); at += sizeof(hash), size -= sizeof(hash)) {
        hash = (hash ^ word_of(at, sizeof(hash))) * golden;
        hash ^= hash >> 32;
    }
    return (uint32_t)((hash ^ word_of(at, size)) * golden >> 32);
}

static void read_fields(yyjson_val *line, struct offer *out)
{
    size_t i, max;
    yyjson_val *key, *value;
    yyjson_obj_foreach(line, i, max, key, value)
    {
        char first = *yyjson_get_str(key);
        if (first == 'p') {
            out->path = yyjson_get_str(value);
            out->path_len = yyjson_get_len(value);
        } else if (first == 's' && yyjson_is_str(value)) {
            out->content = yyjson_get_str(value);
        } else if (first == 's') {
            out->size = yyjson_get_uint(value);
        } else if (first == 'm' && yyjson_is_num(value)) {
            out->mtime = yyjson_get_uint(value);
        }
    }
}

static void write_later(struct floor *floor, uint32_t *at, uint32_t value)
{
    uint32_t slot = floor->written++ % WAITING;
    __builtin_prefetch(at, 1);
    if (floor->waiting[slot].at)
        *floor->waiting[slot].at = floor->waiting[slot].value;
    floor->waiting[slot].at = at;
    floor->waiting[slot].value = value;
}

/* The hex digits are not even decoded; of a path the end is kept, as where folders are shared. */
static void keep(struct floor *floor, yyjson_val *line)
{
    struct offer offer = {0};
    read_fields(line, &offer);
    check(offer.path && offer.content, "a line is no offer");
    uint8_t *at = floor->store + floor->kept++ * floor->offer_bytes;
    size_t room = floor->offer_bytes - FIXED;
    size_t len = offer.path_len < room ? offer.path_len : room;
    memcpy(at, offer.content, HASH);
    memcpy(at + HASH, &offer.size, sizeof(offer.size));
    memcpy(at + HASH + sizeof(offer.size), &offer.mtime, sizeof(offer.mtime));
    memcpy(at + FIXED, offer.path + offer.path_len - len, len);
    memset(at + FIXED + len, 1, room - len);
    write_later(floor, &floor->by_content[hash(offer.content, 16) & floor->mask], floor->kept);
    write_later(floor, &floor->by_name[hash(offer.path, offer.path_len) & floor->mask],
                floor->kept);
}

/* A line lies between text and end, and room behind it; what stands there is put back. */
static void take_line(struct floor *floor, char *text, char *end)
{
    char behind[YYJSON_PADDING_SIZE];
    memcpy(behind, end, sizeof(behind));
    memset(end, 0, sizeof(behind));
    yyjson_doc *doc =
        yyjson_read_opts(text, (size_t)(end - text), YYJSON_READ_INSITU, &floor->alc, NULL);
    memcpy(end, behind, sizeof(behind));
    check(doc != NULL, "a line is no JSON");
    yyjson_val *line = yyjson_doc_get_root(doc);
    if (floor->steps > 2 && yyjson_obj_size(line) == FIELDS)
        keep(floor, line);
    yyjson_doc_free(doc);
}

/* Whole lines; where the rest begins. */
static char *take_lines(struct floor *floor, char *at, char *end)
{
    char *stop;
    if (floor->steps < 2)
        return end;
    for (; (stop = memchr(at, '\n', (size_t)(end - at))) != NULL; at = stop + 1)
        take_line(floor, at, stop);
    return at;
}

static size_t receive(int fd, char *at, size_t size)
{
    ssize_t got = recv(fd, at, size, 0);
    check(got > 0, "recv");
    return (size_t)got;
}

/* Reads a request's head and what came with it: moves that to the front, returns its size. */
static size_t read_head(int fd, char *room, size_t *out_left)
{
    size_t have = 0;
    char *body = NULL;
    while (!body) {
        have += receive(fd, room + have, ROOM - have);
        body = memmem(room, have, "\r\n\r\n", 4);
    }
    *body = '\0';
    const char *length = strstr(room, "Content-Length:");
    check(length != NULL, "a body without a length");
    body += 4;
    have -= (size_t)(body - room);
    *out_left = strtoul(length + strlen("Content-Length:"), NULL, 10) - have;
    memmove(room, body, have);
    return have;
}

static void join(struct floor *floor, int fd)
{
    static char room[ROOM + YYJSON_PADDING_SIZE];
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"refused\":0,}";
    check(fd >= 0, "accept");
    size_t left, have = read_head(fd, room, &left);
    for (;;) {
        char *rest = take_lines(floor, room, room + have);
        have = (size_t)(room + have - rest);
        memmove(room, rest, have);
        if (left == 0)
            break;
        size_t got = receive(fd, room + have, left < ROOM - have ? left : ROOM - have);
        have += got;
        left -= got;
    }
    check(send(fd, answer, sizeof(answer) - 1, 0) == sizeof(answer) - 1, "send");
}

static void floor_init(struct floor *floor, char **argv)
{
    static char pool[1 << 16];
    size_t offers = strtoul(argv[2], NULL, 10), places = 1;
    while (places < offers)
        places *= 2;
    floor->steps = atoi(argv[1]);
    floor->mask = (uint32_t)places - 1;
    floor->by_content = map(places * sizeof(uint32_t));
    floor->by_name = map(places * sizeof(uint32_t));
    floor->offer_bytes = strtoul(argv[3], NULL, 10) - 2 * sizeof(uint32_t) * places / offers;
    floor->store = map(offers * floor->offer_bytes);
    check(floor->offer_bytes > FIXED && yyjson_alc_pool_init(&floor->alc, pool, sizeof(pool)),
          "too little room");
}

int main(int argc, char **argv)
{
    struct floor floor = {0};
    struct sockaddr_in self = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(self);
    if (argc != 4)
        return 2;
    floor_init(&floor, argv);
    int door = socket(AF_INET, SOCK_STREAM, 0);
    check(bind(door, (const void *)&self, size) == 0 && listen(door, 64) == 0 &&
              getsockname(door, (void *)&self, &size) == 0,
          "listen");
    printf("%d\n", ntohs(self.sin_port));
    fflush(stdout);
    for (;;)
        join(&floor, accept(door, NULL, NULL));
}
