/* SPDX-License-Identifier: MIT */
/* Settings files of any bytes: either every getter works afterwards, or there is one line that is
 * safe to print. */
#include "base/config.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error(const char *err)
{
    if (!err[0])
        abort();
    for (; *err; err++) {
        if ((uint8_t)*err < 0x20 || *err == 0x7f)
            abort();
    }
}

static void check_values(const struct config *config)
{
    for (int i = 0; config_keys[i].section; i++) {
        const struct config_key *key = &config_keys[i];
        struct str value = config_text(config, key->name), item;
        if (key->type != CONFIG_TEXT && key->type != CONFIG_LIST && key->type != CONFIG_CHOICE &&
            value.len > 0) {
            uint64_t number = config_number(config, key->name);
            if (number < key->min || (number > key->max && number != UINT64_MAX))
                abort();
        }
        while (key->type == CONFIG_LIST && config_next(&value, &item)) {
            if (key->check && key->check(item))
                abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config config;
    char path[32], err[300] = "";
    int fd = memfd_create("config", 0);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    config_init(&config);
    if (config_read(&config, path, err, sizeof(err)) != 0)
        check_error(err);
    else
        check_values(&config);
    close(fd);
    return 0;
}
