/* SPDX-License-Identifier: MIT */
/* The table of settings, and the checks of texts that have a form of their own. Only keys that
 * something reads stand here: an unknown key is an error, so a key without effect would be a lie.
 * Pure. */
#include "base/config.h"

#include "base/addr.h"
#include "base/name.h"
#include "base/text.h"

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define SECOND UINT64_C(1000)
#define HOUR (3600 * SECOND)

static const char *config_check_node_name(struct str value)
{
    return name_node_fault(value) ? "not a node's name; write at most 63 letters, digits, - and _"
                                  : NULL;
}

static const char *config_check_listen(struct str value)
{
    struct plat_addr addr;
    return addr_parse_listen(value, &addr) != 0 ? "not a port; write PORT or ADDR:PORT" : NULL;
}

static const char *config_check_address(struct str value)
{
    struct plat_addr addr;
    return addr_parse(value, 1, &addr) != 0 || addr.port == 0
               ? "not an address; write IP or IP:PORT"
               : NULL;
}

static const char *config_check_host_port(struct str value)
{
    char host[P2P_HOST_MAX + 1];
    uint16_t port;
    return addr_split_host(value, 1, host, &port) != 0 ? "not a host; write HOST or HOST:PORT"
                                                       : NULL;
}

static const char *config_check_host(struct str value)
{
    char host[P2P_HOST_MAX + 1];
    uint16_t port;
    bool good = addr_split_host(value, 0, host, &port) == 0 && port == 0;
    return good ? NULL : "not a host name; write the name alone, without port";
}

static const char *config_check_path(struct str value)
{
    return value.len == 0 || value.len >= P2P_PATH_MAX ? "not a path; write the name of a folder"
                                                       : NULL;
}

static const char *config_check_linger(struct str value)
{
    int64_t ms;
    return text_is(value, "forever") || text_to_ms(value, &ms) == 0
               ? NULL
               : "not a time; write a number with ms, s, m, h or d, or forever";
}

#define KEY(section, key) section, key, section "." key

const struct config_key config_keys[] = {
    {KEY("node", "name"), CONFIG_TEXT, NULL, "", 0, 0,
     "The node's name as others see it; by default the host's name.", config_check_node_name},
    {KEY("node", "listen"), CONFIG_TEXT, NULL, "", 0, 0,
     "Port, or ADDRESS:PORT, to listen on; by default 7750 for an index, and for a peer 7751 or, "
     "when that is taken, any "
     "free one; 0 is any free one.",
     config_check_listen},
    {KEY("node", "advertise"), CONFIG_LIST, NULL, "", 0, P2P_ADDRESSES_MAX - 1,
     "Further addresses under which others reach this node, as IP or IP:PORT; believed once the "
     "index has reached it there.",
     config_check_address},
    {KEY("node", "state"), CONFIG_TEXT, NULL, "", 0, 0,
     "Folder for what the node must remember; by default one below ~/.local/state/p2p, for root "
     "below /var/lib/p2p.",
     config_check_path},
    {KEY("node", "memory"), CONFIG_SIZE, NULL, "", 4 * MIB, 64 * GIB,
     "Memory for everything the node keeps; by default 64M for an index, 24M for a peer.", NULL},
    {KEY("node", "index"), CONFIG_LIST, NULL, "", 0, P2P_INDEXES_MAX,
     "Indexes to join, as HOST or HOST:PORT; by default one on this machine.",
     config_check_host_port},
    {KEY("node", "hosts"), CONFIG_LIST, NULL, "", 0, 64,
     "Names under which browsers may reach this node, beside its own name, localhost and its "
     "addresses.",
     config_check_host},
    {KEY("node", "per_address"), CONFIG_COUNT, NULL, "512", 1, 65535,
     "Connections that one address may hold at once.", NULL},
    {KEY("node", "log"), CONFIG_CHOICE, "error|warn|info|debug", "info", 0, 0,
     "How much is logged.", NULL},

    {KEY("share", "path"), CONFIG_TEXT, NULL, "./share", 0, 0,
     "The folder whose files are offered, with all below it but hidden files and links.",
     config_check_path},
    {KEY("share", "save"), CONFIG_TEXT, NULL, "", 0, 0,
     "Where fetched files go; by default the folder downloads in the share.", config_check_path},
    {KEY("share", "ignore"), CONFIG_LIST, NULL, "*.tmp, *.part, *~", 0, 64,
     "Patterns of files that are not offered, with * ? and [a-z]; one with a slash is matched with "
     "the whole path.",
     NULL},
    {KEY("share", "watch"), CONFIG_CHOICE, "auto|scan", "auto", 0, 0,
     "How changes are noticed: auto lets the system tell, where it can; scan looks again and "
     "again.",
     NULL},
    {KEY("share", "scan"), CONFIG_TIME, NULL, "100ms", 10, HOUR,
     "How often a scanning peer looks while files change.", NULL},
    {KEY("share", "scan_idle"), CONFIG_TIME, NULL, "10s", 100, 24 * HOUR,
     "How often it looks after nothing has changed for long.", NULL},
    {KEY("share", "hash_rate"), CONFIG_RATE, NULL, "0", 0, UINT64_MAX,
     "How fast files are read for hashing, as 20M/s; 0 is as fast as the disk.", NULL},
    {KEY("share", "min_free"), CONFIG_SIZE, NULL, "64M", 0, UINT64_MAX,
     "Space that downloads leave free on the disk.", NULL},

    {KEY("index", "lease"), CONFIG_TIME, NULL, "30s", SECOND, 24 * HOUR,
     "How long the index believes in a node that it has not heard from.", NULL},
    {KEY("index", "snapshot"), CONFIG_TIME, NULL, "10m", 100, 7 * 24 * HOUR,
     "How long after a change the directory is written to disk at the latest, so that nodes need "
     "not join anew after a restart.",
     NULL},
    {KEY("index", "mirrors"), CONFIG_LIST, NULL, "", 0, P2P_INDEXES_MAX,
     "Other indexes of the same directory, as HOST or HOST:PORT; each of them names all the "
     "others, and may name itself.",
     config_check_host_port},
    {KEY("index", "wait"), CONFIG_TIME, NULL, "1500ms", 0, 5 * SECOND,
     "The longest that a search may take; it then ends as incomplete. 0 is no limit.", NULL},

    {KEY("transfer", "uploads"), CONFIG_COUNT, NULL, "8", 1, 1024,
     "Files that are sent at once; who comes later is told to wait.", NULL},
    {KEY("transfer", "connections"), CONFIG_COUNT, NULL, "4", 1, 64,
     "Connections that one download uses at once.", NULL},
    {KEY("transfer", "upload_limit"), CONFIG_RATE, NULL, "0", 0, UINT64_MAX,
     "Fastest sending of all uploads together, as 2M/s; 0 is no limit.", NULL},
    {KEY("transfer", "download_limit"), CONFIG_RATE, NULL, "0", 0, UINT64_MAX,
     "Fastest receiving of all downloads together, as 2M/s; 0 is no limit.", NULL},
    {KEY("transfer", "linger"), CONFIG_TEXT, NULL, "0s", 0, 0,
     "How long a get serves what it fetched to others when it is done: a time, or forever.",
     config_check_linger},

    {NULL, NULL, NULL, CONFIG_TEXT, NULL, NULL, 0, 0, NULL, NULL},
};

_Static_assert(sizeof(config_keys) / sizeof(config_keys[0]) <= CONFIG_KEYS_MAX + 1,
               "one bit a key");
