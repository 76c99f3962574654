/* SPDX-License-Identifier: MIT */
/* Whether a value is what its key wants, and if not, how to cure it. Pure. */
#include "base/config_check.h"

#include "base/text.h"

int config_check_parse(const struct config_key *key, struct str value, uint64_t *out)
{
    int64_t ms = 0;
    int error = 0;
    switch (key->type) {
    case CONFIG_SIZE:
        return text_to_size(value, out);
    case CONFIG_RATE:
        return text_to_rate(value, out);
    case CONFIG_COUNT:
        return text_to_u64(value, UINT64_MAX, out);
    case CONFIG_TIME:
        if (key->choices && text_is(value, key->choices)) {
            *out = UINT64_MAX;
            return 0;
        }
        error = text_to_ms(value, &ms);
        *out = (uint64_t)ms;
        return error;
    case CONFIG_TEXT:
    case CONFIG_LIST:
    case CONFIG_CHOICE:
        break;
    }
    return -P2P_EINVAL;
}

/* A number in the largest unit that says it exactly. */
static void config_put_number(struct buf *buf, enum config_type type, uint64_t value)
{
    static const struct {
        uint64_t size;
        const char *text;
    } sizes[] = {{UINT64_C(1) << 30, "G"}, {1 << 20, "M"}, {1 << 10, "K"}, {1, ""}},
      times[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    size_t unit = 0;
    if (type == CONFIG_COUNT || value == 0) {
        buf_put_u64(buf, value);
    } else if (type == CONFIG_TIME) {
        while (value % times[unit].size != 0)
            unit++;
        buf_put_u64(buf, value / times[unit].size);
        buf_put_text(buf, times[unit].text);
    } else {
        while (value % sizes[unit].size != 0)
            unit++;
        buf_put_u64(buf, value / sizes[unit].size);
        buf_put_text(buf, sizes[unit].text);
        buf_put_text(buf, type == CONFIG_RATE ? "/s" : "");
    }
}

static int config_check_number(const struct config_key *key, struct str value, struct buf *err)
{
    static const char *const cures[] = {
        [CONFIG_SIZE] = "not a size; write bytes, or a number with K, M or G",
        [CONFIG_TIME] = "not a time; write a number with ms, s, m, h or d",
        [CONFIG_RATE] = "not a rate; write bytes a second as 500K/s or 2M/s, or 0",
        [CONFIG_COUNT] = "not a number; write digits alone",
    };
    uint64_t number = 0;
    int error = config_check_parse(key, value, &number);
    if (error == -P2P_EINVAL) {
        buf_put_text(err, cures[key->type]);
        if (key->choices) {
            buf_put_text(err, ", or ");
            buf_put_text(err, key->choices);
        }
        return error;
    }
    if (error == 0 && number >= key->min && (number <= key->max || number == UINT64_MAX))
        return 0;
    buf_put_text(err, "out of range; write ");
    config_put_number(err, key->type, key->min);
    buf_put_text(err, " to ");
    config_put_number(err, key->type, key->max);
    return -P2P_EINVAL;
}

static int config_check_choice(const struct config_key *key, struct str value, struct buf *err)
{
    struct str choices = text_from(key->choices), choice;
    while (text_split(&choices, '|', &choice)) {
        if (text_equal(choice, value))
            return 0;
    }
    buf_put_text(err, "not a choice; write one of ");
    choices = text_from(key->choices);
    for (const char *comma = ""; text_split(&choices, '|', &choice); comma = ", ") {
        buf_put_text(err, comma);
        buf_put(err, choice);
    }
    return -P2P_EINVAL;
}

bool config_next(struct str *rest, struct str *out_item)
{
    while (text_split(rest, ',', out_item)) {
        *out_item = text_trim(*out_item);
        if (out_item->len > 0)
            return true;
    }
    return false;
}

static int config_check_text(const struct config_key *key, struct str value, struct buf *err)
{
    const char *fault = key->check ? key->check(value) : NULL;
    if (!fault)
        return 0;
    buf_put_text(err, fault);
    return -P2P_EINVAL;
}

static int config_check_list(const struct config_key *key, struct str value, struct buf *err)
{
    struct str item;
    uint64_t count = 0;
    while (config_next(&value, &item)) {
        if (config_check_text(key, item, err) != 0)
            return -P2P_EINVAL;
        if (++count > key->max) {
            buf_put_text(err, "too many; write at most ");
            buf_put_u64(err, key->max);
            return -P2P_EINVAL;
        }
    }
    return 0;
}

int config_check_value(const struct config_key *key, struct str value, struct buf *err)
{
    for (size_t i = 0; i < value.len; i++) {
        if ((uint8_t)value.ptr[i] < 0x20 || value.ptr[i] == 0x7f) {
            buf_put_text(err, "has a control character; write it anew");
            return -P2P_EINVAL;
        }
    }
    if (value.len > CONFIG_TEXT_MAX) {
        buf_put_text(err, "too long; write at most 4000 bytes");
        return -P2P_EINVAL;
    }
    if (key->type == CONFIG_TEXT)
        return config_check_text(key, value, err);
    if (key->type == CONFIG_LIST)
        return config_check_list(key, value, err);
    if (key->type == CONFIG_CHOICE)
        return config_check_choice(key, value, err);
    return config_check_number(key, value, err);
}
