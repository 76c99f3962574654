/* SPDX-License-Identifier: MIT */
/* What names the board that this runs on, so that a copied memory card is noticed: the serial
 * number that its maker gave it, else its own network addresses. Reads Linux's /sys; elsewhere
 * there is nothing and the answer is empty. Once, at start. */
#include "platform/plat.h"
#include "platform/plat_file.h"

#include <stdio.h>
#include <string.h>

static const char *const serial_paths[] = {
    "/sys/firmware/devicetree/base/serial-number",
    "/sys/class/dmi/id/product_uuid",
    "/sys/class/dmi/id/board_serial",
};

/* What makers leave in the field when they leave it empty, in lower case. */
static const char *const fillers[] = {
    "to be filled by o.e.m.",
    "default string",
    "none",
    "not specified",
    "not applicable",
    "system serial number",
    "base board serial number",
    "o.e.m.",
    "unknown",
    "0123456789",
    "03000200-0400-0500-0006-000700080009",
};

enum { VALUE_SIZE = 128, MAC_SIZE = 18, MACS_MAX = 8 };

/* The first line of a small file without what is not printable; its length. */
static size_t value_read(const char *path, char out[static VALUE_SIZE])
{
    char raw[VALUE_SIZE];
    size_t len = 0;
    int fd = plat_open(path, PLAT_READ);
    int64_t got = fd < 0 ? 0 : plat_read(fd, raw, sizeof raw - 1);
    plat_close(fd);
    for (int64_t i = 0; i < got && raw[i] != '\n'; i++)
        if (raw[i] > ' ' && raw[i] < 0x7f)
            out[len++] = raw[i];
        else if (raw[i] == ' ' && len > 0)
            out[len++] = ' ';
    while (len > 0 && out[len - 1] == ' ')
        len--;
    out[len] = '\0';
    return len;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool same_text(const char *a, const char *b)
{
    while (*a != '\0' && lower(*a) == *b)
        a++, b++;
    return *a == *b;
}

/* A name of one board only: not a filler, not one character again and again (zeros, F, X, dashes
 * aside). */
static bool is_serial(const char *value)
{
    if (strlen(value) < 4)
        return false;
    for (size_t i = 0; i < sizeof fillers / sizeof fillers[0]; i++)
        if (same_text(value, fillers[i]))
            return false;
    for (const char *c = value; *c != '\0'; c++)
        if (*c != '-' && *c != value[0])
            return true;
    return false;
}

/* True when the interface is a device with the address that its maker gave it. */
static bool mac_read(const char *interface, char out[static VALUE_SIZE])
{
    char path[P2P_PART_MAX + 64];
    char type[VALUE_SIZE];
    struct plat_stat device;
    (void)snprintf(path, sizeof path, "/sys/class/net/%s/device", interface);
    if (plat_stat(path, &device) != 0)
        return false;
    (void)snprintf(path, sizeof path, "/sys/class/net/%s/addr_assign_type", interface);
    if (value_read(path, type) == 0 || strcmp(type, "0") != 0)
        return false;
    (void)snprintf(path, sizeof path, "/sys/class/net/%s/address", interface);
    return value_read(path, out) == MAC_SIZE - 1 && strcmp(out, "00:00:00:00:00:00") != 0;
}

static int macs_read(char out[static MACS_MAX][MAC_SIZE])
{
    struct plat_dir dir;
    char name[P2P_PART_MAX + 1], mac[VALUE_SIZE];
    enum plat_kind kind;
    int count = 0;
    int folder = plat_open_folder("/sys/class/net");
    if (folder < 0)
        return 0;
    if (plat_dir_open_beneath(&dir, folder, "") == 0) {
        while (count < MACS_MAX && plat_dir_next(&dir, name, &kind) == 1) {
            if (!mac_read(name, mac))
                continue;
            int at = count++;
            for (; at > 0 && strcmp(out[at - 1], mac) > 0; at--)
                memcpy(out[at], out[at - 1], MAC_SIZE);
            memcpy(out[at], mac, MAC_SIZE);
        }
        plat_dir_close(&dir);
    }
    plat_close(folder);
    return count;
}

size_t plat_board(char *out, size_t size)
{
    char value[VALUE_SIZE], macs[MACS_MAX][MAC_SIZE];
    size_t len = 0;
    if (size == 0)
        return 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof serial_paths / sizeof serial_paths[0]; i++) {
        size_t found = value_read(serial_paths[i], value);
        if (found > 0 && found < size && is_serial(value)) {
            memcpy(out, value, found + 1);
            return found;
        }
    }
    int count = macs_read(macs);
    for (int i = 0; i < count && len + MAC_SIZE + 1 <= size; i++)
        len += (size_t)snprintf(out + len, size - len, "%s%s", len > 0 ? " " : "", macs[i]);
    return len;
}
