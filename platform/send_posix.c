/* SPDX-License-Identifier: MIT */
/* The portable twin of send_linux.c: reads a buffer and sends it. Any thread. */
#include "platform/plat_net.h"
#include "platform/posix.h"

int64_t plat_send_file(int fd, int file, int64_t offset, size_t size)
{
    return posix_send_copied(fd, file, offset, size);
}
