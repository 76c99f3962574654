/* SPDX-License-Identifier: MIT */
/* Writing to a terminal or pipe without waiting. O_NONBLOCK belongs to the open file, which a shell
 * shares with all it starts, so it cannot be set on what was inherited: the terminal or pipe is
 * opened once more instead. Where that is not possible a poll without waiting asks first; a
 * terminal with little room can then still make a write wait. */
#include "platform/plat_console.h"

#include "platform/plat.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int plat_console_open(int fd)
{
    struct stat st;
    char path[32];
    if (fstat(fd, &st) != 0 || !(S_ISFIFO(st.st_mode) || isatty(fd)))
        return fd;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int again = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return again >= 0 ? again : fd;
}

int64_t plat_console_write(int fd, const void *bytes, size_t size)
{
    ssize_t done = send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (done < 0 && errno == ENOTSOCK) {
        struct pollfd ready = {.fd = fd, .events = POLLOUT};
        if (poll(&ready, 1, 0) == 0)
            return -P2P_EAGAIN;
        done = write(fd, bytes, size);
    }
    return done >= 0 ? done : plat_error();
}
