/* SPDX-License-Identifier: MIT */
/* Finds and reads the settings file. inih cuts the lines, over a reader of our own, so that nothing
 * allocates and no line is silently cut. The first fault is kept, as one line that says where, what
 * and how to cure it. Main thread. */
#include "base/config.h"

#include "base/config_check.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/plat_file.h"

#include <stdlib.h>
#include <string.h>

#include <ini.h>

#if INI_ALLOW_INLINE_COMMENTS || INI_ALLOW_MULTILINE || !INI_USE_STACK || !INI_HANDLER_LINENO
#error "inih must be built with the flags of the Makefile"
#endif

/* A file being read. */
struct config_file {
    struct config *config;
    const char *path;
    int fd;
    int error;                  /* of the disk, or -P2P_EINVAL with err filled */
    size_t pos, end;            /* of bytes */
    int line, fault_line;       /* being cut; of the fault in err */
    int first[CONFIG_KEYS_MAX]; /* line in which a key stood, 0: not yet */
    struct buf err;
    char bytes[1024];
};

/* Begins the one line of the first fault: "config.ini:12: ". False when there is one already. */
static bool config_fault(struct config_file *file, int line)
{
    if (file->error != 0)
        return false;
    file->error = -P2P_EINVAL;
    file->fault_line = line;
    buf_put_shown(&file->err, text_from(file->path));
    buf_printf(&file->err, ":%d: ", line);
    return true;
}

/* The next byte of the file, or -1. */
static int config_byte(struct config_file *file)
{
    if (file->pos == file->end) {
        int64_t got = plat_read(file->fd, file->bytes, sizeof(file->bytes));
        if (got < 0 && file->error == 0)
            file->error = (int)got;
        file->pos = 0;
        file->end = got > 0 ? (size_t)got : 0;
        if (got <= 0)
            return -1;
    }
    return (uint8_t)file->bytes[file->pos++];
}

/* inih's reader: the next line. A line that is too long is a fault and is read on to its end, so
 * that inih never sees half a line; a NUL, which would end it early, becomes a byte that no value
 * may have. */
static char *config_line(char *out, int size, void *stream)
{
    struct config_file *file = stream;
    int len = 0, byte = config_byte(file);
    if (byte < 0)
        return NULL;
    file->line++;
    for (; byte >= 0 && byte != '\n'; byte = config_byte(file)) {
        if (len < size - 2)
            out[len++] = byte ? (char)byte : '\x01';
        else if (config_fault(file, file->line))
            buf_put_text(&file->err, "the line is too long; write at most 4000 bytes");
    }
    out[len++] = '\n';
    out[len] = '\0';
    return out;
}

static void config_put_keys(struct buf *err, struct str section)
{
    const char *comma = "";
    for (int i = 0; config_keys[i].section; i++) {
        bool first = i == 0 || strcmp(config_keys[i].section, config_keys[i - 1].section) != 0;
        bool wanted = section.len > 0 ? text_is(section, config_keys[i].section) : first;
        if (!wanted)
            continue;
        buf_put_text(err, comma);
        buf_put_text(err, section.len > 0 ? config_keys[i].key : config_keys[i].section);
        comma = ", ";
    }
}

static bool config_is_section(struct str section)
{
    for (int i = 0; config_keys[i].section; i++) {
        if (text_is(section, config_keys[i].section))
            return true;
    }
    return false;
}

static void config_put_unknown(struct buf *err, struct str section, const char *near)
{
    if (near) {
        struct str name = text_from(near);
        ptrdiff_t dot = text_find(name, '.');
        buf_put_text(err, "unknown key; did you mean ");
        buf_put(err, text_from_byte(name, (size_t)dot + 1));
        buf_put_text(err, " in [");
        buf_put(err, text_first(name, (size_t)dot));
        buf_put_text(err, "]?");
    } else if (config_is_section(section)) {
        buf_put_text(err, "unknown key; there are ");
        config_put_keys(err, section);
    } else {
        buf_put_text(err, "unknown section; there are ");
        config_put_keys(err, (struct str){0});
    }
}

