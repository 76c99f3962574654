/* SPDX-License-Identifier: MIT */
/* -o is a folder if it is one or ends in "/", else a file. First thread. */
#include "ui/aim.h"

#include "base/name.h"
#include "base/text.h"
#include "platform/plat_file.h"

#include <stdio.h>
#include <string.h>

static int open_folder(struct aim *aim, struct str path)
{
    char folder[2 * P2P_PATH_MAX];
    int error = text_copy(path, folder, sizeof folder);

    aim->root = error != 0 ? error : plat_open_folder(folder);
    return aim->root < 0 ? aim->root : 0;
}

static int open_as_folder(struct aim *aim, const char *output)
{
    const char *slash = text_ends(text_from(output), STR("/")) ? "" : "/";
    int length = snprintf(aim->prefix, sizeof aim->prefix, "%s%s", output, slash);

    if (length >= (int)sizeof aim->prefix) {
        return -P2P_ETOOBIG;
    }
    int error = plat_make_folders(output, false);
    return error != 0 ? error : open_folder(aim, text_from(output));
}

static int open_as_file(struct aim *aim, const char *output)
{
    struct str path = text_from(output), name = name_base(path);

    aim->is_file = true;
    if (text_copy(name, aim->name, sizeof aim->name) != 0 ||
        text_copy(text_first(path, path.len - name.len), aim->prefix, sizeof aim->prefix) != 0) {
        return -P2P_ETOOBIG;
    }
    return open_folder(aim, aim->prefix[0] != 0 ? text_from(aim->prefix) : STR("."));
}

int aim_open(struct aim *aim, const char *output)
{
    struct plat_stat stat;

    *aim = (struct aim){.root = -1};
    if (output == NULL) {
        return open_folder(aim, STR("."));
    }
    if (text_is(text_from(output), "-")) {
        aim->is_stdout = aim->is_file = true;
        return 0;
    }
    bool is_folder = text_ends(text_from(output), STR("/")) ||
                     (plat_stat(output, &stat) == 0 && stat.kind == PLAT_KIND_FOLDER);
    return is_folder ? open_as_folder(aim, output) : open_as_file(aim, output);
}

void aim_close(struct aim *aim)
{
    if (aim->root >= 0) {
        plat_close(aim->root);
        aim->root = -1;
    }
}

const char *aim_shown(const struct aim *aim, struct str path, char out[static AIM_SHOWN_MAX])
{
    snprintf(out, AIM_SHOWN_MAX, "%s%.*s", aim->prefix, (int)path.len, path.ptr);
    return out;
}
