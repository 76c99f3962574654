/* SPDX-License-Identifier: MIT */
/* Sockets: addresses, listening, connecting, moving bytes, names. Every socket is non-blocking;
 * calls interrupted by a signal go on. IPv4-mapped IPv6 addresses become IPv4 on their way out. Any
 * thread; plat_resolve blocks. */
#include "platform/plat_net.h"

#include "platform/plat.h"
#include "platform/posix.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    NOTSENT_MAX = 32 * 1024 /* bytes that wait in the kernel beyond those under way: what is given
                               to it is late by all that waits there for others */
};

union net_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_storage room;
};

static socklen_t address_to(const struct plat_addr *addr, union net_address *out)
{
    memset(out, 0, sizeof *out);
    if (addr->family == 4) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(addr->port);
        memcpy(&out->v4.sin_addr, addr->ip, 4);
        return sizeof out->v4;
    }
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = htons(addr->port);
    out->v6.sin6_scope_id = addr->scope;
    memcpy(&out->v6.sin6_addr, addr->ip, 16);
    return sizeof out->v6;
}

static void address_from(const union net_address *address, struct plat_addr *out)
{
    *out = (struct plat_addr){0};
    if (address->any.sa_family == AF_INET) {
        out->family = 4;
        out->port = ntohs(address->v4.sin_port);
        memcpy(out->ip, &address->v4.sin_addr, 4);
    } else if (address->any.sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = &address->v6;
        bool mapped = IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
        out->family = mapped ? 4 : 6;
        out->port = ntohs(v6->sin6_port);
        out->scope = mapped ? 0 : v6->sin6_scope_id;
        memcpy(out->ip, (const uint8_t *)&v6->sin6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
    }
}

static void option_set(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

/* 0, or -1 and errno. */
static int socket_setup(int fd)
{
    option_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
#ifdef TCP_NOTSENT_LOWAT
    option_set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOTSENT_MAX);
#endif
    if (posix_close_on_exec(fd) != 0)
        return -1;
    return fcntl(fd, F_SETFL, O_NONBLOCK);
}

/* A descriptor, or -1 and errno. */
static int socket_open(const struct plat_addr *addr)
{
    if (addr->family != 4 && addr->family != 6) {
        errno = EINVAL;
        return -1;
    }
    int fd = socket(addr->family == 4 ? AF_INET : AF_INET6, SOCK_STREAM, 0);
    if (fd >= 0 && socket_setup(fd) != 0) {
        posix_fd_close(fd);
        return -1;
    }
    return fd;
}

static int socket_fail(int fd)
{
    int result = plat_error();
    posix_fd_close(fd);
    return result;
}

static int listen_on(const struct plat_addr *addr, int backlog)
{
    union net_address address;
    socklen_t size = address_to(addr, &address);
    int fd = socket_open(addr);
    if (fd < 0)
        return plat_error();
    option_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (addr->family == 6)
        option_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (bind(fd, &address.any, size) != 0 || listen(fd, backlog) != 0)
        return socket_fail(fd);
    return fd;
}

int plat_listen(const struct plat_addr *addr, int backlog)
{
    static const uint8_t any[16];
    int fd = listen_on(addr, backlog);
    if (fd == -P2P_EUNREACH && addr->family == 6 && memcmp(addr->ip, any, sizeof any) == 0) {
        struct plat_addr v4 = {.family = 4, .port = addr->port};
        fd = listen_on(&v4, backlog);
    }
    return fd;
}

/* What accept() says beyond "none" and "no room" is about the one connection, which is gone. */
static int accept_error(void)
{
    bool no_room = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    bool none = errno == EAGAIN || errno == EWOULDBLOCK;
    (void)plat_error();
    if (none)
        return -P2P_EAGAIN;
    return no_room ? -P2P_EMFILE : -P2P_ECLOSED;
}

int plat_accept(int listener, struct plat_addr *out_peer)
{
    union net_address address;
    socklen_t size = sizeof address;
    int fd = accept(listener, &address.any, &size);
    if (fd < 0)
        return accept_error();
    if (socket_setup(fd) != 0)
        return socket_fail(fd);
    address_from(&address, out_peer);
    return fd;
}

int plat_connect(const struct plat_addr *addr)
{
    union net_address address;
    socklen_t size = address_to(addr, &address);
    int fd = socket_open(addr);
    if (fd < 0)
        return plat_error();
    if (connect(fd, &address.any, size) == 0 || errno == EINPROGRESS || errno == EINTR)
        return fd;
    return socket_fail(fd);
}

/* A port of the ephemeral range to which nobody listens can be given to the connecting socket
 * itself: TCP then connects it to itself. */
int plat_connect_result(int fd)
{
    struct plat_addr local, peer;
    int code = 0;
    socklen_t size = sizeof code;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size) == 0)
        errno = code;
    if (errno != 0)
        return plat_error();
    if (plat_local_addr(fd, &local) == 0 && plat_peer_addr(fd, &peer) == 0 &&
        local.port == peer.port && memcmp(local.ip, peer.ip, sizeof local.ip) == 0) {
        errno = ECONNREFUSED;
        return plat_error();
    }
    return 0;
}

