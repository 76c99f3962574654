/* SPDX-License-Identifier: MIT */
/* Splitting into words. What is written is never longer than what was read, so that a line is its
 * own room. Pure. */
#include "ui/words.h"

#include <string.h>

/* From at in the line to the room at out; both move on. */
struct scan {
    char *at, *out;
    const char *fault;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void take_single(struct scan *scan)
{
    scan->at++;
    while (*scan->at != 0 && *scan->at != '\'') {
        *scan->out++ = *scan->at++;
    }
    if (*scan->at == 0) {
        scan->fault = "a ' is not closed; write \\' for the sign itself";
        return;
    }
    scan->at++;
}

static void take_double(struct scan *scan)
{
    scan->at++;
    while (*scan->at != 0 && *scan->at != '"') {
        if (*scan->at == '\\' && scan->at[1] != 0 && strchr("\"\\$`", scan->at[1]) != NULL) {
            scan->at++;
        }
        *scan->out++ = *scan->at++;
    }
    if (*scan->at == 0) {
        scan->fault = "a \" is not closed; write \\\" for the sign itself";
        return;
    }
    scan->at++;
}

static void take_word(struct scan *scan)
{
    while (*scan->at != 0 && !is_blank(*scan->at) && scan->fault == NULL) {
        if (*scan->at == '\'') {
            take_single(scan);
        } else if (*scan->at == '"') {
            take_double(scan);
        } else if (*scan->at == '\\' && scan->at[1] == 0) {
            scan->fault = "nothing follows the last \\; write \\\\ for the sign itself";
        } else {
            scan->at += *scan->at == '\\';
            *scan->out++ = *scan->at++;
        }
    }
}

int words_split(char *line, char **words, int max, const char **out_fault)
{
    struct scan scan = {.at = line, .out = line};
    int count = 0;

    for (;;) {
        while (is_blank(*scan.at)) {
            scan.at++;
        }
        if (*scan.at == 0 || *scan.at == '#') {
            return count;
        }
        if (count == max) {
            *out_fault = "too many words";
            return -P2P_EINVAL;
        }
        words[count++] = scan.out;
        take_word(&scan);
        if (scan.fault != NULL) {
            *out_fault = scan.fault;
            return -P2P_EINVAL;
        }
        bool last = *scan.at == 0; /* its end may be the byte that is written now */
        scan.at += !last;
        *scan.out++ = 0;
        if (last) {
            return count;
        }
    }
}
