/* SPDX-License-Identifier: MIT */
/* The settings: one table of keys with type, range, default and a sentence; from a file (inih),
 * then from options
 * (--section.key VALUE). config.ini in the project's root and the help are the same table. Loop
 * thread. */
#ifndef CONFIG_H
#define CONFIG_H

#include "p2p.h"

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
    enum config_type type;
    const char
        *choices;       /* "on|off", for CONFIG_CHOICE; "forever" for a CONFIG_TIME that takes it */
    const char *preset; /* the default as text; "" is unset */
    uint64_t min, max;  /* range in the type's unit (bytes, ms, bytes/s, count) */
    const char *help;   /* one sentence */
};
extern const struct config_key config_keys[]; /* ended by a NULL section */

enum { CONFIG_TEXT_MAX = 4096, CONFIG_KEYS_MAX = 64 };

/* All values as text in one store; typed getters parse (they were checked when set). */
struct config {
    char text[16384];
    size_t used;
    uint16_t value[CONFIG_KEYS_MAX]; /* offset + 1 into text, 0: the preset */
    char source[P2P_PATH_MAX];       /* file it came from, "" when none */
};

void config_init(struct config *config);
/* Reads a file. 0, or an error with one line in err: "config.ini:12: [node] listen = x: not a port;
 * write PORT or ADDR:PORT". */
int config_read(struct config *config, const char *path, char *err, size_t err_size);
/* Finds the file by the rules of the design (explicit, $P2P_CONFIG, ./config.ini if its first line
 * begins "# p2p" and it is this user's or root's, /etc/p2p/config.ini) and reads it. No file is no
 * error, but an explicit one that is missing. */
int config_find(struct config *config, const char *explicit_path, char *err, size_t err_size);
/* Sets one key from an option; origin names it in err ("--node.listen"). Beats the file. */
int config_set(struct config *config, const char *name, struct str value, char *err,
               size_t err_size);
/* Index of "section.key" in config_keys, or -1; a near name comes back in *out_near (NULL: none).
 */
int config_lookup(struct str name, const char **out_near);

/* name is "section.key" and must exist with that type (asserted). */
struct str config_text(const struct config *config, const char *name);
uint64_t
config_number(const struct config *config,
              const char *name); /* SIZE, RATE, COUNT; TIME in ms ("forever": UINT64_MAX) */
bool config_is(const struct config *config, const char *name, const char *choice);
bool config_is_set(const struct config *config, const char *name);

#endif
