/* SPDX-License-Identifier: MIT */
/* The store of settings: finds keys, keeps values as text, hands them out by type. A text is
 * checked before it is kept, so that the getters cannot fail. Reading a file is config_file.c. Main
 * thread. */
#include "base/config.h"

#include "base/config_check.h"
#include "base/text.h"

#include <assert.h>
#include <string.h>

void config_init(struct config *config)
{
    memset(config, 0, sizeof(*config));
}

/* The nearest key: at most two edits away, or the right key in another section. */
static const char *config_near(struct str name)
{
    size_t best = 3;
    const char *near = NULL;
    ptrdiff_t dot = text_find(name, '.');
    struct str key = text_from_byte(name, (size_t)(dot + 1));
    for (int i = 0; config_keys[i].section; i++) {
        size_t distance = text_distance(name, text_from(config_keys[i].name));
        if (text_is(key, config_keys[i].key) && distance > 1)
            distance = 1;
        if (distance < best) {
            best = distance;
            near = config_keys[i].name;
        }
    }
    return near;
}

int config_lookup(struct str name, const char **out_near)
{
    *out_near = NULL;
    for (int i = 0; config_keys[i].section; i++) {
        if (text_is(name, config_keys[i].name))
            return i;
    }
    *out_near = config_near(name);
    return -1;
}

static int config_index(const char *name)
{
    const char *near;
    int index = config_lookup(text_from(name), &near);
    assert(index >= 0);
    return index;
}

/* Values are appended; an earlier one of the same key stays as waste. */
int config_store(struct config *config, int index, struct str value, struct buf *err)
{
    if (value.len + 1 > sizeof(config->text) - config->used) {
        buf_put_text(err, "all settings together are over 16 KiB; write less");
        return -P2P_EINVAL;
    }
    text_copy(value, config->text + config->used, value.len + 1);
    config->value[index] = (uint16_t)(config->used + 1);
    config->used += value.len + 1;
    return 0;
}

void config_end_error(struct buf *err, size_t size)
{
    if (size > 0)
        err->ptr[err->len < size ? err->len : size - 1] = '\0';
}

int config_set(struct config *config, const char *name, struct str value, char *err,
               size_t err_size)
{
    const char *near;
    int index = config_lookup(text_from(name), &near);
    struct buf buf = buf_on(err, err_size);
    value = text_trim(value);
    buf_put_text(&buf, "--");
    buf_put_shown(&buf, text_from(name));
    buf_put_char(&buf, ' ');
    buf_put_shown(&buf, text_first(value, 200));
    buf_put_text(&buf, ": ");
    if (index < 0) {
        buf_put_text(&buf, near ? "no such setting; did you mean --" : "no such setting");
        buf_put_text(&buf, near ? near : "");
    } else if (config_check_value(&config_keys[index], value, &buf) == 0 &&
               config_store(config, index, value, &buf) == 0) {
        config->fixed |= UINT64_C(1) << index;
        return 0;
    }
    config_end_error(&buf, err_size);
    return -P2P_EINVAL;
}

struct str config_text(const struct config *config, const char *name)
{
    int index = config_index(name);
    uint16_t at = config->value[index];
    return text_from(at ? config->text + at - 1 : config_keys[index].preset);
}

uint64_t config_number(const struct config *config, const char *name)
{
    struct str value = config_text(config, name);
    uint64_t number = 0;
    if (value.len > 0) {
        int error = config_check_parse(&config_keys[config_index(name)], value, &number);
        assert(error == 0);
    }
    return number;
}

bool config_is(const struct config *config, const char *name, const char *choice)
{
    return text_is(config_text(config, name), choice);
}

bool config_is_set(const struct config *config, const char *name)
{
    return config->value[config_index(name)] != 0;
}
