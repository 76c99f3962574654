/* SPDX-License-Identifier: MIT */
/* The settings: one table of keys with type, range, default and a sentence; from a file (inih),
 * then from options (--section.key VALUE). config.ini in the project's root says the same as the
 * table; a test compares them. Loop thread. */
#ifndef CONFIG_H
#define CONFIG_H

#include "base/buf.h"

enum config_type {
    CONFIG_TEXT,
    CONFIG_LIST,
    CONFIG_SIZE,
    CONFIG_TIME,
    CONFIG_RATE,
    CONFIG_COUNT,
    CONFIG_CHOICE
};

struct config_key {
    const char *section, *key;
    const char *name; /* "section.key" */
    enum config_type type;
    const char *choices; /* "on|off" of a CHOICE; "forever" of a TIME that takes it; else NULL */
    const char *preset;  /* the default as text; "" is unset */
    uint64_t min, max;   /* in the type's unit: bytes, ms, bytes/s, count; of a LIST its items */
    const char *help;    /* one sentence */
    /* NULL when a TEXT, or an item of a LIST, is good; else what is wrong and what to write. May be
     * NULL itself. */
    const char *(*check)(struct str value);
};
extern const struct config_key config_keys[]; /* ended by a NULL section */

enum {
    CONFIG_TEXT_MAX = 4000,   /* of one value: a line of the file */
    CONFIG_STORE_MAX = 16384, /* of all values: far more than anybody sets */
    CONFIG_KEYS_MAX = 64      /* bits of a mask */
};

/* All values as text in one store; typed getters parse (they were checked when set). */
struct config {
    char text[CONFIG_STORE_MAX];
    size_t used;
    uint16_t value[CONFIG_KEYS_MAX]; /* offset + 1 into text, 0: the preset */
    uint64_t fixed;                  /* bits of the keys that options have set */
    char source[P2P_PATH_MAX];       /* file it came from, "" when none */
};

void config_init(struct config *config);
/* Reads a file. 0, or -P2P_EINVAL (-P2P_ENOTFOUND … when it cannot be read) with one line in err:
 * "config.ini:12: [node] listen = x: not a port; write PORT or ADDR:PORT". config is then unusable.
 */
int config_read(struct config *config, const char *path, char *err, size_t err_size);
/* Finds the file by the rules of the design (explicit, $P2P_CONFIG, ./config.ini if its first line
 * begins "# p2p" and it is this user's or root's, /etc/p2p/config.ini) and reads it. No file is no
 * error, unless it was named by explicit_path (may be NULL) or $P2P_CONFIG. */
int config_find(struct config *config, const char *explicit_path, char *err, size_t err_size);
/* Sets one key ("node.listen") from an option, which err then names ("--node.listen x: …"). Beats
 * the file, whichever is read first. 0 or -P2P_EINVAL. */
int config_set(struct config *config, const char *name, struct str value, char *err,
               size_t err_size);
/* Index of "section.key" in config_keys, or -1; a near name, "section.key", is then in *out_near
 * (NULL: none). */
int config_lookup(struct str name, const char **out_near);

/* name is "section.key" and must exist with that type (asserted). The view lives as long as config.
 */
struct str config_text(const struct config *config, const char *name);
/* SIZE, RATE, COUNT; TIME in ms ("forever": UINT64_MAX). 0 when unset and without a default. */
uint64_t config_number(const struct config *config, const char *name);
bool config_is(const struct config *config, const char *name, const char *choice);
/* True when the file or an option has set it. */
bool config_is_set(const struct config *config, const char *name);
/* Takes the next item of a LIST off *rest, trimmed; empty ones are skipped. False at the end. */
bool config_next(struct str *rest, struct str *out_item);

/* For config_file.c: keeps a checked value (0 or -P2P_EINVAL with the reason appended to err), and
 * ends err as one line in size bytes. */
int config_store(struct config *config, int index, struct str value, struct buf *err);
void config_end_error(struct buf *err, size_t size);

#endif