int plat_local_addr(int fd, struct plat_addr *out)
{
    union net_address address;
    socklen_t size = sizeof address;
    if (getsockname(fd, &address.any, &size) != 0)
        return plat_error();
    address_from(&address, out);
    return 0;
}

int plat_peer_addr(int fd, struct plat_addr *out)
{
    union net_address address;
    socklen_t size = sizeof address;
    if (getpeername(fd, &address.any, &size) != 0)
        return plat_error();
    address_from(&address, out);
    return 0;
}

int64_t plat_recv(int fd, void *out, size_t size)
{
    ssize_t got;
    do
        got = recv(fd, out, size, 0);
    while (got < 0 && errno == EINTR);
    return got < 0 ? plat_error() : (int64_t)got;
}

int64_t plat_send(int fd, const void *bytes, size_t size)
{
    ssize_t put;
    do
        put = send(fd, bytes, size, MSG_NOSIGNAL);
    while (put < 0 && errno == EINTR);
    return put < 0 ? plat_error() : (int64_t)put;
}

int64_t plat_send2(int fd, struct str head, struct str body)
{
    struct iovec parts[2] = {
        {.iov_base = (void *)(uintptr_t)head.ptr, .iov_len = head.len},
        {.iov_base = (void *)(uintptr_t)body.ptr, .iov_len = body.len},
    };
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t put;
    do
        put = sendmsg(fd, &message, MSG_NOSIGNAL);
    while (put < 0 && errno == EINTR);
    return put < 0 ? plat_error() : (int64_t)put;
}

int64_t posix_send_copied(int fd, int file, int64_t offset, size_t size)
{
    char bytes[P2P_BUFFER_SIZE];
    int64_t done = 0;
    while (size > 0) {
        size_t want = size < sizeof bytes ? size : sizeof bytes;
        int64_t got = plat_pread(file, bytes, want, offset + done);
        int64_t put = got <= 0 ? got : plat_send(fd, bytes, (size_t)got);
        if (put < 0)
            return done > 0 ? done : put;
        done += put;
        size -= (size_t)put;
        if (put < (int64_t)want)
            break; /* the file ends, or the socket is full */
    }
    return done;
}

void plat_shutdown_write(int fd)
{
    (void)shutdown(fd, SHUT_WR);
}

void plat_set_buffers(int fd, int send_size, int recv_size)
{
    if (send_size > 0)
        option_set(fd, SOL_SOCKET, SO_SNDBUF, send_size);
    if (recv_size > 0)
        option_set(fd, SOL_SOCKET, SO_RCVBUF, recv_size);
}

/* Copies what getaddrinfo found, each address once (a hosts file may name one twice). */
static int resolved_copy(const struct addrinfo *found, uint16_t port, struct plat_addr *out,
                         int max)
{
    int count = 0;
    for (; found != NULL && count < max; found = found->ai_next) {
        union net_address address;
        bool seen = false;
        if (found->ai_addrlen > sizeof address)
            continue;
        memcpy(&address, found->ai_addr, found->ai_addrlen);
        address_from(&address, &out[count]);
        out[count].port = port;
        for (int i = 0; i < count; i++)
            seen |= out[i].family == out[count].family && out[i].scope == out[count].scope &&
                    memcmp(out[i].ip, out[count].ip, sizeof out[i].ip) == 0;
        if (!seen && out[count].family != 0)
            count++;
    }
    return count;
}

int plat_resolve(const char *host, uint16_t port, struct plat_addr *out, int max)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int code = getaddrinfo(host, NULL, &hints, &found);
    if (code != 0) {
        if (code == EAI_SYSTEM)
            (void)plat_error();
        else
            posix_reason(gai_strerror(code));
        return code == EAI_AGAIN ? -P2P_ETIMEOUT : -P2P_ENOTFOUND;
    }
    int count = resolved_copy(found, port, out, max);
    freeaddrinfo(found);
    return count > 0 ? count : -P2P_ENOTFOUND;
}

int plat_raise_descriptors(int wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return plat_error();
    rlim_t want = wanted > 0 ? (rlim_t)wanted : 0;
    if (limit.rlim_cur < want) {
        struct rlimit more = {.rlim_cur = want,
                              .rlim_max = limit.rlim_max < want ? want : limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &more) == 0) {
            limit = more;
        } else { /* only root passes the hard limit */
            more = (struct rlimit){.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
            if (setrlimit(RLIMIT_NOFILE, &more) == 0)
                limit = more;
        }
    }
    return limit.rlim_cur > (rlim_t)INT32_MAX ? INT32_MAX : (int)limit.rlim_cur;
}
