/* SPDX-License-Identifier: MIT */
/* Files of a test's own. */
#ifndef RIG_FILE_H
#define RIG_FILE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

/* One without a name; the caller closes it. */
static inline int rig_open_unnamed(void)
{
    char path[] = "/tmp/p2p-test-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    unlink(path);
    return file;
}

#endif