/* Checks and stores one value of a known key. */
static int config_take(struct config_file *file, int index, struct str value, int line)
{
    struct config *config = file->config;
    if (file->first[index] != 0) {
        buf_printf(&file->err, "repeated; it stands in line %d too, keep one", file->first[index]);
        return -P2P_EINVAL;
    }
    file->first[index] = line;
    if (config_check_value(&config_keys[index], value, &file->err) != 0)
        return -P2P_EINVAL;
    if (config->fixed >> index & 1)
        return 0;
    return config_store(config, index, value, &file->err);
}

/* inih's handler: one "key = value". Writes the fault's beginning first, and takes it back when
 * there is none. */
static int config_value(void *user, const char *section, const char *key, const char *value,
                        int line)
{
    struct config_file *file = user;
    char name[128];
    struct buf full = buf_on(name, sizeof(name));
    const char *near = NULL;
    struct str in = text_trim(text_from(section)), text = text_trim(text_from(value));
    if (!config_fault(file, line))
        return 1;
    buf_put(&full, in);
    buf_put_char(&full, '.');
    buf_put_text(&full, key);
    buf_put_char(&file->err, '[');
    buf_put_shown(&file->err, in);
    buf_put_text(&file->err, "] ");
    buf_put_shown(&file->err, text_from(key));
    buf_put_text(&file->err, " = ");
    buf_put_shown(&file->err, text_first(text, 200));
    buf_put_text(&file->err, ": ");
    int index = config_lookup(buf_str(&full), &near);
    if (index < 0) {
        config_put_unknown(&file->err, in, near);
    } else if (config_take(file, index, text, line) == 0) {
        file->error = 0;
        file->err = buf_on(file->err.ptr, file->err.size);
    }
    return 1;
}

static int config_read_fd(struct config *config, int fd, const char *path, char *err,
                          size_t err_size)
{
    struct config_file file = {
        .config = config, .path = path, .fd = fd, .err = buf_on(err, err_size)};
    /* inih tells of a line that it cannot read only at the end; it may come before a fault of ours.
     */
    int bad_line = ini_parse_stream(config_line, &file, config_value, &file);
    if (bad_line > 0 &&
        (file.error == 0 || (file.error == -P2P_EINVAL && bad_line < file.fault_line))) {
        file.error = 0;
        file.err = buf_on(err, err_size);
        config_fault(&file, bad_line);
        buf_put_text(&file.err, "not a setting; write [section] or key = value");
    }
    if (file.error != 0 && file.error != -P2P_EINVAL) {
        buf_put_shown(&file.err, text_from(path));
        buf_put_text(&file.err, ": cannot be read: ");
        buf_put_text(&file.err, log_error(file.error));
    }
    config_end_error(&file.err, err_size);
    return file.error != 0 ? file.error
                           : text_copy(text_from(path), config->source, sizeof(config->source));
}

int config_read(struct config *config, const char *path, char *err, size_t err_size)
{
    struct buf buf = buf_on(err, err_size);
    int fd = plat_open(path, PLAT_READ);
    if (fd >= 0) {
        int error = config_read_fd(config, fd, path, err, err_size);
        plat_close(fd);
        return error;
    }
    buf_put_shown(&buf, text_from(path));
    buf_put_text(&buf, ": cannot be read: ");
    buf_put_text(&buf, log_error(fd));
    config_end_error(&buf, err_size);
    return fd;
}

/* The file in the current folder counts only if it says that it is ours and nobody else could have
 * put it there. */
static bool config_is_ours(int fd)
{
    struct plat_stat stat;
    char head[5];
    return plat_fstat(fd, &stat) == 0 && stat.mine &&
           plat_pread(fd, head, sizeof(head), 0) == sizeof(head) &&
           memcmp(head, "# p2p", sizeof(head)) == 0;
}

int config_find(struct config *config, const char *explicit_path, char *err, size_t err_size)
{
    if (!explicit_path)
        explicit_path = getenv("P2P_CONFIG");
    if (explicit_path && explicit_path[0])
        return config_read(config, explicit_path, err, err_size);
    int fd = plat_open("config.ini", PLAT_READ);
    if (fd >= 0) {
        bool ours = config_is_ours(fd);
        int error = ours ? config_read_fd(config, fd, "config.ini", err, err_size) : 0;
        plat_close(fd);
        if (ours)
            return error;
    }
    int error = config_read(config, "/etc/p2p/config.ini", err, err_size);
    return error == -P2P_ENOTFOUND ? 0 : error;
}
