/* SPDX-License-Identifier: MIT */
/* A load of announces from one thread, over epoll. Usage: announce MODE ADDRESS:PORT CONNECTIONS
 * SECONDS [FIRST]; prints "ANSWERS SECONDS FAILED". MODE:
 *   alive     CONNECTIONS nodes that have joined send one heartbeat after the other
 *   update    the same with one-offer updates
 *   session   nodes join and stay, as living ones do: the index holds the answer to a heartbeat,
 * and then the next is sent. They come from 127.0.FIRST.1 on, 200 from each address tracker   a
 * BitTorrent tracker's announces over HTTP, a connection for each, since it closes Node i is the
 * one with the token of 32 bytes i, i, ..., in hex, at 4 bytes an i. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_MAX = 4096, PER_ADDRESS = 200, STEP_MS = 100 };
enum mode { MODE_ALIVE, MODE_UPDATE, MODE_SESSION, MODE_TRACKER };

struct announcer {
    int fd;
    uint32_t number;
    uint64_t seq;
    size_t len;
    int joined;
    char answer[ANSWER_MAX + 1];
};

struct load {
    enum mode mode;
    struct sockaddr_in to;
    struct announcer *all;
    uint32_t count, first;
    int poll;
    uint64_t answers, failed, sent;
};

static double load_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int load_write(struct load *load, struct announcer *a, const char *text, size_t len)
{
    if (send(a->fd, text, len, MSG_NOSIGNAL) != (ssize_t)len) {
        load->failed++;
        return -1;
    }
    return 0;
}

static int load_post(struct load *load, struct announcer *a, const char *path, const char *kind,
                     const char *body)
{
    char text[2048], token[65];
    for (int i = 0; i < 8; i++)
        snprintf(token + 8 * i, 9, "%08x", (unsigned)a->number);
    int len = snprintf(text, sizeof(text),
                       "POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
                       "Content-Type: application/%s\r\nContent-Length: %zu\r\n\r\n%s",
                       path, token, kind, strlen(body), body);
    return load_write(load, a, text, (size_t)len);
}

static int load_join(struct load *load, struct announcer *a)
{
    char body[512];
    a->seq++;
    snprintf(body, sizeof(body),
             "{\"v\":1,\"epoch\":1,\"seq\":%llu,\"port\":9,\"name\":\"n%u\",\"role\":\"peer\","
             "\"addresses\":[]}\n{\"path\":\"folder/file-%u\",\"size\":70000,\"mtime\":1790000000,"
             "\"mode\":\"\",\"sha256\":\"%064x\",\"kind\":\"owned\"}\n",
             (unsigned long long)a->seq, (unsigned)a->number, (unsigned)a->number,
             (unsigned)a->number);
    return load_post(load, a, "/v1/join", "x-ndjson", body);
}

static int load_alive(struct load *load, struct announcer *a)
{
    char body[256];
    snprintf(body, sizeof(body),
             "{\"epoch\":1,\"seq\":%llu,\"uploads\":2,\"rate\":1200000,\"slots\":6}",
             (unsigned long long)a->seq);
    return load_post(load, a, "/v1/alive", "json", body);
}

static int load_update(struct load *load, struct announcer *a)
{
    char body[512];
    a->seq++;
    snprintf(
        body, sizeof(body),
        "{\"epoch\":1,\"seq\":%llu}\n{\"op\":\"put\",\"path\":\"folder/more-%u-%u\",\"size\":%u,"
        "\"mtime\":1790000000,\"mode\":\"\",\"sha256\":\"%056x%08x\",\"kind\":\"owned\"}\n",
        (unsigned long long)a->seq, (unsigned)a->number, (unsigned)(a->seq % 100), (unsigned)a->seq,
        (unsigned)a->number, (unsigned)a->seq);
    return load_post(load, a, "/v1/update", "x-ndjson", body);
}

/* 1,000 peers (by their ports) times 100 torrents. */
static int load_tracker(struct load *load, struct announcer *a)
{
    char text[512];
    uint64_t pair = load->sent++ % 100000;
    int len =
        snprintf(text, sizeof(text),
                 "GET /announce?info_hash=torrent-number-%05u&peer_id=-P20001-peer-%07u&port=%u"
                 "&uploaded=0&downloaded=0&left=0&compact=1&event=started&numwant=1 HTTP/1.1\r\n"
                 "Host: localhost\r\n\r\n",
                 (unsigned)(pair % 100), (unsigned)(pair / 100), (unsigned)(10000 + pair / 100));
    return load_write(load, a, text, (size_t)len);
}

static int load_begin(struct load *load, struct announcer *a)
{
    if (load->mode == MODE_TRACKER)
        return load_tracker(load, a);
    return load_join(load, a);
}

