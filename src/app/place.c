/* SPDX-License-Identifier: MIT */
/* The rules by which a node finds its name, folder and port; all but the look-ups of real paths and
 * lock files are pure. First thread, at start. */
#include "app/place.h"

#include "base/name.h"
#include "base/text.h"
#include "platform/plat.h"
#include "platform/plat_file.h"

#include <stdio.h>
#include <string.h>

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

void place_name(struct str set, struct str host, char out[static P2P_NODE_NAME_MAX + 1])
{
    size_t len = 0;

    if (set.len > 0) {
        text_copy(set, out, P2P_NODE_NAME_MAX + 1);
        return;
    }
    for (size_t i = 0; i < host.len && host.ptr[i] != '.' && len < P2P_NODE_NAME_MAX; i++) {
        out[len++] = is_name_char(host.ptr[i]) ? host.ptr[i] : '-';
    }
    out[len] = 0;
    if (name_node_fault((struct str){out, len}) != NULL) {
        text_copy(STR("node"), out, P2P_NODE_NAME_MAX + 1);
    }
}

static struct plat_addr everywhere(uint16_t port)
{
    return (struct plat_addr){.family = 6, .port = port};
}

int place_listen(struct plat_addr out[static PLACE_LISTEN_MAX], enum record_role role,
                 struct str set, uint16_t last_port)
{
    int count = 0;

    if (set.len > 0 && addr_parse_listen(set, &out[0]) == 0) {
        return 1;
    }
    if (role != RECORD_ROLE_PEER) {
        out[0] = everywhere(P2P_PORT_INDEX);
        return 1;
    }
    /* The well-known port first: a machine's only peer is found there, and what a firewall lets in
     * stays one port. Beside another peer the one it had last, so that its address stays. */
    out[count++] = everywhere(P2P_PORT_PEER);
    if (last_port != 0 && last_port != P2P_PORT_PEER) {
        out[count++] = everywhere(last_port);
    }
    out[count++] = everywhere(0);
    return count;
}

int place_share(const char *folder, char out[static P2P_PATH_MAX], char *err, size_t err_size)
{
    struct plat_stat stat;
    int error = plat_stat(folder, &stat);

    if (error == 0 && stat.kind != PLAT_KIND_FOLDER) {
        snprintf(err, err_size, "%s is not a folder; name one: p2p peer DIR", folder);
        return -P2P_EINVAL;
    }
    if (error == 0) {
        error = plat_real_path(folder, out, P2P_PATH_MAX);
    }
    if (error == -P2P_ENOTFOUND) {
        snprintf(err, err_size, "there is no folder %s; make it with mkdir, or name another",
                 folder);
    } else if (error != 0) {
        snprintf(err, err_size, "cannot share %s: %s", folder, plat_reason());
    }
    return error != 0 ? -P2P_EINVAL : 0;
}

bool place_is_inside(const char *path, const char *share)
{
    char part[P2P_PATH_MAX], real[P2P_PATH_MAX];
    struct str outer = text_from(share);

    if (text_copy(text_from(path), part, sizeof part) != 0) {
        return false;
    }
    while (plat_real_path(part, real, sizeof real) != 0) {
        char *slash = strrchr(part, '/');
        if (slash == NULL && strcmp(part, ".") != 0) {
            memcpy(part, ".", 2);
        } else if (slash != NULL && slash != part) {
            *slash = 0;
        } else if (slash != NULL && slash[1] != 0) {
            slash[1] = 0;
        } else {
            return false;
        }
    }
    struct str inner = text_from(real);
    return text_begins(inner, outer) &&
           (inner.len == outer.len || outer.len == 1 || inner.ptr[outer.len] == '/');
}

/* The folder in which default state folders lie. */
static int state_root(char out[static P2P_PATH_MAX])
{
    int error = identity_folder(NULL, 0, out, P2P_PATH_MAX);
    char *slash = error == 0 ? strrchr(out, '/') : NULL;

    if (slash != NULL) {
        *slash = 0;
    }
    return error;
}

int place_find_holder(uint16_t port, const char *own, enum record_role *out_role)
{
    char root[P2P_PATH_MAX], path[P2P_PATH_MAX + P2P_PART_MAX + 2], name[P2P_PART_MAX + 1];
    struct identity_local found;
    struct plat_dir dir;
    enum plat_kind kind;
    int pid = 0;

    int folder = state_root(root) == 0 ? plat_open_folder(root) : -1;
    if (folder < 0) {
        return 0;
    }
    if (plat_dir_open_beneath(&dir, folder, "") == 0) {
        while (pid == 0 && plat_dir_next(&dir, name, &kind) > 0) {
            snprintf(path, sizeof path, "%s/%s", root, name);
            if (strcmp(path, own) != 0 && identity_find_local(path, &found) == 0 &&
                found.port == port) {
                pid = found.pid;
                *out_role = found.role;
            }
        }
        plat_dir_close(&dir);
    }
    plat_close(folder);
    return pid;
}

struct plat_addr place_reachable(const struct plat_addr *listening)
{
    static const uint8_t none[16];
    struct plat_addr addr = *listening;

    if (memcmp(addr.ip, none, sizeof none) == 0) {
        addr = (struct plat_addr){.ip = {127, 0, 0, 1}, .port = listening->port, .family = 4};
    }
    return addr;
}
