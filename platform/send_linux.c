/* SPDX-License-Identifier: MIT */
/* The Linux twin of send_posix.c: the kernel moves the bytes of a file to a socket. Any thread. */
#include "platform/plat.h"
#include "platform/plat_net.h"
#include "platform/posix.h"

#include <errno.h>
#include <sys/sendfile.h>

int64_t plat_send_file(int fd, int file, int64_t offset, size_t size)
{
    off_t from = (off_t)offset;
    ssize_t put;
    do
        put = sendfile(fd, file, &from, size);
    while (put < 0 && errno == EINTR);
    if (put >= 0)
        return (int64_t)put;
    /* file systems without it */
    if (errno == EINVAL || errno == ENOSYS)
        return posix_send_copied(fd, file, offset, size);
    return plat_error();
}
