/* SPDX-License-Identifier: MIT */
/* Sockets and the poller. Every socket is non-blocking and close-on-exec, TCP ones have
 * TCP_NODELAY. An IPv4-mapped IPv6 address never leaves this layer: it is unmapped. Any thread; a
 * poller belongs to one. */
#ifndef PLAT_NET_H
#define PLAT_NET_H

#include "p2p.h"

/* family is 4, 6 or 0 (none); IPv4 uses ip[0..3], the rest zero. scope is the interface of a
 * link-local IPv6. */
struct plat_addr {
    uint8_t ip[16];
    uint32_t scope;
    uint16_t port;
    uint8_t family;
};

/* Listens with SO_REUSEADDR. [::] takes IPv4 too; where there is no IPv6 it becomes 0.0.0.0. Port
 * 0: the kernel's choice, see plat_local_addr. Descriptor, or -P2P_EINUSE, -P2P_EDENIED,
 * -P2P_EUNREACH (no such address). */
int plat_listen(const struct plat_addr *addr, int backlog);
/* A waiting connection, or -P2P_EAGAIN, -P2P_EMFILE, -P2P_ECLOSED (it went away: ask again). */
int plat_accept(int listener, struct plat_addr *out_peer);
/* Starts to connect; writable when done, then plat_connect_result, once: 0, -P2P_EREFUSED,
 * -P2P_EUNREACH, -P2P_ETIMEOUT. plat_connect may tell the same errors at once. */
int plat_connect(const struct plat_addr *addr);
int plat_connect_result(int fd);
int plat_local_addr(int fd, struct plat_addr *out);
int plat_peer_addr(int fd, struct plat_addr *out);

/* Bytes moved, 0 at the end of the stream (recv), -P2P_EAGAIN, -P2P_ECLOSED (reset), -P2P_ETIMEOUT
 * or -P2P_EUNREACH (TCP gave up), -P2P_EIO. Never SIGPIPE. */
int64_t plat_recv(int fd, void *out, size_t size);
int64_t plat_send(int fd, const void *bytes, size_t size);
/* Sends both parts as one (head and body in one segment). Bytes moved in all. */
int64_t plat_send2(int fd, struct str head, struct str body);
/* Sends up to size bytes of file from offset. 0: the file ends there. Twins: sendfile, or read and
 * send. On the first thread only after plat_signals_open: sendfile has no flag against SIGPIPE. */
int64_t plat_send_file(int fd, int file, int64_t offset, size_t size);
/* No more will be sent; what was, still arrives. */
void plat_shutdown_write(int fd);
/* Buffer sizes in bytes, as hints; 0 leaves the kernel's own. */
void plat_set_buffers(int fd, int send_size, int recv_size);

/* Addresses of a name, at most max. Blocks for seconds: workers only. Count, or -P2P_ENOTFOUND,
 * -P2P_ETIMEOUT. */
int plat_resolve(const char *host, uint16_t port, struct plat_addr *out, int max);

/* The poller, level-triggered. */
enum { PLAT_READABLE = 1, PLAT_WRITABLE = 2, PLAT_HUNGUP = 4 };
struct plat_event {
    void *ctx;
    unsigned events; /* HUNGUP is told whether asked or not */
};
struct plat_poller;
/* Bytes that a poller for max descriptors needs, then makes it in memory of that size (8-byte
 * aligned). */
size_t plat_poller_size(int max);
int plat_poller_init(void *memory, int max, struct plat_poller **out);
void plat_poller_close(struct plat_poller *poller);
/* One ctx per descriptor; ctx comes back in the events. -P2P_EFULL beyond max, -P2P_EEXIST when it
 * is in already, -P2P_ENOTSUP for a regular file or /dev/null (epoll takes none; they are always
 * ready). change sets both anew. */
int plat_poller_add(struct plat_poller *poller, int fd, unsigned events, void *ctx);
void plat_poller_change(struct plat_poller *poller, int fd, unsigned events, void *ctx);
/* Must be called before the descriptor is closed. Events of it that plat_poller_wait has already
 * returned still come. */
void plat_poller_remove(struct plat_poller *poller, int fd);
/* Waits up to timeout_ms (-1: for ever). Number of events, 0 at the timeout or a signal. */
int plat_poller_wait(struct plat_poller *poller, struct plat_event *out, int max, int timeout_ms);

/* Raises the limit of open descriptors as far as the system lets; returns what it is now. */
int plat_raise_descriptors(int wanted);

#endif