static int load_connect(struct load *load, struct announcer *a)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = a};
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct linger at_once = {1, 0};
    int yes = 1;
    uint32_t place = (uint32_t)(a - load->all) / PER_ADDRESS;
    from.sin_addr.s_addr = htonl(0x7f000001 + (load->first << 8) + place);
    a->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    a->len = 0;
    if (a->fd < 0 ||
        (load->mode == MODE_SESSION && bind(a->fd, (void *)&from, sizeof(from)) != 0) ||
        connect(a->fd, (void *)&load->to, sizeof(load->to)) != 0) {
        load->failed++;
        return -1;
    }
    setsockopt(a->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    if (load->mode == MODE_TRACKER) /* so that a quarter of a million ports do not wait */
        setsockopt(a->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    epoll_ctl(load->poll, EPOLL_CTL_ADD, a->fd, &event);
    return load_begin(load, a);
}

/* Bytes of a whole answer at the start of what came, or 0; counts it. */
static size_t load_answer(struct load *load, struct announcer *a)
{
    char *end = strstr(a->answer, "\r\n\r\n");
    char *length = end ? strcasestr(a->answer, "content-length:") : NULL;
    if (!end || !length || length > end)
        return 0;
    size_t size = (size_t)(end + 4 - a->answer) + strtoul(length + 15, NULL, 10);
    if (a->len < size)
        return 0;
    load->failed += strncmp(a->answer, "HTTP/1.1 200", 12) != 0;
    return size;
}

/* A heartbeat is answered when another request follows: two are under way then. */
static int load_next(struct load *load, struct announcer *a)
{
    int first = !a->joined;
    a->joined = 1;
    if (load->mode == MODE_UPDATE)
        return load_update(load, a);
    if (load->mode == MODE_ALIVE && first && load_alive(load, a) != 0)
        return -1;
    return load_alive(load, a);
}

static void load_on_bytes(struct load *load, struct announcer *a)
{
    ssize_t got = recv(a->fd, a->answer + a->len, ANSWER_MAX - a->len, MSG_DONTWAIT);
    size_t size;
    if (got < 0 && errno == EAGAIN)
        return;
    if (load->mode == MODE_TRACKER && (got <= 0 || (a->len += (size_t)got) > 0)) {
        if (got > 0)
            return;
        load->answers += a->len > 12;
        load->failed += a->len <= 12 || strncmp(a->answer + 9, "200", 3) != 0;
        close(a->fd);
        load_connect(load, a);
        return;
    }
    if (got <= 0) {
        load->failed++;
        close(a->fd);
        return;
    }
    a->len += (size_t)got;
    a->answer[a->len] = '\0';
    while ((size = load_answer(load, a)) > 0) {
        load->answers++;
        memmove(a->answer, a->answer + size, a->len - size + 1);
        a->len -= size;
        if (load_next(load, a) != 0)
            return;
    }
}

static void load_run(struct load *load, double until)
{
    struct epoll_event events[256];
    while (load_now() < until) {
        int count = epoll_wait(load->poll, events, 256, STEP_MS);
        for (int i = 0; i < count; i++)
            load_on_bytes(load, events[i].data.ptr);
    }
}

static int load_set_up(struct load *load, char **argv, int argc)
{
    static const char *const modes[] = {"alive", "update", "session", "tracker"};
    char *colon = strchr(argv[2], ':');
    int mode = 0;
    while (mode < 4 && strcmp(argv[1], modes[mode]) != 0)
        mode++;
    if (mode == 4 || !colon)
        return -1;
    *colon = '\0';
    load->mode = (enum mode)mode;
    load->to =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
    load->count = (uint32_t)atoi(argv[3]);
    load->first = argc > 5 ? (uint32_t)atoi(argv[5]) : 1;
    load->all = calloc(load->count, sizeof(*load->all));
    load->poll = epoll_create1(EPOLL_CLOEXEC);
    return inet_pton(AF_INET, argv[2], &load->to.sin_addr) == 1 && load->all ? 0 : -1;
}

int main(int argc, char **argv)
{
    struct load load = {.answers = 0};
    struct rlimit files;
    if (argc < 5 || load_set_up(&load, argv, argc) != 0) {
        fprintf(stderr, "usage: announce alive|update|session|tracker ADDRESS:PORT CONNECTIONS "
                        "SECONDS [FIRST]\n");
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    for (uint32_t i = 0; i < load.count; i++) {
        load.all[i].number = i + load.first * 100000;
        load_connect(&load, &load.all[i]);
        if (i % 100 == 99) /* what came meanwhile, so that a queue of a listener is not overrun */
            load_run(&load, load_now() + 0.01);
    }
    printf("ready\n");
    fflush(stdout);
    uint64_t before = load.answers;
    double begun = load_now();
    load_run(&load, begun + atof(argv[4]));
    printf("%llu %.3f %llu\n", (unsigned long long)(load.answers - before), load_now() - begun,
           (unsigned long long)load.failed);
    return 0;
}
