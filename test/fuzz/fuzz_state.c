/* SPDX-License-Identifier: MIT */
/* State files of any bytes are read or put aside; any body that is written is read back. */
#include "base/state.h"
#include "base/text.h"
#include "platform/plat_file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder_name[] = "/tmp/p2p-fuzz-state-XXXXXX";
static int folder_fd;

static void remove_folder(void)
{
    static const char *const names[] = {"raw", "raw.bad", "body"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        plat_unlink_beneath(folder_fd, names[i]);
    rmdir(folder_name);
}

static int open_folder(void)
{
    if (folder_fd == 0) {
        if (!mkdtemp(folder_name) || (folder_fd = plat_open_folder(folder_name)) < 0)
            abort();
        atexit(remove_folder);
    }
    return folder_fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char out[4096];
    int folder = open_folder();
    int fd = plat_open_beneath(folder, "raw", PLAT_WRITE | PLAT_CREATE | PLAT_TRUNCATE);
    if (fd < 0 || (size > 0 && plat_write(fd, data, size) != 0))
        abort();
    plat_close(fd);
    ptrdiff_t length = state_read(folder, "raw", out, sizeof(out));
    if (length > (ptrdiff_t)size || length == -P2P_ENOTFOUND)
        abort();
    if (size > sizeof(out))
        return 0;
    struct str body = {(const char *)data, size};
    if (state_write(folder, "body", body) != 0 ||
        state_read(folder, "body", out, sizeof(out)) != (ptrdiff_t)size ||
        !text_equal((struct str){out, size}, body))
        abort();
    return 0;
}
