/* SPDX-License-Identifier: MIT */
/* The files of web/, as toolchains/pack.c writes them into the binary. */
#ifndef WEB_H
#define WEB_H

struct web_file {
    const char *path; /* without the leading "/" */
    const char *type; /* Content-Type */
    const unsigned char *bytes;
    unsigned long size;
    int compressed; /* the bytes are gzip's */
};

/* Ended by a NULL path. */
extern const struct web_file web_files[];

#endif
