/* SPDX-License-Identifier: MIT */
/* Where a node is: its name, the share, the state folder, the ports it may listen on, and who has a
 * port that is taken. Looks at files, never at the network. First thread, at start. */
#ifndef PLACE_H
#define PLACE_H

#include "base/addr.h"
#include "base/config.h"
#include "node/identity.h"

enum { PLACE_LISTEN_MAX = 3 };

/* The node's name: as set, else the host's up to its first dot, made a good name. */
void place_name(struct str set, struct str host, char out[static P2P_NODE_NAME_MAX + 1]);

/* The addresses to try, best first. set: node.listen, may be empty. last_port: 0 for none. Returns
 * how many. */
int place_listen(struct plat_addr out[static PLACE_LISTEN_MAX], enum record_role role,
                 struct str set, uint16_t last_port);

/* The real path of the folder into out. 0, or -P2P_EINVAL with a line and its cure in err. */
int place_share(const char *folder, char out[static P2P_PATH_MAX], char *err, size_t err_size);

/* True when path, of which the last parts may not exist yet, lies in the share (a real path) or is
 * it. */
bool place_is_inside(const char *path, const char *share);

/* The node of this machine that listens on the port, as the lock files of the state folders beside
 * the default one say. own is left out: looking there could cost its lock. The pid, or 0. */
int place_find_holder(uint16_t port, const char *own, enum record_role *out_role);

/* Under which address a browser or a command on this machine reaches a listener. */
struct plat_addr place_reachable(const struct plat_addr *listening);

#endif
